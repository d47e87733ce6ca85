"""Many answers from four servers while people change their minds and what they lean on falls.

Judged by an oracle that knows only when each change was committed. With a part of the fence taken
out it must find answers that are stale: otherwise it would have proved nothing.

The quick form asks for some thousand answers, the deep one for ten million, or as many as
FRESHNESS_ANSWERS says, with everything going wrong again and again. It says how far it is, and in
the end what came while what was broken:

    python3 manage.py test tests/integration/test_freshness_processes.py --deep -k ten_million
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.fresh_judge import Result
from tests.integration.fresh_oracle import BOUND, Change, Fault, Oracle
from tests.integration.fresh_run import Run, wanted


def suffer(run: Run, answers: int, capsys: Any, *, peace: float = 0) -> Result:
    """Let everything go wrong, again and again, until there are so many answers; judge them.

    `peace`: the seconds between one round of faults and the next.
    """
    try:
        run.start()
        began, rounds = time.monotonic(), 0
        while True:
            run.hurt()
            rounds += 1
            count, seconds = run.counted(), time.monotonic() - began
            rate = count / seconds
            with capsys.disabled():
                left = max(answers - count, 0) / rate / 60
                print(
                    f"\n  freshness: {count:,} of {answers:,} answers, {rate:,.0f} a second,"
                    f" {rounds} rounds of faults, {left:.0f} min to go",
                    end="",
                    flush=True,
                )
            until = time.monotonic() + peace
            while run.goes_on and run.counted() < answers and time.monotonic() < until:
                time.sleep(0.2)
            if run.counted() >= answers:
                break
        run.finish()
        result = run.judge()
    finally:
        run.close()
    with capsys.disabled():
        print(f"\n  freshness: {result}\n{result.table()}", flush=True)
    assert not result.stale, result.stale[:10]
    assert result.answers >= answers
    assert min(result.total("allowed"), result.denied) > result.answers // 20
    assert result.total("nothing") > 0, "PostgreSQL was never missed"
    assert len(result.by_fault) == 11, "not everything went wrong, or there was no peace"
    assert result.kinds.keys() == {"yes", "going", "running", "open"}
    # A mark that comes too late is excused one by one; that must not become the rule.
    assert result.late <= result.changes // 2
    return result


def test_no_answer_that_still_allows_follows_a_commit(
    database: Any, tmp_path: Path, capsys: Any
) -> None:
    result = suffer(Run(database, tmp_path), 2_000, capsys)

    assert result.changes > 30


@pytest.mark.deep
@pytest.mark.timeout(8 * 3600)
def test_ten_million_answers(database: Any, tmp_path: Path, capsys: Any) -> None:
    answers = wanted()

    run = Run(database, tmp_path, answers=answers, lines=16, rate=3, pause=0)
    result = suffer(run, answers, capsys, peace=30)

    assert result.changes > answers // 10_000


# --- the fence is what does it -------------------------------------------------------------------


def nothing(run: Run) -> None:
    """Break nothing more."""


@pytest.mark.parametrize(
    ("without", "trouble"),
    [
        ("mark", nothing),
        ("lock", nothing),
        ("nonce", nothing),
        ("tally", nothing),
        pytest.param("trace", nothing, marks=pytest.mark.deep),
        pytest.param("order", nothing, marks=pytest.mark.deep),
        pytest.param("record", nothing, marks=pytest.mark.deep),
        pytest.param("question", nothing, marks=pytest.mark.deep),
        pytest.param("rows", Run.cut_writers, marks=pytest.mark.deep),
        pytest.param("bound", Run.cut_both, marks=pytest.mark.deep),
        pytest.param("epoch", Run.turn_back, marks=pytest.mark.deep),
    ],
)
def test_without_one_part_of_the_fence_answers_are_stale(
    database: Any, tmp_path: Path, capsys: Any, without: str, trouble: Callable[[Run], None]
) -> None:
    run = Run(
        database, tmp_path, servers=2, writers=1, rate=8, pause=0.001, bare=0.3, without=without
    )
    try:
        run.start()
        until = time.monotonic() + 60
        while time.monotonic() < until and run.goes_on and not run.judge().stale:
            time.sleep(1)
            trouble(run)
        run.finish()
        result = run.judge()
    finally:
        run.close()

    with capsys.disabled():
        print(f"\n  freshness without the {without}: {result}", end="")
    assert result.stale


# --- the judge can tell --------------------------------------------------------------------------

YES, NO = True, False
THING = {"it": ("a", "b")}


@pytest.mark.parametrize(
    ("asked", "there", "stale"),
    [
        (10, 20, False),  # before the withdrawal
        (90, 100, False),
        (105, 120, False),  # asked before the commit had returned
        (111, 120, True),
        (150, 199, True),
        (150, 201, False),  # the new yes may have been in force by then
        (300, 310, False),
    ],
)
def test_the_oracle_knows_when_a_yes_could_be_told(asked: int, there: int, stale: bool) -> None:
    oracle = Oracle([Change("a", NO, 100, 110), Change("a", YES, 200, 210)], [], THING)

    assert oracle.is_stale("it", asked, there) is stale


def test_the_oracle_wants_every_switch_on() -> None:
    changes = [
        Change("a", NO, 100, 110), Change("b", NO, 150, 160), Change("a", YES, 200, 210),
        Change("b", YES, 300, 310), Change("c", NO, 0, 1),
    ]  # fmt: skip
    oracle = Oracle(changes, [], THING)

    assert [oracle.is_stale("it", at, at + 5) for at in (90, 130, 180, 250, 310)] == [
        False, True, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("since", "until", "grace"),
    [(0, 90, False), (0, 100, True), (105, 107, True), (110, 500, True), (111, 500, False)],
)
def test_the_oracle_forgives_only_what_was_committed_in_trouble(
    since: int, until: int, grace: bool
) -> None:
    change = Change("a", NO, 100, 110)
    oracle = Oracle([change], [Fault("something", since, until)], THING)

    assert oracle.is_stale("it", 120, 130) is not grace
    assert oracle.is_stale("it", 110 + BOUND + 1, 111 + BOUND + 1)
    assert Oracle([change], [Fault("else", since, until, excuses=False)], THING).is_stale(
        "it", 120, 130
    )


def test_the_oracle_forgives_a_mark_that_could_not_be_made_in_time() -> None:
    oracle = Oracle([Change("a", NO, 100, 110, late=True)], [], THING)

    assert not oracle.is_stale("it", 110 + BOUND, 111 + BOUND)
    assert oracle.is_stale("it", 111 + BOUND, 112 + BOUND)


def test_a_yes_that_comes_back_while_the_last_may_still_be_seen_is_one_with_it() -> None:
    changes = [
        Change("a", NO, 100, 110, late=True), Change("a", YES, 200, 210), Change("a", NO, 300, 310),
    ]  # fmt: skip
    oracle = Oracle(changes, [], THING)

    assert not oracle.is_stale("it", 150, 160)
    assert oracle.is_stale("it", 320, 330)
