"""A notice period runs from the day somebody came under its rules, if the purpose is older."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine

from consent.policy.types import Signal
from tests import factories

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
OVER = TODAY + 14 * DAY
"""Poland asks for two weeks; the notice of these worlds is years old."""


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world("PL")


def joined(place: str, since: date, kind: str = "work_location") -> Any:
    from consent import services

    return services.record_subject(
        language="en", facts={kind: place}, since=since, source="test", actor=factories.OFFICER
    )


def fact(subject: Any, kind: str, value: str, since: date) -> None:
    from consent import services

    services.record_fact(
        subject=subject, kind=kind, value=value, valid_from=since, source="test",
        actor=factories.OFFICER,
    )  # fmt: skip


def running(world: factories.World, subject: Any, at: datetime | None = None) -> bool:
    """Whether the period keeps clicks from being recorded; nothing else stands against them."""
    subject.refresh_from_db()
    found = factories.decision_for(
        subject, purpose="train-agents", app="tracker", signal=Signal.MOUSE_CLICK,
        at=at or datetime.now(UTC),
    )  # fmt: skip
    assert found
    assert found.codes in {(), ("notice_period_running",)}
    return not found.permitted


def yes(world: factories.World, subject: Any) -> Any:
    world.subject = subject
    world.say_yes()
    return subject


def test_who_joins_today_waits_though_the_purpose_is_old(world: factories.World) -> None:
    from consent import services
    from consent.selectors import midnight

    new, old = yes(world, joined("PL", TODAY)), yes(world, world.another_subject())

    assert running(world, new)
    assert not running(world, old)
    agent = factories.make_agent(new)
    assert running(world, new, midnight(OVER) - SECOND)
    last = services.issue_policy(agent=agent, at=midnight(OVER) - SECOND).policy
    assert (last.allow, last.lease_until) == ({}, midnight(OVER))
    assert not running(world, new, midnight(OVER))


def test_who_moves_there_waits_from_the_move_on(world: factories.World) -> None:
    mover = joined("US", factories.LONG_AGO)
    fact(mover, "work_location", "PL", TODAY - DAY)
    yes(world, mover)

    assert running(world, mover)
    assert running(world, mover, datetime.now(UTC) + 12 * DAY)
    assert not running(world, mover, datetime.now(UTC) + 13 * DAY)


def test_a_stay_without_a_gap_is_one_stay(world: factories.World) -> None:
    resident = joined("US", factories.LONG_AGO)
    fact(resident, "residence", "PL", factories.LONG_AGO)
    fact(resident, "work_location", "PL", TODAY)
    assert not running(world, yes(world, resident))

    back = joined("PL", factories.LONG_AGO)
    fact(back, "work_location", "US", TODAY - 20 * DAY)
    fact(back, "work_location", "PL", TODAY - 10 * DAY)
    assert running(world, yes(world, back))


def test_the_newer_of_notice_and_arrival_counts(world: factories.World) -> None:
    from consent import services

    new = joined("PL", TODAY - 20 * DAY)
    with time_machine.travel(datetime.now(UTC) - 5 * DAY):
        world.notice = services.publish_notice(
            purpose=world.purpose,
            texts={"en": ("About", factories.sections("other"))},
            actor=factories.OFFICER,
            at=datetime.now(UTC),
        )
    yes(world, new)

    assert running(world, new, datetime.now(UTC) + 8 * DAY)
    assert not running(world, new, datetime.now(UTC) + 10 * DAY)


def test_without_such_rules_nobody_waits(database: Any) -> None:
    world = factories.make_world("IE")

    assert not running(world, yes(world, joined("IE", TODAY)))


def test_what_others_are_told_says_the_same(world: factories.World) -> None:
    """Explained by the shared half, and of the past, as it is decided for the person."""
    from consent import selectors
    from consent.selectors import decisions

    new = yes(world, joined("PL", TODAY - 3 * DAY))
    new.refresh_from_db()
    later = datetime.now(UTC) + 12 * DAY
    with time_machine.travel(later):
        for at, runs in ((later - 3 * DAY, True), (later, False)):
            for verdicts in (
                selectors.verdicts_at(new, at=at),
                selectors.history.shared_verdicts_at(new, at=at),
            ):
                told = decisions.about(verdicts, "tracker", Signal.MOUSE_CLICK)["train-agents"]
                assert ("notice_period_running" in told.codes) is runs


def test_readiness_counts_those_who_wait_by_themselves(world: factories.World) -> None:
    from consent import selectors

    joined("PL", TODAY)
    joined("PL", TODAY)
    joined("PL", TODAY - 30 * DAY)

    (purpose,) = selectors.readiness(datetime.now(UTC)).purposes

    told = {
        (group.people, tuple(b.code for b in group.blockers), group.asked_from)
        for group in purpose.groups
    }
    assert told == {(2, (), None), (2, ("notice_period_running",), OVER)}
    assert (purpose.may_be_asked, purpose.people) == (2, 4)
    (later,) = selectors.readiness(datetime.now(UTC) + 14 * DAY).purposes
    assert later.may_be_asked == 4
