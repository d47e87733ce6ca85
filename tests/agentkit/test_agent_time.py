"""Capture is stamped by the portal's present time, whoever signed what when."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import FakeClock, click, enrolled, spooled
from sayso_agent import Agent, UnexpectedAnswerError
from sayso_agent.conformance.portal import FakePortal
from sayso_agent.transport import Answer, Transport


def test_processes_one_after_the_other_stamp_by_one_clock(
    portal: FakePortal, clock: FakeClock, tmp_path: Path
) -> None:
    """Each hears the same document, signed 300 s before the first of them asked."""
    portal.aged, portal.lease = 300, 900
    issued = int(clock.wall)
    portal.now = lambda: clock.wall
    stamps = []
    for _ in range(3):
        agent = enrolled(portal, tmp_path / "home", clock)
        portal.now = lambda: clock.wall
        portal.aged = 300 + int(clock.wall) - issued
        agent.poll()
        assert agent.policy is not None
        assert agent.policy.issued_at == issued - 300
        agent.offer(click())
        agent.settle()
        agent.close()
        stamps = sorted(event["t"] for event in spooled(agent.home))
        clock.pass_time(0.25)

    assert stamps == [issued, issued + 0.25, issued + 0.5]


def test_what_is_forgotten_is_told_in_the_portals_present_time(
    portal: FakePortal, clock: FakeClock, tmp_path: Path
) -> None:
    agent = enrolled(portal, tmp_path / "home", clock)
    portal.now, portal.aged = (lambda: clock.wall + 5000), 300

    agent.poll()

    assert agent.home.clock().offset == 5000
    agent.close()


def test_an_answer_without_a_date_is_no_policy(
    agent: Agent, portal: FakePortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = agent.portal.transport.request

    def undated(*args: Any, **more: Any) -> Answer:
        answer = request(*args, **more)
        rest = {name: value for name, value in answer.headers.items() if name != "date"}
        return replace(answer, headers=rest)

    monkeypatch.setattr(Transport, "request", lambda _self, *args, **more: undated(*args, **more))
    with pytest.raises(UnexpectedAnswerError) as refused:
        agent.poll()

    assert refused.value.code == "answer_undated"
    assert agent.recordable() == []
    assert agent.why_not() == "answer_undated"
