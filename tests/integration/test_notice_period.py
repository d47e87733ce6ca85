"""A notice period runs from the day somebody came under its rules, if the purpose is older."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine

from consent.policy.types import Signal
from tests import factories

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def today() -> date:
    """The day in Poland; whoever comes from Germany has the same."""
    return datetime.now(ZoneInfo("Europe/Warsaw")).date()


def over() -> date:
    """The end of a period that begins now: Poland asks for two weeks.

    The notice of these worlds is years old.
    """
    return today() + 14 * DAY


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world("PL")


def joined(place: str, since: date) -> Any:
    """Somebody whose place was known on the very day."""
    return factories.known_for_long({"work_location": place}, since)


def fact(subject: Any, kind: str, value: str, since: date, *, in_time: bool = True) -> None:
    """Record a fact of the past: as if known on its first day, or only today."""
    from consent import services
    from consent.selectors import midnight

    services.record_fact(
        subject=subject, kind=kind, value=value, valid_from=since, source="test",
        actor=factories.OFFICER, at=midnight(since) if in_time else None, imported=in_time,
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

    new, old = yes(world, joined("PL", today())), yes(world, world.another_subject())

    assert running(world, new)
    assert not running(world, old)
    agent = factories.make_agent(new)
    assert running(world, new, factories.midnight(over(), "PL") - SECOND)
    last = services.issue_policy(agent=agent, at=factories.midnight(over(), "PL") - SECOND).policy
    assert (last.allow, last.lease_until) == ({}, factories.midnight(over(), "PL"))
    assert not running(world, new, factories.midnight(over(), "PL"))


def test_who_moves_there_waits_from_the_move_on(world: factories.World) -> None:
    mover = joined("US", factories.LONG_AGO)
    fact(mover, "work_location", "PL", today() - DAY)
    yes(world, mover)

    assert running(world, mover)
    assert running(world, mover, datetime.now(UTC) + 12 * DAY)
    assert not running(world, mover, datetime.now(UTC) + 13 * DAY)


def test_a_stay_without_a_gap_is_one_stay(world: factories.World) -> None:
    resident = joined("DE", factories.LONG_AGO)
    fact(resident, "residence", "PL", factories.LONG_AGO)
    fact(resident, "work_location", "PL", today())
    assert not running(world, yes(world, resident))

    back = joined("PL", factories.LONG_AGO)
    fact(back, "work_location", "US", today() - 20 * DAY)
    fact(back, "work_location", "PL", today() - 10 * DAY)
    assert running(world, yes(world, back))


def test_the_newer_of_notice_and_arrival_counts(world: factories.World) -> None:
    from consent import services

    new = joined("PL", today() - 20 * DAY)
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

    assert not running(world, yes(world, joined("IE", today())))


def test_what_others_are_told_says_the_same(world: factories.World) -> None:
    """Explained by the shared half, and of the past, as it is decided for the person."""
    from consent import selectors
    from consent.selectors import decisions

    new = yes(world, joined("PL", today() - 3 * DAY))
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

    joined("PL", today())
    joined("PL", today())
    joined("PL", today() - 30 * DAY)

    (purpose,) = selectors.readiness(datetime.now(UTC)).purposes

    told = {
        (group.people, tuple(b.code for b in group.blockers), group.asked_from)
        for group in purpose.groups
    }
    assert told == {(2, (), None), (2, ("notice_period_running",), over())}
    assert (purpose.may_be_asked, purpose.people) == (2, 4)
    (later,) = selectors.readiness(datetime.now(UTC) + 14 * DAY).purposes
    assert later.may_be_asked == 4


@pytest.mark.parametrize("days", [0, 1, 13, 14, 15, 400])
def test_a_fact_dated_back_never_shortens_the_period(world: factories.World, days: int) -> None:
    from consent import services

    late = services.record_subject(
        language="en", facts={"work_location": "PL"}, since=today() - days * DAY, source="test",
        actor=factories.OFFICER,
    )  # fmt: skip
    mover = joined("DE", factories.LONG_AGO)
    fact(mover, "work_location", "PL", today() - days * DAY, in_time=False)

    for person in (yes(world, late), yes(world, mover)):
        assert running(world, person)
        assert running(world, person, datetime.now(UTC) + 13 * DAY)
        assert not running(world, person, datetime.now(UTC) + 14 * DAY)
    (purpose,) = selectors_of_readiness()
    assert {group.asked_from for group in purpose.groups if group.blockers} == {over()}


def selectors_of_readiness() -> Any:
    from consent import selectors

    return selectors.readiness(datetime.now(UTC)).purposes


def test_the_same_place_recorded_anew_starts_no_new_period(world: factories.World) -> None:
    """They were known to be there until the newer fact came: nothing is missing between."""
    there = joined("PL", factories.LONG_AGO)
    fact(there, "work_location", "PL", today() - 3 * DAY, in_time=False)

    assert not running(world, yes(world, there))


def test_who_was_held_to_be_elsewhere_was_not_told(world: factories.World) -> None:
    """Put right today: they never left, and yet nobody knew that they had to be told."""
    there = joined("PL", factories.LONG_AGO)
    fact(there, "work_location", "US", today() - 60 * DAY)
    assert there.facts.get(value="PL").end_recorded_at == datetime.combine(
        today() - 60 * DAY, datetime.min.time(), tzinfo=UTC
    )
    fact(there, "work_location", "PL", today() - 60 * DAY, in_time=False)

    assert running(world, yes(world, there), datetime.now(UTC) + 13 * DAY)


def test_the_past_is_told_by_what_was_recorded_then(world: factories.World) -> None:
    """A move recorded today and dated back does not let an earlier answer look otherwise."""
    from consent import selectors

    there = yes(world, joined("PL", factories.LONG_AGO))
    then = datetime.now(UTC)
    assert not said(selectors.verdicts_at(there, at=then))

    fact(there, "work_location", "US", today() - 20 * DAY, in_time=False)

    assert said(selectors.verdicts_at(there, at=datetime.now(UTC)))
    assert not said(selectors.verdicts_at(there, at=then))


def said(verdicts: Any) -> tuple[str, ...]:
    from consent.selectors import decisions

    codes: tuple[str, ...] = decisions.about(verdicts, "tracker", Signal.MOUSE_CLICK)[
        "train-agents"
    ].codes
    return codes
