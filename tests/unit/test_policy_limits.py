"""How often one agent may ask: one bucket each, whoever holds it and however many threads take."""

from __future__ import annotations

import math
import sys
import threading

from hypothesis import example, given
from hypothesis import strategies as st

from portal.endpoint.limits import Bucket, Buckets


def test_a_burst_is_answered_and_then_one_a_second() -> None:
    buckets = Buckets(4)

    assert [buckets.take(b"a", 10.0) for _ in range(5)] == [0, 0, 0, 0, 1]
    assert buckets.take(b"b", 10.0) == 0
    assert [buckets.take(b"a", 11.0) for _ in range(2)] == [0, 1]
    assert [buckets.take(b"a", 100.0) for _ in range(5)] == [0, 0, 0, 0, 1]


@given(st.integers(1, 50), st.lists(st.floats(0, 5), max_size=200))
def test_no_agent_gets_more_than_burst_and_rate(burst: int, gaps: list[float]) -> None:
    buckets, now, granted = Buckets(burst), 0.0, 0
    for gap in gaps:
        now += gap
        granted += buckets.take(b"a", now) == 0

    assert granted <= burst + math.floor(now) + 1


@given(st.lists(st.floats(0, 3), min_size=1, max_size=50))
@example([0.99, 0.0, 0.0])
def test_waiting_as_told_is_enough(gaps: list[float]) -> None:
    buckets, now = Buckets(2), 0.0
    for gap in gaps:
        now += gap
        if pause := buckets.take(b"a", now):
            now += pause
            assert buckets.take(b"a", now) == 0


def test_full_buckets_take_no_memory() -> None:
    buckets = Buckets(10)
    for second in range(30):
        for number in range(1000):
            buckets.take(b"%d-%d" % (second, number), float(second))

    assert len(buckets) <= 11_000


def test_threads_that_take_at_once_are_all_answered() -> None:
    buckets, failed = Buckets(10), []
    buckets._sweep_at = 100

    def ask(thread: int) -> None:
        try:
            for number in range(2_000):
                buckets._sweep_at = 100
                buckets.take(b"%d-%d" % (thread, number), float(number))
        except RuntimeError as error:
            failed.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)

    assert failed == []


STEPS = st.sampled_from(["take", "own", "hold", "release", "release all", "crowd"])


@given(st.lists(st.tuples(STEPS, st.sampled_from([0.0, 0.0, 0.3, 3.0]))))
@example([(step, 0.0) for step in ("hold", "own", "own", "take")])
@example([(step, 0.0) for step in ("take", "hold", "own", "release", "take")])
@example([(step, 0.0) for step in ("hold", "own", "own", "release", "crowd", "take")])
def test_an_agent_has_one_bucket_whoever_holds_it(steps: list[tuple[str, float]]) -> None:
    buckets, single, now = Buckets(2), Bucket(2), 0.0
    buckets._sweep_at = 3
    held: Bucket | None = None
    for number, (step, gap) in enumerate(steps):
        now += gap
        if step == "take" or (step == "own" and held is None):
            assert buckets.take(b"a", now) == single.take(now)
        elif step == "own" and held is not None:
            assert held.take(now) == single.take(now)
        elif step == "hold":
            held = buckets.hold(b"a")
        elif step.startswith("release"):
            buckets.release(b"a") if step == "release" else buckets.release_all()
            held = None
        else:
            for other in range(4):
                buckets.take(b"%d-%d" % (number, other), now)
