"""Agreements of colleagues bind what can show their words, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consent.policy.evaluate import Decision, evaluate, next_change
from consent.policy.facts import Agreement
from consent.policy.rulebook import load_rulebook
from consent.policy.types import CONTENT_SIGNALS, Signal
from tests.policy.policy_factories import TODAY, allowed

RULEBOOK = load_rulebook()
NARROW = Agreement(name="BV-1", signals=frozenset({Signal.MOUSE_CLICK}))
NOT_COVERED = "agreement_does_not_cover"


def decide(*agreements: Agreement, **changes: Any) -> Decision:
    """Somebody in the United States; an app that shows masked words of colleagues there."""
    known = {
        "signal": Signal.DOM_TEXT,
        "counterparties": frozenset({"US"}),
        "counterparty_masked": True,
        "agreements_of_others": agreements,
        **changes,
    }
    return evaluate(allowed(**known), RULEBOOK)


def test_it_denies_what_it_does_not_cover_of_their_words() -> None:
    assert decide().permitted
    assert decide(NARROW).codes == (NOT_COVERED,)


def test_a_signal_that_shows_no_words_is_not_bound_by_it() -> None:
    assert decide(NARROW, signal=Signal.SCROLL).permitted


def test_one_that_binds_the_person_as_well_is_named_once() -> None:
    assert decide(NARROW, agreements=(NARROW,)).codes == (NOT_COVERED,)


def test_its_term_caps_how_long_their_words_are_kept() -> None:
    short = Agreement(name="BV-2", retention_days=3)

    assert decide(short).retention_days == 3
    assert decide(short, signal=Signal.SCROLL).retention_days != 3


def test_its_last_day_is_a_change_to_come() -> None:
    ends = TODAY + timedelta(days=2)
    facts = allowed(agreements_of_others=(Agreement(name="BV-3", valid_until=ends),))

    assert next_change(facts, RULEBOOK) == ends


agreements = st.lists(
    st.builds(
        Agreement,
        name=st.sampled_from("abc"),
        signals=st.none() | st.frozensets(st.sampled_from(sorted(CONTENT_SIGNALS)), min_size=1),
        retention_days=st.none() | st.integers(1, 90),
        valid_until=st.none() | st.sampled_from([TODAY, date(2027, 1, 1)]),
    ),
    max_size=3,
)


@given(agreements, agreements, st.sampled_from(list(Signal)))
def test_one_more_never_permits_more_nor_keeps_longer(
    some: list[Agreement], more: list[Agreement], signal: Signal
) -> None:
    before = decide(*some, signal=signal)
    after = decide(*some, *more, signal=signal)

    assert set(before.codes) <= set(after.codes)
    if after.permitted:
        assert before.retention_days is not None
        assert after.retention_days is not None
        assert after.retention_days <= before.retention_days
