"""`manage.py up`, in a real terminal, with everything it starts."""

import fcntl
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.servers import process
from tests.setup.installation import (
    ROOT,
    Home,
    alive,
    environment,
    eventually,
    free_port,
    processes_naming,
)

PATIENCE = 90  # a busy machine; a calm one needs a few seconds


class Up:
    """One `up` in a terminal of its own."""

    def __init__(self, home: Home, port: int, *options: str) -> None:
        self.home, self.port, self.text = home, port, ""
        self.begun = time.monotonic()
        self._master, slave = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(port), *options],
            env=environment(home.path),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._master, 65536)
            except OSError:
                return
            self.text += part.decode(errors="replace").replace("\r\n", "\n")

    def says(self, pattern: str) -> re.Match[str]:
        """Wait for a line; fail with all that was said when it does not come."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.text}"
            assert self.process.poll() is None or re.search(pattern, self.text), self.text
            time.sleep(0.05)
        return found

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def hang_up(self) -> None:
        """Close the terminal's window: the kernel sends SIGHUP, and nobody reads any more."""
        os.close(self._master)

    def ends(self) -> int:
        """Wait for the end of it; return its status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(5)
        os.close(self._master)
        return status

    def page(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        finally:
            connection.close()

    def pid_of(self, words: str) -> int | None:
        """Return the first child of the supervisor whose command line holds these words."""
        return next(iter(self.pids_of(words)), None)

    def pids_of(self, words: str) -> list[int]:
        """Return every such child that is alive."""
        children = children_of(self.process.pid)
        return [pid for pid in children if words in command_line(pid) and alive(pid)]

    def valkey(self) -> int:
        return process.pid_in(self.home.path / "valkey" / "valkey.pid") or 0

    def postgres(self) -> int:
        return process.pid_in(self.home.path / "pgdata" / "postmaster.pid") or 0


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    lists = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for children in lists for child in children]


def nothing_is_left_of(home: Home) -> bool:
    """Return whether no process of an installation lives and no part of its servers either.

    Every process of a server holds its lock, whatever it is called.
    """
    for name in ("pgdata.lock", "valkey.lock"):
        if (home.path / name).exists():
            with (home.path / name).open() as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
    return processes_naming(str(home.path)) == []


@pytest.fixture(scope="module")
def ups() -> Iterator[list[Up]]:
    started: list[Up] = []
    yield started
    for up in started:
        if up.process.poll() is None:
            up.process.send_signal(signal.SIGTERM)
            assert up.ends() == 0


@pytest.fixture
def up(shared_home: Home, ups: list[Up]) -> Up:
    """Return the `up` of this module's installation, started where it does not run."""
    if ups and ups[-1].process.poll() is None:
        return ups[-1]
    ups.append(Up(shared_home, free_port(), "--web-processes", "2", "--no-demo"))
    ups[-1].says(r"Ctrl-C stops everything")
    return ups[-1]


def test_it_says_what_it_does_and_where_it_is(up: Up) -> None:
    order = ("collecting the static", "PostgreSQL is ready", "Valkey is ready", "Sayso is up")
    places = [up.text.index(words) for words in order]

    assert places == sorted(places)
    assert f"Sayso is up: http://127.0.0.1:{up.port}  (" in up.text
    assert up.page() < 500


def test_a_command_in_another_shell_speaks_for_the_same_address(up: Up) -> None:
    """What the root is asked to sign names it; machines believe no other."""
    request = up.home.manage("key_manifest", "--request")

    assert json.loads(request.stdout)["iss"] == f"http://127.0.0.1:{up.port}"


def test_a_second_up_is_told_where_the_first_one_is(up: Up) -> None:
    second = up.home.manage("up", "--port", str(free_port()))

    assert second.returncode == 1
    assert second.stderr == f"sayso: already up: pid {up.process.pid}, http://127.0.0.1:{up.port}\n"


def test_a_taken_port_is_named_before_anything_starts(home: Home, up: Up) -> None:
    other = home.manage("up", "--port", str(up.port))

    assert other.returncode == 1
    assert other.stderr == (
        f"sayso: port {up.port} is taken by another program;"
        f" choose another with --port {up.port + 1}\n"
    )
    assert not (home.path / "pgdata").exists()


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/home"])
def test_a_home_that_cannot_be_written_is_named(home: Home, place: str) -> None:
    answer = home.manage("up", SAYSO_HOME=place)

    assert answer.returncode == 1
    assert answer.stderr.startswith(f"sayso: cannot write to {place} (")
    assert answer.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "70000"], "there is no port 70000"),
        (["--host", "192.0.2.1"], "--host 192.0.2.1 is not an address of this machine"),
        (["--host", "no.such.host.invalid"], "is not an address of this machine"),
    ],
)
def test_an_impossible_address_gets_one_sentence(home: Home, options: list[str], said: str) -> None:
    answer = home.manage("up", *options)

    assert answer.returncode == 1
    assert said in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_killed_children_are_started_again(up: Up) -> None:
    programs = {"web": "portal.web", "beat": " beat ", "sequencer": "manage.py sequencer"}
    before = {}
    for name, words in programs.items():
        eventually(lambda words=words: up.pid_of(words), within=PATIENCE, what=name)  # type: ignore[misc]
        before[name] = up.pid_of(words) or 0

    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    assert up.page() < 500  # the port stays open meanwhile: a visitor only waits
    for name, words in programs.items():
        up.says(rf"{name} \| was killed by SIGKILL; starts again in 0.5 s")
        eventually(lambda words=words: up.pid_of(words), within=PATIENCE, what=name)  # type: ignore[misc]
        assert up.pid_of(words) != before[name]


def test_two_webs_share_the_port(up: Up) -> None:
    eventually(lambda: len(up.pids_of("portal.web")) == 2, within=PATIENCE, what="a second web")
    first, second = up.pids_of("portal.web")

    os.kill(first, signal.SIGSTOP)
    try:
        assert up.page() < 500  # whichever of them is free takes the connection
    finally:
        os.kill(first, signal.SIGCONT)
    os.kill(second, signal.SIGSTOP)
    try:
        assert up.page() < 500
    finally:
        os.kill(second, signal.SIGCONT)


@pytest.mark.parametrize("number", ["0", "7", "-1", "two", "1.5", ""])
def test_an_impossible_number_of_webs_is_refused(home: Home, number: str) -> None:
    answer = home.manage("up", f"--web-processes={number}")

    assert answer.returncode == 2
    assert "give a number from 1 to 6" in answer.stderr


def test_a_killed_worker_leaves_no_pool_behind(up: Up) -> None:
    eventually(lambda: children_of(up.pid_of(" worker ") or 0), within=PATIENCE, what="a pool")
    worker = up.pid_of(" worker ")
    assert worker
    pool = children_of(worker)

    os.kill(worker, signal.SIGKILL)

    up.says(r"worker \| was killed by SIGKILL; starts again in 0.5 s")
    eventually(lambda: not [pid for pid in pool if alive(pid)], what="the end of its pool")


def test_a_killed_valkey_is_started_again(up: Up) -> None:
    before = up.valkey()

    os.kill(before, signal.SIGKILL)

    up.says(r"valkey \| was killed by SIGKILL")
    eventually(lambda: up.valkey() not in {0, before}, within=PATIENCE, what="another Valkey")


def test_a_kill_of_the_supervisor_leaves_nothing_behind_and_loses_nothing(
    up: Up, ups: list[Up], shared_home: Home
) -> None:
    eventually(lambda: up.pid_of(" worker "), within=PATIENCE)
    marker = shared_home.path / "pgdata" / "PG_VERSION"
    made = marker.stat().st_mtime_ns
    noted = json.loads((shared_home.path / "migrated.json").read_text())

    up.process.send_signal(signal.SIGKILL)
    up.ends()
    eventually(lambda: nothing_is_left_of(shared_home), within=30, what="the end of all children")
    ups.append(Up(shared_home, up.port, "--web-processes", "2", "--no-demo"))

    ups[-1].says(r"Ctrl-C stops everything")
    unchanged = json.loads((shared_home.path / "migrated.json").read_text()) == noted
    assert ("bringing the database up to date" in ups[-1].text) != unchanged
    assert "collecting the static files" not in ups[-1].text
    assert marker.stat().st_mtime_ns == made


def test_the_loss_of_postgresql_stops_everything(up: Up, shared_home: Home) -> None:
    os.kill(up.postgres(), signal.SIGKILL)

    assert up.ends() == 1
    assert "sayso: PostgreSQL was killed by SIGKILL, so everything stops" in up.text
    eventually(lambda: nothing_is_left_of(shared_home), what="the end of all children")


def test_ctrl_c_stops_everything_in_order(up: Up, shared_home: Home) -> None:
    eventually(lambda: up.pid_of(" beat "), within=PATIENCE)

    up.press_ctrl_c()

    assert up.ends() == 0
    stopped = re.findall(r"(\w+(?: 2)?) +\| stopped", up.text)
    assert stopped == ["beat", "worker", "sequencer", "web", "web 2", "valkey", "postgres"]
    assert nothing_is_left_of(shared_home)
    assert "Traceback" not in up.text


def test_a_terminal_closed_during_the_start_stops_what_was_started(home: Home) -> None:
    up = Up(home, free_port())
    up.says("PostgreSQL is ready")

    up.hang_up()

    assert up.process.wait(PATIENCE) == 0
    assert nothing_is_left_of(home)
