"""Facts are looked up by again and again: what they hash to is worked out once, and stays true."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from consent.policy.facts import Agreement, PersonFacts
from consent.policy.types import ConsentState

DAY = date(2026, 12, 1)
facts = st.builds(
    PersonFacts,
    jurisdictions=st.frozensets(st.sampled_from(["DE", "FR", "US-CA"])),
    at=st.integers(0, 3).map(lambda days: DAY + timedelta(days=days)),
    consent=st.sampled_from(ConsentState),
    paused=st.none() | st.booleans(),
    gates=st.just(frozenset()),
    agreements=st.lists(st.builds(Agreement, name=st.sampled_from("ab")), max_size=2).map(tuple),
)


@given(one=facts, other=facts)
def test_facts_are_found_by_what_they_say_and_by_nothing_else(
    one: PersonFacts, other: PersonFacts
) -> None:
    kept = {one: "found"}
    the_same, different = replace(one), replace(one, departed=not one.departed)

    assert hash(the_same) == hash(one)
    assert kept[the_same] == "found"
    assert different not in kept
    assert (other in kept) is (other == one)
