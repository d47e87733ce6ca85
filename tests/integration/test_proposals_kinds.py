"""Every kind of change: read strictly, made exactly as announced, and led back where it can be."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import factories

AUTHOR, OTHER, THIRD, COUNCIL = (UUID(int=n) for n in (11, 12, 13, 21))

SAMPLES: dict[str, dict[str, Any]] = {
    "purpose.publish": {
        "code": "improve-forms", "title": "Improve forms", "description": "Fewer clicks.",
        "retention_days": 30, "position": 2,
    },
    "purpose.change": {
        "purpose": "train-agents", "title": "Train agents", "description": "Of all kinds.",
        "retention_days": 90,
        "texts": {"en": {"title": "Again", "sections": factories.sections("Other words.")}},
    },
    "purpose.retire": {"purpose": "train-agents"},
    "purpose.reopen": {"purpose": "retired"},
    "notice.publish": {
        "purpose": "train-agents",
        "texts": {"en": {"title": "Again", "sections": factories.sections("Other words.")}},
    },
    "allowlist.change": {
        "purpose": "train-agents", "app": "tracker", "add": ["key_meta"], "remove": ["scroll"],
    },
    "app.list": {
        "code": "drawing", "name": "Drawing", "category": "design", "data_of": "customers",
        "counterparties": ["IE", "DE"],
        "matchers": [["web", "domain", "drawing.example"], ["linux", "executable", "drawing"]],
    },
    "app.change": {
        "app": "sheet",
        "fields": {
            "name": "Sheets", "category": "finance", "data_of": "customers",
            "counterparties": ["IE"], "counterparties_masked": True,
            "matchers": [["web", "domain", "sheets.example"]],
        },
    },
    "app.block": {"app": "sheet", "suspected": "health"},
    "app.unblock": {"app": "reported"},
    "agreement.record": {
        "code": "BV-1", "title": "Agreement", "parties": "Us and them", "jurisdictions": ["IE"],
        "sites": ["cork"], "purposes": ["train-agents"], "apps": ["tracker"],
        "signals": ["scroll"], "retention_cap_days": 20,
        "working_hours": {
            "zone": None, "hours": ["mon-fri 07:00-19:00"], "closed_on_holidays": True,
        },
        "valid_from": "2026-01-01",
        "valid_until": "2030-01-01", "document_sha256": "a" * 64, "council_may_veto": True,
        "council_units": ["munich"], "replaces": None,
    },
    "gate.close": {
        "purpose": "train-agents", "gates": [["IE", "dpia"], ["EU", "dpia"]],
        "document_title": "DPIA", "document_sha256": "b" * 64, "not_applicable_reason": "",
        "valid_from": "2026-01-01", "valid_until": None,
    },
    "gate.reopen": {"evidence": 1},
    "override.grant": {
        "purpose": "train-agents", "jurisdiction": "US-IL", "signal": "key_timing",
        "document_title": "Exception", "document_sha256": "c" * 64, "reason": "Once",
        **factories.A_YEAR,
    },
    "override.revoke": {"override": "00000000-0000-4000-8000-000000000009"},
    "rules.adopt": {"codes": ["IE"]},
    "setting.change": {"key": "lease_seconds", "value": 1800},
    "hours.change": {
        "whom": "IE", "zone": "Europe/Dublin", "hours": ["mon-thu 08:00-18:00", "fri 08:00-14:00"],
        "closed_on_holidays": False,
    },
}  # fmt: skip
"""One payload of each kind that can be proposed in the world of this file."""

AT_ONCE = {
    "purpose.retire",
    "app.block",
    "agreement.record",
    "gate.reopen",
    "override.revoke",
    "hours.change",
}
"""Kinds whose sample only tightens."""


@pytest.fixture
def world(database: Any) -> factories.World:
    """Everything that the samples speak of: a reported app, a retired purpose, a council."""
    from audit.ledger import Actor
    from consent import services
    from consent.models import Purpose
    from consent.policy.types import AppCategory, DataOf, Signal

    world = factories.make_world()
    world.say_yes()
    app = services.list_app(
        code="reported", name="Reported", category=AppCategory.OFFICE, data_of=DataOf.OWN.value,
        matchers=[], actor=factories.OFFICER,
    )  # fmt: skip
    services.report_app(
        app=app, suspected=AppCategory.HEALTH, reporter=OTHER, actor=Actor.staff(OTHER)
    )
    services.give_seat(
        person=COUNCIL, unit="munich", valid_from=date(2025, 1, 1), actor=factories.OFFICER
    )
    retired = services.publish_purpose(
        code="retired", title="Retired", description="No more.", retention_days=5, position=9,
        actor=factories.OFFICER,
    )  # fmt: skip
    services.propose(kind="purpose.retire", payload={"purpose": "retired"}, proposed_by=AUTHOR)
    assert Purpose.objects.get(pk=retired.pk).published_at is None
    services.grant_override(
        purpose=world.purpose, jurisdiction="IE", signal=Signal.KEY_TIMING,
        document_title="Exception", document_sha256="d" * 64, reason="Once",
        valid_from=date.fromisoformat(factories.A_YEAR["valid_from"]),
        valid_until=date.fromisoformat(factories.A_YEAR["valid_until"]), actor=factories.OFFICER,
    )  # fmt: skip
    return world


def adoptable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the shipped rules of Ireland differ from those adopted first."""
    from consent import rules, services

    services.adopt_first_rules(at=datetime.now(UTC))
    pack = rules.shipped()
    tables = {**pack.tables, "IE.toml": {**pack.tables["IE.toml"], "review_by": date(2031, 1, 1)}}
    changed = rules.rulebook_of_tables(tables)
    monkeypatch.setattr(rules, "shipped", lambda: changed)
    monkeypatch.setattr("consent.services.changes.rules.shipped", lambda: changed)


def payload_of(kind: str) -> dict[str, Any]:
    """The sample, about the exception that is really there."""
    from consent.models import SignalOverride

    if kind == "override.revoke":
        return {"override": str(SignalOverride.objects.get().uuid)}
    return SAMPLES[kind]


def decide(proposal: Any) -> Any:
    """Let everybody who must agree to a proposal."""
    from consent import selectors, services

    for voter in (OTHER, THIRD):
        if selectors.missing_votes(proposal).approvals:
            factories.make_officer(voter)
            proposal = services.vote(proposal=proposal.uuid, voter=voter, vote="approve")
    for unit in selectors.missing_votes(proposal).units:
        proposal = services.vote(proposal=proposal.uuid, voter=COUNCIL, vote="approve", unit=unit)
    return proposal


def test_there_is_a_sample_of_every_kind() -> None:
    from consent.services.changes import KINDS

    assert set(SAMPLES) == set(KINDS)
    assert all(kind == change.kind for kind, change in KINDS.items())


@pytest.mark.parametrize("kind", SAMPLES)
def test_it_does_what_it_announced_and_leads_back(
    world: Any, database: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent import services
    from consent.services.changes import read_change

    if kind == "rules.adopt":
        adoptable(monkeypatch)
    change = read_change(kind, payload_of(kind))
    before = change.standing()

    proposal = services.propose(kind=kind, payload=payload_of(kind), proposed_by=AUTHOR)
    assert (proposal.applied_at is not None) is proposal.tightens is (kind in AT_ONCE)
    assert change.standing() == (proposal.after if kind in AT_ONCE else before)
    proposal = decide(proposal)

    assert (proposal.state, proposal.before) == ("applied", before)
    assert change.standing() == proposal.after != before
    back = services.revert_proposal(proposal=proposal.uuid, by=AUTHOR)
    assert decide(back).state == "applied"
    assert as_it_was(kind, change.standing()) == as_it_was(kind, before)


def as_it_was(kind: str, standing: dict[str, Any]) -> dict[str, Any]:
    """What a revert restores: of some things only that they have no effect any more."""
    if kind == "purpose.publish":
        return {"published": standing["published"]}
    if kind == "app.list":
        return {"asked for": standing["category"] not in (None, "unknown")}
    if kind == "notice.publish":
        return {"texts": standing["texts"]}
    if kind == "purpose.change":
        return {**standing, "notice": standing["notice"]["texts"]}
    if kind in {"agreement.record", "gate.reopen", "override.revoke"}:
        return {}  # the same document again, or an agreement without caps, is a new record
    return standing


def test_evidence_taken_back_can_be_brought_again(world: Any, database: Any) -> None:
    from consent import services
    from tests.integration.test_kill_switch import allowed

    before = allowed(world.subject)
    assert before
    rows = database.sql("SELECT id FROM consent_gateevidence WHERE gate = 'dpia' ORDER BY id")
    proposal = services.propose(
        kind="gate.reopen", payload={"evidence": [pk for (pk,) in rows]}, proposed_by=AUTHOR
    )
    assert allowed(world.subject) == set()

    decide(services.revert_proposal(proposal=proposal.uuid, by=AUTHOR))

    assert allowed(world.subject) == before


def test_going_back_on_an_agreement_waits_and_lifts_its_caps(world: Any, database: Any) -> None:
    from consent import exceptions, selectors, services

    def kept() -> dict[str, Any]:
        return selectors.verdicts_for(world.subject, at=datetime.now(UTC)).allow()

    free = kept()
    sample = {**SAMPLES["agreement.record"], "sites": [], "working_hours": None}
    first = services.propose(kind="agreement.record", payload=sample, proposed_by=AUTHOR)
    capped = kept()
    narrower = {**sample, "code": "BV-2", "retention_cap_days": 10, "replaces": "BV-1"}
    second = services.propose(kind="agreement.record", payload=narrower, proposed_by=AUTHOR)
    decide(second)
    narrowest = kept()
    assert len({str(each) for each in (free, capped, narrowest)}) == 3

    with pytest.raises(exceptions.CannotRevert):
        services.revert_proposal(proposal=first.uuid, by=AUTHOR)
    back = services.revert_proposal(proposal=second.uuid, by=AUTHOR)
    assert not back.tightens
    assert list(selectors.missing_votes(back).units) == sample["council_units"]
    assert kept() == narrowest
    assert decide(back).state == "applied"
    assert kept() == capped


def test_going_back_on_an_agreement_that_replaced_nothing_caps_nothing(
    world: Any, database: Any
) -> None:
    from consent import selectors, services

    def kept() -> dict[str, Any]:
        return selectors.verdicts_for(world.subject, at=datetime.now(UTC)).allow()

    free = kept()
    sample = {**SAMPLES["agreement.record"], "sites": [], "working_hours": None}
    proposal = services.propose(kind="agreement.record", payload=sample, proposed_by=AUTHOR)
    assert kept() != free

    decide(services.revert_proposal(proposal=proposal.uuid, by=AUTHOR))

    assert kept() == free


def test_going_back_on_an_agreement_of_a_site_frees_all_whom_it_left_without(
    world: Any, database: Any
) -> None:
    from consent import exceptions, selectors, services

    def kept() -> dict[str, Any]:
        world.subject.refresh_from_db()
        return selectors.verdicts_for(world.subject, at=datetime.now(UTC)).allow()

    free = kept()
    proposal = services.propose(
        kind="agreement.record", payload=SAMPLES["agreement.record"], proposed_by=AUTHOR
    )
    assert not any(kept().values()), "nobody of this world is at a site"
    decide(services.revert_proposal(proposal=proposal.uuid, by=AUTHOR))
    assert kept() == free

    evidence = {**SAMPLES["agreement.record"], "code": "BV-2", "document_sha256": "0" * 64}
    proposal = services.propose(kind="agreement.record", payload=evidence, proposed_by=AUTHOR)
    with pytest.raises(exceptions.CannotRevert):
        services.revert_proposal(proposal=proposal.uuid, by=AUTHOR)


def test_no_way_back_from_an_agreement_about_more_people_than_the_one_before(
    world: Any, database: Any
) -> None:
    from consent import exceptions, services

    services.propose(
        kind="agreement.record", payload=SAMPLES["agreement.record"], proposed_by=AUTHOR
    )
    wider = {**SAMPLES["agreement.record"], "code": "BV-2", "sites": [], "replaces": "BV-1"}
    proposal = services.propose(kind="agreement.record", payload=wider, proposed_by=AUTHOR)
    assert decide(proposal).state == "applied"

    with pytest.raises(exceptions.CannotRevert):
        services.revert_proposal(proposal=proposal.uuid, by=AUTHOR)


def test_a_preview_names_the_sites_where_nobody_is(world: Any, database: Any) -> None:
    from consent import selectors, services
    from portal.pages.changes.words import effect
    from tests import factories

    services.record_fact(
        subject=world.subject, kind="site", value=" Cork", valid_from=factories.LONG_AGO,
        source="test", actor=factories.OFFICER,
    )  # fmt: skip
    payload = {**SAMPLES["agreement.record"], "sites": ["cork", "atlantis"]}

    proposal = services.propose(kind="agreement.record", payload=payload, proposed_by=AUTHOR)

    lines = selectors.proposal_view(proposal)["impact_lines"]
    assert [line for line in lines if "nobody" in line] == ["Site atlantis binds nobody today"]
    frozen = selectors.impact.Impact.of(proposal.impact)
    assert effect(frozen)[-1] == "Site atlantis binds nobody today: nobody's facts name it."


# --- payloads --------------------------------------------------------------------------------


def places(payload: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key of a payload, at whatever depth."""
    if isinstance(payload, dict):
        for key, value in payload.items():
            yield (*above, key)
            yield from places(value, (*above, key))


def at(payload: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        payload = payload[key]
    return payload


PLACES = [(kind, path) for kind, sample in SAMPLES.items() for path in places(sample)]
FREE = {
    ("notice.publish", "texts"), ("purpose.change", ""), ("purpose.change", "texts"),
    ("app.change", "fields"),
}  # fmt: skip
"""Tables whose keys may be left out, or be others."""
OPTIONAL = {("agreement.record", "working_hours"), ("override.grant", "reason")}
"""Keys that came later: proposals from before are read without them."""


@pytest.mark.parametrize(("kind", "path"), PLACES)
def test_a_key_that_is_missing_or_unknown_is_named(kind: str, path: tuple[str, ...]) -> None:
    from consent.exceptions import ChangeUnfit
    from consent.services.changes import read_change

    *above, key = path
    payload = copy.deepcopy(SAMPLES[kind])
    at(payload, tuple(above))["made_up"] = at(payload, tuple(above)).get(key)
    if (kind, ".".join(above)) not in FREE or kind == "purpose.change":
        with pytest.raises(ChangeUnfit, match="made_up"):
            read_change(kind, payload)
    payload = copy.deepcopy(SAMPLES[kind])
    del at(payload, tuple(above))[key]
    if (kind, ".".join(above)) in FREE and key != "purpose":
        return
    if (kind, key) in OPTIONAL:
        read_change(kind, payload)
        return
    if "sections" in above:  # which of them are needed is the notice's own refusal
        return
    with pytest.raises(ChangeUnfit, match=key):
        read_change(kind, payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(where=st.sampled_from(PLACES), value=JSON)
def test_a_value_of_another_type_is_refused_and_nothing_else_happens(
    where: tuple[str, tuple[str, ...]], value: Any
) -> None:
    """Whatever stands in a place: it is read exactly as it stands, or refused with its key."""
    from consent.digests import digest
    from consent.exceptions import ChangeUnfit
    from consent.services.changes import read_change

    kind, path = where
    payload = copy.deepcopy(SAMPLES[kind])
    at(payload, path[:-1])[path[-1]] = value
    try:
        read_change(kind, payload)
    except ChangeUnfit:
        return  # that it names the key is tested above
    sample = at(SAMPLES[kind], path)
    nullable = {"valid_until", "replaces", "retention_cap_days", "counterparties", "value"}
    nullable |= {"hours", "working_hours"}
    other = {"replaces", "valid_until", "evidence", "zone"}  # a text or null, a number or a list
    null = value is None and path[-1] in nullable
    assert type(value) is type(sample) or null or path[-1] in other
    assert digest(payload)


@settings(max_examples=100, deadline=None)
@given(payload=JSON, kind=st.sampled_from(sorted(SAMPLES)))
def test_anything_at_all_is_refused_as_unfit(payload: Any, kind: str) -> None:
    from consent.exceptions import ChangeUnfit
    from consent.services.changes import read_change

    with pytest.raises(ChangeUnfit):
        read_change(kind, payload)


UNFIT: list[tuple[str, dict[str, Any], str]] = [
    ("purpose.publish", {"code": "train-agents"}, "code"),
    ("purpose.publish", {"code": "With Spaces"}, "code"),
    ("purpose.publish", {"retention_days": 0}, "retention_days"),
    ("purpose.publish", {"retention_days": 366}, "retention_days"),
    ("purpose.publish", {"title": "x" * 121}, "title"),
    ("purpose.publish", {"title": " "}, "title"),
    ("purpose.publish", {"title": "a\x00b"}, "title"),
    ("purpose.change", {"purpose": "nobody-knows"}, "purpose"),
    ("purpose.retire", {"purpose": "retired"}, "nothing would change"),
    ("notice.publish", {"texts": {}}, "texts"),
    ("notice.publish", {"texts": {"English": {"title": "x", "sections": {}}}}, "texts"),
    ("allowlist.change", {"add": ["webcam"]}, "add"),
    ("allowlist.change", {"add": ["scroll"], "remove": []}, "add"),
    ("allowlist.change", {"add": [], "remove": ["key_meta"]}, "remove"),
    ("allowlist.change", {"add": [], "remove": []}, "add"),
    ("allowlist.change", {"add": ["key_meta"], "remove": ["key_meta"]}, "remove"),
    ("allowlist.change", {"add": ["key_meta", "key_meta"]}, "add"),
    ("allowlist.change", {"app": "nobody-knows"}, "app"),
    ("app.list", {"code": "tracker"}, "code"),
    ("app.list", {"category": "fun"}, "category"),
    ("app.list", {"counterparties": ["Utopia"]}, "counterparties"),
    ("app.list", {"matchers": [["web", "domain"]]}, "matchers"),
    ("app.list", {"matchers": [["web", "smell", "x"]]}, "matchers"),
    ("app.change", {"fields": {}}, "fields"),
    ("app.block", {"suspected": "office"}, "suspected"),
    ("app.unblock", {"app": "tracker"}, "nothing would change"),
    ("agreement.record", {"jurisdictions": []}, "jurisdictions"),
    ("agreement.record", {"jurisdictions": ["XX"]}, "jurisdictions"),
    ("agreement.record", {"valid_until": "2026-01-01"}, "valid_until"),
    ("agreement.record", {"valid_from": "2026-02-30"}, "valid_from"),
    ("agreement.record", {"council_units": []}, "council_units"),
    ("agreement.record", {"replaces": "nobody-knows"}, "replaces"),
    ("gate.close", {"gates": []}, "gates"),
    ("gate.close", {"gates": [["XX", "dpia"]]}, "gates"),
    ("gate.close", {"gates": [["IE", "made_up"]]}, "gates"),
    ("gate.close", {"document_sha256": "B" * 64}, "document_sha256"),
    ("gate.reopen", {"evidence": 999_999}, "evidence"),
    ("gate.reopen", {"evidence": []}, "evidence"),
    ("gate.reopen", {"evidence": True}, "evidence"),
    ("override.grant", {"jurisdiction": "XX"}, "jurisdiction"),
    ("override.grant", {"valid_until": "2026-01-01"}, "valid_until"),
    ("override.grant", {"reason": " "}, "reason"),
    ("rules.adopt", {"codes": []}, "codes"),
    ("rules.adopt", {"codes": ["IE"], "earlier": []}, "earlier"),
    ("rules.adopt", {"codes": ["IE"], "earlier": [["IE", "none"]]}, "earlier"),
    ("rules.adopt", {"codes": ["IE"], "earlier": [["GB", "0" * 64]]}, "earlier"),
    ("rules.adopt", {"codes": ["IE"], "earlier": [["IE", "0" * 64]]}, "earlier"),
    ("setting.change", {"key": "debug"}, "key"),
    ("setting.change", {"value": 59}, "value"),
    ("setting.change", {"value": 3601}, "value"),
    ("setting.change", {"key": "poll_seconds", "value": 301}, "value"),
    ("setting.change", {"value": True}, "value"),
]
"""Kind, what differs from the sample, and what the refusal must name."""


def test_what_cannot_be_is_refused_with_its_key(world: Any, database: Any) -> None:
    from consent import services
    from consent.exceptions import ChangeUnfit

    before = database.sql("SELECT count(*) FROM consent_proposal")

    for kind, differs, named in UNFIT:
        with pytest.raises(ChangeUnfit, match=named) as refusal:
            services.propose(kind=kind, payload={**SAMPLES[kind], **differs}, proposed_by=AUTHOR)
        assert (refusal.value.code, bool(refusal.value.next_step)) == ("change_unfit", True)

    assert database.sql("SELECT count(*) FROM consent_proposal") == before


def test_an_unknown_kind_is_refused(database: Any) -> None:
    from consent import services
    from consent.exceptions import ChangeUnfit

    with pytest.raises(ChangeUnfit, match="kind"):
        services.propose(kind="everything.allow", payload={}, proposed_by=AUTHOR)


def test_a_notice_without_a_required_section_is_refused(world: Any) -> None:
    from consent import exceptions, services

    payload = copy.deepcopy(SAMPLES["notice.publish"])
    payload["texts"]["en"]["sections"]["rights"] = " "

    with pytest.raises(exceptions.NoticeIncomplete, match="rights"):
        services.propose(kind="notice.publish", payload=payload, proposed_by=AUTHOR)


# --- which facts of an app tighten -----------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "tightens"),
    [
        ({"name": "Other"}, False),
        ({"category": "unknown"}, True),
        ({"category": "hr"}, True),
        ({"category": "finance"}, False),
        ({"data_of": "customers"}, True),
        ({"counterparties": None, "data_of": "customers"}, True),
        ({"data_of": "customers", "counterparties": ["IE"]}, False),
        ({"matchers": []}, False),
        ({"matchers": [["web", "domain", "sheet.example"], ["web", "domain", "b.example"]]}, False),
        ({"category": "hr", "name": "Other"}, False),
    ],
)
def test_a_doubtful_fact_of_an_app_widens(
    world: Any, fields: dict[str, Any], tightens: bool
) -> None:
    from consent import services

    proposal = services.propose(
        kind="app.change", payload={"app": "sheet", "fields": fields}, proposed_by=AUTHOR
    )

    assert proposal.tightens is tightens


def test_a_setting_decides_the_next_lease(world: Any, database: Any) -> None:
    from django.conf import settings as installed

    from consent import selectors, services

    agent = factories.make_agent(world.subject)
    assert lease(agent) == (installed.POLICY_LEASE_SECONDS, installed.POLICY_POLL_SECONDS)

    lower = services.propose(
        kind="setting.change", payload={"key": "lease_seconds", "value": 60}, proposed_by=AUTHOR
    )
    services.propose(
        kind="setting.change", payload={"key": "poll_seconds", "value": 5}, proposed_by=AUTHOR
    )
    assert factories.policy_in_force(agent, datetime.now(UTC)) is None, "heard at once"
    assert lease(agent) == (60, 5)

    back = services.revert_proposal(proposal=lower.uuid, by=AUTHOR)
    assert back.payload == {"key": "lease_seconds", "value": None}
    decide(back)
    assert selectors.setting("lease_seconds") == installed.POLICY_LEASE_SECONDS


def lease(agent: Any) -> tuple[int, int]:
    from consent import services

    document = services.issue_policy(agent=agent).document
    return document["lease_until"] - document["iat"], document["poll_after"]


DAYS_OF_NOBODY = ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"]


@pytest.mark.parametrize("day", DAYS_OF_NOBODY)
def test_a_first_day_near_an_end_of_the_calendar_is_refused_by_its_key(
    world: Any, database: Any, day: str
) -> None:
    """No midnight, and no term, can be worked out there."""
    from consent import services
    from consent.exceptions import ChangeUnfit

    made = database.sql("SELECT count(*) FROM consent_proposal")
    for kind in ("agreement.record", "gate.close", "override.grant"):
        payload = {**payload_of(kind), "valid_from": day}
        if payload["valid_until"] is not None:
            payload["valid_until"] = "9999-12-31"
        if day == "9999-12-31":
            payload["valid_from"] = "9999-12-30"
        with pytest.raises(ChangeUnfit, match=r"valid_from: must lie in the years 1970 to 2199"):
            services.propose(kind=kind, payload=payload, proposed_by=AUTHOR)
    assert database.sql("SELECT count(*) FROM consent_proposal") == made
