"""An installation to try things on, and what a test asks of its processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent.parent
HOLDER = Path(__file__).with_name("hold_servers.py")
OURS = ("SAYSO_", "DATABASE_URL", "REDIS_URL", "PG", "DJANGO_", "PYTEST", "PORT")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which nothing of the test session's own servers is left."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {
        **kept,
        "SAYSO_HOME": str(home),
        "SAYSO_NO_BOOTSTRAP": "1",
        "PYTHONPATH": str(ROOT),
        **more,
    }


def eventually(true: Callable[[], object], *, within: float = 15, what: str = "it") -> None:
    """Wait until something holds; fail when it does not in time."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {within} s"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """Return whether a process runs; one that ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def processes_naming(text: str) -> list[int]:
    """Return the living processes on whose command line or in whose environment a text stands."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in words and alive(int(entry.name)) and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass
class Servers:
    """Embedded servers that another process holds, as `up` would."""

    home: Path
    holder: subprocess.Popen[str]
    facts: dict[str, str] = field(default_factory=dict)

    def url(self, role: str) -> str:
        """Return a role's database address."""
        return self.facts[role]

    @property
    def postgres(self) -> int:
        """Return PostgreSQL's process id."""
        return int((self.home / "pgdata" / "postmaster.pid").read_text().split()[0])

    def run(self, role: str, statement: str) -> list[tuple[object, ...]]:
        """Run a statement as a role; return its rows."""
        with psycopg.connect(self.url(role), autocommit=True) as connection:
            answer = connection.execute(statement)  # type: ignore[arg-type]
            return answer.fetchall() if answer.description else []

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the holder, and with it the servers."""
        if self.holder.poll() is None:
            self.holder.send_signal(number)
            self.holder.wait(20)
        for stream in (self.holder.stdout, self.holder.stderr):
            if stream:
                stream.close()


@dataclass
class Home:
    """An installation's folder, and what was started in it."""

    path: Path
    started: list[Servers] = field(default_factory=list)

    def start(self, **more: str) -> Servers:
        """Start the embedded servers; raises AssertionError with the reason where they do not."""
        holder = subprocess.Popen(
            [sys.executable, str(HOLDER)],
            env=environment(self.path, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        servers = Servers(self.path, holder)
        self.started.append(servers)
        line = holder.stdout.readline() if holder.stdout else ""
        if not line:
            _, error = holder.communicate(timeout=20)
            raise AssertionError(error)
        servers.facts = json.loads(line)
        return servers

    def running(self) -> Servers:
        """Return the servers that run in it, started where none do."""
        if self.started and self.started[-1].holder.poll() is None:
            return self.started[-1]
        return self.start()

    def manage(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` on this installation to its end."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=environment(self.path, **more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
