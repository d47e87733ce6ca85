"""A batch comes wholly before what its person decides, or after it: each waits for the other."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import factories
from tests.integration.polling import wait_until
from tests.integration.test_admission_answers import Machine, enrolled
from tests.integration.test_batches_at_once import CONTENT, announce, imported, somebody_waits
from tests.integration.test_facts_at_once import LONG, under_way


@pytest.fixture
def world(database: Any, store: Path) -> factories.World:
    world = factories.make_world()
    world.say_yes()
    return world


@pytest.fixture
def machine(world: factories.World) -> Machine:
    return enrolled(world.subject)


def withdraw(world: factories.World) -> None:
    from consent import services

    services.withdraw_consent(subject=world.subject, purpose="train-agents")


def forget(world: factories.World) -> None:
    from consent import services

    services.forget_last(subject=world.subject, minutes=60)


def less(world: factories.World) -> None:
    from consent.policy.types import Signal

    world.say_yes(("sheet", Signal.MOUSE_CLICK))


def bytes_of(machine: Machine, said: Any) -> Any:
    """Bring the bytes, as another process would; returns why they were refused, else nothing."""
    from django.db import connection

    from retention import services
    from retention.exceptions import BatchRefused

    try:
        services.receive_bytes(agent=machine.agent, batch=said.batch, chunks=[CONTENT])
    except BatchRefused as refusal:
        return refusal.reasons
    finally:
        connection.close()
    return []


@pytest.mark.parametrize("way", ["manifest", "bytes", "import"])
@pytest.mark.parametrize(
    ("decide", "reason"),
    [(withdraw, "consent_does_not_stand"), (forget, "struck"), (less, "signal_not_consented")],
)
def test_what_comes_while_a_decision_commits_is_judged_by_it(
    world: factories.World, machine: Machine, store: Path, database: Any, way: str,
    decide: Any, reason: str,
) -> None:  # fmt: skip
    from retention import services

    policy = factories.make_policy(machine.agent, ago=timedelta(minutes=10))
    said = factories.manifest_for(policy, CONTENT, batch=uuid4())
    if way == "bytes":
        services.announce_batch(agent=machine.agent, manifest=said)
    ways = {
        "manifest": lambda: announce(machine, said).json().get("reasons", []),
        "bytes": lambda: bytes_of(machine, said),
        "import": lambda: imported(machine, said),
    }

    with ThreadPoolExecutor(1) as pool:
        with under_way(lambda: decide(world)):
            coming: Future[Any] = pool.submit(ways[way])
            wait_until(lambda: somebody_waits() or coming.done())
            assert not coming.done(), "it was judged by what is over"
        found = coming.result(LONG)

    assert found == ({str(said.batch): "refused"} if way == "import" else [reason])
    assert database.sql("SELECT reasons FROM retention_admission") == [([reason],)]
    assert database.sql("SELECT count(*) FROM retention_batch") == [(0,)]
    assert [path for path in store.rglob("*") if path.is_file()] == []
