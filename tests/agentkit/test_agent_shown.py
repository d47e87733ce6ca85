"""What is shown of a run, at all times and when it has ended."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from agent_helpers import AGENTKIT, FakeClock, click, enrolled
from sayso_agent import Agent
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal
from sayso_agent.shown import SAVE_EVERY, Shown

STOPPED = "not recording: the agent has stopped"


@pytest.mark.parametrize("end", ["stopped", "input", "blocked"])
def test_at_the_end_of_a_run_everything_says_that_nothing_is_recorded(
    portal: FakePortal, tmp_path: Path, end: str
) -> None:
    home, light = tmp_path / "home", tmp_path / "light"
    enrolled(portal, home).close()
    script = tmp_path / "light.py"
    script.write_text(
        "import os\n"
        f"with open({str(light)!r}, 'a') as file:\n"
        "    file.write(os.environ['SAYSO_STATE'] + '|' + os.environ['SAYSO_STATE_LINE'] + '\\n')\n"
    )
    words = ["run", "--home", str(home), "--poll", "0.2", "--events", "-"]
    words += ["--state-command", f"{sys.executable} {script}"]
    words += ["--once"] if end == "input" else []
    with subprocess.Popen(
        [sys.executable, "-m", "sayso_agent", *words],
        env={**os.environ, "PYTHONPATH": str(AGENTKIT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(("recording", "not recording"))
        if end == "blocked":
            portal.always["/api/v1/policy"] = (403, {}, b"")
        elif end == "stopped":
            process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)

    assert err.splitlines()[-1 if end != "blocked" else -2] == STOPPED
    status = json.loads((home / "status.json").read_text())
    assert (status["line"], status["state"]) == (STOPPED, "not_recording")
    assert light.read_text().splitlines()[-1] == f"not_recording|{STOPPED}"


def test_after_a_crash_status_says_so(
    portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = enrolled(portal, tmp_path / "home")
    agent.poll()
    Shown(agent, lambda _line: None).show()
    agent.close()

    assert main(["status", "--home", str(tmp_path / "home"), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["line"] == STOPPED


def test_outside_working_hours_the_line_says_so(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    now = int(clock.wall)
    hours = {"purpose": "train-agents", "from": now, "until": now + 60}
    portal.policy = {**portal.policy, "schedule": [hours]}
    said: list[str] = []
    shown = Shown(agent, said.append)
    agent.poll()
    assert agent.until() == now + 60

    shown.show()
    clock.pass_time(59)
    shown.show()
    clock.pass_time(1)
    shown.show()

    assert len(said) == 2
    assert said[0].startswith("recording mouse_click, scroll in Tracker")
    assert said[1] == "not recording: it is outside working hours"
    assert agent.home.status() is not None


def test_counts_are_saved_although_the_line_stays_the_same(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("sayso_agent.shown.time.monotonic", lambda: now[0])
    shown = Shown(agent, lambda _line: None)
    agent.poll()
    shown.show()

    def kept() -> int:
        shown.show()
        status = agent.home.status()
        assert status is not None
        return int(status["kept"].get("mouse_click", 0))

    agent.offer(click())
    assert kept() == 0
    now[0] += SAVE_EVERY
    assert kept() == 1


def test_a_light_that_cannot_be_started_ends_nothing(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sayso_agent.state import StateCommand

    light = StateCommand(sys.executable)
    light._words = ["/nowhere/at/all"]
    said: list[str] = []

    Shown(agent, said.append, light).show()
    Shown(agent, said.append, light).end()

    assert said[-1] == STOPPED
