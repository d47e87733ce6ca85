"""Judges answers by when changes were committed; knows nothing of how the portal works. Pure.

All instants are nanoseconds of the machine's monotonic clock, which every process shares.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

BOUND = 1_000_000_000


class Change(NamedTuple):
    """One committed change: whether it allows, and the instants around its commit."""

    person: int
    allows: bool
    before: int
    after: int


class Answer(NamedTuple):
    """One answer: when it was asked for and when it was there, and whether it allowed."""

    person: int
    asked: int
    there: int
    allowed: bool


@dataclass(frozen=True)
class Trouble:
    """A time during which writers could not reach Redis, or Redis lost what it knew."""

    since: int
    until: int


class Oracle:
    """Knows for each person when an answer could truthfully allow."""

    def __init__(self, changes: Iterable[Change], troubles: Iterable[Trouble]) -> None:
        """Take the changes of each person in the order of their commits; all begin allowed."""
        self._troubles = list(troubles)
        self._spans: dict[int, list[tuple[int, int]]] = {}
        by_person: dict[int, list[Change]] = defaultdict(list)
        for change in changes:
            by_person[change.person].append(change)
        for person, made in by_person.items():
            self._spans[person] = self._allowed(sorted(made, key=lambda change: change.before))

    def _allowed(self, changes: list[Change]) -> list[tuple[int, int]]:
        """Return the spans in which a yes was in force, each as long as it could be seen."""
        spans, since = [], 0
        for change in changes:
            if change.allows and since < 0:
                since = change.before
            elif not change.allows and since >= 0:
                spans.append((since, change.after + self._grace(change)))
                since = -1
        if since >= 0:
            spans.append((since, 2**63))
        return spans

    def _grace(self, change: Change) -> int:
        in_trouble = any(
            t.since <= change.after and change.before <= t.until for t in self._troubles
        )
        return BOUND if in_trouble else 0

    def is_stale(self, answer: Answer) -> bool:
        """Return whether the answer allowed although no yes was in force while it was made."""
        if not answer.allowed:
            return False
        spans = self._spans.get(answer.person)
        if spans is None:
            return False
        # The last span that began before the answer was there is the only one that can reach it:
        # earlier ones ended before it began, but for a grace that overlaps.
        at = bisect_left(spans, (answer.there, 2**63))
        return not any(until >= answer.asked for _, until in spans[max(0, at - 3) : at])
