"""What cohorts share, compared: whether a later document keeps anything less long; places above."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consent.rules import shipped
from consent.selectors.cohorts import is_shortened
from consent.selectors.places import with_those_above

SIGNALS = ("mouse_click", "scroll")
KEPT = st.dictionaries(st.sampled_from(SIGNALS), st.integers(0, 3))
DOCUMENTS = st.builds(
    lambda kept, ended: {
        "purposes": {code: {"kept": terms} for code, terms in kept.items()},
        "ended": ended,
    },
    st.dictionaries(st.sampled_from(["train", "test"]), KEPT),
    st.dictionaries(st.sampled_from(["old", "older"]), st.integers(0, 3)),
)


@given(DOCUMENTS, DOCUMENTS)
def test_any_term_that_is_new_or_less_shortens(before: Any, after: Any) -> None:
    def terms(document: Any) -> dict[tuple[str, str], int]:
        kept = {
            (code, signal): days
            for code, purpose in document["purposes"].items()
            for signal, days in purpose["kept"].items()
        }
        return kept | {("ended", code): by for code, by in document["ended"].items()}

    earlier, later = terms(before), terms(after)
    expected = any(what not in earlier or less < earlier[what] for what, less in later.items())

    assert is_shortened(before, after) is expected


def test_where_no_term_was_named_any_term_is_shorter() -> None:
    """As while a place's rules were unknown, and by documents of before there were such terms."""
    after: dict[str, Any] = {"purposes": {"train": {"kept": {"scroll": 3650}}}, "ended": {}}

    for before in (
        {"purposes": {}},
        {"purposes": {"train": {}}},
        {"purposes": {"train": {"kept": {}}}},
    ):
        assert is_shortened(before, after)
    assert not is_shortened(after, {"purposes": {"train": {"kept": {}}}, "ended": {}})


def test_a_place_without_rules_is_kept_among_those_above() -> None:
    """An agreement or evidence for it binds the people there, rules or none."""
    rules = shipped()

    assert with_those_above(["XX"], rules) == {"XX"}
    assert with_those_above(["DE", "XX"], rules) == {"DE", "EU", "XX"}
    assert with_those_above([], rules) == set()
