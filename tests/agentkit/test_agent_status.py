"""`status` says all that it can, and of each file that is lost what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import click, enrolled
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.home import Home

Status = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(portal: FakePortal, tmp_path: Path) -> Path:
    """The folder of a machine that is enrolled, paused, and holds two events."""
    agent = enrolled(portal, tmp_path / "home")
    agent.poll()
    agent.offer(click())
    agent.offer(click(x=2))
    agent.settle()
    agent.close()
    Home(tmp_path / "home").pause()
    return tmp_path / "home"


@pytest.fixture
def status(folder: Path, capsys: pytest.CaptureFixture[str]) -> Status:
    def run(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        return main(["status", "--home", str(folder), *words]), capsys.readouterr().out

    return run


def told(status: Status) -> tuple[int, dict[str, Any]]:
    code, out = status("--json")
    found: dict[str, Any] = json.loads(out)
    return code, found


def test_of_a_sound_folder_nothing_is_damaged(status: Status) -> None:
    code, found = told(status)

    assert (code, found["damaged"]) == (0, [])
    assert "damaged" not in status()[1]


@pytest.mark.parametrize("hit", ["gone", "garbage", "open to others", "folder"])
@pytest.mark.parametrize("name", ["agent.key", "seen.json", "manifest.json", "identity.json"])
def test_a_file_that_is_lost_hides_nothing_of_the_others(
    status: Status, folder: Path, name: str, hit: str, portal: FakePortal
) -> None:
    lose(folder / name, hit)
    if (name, hit) == ("identity.json", "gone"):
        assert status()[0] == 4  # then nobody is enrolled
        return

    code, found = told(status)
    _, text = status()

    assert code == 4
    assert [trouble["code"] for trouble in found["damaged"]] in (
        ["state_damaged"],
        ["state_open_to_others"],
    )
    assert (found["paused"], found["spooled"], found["running"]) == (True, 2, False)
    assert found["line"] == "not recording: the agent has stopped"
    assert (found["key_sha256"] is None) == (name == "agent.key")
    assert (found["agent"] is None) == (name == "identity.json")
    assert text.count("damaged: ") == 1
    assert "2 events to be handed in" in text
    assert "paused on this machine" in text
    where = "the portal's address" if name == "identity.json" else portal.url
    assert f"sayso-agent enrol --again --portal {where}" in text


def test_all_that_is_lost_is_named_at_once(status: Status, folder: Path) -> None:
    for name in ("agent.key", "seen.json", "identity.json"):
        lose(folder / name, "garbage")

    _, found = told(status)

    assert len(found["damaged"]) == 3
    assert found["spooled"] == 2


def lose(path: Path, hit: str) -> None:
    match hit:
        case "garbage":
            path.write_bytes(b"{")
        case "open to others":
            path.chmod(0o644)
        case _:
            path.unlink()
            if hit == "folder":
                path.mkdir()


@pytest.mark.parametrize(
    ("code", "turned", "said"),
    [
        (401, "agent_unknown", "the portal does not know this agent"),
        (403, "agent_blocked", "stopped by the portal; your page of machines says which"),
        (410, "subject_erased", "the portal has erased this person's data"),
    ],
)
def test_a_machine_that_was_turned_away_says_why_until_it_is_served_again(
    status: Status, folder: Path, portal: FakePortal, code: int, turned: str, said: str
) -> None:
    portal.always["/api/v1/policy"] = problem(code, turned)
    main(["poll", "--home", str(folder)])
    assert said in status()[1]
    assert told(status)[1]["turned_away"] == turned

    del portal.always["/api/v1/policy"]
    main(["poll", "--home", str(folder)])

    assert said not in status()[1]
    assert told(status)[1]["turned_away"] is None
