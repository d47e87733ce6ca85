"""One run of a freshness test: servers, those who decide, the one who asks, and what goes wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests import factories
from tests.integration.fault import OwnRedis, Relay, environment, postgres_relay
from tests.integration.fresh_judge import Result, judge
from tests.integration.fresh_oracle import Fault
from tests.integration.fresh_plan import NOTED_BYTES, PAIRS, Plan
from tests.integration.polling import enrolled, wait_until

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 40
SECOND = 1_000_000_000
AFTERMATH = SECOND
"""For so long after a fault a writer may still leave Redis alone."""


class Run:
    """Real servers on one database, with a Redis and ways that can be cut."""

    def __init__(
        self,
        database: Any,
        folder: Path,
        *,
        answers: int = 0,
        servers: int = 4,
        writers: int = 2,
        lines: int = 6,
        rate: float = 4,
        pause: float = 0.005,
        bare: float = 0.02,
        without: str = "",
    ) -> None:
        self.database, self.folder = database, folder
        self.redis = OwnRedis("--dbfilename", "kept.rdb")
        self.writers_redis = Relay("r.sock", str(self.redis.socket))
        self.servers_postgres = postgres_relay()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.faults: list[Fault] = []
        self.sockets = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(servers)]
        world = factories.make_world()
        people = [world.another_subject() for _ in range(PEOPLE)]
        for subject in people:
            world.subject = subject
            world.say_yes(*self._pairs())
        self.plan = Plan(
            subjects=[subject.pk for subject in people],
            tokens=[enrolled(subject)[1] for subject in people],
            ports=[listener.getsockname()[1] for listener in self.sockets],
            answers=answers,
            lines=lines,
            pause=pause,
            writers=writers,
            rate=rate,
            bare=bare,
            without=without,
        )
        self.plan.write(folder)

    def _pairs(self) -> list[tuple[str, Any]]:
        from consent.policy.types import Signal

        return [(app, Signal(said)) for app, said in PAIRS]

    # --- processes ------------------------------------------------------------------------------

    def start(self) -> None:
        for number, listener in enumerate(self.sockets):
            self._serve(number, listener)
        for number in range(self.plan.writers):
            self._write("person", number)
        self._write("officer", 0)
        for number in range(len(self.sockets)):
            wait_until(lambda n=number: self._answers_at(n), 180)
        self._start("asker", ["fresh_asker", str(self.folder)])
        for name in self.processes:
            if not name.startswith("server"):
                wait_until(lambda n=name: self._is_ready(n), 180)
        (self.folder / "go").touch()
        # So that nothing is broken while everybody is still being issued their first policy.
        wait_until(lambda: self.goes_on and self.counted() > 4 * PEOPLE * len(self.sockets), 180)

    def _serve(self, number: int, listener: socket.socket) -> None:
        listener.set_inheritable(True)
        self._start(
            f"server-{number}",
            ["fresh_process", "server", str(self.folder), str(listener.fileno())],
            redis=self.redis.url,
            postgres=str(self.servers_postgres.folder),
            pass_fds=[listener.fileno()],
            SAYSO_POLICY_BURST="1000000000",
            SAYSO_POLICY_FAST="no" if number % 2 else "yes",  # both ways that polls are served
        )

    def _write(self, role: str, number: int) -> None:
        name = role if role == "officer" else f"{role}-{number}"
        self._start(
            name,
            ["fresh_process", role, str(self.folder), str(number)],
            redis=f"unix://{self.writers_redis.socket}?db=0",
        )

    def _start(
        self,
        name: str,
        command: list[str],
        *,
        redis: str = "",
        postgres: str = "",
        pass_fds: tuple[int, ...] | list[int] = (),
        **extra: str,
    ) -> None:
        from portal.servers import locations

        extra |= {"REDIS_URL": redis, "PYTHONUNBUFFERED": "1"}
        for role in ("owner", "app", "reader", "sequencer"):
            extra[locations.database_variable(role)] = self._address(role, postgres)
        module, *arguments = command
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"tests.integration.{module}", *arguments],
                cwd=ROOT,
                env=environment(**extra),
                stdout=log,
                stderr=log,
                pass_fds=pass_fds,
            )

    def _address(self, role: str, folder: str) -> str:
        from portal.servers import locations

        password = quote(locations.database_password(role), safe="")
        place = quote(folder or str(locations.RUN), safe="")
        name = locations.role_name(role)
        return f"postgresql://{name}:{password}@{place}:5432/{self.database.name}"

    def _answers_at(self, number: int) -> bool:
        self._check(f"server-{number}")
        with contextlib.suppress(OSError):
            place = ("127.0.0.1", self.plan.ports[number])
            with socket.create_connection(place, timeout=1) as line:
                line.sendall(b"GET /api/v1/policy HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return line.recv(100).startswith(b"HTTP/1.1 401 ")
        return False

    def _is_ready(self, name: str) -> bool:
        self._check(name)
        return (self.folder / f"{name}.ready").exists()

    def _check(self, name: str) -> None:
        status = self.processes[name].poll()
        assert status is None, (name, status, self._log(name))

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-3000:]

    @property
    def goes_on(self) -> bool:
        """Whether the asker still wants answers; fails where a process has ended in error."""
        asker = self.processes["asker"].poll()
        assert not asker, ("asker", asker, self._log("asker"))
        for name in self.processes.keys() - {"asker"}:
            self._check(name)
        return asker is None

    def counted(self) -> int:
        """How many answers were noted so far."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "answers").stat().st_size // NOTED_BYTES
        return 0

    def finish(self, seconds: float = 90) -> None:
        (self.folder / "stop").touch()
        for name, process in self.processes.items():
            if not name.startswith("server"):
                assert process.wait(seconds) == 0, (name, self._log(name))

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()
        for listener in self.sockets:
            listener.close()
        self.redis.close()
        self.writers_redis.close()
        self.servers_postgres.close()

    # --- what goes wrong ------------------------------------------------------------------------

    def fault(
        self,
        name: str,
        do: Callable[[], object],
        undo: Callable[[], object] = lambda: None,
        *,
        seconds: float,
        excuses: bool = True,
    ) -> None:
        """Break something for a while, and let peace return.

        `excuses`: it keeps changes from Redis, so that those of meanwhile may be seen late.
        """
        since = time.monotonic_ns()
        do()
        time.sleep(seconds)
        undo()
        until = time.monotonic_ns() + (AFTERMATH if excuses else 0)
        self.faults.append(Fault(name, since, until, excuses))
        time.sleep(1)

    def hurt(self) -> None:
        """Everything that is known to go wrong, one after the other, with peace in between."""
        redis = self.redis
        self.fault("Redis stalls", redis.pause, redis.resume, seconds=1.5)
        self.fault("Redis starts anew", self._empty_and_kill, redis.start, seconds=0.3)
        self.turn_back()
        self.cut_writers()
        self.fault(
            "connections to Redis break", lambda: self._kill("normal"), seconds=1, excuses=False
        )
        self.fault("messages are lost", lambda: self._kill("pubsub"), seconds=1, excuses=False)
        still = self.processes["server-0"]
        self.fault(
            "a server stands still",
            lambda: still.send_signal(signal.SIGSTOP),
            lambda: still.send_signal(signal.SIGCONT),
            seconds=1.5,
            excuses=False,
        )
        postgres = self.servers_postgres
        self.fault("servers lose PostgreSQL", postgres.cut, postgres.heal, seconds=2, excuses=False)
        self.cut_both()
        self.fault("Redis is emptied", redis.client().flushall, seconds=0.5, excuses=False)

    def turn_back(self) -> None:
        """Let Redis come back with what it knew a second before it was killed."""
        self.redis.client().save()
        time.sleep(1)
        self.fault("Redis is back as it was", self.redis.kill, self.redis.start, seconds=0.3)

    def cut_writers(self) -> None:
        """Let writers lose Redis, which the servers still have."""
        ways = self.writers_redis
        self.fault("writers lose Redis", ways.cut, ways.heal, seconds=1.5)

    def cut_both(self) -> None:
        """Let writers lose Redis and servers PostgreSQL: nobody can tell anybody anything."""

        def cut() -> None:
            self.writers_redis.cut()
            self.servers_postgres.cut()

        def heal() -> None:
            self.servers_postgres.heal()
            self.writers_redis.heal()

        self.fault("nobody hears of anything", cut, heal, seconds=2.5)

    def _empty_and_kill(self) -> None:
        self.redis.kill()
        (self.redis.folder / "kept.rdb").unlink(missing_ok=True)

    def _kill(self, kind: str) -> None:
        """Break all connections of a kind, a few times."""
        client = self.redis.client()
        for _ in range(5):
            client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            time.sleep(0.1)

    def judge(self) -> Result:
        """Judge what was noted so far."""
        return judge(self.folder, self.faults, PEOPLE)


def wanted() -> int:
    """How many answers a deep run is to make."""
    return int(os.environ.get("FRESHNESS_ANSWERS", "10000000"))
