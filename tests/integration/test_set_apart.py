"""The person sees that a machine of theirs offered what no policy covered; nobody else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests import factories
from tests.integration.test_following import shown
from tests.integration.test_pages import signed_in


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


@pytest.fixture
def employee(world: factories.World) -> Client:
    return signed_in(subject=world.subject)


def offer(policy: Any, *, early: timedelta) -> str:
    """Announce a recording, some of it from before the policy; return what was decided."""
    from retention import services

    manifest = factories.manifest_for(policy, b"bytes", captured_from=policy.issued_at - early)
    return services.announce_batch(agent=policy.agent, manifest=manifest).state


@pytest.mark.parametrize("language", ["en", "de", "fr"])
def test_the_person_sees_what_was_set_apart(
    world: factories.World, employee: Client, language: str
) -> None:
    policy = factories.make_policy(factories.make_agent(world.subject))
    employee.cookies["django_language"] = language
    words = {"en": "had no policy", "de": "keine Regeln hatte", "fr": "avait pas de règles"}
    assert words[language] not in shown(employee)

    for _ in range(2):
        assert offer(policy, early=timedelta(minutes=1)) == "quarantined"

    page = shown(employee)
    assert "2 " in page[: page.index(words[language])][-90:]


def test_what_is_refused_or_let_in_is_not_said_there(
    world: factories.World, employee: Client
) -> None:
    policy = factories.make_policy(factories.make_agent(world.subject))

    assert offer(policy, early=timedelta(0)) != "quarantined"

    assert "Set apart" not in shown(employee)


def test_anothers_machine_is_not_spoken_of(world: factories.World, employee: Client) -> None:
    other = world.another_subject()
    policy = factories.make_policy(factories.make_agent(other))
    factories.make_agent(world.subject)

    assert offer(policy, early=timedelta(minutes=1)) == "quarantined"

    assert "Set apart" not in shown(employee)
