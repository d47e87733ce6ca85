"""Pictures and titles: the manifest lists every window in sight, and each must be allowed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client

from consent.policy.types import AppCategory, Signal
from tests import factories
from tests.schema import BATCHES, BATCHES_SHIPPED, batch_validator

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "agentkit/vectors/manifests.json").read_text(encoding="utf-8"))
CONTENT = b"titles"
TITLE = Signal.WINDOW_TITLE


# --- the form, and the golden manifests ----------------------------------------------------------


def test_portal_and_agents_have_the_very_same_schema() -> None:
    served = Client().get("/.well-known/sayso-batch.schema.json")

    assert BATCHES_SHIPPED.read_bytes() == BATCHES.read_bytes() == served.content
    assert served["Content-Type"] == "application/schema+json"


def test_the_closed_lists_are_those_of_the_portal() -> None:
    from consent.policy.types import SHOWS_OTHER_WINDOWS
    from portal.api.batches import ManifestIn

    schema = batch_validator().schema
    listed = schema["properties"]

    assert listed["signals"]["propertyNames"]["enum"] == [signal.value for signal in Signal]
    assert set(listed["visible"]["propertyNames"]["enum"]) == SHOWS_OTHER_WINDOWS
    assert set(listed) == set(ManifestIn().fields)
    required = {name for name, field in ManifestIn().fields.items() if field.required}
    assert set(schema["required"]) == required


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_the_golden_manifests(case: dict[str, Any], settings: Any) -> None:
    from consent.models import IssuedPolicy
    from portal.api.batches import FIELDS, ManifestIn
    from retention.manifests import count_objections
    from retention.services import Manifest
    from retention.services.judgement import outside_policy

    said = ManifestIn(data=case["manifest"])
    policy = VECTORS["policy"]
    allow: dict[str, dict[str, dict[str, int]]] = {}
    for line in policy["allow"]:
        days = dict.fromkeys(line["signals"], line["retention_days"])
        allow.setdefault(line["purpose"], {})[line["app"]] = days
    issued = IssuedPolicy(
        version=policy["version"],
        issued_at=datetime.fromtimestamp(policy["iat"], UTC),
        lease_until=datetime.fromtimestamp(policy["lease_until"], UTC),
        allow=allow,
    )

    assert batch_validator().is_valid(case["manifest"]) is case["fits_schema"]
    if not said.is_valid():
        assert case["refused_as"] == ["invalid_request"], said.errors
        return
    values = {FIELDS.get(name, name): value for name, value in said.validated_data.items()}
    settings.REDACTORS = VECTORS["redactors"]
    manifest = Manifest(**values)
    found = [*count_objections(manifest), *outside_policy(issued, manifest)]
    assert found == case["refused_as"]


# --- at the door ---------------------------------------------------------------------------------


@pytest.fixture
def world(database: Any, store: Path) -> factories.World:
    """Titles may be recorded in two apps; a third is known, and may not."""
    from consent import services

    made = factories.make_world()
    for app in made.apps.values():
        services.allow_in_purpose(
            purpose=made.purpose, app=app, signals=(TITLE,), actor=factories.OFFICER
        )
    made.extra["agent"] = factories.make_agent(made.subject)
    yes(made, ("tracker", TITLE), ("sheet", TITLE))
    return made


def yes(world: factories.World, *pairs: tuple[str, Signal]) -> None:
    world.say_yes(*pairs, ("tracker", Signal.MOUSE_CLICK), ("sheet", Signal.MOUSE_CLICK))
    world.extra["policy"] = factories.make_policy(world.extra["agent"])


def announce(world: factories.World, *beside: str, **differs: Any) -> Any:
    """Announce titles of one app, with windows of others beside."""
    from retention import services as retention

    told: dict[str, Any] = {
        "signals": {"window_title": 2},
        "visible": {"window_title": ["tracker", *beside]},
        **differs,
    }
    manifest = factories.manifest_for(world.extra["policy"], CONTENT, **told)
    return retention.announce_batch(agent=world.extra["agent"], manifest=manifest)


def deliver(world: factories.World, batch: UUID) -> Any:
    from retention import services as retention

    return retention.receive_bytes(agent=world.extra["agent"], batch=batch, chunks=[CONTENT])


def kept(database: Any) -> list[Any]:
    rows = database.sql("SELECT visible FROM retention_batch WHERE state = 'kept'")
    return [row[0] for row in rows]


def test_titles_beside_a_window_that_is_allowed_are_let_in_with_their_list(
    world: factories.World, database: Any
) -> None:
    admission = announce(world, "sheet", "sheet")
    deliver(world, admission.batch)

    assert kept(database) == [{"window_title": ["sheet", "tracker"]}]


@pytest.mark.parametrize(
    ("differs", "reasons"),
    [
        ({"visible": {}}, ["visible_unknown:window_title"]),
        ({"visible": {"window_title": ["sheet"]}}, ["visible_unknown:window_title"]),
        (
            {"visible": {"window_title": ["tracker", "elsewhere"]}},
            ["visible_not_allowed:window_title", "signal_not_consented"],
        ),
    ],
    ids=["no list", "without its own app", "an app nobody allowed"],
)
def test_titles_without_a_whole_list_of_what_is_allowed_are_refused(
    world: factories.World, differs: dict[str, Any], reasons: list[str]
) -> None:
    admission = announce(world, **differs)

    assert (admission.state, admission.reasons) == ("refused", reasons)


def test_a_window_beside_needs_a_yes_on_arrival_as_well(world: factories.World) -> None:
    from retention.exceptions import BatchRefused

    admission = announce(world, "sheet")
    alone = announce(world)
    issued = world.extra["policy"]
    yes(world, ("tracker", TITLE))
    world.extra["policy"] = issued

    with pytest.raises(BatchRefused) as refused:
        deliver(world, admission.batch)

    assert refused.value.reasons == ["policy_superseded", "signal_not_consented"]
    assert deliver(world, alone.batch).state == "admitted"


def report(app: Any) -> None:
    from consent import services

    services.report_app(
        app=app, suspected=AppCategory.HEALTH, reporter=uuid4(), actor=factories.OFFICER
    )


def test_of_a_window_that_turned_out_to_be_protected_nothing_is_said(
    world: factories.World, database: Any
) -> None:
    report(world.apps["sheet"])

    admission = announce(world, "sheet")

    assert (admission.state, admission.reasons) == ("refused", ["never_category"])
    assert database.sql("SELECT manifest FROM retention_admission") == [({},)]


def test_the_shortest_term_of_all_that_can_be_seen_holds(world: factories.World) -> None:
    from consent import selectors
    from retention.services.admission import batch_of
    from retention.services.tightening import Terms

    policy = world.extra["policy"]
    policy.refresh_from_db()  # apps of which the same is said share it in memory
    policy.allow["train-agents"]["sheet"]["window_title"] = 3
    event = selectors.newest_event(world.subject, world.purpose)
    assert event

    def due(*apps: str) -> timedelta:
        manifest = factories.manifest_for(
            policy, CONTENT, signals={"window_title": 1}, visible={"window_title": [*apps]}
        )
        batch = batch_of(
            world.extra["agent"], policy, event, world.apps["tracker"], manifest,
            newer=(), terms=Terms(), store="files", key="x", imported=False,
        )  # fmt: skip
        return batch.due_at - manifest.captured_until

    assert due("tracker") == timedelta(days=30)
    assert due("tracker", "sheet") == timedelta(days=3)


# --- what is kept already ------------------------------------------------------------------------


def work() -> None:
    from retention import services as retention

    retention.expand_cases()
    retention.run_due_jobs(limit=100)


@pytest.mark.parametrize(
    ("left", "stays"),
    [
        ([("tracker", TITLE)], {"tracker"}),
        ([("sheet", TITLE)], set()),
        ([("tracker", TITLE), ("sheet", TITLE)], {"tracker", "both"}),
    ],
    ids=["without titles of the other", "without its own titles", "the same"],
)
def test_a_narrower_yes_owes_what_shows_what_it_leaves_out(
    world: factories.World, database: Any, left: list[tuple[str, Signal]], stays: set[str]
) -> None:
    lists = {"tracker": ["tracker"], "both": ["sheet", "tracker"]}
    deliver(world, announce(world).batch)
    later = world.extra["policy"].issued_at + timedelta(seconds=90)
    deliver(world, announce(world, "sheet", captured_until=later).batch)

    yes(world, *left)
    work()

    assert sorted(found["window_title"] for found in kept(database)) == sorted(
        lists[name] for name in stays
    )


def test_what_shows_a_window_of_an_app_that_is_found_to_be_protected_goes(
    world: factories.World, database: Any
) -> None:
    from consent import services

    deliver(world, announce(world).batch)
    later = world.extra["policy"].issued_at + timedelta(seconds=90)
    deliver(world, announce(world, "sheet", captured_until=later).batch)

    services.change_app(
        app=world.apps["sheet"], fields={"category": "health"}, actor=factories.OFFICER
    )
    work()

    assert kept(database) == [{"window_title": ["tracker"]}]
