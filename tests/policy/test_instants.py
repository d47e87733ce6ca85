"""What is dated to the minute counts from that minute on, in whatever time zone it was written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.policy.evaluate import evaluate, next_change
from consent.policy.facts import Agreement
from consent.policy.rulebook import load_rulebook
from tests.policy.policy_factories import allowed

RULES = load_rulebook()
NOON = datetime(2026, 12, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def codes(**changes: Any) -> list[str]:
    return [str(reason) for reason in evaluate(allowed(**changes), RULES).reasons]


@pytest.mark.parametrize(
    "later",
    [
        NOON + 3 * HOUR,
        datetime(2026, 12, 10, 23, 59, tzinfo=timezone(-11 * HOUR)),
        datetime(2026, 12, 10, 1, tzinfo=timezone(-12 * HOUR)),
    ],
)
def test_nothing_counts_before_the_minute_it_is_dated_to(later: datetime) -> None:
    assert codes(at=NOON, consent_given_on=later) == ["consent_not_yet_given"]
    assert codes(at=NOON, notice_on=later) == ["notice_period_running"]


@pytest.mark.parametrize(
    "earlier",
    [
        NOON,
        NOON - HOUR,
        datetime(2026, 12, 11, 1, tzinfo=timezone(14 * HOUR)),
        date(2026, 12, 10),
        datetime(2026, 12, 10, 18),  # noqa: DTZ001  without a zone only its day can be compared
    ],
)
def test_what_is_dated_earlier_counts(earlier: date) -> None:
    assert codes(at=NOON, consent_given_on=earlier) == []
    assert codes(at=NOON, notice_on=earlier) == []


def test_a_day_asked_about_takes_an_instant_by_its_day() -> None:
    assert codes(at=NOON.date(), consent_given_on=NOON + 9 * HOUR) == []
    assert codes(at=NOON.date(), consent_given_on=NOON + 12 * HOUR) == ["consent_not_yet_given"]


def test_periods_count_from_the_day_it_was_where_it_is_asked() -> None:
    """Half past midnight in Auckland is still the day before in UTC: a year is over that day."""
    auckland = datetime(2025, 12, 11, 0, 30, tzinfo=timezone(13 * HOUR))
    assert "consent_expired" in codes(
        jurisdictions=frozenset({"US-NY"}), at=NOON, consent_given_on=auckland
    )


MOMENTS = st.datetimes(datetime(2026, 12, 8), datetime(2026, 12, 12))  # noqa: DTZ001
ZONES = st.integers(-12, 14).map(lambda hours: timezone(hours * HOUR))


@settings(max_examples=200, deadline=None)
@given(at=MOMENTS, given_on=MOMENTS, zones=st.tuples(ZONES, ZONES))
def test_a_yes_never_permits_before_it_was_given(
    at: datetime, given_on: datetime, zones: tuple[timezone, timezone]
) -> None:
    now, yes = at.replace(tzinfo=zones[0]), given_on.replace(tzinfo=zones[1])
    facts = allowed(at=now, consent_given_on=yes)

    assert evaluate(facts, RULES).permitted is (yes <= now)
    turn = next_change(facts, RULES)
    if yes > now:
        assert isinstance(turn, datetime)
        assert now < turn <= yes, "nobody is told that it stays so for longer than it does"


def agreed(since: date | None = None, until: date | None = None) -> dict[str, Any]:
    """An agreement that covers everything between two moments."""
    return {"agreements": (Agreement(name="A-1", valid_from=since, valid_until=until),)}


def closed(moment: date, place: str = "IE") -> dict[str, Any]:
    """Every gate of a place, closed at one moment."""
    return {
        "jurisdictions": frozenset({place}),
        "gates": {gate: moment for row in RULES.lineage(place) for gate in row.own.gates},
    }


def test_an_agreement_counts_from_its_minute_until_its_minute() -> None:
    assert codes(at=NOON, **agreed(since=NOON + 3 * HOUR)) == ["agreement_does_not_cover"]
    assert codes(at=NOON, **agreed(until=NOON)) == ["agreement_does_not_cover"]
    assert codes(at=NOON, **agreed(since=NOON, until=NOON + HOUR)) == []
    abroad = datetime(2026, 12, 11, 0, 59, tzinfo=timezone(13 * HOUR))
    assert abroad < NOON
    assert codes(at=NOON, **agreed(until=abroad)) == ["agreement_does_not_cover"]


def test_a_gate_is_closed_from_its_minute_on() -> None:
    assert codes(at=NOON, **closed(NOON + 3 * HOUR)) == ["gates_open"]
    assert codes(at=NOON, **closed(NOON)) == []
    assert codes(at=NOON.date(), **closed(NOON + 3 * HOUR)) == [], (
        "of a day asked about, by its day"
    )


@settings(max_examples=200, deadline=None)
@given(
    at=MOMENTS,
    since=MOMENTS,
    until=MOMENTS,
    closed_on=MOMENTS,
    zones=st.tuples(ZONES, ZONES, ZONES, ZONES),
)
def test_papers_permit_at_no_instant_outside_of_theirs(
    at: datetime, since: datetime, until: datetime, closed_on: datetime, zones: tuple[Any, ...]
) -> None:
    now, begins, ends, gates = (
        moment.replace(tzinfo=zone)
        for moment, zone in zip((at, since, until, closed_on), zones, strict=True)
    )
    facts = allowed(at=now, **agreed(begins, ends), **closed(gates))

    permitted = evaluate(facts, RULES).permitted

    assert permitted is (begins <= now < ends and gates <= now)
    turns = [moment for moment in (begins, ends, gates) if moment > now]
    if turns:
        turn = next_change(facts, RULES)
        assert isinstance(turn, datetime)
        assert now < turn <= min(turns)
