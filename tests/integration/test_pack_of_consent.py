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

    assert selectors.shared_by(world.subject) is None
    assert selectors.pack_in(None) == ("", "")


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


def test_the_receipt_says_what_stood_whatever_is_changed_since(
    world: factories.World, database: Any
) -> None:
    from datetime import UTC, datetime

    from consent import services
    from consent.services.purposes import change_purpose
    from portal.receipts import as_json, as_jsonld

    def told(event: Any) -> tuple[str, str, str]:
        event = type(event).objects.get(pk=event.pk)
        page = signed.get(f"/you/receipts/{event.uuid}/").content.decode()
        of_files = {
            name: value
            for name, value in as_json(event)["pii_processing"]["purposes"][0].items()
            if name in {"purpose", "retention_period", "jurisdiction", "storage_locations"}
        }
        ld = as_jsonld(event)
        of_ld = (ld["dpv:hasPurpose"], ld["dpv:hasStorageCondition"], ld["dpv:hasJurisdiction"])
        main = page[page.index("<main") : page.index("</main>")].partition("Proof")[0]
        return str(of_files), str(of_ld), main

    signed = signed_in(subject=world.subject)
    world.say_yes()
    first = world.subject.events.get()
    before = told(first)
    assert "P60D" in before[0]
    assert "Tracker" in before[2]

    change_purpose(
        purpose=world.purpose,
        fields={"title": "Something else", "retention_days": 30},
        texts={"en": ("Anew", factories.sections())},
        actor=factories.OFFICER,
    )
    services.record_fact(
        subject=world.subject, kind="work_location", value="GB",
        valid_from=datetime.now(UTC).date(), source="test", actor=factories.OFFICER,
    )  # fmt: skip

    assert told(first) == before
    world.say_yes_again()
    now = told(world.subject.events.latest("position"))
    assert "Something else" in now[0]
    assert "P30D" in now[1]
    assert "GB" in now[0]


def test_a_decision_from_before_it_was_kept_is_told_by_the_records_of_its_time(
    world: factories.World,
) -> None:
    from consent.services.purposes import change_purpose
    from portal.receipts import terms_of

    world.say_yes()
    event = world.subject.events.get()
    kept = terms_of(event)
    change_purpose(purpose=world.purpose, fields={"retention_days": 7}, actor=factories.OFFICER)

    event.cohort_policy = None
    assert (kept.retention_days, kept.places) == (60, ("IE",))
    assert terms_of(event) == kept
