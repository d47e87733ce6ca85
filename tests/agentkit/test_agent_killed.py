"""An agent that is killed at any moment, or loses its disk, leaves nothing that it may not."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_helpers import AGENTKIT, click, enrolled, spooled
from sayso_agent.conformance.portal import FakePortal, allow
from sayso_agent.home import Home
from test_agent_run import Serving, until

KILLER = Path(__file__).with_name("killed_agent.py")
LIVES = 30


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
@pytest.mark.parametrize("seed", [1])
def test_killed_thirty_times_nothing_is_left_open_doubled_or_out_of_time(
    portal: FakePortal, tmp_path: Path, seed: int
) -> None:
    portal.policy["allow"] = [allow("tracker", "mouse_click", "key_content")]
    folder = tmp_path / "home"
    enrolled(portal, folder).close()

    done = subprocess.run(
        [sys.executable, str(KILLER), str(folder), str(LIVES), str(seed)],
        env={**os.environ, "PYTHONPATH": str(AGENTKIT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not any(b"canary" in path.read_bytes() for path in files)
    agent = enrolled(portal, folder)
    agent.poll()
    waiting = spooled(agent.home)
    agent.upload()
    assert agent.home.spool.count() == 0
    assert list((folder / "spool").iterdir()) == []
    handed_in = [(e["y"], e["x"]) for e in portal.events() if e["signal"] == "mouse_click"]
    assert handed_in
    assert waiting
    assert len(handed_in) == len(set(handed_in))
    assert portal.refused == []
    agent.close()


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Make folders read only, although whoever runs the tests may write anywhere."""
    made: list[Path] = []
    chattr = shutil.which("chattr")

    def turn(folder: Path) -> None:
        words = [chattr or "chattr", "+i", str(folder)]
        if chattr is None or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("no folder can be made read only here")
        made.append(folder)

    yield turn
    for folder in made:
        subprocess.run([chattr or "chattr", "-i", str(folder)], check=True)


def test_a_disk_that_becomes_read_only_ends_recording_and_not_the_agent(
    portal: FakePortal, tmp_path: Path, unwritable: Callable[[Path], None]
) -> None:
    serving = Serving(enrolled(portal, tmp_path / "home"))
    home = serving.agent.home
    with serving.running():
        until(serving.recording)
        serving.events.put(click())
        until(lambda: len(spooled(home)) == 1)
        home.spool.close()  # what comes next needs another file

        unwritable(home.folder / "spool")
        serving.events.put(click())

        until(lambda: serving.said[-1] == "not recording: the agent cannot use its files")
        portal.withdraw()
        until(lambda: serving.said[-1] == "not recording: what must go could not be erased")
        assert serving.alive()
        assert all(told["purged"] is False for told in portal.acknowledgements[1:])
    assert portal.manifests == {}
    assert Home(home.folder).spool.count() == 1
    serving.agent.close()
