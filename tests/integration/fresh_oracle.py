"""Judges answers by when changes were committed; knows nothing of how the portal works. Pure.

What may be captured of a person hangs on switches, such as a yes, a pause or the kill switch, and
is allowed while all of them are on. All begin on. All instants are nanoseconds of the machine's
monotonic clock, which every process shares.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

BOUND = 1_000_000_000
FOREVER = 2**63
Span = tuple[int, int]
ThingT = TypeVar("ThingT", bound=Hashable)


class Change(NamedTuple):
    """One switch turned by one commit, and the instants around that commit."""

    switch: str
    on: bool
    before: int
    after: int
    late: bool = False
    """It could not be told to Redis in time: readers hear of it from PostgreSQL, within BOUND."""


@dataclass(frozen=True)
class Fault:
    """A time during which something was broken, and whether changes may then be seen late."""

    name: str
    since: int
    until: int
    excuses: bool = True
    """Writers could not reach Redis, or Redis lost what it knew."""


class Oracle(Generic[ThingT]):
    """Knows of each thing when an answer could truthfully allow it."""

    def __init__(
        self,
        changes: Iterable[Change],
        faults: Iterable[Fault],
        things: Mapping[ThingT, Collection[str]],
    ) -> None:
        """Take the changes of each switch in the order of their commits; `things`: their switches.

        A thing may be allowed while all its switches are on, each as long as it could be seen.
        """
        self._faults = [fault for fault in faults if fault.excuses]
        by_switch: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            by_switch[change.switch].append(change)
        on = {switch: self._on(sorted(made, key=_began)) for switch, made in by_switch.items()}
        self._since: dict[ThingT, list[int]] = {}
        self._until: dict[ThingT, list[int]] = {}
        for thing, switches in things.items():
            spans = [(0, FOREVER)]
            for switch in switches:
                spans = _common(spans, on.get(switch, [(0, FOREVER)]))
            self._since[thing] = [since for since, _ in spans]
            self._until[thing] = [until for _, until in spans]

    def _on(self, changes: list[Change]) -> list[Span]:
        """Return the spans in which a switch could be seen on, those that overlap as one."""
        spans: list[Span] = []
        since = 0
        for change in changes:
            if change.on and since < 0:
                since = change.before
                if spans and since <= spans[-1][1]:
                    since = spans.pop()[0]
            elif not change.on and since >= 0:
                spans.append((since, change.after + self._grace(change)))
                since = -1
        if since >= 0:
            spans.append((since, FOREVER))
        return spans

    def _grace(self, change: Change) -> int:
        return BOUND if change.late or self.is_excused(change) else 0

    def is_excused(self, change: Change) -> bool:
        """Return whether it was committed while something was broken that lets it be seen late."""
        return any(f.since <= change.after and change.before <= f.until for f in self._faults)

    def is_stale(self, thing: ThingT, asked: int, there: int) -> bool:
        """Return whether an answer allowed a thing although it never was while it was made."""
        at = bisect_right(self._since[thing], there) - 1
        return at < 0 or self._until[thing][at] < asked


def _began(change: Change) -> int:
    return change.before


def _common(one: list[Span], other: list[Span]) -> list[Span]:
    """Return what lies in both; each comes in order and without overlaps."""
    found, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        since, until = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if since <= until:
            found.append((since, until))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found
