"""Since when somebody was told: property tests over stays that are dated back and recorded late."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from consent.selectors.arrivals import Span, Stay, told_since

ON = date(2026, 11, 26)
AGO = st.integers(0, 30)


@st.composite
def stay(draw: st.DrawFn) -> Stay:
    """A fact of the last month, known from some day on, and ended or not."""
    begun = ON - timedelta(days=draw(AGO))
    recorded = ON - timedelta(days=draw(AGO))
    end = draw(st.none() | st.integers(0, 30).map(lambda days: begun + timedelta(days=days)))
    end_known = end and max(end, ON - timedelta(days=draw(AGO)))
    return Stay(Span(begun, end), Span(max(begun, recorded), end_known))


STAYS = st.lists(stay(), max_size=4)


def covers(span: Span, day: date) -> bool:
    return span.begun <= day and (span.end is None or day < span.end)


def run_back(spans: list[Span]) -> date:
    """Walk back from the day for as long as some span covers the day before, one day at a time."""
    day = ON
    if not any(covers(span, day) for span in spans):
        return ON
    while any(covers(span, day - timedelta(days=1)) for span in spans):
        day -= timedelta(days=1)
    return day


def longer(stays: list[Stay]) -> date:
    """The same by walking day by day: the stay as dated first, then what was known of it."""
    first = run_back([one.dated for one in stays])
    within = [
        one
        for one in stays
        if one.dated.begun >= first and (one.dated.end is None or one.dated.end > first)
    ]
    return run_back([one.known for one in within])


@given(STAYS)
def test_it_is_what_walking_day_by_day_finds(stays: list[Stay]) -> None:
    assert told_since(stays, ON) == longer(stays)


@given(STAYS)
def test_no_day_counts_before_a_fact_was_both_true_and_recorded(stays: list[Stay]) -> None:
    told = told_since(stays, ON)

    assert told <= ON
    assert told >= run_back([one.dated for one in stays])
    assert told == ON or any(covers(one.known, told) for one in stays)


@given(STAYS, st.integers(0, 3), AGO)
def test_recording_a_fact_later_never_lets_the_period_end_earlier(
    stays: list[Stay], which: int, days: int
) -> None:
    later = [
        replace(one, known=replace(one.known, begun=one.known.begun + timedelta(days=days)))
        if number == which
        else one
        for number, one in enumerate(stays)
    ]

    assert told_since(later, ON) >= told_since(stays, ON)


@given(STAYS)
def test_whose_facts_were_recorded_in_time_counts_from_the_first_of_them(
    stays: list[Stay],
) -> None:
    known = [replace(one, known=one.dated) for one in stays]

    assert told_since(known, ON) == run_back([one.dated for one in stays])
