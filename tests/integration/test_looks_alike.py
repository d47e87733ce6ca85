"""Paused, refused, taken back, never asked, not enrolled and idle: nobody else can tell which.

Whole installations that differ in what one person did are looked at by every role, page by page.
The ledger is left out: it is the record of all that was decided, and each look at it is entered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import factories
from tests.conftest import fresh_database
from tests.integration.test_pages import AREAS, signed_in

Does = Callable[[factories.World], None]
LEDGER = {"/audit/", "/audit/export/"}
PAGES = sorted((set(AREAS) - LEDGER) | {"/", "/status"})
CHANGES = re.compile(
    rb'name="csrfmiddlewaretoken" value="[^"]+"|nonce="[^"]+"'
    rb"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # references are drawn at random
    rb"|\d{4}-\d\d-\d\dT[\d:.]+|\d\d:\d\d(?::\d\d)?"  # and the minute passes
    rb"|\d+ entries signed, \d+ waiting"  # the ledger's size is public, whatever made it grow
)


def idle(world: factories.World) -> None:
    """Said yes, has a machine, and nothing happens there."""
    world.say_yes()
    factories.make_policy(factories.make_agent(world.subject))


def not_enrolled(world: factories.World) -> None:
    world.say_yes()


def never_asked(world: factories.World) -> None:
    factories.make_policy(factories.make_agent(world.subject))


def refused(world: factories.World) -> None:
    from consent import services

    never_asked(world)
    services.decline_consent(
        subject=world.subject,
        purpose="train-agents",
        notice=world.notice,
        language="en",
        deferred=False,
    )


def paused(world: factories.World) -> None:
    from consent import services

    idle(world)
    services.pause_capture(subject=world.subject)


def paused_and_handed_in_meanwhile(world: factories.World) -> None:
    hands_in_late(world, lambda services: services.pause_capture(subject=world.subject))


def refused_and_handed_in_meanwhile(world: factories.World) -> None:
    hands_in_late(
        world,
        lambda services: services.decline_consent(
            subject=world.subject,
            purpose="train-agents",
            notice=world.notice,
            language="en",
            deferred=False,
        ),
    )


def hands_in_late(world: factories.World, decide: Callable[[Any], Any]) -> None:
    """A machine that has not heard of it yet goes on, and its batch is refused."""
    from consent import services
    from retention import services as retention

    world.say_yes()
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    decide(services)
    now = datetime.now(UTC)
    manifest = factories.manifest_for(policy, b"x", captured_from=now, captured_until=now)
    assert retention.announce_batch(agent=agent, manifest=manifest).state == "refused"


def looked_at(world: factories.World) -> dict[tuple[str, str], tuple[int, bytes, list[str]]]:
    """What each role gets of its pages: status, content, and the queries that it took."""
    found = {}
    for role in sorted({role for roles in AREAS.values() for role in roles}):
        client = signed_in(role)
        for page in (page for page in PAGES if role in AREAS.get(page, {role})):
            with CaptureQueriesContext(connection) as caught:
                answer = client.get(page)
            queries = [re.sub(r"'[^']*'|\d+|s\d+_x\d+", "?", query["sql"]) for query in caught]
            found[role, page] = answer.status_code, CHANGES.sub(b"", answer.content), queries
    return found


def seen_where(does: Does, template: str, blocker: Any) -> Any:
    """What everybody sees in an installation where one person did this."""
    with fresh_database(template, blocker):
        world = factories.make_world()
        does(world)
        return looked_at(world)


def differences(does: Does, expected: Any, template: str, blocker: Any) -> list[tuple[str, str]]:
    found = seen_where(does, template, blocker)
    return [seen for seen in expected if found[seen] != expected[seen]]


@pytest.mark.timeout(240)
def test_what_one_person_did_changes_no_page_of_anybody_else(
    template_database: str, django_db_blocker: Any, store: Path
) -> None:
    with fresh_database(template_database, django_db_blocker):
        world = factories.make_world()
        idle(world)
        looked_at(world)  # what is remembered from page to page is warm
    expected = seen_where(idle, template_database, django_db_blocker)
    told = {
        does.__name__: differences(does, expected, template_database, django_db_blocker)
        for does in (not_enrolled, never_asked, refused, paused)
    }

    assert {name: pages for name, pages in told.items() if pages} == {}
    assert any(status == 200 for status, _content, _queries in expected.values())


@pytest.mark.timeout(240)
def test_why_a_batch_came_too_late_shows_nowhere(
    template_database: str, django_db_blocker: Any, store: Path
) -> None:
    with fresh_database(template_database, django_db_blocker) as database:
        world = factories.make_world()
        paused_and_handed_in_meanwhile(world)
        expected = looked_at(world)
        entries = said(database)

    with fresh_database(template_database, django_db_blocker) as database:
        world = factories.make_world()
        refused_and_handed_in_meanwhile(world)
        found = looked_at(world)
        assert said(database) == entries

    assert [seen for seen in expected if found[seen] != expected[seen]] == []
    assert b"person_does_not_allow" in entries[0]


def said(database: Any) -> list[bytes]:
    """What the ledger's leaves say of refused batches, without salts and times."""
    import json

    rows = database.sql("SELECT body FROM audit_entry WHERE type = 'batch.refused'")
    return [json.dumps(json.loads(bytes(row[0]))["data"], sort_keys=True).encode() for row in rows]
