"""Changes in quick succession: each of them is heard by whoever waits, not the first alone."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread

from agent_helpers import enrolled
from sayso_agent.conformance.portal import FakePortal
from sayso_agent.run import Runner


def test_of_many_changes_each_is_heard_at_once(portal: FakePortal, tmp_path: Path) -> None:
    """Who pauses, resumes and then withdraws waits for nothing, the third time neither."""
    portal.etags, portal.extra_headers = True, portal.offer(20)
    portal.policy = {**portal.policy, "poll_after": 60}
    agent = enrolled(portal, tmp_path / "home")
    runner = Runner(agent, lambda _: None)
    thread = Thread(target=runner.serve)
    thread.start()
    try:
        began = time.monotonic()
        for number in range(1, 5):
            held_again(portal, number)
            portal.version += 1
        held_again(portal, 5)
        assert time.monotonic() - began < 8
    finally:
        runner.stop()
        portal.let_go()
        thread.join(10)
        agent.close()
    polls = [seen for seen in portal.requests if seen.path == "/api/v1/policy"]
    plain = [seen for seen in polls if "if-none-match" not in seen.headers]
    assert not any("prefer" in seen.headers for seen in plain), "fetched, not waited for"


def held_again(portal: FakePortal, number: int) -> None:
    """Wait until the agent waits for a change for the so-manieth time."""
    until = time.monotonic() + 3
    while not (portal.waiting and portal.waited >= number):
        assert time.monotonic() < until, "nobody waits for a change"
        time.sleep(0.01)
