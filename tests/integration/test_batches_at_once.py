"""The same batch id announced twice at one instant: one stands, the other gets its usual answer."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from tests import factories
from tests.integration.polling import wait_until
from tests.integration.test_admission_answers import Machine, enrolled
from tests.integration.test_facts_at_once import LONG, under_way

CONTENT = b"what was recorded"


@pytest.fixture
def machine(database: Any) -> Machine:
    world = factories.make_world()
    world.say_yes()
    return enrolled(world.subject)


@pytest.fixture
def other(machine: Machine) -> Machine:
    """The machine of somebody else, who has answered nothing."""
    return enrolled(factories.make_subject())


def manifest(machine: Machine, **differs: Any) -> Any:
    return factories.manifest_for(factories.make_policy(machine.agent), CONTENT, **differs)


def announce(machine: Machine, said: Any) -> Any:
    """Announce over HTTP, as another process would, in a connection that is closed after it."""
    from django.db import connection
    from django.test import Client

    names = {"captured_from": "from", "captured_until": "until"}
    try:
        return Client().post(
            "/api/v1/batches",
            {names.get(name, name): value for name, value in said.document().items()},
            content_type="application/json",
            headers={"Authorization": f"Bearer {machine.token}"},
        )
    finally:
        connection.close()


def while_announced(machine: Machine, said: Any, second: Any, *, rolled_back: bool = False) -> Any:
    """Return what `second` brings, begun while the first announcement is not committed yet."""
    from django.db import transaction

    from retention import services

    def first() -> None:
        made = services.announce_batch(agent=machine.agent, manifest=said)
        assert made.state == "awaiting_bytes"
        assert made.is_new
        transaction.set_rollback(rolled_back)

    with ThreadPoolExecutor(1) as pool:
        with under_way(first):
            answer: Future[Any] = pool.submit(second)
            wait_until(lambda: somebody_waits() or answer.done())
            assert not answer.done()  # it waits for what the first transaction comes to
        return answer.result(LONG)


def somebody_waits() -> bool:
    """Whether some transaction waits for the end of another one."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def announced(database: Any) -> list[tuple[Any, ...]]:
    """Who has an admission, and how many entries say so."""
    rows: list[tuple[Any, ...]] = database.sql(
        "SELECT a.agent_id, (SELECT count(*) FROM audit_entry WHERE type IN"
        " ('batch.announced', 'batch.refused', 'batch.quarantined')) FROM retention_admission a"
    )
    return rows


def test_another_persons_machine_is_told_that_the_id_is_taken(
    database: Any, machine: Machine, other: Machine
) -> None:
    said = manifest(machine)
    theirs = manifest(other, batch=said.batch)

    answer = while_announced(machine, said, lambda: announce(other, theirs))

    assert (answer.status_code, answer.json()["code"]) == (409, "manifest_differs")
    assert announced(database) == [(machine.agent.pk, 1)]


def test_another_persons_machine_has_the_id_where_the_first_came_to_nothing(
    database: Any, machine: Machine, other: Machine
) -> None:
    said = manifest(machine)
    theirs = manifest(other, batch=said.batch)

    answer = while_announced(machine, said, lambda: announce(other, theirs), rolled_back=True)

    assert (answer.status_code, answer.json()["code"]) == (422, "batch_refused")
    assert announced(database) == [(other.agent.pk, 1)]


def test_the_same_manifest_from_one_machine_gets_what_stands(
    database: Any, machine: Machine
) -> None:
    said = manifest(machine)

    answer = while_announced(machine, said, lambda: announce(machine, said))

    assert (answer.status_code, answer.json()["state"]) == (200, "awaiting_bytes")
    assert announced(database) == [(machine.agent.pk, 1)]


def test_an_altered_manifest_from_one_machine_is_refused(database: Any, machine: Machine) -> None:
    said = manifest(machine)
    altered = manifest(machine, batch=said.batch, redactor="other/1")

    answer = while_announced(machine, said, lambda: announce(machine, altered))

    assert (answer.status_code, answer.json()["code"]) == (409, "manifest_differs")
    assert announced(database) == [(machine.agent.pk, 1)]


def test_of_many_at_once_one_makes_it_and_the_others_find_it(
    database: Any, machine: Machine
) -> None:
    said = manifest(machine, batch=uuid4())

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: announce(machine, said).status_code, range(4)))

    assert sorted(answers) == [200, 200, 200, 201]
    assert announced(database) == [(machine.agent.pk, 1)]


def imported(machine: Machine, *manifests: Any, content: bytes = CONTENT) -> Any:
    """Import, as another process would; returns the states, or the code of the refusal."""
    from django.db import connection

    from retention import services
    from retention.exceptions import RetentionError

    try:
        found = services.import_batches(
            agent=machine.agent,
            batches=[(said, content) for said in manifests],
            at=datetime.now(UTC),
        )
    except RetentionError as refusal:
        return refusal.code
    finally:
        connection.close()
    return {str(one.batch): str(one.state) for one in found}


def test_an_import_that_meets_another_machines_id_is_told_so(
    database: Any, machine: Machine, other: Machine, store: Path
) -> None:
    from retention.services import settle_uploads

    said, content = manifest(machine), b"something else"
    policy = factories.make_policy(other.agent)
    theirs = factories.manifest_for(policy, content, batch=said.batch)

    answer = while_announced(machine, said, lambda: imported(other, theirs, content=content))

    assert answer == "manifest_differs"
    assert announced(database) == [(machine.agent.pk, 1)]
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2), tick=True):
        settle_uploads()  # what the import had written lies under nobody's manifest
    assert [path for path in store.rglob("*") if path.is_file()] == []
    assert database.sql("SELECT state FROM retention_admission") == [("awaiting_bytes",)]


def test_an_import_that_meets_its_own_announcement_takes_in_the_rest(
    database: Any, machine: Machine, store: Path
) -> None:
    said = manifest(machine)
    rest = manifest(machine)

    answer = while_announced(machine, said, lambda: imported(machine, said, rest))

    assert answer[str(said.batch)] == "awaiting_bytes"
    assert answer[str(rest.batch)] in {"admitted", "refused"}
    assert sorted(announced(database)) == [(machine.agent.pk, 1)] * 2  # and one let in


def test_an_import_stands_where_the_announcement_came_to_nothing(
    database: Any, machine: Machine, other: Machine, store: Path
) -> None:
    said = manifest(machine)
    theirs = manifest(other, batch=said.batch)

    answer = while_announced(machine, said, lambda: imported(other, theirs), rolled_back=True)

    assert answer == {str(said.batch): "refused"}
    assert announced(database) == [(other.agent.pk, 1)]
