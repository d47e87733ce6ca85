"""What is dated to the minute counts from that minute on, in whatever time zone it was written."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.policy.evaluate import evaluate, next_change
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
