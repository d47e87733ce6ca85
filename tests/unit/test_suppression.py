"""No hidden number can be worked out, not even by whoever knows the rule that hides it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.suppression import Line, gather_small, show_overlapping, suppress

LINES = st.lists(st.integers(0, 60) | st.integers(0, 9), min_size=1, max_size=8)
LIMITS = st.integers(2, 12)
PEOPLE = st.sets(st.integers(0, 40), max_size=25)


def test_a_line_of_large_numbers_is_shown_whole() -> None:
    assert suppress([10, 25, 300], smallest=10) == Line((10, 25, 300), 335)


def test_a_small_number_takes_along_what_would_give_it_away() -> None:
    assert suppress([212, 31, 4, 139], smallest=10) == Line((212, None, None, 139), 386)


def test_a_zero_is_hidden_like_any_small_number() -> None:
    assert suppress([212, 15, 0, 139], smallest=10) == suppress_hides([212, 15, 0, 139], {1, 2})


def test_equal_numbers_are_treated_alike() -> None:
    assert suppress([40, 40, 3, 90], smallest=10).cells == (None, None, None, 90)


def test_a_line_about_too_few_people_says_nothing_at_all() -> None:
    assert suppress([4, 5], smallest=10) == Line((None, None), None)


def test_where_everybody_answered_alike_no_answer_is_shown() -> None:
    assert suppress([50, 0, 0], smallest=10) == Line((None, None, None), 50)


@pytest.mark.parametrize("wrong", [([-1, 20], 10), ([20], 0)])
def test_counts_below_nought_and_limits_below_one_are_refused(wrong: tuple[list[int], int]) -> None:
    with pytest.raises(ValueError, match="counted from nought"):
        suppress(wrong[0], smallest=wrong[1])


@given(LINES, LIMITS)
def test_nothing_shown_is_small_and_nothing_shown_is_wrong(counts: list[int], limit: int) -> None:
    line = suppress(counts, smallest=limit)

    assert len(line.cells) == len(counts)
    for cell, count in zip(line.cells, counts, strict=True):
        assert cell is None or (cell == count and cell >= limit)
    assert line.total is None or (line.total == sum(counts) and line.total >= limit)


@given(LINES, LIMITS)
def test_no_hidden_number_follows_from_the_total_and_the_visible_ones(
    counts: list[int], limit: int
) -> None:
    line = suppress(counts, smallest=limit)
    hidden = [count for cell, count in zip(line.cells, counts, strict=True) if cell is None]

    if line.total is None or not hidden:
        return
    # The equation total - visible = hidden is all there is: several unknowns, and enough people.
    # Each unknown can then be anything from nought to that sum.
    rest = line.total - sum(cell for cell in line.cells if cell is not None)
    assert rest == sum(hidden) >= limit
    assert len(hidden) > 1


@pytest.mark.parametrize(
    ("limit", "places", "totals"),
    [(2, 2, 30), (2, 3, 26), (2, 4, 16), (3, 3, 30), (3, 4, 18), (5, 3, 34), (10, 2, 70)],
)
def test_whoever_knows_the_rule_still_cannot_tell_a_hidden_number(
    limit: int, places: int, totals: int
) -> None:
    """Of all lines that look alike, each hidden place varies by the limit at least."""
    for total in range(limit, totals + 1):
        for lowest, highest, line in _looks(total, places, limit):
            for place, cell in enumerate(line.cells):
                if cell is None:
                    assert highest[place] - lowest[place] >= limit, (line, lowest, highest)


@given(st.dictionaries(st.text(max_size=2), PEOPLE, max_size=6), LIMITS)
def test_groups_shown_alone_or_together_are_about_enough_people(
    people: dict[str, set[int]], limit: int
) -> None:
    alone, together = gather_small(people, smallest=limit)

    everybody = set().union(*people.values())
    if not alone and not together:
        assert len(everybody) < limit
        return
    assert sorted([*alone, *together]) == sorted(people)
    assert all(len(people[key]) >= limit for key in alone)
    assert not together or len(set().union(*(people[key] for key in together))) >= limit


def test_a_single_small_group_takes_the_next_smallest_along() -> None:
    people = {"large": set(range(50)), "small": {1}, "middle": set(range(12))}

    assert gather_small(people, smallest=10) == (["large"], ["small", "middle"])


# --- groups that share people -------------------------------------------------------------------

GROUPS = ("a", "b", "c", "d")
SOME = st.frozensets(st.sampled_from(GROUPS))
CROWDS = st.dictionaries(SOME, st.integers(0, 40) | st.integers(0, 12), min_size=1, max_size=7)


def size(people: Mapping[frozenset[str], int], group: str) -> int:
    return sum(count for inside, count in people.items() if group in inside)


def show(people: Mapping[frozenset[str], int], limit: int, last: str = "") -> dict[str, int | None]:
    among = dict.fromkeys(GROUPS, sum(people.values()) + limit)
    return show_overlapping(people, among=among, last=tuple(last), smallest=limit)


@given(CROWDS, LIMITS, st.sampled_from(["", "a", "ab"]))
def test_no_sum_or_difference_of_what_is_shown_counts_a_few(
    people: dict[frozenset[str], int], limit: int, last: str
) -> None:
    """An adversary who knows how the groups overlap, and how many people there are, tries all.

    What they can work out is how many are in some of the parts: wherever the sum over those parts
    follows from the published sums, by adding and subtracting them in any multiples.
    """
    shown = show(people, limit, last)
    parts = sorted(people, key=sorted)
    known = [[1] * len(parts)]
    known += [
        [int(group in part) for part in parts] for group in GROUPS if shown[group] is not None
    ]

    for chosen in itertools.product((0, 1), repeat=len(parts)):
        count = sum(people[part] for part, taken in zip(parts, chosen, strict=True) if taken)
        if 0 < count < limit and sum(people.values()) >= limit:
            assert rank([*known, list(chosen)]) > rank(known), (shown, chosen)


def rank(rows: list[list[int]]) -> int:
    """How many of the rows say something that the others do not."""
    left = [[Fraction(value) for value in row] for row in rows]
    found = 0
    for column in range(len(rows[0])):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        left.remove(pivot)
        found += 1
        left = [
            [v - row[column] / pivot[column] * p for v, p in zip(row, pivot, strict=True)]
            for row in left
        ]
    return found


@given(CROWDS, LIMITS)
def test_what_is_shown_of_overlapping_groups_is_right(
    people: dict[frozenset[str], int], limit: int
) -> None:
    for group, count in show(people, limit).items():
        assert count is None or count == size(people, group) >= limit


def test_large_groups_far_apart_are_all_shown() -> None:
    people = {frozenset("a"): 30, frozenset("ab"): 20, frozenset("b"): 15, frozenset(): 400}

    assert show(people, 10) == {"a": 50, "b": 35, "c": None, "d": None}


def test_the_larger_of_two_groups_that_nearly_coincide_is_shown() -> None:
    people = {frozenset("a"): 4, frozenset("ab"): 50, frozenset(): 400}

    assert show(people, 10)["a"] == 54
    assert show(people, 10)["b"] is None


def test_groups_that_coincide_are_shown_both() -> None:
    assert show({frozenset("ab"): 50, frozenset(): 400}, 10)["b"] == 50


def test_where_nearly_all_who_could_be_are_in_a_group_it_is_hidden() -> None:
    people = {frozenset("a"): 50, frozenset(): 5, frozenset("z"): 300}

    for could, shown in ((50, None), (59, None), (60, 50)):
        assert show_overlapping(people | {frozenset(): 50}, among={"a": could}, smallest=10) == {
            "a": shown
        }


def test_what_comes_last_gives_way() -> None:
    people = {frozenset("ab"): 50, frozenset("b"): 4, frozenset(): 400}

    assert show(people, 10, last="b")["a"] == 50
    assert show(people, 10, last="b")["b"] is None


def suppress_hides(counts: list[int], places: set[int]) -> Line:
    """The line with exactly these places hidden."""
    cells = tuple(None if place in places else count for place, count in enumerate(counts))
    return Line(cells, sum(counts))


def _looks(total: int, places: int, limit: int) -> Iterator[tuple[list[int], list[int], Line]]:
    """Lowest and highest number in each place, over all lines that look the same when shown."""
    ranges: dict[Line, tuple[list[int], list[int]]] = {}
    for counts in _lines(total, places):
        line = suppress(counts, smallest=limit)
        lowest, highest = ranges.setdefault(line, (list(counts), list(counts)))
        for place, count in enumerate(counts):
            lowest[place] = min(lowest[place], count)
            highest[place] = max(highest[place], count)
    return ((lowest, highest, line) for line, (lowest, highest) in ranges.items())


def _lines(total: int, places: int) -> Iterator[tuple[int, ...]]:
    if places == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _lines(total - first, places - 1):
            yield (first, *rest)
