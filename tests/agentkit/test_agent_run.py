"""The running agent: one round on recordings, and the loop that goes on."""

import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import PEOPLE, RECORDINGS, TRACKER, FakeClock, click, enrolled, spooled, typed
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent import (
    Agent,
    AgentError,
    Event,
    Instant,
    Skipped,
    StandingError,
    UnreachableError,
    WindowFacts,
)
from sayso_agent.agent import fetch
from sayso_agent.conformance.portal import FakePortal, allow, problem
from sayso_agent.errors import PolicyChangedError
from sayso_agent.files import write_json
from sayso_agent.home import Home
from sayso_agent.rebase import rebased
from sayso_agent.recorders import Told, open_recorder
from sayso_agent.run import Pace, Recording, Runner
from sayso_agent.segment import Record
from sayso_agent.words import SIGNALS

POLICY = "/api/v1/policy"
ACK = "/api/v1/policy/ack"
ALL = sorted(SIGNALS)


def recording(name: str, host: str = "", hint: str = "", **more: bool) -> Recording:
    recorder = "openadapt" if name.endswith(".db") else "rrweb"
    told = Told(host=host, window=WindowFacts(hint=hint), **more)
    return Recording(open_recorder(recorder, str(RECORDINGS / name), told), rebase=True)


def once(agent: Agent, given: Recording | None = None) -> list[str]:
    said: list[str] = []
    Runner(agent, said.append).once(given)
    return said


@pytest.mark.parametrize("missing", ["pwrite", "geteuid", "fork"])
def test_an_agent_signs_for_its_folder_where_a_system_lacks_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Windows has none of these."""
    lock = Home(tmp_path / "home").running
    monkeypatch.delattr(os, missing)

    assert lock.try_hold()
    lock.sign()
    lock.sign()

    assert lock.signed() == os.getpid()
    lock.release()


# --- recordings ----------------------------------------------------------------------------------


def test_the_tracker_recording_becomes_one_batch(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    portal.policy["allow"] = [allow("tracker", "mouse_click", "scroll", "key_content")]

    said = once(agent, recording("rrweb-tracker.json", "tracker.example.com"))

    assert len(portal.admitted) == 1
    (manifest,) = portal.manifests.values()
    assert manifest["signals"] == {"key_content": 6, "mouse_click": 30, "scroll": 4}
    texts = [e["text"] for e in portal.events() if e["signal"] == "key_content"]
    assert texts[0] == "Login button misaligned on mobile"
    assert agent.home.spool.count() == 0
    assert said[0].startswith("recording key_content, mouse_click, scroll in Tracker · until ")


def test_typed_text_that_is_not_allowed_leaves_no_trace(agent: Agent, portal: FakePortal) -> None:
    once(agent, recording("rrweb-tracker.json", "tracker.example.com"))

    assert portal.events()
    for word in (b"Login", b"misaligned", b"Finance", b"tracker.example.com", b"127.0.0.1:47811"):
        assert word not in portal.wire()


def test_the_expense_claim_is_redacted(agent: Agent, portal: FakePortal) -> None:
    portal.policy["allow"] = [allow("expenses", *ALL)]
    portal.policy["deny"] = []

    once(agent, recording("rrweb-expenses.json", "expenses.example.com"))

    texts = [e["text"] for e in portal.events() if e["signal"] == "key_content"]
    assert texts == [
        "Train to Lyon, customer visit",
        "184",
        "[email]",
        "Receipt in the folder. Call me on [phone].",
    ]
    for secret in (b"4111", b"ana.example", b"example@", b"+33", b"99 00", b"*****"):
        assert secret not in portal.wire()
    assert agent.capture.dropped["secure_input"] == 68


def test_the_masked_claim_is_no_worse(agent: Agent, portal: FakePortal) -> None:
    portal.policy["allow"] = [allow("expenses", "key_content", "mouse_click")]

    once(agent, recording("rrweb-expenses-masked.json", "expenses.example.com"))

    texts = {e["text"].strip("*") for e in portal.events() if e["signal"] == "key_content"}
    assert texts == {""}


@pytest.mark.parametrize("host", ["hr.example.com", ""])
def test_the_sick_leave_form_yields_nothing_at_all(
    agent: Agent, portal: FakePortal, host: str
) -> None:
    """Even a policy that allows everything everywhere, by mistake, opens no HR app."""
    portal.policy["allow"] = [allow(app, *ALL) for app in ("people", "tracker", "expenses")]
    portal.policy["deny"] = []
    portal.policy["never"] = {"categories": [], "signals": [], "matchers": []}

    once(agent, recording("rrweb-hr.json", host))

    assert portal.manifests == {}
    assert portal.paths("PUT") == []
    assert not list((agent.home.folder / "spool").iterdir())
    assert agent.capture.kept == {}
    for word in (b"Flu", b"doctor", b"Sick", b"2026-11-20"):
        assert word not in portal.wire()
        for path in agent.home.folder.rglob("*"):
            assert not path.is_file() or word not in path.read_bytes()
    reason = "never" if host else "app_not_allowlisted"
    assert set(agent.capture.dropped) <= {reason, "field_unknown", "not_a_signal"}


def test_the_desktop_recording_gives_kinds_of_keys_and_no_letters(
    agent: Agent, portal: FakePortal
) -> None:
    portal.policy["allow"] = [allow("tracker", *ALL)]
    portal.policy["deny"] = []

    once(agent, recording("openadapt-tracker.db", hint="tracker", no_passwords=True))

    (manifest,) = portal.manifests.values()
    assert manifest["signals"] == {
        "key_meta": 118,
        "key_timing": 118,
        "mouse_click": 4,
        "mouse_move": 22,
    }
    assert {e.get("key") for e in portal.events()} == {"character", None}


def test_keys_are_left_out_where_nobody_knows_of_password_fields(
    agent: Agent, portal: FakePortal
) -> None:
    portal.policy["allow"] = [allow("tracker", *ALL)]

    once(agent, recording("openadapt-tracker.db", hint="tracker"))

    (manifest,) = portal.manifests.values()
    assert manifest["signals"] == {"mouse_click": 4}
    assert agent.capture.dropped["field_unknown"] == 236


def test_an_old_recording_without_new_times_is_out_of_time(
    agent: Agent, portal: FakePortal
) -> None:
    given = recording("rrweb-tracker.json", "tracker.example.com")

    once(agent, Recording(given.items, rebase=False))

    assert portal.manifests == {}
    assert agent.capture.dropped["outside_lease"] > 0


def test_a_recording_keeps_its_pace_where_the_lease_is_old_enough(
    agent: Agent, portal: FakePortal, clock: FakeClock
) -> None:
    agent.poll()
    clock.pass_time(100)
    portal.etags = True

    once(agent, recording("rrweb-tracker.json", "tracker.example.com"))

    (manifest,) = portal.manifests.values()
    stamps = sorted(e["t"] for e in portal.events())
    assert 10 < stamps[-1] - stamps[0] < 11
    assert manifest["signals"]["mouse_click"] == 30


@given(
    st.lists(st.floats(0, 1e9) | st.none(), max_size=20),
    st.floats(0, 1000),
    st.floats(0, 1000),
)
def test_moved_times_lie_between_the_policys_coming_and_now(
    times: list[float | None], since: float, age: float
) -> None:
    now = Instant(since + age, 2e9)
    items: list[Event | Skipped] = [Event("scroll", TRACKER, at=t) for t in times]

    moved = list(rebased(items, now, since))

    assert len(moved) == len(items)
    for item, happened in moved:
        assert isinstance(item, Event)
        assert item.at is None
        assert since <= happened.monotonic <= now.monotonic
        assert happened.wall == now.wall
    dated = [(t, h.monotonic) for t, (_, h) in zip(times, moved, strict=True) if t is not None]
    assert all(a[1] <= b[1] for a in dated for b in dated if a[0] <= b[0])


# --- one round -----------------------------------------------------------------------------------


def test_where_all_is_denied_nothing_is_even_read(agent: Agent, portal: FakePortal) -> None:
    portal.withdraw()

    def never_read() -> Iterator[Event]:
        pytest.fail("the recorder was read")
        yield click()

    said = once(agent, Recording(never_read()))

    assert said == ["not recording: consent withdrawn"]


def test_only_the_portal_is_ever_asked(agent: Agent, portal: FakePortal) -> None:
    once(agent, recording("rrweb-tracker.json", "tracker.example.com"))

    paths = {
        seen.path.split("?")[0].replace(batch, "…")
        for seen in portal.requests
        for batch in [next(iter(portal.manifests), "-")]
    }
    assert paths == {
        POLICY,
        "/api/v1/policy/ack",
        "/.well-known/sayso-key-manifest.jwt",
        "/api/v1/batches",
        "/api/v1/batches/…/bytes",
    }


def test_uploads_are_tried_again_while_somebody_waits(agent: Agent, portal: FakePortal) -> None:
    portal.misbehave["/api/v1/batches"] = [problem(503, "not_now")]
    runner = Runner(agent, lambda _: None)
    runner._upload_backoff.first = 0.01

    runner.once(Recording([click()]))

    assert len(portal.admitted) == 1


def test_uploads_are_given_up_where_the_portal_asks_for_long(
    agent: Agent, portal: FakePortal
) -> None:
    portal.always["/api/v1/batches"] = problem(503, "not_now", retry_after=600)

    with pytest.raises(UnreachableError):
        once(agent, Recording([click()]))

    assert agent.home.spool.count() == 1


# --- the loop ------------------------------------------------------------------------------------


class Serving:
    """An agent that runs in a thread of this test, on real clocks."""

    def __init__(self, agent: Agent, **pace: Any) -> None:
        self.agent = agent
        self.said: list[str] = []
        self.events: queue.Queue[Event | Skipped | None] = queue.Queue()
        self.error: AgentError | None = None
        self.runner = Runner(agent, self.said.append, Pace(**{"poll": 0.1, "upload": 300, **pace}))
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        try:
            self.runner.serve(live=iter(self.events.get, None))
        except AgentError as error:
            self.error = error

    @contextmanager
    def running(self) -> Iterator["Serving"]:
        self._thread.start()
        try:
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        self.runner.stop()
        self._thread.join(timeout=10)
        self.events.put(None)
        assert not self._thread.is_alive()

    def recording(self) -> bool:
        return bool(self.said) and self.said[-1].startswith("recording")

    def alive(self) -> bool:
        return self._thread.is_alive()


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def serving(portal: FakePortal, tmp_path: Path) -> Iterator[Serving]:
    made = Serving(enrolled(portal, tmp_path / "home"))
    yield made
    made.agent.close()


def test_a_withdrawal_stops_a_running_agent(serving: Serving, portal: FakePortal) -> None:
    with serving.running():
        until(serving.recording)
        assert serving.said[-1].startswith("recording mouse_click, scroll in Tracker · until ")
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)

        portal.withdraw()

        until(lambda: serving.said[-1] == "not recording: consent withdrawn")
        until(lambda: [a["version"] for a in portal.acknowledgements] == [1000, 1001])
        assert spooled(serving.agent.home) == []
        serving.events.put(click())
        until(lambda: serving.agent.capture.dropped.total() > 0)
    assert portal.manifests == {}


def test_consent_given_later_starts_it(serving: Serving, portal: FakePortal) -> None:
    portal.policy["allow"] = []
    with serving.running():
        until(lambda: "you have not agreed" in "".join(serving.said))
        serving.events.put(click())
        portal.version += 1
        portal.policy["allow"] = [allow("tracker", "mouse_click")]
        until(lambda: serving.said[-1].startswith("recording mouse_click in Tracker"))
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)


def test_pause_and_resume_from_outside(serving: Serving, portal: FakePortal) -> None:
    with serving.running():
        until(serving.recording)
        serving.agent.home.pause()
        until(lambda: serving.said[-1] == "not recording: paused on this machine")
        serving.events.put(click())
        until(lambda: serving.agent.capture.dropped["paused_here"] == 1)
        until(lambda: portal.pauses == 1)  # the running agent tells the portal by itself
        portal.resume()
        until(lambda: serving.said[-1].startswith("recording"))


def test_forget_from_outside_takes_memory_and_spool(serving: Serving, portal: FakePortal) -> None:
    portal.policy["allow"] = [allow("tracker", "mouse_click", "key_content")]
    portal.etags = True
    with serving.running():
        until(serving.recording)
        serving.events.put(click())
        serving.events.put(Event("mouse_click", TRACKER, {"x": 3}))
        until(lambda: len(spooled(serving.agent.home)) == 2)

        serving.events.put(typed("half a thought"))
        until(lambda: serving.agent.capture._typed._piece is not None)

        assert Home(serving.agent.home.folder).forget(minutes=1).gone == 2

        until(lambda: serving.agent.capture._typed._piece is None)
        serving.events.put(Skipped("x", settles=True))
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)
    assert [e["signal"] for e in spooled(serving.agent.home)] == ["mouse_click"]


def test_forget_reaches_what_was_written_while_it_ran(serving: Serving, portal: FakePortal) -> None:
    home = serving.agent.home
    with serving.running():
        until(serving.recording)
        now = time.time()
        home_of_another = Home(home.folder)
        home_of_another.forget(minutes=1)
        slot = serving.agent.capture.rules.slot("train-agents", "tracker")  # type: ignore[union-attr]
        home_of_another.spool.append(slot, [Record(1.0, "scroll", b"{}", now)])
        write_json(
            home.folder / "forget.json",
            {
                "since": {"monotonic": 0.0, "wall": now - 60},
                "until": {"monotonic": 0.0, "wall": now + 1},
            },
        )
        until(lambda: spooled(home) == [])


def test_what_is_old_enough_is_handed_in_by_itself(portal: FakePortal, tmp_path: Path) -> None:
    serving = Serving(enrolled(portal, tmp_path / "home"), upload=0.2)
    with serving.running():
        until(serving.recording)
        serving.events.put(click())
        until(lambda: len(portal.admitted) == 1)
    serving.agent.close()


def test_a_portal_that_answers_slowly_does_not_hold_up_the_end_of_a_lease(
    portal: FakePortal, tmp_path: Path
) -> None:
    portal.lease = 3
    serving = Serving(enrolled(portal, tmp_path / "home"))
    with serving.running():
        until(serving.recording)
        portal.always[POLICY] = (200, {"X-Slow": "1"}, b"x" * 600)
        until(lambda: "lease has ended" in serving.said[-1], seconds=6)
        serving.events.put(click())
        until(lambda: serving.agent.capture.dropped["no_policy"] == 1)
    assert spooled(serving.agent.home) == []
    serving.agent.close()


@pytest.mark.parametrize(("status", "code"), [(401, 4), (403, 5), (410, 6)])
def test_being_turned_away_ends_the_loop(
    serving: Serving, portal: FakePortal, status: int, code: int
) -> None:
    with serving.running():
        until(serving.recording)
        portal.always[POLICY] = problem(status, "away")
        until(lambda: not serving.alive())
    assert isinstance(serving.error, StandingError)
    assert serving.error.exit_code == code
    assert serving.said[-1].startswith("not recording")


def test_told_of_a_change_it_stops_at_once_and_fetches_the_policy(
    serving: Serving, portal: FakePortal
) -> None:
    with serving.running():
        until(serving.recording)
        portal.always[POLICY] = problem(409, "policy_changed")
        until(lambda: not serving.recording())
        assert serving.runner.agent.why_not() == "policy_changed"
        asked = portal.paths("GET").count(POLICY)
        time.sleep(0.4)
        assert portal.paths("GET").count(POLICY) <= asked + 1  # at once, then with patience
        del portal.always[POLICY]

        until(serving.recording)


def test_told_of_a_change_it_comes_back_when_it_is_told_to(
    portal: FakePortal, tmp_path: Path
) -> None:
    agent = enrolled(portal, tmp_path)
    runner = Runner(agent, lambda line: None)

    assert runner._took(PolicyChangedError(retry_after=7.0)) == 7.0
    assert runner._took(PolicyChangedError()) >= 0.5
    agent.poll()
    runner._took(fetch(agent.portal, agent.clock, etag=agent.etag))
    assert runner._took(PolicyChangedError()) == 0.0
    agent.close()


def test_a_portal_in_trouble_is_left_alone_for_a_while(
    serving: Serving, portal: FakePortal
) -> None:
    with serving.running():
        until(serving.recording)
        portal.always[POLICY] = problem(503, "not_now", retry_after=60)
        asked = len(portal.paths("GET"))
        time.sleep(0.6)
        assert len(portal.paths("GET")) <= asked + 2
        assert serving.said[-1].startswith("recording")


def test_whatever_comes_wakes_the_loop(
    serving: Serving, portal: FakePortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer, an event and the end are heard at once, however long the loop may rest."""
    monkeypatch.setattr("sayso_agent.run.TURN", 600.0)
    with serving.running():
        until(serving.recording)
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)
        portal.withdraw()
        until(lambda: serving.said[-1] == "not recording: consent withdrawn")


def test_an_event_wakes_the_loop_where_no_poll_is_due(
    portal: FakePortal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sayso_agent.run.TURN", 600.0)
    serving = Serving(enrolled(portal, tmp_path / "home"), poll=600)
    with serving.running():
        until(serving.recording)
        time.sleep(0.2)  # it rests by now
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)
    serving.agent.close()


@pytest.mark.parametrize("status", [503, 429])
def test_an_acknowledgement_is_repeated_when_the_portal_asks_not_at_the_next_poll(
    portal: FakePortal, tmp_path: Path, status: int
) -> None:
    serving = Serving(enrolled(portal, tmp_path / "home"), poll=600)
    portal.misbehave[ACK] = [problem(status, "not_now", retry_after=1)]
    with serving.running():
        until(lambda: [a["version"] for a in portal.acknowledgements] == [1000])
    polls, told = portal.paths("GET").count(POLICY), portal.paths("POST").count(ACK)
    assert (polls, told) == (1, 2)
    serving.agent.close()


def test_an_acknowledgement_waits_as_long_as_the_portal_asks(
    portal: FakePortal, tmp_path: Path
) -> None:
    clock = FakeClock()
    agent = enrolled(portal, tmp_path / "home", clock)
    portal.misbehave[ACK] = [problem(503, "not_now", retry_after=30)]
    agent.poll()
    clock.pass_time(29)
    portal.version += 1

    agent.poll()
    assert portal.paths("POST").count(ACK) == 1
    clock.pass_time(2)
    agent.acknowledge()

    assert [a["version"] for a in portal.acknowledgements] == [1001]
    agent.close()


def test_a_portal_that_holds_polls_is_asked_to(portal: FakePortal, tmp_path: Path) -> None:
    """`wait` in Policy-Poll: the next poll asks to be held and waits longer for its answer."""
    portal.extra_headers = {"Policy-Poll": "jitter=0.2, wait=20"}
    portal.etags = True
    serving = Serving(enrolled(portal, tmp_path / "home"), poll=None)
    with serving.running():
        until(lambda: any("prefer" in seen.headers for seen in portal.requests))
    held = [seen for seen in portal.requests if "prefer" in seen.headers]
    assert held[0].headers["prefer"] == "wait=20"
    assert held[0].headers["if-none-match"] == '"1000"'
    serving.agent.close()


def test_a_portal_that_only_says_it_holds_polls_is_not_asked_again_and_again(
    portal: FakePortal, tmp_path: Path
) -> None:
    portal.extra_headers = {"Policy-Poll": "jitter=0.2, wait=20"}
    portal.etags = True
    portal.policy = {**portal.policy, "poll_after": 60}
    serving = Serving(enrolled(portal, tmp_path / "home"), poll=None)
    with serving.running():
        until(lambda: any("prefer" in seen.headers for seen in portal.requests))
        time.sleep(1.5)
    assert sum("prefer" in seen.headers for seen in portal.requests) == 1
    serving.agent.close()


def test_a_recording_waits_for_the_first_policy(portal: FakePortal, tmp_path: Path) -> None:
    agent = enrolled(portal, tmp_path / "home")
    portal.misbehave[POLICY] = [problem(503, "not_now")]
    runner = Runner(agent, lambda _: None, Pace(poll=0.1, upload=0.1))
    runner._backoff.first = 0.1
    thread = threading.Thread(
        target=lambda: runner.serve(recording=Recording([click(), click(PEOPLE)], rebase=True))
    )
    thread.start()
    until(lambda: len(portal.events()) == 1)
    runner.stop()
    thread.join(timeout=10)
    agent.close()


def test_a_recorder_that_breaks_ends_the_run(portal: FakePortal, tmp_path: Path) -> None:
    agent = enrolled(portal, tmp_path / "home")

    def breaks() -> Iterator[Event]:
        yield click()
        raise OSError("gone")

    with pytest.raises(AgentError, match="cannot read"):
        Runner(agent, lambda _: None, Pace(poll=0.1)).serve(live=breaks())
    agent.close()


def test_text_being_typed_when_the_agent_stops_is_cut(serving: Serving, portal: FakePortal) -> None:
    portal.policy["allow"] = [allow("tracker", "key_content")]
    with serving.running():
        until(serving.recording)
        serving.events.put(typed("my card is 4111 1111 1111"))
        until(lambda: serving.agent.capture._typed._piece is not None)
    assert [e["text"] for e in spooled(serving.agent.home)] == ["my card is [digits]"]


def test_the_last_state_is_kept_for_status(serving: Serving) -> None:
    with serving.running():
        until(serving.recording)
    serving.runner.shown.show()

    status = json.loads((serving.agent.home.folder / "status.json").read_text())
    assert status["line"] == serving.said[-1]
    assert status["version"] == 1000
