"""No hidden number can be worked out, not even by whoever knows the rule that hides it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.suppression import Line, enough_beside, gather_small, gathered, suppress

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


@pytest.mark.parametrize(
    ("people", "everybody", "may"),
    [
        (0, 50, False),
        (9, 50, False),
        (10, 50, True),
        (40, 50, True),
        (41, 50, False),
        (5, 5, False),
    ],
)
def test_a_number_by_itself_is_of_enough_and_leaves_enough_out(
    people: int, everybody: int, may: bool
) -> None:
    assert enough_beside(people, everybody, smallest=10) is may


# --- blocks that stay -----------------------------------------------------------------------------

PLACES = st.dictionaries(st.integers(0, 30), st.integers(0, 12) | st.integers(0, 90), max_size=12)
ASKED = st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=6)


@given(PLACES, LIMITS, ASKED)
def test_all_that_is_ever_told_is_about_blocks_of_enough_people(
    people: dict[int, int], limit: int, asked: list[set[int]]
) -> None:
    """However many questions are put together: who is in some and not in others is a block."""
    blocks = gathered(people, smallest=limit)
    told = [blocks.count(groups) for groups in asked]

    if 0 < sum(people.values()) < limit:
        assert set(told) == {None}
        return
    kinds: dict[tuple[bool, ...], int] = {}
    for place, size in enumerate(blocks.sizes):
        met = tuple(place in {blocks.of.get(group) for group in groups} for groups in asked)
        kinds[met] = kinds.get(met, 0) + size
    # The numbers are sums over these kinds of people, and each kind is of enough.
    assert all(size >= limit for size in kinds.values())
    for number, count in enumerate(told):
        assert count == sum(size for met, size in kinds.items() if met[number])


@given(PLACES, LIMITS, st.sets(st.integers(0, 30)))
def test_a_block_holds_whole_groups_and_everybody_is_in_one(
    people: dict[int, int], limit: int, groups: set[int]
) -> None:
    blocks = gathered(people, smallest=limit)
    really = sum(people.get(group, 0) for group in groups)

    count = blocks.count(groups)

    if count is None:
        assert sum(people.values()) < limit
        return
    assert count >= really
    assert (count == 0) is (really == 0)
    assert sum(blocks.sizes) == sum(people.values()) == blocks.count(people)


@given(PLACES, LIMITS)
def test_a_group_of_enough_stands_alone_but_for_a_last_few(
    people: dict[int, int], limit: int
) -> None:
    blocks = gathered(people, smallest=limit)
    large = [group for group, count in people.items() if count >= limit]
    exact = [group for group in large if blocks.count([group]) == people[group]]

    assert len({blocks.of[group] for group in large}) == len(large)
    assert len(large) - len(exact) <= 1
    if sum(count for count in people.values() if count < limit) >= limit:
        assert exact == large


def test_blocks_are_gathered_in_the_order_given() -> None:
    people = {"a": 4, "b": 30, "c": 7, "d": 0, "e": 6, "f": 5, "g": 1}
    blocks = gathered(people, smallest=10)

    assert {group: blocks.count([group]) for group in people} == {
        "a": 11, "b": 30, "c": 11, "d": 0, "e": 12, "f": 12, "g": 12,
    }  # fmt: skip
    assert gathered({"b": 30, "c": 7, "x": 20}, smallest=10).count(["c"]) == 27


def test_of_nobody_nobody_is_concerned() -> None:
    assert gathered({"a": 0}, smallest=10).count(["a"]) == 0


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
