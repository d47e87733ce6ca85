"""On a full disk nothing is recorded, and what the person asks for is done all the same."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from agent_helpers import AGENTKIT, click, enrolled
from sayso_agent import Agent
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.errors import StorageError
from sayso_agent.files import touch, write_secret
from sayso_agent.home import Home

LINE = json.dumps(
    {
        "signal": "mouse_click",
        "x": 1,
        "window": {"platform": "web", "host": "tracker.example.com", "private": False},
    }
)


def no_block() -> None:
    """Let this process write nothing into any file; it may still make empty ones."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


class Disk:
    """A state folder whose disk is really full for every command: by a limit, or a tiny one."""

    def __init__(self, folder: Path, *, tiny: bool) -> None:
        self.folder, self.tiny = folder, tiny
        self.home = folder / "home"
        folder.mkdir()
        if tiny:
            words = ["mount", "-t", "tmpfs", "-o", "size=200k,nr_inodes=60", "tmpfs", str(folder)]
            if subprocess.run(words, capture_output=True, check=False).returncode:
                pytest.skip("no file system can be mounted here")

    def fill(self) -> None:
        """Take every block that is left."""
        with (self.folder / "rest").open("wb", buffering=0) as rest, suppress(OSError):
            while self.tiny:
                rest.write(b"x" * 4096)

    def crowd(self) -> None:
        """Take every file that may still be made: not even an empty one is left."""
        with suppress(OSError):
            for number in range(100):
                (self.folder / str(number)).touch()

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "sayso_agent", words[0], "--home", str(self.home), *words[1:]],
            env={**os.environ, "PYTHONPATH": str(AGENTKIT), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command on the full disk."""
        limit = None if self.tiny else no_block
        done = subprocess.run(
            [sys.executable, "-m", "sayso_agent", words[0], "--home", str(self.home), *words[1:]],
            env={**os.environ, "PYTHONPATH": str(AGENTKIT), "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=limit,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(params=["limit", "tiny"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    found = Disk(tmp_path / "disk", tiny=request.param == "tiny")
    yield found
    if found.tiny:
        subprocess.run(["umount", "-l", str(found.folder)], check=True)


@pytest.fixture
def full(disk: Disk, portal: FakePortal) -> Disk:
    """A full disk of an agent that has spooled three events."""
    agent = enrolled(portal, disk.home)
    agent.poll()
    for _ in range(3):
        agent.offer(click())
    agent.settle()
    agent.close()
    disk.fill()
    return disk


def test_forget_drops_what_was_recorded_and_tells_the_portal(
    full: Disk, portal: FakePortal
) -> None:
    code, out, _ = full.run("forget", "--minutes", "10", "--json")

    assert json.loads(out) == {"dropped": 3, "portal_told": True}
    assert code == 0
    assert Home(full.home).spool.count() == 0
    assert len(portal.strikes) == 1


def test_pause_holds_here_and_the_portal_is_told(full: Disk, portal: FakePortal) -> None:
    code, out, _ = full.run("pause", "--json")

    assert (code, json.loads(out)) == (0, {"paused": True, "portal_told": True})
    assert Home(full.home).paused()
    assert portal.pauses == 1


def test_run_denies_in_plain_words(full: Disk, portal: FakePortal) -> None:
    portal.version += 1

    code, _, err = full.run("run", "--once")

    assert code == 12
    assert "not recording: the disk is full" in err
    assert "sayso-agent: the disk is full" in err
    assert portal.manifests == {}


def test_a_strike_that_can_be_neither_kept_nor_told_is_said_to_be_lost(
    tmp_path: Path, portal: FakePortal
) -> None:
    disk = Disk(tmp_path / "disk", tiny=False)
    enrolled(portal, disk.home).close()
    portal.always["/api/v1/strikes"] = problem(503, "away")

    code, out, _ = disk.run("forget", "--minutes", "10", "--json")

    assert code == 12
    assert json.loads(out)["code"] == "forget_not_told"


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture
def running(portal: FakePortal, tmp_path: Path) -> Iterator[tuple[Disk, "subprocess.Popen[str]"]]:
    yield from started(Disk(tmp_path / "disk", tiny=False), portal)


def started(disk: Disk, portal: FakePortal) -> Iterator[tuple[Disk, "subprocess.Popen[str]"]]:
    enrolled(portal, disk.home).close()
    process = disk.start("run", "--events", "-", "--poll", "0.2")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("recording"):
            break
    yield disk, process
    process.kill()
    process.communicate()


@pytest.fixture
def crowded(portal: FakePortal, tmp_path: Path) -> Iterator[tuple[Disk, "subprocess.Popen[str]"]]:
    """A running agent on a disk on which no file can be made any more."""
    disk = Disk(tmp_path / "disk", tiny=True)
    for _, process in started(disk, portal):
        disk.crowd()
        yield disk, process
    subprocess.run(["umount", "-l", str(disk.folder)], check=True)


def test_a_running_agent_stops_recording_and_goes_on_when_there_is_room(
    running: tuple[Disk, "subprocess.Popen[str]"], portal: FakePortal
) -> None:
    _, process = running
    assert process.stdin is not None
    assert process.stderr is not None
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))

    process.stdin.write(LINE + "\n")
    process.stdin.flush()

    assert process.stderr.readline() == "not recording: the disk is full\n"
    assert process.poll() is None
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    portal.version += 1
    assert process.stderr.readline().startswith("recording")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "dropped 1: the disk is full" in out


def test_a_pause_that_can_be_neither_kept_nor_told_stops_the_agent(
    crowded: tuple[Disk, "subprocess.Popen[str]"], portal: FakePortal
) -> None:
    disk, process = crowded
    portal.always["/api/v1/pauses"] = problem(503, "away")
    home = Home(disk.home)

    code, out, _ = disk.run("pause", "--json")

    assert code == 12
    assert json.loads(out) == {
        "code": "pause_not_kept",
        "paused": False,
        "portal_told": False,
        "stopped": True,
    }
    assert process.wait(20) == 0
    assert not home.is_running()


def test_a_pause_that_cannot_be_kept_is_told_to_the_portal(
    crowded: tuple[Disk, "subprocess.Popen[str]"], portal: FakePortal
) -> None:
    disk, _ = crowded

    code, out, _ = disk.run("pause", "--json")

    assert (code, json.loads(out)) == (0, {"paused": True, "portal_told": True})
    assert portal.pauses == 1


def test_what_the_portal_was_told_is_known_although_it_cannot_be_written(
    agent: Agent, portal: FakePortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a machine with a full disk would pause again what its person resumed."""
    agent.poll()
    agent.home.pause()

    def is_full(*_: object) -> None:
        raise StorageError("disk_full", "full")

    monkeypatch.setattr("sayso_agent.wishes.write_json", is_full)
    agent.home.pause_told(agent.home.untold_pause(), after_version=5)
    assert not agent.home.untold_pause()

    assert agent.home.resumed(version=6)
    assert not agent.home.paused()
    agent.home.pause()
    assert agent.home.untold_pause()  # another one, of which nobody has heard


def test_a_purge_goes_on_where_what_stays_cannot_be_rewritten(
    agent: Agent, portal: FakePortal
) -> None:
    agent.poll()
    for _ in range(2):
        agent.offer(click(x=1))
        agent.offer(click(x=2))
        agent.settle()
        agent.home.spool.close()
    segments = list(agent.home.spool.segments())
    assert len(segments) == 2
    drop = {s.records[0].line for s in segments}

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        gone = agent.home.spool.purge(lambda _slot, record: record.line not in drop)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert gone == 4
    assert agent.home.spool.count() == 0


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_secret(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(StorageError) as refused:
            write_secret(path, b"new")
        touch(tmp_path / "empty")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert refused.value.code == "disk_full"
    assert path.read_bytes() == b"old"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["empty", "file"]


def test_being_blocked_purges_on_a_full_disk_too(full: Disk, portal: FakePortal) -> None:
    portal.always["/api/v1/policy"] = problem(403, "agent_revoked")

    code, _, _ = full.run("run", "--once")

    assert code == 5
    assert Home(full.home).spool.count() == 0
