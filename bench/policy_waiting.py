"""What it takes to hold ten thousand waiting agents, and how soon each hears of a change.

    python -m bench.policy_waiting --agents 10000 --people 300

One web process as `up` starts it, on one core with Redis and PostgreSQL; the agents and whoever
makes the changes on the other. Times run from the moment before the COMMIT of the change is sent,
so they contain the commit itself. Linux only.
"""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from bench import machine, policy_field
from bench.policy_field import LOAD_CORE, SERVER_CORE, Field

WAIT: Final = 600
PAUSE: Final = 0.05
TOLD: Final = 409


@dataclass
class Agents:
    """The process that holds the agents' connections."""

    process: subprocess.Popen[str]
    there: dict[int, tuple[int, float]] = field(default_factory=dict)
    """What each was answered, and when."""

    def read(self) -> None:
        """Take in what comes, for ever."""
        for line in self.process.stdout or ():
            number, status, at = line.split()
            self.there[int(number)] = int(status), float(at)

    def await_all(self, numbers: range, seconds: float = 60) -> None:
        """Wait until all of these were answered."""
        end = time.monotonic() + seconds
        while not all(number in self.there for number in numbers):
            if time.monotonic() > end:
                raise RuntimeError("some agents were never told")
            time.sleep(0.01)


def main() -> None:
    """Measure, and write the table."""
    options = _options()
    rounds = [_round(options) for _ in range(options.rounds)]
    text = "\n".join(_report(rounds, options))
    Path(options.out).write_text(text + "\n", encoding="utf-8")
    print(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=10_000, help="how many wait")
    parser.add_argument("--people", type=int, default=300, help="how many of them withdraw")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--slow", action="store_true", help="without the server's protocol class")
    parser.add_argument("--out", default="bench/RESULTS-waiting.md")
    return parser.parse_args()


def _round(options: argparse.Namespace) -> dict[str, Any]:
    os.environ["SAYSO_POLICY_WAIT_SECONDS"] = str(WAIT)
    prepared = policy_field.prepare(options.agents)
    policy_field.pin(policy_field.backing_processes(), SERVER_CORE)
    people = [_person(prepared) for _ in range(options.people)]
    os.sched_setaffinity(0, LOAD_CORE)
    with policy_field.serving("portal.asgi:application", fast=not options.slow) as (port, pid):
        policy_field.fill_redis(prepared)
        tokens = [(token, "") for _, token in people]
        tokens += [(prepared.token(number), prepared.etag) for number in range(options.agents)]
        tokens = _with_tags(port, tokens)
        before, busy = machine.memory(pid), machine.busy(1.0)
        with _agents(port, tokens) as agents:
            time.sleep(2)
            held = machine.memory(pid)
            personal = _withdrawals(agents, [subject for subject, _ in people])
            everybody = _change_for_all(agents, range(options.people, len(tokens)))
    return {
        "bytes": (held - before) * 1_048_576 / len(tokens),
        "personal": personal,
        "everybody": everybody,
        "busy": busy,
    }


def _person(prepared: Field) -> tuple[Any, str]:
    """Return somebody of the same cohort who said yes, and the token of their machine."""
    from tests import factories
    from tests.integration.polling import enrolled

    world = prepared.world
    subject = world.another_subject()
    factories.World(world.purpose, world.notice, world.apps, subject, world.jurisdiction).say_yes()
    _, token = enrolled(subject)
    return subject, token


def _with_tags(port: int, tokens: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the tokens with what each has: every agent asks twice, so that it is remembered."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    for token, known in tokens:
        tag = known
        for _ in range(2):
            headers = {"Authorization": f"Bearer {token}"}
            if tag:
                headers["If-None-Match"] = tag
            connection.request("GET", "/api/v1/policy", headers=headers)
            answer = connection.getresponse()
            answer.read()
            tag = answer.headers["ETag"]
        found.append((token, tag))
    connection.close()
    return found


@contextlib.contextmanager
def _agents(port: int, tokens: list[tuple[str, str]]) -> Iterator[Agents]:
    process = subprocess.Popen(
        [*policy_field.on(LOAD_CORE), sys.executable, "-m", "bench.waiting_agents",
         str(port), str(WAIT)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=policy_field.ROOT,
    )  # fmt: skip
    try:
        if not process.stdin or not process.stdout:
            raise RuntimeError("the agents cannot be spoken to")
        process.stdin.write(json.dumps(tokens) + "\n")
        process.stdin.flush()
        if process.stdout.readline().strip() != "waiting":
            raise RuntimeError("some agents could not wait")
        agents = Agents(process)
        threading.Thread(target=agents.read, daemon=True).start()
        yield agents
    finally:
        process.kill()
        process.wait()


def _withdrawals(agents: Agents, subjects: list[Any]) -> list[float]:
    """Let one person after the other withdraw; return after how many ms their agent was told."""
    from django.db import transaction

    from consent import services

    began = []
    for subject in subjects:
        with transaction.atomic():
            services.withdraw_consent(subject=subject, purpose="train-agents")
            began.append(time.monotonic())
        time.sleep(PAUSE)
    agents.await_all(range(len(subjects)))
    return _times(agents, range(len(subjects)), began)


def _change_for_all(agents: Agents, numbers: range) -> list[float]:
    """Stop everything for everybody; return after how many ms each agent was told."""
    from django.db import transaction

    from consent import services

    with transaction.atomic():
        services.pull_kill_switch(purpose=None, by=UUID(int=1), role="operator", reason="incident")
        began = time.monotonic()
    agents.await_all(numbers)
    return _times(agents, numbers, [began] * len(numbers))


def _times(agents: Agents, numbers: range, began: list[float]) -> list[float]:
    answered = [agents.there[number] for number in numbers]
    if wrong := {status for status, _ in answered} - {TOLD}:
        raise RuntimeError(f"some were answered {wrong}")
    return sorted(1000 * (at - start) for (_, at), start in zip(answered, began, strict=True))


def _report(rounds: list[dict[str, Any]], options: argparse.Namespace) -> Iterator[str]:
    host = machine.describe()
    yield (
        f"{time.strftime('%Y-%m-%d')}; {host['cores']} cores ({host['processor']}),"
        f" {host['memory']} of memory, {host['system']}, Python {host['python']}."
        f" {options.agents + options.people:,} agents wait in one process."
    )
    yield ""
    yield (
        "| round | memory a waiting agent | one person's withdrawal, p50 / p99 / max of"
        f" {options.people} | a change for all, half / 99 % / last of {options.agents:,} |"
        " other work, cores |"
    )
    yield "|---|---|---|---|---|"
    for number, found in enumerate(rounds, 1):
        cells = [f"{found['bytes'] / 1000:.1f} kB"]
        for name in ("personal", "everybody"):
            times = found[name]
            cells.append(f"{_part(times, 0.5):.1f} / {_part(times, 0.99):.1f} / {times[-1]:.1f} ms")
        yield f"| {number} | " + " | ".join([*cells, f"{found['busy']:.2f}"]) + " |"


def _part(times: list[float], share: float) -> float:
    """Return the time within which this share of the sorted times lies."""
    return times[math.ceil(share * len(times)) - 1]


if __name__ == "__main__":
    main()
