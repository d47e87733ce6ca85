"""Statutory periods by the calendar; the cases with their laws are in tests/matrix/periods.toml."""

from datetime import date, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_factories import TODAY

from consent.policy.deadlines import (
    EXTENDABLE,
    UnknownJurisdictionError,
    add_business_days,
    add_months,
    due,
)
from consent.policy.holidays import is_business_day, is_holiday
from consent.policy.rulebook import load_rulebook
from consent.policy.types import Right

RULEBOOK = load_rulebook()
CODES = sorted(RULEBOOK.rows)
days = st.dates(date(2020, 1, 1), date(2035, 12, 31))


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 12, 10), 1, date(2027, 1, 10)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2027, 2, 28), 1, date(2027, 3, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2026, 11, 30), 0, date(2026, 11, 30)),
        (date(2026, 1, 31), 13, date(2027, 2, 28)),
    ],
)
def test_months_are_calendar_months(start: date, months: int, end: date) -> None:
    assert add_months(start, months) == end


@given(days, st.integers(0, 60))
def test_months_land_in_the_month_that_was_counted_to(start: date, months: int) -> None:
    end = add_months(start, months)

    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == months
    assert end.day == start.day or (end + timedelta(days=1)).day == 1


@given(days, st.integers(0, 40))
def test_business_days_are_counted_one_by_one(start: date, count: int) -> None:
    end = add_business_days(start, count, partial(is_business_day, "FR"))
    between = [start + timedelta(days=n) for n in range(1, (end - start).days + 1)]

    assert sum(is_business_day("FR", day) for day in between) == count
    assert count == 0 or (end.weekday() < 5 and not is_holiday("FR", end))


@given(days, st.integers(0, 40), st.sampled_from(CODES))
def test_holidays_never_shorten_a_period(start: date, count: int, place: str) -> None:
    without = add_business_days(start, count, partial(is_business_day, "no such place"))

    assert add_business_days(start, count, partial(is_business_day, place)) >= without


@pytest.mark.parametrize("place", [code for code in CODES if code != "EU"])
def test_every_place_with_rules_has_a_calendar(place: str) -> None:
    assert is_holiday(place, date(2026, 7, 22)) is False


def test_a_place_without_a_calendar_has_no_known_holidays() -> None:
    assert is_holiday("EU", date(2026, 12, 25)) is None
    assert is_holiday("US-ZZ", date(2026, 12, 25)) is None
    assert is_business_day("EU", date(2026, 12, 25))


@pytest.mark.parametrize(
    ("received", "end"),
    [
        # Counted by hand with California's state holidays: Christmas and New Year's Day fall out.
        (date(2026, 12, 10), date(2027, 1, 4)),
        # Thanksgiving and the day after it, which California keeps as well.
        (date(2026, 11, 20), date(2026, 12, 15)),
        # Cesar Chavez Day, 31 March, is one of California only.
        (date(2026, 3, 20), date(2026, 4, 13)),
        # The fourth of July 2026 is a Saturday and kept on Friday, the third.
        (date(2026, 6, 29), date(2026, 7, 21)),
        # Received on a Saturday: Monday is the first day.
        (date(2026, 8, 1), date(2026, 8, 21)),
    ],
)
def test_sensitive_use_is_limited_within_fifteen_californian_business_days(
    received: date, end: date
) -> None:
    assert due(Right.LIMIT_SENSITIVE, ["US-CA"], received, RULEBOOK) == end
    assert due(Right.LIMIT_SENSITIVE, ["DE", "US-CA"], received, RULEBOOK) == end


@pytest.mark.parametrize(
    ("received", "end"),
    [
        (TODAY, date(2026, 12, 24)),
        (date(2026, 12, 15), date(2026, 12, 30)),
        (date(2026, 11, 20), date(2026, 12, 8)),
    ],
)
def test_receipt_is_confirmed_in_ten_business_days_where_the_law_says_so(
    received: date, end: date
) -> None:
    assert due(Right.ACKNOWLEDGEMENT, ["US-CA"], received, RULEBOOK) == end
    assert due(Right.ACKNOWLEDGEMENT, ["DE"], received, RULEBOOK) is None


@pytest.mark.parametrize(
    ("code", "received", "extended", "end"),
    [
        # 31 January 2027 is a Sunday, 14 February 2027 too: neither rolls on.
        ("FR", date(2026, 12, 31), False, date(2027, 1, 31)),
        ("US-CA", date(2026, 12, 31), False, date(2027, 2, 14)),
        ("US-CA", date(2026, 12, 31), True, date(2027, 3, 31)),
        ("FR", date(2026, 11, 30), True, date(2027, 2, 28)),
    ],
)
def test_a_due_date_stays_on_a_weekend(
    code: str, received: date, extended: bool, end: date
) -> None:
    assert due(Right.ACCESS, [code], received, RULEBOOK, extended=extended) == end


@pytest.mark.parametrize(
    ("received", "end"),
    [
        # Received before the Data (Use and Access) Act let the clock stop: it did not.
        (date(2026, 2, 4), date(2026, 3, 4)),
        # From its first day a question that took five days to answer adds five days.
        (date(2026, 2, 5), date(2026, 3, 10)),
    ],
)
def test_a_question_stops_the_clock_in_britain_since_its_law_says_so(
    received: date, end: date
) -> None:
    pause = (date(2026, 2, 10), date(2026, 2, 15))

    assert due(Right.ACCESS, ["GB"], received, RULEBOOK, pauses=[pause]) == end
    assert due(Right.ACCESS, ["IE"], received, RULEBOOK, pauses=[pause]) == add_months(received, 1)


def test_a_question_on_the_last_day_stops_nothing_any_more() -> None:
    received, end = date(2026, 3, 2), date(2026, 4, 2)

    for asked, by in ((end, end), (end - timedelta(days=1), end + timedelta(days=4))):
        pause = (asked, asked + timedelta(days=4))
        assert due(Right.ACCESS, ["GB"], received, RULEBOOK, pauses=[pause]) == by


def test_a_law_without_a_right_to_erasure_shortens_no_other_ones() -> None:
    """Australia gives 30 days for access and knows no erasure; California gives 45 for it."""
    assert due(Right.ERASURE, ["AU"], TODAY, RULEBOOK) is None
    both = due(Right.ERASURE, ["AU", "US-CA"], TODAY, RULEBOOK)
    assert both == due(Right.ERASURE, ["US-CA"], TODAY, RULEBOOK) == TODAY + timedelta(days=45)


def test_pauses_that_overlap_count_once() -> None:
    pauses = [(date(2026, 12, 12), date(2026, 12, 16)), (date(2026, 12, 14), date(2026, 12, 18))]

    assert due(Right.ACCESS, ["GB"], TODAY, RULEBOOK, pauses=pauses) == date(2027, 1, 16)


@given(st.sampled_from(CODES), days, st.booleans())
def test_erasure_is_never_due_after_an_answer_under_the_same_law(
    code: str, received: date, extended: bool
) -> None:
    answer = due(Right.ACCESS, [code], received, RULEBOOK, extended=extended)
    erasure = due(Right.ERASURE, [code], received, RULEBOOK, extended=extended)

    assert erasure is None or answer is None or erasure <= answer


@given(
    days,
    st.lists(st.tuples(st.integers(-40, 80), st.integers(0, 30)), max_size=4),
)
def test_a_period_moves_by_exactly_the_days_it_stood_still(
    received: date, spans: list[tuple[int, int]]
) -> None:
    received = max(received, date(2026, 2, 5))
    pauses = [
        (received + timedelta(days=start), received + timedelta(days=start + length))
        for start, length in spans
    ]
    # Day by day: a day runs unless a pause covers it; a pause begun after the end is too late.
    running, end = (add_months(received, 1) - received).days, received
    while running:
        running -= not any(start <= end < until for start, until in pauses)
        end += timedelta(days=1)

    assert due(Right.ACCESS, ["GB"], received, RULEBOOK, pauses=pauses) == end


def test_no_day_can_be_named_for_a_place_without_rules() -> None:
    with pytest.raises(UnknownJurisdictionError, match="XX"):
        due(Right.ACCESS, ["DE", "XX"], TODAY, RULEBOOK)
    with pytest.raises(UnknownJurisdictionError, match="no jurisdiction"):
        due(Right.ACCESS, [], TODAY, RULEBOOK)


def test_rules_overdue_for_review_still_bind_the_employer() -> None:
    assert due(Right.ACCESS, ["FR"], date(2028, 1, 31), RULEBOOK) == date(2028, 2, 29)


@given(
    st.sampled_from(sorted(Right)),
    st.frozensets(st.sampled_from(CODES), min_size=1, max_size=3),
    st.sampled_from(CODES),
    days,
    st.booleans(),
)
def test_another_jurisdiction_never_gives_more_time(
    right: Right, codes: frozenset[str], code: str, received: date, extended: bool
) -> None:
    before = due(right, codes, received, RULEBOOK, extended=extended)
    after = due(right, codes | {code}, received, RULEBOOK, extended=extended)

    assert before is None or (after is not None and after <= before)


@given(st.sampled_from(sorted(EXTENDABLE)), st.sampled_from(CODES), days)
def test_an_extension_never_shortens_a_period(right: Right, code: str, received: date) -> None:
    plain = due(right, [code], received, RULEBOOK)
    longer = due(right, [code], received, RULEBOOK, extended=True)

    assert (plain is None) == (longer is None)
    assert plain is None or longer >= plain > received


@pytest.mark.parametrize(
    ("right", "code", "end"),
    [
        (Right.ERASURE, "IN", date(2027, 1, 9)),
        (Right.COMPLAINT, "GB", date(2027, 1, 9)),
        (Right.POLICY_COPY, "CA-ON", date(2027, 1, 9)),
        (Right.WITHDRAWAL, "SG", date(2026, 12, 24)),
        (Right.WITHDRAWAL, "DE", None),
    ],
)
def test_each_right_has_its_own_period(right: Right, code: str, end: date | None) -> None:
    assert due(right, [code], TODAY, RULEBOOK) == end


@given(days, st.frozensets(st.sampled_from(CODES), min_size=1, max_size=3))
def test_a_complaint_is_acknowledged_only_under_a_law_that_was_in_force(
    received: date, places: frozenset[str]
) -> None:
    laws = [row for code in places for row in RULEBOOK.lineage(code) if row.in_force(received)]
    begun = [
        row.own.complaint_ack_days
        for row in laws
        if row.own.complaint_ack_days and received >= row.complaint_ack_from
    ]
    if any(gap.why != "review_overdue" for gap in RULEBOOK.law(places, received).gaps):
        return

    end = due(Right.COMPLAINT, places, received, RULEBOOK)

    assert end == (received + timedelta(days=min(begun)) if begun else None)
