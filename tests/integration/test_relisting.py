"""A yes never outlives the listing it was given under: what is listed again is asked anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.policy.types import AppCategory, Signal
from tests import factories
from tests.integration.test_pages import signed_in

CLICK, SCROLL = Signal.MOUSE_CLICK, Signal.SCROLL
ANEW = "listed_anew_reconsent"


def now() -> datetime:
    return datetime.now(UTC)


def delist(world: factories.World, *signals: Signal, at: datetime | None = None) -> None:
    from consent import services

    services.disallow_in_purpose(
        purpose=world.purpose,
        app=world.apps["tracker"],
        signals=signals or (CLICK,),
        actor=factories.OFFICER,
        at=at,
    )


def relist(world: factories.World, *signals: Signal, at: datetime | None = None) -> None:
    from consent import services

    services.allow_in_purpose(
        purpose=world.purpose,
        app=world.apps["tracker"],
        signals=signals or (CLICK,),
        actor=factories.OFFICER,
        at=at,
    )


def codes(world: factories.World, signal: Signal = CLICK, at: datetime | None = None) -> list[str]:
    from consent import selectors

    pairs = selectors.verdicts_at(world.subject, at=at or now()).pairs
    return next(
        list(pair.decision.codes)
        for pair in pairs
        if (pair.app, pair.signal) == ("tracker", signal)
    )


@pytest.fixture
def world(database: Any) -> factories.World:
    made = factories.make_world()
    made.say_yes()
    return made


def test_a_yes_from_before_does_not_count_for_what_is_listed_again(world: factories.World) -> None:
    assert codes(world) == []
    delist(world)
    assert codes(world) == ["signal_not_listed"]

    relist(world)

    assert codes(world) == [ANEW]
    assert codes(world, SCROLL) == []
    world.say_yes()
    assert codes(world) == []


def test_a_first_listing_never_asked_for_is_not_called_anew(world: factories.World) -> None:
    delist(world, Signal.APP_FOCUS)
    relist(world, Signal.APP_FOCUS)

    assert codes(world, Signal.APP_FOCUS) == ["signal_not_consented"]


@pytest.mark.parametrize("hours", [-48, -1, 1, 48])
def test_no_clock_decides(world: factories.World, hours: int) -> None:
    """Whatever instants a list is said to have changed at, its entries' numbers decide."""
    at = now() + timedelta(hours=hours)
    delist(world, at=at)
    relist(world, at=at)

    assert codes(world) == [ANEW]


def test_the_past_is_explained_by_the_list_of_then(world: factories.World) -> None:
    before = now()
    delist(world)
    relist(world)

    assert codes(world, at=before) == []
    assert codes(world) == [ANEW]


def test_explain_says_so_with_the_papers(world: factories.World) -> None:
    from consent import selectors
    from consent.selectors.explain import as_json

    delist(world)
    relist(world)

    found = selectors.explain(
        world.subject, purpose="train-agents", app="tracker", signal=CLICK, at=now()
    )

    (answer,) = as_json(found)["answers"]
    (step,) = answer["explanations"]
    assert step["code"] == ANEW
    assert [ground["code"] for ground in step["grounds"]] == ["given", "delisted"]


def test_the_machine_gets_a_policy_without_it(world: factories.World) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    assert "mouse_click" in factories.make_policy(agent).allow["train-agents"]["tracker"]
    delist(world)
    relist(world)

    policy = services.issue_policy(agent=agent).policy

    assert set(policy.allow["train-agents"]["tracker"]) == {"scroll"}


def test_what_was_recorded_under_the_old_listing_is_refused_on_arrival(
    world: factories.World, store: Path
) -> None:
    from retention import services as retention
    from retention.exceptions import BatchRefused

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    announced = factories.manifest_for(policy, b"early")
    retention.announce_batch(agent=agent, manifest=announced)
    delist(world)
    relist(world)

    late = retention.announce_batch(agent=agent, manifest=factories.manifest_for(policy, b"late"))
    assert late.reasons == ["signal_not_consented"]
    with pytest.raises(BatchRefused):
        retention.receive_bytes(agent=agent, batch=announced.batch, chunks=[b"early"])
    assert not [path for path in store.rglob("*") if path.is_file()]
    factories.hand_in(agent, policy, b"scrolls", signals={"scroll": 2})


def test_the_person_is_asked_anew_and_no_box_is_ticked_for_them(world: factories.World) -> None:
    client = signed_in(subject=world.subject)
    path = "/you/purposes/train-agents/"
    ticked = 'value="tracker:navigation"'

    def switch() -> str:
        page = client.get(path).content.decode()
        start = page.index(ticked)
        return page[page.rindex("<li>", 0, start) : page.index("</li>", start)]

    assert "checked" in switch()
    delist(world)
    assert "checked" in switch()
    relist(world)

    assert "checked" not in switch()
    assert "Your earlier yes does not count for it" in switch()
    assert "you are asked anew" in client.get("/you/why/").content.decode()
    world.say_yes(("tracker", CLICK))
    assert "checked" in switch()
    assert "earlier yes" not in switch()


def test_a_proposal_to_list_again_gains_nobody_who_only_said_yes_before(
    world: factories.World, settings: Any
) -> None:
    from consent import services

    settings.SMALLEST_GROUP = 1
    world.another_subject()
    shared = {"purpose": "train-agents", "app": "tracker"}
    lost = services.impact_of("allowlist.change", {**shared, "add": [], "remove": ["mouse_click"]})
    assert lost.lose == 2, "everybody there is counted, whatever they answered"
    delist(world)

    gained = services.impact_of(
        "allowlist.change", {**shared, "add": ["mouse_click"], "remove": []}
    )

    assert not gained.gain
    assert gained.widens


def test_a_scope_without_a_known_listing_never_counts(
    world: factories.World, database: Any
) -> None:
    database.sql("ALTER TABLE consent_consentscope DISABLE TRIGGER USER")
    database.sql("UPDATE consent_consentscope SET listing_id = NULL")
    database.sql("ALTER TABLE consent_consentscope ENABLE TRIGGER USER")

    assert codes(world) == [ANEW]


def test_the_move_to_numbers_finds_the_entry_of_each_yes(
    world: factories.World, database: Any
) -> None:
    """The migration that fills in what earlier versions did not write down."""
    from importlib import import_module

    delist(world)
    relist(world)
    before = database.sql("SELECT id, listing_id FROM consent_consentscope ORDER BY id")
    database.sql("ALTER TABLE consent_consentscope DISABLE TRIGGER USER")
    database.sql("UPDATE consent_consentscope SET listing_id = NULL")
    database.sql("ALTER TABLE consent_consentscope ENABLE TRIGGER USER")

    migration = import_module("consent.migrations.0006_fill_listings")
    for statement in migration.FILL:
        database.sql(statement)

    assert database.sql("SELECT id, listing_id FROM consent_consentscope ORDER BY id") == before
    assert database.sql("SELECT DISTINCT rulebook FROM consent_cohort") == [("",)]


def protect_and_release(world: factories.World, *, reported: bool = False) -> None:
    """Move the app into a protected kind and out of it again."""
    from consent import services

    tracker = world.apps["tracker"]
    services.change_app(app=tracker, fields={"category": "health"}, actor=factories.OFFICER)
    if reported:
        services.report_app(
            app=tracker, suspected=AppCategory.HEALTH, reporter=uuid4(), actor=factories.OFFICER
        )
    assert codes(world) == ["never_category"]
    factories.let_go(tracker, "tracker")


@pytest.mark.parametrize("reported", [False, True])
def test_an_app_that_was_protected_for_a_while_is_asked_anew(
    world: factories.World, database: Any, *, reported: bool
) -> None:

    protect_and_release(world, reported=reported)
    if reported:
        assert codes(world) == ["never_category"]
        factories.unblock(world.apps["tracker"])

    assert codes(world) == codes(world, SCROLL) == [ANEW]
    listed = "SELECT count(*) FROM consent_allowlistentry WHERE delisted_at IS NULL"
    assert database.sql(listed) == [(2 * len(factories.OFFERED),)]
    world.say_yes()
    assert codes(world) == []


def test_another_kind_that_is_not_protected_asks_nobody_anew(world: factories.World) -> None:
    from consent import services

    services.change_app(
        app=world.apps["tracker"], fields={"category": "office"}, actor=factories.OFFICER
    )

    assert codes(world) == []


def test_a_report_that_was_mistaken_asks_nobody_anew(world: factories.World) -> None:
    from consent import services

    services.report_app(
        app=world.apps["tracker"],
        suspected=AppCategory.HEALTH,
        reporter=uuid4(),
        actor=factories.OFFICER,
    )
    factories.unblock(world.apps["tracker"])

    assert codes(world) == []


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["delist", "relist", "yes", "withdraw", "protect"]),
        st.sets(st.sampled_from([CLICK, SCROLL]), min_size=1),
    ),
    max_size=9,
)


def test_against_a_model_of_listings(database: Any) -> None:
    """The plainest model: each listing has a generation, and a yes remembers those it was for."""
    from consent import services

    world = factories.make_world()

    @settings(
        max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(STEPS)
    def run(steps: list[tuple[str, set[Signal]]]) -> None:
        world.subject = world.another_subject()
        relist(world, CLICK, SCROLL)
        listed: dict[Signal, int | None] = {CLICK: 0, SCROLL: 0}
        yes: dict[Signal, int | None] = {}
        for generation, (step, signals) in enumerate(steps, start=1):
            if step == "delist":
                delist(world, *sorted(signals))
                listed |= dict.fromkeys(signals)
            elif step == "relist":
                relist(world, *sorted(signals))
                listed |= {one: generation for one in signals if listed[one] is None}
            elif step == "protect":
                protect_and_release(world)
                listed |= {one: generation for one, by in listed.items() if by is not None}
            elif step == "withdraw":
                services.withdraw_consent(subject=world.subject, purpose="train-agents")
                yes = {}
            elif askable := [one for one in sorted(signals) if listed[one] is not None]:
                world.say_yes(*(("tracker", one) for one in askable))
                yes = {one: listed[one] for one in askable}
            for signal in (CLICK, SCROLL):
                counts = listed[signal] is not None and yes.get(signal) == listed[signal]
                assert (codes(world, signal) == []) is counts
                anew = listed[signal] is not None and signal in yes and not counts
                assert (ANEW in codes(world, signal)) is anew

    run()
