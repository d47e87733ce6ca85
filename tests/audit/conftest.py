"""What the ledger's own tests share: a sequencer with its own key, and a short way to an entry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

if TYPE_CHECKING:
    from audit.sequencer import Sequencer

ORIGIN = "sayso.test/ledger"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "ledger.pem"


@pytest.fixture
def new_sequencer(database: object, key_file: Path) -> Callable[[], Sequencer]:
    """Start a sequencer as its process would, any number of times, with one key."""
    from audit.sequencer import Sequencer

    return lambda: Sequencer(key_file=key_file, origin=ORIGIN, using="sequencer")


@pytest.fixture
def sequencer(new_sequencer: Callable[[], Sequencer]) -> Sequencer:
    return new_sequencer()


def say(subject: UUID | None = None, **more: object) -> int:
    """Append one entry in a transaction of its own."""
    from django.db import transaction

    from audit import events, ledger

    actor = ledger.Actor.subject(subject) if subject else ledger.Actor.system("tests")
    with transaction.atomic():
        return ledger.append(
            events.ConsentWithdrawn(purpose="train-agents", notice_version=3, language="pl-PL"),
            actor=actor,
            subject=subject,
            **more,  # type: ignore[arg-type]
        )


def alter(sql: str) -> None:
    """Do what only someone with the owner's rights can: change rows behind the triggers."""
    from django.db import connections

    from audit.protection import TABLES

    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint "
            "WHERE contype = 'f' AND confrelid = 'audit_entry'::regclass"
        )
        for table, key in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {key}")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(sql)
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


@contextlib.contextmanager
def altered_for_now(sql: str) -> Iterator[None]:
    """Alter, and take it back afterwards; only the alias `owner` sees it."""
    from django.db import transaction

    with transaction.atomic(using="owner"):
        alter(sql)
        yield
        transaction.set_rollback(True, using="owner")
