"""When somebody may be asked again after a no. Pure; a law that is not known keeps from asking."""

from datetime import date
from typing import Final

from consent.policy.bounds import Bounds
from consent.policy.deadlines import add_months
from consent.policy.types import ConsentState

A_NO: Final = frozenset({ConsentState.REFUSED, ConsentState.WITHDRAWN})
"""Answers after which nobody asks again for a while: a no, and a yes that was taken back."""


def quiet_until(state: ConsentState, answered_on: date, bounds: Bounds | None) -> date | None:
    """Return the first day on which somebody may be asked again; None where no no stands.

    `date.max` where the rules of a place are not known.
    """
    if state not in A_NO:
        return None
    if bounds is None:
        return date.max
    return add_months(answered_on, bounds.reprompt_cooldown_months)
