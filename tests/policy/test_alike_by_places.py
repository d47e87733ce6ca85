"""Who is alike is remembered for the places that join where an app shows others' words."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from consent.policy.facts import PersonFacts
from consent.policy.settled import settled
from consent.policy.types import ConsentState
from consent.rules import shipped
from consent.selectors import terms
from consent.selectors.decisions import Question

TODAY = date(2026, 12, 1)
NOBODY: frozenset[str] = frozenset()


def question(person: PersonFacts) -> Question:
    return Question(
        code="train",
        purpose={},
        persons=(person,),
        among_others=(),
        places=frozenset(),
        chosen=frozenset(),
        lapsed=frozenset(),
        schedules=frozenset(),
        hours=None,
    )


@pytest.mark.parametrize("first", [0, 1])
def test_facts_settled_for_some_places_are_not_taken_for_others(first: int) -> None:
    rules = shipped()
    asked = question(
        PersonFacts(
            jurisdictions=frozenset({"FR"}),
            at=TODAY,
            consent=ConsentState.GIVEN,
            consent_given_on=TODAY,
            notice_on=TODAY - timedelta(days=1 + first),  # facts of its own for each order
            gates=frozenset(),
        )
    )
    (person,) = asked.persons
    others = [NOBODY, frozenset({"AU-NSW"})]
    wanted = [settled(person, {person.jurisdictions | codes}, rules) for codes in others]
    assert wanted[0] != wanted[1], "fourteen days of notice in one of them"

    for place in (first, 1 - first):
        apps = terms._Apps((), frozenset({others[place]}))
        assert terms._settled(asked, apps, rules) == ((wanted[place],), ())
