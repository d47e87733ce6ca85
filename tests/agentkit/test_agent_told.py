"""An agent that runs once in a while tells the portal what the person did on the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from agent_helpers import FakeClock, click, enrolled
from sayso_agent import Agent
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.errors import UnreachableError
from sayso_agent.home import Home
from sayso_agent.report import pending
from sayso_agent.run import Recording, Runner
from sayso_agent.standing import UNTOLD
from sayso_agent.words import counted

PAUSES, STRIKES, BATCHES = "/api/v1/pauses", "/api/v1/strikes", "/api/v1/batches"


def once(agent: Agent) -> None:
    Runner(agent, lambda _: None).once(Recording([click()]))


def test_a_pause_of_before_is_told_and_then_resumed_in_the_browser(
    agent: Agent, portal: FakePortal
) -> None:
    agent.home.pause()

    once(agent)
    assert portal.paths("POST").count(PAUSES) == 1
    assert not pending(agent.home)

    portal.resume()
    once(agent)
    assert not agent.home.paused()
    assert portal.admitted


def test_what_was_forgotten_is_told_before_anything_is_handed_in(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.home.forget(minutes=5, now=clock.now())
    clock.pass_time(10)

    once(agent)

    asked = portal.paths("POST")
    assert asked.index(STRIKES) < asked.index(BATCHES)
    assert len(portal.strikes) == 1


def test_it_is_told_whatever_the_portal_answers_to_the_poll(
    agent: Agent, portal: FakePortal
) -> None:
    agent.home.pause()
    portal.always["/api/v1/policy"] = problem(503, "away")

    with pytest.raises(UnreachableError):
        once(agent)

    assert not pending(agent.home)


def test_status_says_whether_the_portal_has_heard_of_a_pause(
    portal: FakePortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(*more: str) -> str:
        main(["status", "--home", str(tmp_path / "home"), *more])
        return capsys.readouterr().out

    agent = enrolled(portal, tmp_path / "home")
    Home(tmp_path / "home").pause()
    assert UNTOLD in status()
    assert json.loads(status("--json"))["portal_told"] is False

    once(agent)

    assert UNTOLD not in status()
    assert json.loads(status("--json"))["portal_told"] is True
    agent.close()


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (0, "event", "0 events"),
        (1, "batch", "1 batch"),
        (2, "batch", "2 batches"),
        (1.0, "minute", "1 minute"),
        (0.5, "minute", "0.5 minutes"),
        (1_234_567, "event", "1234567 events"),
    ],
)
def test_counts_read_as_they_are_said(number: float, noun: str, said: str) -> None:
    assert counted(number, noun) == said


def test_an_agent_that_ended_gives_that_as_the_reason(agent: Agent) -> None:
    """Not that it lacks a way to mask, which was the last that could be thought of."""
    runner = Runner(agent, lambda _: None)
    agent.poll()
    runner.shown.show()

    runner.shown.end()

    status = agent.home.status() or {}
    assert (status["why"], status["line"]) == (
        "agent_stopped",
        "not recording: the agent has stopped",
    )
