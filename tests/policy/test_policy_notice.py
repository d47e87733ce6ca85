"""Agreeing to a shorter notice: it permits what the end of the period would, and never more."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from policy_factories import TODAY, allowed, an_app, person

from consent.policy.bounds import Bounds
from consent.policy.evaluate import evaluate, evaluate_many
from consent.policy.facts import PersonFacts
from consent.policy.rulebook import load_rulebook
from consent.policy.types import ConsentState, Signal

RULEBOOK = load_rulebook()
PLACES = sorted(RULEBOOK.rows)
SOME = st.frozensets(st.sampled_from([*PLACES, "XX"]), min_size=1, max_size=3)
OTHERS = st.frozensets(st.sampled_from(PLACES), max_size=2)
AGES = st.integers(-5, 60)
YES = frozenset(("crm", signal) for signal in Signal)
RUNNING = "notice_period_running"
LONG_OVER = date(2020, 1, 1)


def permitted(one: PersonFacts, others: frozenset[str]) -> set[Signal]:
    app = an_app(counterparties=others, counterparties_consented=True)
    found = evaluate_many(one, [app], RULEBOOK, consented=YES)
    return {signal for (_app, signal), said in found.items() if said.permitted}


def told(places: frozenset[str], days_ago: int, **differs: Any) -> PersonFacts:
    notice_on = TODAY - timedelta(days=days_ago)
    return person(jurisdictions=places, notice_on=notice_on, **differs)


def asks(place: str) -> Bounds | None:
    """What a place itself asks for, where that is a period."""
    own = RULEBOOK.rows[place].own
    return own if own.notice_days else None


@given(SOME, OTHERS, AGES, st.sampled_from([ConsentState.GIVEN] * 3 + [*ConsentState]))
@example(frozenset({"AU-NSW"}), frozenset(), 1, ConsentState.GIVEN)
@example(frozenset({"AU-NSW"}), frozenset({"PL"}), 1, ConsentState.GIVEN)
@settings(max_examples=300)
def test_it_never_permits_more_than_the_end_of_the_period(
    places: frozenset[str], others: frozenset[str], days_ago: int, consent: ConsentState
) -> None:
    agreed = told(places, days_ago, consent=consent, notice_waived=True)
    over = replace(agreed, notice_on=LONG_OVER, notice_waived=False)
    silent = replace(agreed, notice_waived=False)

    assert permitted(silent, others) <= permitted(agreed, others) <= permitted(over, others)


@given(SOME, OTHERS, AGES)
@settings(max_examples=300)
def test_one_place_that_does_not_let_people_agree_takes_its_effect_away(
    places: frozenset[str], others: frozenset[str], days_ago: int
) -> None:
    """For what is joined with others' places by their periods, for the rest by one's own."""
    agreed = told(places, days_ago, notice_waived=True)
    silent = replace(agreed, notice_waived=False)

    if firm(places):
        assert permitted(agreed, others) == permitted(silent, others)
    if firm(others):
        content = {Signal.WINDOW_TITLE, Signal.DOM_TEXT, Signal.SCREENSHOT}
        assert permitted(agreed, others) & content == permitted(silent, others) & content


def firm(places: frozenset[str]) -> bool:
    """Whether one of them, or one above, asks for a period that nobody may shorten."""
    rows = [row for code in places for row in RULEBOOK.lineage(code)]
    return any(row.own.notice_days and not row.own.notice_waivable for row in rows)


@pytest.mark.parametrize("place", [place for place in PLACES if asks(place)])
def test_it_counts_where_the_rules_say_so_and_nowhere_else(place: str) -> None:
    agreed = told(frozenset({place}), 0, notice_waived=True)
    silent = replace(agreed, notice_waived=False)
    opens = bool(permitted(agreed, frozenset()) - permitted(silent, frozenset()))

    law = asks(place)
    assert law
    assert not permitted(silent, frozenset())
    prohibited = RULEBOOK.law({place}, TODAY).prohibited
    assert opens is (law.notice_waivable and not prohibited)


def test_the_places_that_let_people_agree_are_those_of_the_pack() -> None:
    assert {place for place in PLACES if (law := asks(place)) and law.notice_waivable} == {
        "AU-ACT",
        "AU-NSW",
    }


@pytest.mark.parametrize(
    ("places", "waivable"),
    [
        ({"AU-NSW"}, True),
        ({"AU-ACT", "AU-NSW"}, True),
        ({"AU-NSW", "US"}, True),
        ({"AU-NSW", "PL"}, False),
        ({"PL"}, False),
    ],
)
def test_the_reason_says_whether_the_person_may_agree(places: set[str], waivable: bool) -> None:
    facts = allowed(jurisdictions=frozenset(places), notice_on=TODAY)

    (reason,) = (one for one in evaluate(facts, RULEBOOK).reasons if one.code == RUNNING)

    assert dict(reason.params).get("waivable", False) is waivable
