"""Many answers from four processes while people change their minds and servers fall.

Judged by an oracle that knows only when each change was committed. `deep`: ten million answers, or
as many as FRESHNESS_ANSWERS says. With a part of the fence taken out, the oracle must find some
that are stale: otherwise it would have proved nothing.
"""

from __future__ import annotations

import array
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests import factories
from tests.integration.fault import OwnRedis, Relay, environment, postgres_relay
from tests.integration.fresh_oracle import BOUND, Answer, Change, Oracle, Trouble
from tests.integration.fresh_process import ALLOWED, DENIED, NOTHING
from tests.integration.polling import enrolled, wait_until

ROOT = Path(__file__).resolve().parents[2]
READERS, WRITERS, PEOPLE = 4, 2, 40
SECOND = 1_000_000_000
AFTERMATH = SECOND
"""For so long after a trouble a writer may still leave Redis alone."""


@dataclass
class Result:
    """What one run came to."""

    answers: int = 0
    allowed: int = 0
    denied: int = 0
    nothing: int = 0
    changes: int = 0
    stale: list[tuple[Answer, int]] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.answers} answers ({self.allowed} allowed, {self.denied} denied,"
            f" {self.nothing} nothing said), {self.changes} changes, {len(self.stale)} stale"
        )


class Run:
    """Four readers and two writers on one database, with a Redis and ways that can be cut."""

    def __init__(
        self,
        database: Any,
        folder: Path,
        *,
        answers: int = 0,
        rate: float = 4,
        pause: float = 0.006,
        without: str = "",
    ) -> None:
        self.database, self.folder = database, folder
        self.redis = OwnRedis()
        self.writers_redis = Relay("r.sock", str(self.redis.socket))
        self.readers_postgres = postgres_relay()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.troubles: list[Trouble] = []
        self._prepare(answers, rate, pause, without)

    def _prepare(self, answers: int, rate: float, pause: float, without: str) -> None:
        world = factories.make_world()
        subjects = [world.another_subject() for _ in range(PEOPLE)]
        for subject in subjects:
            world.subject = subject
            world.say_yes(("tracker", factories.OFFERED[0]))
        plan = {
            "subjects": [subject.pk for subject in subjects],
            "tokens": [enrolled(subject)[1] for subject in subjects],
            "answers": answers,
            "readers": READERS,
            "writers": WRITERS,
            "rate": rate,
            "pause": pause,
            "without": without,
        }
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def start(self) -> None:
        for number in range(READERS):
            self._start("reader", number, self.redis.url)
        for number in range(WRITERS):
            self._start("writer", number, f"unix://{self.writers_redis.socket}?db=0")
        for name in self.processes:
            wait_until((self.folder / f"{name}.ready").exists, 120)
        (self.folder / "go").touch()
        for number in range(READERS):
            wait_until((self.folder / f"reader-{number}.warm").exists, 120)

    def _start(self, role: str, number: int, redis: str) -> None:
        extra = {"REDIS_URL": redis, "SAYSO_POLICY_BURST": "1000000000"}
        if role == "reader":
            extra["TEST_POSTGRES_HOST"] = str(self.readers_postgres.folder)
        name = f"{role}-{number}"
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.integration.fresh_process",
                    role,
                    self.database.name,
                    str(self.folder),
                    str(number),
                ],
                cwd=ROOT,
                env=environment(**extra),
                stdout=log,
                stderr=log,
            )

    def trouble(self, do: Callable[[], None], undo: Callable[[], None], seconds: float) -> None:
        """Do something to Redis for a while; what is committed meanwhile may be seen late."""
        since = time.monotonic_ns()
        do()
        time.sleep(seconds)
        undo()
        self.troubles.append(Trouble(since, time.monotonic_ns() + AFTERMATH))

    def finish(self, seconds: float = 60) -> None:
        (self.folder / "stop").touch()
        for name, process in self.processes.items():
            status = process.wait(seconds)
            assert status == 0, (name, (self.folder / f"{name}.log").read_text()[-3000:])

    def wait_for_answers(self, seconds: float) -> None:
        """Wait until the readers have as many answers as the plan asks for."""
        for number in range(READERS):
            self.processes[f"reader-{number}"].wait(seconds)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.redis.close()
        self.writers_redis.close()
        self.readers_postgres.close()

    def judge(self) -> Result:
        result = Result()
        changes = list(self._changes())
        oracle = Oracle(changes, self.troubles)
        result.changes = len(changes)
        for answer, kind in self._answers():
            result.answers += 1
            result.allowed += kind == ALLOWED
            result.denied += kind == DENIED
            result.nothing += kind == NOTHING
            if kind == ALLOWED and oracle.is_stale(answer):
                result.stale.append((answer, self._late(changes, answer)))
        return result

    def _changes(self) -> Iterator[Change]:
        for number in range(WRITERS):
            for line in (self.folder / f"writer-{number}.changes").read_text().splitlines():
                person, allows, before, after = map(int, line.split())
                yield Change(person, bool(allows), before, after)

    def _answers(self) -> Iterator[tuple[Answer, int]]:
        for number in range(READERS):
            events = array.array("Q")
            content = (self.folder / f"reader-{number}.events").read_bytes()
            events.frombytes(content)
            for at in range(0, len(events), 3):
                asked, there, what = events[at : at + 3]
                kind = what % 4
                yield Answer(what // 4, asked, there, kind == ALLOWED), kind

    def _late(self, changes: list[Change], answer: Answer) -> int:
        """How long after the commit the stale answer was asked for, in milliseconds."""
        ended = [c.after for c in changes if c.person == answer.person and not c.allows]
        return min((answer.asked - at for at in ended if at < answer.asked), default=0) // 1_000_000


@pytest.fixture
def run(database: Any, tmp_path: Path) -> Iterator[Run]:
    made = Run(database, tmp_path)
    yield made
    made.close()


def hurt(run: Run) -> None:
    """Everything that is known to go wrong, one after the other, with peace in between."""
    peace = 1.0
    time.sleep(2 * peace)
    run.trouble(run.redis.pause, run.redis.resume, 1.5)
    time.sleep(peace)
    run.trouble(run.redis.kill, run.redis.start, 0.3)
    time.sleep(2 * peace)
    run.trouble(run.writers_redis.cut, run.writers_redis.heal, 1.5)
    time.sleep(peace)
    # Not of Redis, so no grace: a reader that stood still, readers that lose PostgreSQL.
    still = run.processes["reader-0"]
    still.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    still.send_signal(signal.SIGCONT)
    run.readers_postgres.cut()
    time.sleep(2)
    run.readers_postgres.heal()
    time.sleep(peace)
    cut_both(run)
    time.sleep(peace)
    run.redis.client().flushall()
    time.sleep(peace)


def cut_both(run: Run) -> None:
    """Writers lose Redis and readers lose PostgreSQL: nobody can tell anybody anything."""

    def cut() -> None:
        run.writers_redis.cut()
        run.readers_postgres.cut()

    def heal() -> None:
        run.readers_postgres.heal()
        run.writers_redis.heal()

    run.trouble(cut, heal, 2.5)


def test_no_answer_that_still_allows_follows_a_commit(run: Run, capsys: Any) -> None:
    run.start()

    hurt(run)
    run.finish()
    result = run.judge()

    with capsys.disabled():
        print(f"\n  freshness: {result}", end="")
    assert not result.stale, result.stale[:10]
    assert result.answers > 2_000  # 100,000 where the machine has nothing else to do
    assert min(result.allowed, result.denied) > result.answers // 20
    assert result.nothing > 0, "PostgreSQL was never missed"
    assert result.changes > 30


@pytest.mark.deep
@pytest.mark.timeout(8 * 3600)
def test_ten_million_answers(database: Any, tmp_path: Path, capsys: Any) -> None:
    wanted = int(os.environ.get("FRESHNESS_ANSWERS", "10000000"))
    run = Run(database, tmp_path, answers=wanted, pause=0.0)
    try:
        run.start()
        began, rounds = time.monotonic(), 0
        while any(p.poll() is None for name, p in run.processes.items() if "reader" in name):
            hurt(run)
            rounds += 1
            time.sleep(20)
        seconds = time.monotonic() - began
        run.finish()
        result = run.judge()
    finally:
        run.close()

    with capsys.disabled():
        print(f"\n  freshness: {result}, {rounds} rounds of trouble, {seconds:.0f} s", end="")
    assert not result.stale, result.stale[:10]
    assert result.answers >= wanted


# --- the fence is what does it -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("without", "trouble"),
    [
        ("mark", None),
        pytest.param("order", None, marks=pytest.mark.deep),
        pytest.param("rows", "writers_redis", marks=pytest.mark.deep),
        pytest.param("bound", "both", marks=pytest.mark.deep),
    ],
)
def test_without_one_part_of_the_fence_answers_are_stale(
    database: Any, tmp_path: Path, capsys: Any, without: str, trouble: str | None
) -> None:
    run = Run(database, tmp_path, without=without)
    try:
        run.start()
        for _ in range(3):
            time.sleep(2)
            if trouble == "both":
                cut_both(run)
            elif trouble:
                run.trouble(run.writers_redis.cut, run.writers_redis.heal, 1.5)
        time.sleep(2)
        run.finish()
        result = run.judge()
    finally:
        run.close()

    with capsys.disabled():
        print(f"\n  freshness without the {without}: {result}", end="")
    assert result.stale


# --- the judge can tell --------------------------------------------------------------------------

YES, NO = True, False


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
    oracle = Oracle([Change(1, NO, 100, 110), Change(1, YES, 200, 210)], [])

    assert oracle.is_stale(Answer(1, asked, there, YES)) is stale
    assert oracle.is_stale(Answer(1, asked, there, NO)) is False


@pytest.mark.parametrize(
    ("since", "until", "grace"),
    [(0, 90, False), (0, 100, True), (105, 107, True), (110, 500, True), (111, 500, False)],
)
def test_the_oracle_forgives_only_what_was_committed_in_trouble(
    since: int, until: int, grace: bool
) -> None:
    oracle = Oracle([Change(1, NO, 100, 110)], [Trouble(since, until)])

    assert oracle.is_stale(Answer(1, 120, 130, YES)) is not grace
    assert oracle.is_stale(Answer(1, 110 + BOUND + 1, 111 + BOUND + 1, YES))
    assert not oracle.is_stale(Answer(2, 120, 130, YES))
