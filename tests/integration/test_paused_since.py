"""A policy of a pause says since when, so that an agent drops what reaches into it, and no more."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from sayso_agent.policy import Policy

from tests import factories
from tests.integration.agents import Machine, machine_of
from tests.schema import policy_validator

if TYPE_CHECKING:
    from pathlib import Path

SECOND = timedelta(seconds=1)


@pytest.fixture
def world(database: Any, store: Path) -> factories.World:
    world = factories.make_world()
    world.say_yes()
    return world


def announce(machine: Machine, policy: Any, since: datetime, until: datetime) -> Any:
    content = b"{}"
    manifest = {
        "batch": str(uuid4()),
        "policy_version": policy.version,
        "purpose": "train-agents",
        "app": "tracker",
        "signals": {"mouse_click": 1},
        "from": since.isoformat(),
        "until": until.isoformat(),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "redactor": "test/1",
    }
    bearer = {"Authorization": f"Bearer {machine.token}"}
    return Client().post(
        "/api/v1/batches", manifest, content_type="application/json", headers=bearer
    )


@pytest.mark.parametrize("beyond", [0, 1, 999_999])
def test_what_ends_where_the_policy_says_comes_in_and_what_reaches_into_the_pause_does_not(
    world: factories.World, beyond: int
) -> None:
    """Whatever part of a second the pause begins at, on a whole one too."""
    from consent import services

    machine, now = machine_of(world.subject), datetime.now(UTC).replace(microsecond=0)
    before = services.issue_policy(agent=machine.agent, at=now - 60 * SECOND).policy
    began = now - 20 * SECOND + timedelta(microseconds=beyond)
    services.pause_capture(subject=world.subject, at=began)

    document = services.issue_policy(agent=machine.agent).document

    policy_validator().validate(document)
    since = datetime.fromtimestamp(document["paused_since"], UTC)
    assert since < began <= since + SECOND
    policy = Policy.parse(document)
    held = "train-agents", "tracker", "mouse_click"
    assert policy.keeps(*held, stamp=since.timestamp() - 0.001)
    assert not policy.keeps(*held, stamp=since.timestamp())
    services.resume_capture(subject=world.subject)
    whole = announce(machine, before, since - 9 * SECOND, began + SECOND)
    assert (whole.status_code, whole.json()["reasons"]) == (422, ["paused"])
    assert announce(machine, before, since - 9 * SECOND, since).status_code == 201


def test_a_pause_just_made_takes_nothing_from_before_the_second_it_was_made_in(
    world: factories.World,
) -> None:
    from consent import services

    machine, now = machine_of(world.subject), datetime.now(UTC)
    before = services.issue_policy(agent=machine.agent, at=now - 60 * SECOND).policy
    services.pause_capture(subject=world.subject)
    document = services.issue_policy(agent=machine.agent).document
    services.resume_capture(subject=world.subject)

    since = datetime.fromtimestamp(document["paused_since"], UTC)

    assert since > now - SECOND
    assert announce(machine, before, since - 9 * SECOND, since).status_code == 201


def test_a_policy_of_no_pause_does_not_say_since_when(world: factories.World) -> None:
    from consent import services

    machine = machine_of(world.subject)
    services.pause_capture(subject=world.subject)
    services.resume_capture(subject=world.subject)

    assert "paused_since" not in services.issue_policy(agent=machine.agent).document


# --- pauses that are over -------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [0, 1, 999_999])
@pytest.mark.parametrize("ended", [0, 1, 999_999])
def test_a_machine_that_was_away_is_told_what_of_a_pause_to_purge(
    world: factories.World, begun: int, ended: int
) -> None:
    """Whatever parts of a second it began and ended at: all the rest comes in."""
    from consent import services

    machine, now = machine_of(world.subject), datetime.now(UTC).replace(microsecond=0)
    before = services.issue_policy(agent=machine.agent, at=now - 60 * SECOND).policy
    began, over = (
        now - seconds * SECOND + timedelta(microseconds=part)
        for seconds, part in ((40, begun), (20, ended))
    )
    services.pause_capture(subject=world.subject, at=began)
    services.resume_capture(subject=world.subject, at=over)

    document = services.issue_policy(agent=machine.agent).document

    policy_validator().validate(document)
    (told,) = document["strikes"]
    since, until = (datetime.fromtimestamp(told[name], UTC) for name in ("from", "until"))
    assert since < began <= since + SECOND
    assert until - SECOND < over <= until
    policy = Policy.parse(document)
    held = "train-agents", "tracker", "mouse_click"
    assert policy.keeps(*held, stamp=since.timestamp() - 0.001)
    assert not policy.keeps(*held, stamp=since.timestamp())
    assert not policy.keeps(*held, stamp=until.timestamp() - 0.001)
    assert policy.keeps(*held, stamp=until.timestamp())
    assert announce(machine, before, since - 9 * SECOND, since).status_code == 201
    assert announce(machine, before, until, until + 9 * SECOND).status_code == 201
    whole = announce(machine, before, since - 9 * SECOND, until + 9 * SECOND)
    assert (whole.status_code, whole.json()["reasons"]) == (422, ["paused"])


def test_what_is_captured_as_soon_as_the_person_resumed_comes_in(world: factories.World) -> None:
    """Stamps begin with the second of the policy, which may be before the person resumed."""
    from consent import services

    machine, now = machine_of(world.subject), datetime.now(UTC).replace(microsecond=900_000)
    services.pause_capture(subject=world.subject, at=now - 20 * SECOND)
    services.resume_capture(subject=world.subject, at=now - 9 * SECOND)
    lease = services.issue_policy(agent=machine.agent, at=now - 9 * SECOND)

    stamps = [lease.document["iat"] + tenth / 10 for tenth in range(20)]
    policy = Policy.parse(lease.document)
    kept = [stamp for stamp in stamps if not policy.strikes.cover(stamp)]

    assert kept == stamps[10:]
    first, last = (datetime.fromtimestamp(stamp, UTC) for stamp in (kept[0], kept[-1]))
    assert announce(machine, lease.policy, first, last).status_code == 201


def test_a_pause_is_told_of_until_a_week_after_its_end(world: factories.World) -> None:
    from consent import services

    agent, now = machine_of(world.subject).agent, datetime.now(UTC)
    services.pause_capture(subject=world.subject, at=now - timedelta(days=30))
    services.resume_capture(subject=world.subject, at=now)

    def told(later: timedelta) -> int:
        return len(services.issue_policy(agent=agent, at=now + later).document["strikes"])

    assert told(timedelta(days=7) - SECOND) == 1
    assert told(timedelta(days=7) + SECOND) == 0


def test_a_policy_that_names_a_pause_is_said_again_to_the_last_byte(
    world: factories.World,
) -> None:
    from consent import services

    agent = machine_of(world.subject).agent
    services.pause_capture(subject=world.subject)
    services.resume_capture(subject=world.subject)
    issued = services.issue_policy(agent=agent)

    with transaction.atomic():
        again = services.policy_again(
            agent=agent, at=datetime.now(UTC), since=issued.policy.issued_at
        )

    assert issued.document["strikes"]
    assert again is not None
    assert again.payload == issued.payload
