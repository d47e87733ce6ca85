"""Whether a page's window is a private one: who may say so, and what follows where nobody does."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_helpers import RECORDINGS, TRACKER
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent import Agent, Event, WindowFacts
from sayso_agent.conformance.portal import FakePortal, allow, policy_document
from sayso_agent.recorders import Told, open_recorder

PAGE = {"platform": "web", "host": "tracker.example.com"}
NATIVE = {"platform": "linux", "executable": "tracker"}
HOST = "tracker.example.com"
UNSAID, NO, YES = WindowFacts(), WindowFacts(private=False), WindowFacts(private=True)


def windows(items: Iterator[object]) -> list[WindowFacts]:
    return [item.window for item in items if isinstance(item, Event)]


def ndjson(path: Path, told: WindowFacts, *lines: dict[str, object]) -> list[Event]:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = list(open_recorder("ndjson", str(path), Told(window=told)))
    assert all(isinstance(item, Event) for item in found)
    return [item for item in found if isinstance(item, Event)]


def streamed(source: Path, pipe: Path, told: Told) -> list[WindowFacts]:
    """The windows of a recording that comes by a pipe, as live events do."""
    os.mkfifo(pipe)
    content = source.read_bytes()
    writer = threading.Thread(target=pipe.write_bytes, args=[content], daemon=True)
    writer.start()
    try:
        return windows(open_recorder("rrweb", str(pipe), told))
    finally:
        writer.join(10)


# --- what is dropped -----------------------------------------------------------------------------


def test_a_page_that_nobody_calls_not_private_is_dropped(agent: Agent, portal: FakePortal) -> None:
    native = {"platform": "linux", "kind": "executable", "value": "tracker"}
    tracker = portal.policy["apps"]["tracker"]
    apps = {"tracker": {**tracker, "matchers": [*tracker["matchers"], native]}}
    portal.policy = policy_document(apps=apps, allow=[allow("tracker", "scroll")], deny=[])
    agent.poll()

    for facts in (PAGE, {**PAGE, "platform": "linux"}, {**PAGE, "session": "own"}):
        agent.offer(Event("scroll", WindowFacts(**facts), {"dy": 1}))  # type: ignore[arg-type]
    agent.offer(Event("scroll", WindowFacts(platform="web", hint="tracker"), {"dy": 1}))
    agent.offer(Event("scroll", WindowFacts(hint="tracker"), {"dy": 1}))  # an app with pages
    agent.offer(Event("scroll", WindowFacts(**NATIVE, aliases=("a.example",)), {"dy": 1}))
    assert agent.capture.dropped == {"private_unknown": 6}

    agent.offer(Event("scroll", TRACKER, {"dy": 1}))
    agent.offer(Event("scroll", WindowFacts(**NATIVE), {"dy": 1}))  # type: ignore[arg-type]
    agent.offer(Event("scroll", WindowFacts(hint="tracker", private=False), {"dy": 1}))
    assert agent.capture.kept == {"scroll": 3}


def test_what_closes_a_page_is_said_before_that(agent: Agent, portal: FakePortal) -> None:
    agent.poll()

    agent.offer(Event("scroll", WindowFacts(platform="web", host="hr.example.com"), {"dy": 1}))

    assert agent.capture.dropped == {"never": 1}


@given(
    st.builds(
        WindowFacts,
        platform=st.sampled_from(["", "web", "linux", "windows"]),
        host=st.sampled_from(["", HOST]),
        aliases=st.sampled_from([(), (HOST,)]),
        executable=st.sampled_from(["", "tracker"]),
        hint=st.sampled_from(["", "tracker"]),
        private=st.sampled_from([True, False, None]),
    )
)
def test_only_of_a_page_it_must_be_said(window: WindowFacts) -> None:
    page = window.platform == "web" or window.host != "" or window.aliases != ()

    assert window.might_be_private() is (page and window.private is None)


# --- who says it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{}, {"private": False}, {"private": True}])
@pytest.mark.parametrize("told", [UNSAID, NO, YES])
def test_what_a_line_says_goes_before_what_was_told(
    tmp_path: Path, said: dict[str, bool], told: WindowFacts
) -> None:
    line = {"signal": "scroll", "window": {**PAGE, **said}}

    (event,) = ndjson(tmp_path / "events", told, line)

    assert event.window.private is said.get("private", told.private)


def test_what_was_told_says_nothing_of_other_windows_in_sight(tmp_path: Path) -> None:
    line = {"signal": "window_title", "window": NATIVE, "visible": [PAGE, NATIVE]}

    (event,) = ndjson(tmp_path / "events", NO, line)

    assert event.window.private is False
    assert [window.private for window in event.visible or ()] == [None, None]


@pytest.mark.parametrize(
    ("recorder", "name"), [("rrweb", "rrweb-tracker.json"), ("openadapt", "openadapt-tracker.db")]
)
def test_a_file_that_has_no_place_to_say_it_is_handed_in_as_seen(recorder: str, name: str) -> None:
    for told, expected in ((UNSAID, False), (NO, False), (YES, True)):
        items = open_recorder(recorder, str(RECORDINGS / name), Told(host=HOST, window=told))
        found = {window.private for window in windows(items)}

        assert found == {expected}


def test_a_live_page_is_not_taken_for_one_that_is_not_private(tmp_path: Path) -> None:
    source = RECORDINGS / "rrweb-tracker.json"

    for number, (told, expected) in enumerate(((UNSAID, None), (NO, False), (YES, True))):
        found = streamed(source, tmp_path / f"pipe{number}", Told(host=HOST, window=told))

        assert found
        assert {window.private for window in found} == {expected}
