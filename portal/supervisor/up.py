"""The supervisor: starts everything in order, keeps it running, stops it in the reverse order."""

import argparse
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import Protocol

from portal.servers import (
    addresses,
    folders,
    locations,
    postgres,
    process,
    publicurl,
    roles,
    valkey,
)
from portal.servers.errors import SetupError
from portal.servers.home import AS_ROOT
from portal.supervisor import fresh
from portal.supervisor.child import Child, describe
from portal.supervisor.console import Console, sign_in_lines
from portal.supervisor.programs import Programs
from portal.supervisor.visitor import FirstVisit

DEFAULT_PORT = 8000
PATIENCE_WITH_WEB = 60.0
TICK = 0.1
WEB = "web"
MOST_WEBS = 6  # of twelve connections each at most; PostgreSQL takes a hundred
STOP_ORDER = ("demo", "migrate", "static", "beat", "worker", "sequencer", WEB, "valkey", "postgres")
DEMO_DONE = locations.HOME / "demo.done"
DEMO_ACCOUNTS = locations.HOME / "demo-accounts.json"


class StopAsked(Exception):
    """Somebody pressed Ctrl-C: unwinds whatever the start was waiting for."""


def main(argv: list[str]) -> int:
    """Run `up` with these arguments; return 0 after Ctrl-C, 1 after one sentence on stderr."""
    options = _parser().parse_args(argv)
    try:
        return _up(options)
    except SetupError as error:
        sys.stderr.write(f"sayso: {error}\n")
        return 1
    except KeyboardInterrupt:  # before anything was started
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="manage.py up",
        description="Run the whole portal: database, web, workers. Ctrl-C stops everything.",
    )
    add_options(parser)
    return parser


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `up`."""
    port = os.environ.get("PORT") or str(DEFAULT_PORT)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", default=port, type=int, help="port to listen on")
    parser.add_argument(
        "--web-processes",
        default=os.environ.get("SAYSO_WEB_PROCESSES") or "1",
        type=_some_processes,
        metavar="N",
        help="how many web processes share the port (1): as many as there are cores to spare",
    )
    parser.add_argument("--no-demo", action="store_true", help="leave an empty database empty")


def _some_processes(said: str) -> int:
    if said.isdecimal() and 1 <= int(said) <= MOST_WEBS:
        return int(said)
    raise argparse.ArgumentTypeError(f"{said!r}: give a number from 1 to {MOST_WEBS}")


def _up(options: argparse.Namespace) -> int:
    folders.prepare()
    address = _address(options.host, options.port)
    with _only_one(address), addresses.listen(options.host, options.port) as port:
        if not locations.embedded_redis():
            addresses.check_redis()
        if not locations.embedded_database():
            for role in locations.ROLES:
                addresses.of_role(role)
        webs = options.web_processes
        return Supervisor(port, address, webs=webs, demo=not options.no_demo).run()


def _address(host: str, port: int) -> str:
    """Return what to type into a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    if ":" in shown and not shown.startswith("["):
        shown = f"[{shown}]"
    return f"http://{shown}:{port}"


@contextmanager
def _only_one(address: str) -> Iterator[None]:
    """Hold the lock that makes a second `up` say so; the kernel drops it whatever kills us."""
    with (locations.HOME / "up.lock").open("a+") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            guard.seek(0)
            raise SetupError(f"already up: {guard.read().strip() or 'starting'}") from None
        guard.truncate(0)
        guard.write(f"pid {os.getpid()}, {address}")
        guard.flush()
        yield


class StartServer(Protocol):
    """A server's `start`: returns it ready, or None when told to stop."""

    def __call__(self, *, stopping: Callable[[], bool]) -> Popen[bytes] | None: ...


def _not_again() -> Popen[bytes]:
    raise SetupError("PostgreSQL is never started a second time by one `up`")


class Supervisor:
    """Everything one `up` runs."""

    def __init__(self, port: socket.socket, address: str, *, webs: int, demo: bool) -> None:
        """Take the open port and the address to tell people; `demo` allows loading one.

        `webs` processes share the port; the kernel gives each connection to one of them.
        """
        self._port, self._address, self._webs, self._demo = port, address, webs, demo
        self._console = Console()
        public_url = os.environ.get("SAYSO_PUBLIC_URL") or address
        publicurl.note(public_url)
        self._programs = Programs(self._console, public_url)
        self._children: dict[str, Child] = {}
        self._stop_asked = 0
        self._started = float(os.environ.get("SAYSO_STARTED") or time.time())

    def run(self) -> int:
        """Start, supervise and stop everything; return the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        try:
            self._start_all()
            while True:
                self._tend()
        except StopAsked:
            self._say("stopping everything, in order")
            return 0
        finally:
            self._stop_all()

    def _start_all(self) -> None:
        self._say(f"starting in {locations.HOME}")
        if AS_ROOT:
            self._say("running as root: fine for a try, better as an ordinary user")
        assets = fresh.assets()
        collect = None if fresh.is_collected(assets) else self._begin_collecting()
        self._start_servers()
        self._migrate()
        if collect:
            self._finish(collect)
            fresh.note_collected(assets)
        self._start_web()
        for child in (self._programs.sequencer(), self._programs.worker(), self._programs.beat()):
            self._add(child)
        for number in range(2, self._webs + 1):
            self._add(self._programs.web(self._port.fileno(), f"{WEB} {number}"))
        if self._demo and locations.embedded_database() and not DEMO_DONE.exists():
            self._add(self._programs.once("demo", "demo", "--on-empty"))

    def _start_servers(self) -> None:
        if locations.embedded_database():
            # Never started again from here: a database that fell may need a person's eye first.
            self._adopt("postgres", postgres.start, postgres.STOP_SIGNAL, keep=False)
            self._say(f"PostgreSQL is ready after {self._elapsed()}")
        else:
            for sentence in roles.ensure():
                self._say(sentence)
        if locations.embedded_redis():
            self._adopt("valkey", valkey.start, valkey.STOP_SIGNAL, keep=True)
            self._say(f"Valkey is ready after {self._elapsed()}")

    def _adopt(self, name: str, start: StartServer, number: int, *, keep: bool) -> None:
        """Start a server, wait until it answers, and look after it from then on."""
        running = start(stopping=self._is_stopping)
        if running is None:
            raise StopAsked
        again = valkey.launch if keep else _not_again
        child = Child(name, again, stop_signal=number, patience=60, keep=keep)
        child.adopt(running)
        self._children[name] = child

    def _begin_collecting(self) -> Child:
        self._say("collecting the static files")
        child = self._programs.collect()
        self._add(child)
        return child

    def _migrate(self) -> None:
        code = fresh.code()
        if fresh.is_migrated(code):
            return
        self._say("bringing the database up to date")
        arguments = ("migrate", "--noinput", "--verbosity", "0")
        child = self._programs.once("migrate", *arguments, role="owner")
        self._add(child)
        self._finish(child)
        fresh.note_migrated(code)
        self._say(f"the database is up to date after {self._elapsed()}")

    def _start_web(self) -> None:
        """Start the web ahead of everything that competes with it, and wait for its first page."""
        self._add(self._programs.web(self._port.fileno()))
        visit = FirstVisit(self._address)
        deadline = time.monotonic() + PATIENCE_WITH_WEB
        while not visit.done and time.monotonic() < deadline:
            self._tend()
        if visit.done:
            self._announce(visit.status)
        else:
            self._say("the web does not answer yet; see its lines above")

    def _announce(self, status: int) -> None:
        lines = ["", f"Sayso is up: {self._address}  ({self._elapsed()} after the start)"]
        if status >= 500:
            lines = ["", f"Sayso answers at {self._address}, but with error {status}"]
        lines += sign_in_lines(DEMO_ACCOUNTS)
        self._say("\n".join([*lines, "Ctrl-C stops everything.", ""]))

    def _finish(self, child: Child) -> None:
        """Wait for a command that must succeed; its own lines say why when it does not."""
        while child.running:
            self._pause()
            status = child.ended()
            if status:
                raise SetupError(f"`{child.name}` {describe(status)}; see its lines above")

    def _tend(self) -> None:
        """Look after every child once: notice ends, start again what is due."""
        self._pause()
        for child in list(self._children.values()):
            if child.due():
                child.start()
            status = child.ended()
            if status is not None:
                self._react(child, status)

    def _react(self, child: Child, status: int) -> None:
        if child.name == "postgres":
            raise SetupError(
                f"PostgreSQL {describe(status)}, so everything stops; start again with"
                " `python3 manage.py up`: what was saved is safe"
            )
        if child.keep:
            pause = child.plan_restart()
            self._console.say(child.name, f"{describe(status)}; starts again in {pause:g} s")
            return
        del self._children[child.name]
        if child.name == "demo":
            self._demo_ended(status)

    def _demo_ended(self, status: int) -> None:
        if status:
            self._console.say("demo", f"{describe(status)}; the portal runs without it")
            return
        DEMO_DONE.touch()
        if lines := sign_in_lines(DEMO_ACCOUNTS):
            self._say("\n".join(["", f"The demo company is at {self._address}", *lines, ""]))

    def _pause(self) -> None:
        if self._stop_asked:
            raise StopAsked
        time.sleep(TICK)

    def _add(self, child: Child) -> None:
        self._children[child.name] = child
        child.start()

    def _stop_all(self) -> None:
        for name in STOP_ORDER:
            for child in self._children_of(name):
                child.stop(self._in_a_hurry if name != "postgres" else process.never)
                self._console.say(child.name, "stopped")

    def _children_of(self, name: str) -> list[Child]:
        """Return the running children of a kind: the webs are `web`, `web 2`, `web 3` ..."""
        running = (child for child in self._children.values() if child.running)
        return [child for child in running if child.name.partition(" ")[0] == name]

    def _ask_to_stop(self, *_: object) -> None:
        self._stop_asked += 1

    def _is_stopping(self) -> bool:
        return self._stop_asked > 0

    def _in_a_hurry(self) -> bool:
        return self._stop_asked > 1

    def _elapsed(self) -> str:
        return f"{time.time() - self._started:.1f} s"

    def _say(self, text: str) -> None:
        self._console.say("sayso", text)
