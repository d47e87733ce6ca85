"""What is on record about people and bears on their policies: read for many at once, or remembered.

Whatever is recorded of a person raises the revision of their half, in the same transaction. So who
locks a half and sees its revision may go on with what was read under it: a policy that is issued
because the rules changed, or because a lease ends, need not read again what the person chose.
"""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final, NamedTuple

from consent.models import Acknowledgement, Prepared
from consent.selectors.answers import Answers, answers_of
from consent.selectors.facts import Held, held_by
from consent.selectors.pauses import paused_now
from consent.selectors.waivers import Waived, waived_by

MOST_KEPT: Final = 4096
"""People to remember: some five kilobytes each."""
KEPT_SECONDS: Final = 900
"""Nobody is remembered for longer: a repair by hand that raised no revision counts from then on."""


class Half(NamedTuple):
    """Which state of a person's half it is; no two are alike, be it after a restored backup."""

    revision: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """All of it about one person."""

    answers: Answers
    acknowledged: AbstractSet[tuple[int, int]]
    """The purposes and notice versions whose receipt they confirmed."""
    waived: Waived
    paused_since: datetime | None
    facts: tuple[Held, ...]


def recorded_of(subjects: Collection[int]) -> dict[int, Recorded]:
    """Return what is on record about each subject, in as many queries as for one."""
    answers, acknowledged = answers_of(subjects), acknowledged_by(subjects)
    waived, paused, facts = waived_by(subjects), paused_now(subjects), held_by(subjects)
    return {
        subject: Recorded(
            answers=answers[subject],
            acknowledged=acknowledged[subject],
            waived=waived[subject],
            paused_since=paused.get(subject),
            facts=tuple(facts[subject]),
        )
        for subject in subjects
    }


def recorded_under(halves: Mapping[int, Half]) -> dict[int, Recorded]:
    """Return the same of each subject whose half is locked, and in this state.

    What this process read under the same state is not read again.
    """
    now = monotonic()
    found = {
        subject: kept.recorded
        for subject, half in halves.items()
        if (kept := _kept.get(subject)) and kept.half == half and now < kept.until
    }
    if missing := halves.keys() - found.keys():
        for subject, recorded in recorded_of(missing).items():
            _keep(subject, _Kept(halves[subject], recorded, now + KEPT_SECONDS))
            found[subject] = recorded
    return found


def acknowledged_by(subjects: Collection[int]) -> dict[int, set[tuple[int, int]]]:
    """Return for each subject the purposes and notice versions whose receipt they confirmed."""
    found: dict[int, set[tuple[int, int]]] = {subject: set() for subject in subjects}
    for subject, *notice in _CONFIRMED.rows(subjects):
        found[subject].add((notice[0], notice[1]))
    return found


_CONFIRMED: Final = Prepared(
    lambda keys, _: Acknowledgement.objects.filter(subject__among=keys).values_list(
        "subject_id", "notice__purpose_id", "notice__version"
    )
)


class _Kept(NamedTuple):
    half: Half
    recorded: Recorded
    until: float


_kept: Final[dict[int, _Kept]] = {}


def _keep(subject: int, kept: _Kept) -> None:
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    _kept[subject] = kept
