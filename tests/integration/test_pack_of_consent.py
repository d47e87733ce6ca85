"""Each decision keeps which rules it was made under, and the receipt says so."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests import factories
from tests.integration.test_pages import signed_in

COLUMNS = "SELECT state, pack_digest, pack_version FROM consent_consentevent ORDER BY position"


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def test_every_decision_keeps_the_rules_of_its_day(world: factories.World, database: Any) -> None:
    from consent import services
    from consent.rules import rulebook

    world.say_yes()
    services.withdraw_consent(subject=world.subject, purpose="train-agents")

    pack = rulebook()
    assert database.sql(COLUMNS) == [
        ("given", pack.digest, pack.version),
        ("withdrawn", pack.digest, pack.version),
    ]
    with pytest.raises(psycopg.errors.RestrictViolation):
        database.sql("UPDATE consent_consentevent SET pack_digest = ''")


def test_a_later_pack_changes_nothing_about_an_earlier_yes(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, date, datetime

    from consent import rules, services

    services.adopt_first_rules(at=datetime.now(UTC))
    world.say_yes()
    first = rules.rulebook().digest
    pack = rules.shipped()
    tables = {**pack.tables, "IE.toml": {**pack.tables["IE.toml"], "review_by": date(2031, 1, 1)}}
    changed = rules.rulebook_of_tables(tables)
    monkeypatch.setattr(rules, "shipped", lambda: changed)
    services.follow_rules(at=datetime.now(UTC))
    world.say_yes()

    kept = [row[1] for row in database.sql(COLUMNS)]
    assert kept == [first, rules.rulebook().digest]
    assert kept[0] != kept[1]


def test_who_stands_in_no_cohort_keeps_no_pack(database: Any) -> None:
    from consent import selectors

    world = factories.make_world()
    world.subject.cohort = None

    assert selectors.pack_of(world.subject) == ("", "")


def test_the_receipt_shows_it_on_the_page_and_in_both_files(
    world: factories.World, database: Any
) -> None:
    from portal.receipts import as_json, as_jsonld

    world.say_yes()
    event = world.subject.events.get()

    held = as_json(event)["pii_processing"]["purposes"][0]["rule_pack"]
    assert held == {"version": event.pack_version, "sha256": event.pack_digest}
    assert event.pack_digest in json.dumps(as_jsonld(event))
    page = signed_in(subject=world.subject).get(f"/you/receipts/{event.uuid}/").content.decode()
    assert event.pack_digest in page
    assert f"version {event.pack_version}" in page
