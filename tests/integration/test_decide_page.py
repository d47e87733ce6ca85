"""The page of a decision: what cannot be chosen has no switch, and each reason stands once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.template.loader import render_to_string
from django.test import Client, override_settings

from consent import services
from consent.policy.types import Signal
from portal.pages.words import to_you
from tests import factories
from tests.integration.test_pages import signed_in

PAGE = "/you/purposes/train-agents/"
CLICKS, PATHS = "navigation", "pointer_paths"


@pytest.fixture
def world(database: Any) -> factories.World:
    """A purpose that asks two apps for pointer paths, which the rules of Germany forbid."""
    world = factories.make_world("DE")
    for app in world.apps.values():
        services.allow_in_purpose(
            purpose=world.purpose, app=app, signals=[Signal.MOUSE_MOVE], actor=factories.OFFICER
        )
    return world


@pytest.fixture
def person(world: factories.World) -> Client:
    return signed_in(subject=world.subject)


def groups(person: Client) -> dict[str, Any]:
    return {group["key"]: group for group in person.get(PAGE).context["groups"]}


def test_a_reason_stands_once_for_all_its_apps(person: Client) -> None:
    paths = groups(person)[PATHS]

    reason = to_you("signal_restricted_no_override")
    assert paths["apps"] == []
    assert [part["reason"] for part in paths["closed"]] == [reason]
    assert len(paths["closed"][0]["apps"]) >= 2
    page = person.get(PAGE).content.decode()
    assert page.count(reason) == 1
    assert f':{PATHS}"' not in page, "no switch stands for it"


@pytest.mark.parametrize(("many", "folded"), [(12, False), (13, True)])
def test_a_long_list_of_what_cannot_be_chosen_is_folded(*, many: int, folded: bool) -> None:
    apps = [f"App {number}" for number in range(many)]
    closed = [{"reason": "The law forbids it.", "apps": apps}]

    page = render_to_string(
        "components/choices.html", {"groups": [{"key": CLICKS, "closed": closed}]}
    )

    assert (f"<summary>{many} apps</summary>" in page) is folded
    assert ", ".join(apps) in page


def test_what_can_be_chosen_keeps_its_switch(person: Client) -> None:
    clicks = groups(person)[CLICKS]

    assert clicks["apps"]
    assert clicks["closed"] == []
    assert f':{CLICKS}"' in person.get(PAGE).content.decode()


def test_without_an_address_the_privacy_team_is_named(person: Client) -> None:
    page = person.get(PAGE).content.decode()

    assert "tell the privacy team of your organisation" in page
    assert "@" not in page.split("Nobody may press you")[1].split("</p>")[0]


@override_settings(PRIVACY_CONTACT="privacy@firm.example")
def test_an_address_of_mail_can_be_followed(person: Client) -> None:
    assert 'href="mailto:privacy@firm.example"' in person.get(PAGE).content.decode()


def test_where_nothing_can_be_chosen_the_page_says_so_and_a_no_stays_open(
    world: factories.World, person: Client
) -> None:
    """A yes that could only be refused is not offered; the reasons stand where switches were."""
    services.pull_kill_switch(purpose=None, by=UUID(int=9), role="operator", reason="incident")

    page = " ".join(person.get(PAGE).content.decode().split())
    said = {"answer": "no", "notice_version": world.notice.version}

    assert "so there is nothing to say yes to" in page
    assert 'value="yes" disabled' in page
    assert 'value="no">' in page
    assert 'class="switch"' not in page
    assert person.post(PAGE, said).status_code == 302


def test_a_yes_with_nothing_on_is_told_where_the_switches_are(person: Client) -> None:
    """They stand far below the top: who reads the fault there sees no way to mend it."""
    sent = {"answer": "yes", "notice_version": "1"}

    answer = person.post(PAGE, sent)

    page = answer.content.decode()
    fault = page.index("A yes needs at least one app")
    assert answer.status_code == 422
    assert page.index('id="choices"') < fault < page.index('role="switch"')
    assert page.count("A yes needs at least one app") == 1
    assert "autofocus" in page[page.index('id="errors"') : fault], "the page opens there"
    assert person.post(PAGE, {**sent, "answer": "no"}).status_code == 302
