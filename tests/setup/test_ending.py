"""A worker ends with the `up` that started it, though no signal of its end comes to anything."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.setup.installation import eventually

ROOT = Path(__file__).resolve().parents[2]
SUPERVISOR = """
import os, subprocess, sys, time
worker = [sys.executable, "-m", "celery", "--quiet", "-A", "portal", "worker", "--concurrency", "1",
          "--without-gossip", "--without-mingle", "--without-heartbeat"]
environment = {**os.environ, "SAYSO_SUPERVISOR": str(os.getpid())}
with open("/dev/null", "w") as nobody:
    print(subprocess.Popen(worker, env=environment, process_group=0, stdout=nobody,
                           stderr=nobody).pid, flush=True)
time.sleep(600)
"""


def group(leader: int) -> list[int]:
    """Return the living processes of a group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, members = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(members) == leader and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_a_worker_ends_after_up_though_no_signal_reaches_it(tmp_path: Path) -> None:
    environment = {**os.environ, "SAYSO_HOME": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:1/0"}
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    worker = int(supervisor.stdout.readline())
    eventually(lambda: len(group(worker)) > 1, within=30, what="the fork of the pool")
    time.sleep(1)  # it tries to connect to Redis now, which nothing answers
    assert group(worker)

    supervisor.kill()
    supervisor.communicate()

    eventually(lambda: not group(worker), within=20, what="the end of the worker and its pool")
