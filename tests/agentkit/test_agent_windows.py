"""The agent where Python is as on Windows, without what only POSIX has: a simulation, no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

BEGIN = """
import sys
sys.path[:0] = [{kit!r}, {here!r}]
from on_windows import EVENT, pretend
pretend()
"""

EVERY_MODULE = """
from importlib import import_module
from pkgutil import walk_packages
import sayso_agent
names = [found.name for found in walk_packages(sayso_agent.__path__, "sayso_agent.")
         if not found.name.endswith("__main__")]
for name in names:
    import_module(name)
assert len(names) > 60, names
try:
    import fcntl
except ModuleNotFoundError:
    print("imported")
"""

LIFE = """
import json, os, pathlib
from agent_helpers import enrolled
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal
from sayso_agent.files import FileLock
from sayso_agent.home import Home
from sayso_agent.machine import platform_name
from sayso_agent.person import stop_running

os.environ.setdefault("USERNAME", "somebody")
folder, events = pathlib.Path(sys.argv[1]) / "home", pathlib.Path(sys.argv[1]) / "events"
events.write_text(json.dumps(EVENT))
with FakePortal() as portal:
    enrolled(portal, folder).close()
    words = ["--home", str(folder)]
    run = ["run", "--once", *words, "--events", str(events), "--recorder", "ndjson", "--rebase"]
    assert platform_name() == "windows"
    assert main(run) == 0
    assert [event["x"] for event in portal.events()] == [7]
    assert main(["status", *words]) == 0
    assert main(["forget", "--minutes", "10", *words]) == 0
    assert len(portal.strikes) == 1
    assert main(["pause", *words]) == 0
    assert Home(folder).paused() and portal.pauses == 1
    assert main(run) == 3

home = Home(folder)
assert home.running.try_hold()
home.running.sign()
assert not FileLock(folder / "run.lock").try_hold()
assert Home(folder).is_running()
assert FileLock(folder / "run.lock").signed() == os.getpid()
home.running.release()
assert not Home(folder).is_running()
assert stop_running(home)
print("lived")
"""

WAITS = """
import os, pathlib, threading, time
from sayso_agent.files import FileLock
path = pathlib.Path(sys.argv[1]) / "lock"
first, second, order = FileLock(path), FileLock(path), []

def later():
    with second:
        order.append("second")

with first:
    thread = threading.Thread(target=later)
    thread.start()
    time.sleep(0.1)  # it was refused a few times by now
    order.append("first")
thread.join(10)
assert order == ["first", "second"], order
print("waited")
"""

BUSY = """
import pathlib
from sayso_agent.files import erase, read_secret, write_secret
path, failures = pathlib.Path(sys.argv[1]) / "file", [3, 3]
write_secret(path, b"one")
replace, unlink = pathlib.Path.replace, pathlib.Path.unlink

def busy(does, which):
    def first_not(self, *more, **named):
        if self.name.endswith("file") or self.name.startswith(".file"):
            failures[which] -= 1
            if failures[which] >= 0:
                raise PermissionError(13, "somebody reads it")
        return does(self, *more, **named)
    return first_not

pathlib.Path.replace = busy(replace, 0)
write_secret(path, b"two")
assert read_secret(path) == b"two"
pathlib.Path.unlink = busy(unlink, 1)
assert erase(path) and not path.exists()
assert max(failures) < 0, failures
print("insisted")
"""

COMMANDS = r"""
from sayso_agent.state import words_of
assert words_of(r'"C:\Program Files\light.exe" C:\a\b on') == [
    r"C:\Program Files\light.exe", r"C:\a\b", "on"]
print("split")
"""


def said(script: str, folder: Path) -> str:
    begin = BEGIN.format(kit=str(HERE.parents[1] / "agentkit"), here=str(HERE))
    ended = subprocess.run(
        [sys.executable, "-c", begin + script, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[-1]


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    assert said(EVERY_MODULE, tmp_path) == "imported"


def test_it_records_forgets_pauses_and_locks(tmp_path: Path) -> None:
    assert said(LIFE, tmp_path) == "lived"


def test_a_lock_is_waited_for_longer_than_the_system_does(tmp_path: Path) -> None:
    assert said(WAITS, tmp_path) == "waited"


def test_a_file_that_somebody_reads_is_replaced_and_erased_a_moment_later(tmp_path: Path) -> None:
    assert said(BUSY, tmp_path) == "insisted"


def test_a_command_keeps_its_backslashes(tmp_path: Path) -> None:
    assert said(COMMANDS, tmp_path) == "split"
