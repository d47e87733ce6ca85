"""What is easily overlooked: further names of a page, named pipes, words, and purges left to do."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest
from agent_helpers import FakeClock, click
from sayso_agent import Agent, Event, Skipped, StandingError, WindowFacts
from sayso_agent.conformance.portal import FakePortal, problem
from sayso_agent.conformance.report import WIDTH, Result, line
from sayso_agent.conformance.scenarios import SCENARIOS
from sayso_agent.errors import UsageError
from sayso_agent.recorders import Told, is_live, open_recorder
from sayso_agent.recorders.ndjson import read_line
from sayso_agent.words import plain


def read(**window: object) -> Event | Skipped:
    said = {"signal": "mouse_click", "x": 1, "window": {"platform": "web", **window}}
    return read_line(json.dumps(said).encode(), WindowFacts())


def test_a_further_name_of_the_page_closes_it(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    here = {"host": "tracker.example.com", "private": False}

    agent.offer(read(**here, aliases=["hr.example.com"]))
    agent.offer(read(**here, aliases=["also.example.com"]))
    agent.settle()

    assert agent.capture.dropped == {"never": 1}
    assert agent.capture.kept == {"mouse_click": 1}


@pytest.mark.parametrize("odd", ["hr.example.com", [1], None, {}])
def test_further_names_that_cannot_be_read_drop_the_event(odd: object) -> None:
    assert read(host="tracker.example.com", aliases=odd) == Skipped("bad_event")


def test_a_named_pipe_is_live_input(tmp_path: Path) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.touch()

    open_recorder("ndjson", str(pipe), Told())

    assert is_live(str(pipe))
    assert not is_live(str(file))
    with pytest.raises(UsageError):
        open_recorder("openadapt", str(pipe), Told())
    with pytest.raises(UsageError):
        open_recorder("ndjson", str(tmp_path), Told())


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("no_consent:withdrawn", "you have withdrawn your consent"),
        ("no_consent:of_later_times", "no consent stands (of later times)"),
        ("some_thing:of_later", "some thing: of later"),
        ("some_thing", "some thing"),
    ],
)
def test_reasons_with_a_detail_are_in_plain_words(reason: str, words: str) -> None:
    assert plain(reason) == words


def test_no_name_in_the_table_runs_into_its_question() -> None:
    assert max(len(scenario.name) for scenario in SCENARIOS) < WIDTH
    assert "bad_strike_unreadable  " in line(Result("bad_strike_unreadable", "refused?"))


def test_an_acknowledgement_is_told_again_until_all_is_purged(
    agent: Agent, portal: FakePortal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = [False]
    monkeypatch.setattr(Agent, "_spool_is_clean", lambda _self: clean[0])

    agent.poll()
    for clean[0] in (False, True, True):
        clock.pass_time(10)
        agent.acknowledge()

    assert [said["purged"] for said in portal.acknowledgements] == [False, False, True]
    agent.offer(click())


def test_the_line_says_what_ended_recording_not_what_was_never_asked_for(
    agent: Agent, portal: FakePortal
) -> None:
    others = {"apps": ["expenses", "people"], "signals": ["scroll", "mouse_move", "mouse_click"]}
    never = {"purpose": "train-agents", "reasons": ["signal_not_listed"], **others}
    ended = {"purpose": "train-agents", "apps": ["tracker"], "signals": ["mouse_click", "scroll"]}
    portal.policy = {**portal.policy, "deny": [never]}
    agent.poll()

    portal.version += 1
    portal.policy = {
        **portal.policy,
        "allow": [],
        "deny": [never, {**ended, "reasons": ["consent_withdrawn"]}],
    }
    agent.poll()

    assert agent.why_not() == "consent_withdrawn"


@pytest.mark.parametrize("jump", [8 * 60.0, -8 * 60.0, 0.0])
def test_a_clock_that_was_set_hides_nothing_from_forgetting(
    agent: Agent, portal: FakePortal, clock: FakeClock, jump: float
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    clock.pass_time(60)
    portal_now = clock.wall
    clock.wall += jump

    assert agent.forget(minutes=5) == 1

    (strike,) = portal.strikes.values()
    until = datetime.fromisoformat(strike["until"]).timestamp()
    assert abs(until - portal_now) < 1


def test_what_is_older_by_both_clocks_stays(agent: Agent, clock: FakeClock) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    clock.pass_time(301)

    assert agent.forget(minutes=5) == 0


def test_who_was_removed_is_told_so_in_plain_words(agent: Agent, portal: FakePortal) -> None:
    portal.always["/api/v1/policy"] = problem(403, "agent_revoked")

    with pytest.raises(StandingError, match="removed by you"):
        agent.poll()
