"""What somebody else may learn by asking why: not what the person did or left undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from consent.policy.types import Signal
from tests import factories

pytestmark = pytest.mark.timeout(120)


def refuses(world: factories.World) -> None:
    from consent import services

    services.decline_consent(
        subject=world.subject,
        purpose="train-agents",
        notice=world.notice,
        language="en",
        deferred=False,
    )


def withdraws(world: factories.World) -> None:
    from consent import services

    world.say_yes()
    services.withdraw_consent(subject=world.subject, purpose="train-agents")


def pauses(world: factories.World) -> None:
    from consent import services

    world.say_yes()
    services.pause_capture(subject=world.subject)


def refuses_with_a_machine(world: factories.World) -> None:
    factories.make_policy(factories.make_agent(world.subject))
    refuses(world)


def chooses_less(world: factories.World) -> None:
    world.say_yes(("tracker", Signal.SCROLL))


def says_nothing(world: factories.World) -> None:
    pass


NOT_ALLOWED = [refuses, withdraws, pauses, refuses_with_a_machine, chooses_less, says_nothing]


def told(world: factories.World) -> dict[str, Any]:
    from consent.selectors.explain import as_json
    from portal.explaining import explain_to_others

    at = datetime.now(UTC)
    found = explain_to_others(
        subject=world.subject,
        app="tracker",
        signal=Signal.MOUSE_CLICK,
        at=at,
        actor=factories.OFFICER,
        channel="page",
    )
    return {**as_json(found), "at": ""}


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


@pytest.mark.parametrize("does", NOT_ALLOWED, ids=lambda does: does.__name__)
def test_what_a_person_did_or_left_undone_looks_alike(
    world: factories.World, does: Callable[[factories.World], None]
) -> None:
    expected = told(world)
    does(world)
    assert told(world) == expected
    assert expected["answers"][0]["reasons"] == ["no_consent"]


def test_the_person_themselves_is_told_all_of_it(world: factories.World) -> None:
    from consent import selectors

    pauses(world)
    found = selectors.explain(
        world.subject,
        purpose=None,
        app="tracker",
        signal=Signal.MOUSE_CLICK,
        at=datetime.now(UTC),
    )
    assert found.answers[0].decision.codes == ("paused",)


def test_what_others_may_do_about_stays(world: factories.World, database: Any) -> None:
    from consent import services

    services.pull_kill_switch(
        purpose=None,
        by=uuid4(),
        role="operator",
        reason="incident",
    )
    refuses(world)
    assert told(world)["answers"][0]["reasons"] == ["kill_switch", "no_consent"]
