"""Deletions end as deleted and verified, held, or visibly failed, whatever breaks on the way."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests import factories
from tests.oracle import look

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def owed(database: Any, store: Path) -> bytes:
    """A batch whose deletion is owed and expanded; returns the bytes to look for."""
    from consent import services
    from retention import services as retention

    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    marker = secrets.token_bytes(64)
    factories.hand_in(agent, factories.make_policy(agent), b"head" + marker + b"tail")
    assert look(store, [marker])["found"] == {marker.hex(): 1}
    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    retention.expand_cases()
    return marker


def certificates(database: Any) -> int:
    return int(database.sql("SELECT count(*) FROM retention_certificate")[0][0])


def test_a_store_that_says_yes_without_unlinking_yields_no_certificate(
    owed: bytes, store: Path, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retention import services as retention
    from retention.stores import FileStore

    monkeypatch.setattr(FileStore, "delete", lambda self, key: None)

    retention.run_due_jobs()

    assert certificates(database) == 0
    assert database.sql("SELECT state, failure FROM retention_deletionjob") == [
        ("due", "bytes_still_there")
    ]
    assert database.sql("SELECT state FROM retention_batch") == [("kept",)]
    assert look(store, [owed])["found"] == {owed.hex(): 1}


def test_a_copy_under_another_name_yields_no_certificate(
    owed: bytes, store: Path, database: Any
) -> None:
    from retention import services as retention

    original = next(f for f in store.rglob("*") if f.is_file())
    os.link(original, store / "copy")

    retention.run_due_jobs()

    assert certificates(database) == 0
    assert look(store, [owed])["found"] == {owed.hex(): 1}


def test_a_failed_deletion_is_done_once_the_store_works_again(
    owed: bytes, store: Path, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retention import services as retention
    from retention.exceptions import StoreFailed
    from retention.stores import FileStore

    def fail(self: FileStore, key: str) -> None:
        raise StoreFailed

    with monkeypatch.context() as broken:
        broken.setattr(FileStore, "delete", fail)
        retention.run_due_jobs()
    assert database.sql("SELECT failure FROM retention_deletionjob") == [("store_failed",)]
    database.sql("UPDATE retention_deletionjob SET next_at = now()", role="app")

    retention.run_due_jobs()

    assert certificates(database) == 1
    assert database.sql("SELECT state, failure FROM retention_deletionjob") == [("certified", "")]
    assert look(store, [owed])["files"] == 0


KILLED = """
import os, signal, sys
from tests.conftest import point_everything_at
import django; django.setup()
point_everything_at(sys.argv[1])
from django.conf import settings
from pathlib import Path
settings.STORES = {"files": {"kind": "filesystem", "root": Path(sys.argv[2])}}
from retention import services
from retention.services import erasure
from retention.stores import FileStore
die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
delete, verify = FileStore.delete, FileStore.verify_gone
if sys.argv[3] == "before":
    FileStore.delete = die
elif sys.argv[3] == "after":
    FileStore.delete = lambda self, key: (delete(self, key), die())
elif sys.argv[3] == "verified":
    FileStore.verify_gone = lambda self, items, **kept: (verify(self, items, **kept), die())
elif sys.argv[3] == "uncommitted":
    erasure._statement = die
services.run_due_jobs()
"""


@pytest.mark.parametrize("moment", ["before", "after", "verified", "uncommitted"])
def test_a_worker_killed_at_any_moment_leaves_work_that_is_finished_once(
    owed: bytes, store: Path, database: Any, moment: str
) -> None:
    from django.utils import timezone

    from retention import services as retention
    from retention.models import DeletionJob

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, database.name, str(store), moment],
        cwd=ROOT,
        env={**os.environ, "SAYSO_TESTS_ATTACH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert certificates(database) == 0
    assert retention.run_due_jobs() == 0, "the dead worker's lease still stands"

    DeletionJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    retention.run_due_jobs()
    retention.run_due_jobs()

    assert certificates(database) == 1
    assert look(store, [owed])["files"] == 0
    entries = database.sql("SELECT count(*) FROM audit_entry WHERE type = 'deletion.certified'")
    assert entries == [(1,)]


def test_a_worker_that_comes_back_after_its_lease_changes_nothing(
    owed: bytes, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.utils import timezone

    from retention import services as retention
    from retention.models import DeletionJob
    from retention.stores import FileStore

    verify = FileStore.verify_gone
    entered = []

    def slow(self: FileStore, items: Any, **kept: Any) -> Any:
        """While the first worker verifies, its lease lapses and a second finishes the job."""
        evidence = verify(self, items, **kept)
        if not entered:
            entered.append(True)
            DeletionJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
            retention.run_due_jobs()
        return evidence

    monkeypatch.setattr(FileStore, "verify_gone", slow)

    retention.run_due_jobs()

    assert certificates(database) == 1


def test_ledger_failure_undoes_the_certificate(
    owed: bytes, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger
    from retention import services as retention

    def fail(*args: Any, **kwargs: Any) -> int:
        raise RuntimeError("no ledger")

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "append", fail)
        with pytest.raises(RuntimeError):
            retention.run_due_jobs()

    assert certificates(database) == 0
    assert database.sql("SELECT state FROM retention_batch") == [("kept",)]


def test_a_held_batch_is_not_deleted_and_the_job_says_so(
    owed: bytes, store: Path, database: Any
) -> None:
    from django.db import transaction

    from audit import events, ledger
    from consent.models import Subject
    from retention import services as retention
    from retention.models import Hold

    with transaction.atomic():
        hold = Hold.objects.create(
            subject=Subject.objects.get(), reason_code="x", placed_by=factories.OFFICER.ref
        )
        ledger.append(
            events.HoldPlaced(reason="litigation", hold=hold.uuid),
            actor=factories.OFFICER,
            covers=[hold],
        )

    retention.run_due_jobs()

    assert database.sql("SELECT state FROM retention_deletionjob") == [("held",)]
    assert look(store, [owed])["found"] == {owed.hex(): 1}
    assert certificates(database) == 0


def test_what_expires_is_owed_and_erased(database: Any, store: Path) -> None:
    from django.utils import timezone

    from retention import services as retention

    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    factories.hand_in(agent, factories.make_policy(agent), b"old")
    later = timezone.now() + timedelta(days=61)

    assert retention.owe_expired(at=timezone.now()) is None
    assert retention.owe_expired(at=later) is not None
    retention.expand_cases()
    retention.run_due_jobs()

    assert look(store, [b"old"])["files"] == 0
    assert database.sql("SELECT cause, state FROM retention_deletioncase") == [("expiry", "done")]


def test_equal_bytes_of_another_kept_batch_do_not_hinder_a_deletion(
    database: Any, store: Path
) -> None:
    from consent import services
    from retention import services as retention

    world = factories.make_world()
    world.say_yes()
    other = factories.World(
        world.purpose, world.notice, world.apps, world.another_subject(), world.jurisdiction
    )
    other.say_yes()
    for subject in (world.subject, other.subject):
        agent = factories.make_agent(subject)
        factories.hand_in(agent, factories.make_policy(agent), b"the same bytes")

    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    retention.expand_cases()
    retention.run_due_jobs()

    assert certificates(database) == 1
    assert look(store, [b"the same bytes"])["files"] == 1


def test_a_narrower_yes_owes_only_what_it_leaves_out(database: Any, store: Path) -> None:
    from consent.policy.types import Signal
    from retention import services as retention

    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    factories.hand_in(agent, policy, b"clicks", signals={"mouse_click": 1})
    factories.hand_in(agent, policy, b"scrolls", signals={"scroll": 1})

    world.say_yes(("tracker", Signal.MOUSE_CLICK))
    retention.expand_cases()
    retention.run_due_jobs()

    found = look(store, [b"clicks", b"scrolls"])["found"]
    assert found == {b"clicks".hex(): 1, b"scrolls".hex(): 0}
