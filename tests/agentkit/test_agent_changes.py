"""Changes in quick succession: each of them is heard by whoever waits, not the first alone."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest
from agent_helpers import enrolled
from sayso_agent.conformance.portal import FakePortal, Seen, problem
from sayso_agent.conformance.wire import Answer
from sayso_agent.run import Runner


class Holding:
    """Holds polls as a portal does: whoever names the policy in force waits for the next change."""

    def __init__(self, portal: FakePortal) -> None:
        self._portal = portal
        self._change = Flag()
        self.holds = Flag()
        self.heard = 0
        portal.etags = True
        portal.policy = {**portal.policy, "poll_after": 60}
        portal.extra_headers = {"Policy-Poll": "jitter=0.2, wait=20"}
        portal.twist = self._twist

    def _twist(self, seen: Seen, answer: Answer) -> Answer:
        if answer[0] != 304 or "prefer" not in seen.headers:
            return answer
        self.holds.set()
        if not self._change.wait(10):
            return answer
        self._change.clear()
        self.heard += 1
        return problem(409, "policy_changed")

    def change(self) -> None:
        """Change something, once somebody waits for it."""
        assert self.holds.wait(3), "nobody waits for a change"
        self.holds.clear()
        self._portal.version += 1
        self._change.set()

    def end(self) -> None:
        self._change.set()


@pytest.fixture
def holding(portal: FakePortal) -> Holding:
    return Holding(portal)


def test_of_many_changes_each_is_heard_at_once(
    holding: Holding, portal: FakePortal, tmp_path: Path
) -> None:
    """Who pauses, resumes and then withdraws waits for nothing, the third time neither."""
    agent = enrolled(portal, tmp_path / "home")
    runner = Runner(agent, lambda _: None)
    thread = Thread(target=runner.serve)
    thread.start()
    try:
        began = time.monotonic()
        for _ in range(4):
            holding.change()
        assert holding.holds.wait(3)
        assert time.monotonic() - began < 8
    finally:
        runner.stop()
        holding.end()
        thread.join(10)
        agent.close()
    assert holding.heard >= 4
    after = [seen for seen in portal.requests if seen.path == "/api/v1/policy"]
    plain = [seen for seen in after if "if-none-match" not in seen.headers]
    assert not any("prefer" in seen.headers for seen in plain), "fetched, not waited for"
