"""An agreement goes on binding until one that takes its place, and all between, have begun."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from consent.models import Agreement
from consent.policy.rulebook import load_rulebook
from consent.selectors.agreements import Agreements, People

FIRST = date(2026, 1, 1)
DAYS = st.lists(st.integers(0, 9), min_size=3, max_size=3)


@given(DAYS)
def test_nobody_is_let_go_sooner_by_an_agreement_about_others_in_between(days: list[int]) -> None:
    """The second is about one site, the third again about everybody; begun in any order."""
    first, second, third = (
        Agreement(
            pk=number,
            code=f"A-{number}",
            jurisdictions=["IE"],
            sites=["cork"] if number == 2 else [],
            valid_from=FIRST + timedelta(days=begins),
            replaces_id=number - 1 or None,
            document_sha256=str(number) * 64,
        )
        for number, begins in enumerate(days, 1)
    )
    rules = load_rulebook()
    known = Agreements([first, second, third], rules)
    here, there = (People.of(["IE"], [site], rules) for site in ("cork", "galway"))

    assert known.ends(first, here) == max(first.valid_from, second.valid_from)
    assert known.ends(first, there) == max(one.valid_from for one in (first, second, third))
    assert known.ends(third, there) is None
