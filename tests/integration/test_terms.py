"""What policies say is what is decided: many at once, remembered, and the same as one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.digests import Fragment, assembled, canonical, plain
from consent.policy.types import AppCategory, MatcherKind, Platform, Signal
from tests import factories
from tests.factories import OFFERED

ASKED = [("tracker", OFFERED[0]), ("tracker", OFFERED[1]), ("sheet", OFFERED[0])]

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain_values.filter(lambda value: "\\ud" not in json.dumps(value)))
def test_the_quick_canonical_form_is_the_canonical_form(value: Any) -> None:
    assert plain(value).text.encode() == canonical(value)


@given(st.dictionaries(st.sampled_from("abcdef"), plain_values), st.sets(st.sampled_from("abcdef")))
def test_fragments_change_nothing(members: dict[str, Any], ready: set[str]) -> None:
    parts: dict[str, Any] = {
        name: plain(value) if name in ready else value for name, value in members.items()
    }
    assert any(isinstance(part, Fragment) for part in parts.values()) == bool(ready & set(members))

    assert assembled(parts) == canonical(members)


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def _person(world: factories.World, acts: list[Any]) -> Any:
    from consent import services

    world.subject = world.another_subject()
    for act in acts:
        match act:
            case "withdraw":
                services.withdraw_consent(subject=world.subject, purpose="train-agents")
            case "pause":
                services.pause_capture(subject=world.subject)
            case pairs:
                world.say_yes(*pairs)
    return world.subject


ACTS = st.lists(
    st.sampled_from(["withdraw", "pause"])
    | st.sets(st.sampled_from(ASKED), min_size=1).map(lambda pairs: tuple(sorted(pairs))),
    max_size=3,
)


def is_told_what_is_decided(subject: Any, standing: Any, at: datetime) -> None:
    """What its policy says is what is decided one by one."""
    from consent import selectors

    terms = selectors.terms_for(standing, at=at)
    verdicts = selectors.verdicts_for(subject, at=at)
    assert terms.allow == verdicts.allow()
    assert json.loads(terms.allowed().text) == verdicts.allowed()
    assert json.loads(terms.apps().text) == verdicts.apps()
    never = json.loads(terms.never("linux").text)["matchers"]
    assert never == verdicts.never_matchers("linux")
    listed = set(terms.shared["purposes"]["train-agents"]["allowlist"])
    denied = {
        (entry["purpose"], app, signal, tuple(entry["reasons"]))
        for entry in json.loads(terms.denied().text)
        for app in entry["apps"]
        for signal in entry["signals"]
    }
    assert denied == {
        (pair.purpose, pair.app, pair.signal.value, pair.decision.codes)
        for pair in verdicts.pairs
        if pair.app in listed and not pair.decision.permitted
    }
    assert terms.paused is verdicts.paused
    if verdicts.next_change:
        assert terms.next_change is None or terms.next_change >= verdicts.next_change


def test_many_at_once_are_told_what_each_would_be_told(world: factories.World) -> None:
    from consent import selectors

    @settings(
        max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.lists(ACTS, min_size=1, max_size=4), st.integers(0, 400))
    def alike(people: list[Any], days: int) -> None:
        subjects = [_person(world, acts) for acts in people]
        at = datetime.now(UTC) + timedelta(days=days)
        together = selectors.standings_for(subjects, at=at, agents=[None] * len(subjects))
        for subject, standing in zip(subjects, together, strict=True):
            is_told_what_is_decided(subject, standing, at)

    alike()


def test_where_others_words_show_their_law_tells_people_apart_too(world: factories.World) -> None:
    """A notice that is old enough for the person is not for those whose words are seen."""
    from consent import selectors, services

    titles = Signal.WINDOW_TITLE
    app = services.list_app(
        code="chat", name="Chat", category=AppCategory.COMMUNICATION, data_of="colleagues",
        counterparties=["AU-NSW"], matchers=[(Platform.WEB, MatcherKind.DOMAIN, "chat.example")],
        actor=factories.OFFICER,
    )  # fmt: skip
    services.allow_in_purpose(
        purpose=world.purpose, app=app, signals=[*OFFERED, titles], actor=factories.OFFICER
    )
    services.publish_notice(
        purpose=world.purpose,
        texts={"en": ("Anew", factories.sections())},
        actor=factories.OFFICER,
        at=datetime.now(UTC) - timedelta(days=5),
    )
    world.say_yes_again()
    reasons = set()

    for days in (0, 5, 8, 9, 10, 20):
        at = datetime.now(UTC) + timedelta(days=days)
        (standing,) = selectors.standings_for([world.subject], at=at, agents=[None])
        is_told_what_is_decided(world.subject, standing, at)
        reasons.add("notice_period_running" in selectors.terms_for(standing, at=at).denied().text)

    assert reasons == {True, False}


def test_policies_for_many_are_stored_and_entered_one_by_one(
    world: factories.World, database: Any
) -> None:
    from consent import services

    agents = []
    for pair in ASKED:
        world.subject = world.another_subject()
        world.say_yes(pair)
        agents.append(factories.make_agent(world.subject))
    before = database.sql("SELECT count(*) FROM audit_entry")[0][0]

    leases = services.issue_policies(agents=by_person(agents))

    assert leases.keys() == {agent.pk for agent in agents}
    assert database.sql("SELECT count(*) FROM audit_entry")[0][0] == before + len(agents)
    for agent, (app, signal) in zip(agents, ASKED, strict=True):
        lease = leases[agent.pk]
        assert lease.document["aud"] == str(agent.ref)
        assert lease.policy.allow == {"train-agents": {app: {signal: lease_days(lease, app)}}}
        assert canonical(lease.document) == lease.payload


def test_what_is_stored_is_what_was_decided(world: factories.World) -> None:
    """Every column: of one who said yes, and of those who never answered."""
    from django.forms.models import model_to_dict

    from consent import services
    from consent.models import IssuedPolicy

    services.pull_kill_switch(
        purpose=world.purpose, by=uuid4(), role="operator", reason="suspected_breach"
    )
    agents = []
    for _ in range(3):
        world.subject = world.another_subject()
        agents.append(factories.make_agent(world.subject))
    world.say_yes()

    leases = services.issue_policies(agents=by_person(agents))

    made = [leases[agent.pk].policy for agent in agents]
    assert [one.consent_position for one in made] == [0, 0, 1]
    assert all(len(one.switches) == 1 for one in made)
    for one in made:
        assert model_to_dict(IssuedPolicy.objects.get(pk=one.pk)) == model_to_dict(one)


def by_person(agents: list[Any]) -> dict[int, int]:
    return {agent.pk: agent.subject_id for agent in agents}


def lease_days(lease: Any, app: str) -> int:
    return next(e["retention_days"] for e in lease.document["allow"] if e["app"] == app)


def test_who_is_deciding_just_now_is_left_out_and_nobody_waits(world: factories.World) -> None:
    import threading

    from django.db import connections, transaction

    from consent import services

    agents = []
    for _ in range(2):
        world.subject = world.another_subject()
        world.say_yes(ASKED[0])
        agents.append(factories.make_agent(world.subject))
    deciding, go_on = threading.Event(), threading.Event()

    def decide() -> None:
        try:
            with transaction.atomic():
                services.withdraw_consent(subject=agents[0].subject, purpose="train-agents")
                deciding.set()
                go_on.wait(20)
        finally:
            connections.close_all()

    thread = threading.Thread(target=decide)
    thread.start()
    assert deciding.wait(20)
    try:
        leases = services.issue_policies(agents=by_person(agents), unless_busy=True)
    finally:
        go_on.set()
        thread.join()

    assert leases.keys() == {agents[1].pk}
    assert services.issue_policy(agent=agents[0]).policy.allow == {}


def test_a_document_in_another_form_denies_until_it_is_written_anew(
    world: factories.World, database: Any
) -> None:
    """As after an upgrade: what an earlier program wrote, this one does not read."""
    from consent import selectors, services

    world.say_yes()
    now = datetime.now(UTC)
    assert selectors.verdicts_for(world.subject, at=now).allowed()
    statement = (
        "UPDATE consent_cohortpolicy SET sha256 = md5(random()::text),"
        " document = jsonb_set(document, '{form}', '1')"
    )
    database.sql("ALTER TABLE consent_cohortpolicy DISABLE TRIGGER USER")
    database.sql(statement)
    database.sql("UPDATE consent_cohort SET rulebook = ''")
    database.sql("ALTER TABLE consent_cohortpolicy ENABLE TRIGGER USER")

    assert selectors.verdicts_for(world.subject, at=now).allowed() == []
    agent = factories.make_agent(world.subject)
    assert services.issue_policy(agent=agent).policy.allow == {}
    assert services.follow_rules(at=now) > 0
    assert selectors.verdicts_for(world.subject, at=now).allowed()
    assert services.follow_rules(at=now) == 0
