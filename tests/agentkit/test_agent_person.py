"""What the person does on the machine holds before anybody is told, and no command undoes it."""

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from agent_helpers import FakeClock, click, enrolled, spooled, typed
from sayso_agent import Agent, Instant, UsageError
from sayso_agent.cli import main
from sayso_agent.conformance.portal import FakePortal, Seen, allow, policy_document, problem
from sayso_agent.conformance.wire import Answer
from sayso_agent.errors import Exit, PolicyChangedError
from sayso_agent.home import Home
from sayso_agent.lease import KeptClock
from sayso_agent.report import pending, try_report
from sayso_agent.state import StateCommand, state_word

PAUSES = "/api/v1/pauses"


def test_a_pause_holds_before_the_portal_is_asked_and_without_one(
    agent: Agent, portal: FakePortal
) -> None:
    agent.poll()
    portal.always[PAUSES] = problem(503, "away")

    assert agent.pause() is False

    agent.offer(click())
    assert agent.recordable() == []
    assert agent.capture.dropped["paused_here"] == 1
    assert pending(agent.home)


def test_a_pause_that_was_not_reported_outlives_every_policy(
    agent: Agent, portal: FakePortal
) -> None:
    portal.always[PAUSES] = problem(503, "away")
    agent.pause()

    portal.version += 10
    agent.poll()

    assert agent.home.paused()
    assert agent.recordable() == []


def test_only_a_later_unpaused_policy_ends_a_pause(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    assert agent.pause() is True
    after = portal.version - 1

    clock.pass_time(2)  # another document, not the one heard before
    on_its_way = portal.signed(portal.payload(version=after, paused=False))
    portal.document = lambda _portal: on_its_way
    agent.poll()
    assert agent.home.paused()

    portal.document = None
    agent.poll()
    assert agent.home.paused()

    portal.resume()
    agent.poll()
    assert not agent.home.paused()
    assert agent.recordable()


def denied(*reasons: str, **more: object) -> dict[str, object]:
    """Return what a portal says of clicks in the tracker that it denies."""
    line = {"purpose": "train-agents", "apps": ["tracker"], "signals": ["mouse_click"]}
    return {"allow": [], "deny": [{**line, "reasons": list(reasons)}], **more}


def test_a_pause_takes_nothing_back_and_hands_nothing_in(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    allowed = portal.policy
    portal.version += 1
    portal.policy = {**allowed, **denied("paused", paused=True)}

    agent.poll()

    agent.offer(click())
    assert agent.why_not() == "paused"
    assert agent.upload().admitted == 0
    assert portal.manifests == {}
    assert len(spooled(agent.home)) == 1
    assert portal.acknowledgements[-1]["purged"] is True
    portal.version += 1
    portal.policy = allowed
    agent.poll()
    assert agent.upload().events == 1


def test_what_reaches_into_a_pause_goes_and_what_was_before_comes_in_once_resumed(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    """A pause in the browser, of which the agent hears late: one file reaches over its begin."""
    portal.policy = {**portal.policy, "allow": [allow("tracker", "mouse_click", "key_content")]}
    agent.poll()
    agent.offer(click(x=1))
    clock.pass_time(10)
    agent.offer(click(x=2))
    agent.capture.flush()
    agent.offer(click(x=3))
    agent.offer(typed("what was begun before and "))
    clock.pass_time(2)
    agent.offer(typed("goes on in it"))
    allowed = portal.policy
    portal.version += 1
    since = int(clock.wall) - 5
    portal.policy = {**allowed, **denied("paused", paused=True, paused_since=since)}

    agent.poll()

    assert [event["x"] for event in spooled(agent.home)] == [1]
    assert portal.acknowledgements[-1]["purged"] is True
    portal.version += 1
    portal.policy = allowed
    agent.poll()
    assert agent.upload().events == 1
    (manifest,) = portal.manifests.values()
    assert datetime.fromisoformat(manifest["until"]).timestamp() <= since


@pytest.mark.parametrize("said", [{"paused": False, "paused_since": 0}, {"paused": True}])
def test_nothing_goes_for_a_pause_that_is_over_or_of_which_no_begin_is_said(
    agent: Agent, portal: FakePortal, said: dict[str, object]
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    portal.version += 1
    portal.policy = {**portal.policy, **said}

    agent.poll()

    assert len(spooled(agent.home)) == 1


def test_the_end_of_working_hours_takes_nothing_back(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    portal.version += 1
    portal.policy = {**portal.policy, **denied("outside_work_hours")}
    portal.takes_all = True  # the portal of the kit judges by what stands now

    agent.poll()

    assert agent.recordable() == []
    assert agent.upload().events == 1


def as_denied(portal: FakePortal, *reasons: str) -> None:
    """Have the portal deny as it does: most signals for the reason that nobody asks for them."""
    said = denied(*reasons)
    unasked = {"purpose": "train-agents", "apps": ["tracker"], "reasons": ["signal_not_listed"]}
    signals = ["app_focus", "clipboard", "dom_text", "scroll", "ui_event"]
    portal.policy = {
        **portal.policy,
        **said,
        "deny": [{**unasked, "signals": signals}, *said["deny"]],
    }  # type: ignore[misc]
    portal.version += 1


def test_who_stopped_reads_that_and_not_that_nobody_asks(agent: Agent, portal: FakePortal) -> None:
    portal.policy = {**portal.policy, "allow": [allow("tracker", "mouse_click")]}
    agent.poll()
    portal.misbehave["/api/v1/policy"] = [problem(409, "policy_changed")]  # we had waited
    with pytest.raises(PolicyChangedError):
        agent.poll()
    as_denied(portal, "no_consent:withdrawn", "signal_not_consented")

    agent.poll()

    assert agent.why_not() == "no_consent:withdrawn"


def test_who_was_never_asked_reads_that(agent: Agent, portal: FakePortal) -> None:
    as_denied(portal, "no_consent:unknown", "signal_not_consented")
    other = {"purpose": "others", "apps": ["tracker"], "signals": ["scroll"]}
    more = {**other, "reasons": ["no_consent:deferred", "signal_not_consented"]}
    portal.policy = {**portal.policy, "deny": [*portal.policy["deny"], more]}

    agent.poll()

    assert agent.why_not() == "no_consent:unknown"


WHAT_ENDS_IT = {
    "withdrawn": denied("paused", "no_consent:withdrawn"),
    "denied besides": {**denied("paused"), "deny": [
        *denied("paused")["deny"], {"apps": ["tracker"], "reasons": []}]},  # type: ignore[misc]
    "one reason more": denied("outside_work_hours", "agreement_does_not_cover"),
    "not named": denied("paused", deny=[],
                        default={"decision": "deny", "reasons": ["paused"]}),
    "never": denied("paused", never={"categories": ["tracker"], "signals": [], "matchers": []}),
    "no session": denied("paused", sessions=[]),
    "no pause": denied("paused", paused=False),
    "struck": denied("paused", strikes=[{"from": 0, "until": 2**40}]),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(WHAT_ENDS_IT))
def test_what_else_ends_what_was_captured_does_so_during_a_pause(
    agent: Agent, portal: FakePortal, what: str
) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()
    portal.version += 1
    portal.policy = {**portal.policy, "paused": True, **WHAT_ENDS_IT[what]}

    agent.poll()

    assert spooled(agent.home) == []


def test_pausing_twice_is_reported_once(agent: Agent, portal: FakePortal) -> None:
    agent.pause()
    agent.pause()

    assert portal.pauses == 1
    assert not pending(agent.home)


def lost(seen: Seen, answer: Answer) -> Answer:
    """What the portal does is done, and its answer to a pause gets lost."""
    return problem(503, "away") if seen.path == PAUSES else answer


def test_a_pause_whose_answer_was_lost_is_not_begun_anew_after_the_person_resumed(
    agent: Agent, portal: FakePortal
) -> None:
    """Failed, but done all the same."""
    agent.poll()
    portal.twist = lost
    assert agent.pause() is False
    assert portal.policy["paused"]
    portal.resume()
    agent.poll()
    assert agent.home.paused(), "nobody knows yet whether it is this pause that was ended"
    portal.twist = None

    assert try_report(agent.home, agent.portal)

    assert (portal.pauses, portal.policy["paused"]) == (1, False)
    agent.poll()
    assert not agent.home.paused()
    assert agent.recordable()


def test_a_pause_whose_answer_was_lost_goes_on_until_the_person_resumes(
    agent: Agent, portal: FakePortal
) -> None:
    agent.poll()
    portal.twist = lost
    agent.pause()
    portal.twist = None

    assert try_report(agent.home, agent.portal)
    agent.poll()

    assert agent.home.paused()
    assert (portal.pauses, len(portal.told_pauses)) == (1, 1)
    portal.resume()
    agent.poll()
    assert not agent.home.paused()


def test_a_pause_that_did_not_reach_the_portal_begins_when_it_does(
    agent: Agent, portal: FakePortal
) -> None:
    """Failed, and not done."""
    agent.poll()
    portal.misbehave[PAUSES] = [problem(503, "away")]
    assert agent.pause() is False
    assert not portal.policy["paused"]

    assert try_report(agent.home, agent.portal)

    assert portal.policy["paused"]
    agent.poll()
    assert agent.home.paused()


@pytest.mark.parametrize("answered", [True, False])
def test_pausing_anew_after_resuming_in_the_browser_is_another_pause(
    agent: Agent, portal: FakePortal, answered: bool
) -> None:
    agent.poll()
    portal.twist = None if answered else lost
    agent.pause()
    portal.resume()  # of which the agent has not heard
    portal.twist = None
    time.sleep(0.01)  # no person is as quick as the clock by which files are dated

    assert agent.pause()

    assert (portal.pauses, portal.policy["paused"]) == (2, True)
    agent.poll()
    assert agent.home.paused()


def test_what_was_told_of_one_pause_is_not_taken_for_another(
    agent: Agent, portal: FakePortal
) -> None:
    agent.home.pause()
    told = agent.home.untold_pause()
    time.sleep(0.01)
    agent.home.pause()  # the person again, while the portal hears of the first one

    agent.home.pause_told(told, after_version=5)

    assert agent.home.untold_pause() not in {"", told}
    assert not agent.home.resumed(version=6)


def test_a_pause_has_its_name_beyond_a_restart(agent: Agent) -> None:
    agent.home.pause()

    assert Home(agent.home.folder).untold_pause() == agent.home.untold_pause() != ""


def test_a_pause_whose_file_is_damaged_still_pauses(agent: Agent, portal: FakePortal) -> None:
    agent.poll()
    agent.home.pause()
    (agent.home.folder / "paused").write_bytes(b"")
    portal.resume()

    agent.poll()

    assert agent.home.paused()


def test_forgetting_drops_memory_and_spool_at_once_and_names_the_portals_time(
    portal: FakePortal, tmp_path: Path
) -> None:
    ahead = 3600.0  # the portal's clock, before ours
    portal.policy = policy_document(allow=[allow("tracker", "mouse_click", "key_content")])
    agent = enrolled(portal, tmp_path / "home")
    portal.now = lambda: time.time() + ahead
    agent.clock = Shifted(ahead)
    agent.poll()
    agent.offer(click())
    agent.capture.flush()
    agent.offer(click())
    agent.offer(typed("half a tho"))
    agent.clock = Shifted(0)

    assert agent.home.forget(minutes=10).gone == 1
    assert agent.capture.forget_since(Instant(0.0, 0.0)) == 1
    assert try_report(agent.home, agent.portal)

    (strike,) = portal.strikes.values()
    UUID(strike["strike"])
    since, until = (datetime.fromisoformat(strike[k]).timestamp() for k in ("from", "until"))
    assert abs(until - time.time()) < 60
    assert 600 <= until - since < 603
    agent.settle()
    assert spooled(agent.home) == []
    agent.close()


class Shifted:
    """This machine's clocks, the wall set forward."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def now(self):  # type: ignore[no-untyped-def]
        from sayso_agent.lease import Instant

        return Instant(time.monotonic(), time.time() + self.seconds)


def test_a_strike_is_given_in_the_portals_time(agent: Agent, portal: FakePortal) -> None:
    agent.home.save_clock(KeptClock(offset=3600.0))
    now = agent.clock.now().wall

    agent.forget(minutes=10)

    (strike,) = portal.strikes.values()
    until = datetime.fromisoformat(strike["until"]).timestamp()
    assert until == now + 3600


def test_what_could_not_be_told_is_told_later_and_once(agent: Agent, portal: FakePortal) -> None:
    portal.misbehave["/api/v1/strikes"] = [problem(503, "away")]

    agent.forget(minutes=5)
    assert portal.strikes == {}
    assert pending(agent.home)

    assert try_report(agent.home, agent.portal)
    assert try_report(agent.home, agent.portal)
    assert len([p for p in portal.paths("POST") if p == "/api/v1/strikes"]) == 2
    assert len(portal.strikes) == 1


def test_forget_of_the_library_drops_what_waits_in_memory(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    agent.offer(click())
    agent.capture.flush()
    agent.offer(click())

    assert agent.forget(minutes=1) == 2
    agent.settle()

    assert spooled(agent.home) == []


@pytest.mark.parametrize("words", [["pause"], ["forget", "--minutes", "10"]])
def test_where_nobody_enrolled_no_command_says_that_nothing_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """The agent that records may have another folder, as one that runs as a service."""
    folder = tmp_path / "new"
    assert main([*words, "--home", str(folder)]) == Exit.NOT_ENROLLED
    said = capsys.readouterr().out
    assert str(folder) in said
    assert "Nothing is recorded" not in said

    assert main([*words, "--json", "--home", str(folder)]) == Exit.NOT_ENROLLED

    assert json.loads(capsys.readouterr().out)["code"] == "not_enrolled"
    assert Home(folder).paused() is (words == ["pause"])  # for whoever enrols here


@pytest.mark.parametrize("word", ["resume", "unpause"])
def test_no_command_resumes(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([word])


def test_the_state_command_is_told_each_state(tmp_path: Path) -> None:
    script = tmp_path / "light.py"
    told = tmp_path / "told"
    script.write_text(
        "import os, pathlib\n"
        f"with open({str(told)!r}, 'a') as f:\n"
        "    f.write(os.environ['SAYSO_STATE'] + '|' + os.environ['SAYSO_STATE_LINE'] + '\\n')\n"
    )
    shows = StateCommand(f"{sys.executable} {script}")

    for word in ("recording", "paused"):
        shows.tell(word, "a line; $(not run)")
        assert shows._last is not None
        assert shows._last.wait(20) == 0

    assert told.read_text() == "recording|a line; $(not run)\npaused|a line; $(not run)\n"


@pytest.mark.parametrize("command", ["", "no-such-program-here --x", "'unclosed"])
def test_a_state_command_that_cannot_show_anything_stops_the_start(command: str) -> None:
    with pytest.raises(UsageError):
        StateCommand(command)


@pytest.mark.parametrize(
    ("recording", "paused", "word"),
    [
        (True, False, "recording"),
        (False, True, "paused"),
        (False, False, "not_recording"),
    ],
)
def test_the_state_in_one_word(recording: bool, paused: bool, word: str) -> None:
    assert state_word(recording=recording, paused=paused) == word
