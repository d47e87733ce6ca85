"""Groups of people in a report: told one by one where they are of enough people, or together."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from audit.reporting.data import Column, Kind, Table, Value
from consent.suppression import gather_small

TOGETHER: Final = "Several together"

Key = TypeVar("Key", bound=Hashable)


@dataclass
class Tally:
    """How many things and bytes a group is of, and of whom; the people never leave."""

    people: set[int] = field(default_factory=set)
    count: int = 0
    bytes: int = 0

    def add(self, person: int | None, count: int, size: int = 0) -> None:
        """Count what is one person's, or of nobody who is known."""
        if person is not None:
            self.people.add(person)
        self.count += count
        self.bytes += size


@dataclass(frozen=True)
class Shown(Generic[Key]):
    """Groups that may be spoken of one by one, and the rest as one; nothing at all if too few."""

    alone: list[tuple[Key, Tally]]
    together: list[Key]
    rest: Tally | None
    total: Tally | None


def shown(tallies: dict[Key, Tally], *, smallest: int) -> Shown[Key]:
    """Return what may be shown of the groups."""
    alone, together = gather_small({k: t.people for k, t in tallies.items()}, smallest=smallest)
    if not alone and not together:
        return Shown([], [], None, None)
    rest = _sum(tallies[key] for key in together) if together else None
    by_name = [(key, tallies[key]) for key in alone]
    return Shown(by_name, together, rest, _sum(tallies.values()))


def table_of(
    caption: str,
    heads: tuple[str, ...],
    groups: Shown[Key],
    name: Callable[[Key], tuple[str, ...]],
    *,
    counted: str = "Batches",
    with_bytes: bool = False,
) -> Table:
    """Return the groups as a table; nothing but its heads where they are of too few people."""

    def line(names: tuple[str, ...], tally: Tally) -> tuple[Value, ...]:
        padded = (*names, *([""] * (len(heads) - len(names))))
        return (*padded, tally.count, *([tally.bytes] if with_bytes else []))

    rows = [line(name(key), tally) for key, tally in groups.alone]
    if groups.rest:
        rows.append(line((TOGETHER,), groups.rest))
    return Table(
        caption=caption,
        columns=(
            *(Column(title=head) for head in heads),
            Column(title=counted, kind=Kind.NUMBER),
            *([Column(title="Data", kind=Kind.BYTES)] if with_bytes else []),
        ),
        rows=tuple(rows),
        total=line(("All",), groups.total) if groups.total else None,
        note="" if groups.total else "Nothing, or from too few people to be shown.",
    )


def _sum(tallies: Iterable[Tally]) -> Tally:
    found = Tally()
    for tally in tallies:
        found.people |= tally.people
        found.count += tally.count
        found.bytes += tally.bytes
    return found
