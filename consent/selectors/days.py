"""What a purpose of a cohort's document says on a day, worked out once for all who share it.

Whoever gets a document must not change it, so what it says on a day stays the same. It is told by
the very object: an equal one is worked out anew.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from consent.policy.facts import Agreement, Evidence
from consent.policy.hours import Schedule
from consent.policy.types import Signal
from consent.selectors.shared import (
    Purposed,
    agreements_of,
    evidence_of,
    overridden,
    schedules_of,
    signed_off,
)

KEPT: Final = 4096
"""So many purposes are remembered before it is begun anew: some kilobytes each."""


@dataclass(frozen=True, slots=True)
class Day:
    """What `shared` reads out of a purpose for a day."""

    evidence: frozenset[Evidence]
    signed_off: frozenset[str]
    agreements: tuple[Agreement, ...]
    exceptions: frozenset[tuple[str, Signal]]
    schedules: frozenset[Schedule]


# With the purpose itself: as long as it is held no other one can have its identity.
_known: Final[dict[tuple[int, date], tuple[Purposed, Day]]] = {}


def day_in(purpose: Purposed, today: date) -> Day:
    """Return what the purpose says on that day."""
    known = _known.get((id(purpose), today))
    if known and known[0] is purpose:
        return known[1]
    found = Day(
        evidence=evidence_of(purpose),
        signed_off=signed_off(purpose, today),
        agreements=agreements_of(purpose, today),
        exceptions=overridden(purpose, today),
        schedules=schedules_of(purpose, today),
    )
    if len(_known) >= KEPT:
        _known.clear()
    _known[id(purpose), today] = purpose, found
    return found
