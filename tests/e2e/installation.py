"""A whole installation of its own, started by the very command the README names."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.e2e.checkout import reviewed_checkout

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Installation:
    """Its folder, its address and its running `up`."""

    home: Path
    port: int
    extra: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    _databases: dict[str, str] = field(default_factory=dict, repr=False)
    """Role -> where it finds the database."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SAYSO_", "DATABASE_URL", "REDIS_URL", "DJANGO_", "PYTEST_"))
        }
        return {
            **kept,
            "SAYSO_HOME": str(self.home),
            "SAYSO_PUBLIC_URL": self.url,
            "SAYSO_ORGANISATION": "Northwind GmbH",
            "SAYSO_TICK_SECONDS": "1",
            "SAYSO_POLICY_POLL_SECONDS": "1",
            "SAYSO_TESTS_ATTACH": "1",
            # The copy that runs has no `.venv`; we stand in the right one.
            "SAYSO_NO_BOOTSTRAP": "1",
            **self.extra,
        }

    def up(self) -> None:
        """Run `manage.py up` and wait for the first page."""
        with (self.home / "up.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(self.port), "--no-demo"],
                cwd=reviewed_checkout(),
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.wait_for_page()

    def wait_for_page(self) -> None:
        """Return once the first page answers; fail with the log if it never does."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.url + "/", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                if self.process and self.process.poll() is not None:
                    break
                time.sleep(0.2)
        raise AssertionError((self.home / "up.log").read_text()[-4000:])

    def down(self) -> int:
        """Stop as Ctrl-C does, and return the exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        self.process = None
        return status

    def python(self, *args: str) -> str:
        """Run our own interpreter inside the installation's environment; return its output."""
        done = subprocess.run(
            [sys.executable, *args],
            cwd=reviewed_checkout(),
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sql(self, statement: str, role: str = "owner") -> list[tuple[Any, ...]]:
        """Run one statement with psycopg alone, and return its rows as text: the test's own eyes.

        Where the database is does not change while it runs, and to ask takes most of a second.
        """
        if role not in self._databases:
            code = (
                "import sys;from portal.servers import locations;"
                "print(locations.database_url(sys.argv[1]))"
            )
            self._databases[role] = self.python("-c", code, role).strip()
        with psycopg.connect(self._databases[role], autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
        return [tuple(str(value) for value in row) for row in rows]

    def seed(self) -> dict[str, str]:
        """Fill it; return who may sign in."""
        people: dict[str, str] = json.loads(self.python("-m", "tests.e2e.seed"))
        return people


def make_installation(**extra: str) -> Installation:
    """Return an installation that is not running yet, in a folder every account may pass."""
    home = Path(tempfile.mkdtemp(prefix="sayso-e2e-"))
    home.chmod(0o711)
    return Installation(home, free_port(), extra)


@contextmanager
def running(**extra: str) -> Iterator[Installation]:
    """Yield an installation that runs; it is removed afterwards."""
    made = make_installation(**extra)
    try:
        made.up()
        yield made
    finally:
        remove(made)


def remove(installation: Installation) -> None:
    """Stop it, whatever its state, and remove its folder."""
    try:
        installation.down()
    finally:
        shutil.rmtree(installation.home, ignore_errors=True)
