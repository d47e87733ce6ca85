"""Which numbers of a report must be hidden so that none speaks of too few people. Pure.

Four ways. `enough_beside` says whether a number by itself may be shown. `suppress` hides numbers
of a line whose total is shown. `gather_small` puts small groups together until what they say
together speaks of enough people. `gathered` fixes once how groups are counted together, whatever is
asked about them afterwards, and however often.

Hiding only what is small would not do: the total gives it back. Hiding the next smallest as well
would not always do either: whoever knows the rule can exclude all answers but one (three hidden
numbers that sum to 27, ten being the limit and the next one 15, can only be 9, 9 and 9). So where
one number is small, everything below twice the limit is hidden, and numbers that are equal are
treated alike. A test tries all lines with small limits: knowing total, visible numbers and this
rule, what can stand in a hidden place always differs by at least the limit.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Line:
    """Numbers that add up to a total; None is hidden."""

    cells: tuple[int | None, ...]
    total: int | None


def enough_beside(people: int, everybody: int, *, smallest: int) -> bool:
    """Say whether a number about some of everybody may be shown: some are enough, and the rest.

    Where nearly everybody is in it, the number is one about those who are not.
    """
    return smallest <= people <= everybody - smallest


def suppress(counts: Sequence[int], *, smallest: int) -> Line:
    """Return the line with everything hidden that would speak of fewer than `smallest` people.

    A zero is hidden like any small number: between nobody and somebody lies one person's choice.
    """
    if smallest < 1 or any(count < 0 for count in counts):
        raise ValueError("people are counted from nought, and the limit is one at least")
    total = sum(counts)
    if total < smallest:
        return Line(cells=(None,) * len(counts), total=None)
    hidden = _hidden(counts, smallest)
    cells = tuple(None if place in hidden else count for place, count in enumerate(counts))
    return Line(cells=cells, total=total)


def rounded(line: Line, *, to: int) -> Line:
    """Return the line with each number that is shown in it rounded down; the total stays exact.

    It follows from the line alone, so it tells no more than the line does.
    """
    cells = tuple(None if cell is None else cell - cell % to for cell in line.cells)
    return Line(cells=cells, total=line.total)


def _hidden(counts: Sequence[int], smallest: int) -> set[int]:
    if all(count >= smallest for count in counts):
        return set()
    hidden = {place for place, count in enumerate(counts) if count < 2 * smallest}
    # What is hidden can be told as a sum. Where that is of enough people it is also of several
    # numbers, since one of them is small.
    while len(hidden) < len(counts) and sum(counts[place] for place in hidden) < smallest:
        next_smallest = min(count for place, count in enumerate(counts) if place not in hidden)
        hidden |= {place for place, count in enumerate(counts) if count == next_smallest}
    return hidden


@dataclass(frozen=True)
class Blocks(Generic[Key]):
    """Groups gathered so that each block is of enough people; a number counts whole blocks."""

    of: Mapping[Key, int]
    """Group -> the place of its block; a group of nobody is in none."""
    sizes: tuple[int, ...]
    """How many people each block is of; none where all groups together are too few."""
    empty: bool
    """Whether there is nobody at all."""

    def count(self, groups: Iterable[Key]) -> int | None:
        """Return how many people the blocks are of in which the groups lie; None: too few in all.

        At least as many as are in the groups, and exactly as many where each is large enough.
        """
        met = {self.of[group] for group in groups if group in self.of}
        if not self.sizes and not self.empty:
            return None
        return sum(self.sizes[place] for place in met)


def gathered(people: Mapping[Key, int], *, smallest: int) -> Blocks[Key]:
    """Return the groups in blocks of at least `smallest` people, always the same for the same ones.

    A group of enough people is a block of its own. The others are put together in the order given;
    what is left over goes to the last of those blocks or, if there is none, to the smallest group.

    Whatever is asked, and however often, a number is then a sum over whole blocks. So is whatever
    can be worked out from any of them: nought, or about enough people.
    """
    large = [[group] for group, count in people.items() if count >= smallest]
    small: list[list[Key]] = []
    rest: list[Key] = []
    for group, count in people.items():
        if 0 < count < smallest:
            rest.append(group)
            if sum(people[one] for one in rest) >= smallest:
                small.append(rest)
                rest = []
    blocks = [*large, *small]
    if rest and blocks:
        taken = small[-1] if small else min(large, key=lambda block: people[block[0]])
        taken += rest
    return Blocks(
        of={group: place for place, block in enumerate(blocks) for group in block},
        sizes=tuple(sum(people[group] for group in block) for block in blocks),
        empty=not any(people.values()),
    )


def gather_small(
    people: Mapping[Key, AbstractSet[int]], *, smallest: int
) -> tuple[list[Key], list[Key]]:
    """Return the groups to show one by one, and those to show only together; both in order.

    The ones together are about at least `smallest` people, or else nothing may be shown: then
    both lists are empty. A single small group takes the next smallest along, so that it cannot be
    worked out from a total.
    """
    alone = [key for key, members in people.items() if len(members) >= smallest]
    together = [key for key in people if key not in set(alone)]
    members: set[int] = set().union(*(people[key] for key in together))
    while together and alone and len(members) < smallest:
        taken = min(alone, key=lambda key: len(people[key]))
        alone.remove(taken)
        together.append(taken)
        members |= people[taken]
    if together and len(members) < smallest:
        return [], []
    order = {key: place for place, key in enumerate(people)}
    return alone, sorted(together, key=order.__getitem__)
