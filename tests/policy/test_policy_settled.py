"""What no longer matters of a person's facts is left out, and no answer is another for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from policy_factories import TODAY, an_app, person

from consent.policy.evaluate import evaluate_many
from consent.policy.facts import PersonFacts
from consent.policy.rulebook import load_rulebook
from consent.policy.settled import settled
from consent.policy.types import ConsentState, Signal

RULEBOOK = load_rulebook()
PLACES = sorted(RULEBOOK.rows)
SOME = st.frozensets(st.sampled_from([*PLACES, "XX"]), min_size=1, max_size=3)
DAYS = st.one_of(
    st.none(),
    st.integers(-1200, 40).map(lambda days: TODAY + timedelta(days=days)),
    # The days around which periods of some law end.
    st.sampled_from([date(year, 12, day) for year in (2024, 2025, 2026) for day in (9, 10, 11)]),
)
PERSONS = st.builds(
    person,
    jurisdictions=SOME,
    consent=st.sampled_from(list(ConsentState)),
    consent_given_on=DAYS,
    notice_on=DAYS,
    notice_waived=st.booleans(),
    notice_version_ok=st.booleans(),
    ack=st.booleans(),
)
YES = frozenset(("crm", signal) for signal in Signal)


def notice_days(place: str) -> int:
    bounds = RULEBOOK.law(frozenset({place}), TODAY).bounds
    return bounds.notice_days if bounds else 0


def answers(one: PersonFacts, others: frozenset[str]) -> object:
    app = an_app(counterparties=others, counterparties_consented=True)
    return evaluate_many(one, [app], RULEBOOK, consented=YES)


def alike(one: PersonFacts, others: frozenset[str]) -> PersonFacts:
    return settled(one, {one.jurisdictions, one.jurisdictions | others}, RULEBOOK)


@given(PERSONS, st.one_of(st.just(frozenset[str]()), SOME))
@example(person(jurisdictions=frozenset({"US-NY"}), notice_on=TODAY), frozenset({"AU-NSW"}))
@example(person(jurisdictions=frozenset({"AU-NSW"}), notice_on=TODAY), frozenset())
def test_no_answer_is_another_for_what_was_left_out(
    one: PersonFacts, others: frozenset[str]
) -> None:
    assert answers(alike(one, others), others) == answers(one, others)


@pytest.mark.parametrize("place", PLACES)
def test_on_every_day_around_a_yes_the_answers_are_the_same(place: str) -> None:
    """Where a law lets a yes grow old, day by day around the day on which it does."""
    here = frozenset({place})
    months = getattr(RULEBOOK.law(here, TODAY).bounds, "reconsent_months", None) or 12
    old = TODAY - timedelta(days=months * 30 + months // 2 + 4)

    for days in (*range(-3, 4), *range((TODAY - old).days - 12, (TODAY - old).days + 12)):
        one = person(
            jurisdictions=here,
            consent_given_on=TODAY - timedelta(days=days),
            notice_on=TODAY - timedelta(days=days),
        )
        assert answers(alike(one, frozenset()), frozenset()) == answers(one, frozenset())


@pytest.mark.parametrize("place", [code for code in PLACES if notice_days(code)])
def test_on_every_day_around_a_notice_period_the_answers_are_the_same(place: str) -> None:
    here = frozenset({place})
    for days in range(notice_days(place) - 2, notice_days(place) + 3):
        one = person(jurisdictions=here, notice_on=TODAY - timedelta(days=days))

        assert answers(alike(one, frozenset()), frozenset()) == answers(one, frozenset())


def test_a_notice_given_later_that_day_is_not_given_yet() -> None:
    noon = datetime(2026, 12, 10, 12, tzinfo=UTC)
    for hours in (-3, 3):
        one = person(at=noon, notice_on=noon + timedelta(hours=hours))

        assert answers(alike(one, frozenset()), frozenset()) == answers(one, frozenset())


@given(SOME, st.lists(st.integers(0, 25), min_size=2, max_size=4))
def test_whoever_said_yes_on_whichever_day_is_alike(
    places: frozenset[str], days: list[int]
) -> None:
    people = [
        alike(
            person(jurisdictions=places, consent_given_on=TODAY - timedelta(days=day)), frozenset()
        )
        for day in days
    ]

    assert all(one == other for one, other in pairwise(people))


@given(st.sampled_from([state for state in ConsentState if state is not ConsentState.GIVEN]), DAYS)
def test_of_any_other_answer_the_day_does_not_matter(state: ConsentState, day: date) -> None:
    one = person(consent=state, consent_given_on=day)

    assert alike(one, frozenset()) == alike(replace(one, consent_given_on=None), frozenset())


def test_a_notice_whose_period_runs_keeps_its_day() -> None:
    one = person(jurisdictions=frozenset({"AU-NSW"}), notice_on=TODAY - timedelta(days=3))

    assert alike(one, frozenset()).notice_on == one.notice_on
    assert alike(replace(one, notice_on=TODAY - timedelta(days=90)), frozenset()).notice_on == (
        alike(replace(one, notice_on=TODAY - timedelta(days=60)), frozenset()).notice_on
    )
