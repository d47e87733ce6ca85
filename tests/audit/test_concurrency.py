"""Many writers, two sequencers and kill -9: one gapless sequence, and nothing lost or doubled."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from audit.verification import verify
from portal.servers import locations

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import random, sys, threading, uuid
import django
django.setup()
from django.db import connections, transaction
from audit import events, ledger

committed = []

def write(seed, count):
    dice = random.Random(seed)
    said = events.ConsentWithdrawn(purpose="train-agents", notice_version=1)
    for _ in range(count):
        person = uuid.UUID(int=dice.randrange(20))
        try:
            with transaction.atomic():
                entries = [
                    ledger.append(said, actor=ledger.Actor.subject(person), subject=person)
                    for _ in range(dice.randrange(1, 4))
                ]
                if dice.random() < 0.25:
                    raise KeyError
        except KeyError:
            continue
        committed.extend(entries)
    connections.close_all()

seed, count = int(sys.argv[1]), int(sys.argv[2])
threads = [threading.Thread(target=write, args=(10 * seed + n, count)) for n in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*committed)
"""


@pytest.fixture
def environment(database: Any, tmp_path: Path) -> dict[str, str]:
    """What a process of this test needs to find this test's database."""

    def url(role: str) -> str:
        return urlunsplit(urlsplit(locations.database_url(role))._replace(path=f"/{database.name}"))

    return {
        **os.environ,
        "SAYSO_HOME": str(tmp_path / "home"),
        "DATABASE_URL": url("owner"),
        **{f"DATABASE_URL_{role.upper()}": url(role) for role in ("app", "reader", "sequencer")},
        "REDIS_URL": "redis://127.0.0.1:1",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
    }


def start(
    environment: dict[str, str], role: str, *arguments: str, out: int = subprocess.DEVNULL
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT, env={**environment, "SAYSO_DATABASE_ROLE": role}, text=True,
        stdout=out, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@contextlib.contextmanager
def two_sequencers(environment: dict[str, str]) -> Iterator[list[subprocess.Popen[str]]]:
    running = [sequencer(environment) for _ in range(2)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def sequencer(environment: dict[str, str], *more: str) -> subprocess.Popen[str]:
    return start(environment, "sequencer", "-m", "django", "sequencer", "--poll", "0.01", *more)


@pytest.mark.parametrize(
    ("kills", "transactions"),
    [(3, 40), pytest.param(30, 1000, marks=pytest.mark.deep)],
)
def test_writers_rollbacks_two_sequencers_and_kill_9(
    database: Any, environment: dict[str, str], kills: int, transactions: int
) -> None:
    dice = random.Random(7)
    with two_sequencers(environment) as running:
        writers = [
            start(
                environment, "app", "-c", WRITER, str(seed), str(transactions), out=subprocess.PIPE
            )
            for seed in range(2)
        ]
        for _ in range(kills):
            signed_more(database)
            time.sleep(dice.random() * 0.2)
            victim = dice.randrange(2)
            running[victim].send_signal(signal.SIGKILL)
            running[victim].wait()
            running[victim] = sequencer(environment)
        committed = {int(n) for writer in writers for n in writer.communicate()[0].split()}
        assert [writer.returncode for writer in writers] == [0, 0]
        signed_more(database, at_least=len(committed))
        until_connected(database, 2)
        for process in running:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(timeout=30) for process in running] == [0, 0]

    once = sequencer(environment, "--once")
    assert once.wait(timeout=60) == 0
    found = database.sql("SELECT index, entry_id FROM audit_leaf ORDER BY index")
    assert [index for index, _ in found] == list(range(len(committed)))
    assert {entry for _, entry in found} == committed
    assert database.sql("SELECT count(*) FROM audit_pending") == [(0,)]
    findings = verify()
    assert findings.problems == []
    assert findings.size == len(committed)


def until_connected(database: Any, count: int) -> None:
    """Wait until so many sequencers are past their start; from then on they end in order."""
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE usename = 'sayso_sequencer' AND datname = current_database()"
    )
    deadline = time.monotonic() + 60
    while database.sql(query)[0][0] < count and time.monotonic() < deadline:
        time.sleep(0.05)


def signed_more(database: Any, at_least: int = 0) -> None:
    """Wait until a further checkpoint was signed, or until so many entries are signed."""
    query = "SELECT coalesce(max(size), 0) FROM audit_checkpoint"
    before, deadline = database.sql(query)[0][0], time.monotonic() + 60
    while time.monotonic() < deadline:
        size = database.sql(query)[0][0]
        if (at_least and size >= at_least) or (not at_least and size > before):
            return
        if not at_least and size and not database.sql("SELECT 1 FROM audit_pending LIMIT 1"):
            return
        time.sleep(0.05)
    pytest.fail("nothing was signed for a minute")
