"""An exception for the person's own places does nothing about the rule of somebody else's."""

from typing import Any

import pytest

from consent.policy.evaluate import evaluate
from consent.policy.rulebook import load_rulebook
from consent.policy.types import Signal
from tests.policy.policy_factories import allowed

CLIPBOARD = Signal.CLIPBOARD
RESTRICTED = "signal_restricted_no_override"


def codes(**changes: Any) -> tuple[str, ...]:
    """Somebody in the United States copies text in an app that shows words from Britain."""
    known = {
        "signal": CLIPBOARD,
        "overrides": frozenset({CLIPBOARD}),
        "counterparties": frozenset({"GB"}),
        "counterparty_masked": True,
        **changes,
    }
    return evaluate(allowed(**known), load_rulebook()).codes


@pytest.mark.parametrize(
    ("exceptions", "expected"),
    [
        (frozenset(), True),
        (frozenset({("US", CLIPBOARD)}), True),
        (frozenset({("GB", Signal.MOUSE_MOVE)}), True),
        (frozenset({("GB", CLIPBOARD)}), False),
        (None, False),
    ],
)
def test_the_place_of_others_needs_an_exception_that_names_it(
    exceptions: Any, expected: bool
) -> None:
    assert (RESTRICTED in codes(exceptions=exceptions)) is expected


@pytest.mark.parametrize(("place", "expected"), [("CA-QC", True), ("CA-ON", False), ("CA", False)])
def test_a_rule_from_above_is_lifted_for_each_place_apart(place: str, expected: bool) -> None:
    """Canada restricts it for both provinces; an exception for Quebec is none for Ontario."""
    exceptions = frozenset({(place, CLIPBOARD)})
    known = {"jurisdictions": frozenset({"CA-QC"}), "counterparties": frozenset({"CA-ON"})}

    assert (RESTRICTED in codes(**known, exceptions=exceptions)) is expected


def test_without_any_override_no_exception_elsewhere_helps() -> None:
    exceptions = frozenset({("GB", CLIPBOARD)})

    assert RESTRICTED in codes(overrides=frozenset(), exceptions=exceptions)


def test_the_rule_of_the_own_place_needs_no_second_naming() -> None:
    own = {"jurisdictions": frozenset({"GB"}), "counterparties": frozenset({"GB"})}

    assert RESTRICTED not in codes(exceptions=frozenset(), **own)
