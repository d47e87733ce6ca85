"""Celery and Redis only make things quicker: what is owed is done without them, and after them."""

from __future__ import annotations

import contextlib
import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.installation import ROOT, Installation, make_installation, remove
from tests.e2e.redis_server import RedisServer
from tests.oracle import look

pytestmark = pytest.mark.timeout(600)


class Visitor:
    """Somebody with cookies and forms, and no script: every button is a plain form."""

    def __init__(self, installation: Installation) -> None:
        self.url = installation.url
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def get(self, path: str) -> str:
        return str(self.opener.open(self.url + path, timeout=30).read().decode())

    def post(self, path: str, form_page: str, **fields: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.get(form_page))
        assert token
        data = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token[1]}).encode()
        request = urllib.request.Request(
            self.url + path, data=data, headers={"Referer": self.url + form_page}
        )
        return str(self.opener.open(request, timeout=30).read().decode())

    def sign_in(self, email: str, password: str) -> None:
        self.post("/accounts/login/", "/accounts/login/", login=email, password=password)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def installation(redis: RedisServer) -> Iterator[Installation]:
    made = make_installation(REDIS_URL=redis.url, SAYSO_DELETION_LEASE_SECONDS="3")
    try:
        made.up()
        made.seed()
        yield made
    finally:
        remove(made)


def fill(installation: Installation, count: int) -> dict[str, str]:
    people: dict[str, str] = json.loads(installation.python("-m", "tests.e2e.fill", str(count)))
    return people


def withdraw(installation: Installation, person: dict[str, str]) -> float:
    """Press Stop; return how long the page took, in seconds."""
    visitor = Visitor(installation)
    visitor.sign_in(person["email"], person["password"])
    started = time.monotonic()
    page = visitor.post("/you/stop/", "/you/")
    assert "Stopped." in page
    return time.monotonic() - started


def remaining(installation: Installation, person: dict[str, str]) -> int:
    needle = bytes.fromhex(person["needle"])
    found: Any = look(installation.home / "store", [needle])["found"]
    return int(found[person["needle"]])


def wait_until_gone(installation: Installation, person: dict[str, str], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        owed = installation.sql("SELECT count(*) FROM retention_deletioncase WHERE state<>'done'")
        if remaining(installation, person) == 0 and owed == [("0",)]:
            return
        time.sleep(0.5)
    raise AssertionError(f"{remaining(installation, person)} batches are still there")


def wait_until_heard(installation: Installation, seconds: float) -> None:
    """Ask the worker through Redis until it answers.

    Celery tries a lost broker anew after 2, 4, 6 ... and at most 30 s, so one question of a
    few seconds says nothing; one that is never answered within `seconds` does.
    """
    ping = [sys.executable, "-m", "celery", "-A", "portal", "inspect", "ping", "--timeout", "3"]
    deadline = time.monotonic() + seconds
    while True:
        answer = subprocess.run(
            ping, cwd=ROOT, env=installation.env, capture_output=True, text=True, check=False
        )
        if answer.returncode == 0:
            return
        assert time.monotonic() < deadline, f"the worker is deaf: {answer.stdout}{answer.stderr}"


def workers(installation: Installation) -> list[int]:
    """Return the process ids of this installation's Celery worker, pool children included."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                command = (folder / "cmdline").read_bytes()
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            ours = f"SAYSO_HOME={installation.home}".encode() in environment
            if ours and b"celery" in command and b"worker" in command:
                found.append(int(folder.name))
    return found


def test_a_withdrawal_with_redis_gone_is_quick_and_its_deletions_are_done(
    installation: Installation, redis: RedisServer
) -> None:
    person, second = fill(installation, 20), fill(installation, 5)
    redis.stop()

    withdraw(installation, person)
    wait_until_gone(installation, person, 60)

    redis.start()
    withdraw(installation, second)
    wait_until_gone(installation, second, 60)
    wait_until_heard(installation, 90)


def files(installation: Installation) -> int:
    """Count the store's files; cheap, so that a moment in the middle can be caught."""
    return sum(len(names) for _, _, names in os.walk(installation.home / "store"))


def kill(processes: list[int]) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="finds processes through /proc")
def test_workers_killed_in_the_middle_leave_nothing_undone_and_nothing_doubled(
    installation: Installation,
) -> None:
    person = fill(installation, 150)
    before = set(workers(installation))
    assert before

    full = files(installation)
    withdraw(installation, person)
    killed = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and killed < 3:
        left = files(installation)
        if left == 0:
            break
        if left < full:  # a worker is in the middle of it
            kill(workers(installation))
            full = files(installation)
            killed += 1
    wait_until_gone(installation, person, 120)

    jobs = installation.sql("SELECT count(*) FROM retention_deletionjob")
    certificates = installation.sql(
        "SELECT count(DISTINCT job_id), count(*) FROM retention_certificate"
    )
    entries = installation.sql("SELECT count(*) FROM audit_entry WHERE type='deletion.certified'")
    assert certificates == [(jobs[0][0], jobs[0][0])]
    assert entries == jobs
    assert killed > 0
    assert before.isdisjoint(workers(installation)), "the supervisor started new workers"
