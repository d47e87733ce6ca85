"""What a person's page asks about: after a no it leaves them in peace as long as the law says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from consent.policy.deadlines import add_months
from tests import factories
from tests.integration.test_pages import signed_in

ASKS, CHANGE = "Read and answer", "Change"
PEACE = "You are not asked again"
NOW = datetime.now(UTC)


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world("IE")


def card(client: Client) -> str:
    page = client.get("/you/").content.decode()
    return page[page.index('id="purposes"') :].partition("</section>")[0]


def decline(world: factories.World, ago: timedelta, *, deferred: bool = False) -> None:
    from consent import services

    services.decline_consent(
        subject=world.subject,
        purpose="train-agents",
        notice=world.notice,
        deferred=deferred,
        language="en",
        event_time=NOW - ago,
        imported=True,
    )


def test_nobody_who_said_no_is_asked_again_before_its_time(world: factories.World) -> None:
    client = signed_in(subject=world.subject)
    assert ASKS in card(client)
    assert PEACE not in card(client)

    decline(world, timedelta(days=30))

    day = add_months((NOW - timedelta(days=30)).date(), 6)
    assert ASKS not in card(client)
    assert f"{PEACE} before {day.day} {day:%b %Y}." in card(client)
    assert CHANGE in card(client)
    assert client.get("/you/purposes/train-agents/").status_code == 200, "whoever wants to, may"


def test_a_new_notice_does_not_ask_them_either(world: factories.World) -> None:
    from consent import services

    decline(world, timedelta(days=30))
    services.publish_notice(
        purpose=world.purpose,
        texts={"en": ("Other words", factories.sections("Other."))},
        actor=factories.OFFICER,
    )

    assert ASKS not in card(signed_in(subject=world.subject))


def test_when_the_time_is_over_the_page_asks_again(world: factories.World) -> None:
    decline(world, timedelta(days=200))

    told = card(signed_in(subject=world.subject))
    assert ASKS in told
    assert PEACE not in told


def test_a_yes_taken_back_counts_as_a_no_and_not_now_does_not(world: factories.World) -> None:
    from consent import services

    world.say_yes()
    services.withdraw_everything(subject=world.subject)
    client = signed_in(subject=world.subject)
    assert ASKS not in card(client)
    assert PEACE in card(client)

    decline(world, timedelta(0), deferred=True)
    assert ASKS in card(client)
    assert PEACE not in card(client)


def test_a_stricter_place_keeps_them_in_peace_longer(world: factories.World) -> None:
    from tests.integration.test_facts_held import TODAY, move

    decline(world, timedelta(days=200))
    client = signed_in(subject=world.subject)
    assert ASKS in card(client)

    # Days that have begun there, whatever the hour is.
    move(world.subject, "US-CA", TODAY - timedelta(days=2))
    assert ASKS not in card(client)

    move(world.subject, "XX", TODAY - timedelta(days=1))
    assert f"{PEACE}." in card(client), "what the law there says is not known"
