"""After a no nobody asks again before the longest time of all the places is over."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from policy_factories import TODAY

from consent.policy.asking import A_NO, quiet_until
from consent.policy.deadlines import add_months
from consent.policy.rulebook import load_rulebook
from consent.policy.types import ConsentState

RULEBOOK = load_rulebook()
CODES = sorted(RULEBOOK.rows)
PLACES = st.frozensets(st.sampled_from(CODES), min_size=1, max_size=4)
DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))
STATES = st.sampled_from(ConsentState)


@given(STATES, DAYS, PLACES)
def test_only_a_no_keeps_from_asking_and_for_the_longest_time_of_all(
    state: ConsentState, answered: date, places: frozenset[str]
) -> None:
    months = max(
        row.own.reprompt_cooldown_months
        for code in places
        for row in RULEBOOK.lineage(code)
        if row.in_force(TODAY)
    )

    day = quiet_until(state, answered, RULEBOOK.law(places, TODAY).bounds)

    assert day == (add_months(answered, months) if state in A_NO else None)


@given(DAYS, PLACES, PLACES)
def test_one_more_place_never_lets_anybody_ask_earlier(
    answered: date, places: frozenset[str], more: frozenset[str]
) -> None:
    few = quiet_until(ConsentState.REFUSED, answered, RULEBOOK.law(places, TODAY).bounds)
    many = quiet_until(ConsentState.REFUSED, answered, RULEBOOK.law(places | more, TODAY).bounds)

    assert few is not None
    assert many is not None
    assert answered < few <= many


def test_months_are_those_of_the_calendar_and_an_unknown_law_never_lets_ask() -> None:
    ireland = RULEBOOK.law({"IE"}, TODAY).bounds

    assert quiet_until(ConsentState.REFUSED, date(2026, 8, 31), ireland) == date(2027, 2, 28)
    assert quiet_until(ConsentState.WITHDRAWN, TODAY, None) == date.max
    assert quiet_until(ConsentState.DEFERRED, TODAY - timedelta(days=1), None) is None
