"""Which numbers of a report must be hidden so that none speaks of too few people. Pure.

Four ways. `enough_beside` says whether a single number may be shown. `suppress` hides numbers of a line whose total is shown. `gather_small` puts small
groups together until what they say together speaks of enough people. `show_overlapping` counts
groups that share people, so that they have no total in common.

Hiding only what is small would not do: the total gives it back. Hiding the next smallest as well
would not always do either: whoever knows the rule can exclude all answers but one (three hidden
numbers that sum to 27, ten being the limit and the next one 15, can only be 9, 9 and 9). So where
one number is small, everything below twice the limit is hidden, and numbers that are equal are
treated alike. A test tries all lines with small limits: knowing total, visible numbers and this
rule, what can stand in a hidden place always differs by at least the limit.
"""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeVar

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


def show_overlapping(
    people: Mapping[frozenset[Key], int],
    *,
    among: Mapping[Key, int],
    last: Sequence[Key] = (),
    smallest: int,
) -> dict[Key, int | None]:
    """Return how many are in each group of `among`, or None where that number would tell too much.

    `people` says how many are in exactly these groups and no others, everybody included: those in
    none of them, too. `among[group]` is how many could have been in the group; where nearly all or
    all of them are, those who are not would be told by it. The largest groups are looked at first,
    those of `last` after all others.

    The numbers shown cut everybody into parts: in this group and not in that one. A number is shown
    only while each part is empty or of at least `smallest` people. Whatever can be worked out from
    all that is shown is how many are in some of these parts, so it is nought or enough, however
    much somebody knows about which group lies in which.
    """
    sizes = {
        group: sum(count for inside, count in people.items() if group in inside) for group in among
    }
    parts = [dict(people)]
    shown: dict[Key, int | None] = dict.fromkeys(among)
    for group in sorted(among, key=lambda one: (one in last, -sizes[one], repr(one))):
        finer = [part for whole in parts for part in _cut(whole, group)]
        counts = [sum(part.values()) for part in finer]
        enough = smallest <= sizes[group] <= among[group] - smallest
        if enough and all(count >= smallest for count in counts if count):
            shown[group], parts = sizes[group], finer
    return shown


def _cut(
    part: Mapping[frozenset[Key], int], group: Key
) -> tuple[dict[frozenset[Key], int], dict[frozenset[Key], int]]:
    inside = {groups: count for groups, count in part.items() if group in groups}
    outside = {groups: count for groups, count in part.items() if group not in groups}
    return inside, outside


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
