"""What a machine may go on holding when something stops recording: nothing, but in a mere pause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sayso_agent.policy import Policy

from tests import factories
from tests.integration.test_agreements import agree


def pull(world: factories.World, *, all_of_it: bool) -> None:
    from consent import services

    services.pull_kill_switch(
        purpose=None if all_of_it else world.purpose,
        by=UUID(int=101),
        role="operator",
        reason="incident",
    )


def take_back_the_papers_of_a_council(world: factories.World) -> None:
    """As where their last day has passed: the step is open again."""
    from consent import services
    from consent.models import GateEvidence

    paper = GateEvidence.objects.get(gate="works_council_agreement", jurisdiction="DE")
    services.reopen_gate(evidence=paper, actor=factories.OFFICER)


def leave_out_the_tracker(_world: factories.World) -> None:
    agree("A", jurisdictions=["DE"], apps=["sheet"])


STOPS: dict[str, Callable[[factories.World], Any]] = {
    "a kill switch": lambda world: pull(world, all_of_it=True),
    "a kill switch of the purpose": lambda world: pull(world, all_of_it=False),
    "an agreement that no longer stands": take_back_the_papers_of_a_council,
    "an agreement that leaves it out": leave_out_the_tracker,
}


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("what", STOPS)
def test_what_stops_by_more_than_the_moment_takes_what_waits_on_machines(
    database: Any, what: str, paused: bool
) -> None:
    """Captured before it, and admission would let it in; the machine does not wait for that."""
    from consent import services

    world = factories.make_world("DE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    before = datetime.now(UTC).timestamp() - 3600

    def stays() -> bool:
        policy = Policy.parse(services.issue_policy(agent=agent).document)
        return policy.keeps("train-agents", "tracker", "mouse_click", before)

    assert stays()
    if paused:
        services.pause_capture(subject=world.subject)
        assert stays()

    STOPS[what](world)

    assert not stays()
