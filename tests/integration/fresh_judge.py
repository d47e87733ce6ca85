"""Judges what one run noted, and says what it came to."""

from __future__ import annotations

import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.fresh_oracle import Change, Fault, Oracle
from tests.integration.fresh_plan import NOTED_BYTES, NOTHING, PAIRS, switches_of, unpacked

PEACE = "nothing"


@dataclass(frozen=True)
class Stale:
    """An answer that allowed what was no longer allowed."""

    person: int
    pair: int
    server: int
    asked: int
    nth: int
    """How many answers had come by then."""
    during: str


@dataclass
class Tally:
    """What came while one thing was broken."""

    answers: int = 0
    allowed: int = 0
    nothing: int = 0
    stale: int = 0


@dataclass
class Result:
    """What one run came to."""

    by_fault: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    changes: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    late: int = 0
    """Changes that could not be told to Redis in time although nothing was broken."""
    stale: list[Stale] = field(default_factory=list)

    def total(self, name: str) -> int:
        return sum(getattr(tally, name) for tally in self.by_fault.values())

    @property
    def answers(self) -> int:
        return self.total("answers")

    @property
    def denied(self) -> int:
        return self.answers - self.total("allowed") - self.total("nothing")

    def __str__(self) -> str:
        said = (
            f"{self.answers:,} answers ({self.total('allowed'):,} allowed, {self.denied:,} denied,"
            f" {self.total('nothing'):,} nothing said), {self.changes:,} changes"
            f" ({self.late:,} late), {len(self.stale):,} stale"
        )
        if self.stale:
            said += f", the first of them answer {self.stale[0].nth:,}"
        return said

    def table(self) -> str:
        """What came while each thing was broken, a line each."""
        lines = [f"  {'while':36} {'answers':>12} {'allowed':>12} {'nothing':>9} {'stale':>6}"]
        lines += [
            f"  {name:36} {t.answers:12,} {t.allowed:12,} {t.nothing:9,} {t.stale:6,}"
            for name, t in self.by_fault.items()
        ]
        turned = ", ".join(f"{kind} {n:,}" for kind, n in sorted(self.kinds.items()))
        return "\n".join([*lines, f"  switches turned: {turned}"])


def judge(folder: Path, faults: list[Fault], people: int) -> Result:
    """Hold every answer in a run's folder against the changes that were noted there."""
    result = Result()
    changes = list(_changes(folder))
    things = {
        (person, pair): switches_of(person, pair)
        for person in range(people)
        for pair in range(len(PAIRS))
    }
    oracle = Oracle(changes, faults, things)
    result.changes = len({change.before for change in changes})
    result.kinds.update(change.switch.partition(":")[0] for change in changes)
    result.late = len({c.before for c in changes if c.late and not oracle.is_excused(c)})
    names = _Names(sorted(faults, key=lambda fault: fault.since))
    for nth, (asked, there, number) in enumerate(_answers(folder), 1):
        server, person, said = unpacked(number)
        tally = result.by_fault[name := names.at(asked)]
        tally.answers += 1
        if said == NOTHING:
            tally.nothing += 1
            continue
        tally.allowed += said > 0
        for pair in range(len(PAIRS)):
            if said >> pair & 1 and oracle.is_stale((person, pair), asked, there):
                tally.stale += 1
                result.stale.append(Stale(person, pair, server, asked, nth, name))
    return result


def _changes(folder: Path) -> Iterator[Change]:
    for file in sorted(folder.glob("*.changes")):
        for line in file.read_text().splitlines():
            before, after, late, *turns = line.split(" ")
            for turn in turns:
                switch, _, on = turn.partition("=")
                yield Change(switch, on == "1", int(before), int(after), late == "1")


def _answers(folder: Path) -> Iterator[tuple[int, int, int]]:
    with (folder / "answers").open("rb") as file:
        while content := file.read(NOTED_BYTES * 10_000):
            events = array.array("Q")
            events.frombytes(content[: len(content) // NOTED_BYTES * NOTED_BYTES])
            yield from zip(*[iter(events)] * 3, strict=True)


class _Names:
    """Finds what was broken at an instant; quick for instants that come nearly in order."""

    def __init__(self, faults: list[Fault]) -> None:
        self._faults = faults
        self._since, self._until, self._name = 1, 0, PEACE

    def at(self, instant: int) -> str:
        if not self._since <= instant <= self._until:
            self._find(instant)
        return self._name

    def _find(self, instant: int) -> None:
        self._since, self._until, self._name = 0, 2**63, PEACE
        for fault in self._faults:
            if fault.since <= instant <= fault.until:
                self._since, self._until, self._name = fault.since, fault.until, fault.name
                return
            if fault.until < instant:
                self._since = fault.until + 1
            elif instant < fault.since:
                self._until = min(self._until, fault.since - 1)
