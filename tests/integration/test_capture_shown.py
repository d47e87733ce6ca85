"""What every page of a person says first: whether anything of theirs is recorded now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests import factories
from tests.integration.polling import Portal, enrolled


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    return factories.make_world()


def shown(world: factories.World, *, at: datetime | None = None) -> tuple[str, str]:
    from portal.pages.capture import capture_now

    capture = capture_now(world.subject, at=at or timezone.now())
    return capture["state"], capture["reason"]


def test_a_machine_without_a_policy_records_nothing(world: factories.World) -> None:
    world.say_yes()
    state, reason = shown(world)
    assert (state, "no machine of yours is connected" in reason) == ("off", True)

    enrolled(world.subject)
    state, reason = shown(world)
    assert (state, "none of your machines has a valid policy" in reason) == ("off", True)


def test_a_machine_that_is_cut_off_is_named_as_the_reason(world: factories.World) -> None:
    from consent import services

    world.say_yes()
    agent = enrolled(world.subject)[0]
    services.quarantine_agent(agent=agent, reason="token_reused")
    state, reason = shown(world)
    assert (state, "your machine is cut off" in reason) == ("off", True)

    services.revoke_agent(subject=world.subject, ref=agent.ref)
    assert "no machine of yours is connected" in shown(world)[1]

    services.quarantine_agent(agent=enrolled(world.subject)[0], reason="token_reused")
    enrolled(world.subject)
    assert "none of your machines has a valid policy" in shown(world)[1]


def test_the_reason_is_about_what_was_chosen(world: factories.World) -> None:
    """Not about what else is denied: the app that was not chosen, or another purpose."""
    from consent import services
    from consent.policy.types import AppCategory, Signal

    world.say_yes(("tracker", Signal.MOUSE_CLICK))
    enrolled(world.subject)
    services.report_app(
        app=world.apps["tracker"],
        suspected=AppCategory.HEALTH,
        reporter=world.subject.ref,
        actor=factories.OFFICER,
    )

    state, reason = shown(world)

    assert state == "off"
    assert reason == "Apps of this kind are never recorded."


def test_it_is_on_as_long_as_a_policy_runs(world: factories.World, portal: Portal) -> None:
    world.say_yes()
    token = enrolled(world.subject)[1]
    said = portal.poll(token)
    until = datetime.fromtimestamp(said.document["lease_until"], UTC)

    assert shown(world)[0] == "on"
    assert shown(world, at=until - timedelta(milliseconds=1))[0] == "on"
    assert shown(world, at=until)[0] == "off"


@pytest.mark.parametrize("act", ["pause_capture", "revoke_agent", "withdraw_consent"])
def test_it_is_over_as_soon_as_the_person_has_acted(
    world: factories.World, portal: Portal, act: str
) -> None:
    """Whatever policy a machine still has."""
    from consent import services

    world.say_yes()
    agent, token = enrolled(world.subject)
    portal.poll(token)
    assert shown(world)[0] == "on"

    said: dict[str, Any] = {
        "pause_capture": {},
        "revoke_agent": {"ref": agent.ref},
        "withdraw_consent": {"purpose": "train-agents"},
    }[act]
    getattr(services, act)(subject=world.subject, **said)

    assert shown(world)[0] == ("paused" if act == "pause_capture" else "off")
