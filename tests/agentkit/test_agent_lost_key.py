"""An agent whose own key is lost records nothing, says so, and still does as it is told."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agent_helpers import FakeClock, click, enrolled, spooled, typed
from sayso_agent import Agent
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, allow
from sayso_agent.home import Home
from test_agent_run import Serving, until

LINE = "not recording: this machine's own key is lost or damaged: "


def lose(path: Path, hit: str) -> None:
    match hit:
        case "gone":
            path.unlink()
        case "garbage":
            path.write_bytes(b"x" * path.stat().st_size)
        case "open to others":
            path.chmod(0o644)
        case "a link":
            shutil.move(path, path.parent.parent / "elsewhere")
            path.symlink_to(path.parent.parent / "elsewhere")


HITS = ["gone", "garbage", "open to others", "a link"]


@pytest.fixture
def serving(portal: FakePortal, tmp_path: Path) -> Iterator[Serving]:
    portal.policy = {**portal.policy, "embargo_seconds": 3600}
    made = Serving(enrolled(portal, tmp_path / "home"))
    yield made
    made.agent.close()


@pytest.fixture
def key(serving: Serving) -> Path:
    return serving.agent.home.folder / "agent.key"


@pytest.mark.parametrize("hit", HITS)
def test_it_stops_and_says_why_and_what_to_do(serving: Serving, key: Path, hit: str) -> None:
    with serving.running():
        until(serving.recording)
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)
        lose(key, hit)
        serving.events.put(click())
        until(lambda: serving.said[-1].startswith(LINE))
        until(lambda: serving.agent.capture.dropped["key_unusable"] == 1)
        assert "sayso-agent status" in serving.said[-1]
        assert (serving.agent.home.status() or {})["why"] == "key_unusable"
        assert (serving.agent.home.status() or {})["state"] == "not_recording"
        assert len(spooled(serving.agent.home)) == 1


def test_it_goes_on_when_the_key_is_back(serving: Serving, key: Path) -> None:
    kept = key.read_bytes()
    with serving.running():
        until(serving.recording)
        key.unlink()
        until(lambda: serving.said[-1].startswith(LINE))
        key.touch(0o600)
        key.write_bytes(kept)
        until(serving.recording)


def test_a_withdrawal_is_obeyed_and_told_without_it(
    serving: Serving, key: Path, portal: FakePortal
) -> None:
    with serving.running():
        until(serving.recording)
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)
        key.unlink()
        until(lambda: serving.said[-1].startswith(LINE))

        portal.withdraw()

        until(lambda: [a["purged"] for a in portal.acknowledgements][1:] == [True])
        assert spooled(serving.agent.home) == []


def test_nothing_leaves_without_it(agent: Agent, clock: FakeClock, portal: FakePortal) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    key = agent.home.folder / "agent.key"
    kept = key.read_bytes()
    key.unlink()

    assert not agent.may_send()
    agent.upload()
    assert portal.manifests == {}

    key.touch(0o600)
    key.write_bytes(kept)
    agent.upload()
    assert len(portal.events()) == 1


def test_text_that_was_being_typed_goes(agent: Agent, portal: FakePortal) -> None:
    portal.policy = {**portal.policy, "allow": [allow("tracker", "key_content")]}
    agent.poll()
    agent.offer(typed("half a word", typing="append"))
    (agent.home.folder / "agent.key").unlink()

    agent.settle()

    assert spooled(agent.home) == []
    assert agent.capture.dropped["key_unusable"] == 1


@pytest.mark.parametrize("hit", HITS)
def test_a_single_run_ends_with_what_is_wrong(
    portal: FakePortal, tmp_path: Path, hit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "home"
    enrolled(portal, folder).close()
    lose(folder / "agent.key", hit)
    events = tmp_path / "events.ndjson"
    line = {"signal": "mouse_click", "x": 1, "y": 2, "action": "click", "window": {
        "platform": "web", "host": "tracker.example.com", "private": False}}  # fmt: skip
    events.write_text(json.dumps(line) + "\n")

    code = main(["run", "--once", "--home", str(folder), "--events", str(events),
                 "--recorder", "ndjson", "--rebase"])  # fmt: skip

    said = capsys.readouterr().err
    assert code == 4
    assert LINE in said
    assert said.rstrip().endswith("enrol again")
    assert portal.manifests == {}


def test_explain_and_status_say_it_too(
    portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "home"
    agent = enrolled(portal, folder)
    agent.poll()
    agent.close()
    (folder / "agent.key").unlink()
    words = ["--home", str(folder)]

    assert main(["explain", *words, "--app", "tracker", "--signal", "mouse_click"]) == 3
    assert "this machine's own key is lost" in capsys.readouterr().out
    assert main(["status", *words]) == 4
    assert f"sayso-agent enrol --again --portal {portal.url}" in capsys.readouterr().out


def test_it_is_read_once_as_long_as_it_stays_the_same(
    portal: FakePortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every event asks; a file is opened only where it is another than before."""
    folder = tmp_path / "home"
    enrolled(portal, folder).close()
    read: list[int] = []
    whole: Callable[[Home], object] = Home.key
    monkeypatch.setattr(Home, "key", lambda self: read.append(1) or whole(self))
    home = Home(folder)

    assert [home.halted() for _ in range(50)] == [""] * 50
    assert read == [1]

    time.sleep(0.01)
    (folder / "agent.key").write_bytes(b"")
    assert home.halted() == "key_unusable"
    assert read == [1, 1]
