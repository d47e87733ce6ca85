"""Four eyes: what widens waits for every vote it needs, what tightens acts at once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
import time_machine

from tests import factories
from tests.integration.test_kill_switch import allowed, at_once, said

AUTHOR, OTHER, THIRD = (UUID(int=n) for n in (11, 12, 13))
MUNICH, BERLIN, BOTH = (UUID(int=n) for n in (21, 22, 23))
TEXTS = {"en": {"title": "Train agents", "sections": factories.sections("Kept longer.")}}
LONGER = {"purpose": "train-agents", "retention_days": 90, "texts": TEXTS}
SHORTER = {"purpose": "train-agents", "retention_days": 30}
ADD = {"purpose": "train-agents", "app": "tracker", "add": ["key_meta"], "remove": []}
OVER = {"valid_until": date(2025, 6, 1)}
REMOVE = {"purpose": "train-agents", "app": "tracker", "add": [], "remove": ["mouse_click"]}
ANOTHER = {
    "code": "another", "title": "Another", "description": "More.", "retention_days": 20,
    "position": 2,
}  # fmt: skip
CODE = "SELECT retention_days FROM consent_purpose WHERE code = 'train-agents'"
STATES = "SELECT state, applied_at IS NOT NULL FROM consent_proposal ORDER BY id"


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world()
    world.say_yes()
    return world


def propose(kind: str, payload: dict[str, Any], by: UUID = AUTHOR, **more: Any) -> Any:
    from consent import services

    return services.propose(kind=kind, payload=payload, proposed_by=by, **more)


def vote(proposal: Any, voter: UUID, said: str = "approve", unit: str = "") -> Any:
    from consent import services

    if not unit:
        factories.make_officer(voter)
    return services.vote(proposal=proposal.uuid, voter=voter, vote=said, unit=unit)


def agree(code: str = "A-1", **caps: Any) -> Any:
    """Record an agreement in force since last year; by default it caps nothing."""
    from consent import services
    from consent.models import Agreement

    said: dict[str, Any] = {
        "title": "Agreement",
        "parties": "Us and them",
        "jurisdictions": ["IE"],
        "valid_from": date(2025, 1, 1),
        "document_sha256": "a" * 64,
        **caps,
    }
    return services.record_agreement(
        agreement=Agreement(code=code, **said), actor=factories.OFFICER
    )


@pytest.fixture
def council(world: factories.World) -> None:
    """Two units whose council must agree, and three people with seats."""
    agree(council_may_veto=True, council_units=["munich", "berlin"])
    seat(MUNICH, "munich")
    seat(BERLIN, "berlin")
    seat(BOTH, "munich")
    seat(BOTH, "berlin")


def seat(person: UUID, unit: str, since: date = date(2025, 1, 1)) -> Any:
    from consent import services

    return services.give_seat(person=person, unit=unit, valid_from=since, actor=factories.OFFICER)


def current(database: Any) -> int:
    return int(database.sql(CODE)[0][0])


# --- what widens -----------------------------------------------------------------------------


def test_what_widens_waits_for_somebody_else(world: Any, database: Any) -> None:
    proposal = propose("purpose.change", LONGER)

    assert (proposal.state, proposal.tightens, proposal.applied_at) == ("open", False, None)
    assert current(database) == 60
    assert said(database, "purpose.changed") == []

    proposal = vote(proposal, OTHER)

    assert proposal.state == "applied"
    assert proposal.decided_by == OTHER
    assert current(database) == 90
    kinds = database.sql(
        "SELECT type FROM audit_entry WHERE type LIKE 'p%%' AND type <> 'policy.issued'"
        " ORDER BY id DESC LIMIT 4"
    )
    assert [kind for (kind,) in reversed(kinds)] == [
        "proposal.made",
        "proposal.approved",
        "purpose.changed",
        "proposal.applied",
    ]


def test_the_author_cannot_approve_in_any_capacity(world: Any, council: Any, database: Any) -> None:
    from consent import exceptions

    proposal = propose("purpose.change", LONGER, by=MUNICH)

    for unit in ("", "munich"):
        with pytest.raises(exceptions.ApproverIsRequester):
            vote(proposal, MUNICH, unit=unit)
        with pytest.raises(psycopg.errors.IntegrityError, match="who proposed"):
            raw_vote(database, proposal, MUNICH, unit=unit)


def test_a_rejection_ends_it_for_good(world: Any, database: Any) -> None:
    from consent import exceptions

    proposal = vote(propose("purpose.change", LONGER), OTHER, "reject")

    assert (proposal.state, proposal.decided_by) == ("rejected", OTHER)
    with pytest.raises(exceptions.ProposalDecided):
        vote(proposal, THIRD)
    with pytest.raises(psycopg.errors.IntegrityError, match="stays so"):
        database.sql("UPDATE consent_proposal SET state = 'open', decided_by = NULL")
    assert current(database) == 60


def test_the_same_vote_again_changes_nothing_and_another_is_refused(
    world: Any, database: Any
) -> None:
    from consent import exceptions

    proposal = propose("app.unblock", reported(world))
    vote(proposal, OTHER)

    assert vote(proposal, OTHER).state == "open"
    with pytest.raises(exceptions.AlreadyVoted):
        vote(proposal, OTHER, "reject")
    assert database.sql("SELECT count(*) FROM consent_proposalvote") == [(1,)]


@pytest.mark.parametrize(
    ("said_so", "unit"), [("veto", ""), ("reject", "munich"), ("yes", ""), ("", "munich")]
)
def test_an_unclear_vote_is_no_vote(
    world: Any, council: Any, database: Any, said_so: str, unit: str
) -> None:
    from consent import exceptions

    proposal = propose("purpose.change", LONGER)

    with pytest.raises(exceptions.VoteUnclear):
        vote(proposal, MUNICH, said_so, unit)
    assert database.sql("SELECT count(*) FROM consent_proposalvote") == [(0,)]


def test_its_author_can_take_it_back_and_nobody_else(world: Any, database: Any) -> None:
    from consent import exceptions, services

    proposal = propose("purpose.change", LONGER)
    with pytest.raises(exceptions.NotAuthor):
        services.withdraw_proposal(proposal=proposal.uuid, by=OTHER)

    withdrawn = services.withdraw_proposal(proposal=proposal.uuid, by=AUTHOR)

    assert withdrawn.state == "withdrawn"
    assert services.withdraw_proposal(proposal=proposal.uuid, by=AUTHOR).state == "withdrawn"
    assert len(said(database, "proposal.withdrawn")) == 1
    with pytest.raises(exceptions.ProposalDecided):
        vote(proposal, OTHER)


# --- what tightens ---------------------------------------------------------------------------


def test_what_tightens_acts_at_once_and_is_looked_at_afterwards(world: Any, database: Any) -> None:
    from consent import exceptions, services

    proposal = propose("allowlist.change", REMOVE)

    assert (proposal.state, proposal.tightens) == ("open", True)
    assert proposal.applied_at is not None
    assert ("train-agents", "tracker", "mouse_click") not in allowed(world.subject)
    assert said(database, "proposal.applied")[0]["tightens"] is True
    with pytest.raises(exceptions.AlreadyInEffect):
        services.withdraw_proposal(proposal=proposal.uuid, by=AUTHOR)
    with pytest.raises(exceptions.ApproverIsRequester):
        vote(proposal, AUTHOR)

    reviewed = vote(proposal, OTHER)

    assert (reviewed.state, reviewed.applied_at) == ("applied", proposal.applied_at)
    assert len(said(database, "proposal.applied")) == 1, "it was made once, not again"


def test_a_rejected_tightening_stands_until_its_revert_is_approved(
    world: Any, database: Any
) -> None:
    from consent import services

    proposal = vote(propose("purpose.change", SHORTER), OTHER, "reject")
    assert (proposal.state, current(database)) == ("rejected", 30)

    back = proposal.reverted_by.get()
    assert (back.proposed_by, back.approvals_needed) == (OTHER, 1), "who rejects it proposes that"
    assert services.revert_proposal(proposal=proposal.uuid, by=THIRD) == back
    assert (back.state, back.tightens, current(database)) == ("open", False, 30)
    assert vote(back, AUTHOR).state == "applied"
    assert current(database) == 60


def test_a_rejection_stands_where_no_change_leads_back(world: Any, database: Any) -> None:
    from consent.models import Proposal

    first = propose("purpose.change", SHORTER)
    vote(propose("purpose.change", {**LONGER, "retention_days": 60}), OTHER)
    assert current(database) == 60

    rejected = vote(first, OTHER, "reject")

    assert (rejected.state, rejected.reverted_by.exists()) == ("rejected", False)
    assert Proposal.objects.count() == 2


def test_no_council_delays_what_tightens(world: Any, council: Any, database: Any) -> None:
    from consent import exceptions

    proposal = propose("purpose.change", SHORTER)

    assert (proposal.council_units, current(database)) == ([], 30)
    with pytest.raises(exceptions.UnitNotAsked):
        vote(proposal, MUNICH, "veto", "munich")


def test_a_mix_of_both_waits_as_a_whole(world: Any) -> None:
    proposal = propose("allowlist.change", {**ADD, "remove": ["scroll"]})

    assert (proposal.tightens, proposal.applied_at) == (False, None)
    assert ("train-agents", "tracker", "scroll") in allowed(world.subject)


# --- councils --------------------------------------------------------------------------------


def test_each_council_asked_must_agree_and_silence_does_not(
    world: Any, council: Any, database: Any
) -> None:
    from consent import selectors

    proposal = propose("purpose.change", LONGER)
    assert proposal.council_units == ["berlin", "munich"]

    vote(proposal, OTHER)
    vote(proposal, MUNICH, unit="munich")
    assert current(database) == 60
    assert selectors.missing_votes(proposal) == selectors.proposal_view(proposal)["missing"]
    assert selectors.missing_votes(proposal).units == ("berlin",)

    assert vote(proposal, BERLIN, unit="berlin").state == "applied"
    assert current(database) == 90
    assert len(said(database, "proposal.agreed")) == 2


def test_a_council_alone_does_not_approve(world: Any, council: Any, database: Any) -> None:
    proposal = propose("purpose.change", LONGER)
    vote(proposal, BOTH, unit="munich")

    assert vote(proposal, BOTH, unit="berlin").state == "open"
    assert vote(proposal, OTHER).state == "applied"


def test_a_veto_ends_it_whatever_the_others_said(world: Any, council: Any, database: Any) -> None:
    from consent import exceptions

    proposal = propose("purpose.change", LONGER)
    vote(proposal, OTHER)
    vote(proposal, MUNICH, unit="munich")

    vetoed = vote(proposal, BOTH, "veto", "munich")

    assert (vetoed.state, vetoed.decided_by) == ("vetoed", BOTH)
    with pytest.raises(exceptions.ProposalDecided):
        vote(proposal, BERLIN, unit="berlin")
    assert current(database) == 60
    assert len(said(database, "proposal.vetoed")) == 1


def test_a_yes_counts_no_more_once_its_seat_has_ended(
    world: Any, council: Any, database: Any
) -> None:
    """Until it is decided; a veto stands, and what was decided stays so until its hour."""
    from consent import selectors, services
    from consent.models import CouncilSeat

    def end(person: UUID, unit: str) -> None:
        standing = CouncilSeat.objects.get(person=person, unit=unit, ended_at=None)
        services.end_seat(seat=standing, actor=factories.OFFICER)

    hour = datetime.now(UTC) + timedelta(hours=1)
    ahead = propose("allowlist.change", ADD, effective_at=hour)
    proposal = propose("purpose.change", {**LONGER, "retention_days": 80})
    for one in (ahead, proposal):
        vote(one, OTHER)
        vote(one, MUNICH, unit="munich")
    assert vote(ahead, BERLIN, unit="berlin").state == "approved"
    end(MUNICH, "munich")

    proposal = vote(proposal, BERLIN, unit="berlin")

    assert (proposal.state, current(database)) == ("open", 60)
    view = selectors.proposal_view(proposal)
    assert view["missing"].units == ("munich",)
    assert [one["counts"] for one in view["votes"]] == [True, False, True]
    for state in ("approved", "applied"):
        with pytest.raises(psycopg.errors.IntegrityError, match="works council"):
            database.sql(
                f"UPDATE consent_proposal SET state = '{state}', applied_at = now()"
                f" WHERE id = {proposal.pk}"
            )
    vetoed = propose("purpose.change", {**LONGER, "retention_days": 70})
    vote(vetoed, BOTH, "veto", "berlin")
    end(BOTH, "berlin")
    vetoed.refresh_from_db()
    assert vetoed.state == "vetoed"

    seat(MUNICH, "munich")
    assert vote(proposal, MUNICH, unit="munich").state == "applied", "by a seat given anew"
    assert selectors.proposal_view(proposal)["missing"].units == ()
    end(MUNICH, "munich")
    proposal.refresh_from_db()
    assert selectors.proposal_view(proposal)["missing"].units == (), "then it had one"
    with time_machine.travel(hour + timedelta(seconds=1)):
        assert services.apply_due_proposals() == 1
    ahead.refresh_from_db()
    assert ahead.state == "applied", "its council had agreed while it sat"


@pytest.mark.parametrize("hours", [-1, 1])
def test_no_clock_says_whether_a_yes_counts(
    world: Any, council: Any, database: Any, hours: int
) -> None:
    """The seats are ended by a server whose clock is another than that of whoever decides."""
    from consent import selectors, services
    from consent.models import CouncilSeat

    ahead = propose("allowlist.change", ADD, effective_at=datetime.now(UTC) + timedelta(hours=2))
    proposal = propose("purpose.change", {**LONGER, "retention_days": 80})
    vote(ahead, MUNICH, unit="munich")
    vote(ahead, BERLIN, unit="berlin")
    assert vote(ahead, OTHER).state == "approved"
    vote(proposal, MUNICH, unit="munich")
    vote(proposal, OTHER)

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
        for standing in CouncilSeat.objects.filter(person=MUNICH):
            services.end_seat(seat=standing, actor=factories.OFFICER)

    assert vote(proposal, BERLIN, unit="berlin").state == "open"
    assert selectors.proposal_view(proposal)["missing"].units == ("munich",)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=3)):
        assert services.apply_due_proposals() == 1, "what was decided stays so"
    ahead.refresh_from_db()
    assert selectors.proposal_view(ahead)["missing"].units == ()
    assert ahead.state == "applied"


def test_a_wider_setting_asks_the_councils_and_a_narrower_one_nobody(
    world: Any, council: Any, database: Any
) -> None:
    from consent import selectors

    now = selectors.setting("lease_seconds")
    wider = propose("setting.change", {"key": "lease_seconds", "value": now + 60})
    assert (wider.tightens, wider.council_units) == (False, ["berlin", "munich"])
    narrower = propose("setting.change", {"key": "lease_seconds", "value": now - 60})
    assert (narrower.tightens, narrower.council_units) == (True, [])


def test_only_a_seat_held_now_speaks_for_a_unit(world: Any, council: Any, database: Any) -> None:
    from consent import exceptions, services
    from consent.models import CouncilSeat

    proposal = propose("purpose.change", LONGER)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    seat(THIRD, "munich", since=tomorrow)
    former = CouncilSeat.objects.get(person=MUNICH)
    services.end_seat(seat=former, actor=factories.OFFICER)

    for person, unit in (
        (MUNICH, "munich"),
        (THIRD, "munich"),
        (OTHER, "munich"),
        (MUNICH, "berlin"),
    ):
        for said_so in ("approve", "veto"):
            with pytest.raises(exceptions.SeatMissing):
                vote(proposal, person, said_so, unit)
    with pytest.raises(exceptions.UnitNotAsked):
        vote(proposal, BOTH, "veto", "hamburg")
    for person, unit in ((MUNICH, "munich"), (OTHER, "munich"), (BOTH, "hamburg")):
        with pytest.raises(psycopg.errors.IntegrityError, match="no seat"):
            raw_vote(database, proposal, person, unit=unit)


def test_nobody_speaks_as_officer_and_as_council(world: Any, council: Any, database: Any) -> None:
    from consent import exceptions

    proposal = propose("purpose.change", LONGER)
    vote(proposal, BOTH)
    vote(proposal, MUNICH, unit="munich")

    with pytest.raises(exceptions.AlreadyVoted):
        vote(proposal, BOTH, unit="berlin")
    with pytest.raises(exceptions.AlreadyVoted):
        vote(proposal, MUNICH)
    with pytest.raises(psycopg.errors.IntegrityError, match="nobody speaks both"):
        raw_vote(database, proposal, BOTH, unit="berlin")


def test_a_council_is_asked_where_its_agreement_is_touched(world: Any) -> None:
    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"purposes": ["train-agents"]}, True),
        ({"purposes": ["another"], "jurisdictions": ["DE"]}, False),
        ({"purposes": ["another"]}, False),
        ({"apps": ["tracker"]}, True),
        ({"jurisdictions": ["EU"]}, True),
        ({"valid_until": date(2025, 6, 1)}, True),
        ({"valid_from": date(2099, 1, 1)}, False),
        ({"council_may_veto": False}, False),
    ]
    for number, (caps, _) in enumerate(cases):
        unit = {"council_may_veto": True, "council_units": [f"unit-{number}"]}
        agree(f"A-{number}", **{**unit, **caps})
    payload = {
        "purpose": "train-agents", "gates": [["IE", "dpia"]], "document_title": "DPIA",
        "document_sha256": "1" * 64, "not_applicable_reason": "", "valid_from": "2026-01-01",
        "valid_until": None,
    }  # fmt: skip

    asked = propose("gate.close", payload).council_units

    assert asked == [f"unit-{number}" for number, (_, wanted) in enumerate(cases) if wanted]


def test_a_council_that_nobody_knows_cannot_be_passed_over(world: Any, database: Any) -> None:
    from consent import exceptions

    agree(council_may_veto=True)
    with pytest.raises(exceptions.CouncilUnknown, match="A-1"):
        propose("purpose.change", LONGER)

    seat(MUNICH, "munich")
    assert propose("purpose.change", LONGER).council_units == ["munich"]


# --- protected apps --------------------------------------------------------------------------


def reported(world: Any) -> dict[str, Any]:
    """Let somebody report the tracker; return the payload that unblocks it. A council is known."""
    from consent import services
    from consent.policy.types import AppCategory

    seat(MUNICH, "munich")
    services.report_app(
        app=world.apps["tracker"],
        suspected=AppCategory.HEALTH,
        reporter=UUID(int=99),
        actor=factories.OFFICER,
    )
    return {"app": "tracker"}


def test_unblocking_needs_two_and_every_council_known(world: Any, database: Any) -> None:
    proposal = propose("app.unblock", reported(world))
    assert (proposal.approvals_needed, proposal.council_units) == (2, ["munich"])
    before = allowed(world.subject)

    vote(proposal, OTHER)
    vote(proposal, MUNICH, unit="munich")
    assert allowed(world.subject) == before
    assert vote(proposal, THIRD).state == "applied"

    assert ("train-agents", "tracker", "mouse_click") in allowed(world.subject)


@pytest.mark.parametrize("kind", ["app.unblock", "app.change"])
def test_without_any_council_a_protected_app_stays_protected(world: Any, kind: str) -> None:
    from consent import exceptions
    from consent.models import CouncilSeat

    payload = reported(world)
    if kind == "app.change":
        propose("app.change", {"app": "sheet", "fields": {"category": "hr"}})
        payload = {"app": "sheet", "fields": {"category": "office"}}
    from consent import services

    services.end_seat(seat=CouncilSeat.objects.get(), actor=factories.OFFICER)

    with pytest.raises(exceptions.CouncilUnknown):
        propose(kind, payload)


def test_leaving_a_protected_kind_needs_two_and_the_council(world: Any, database: Any) -> None:
    at_once_ = propose("app.change", {"app": "sheet", "fields": {"category": "banking"}})
    assert at_once_.tightens
    assert not any(app == "sheet" for _, app, _ in allowed(world.subject))
    seat(MUNICH, "munich")

    back = propose("app.change", {"app": "sheet", "fields": {"category": "office"}})

    assert (back.approvals_needed, back.council_units) == (2, ["munich"])
    vote(back, OTHER)
    vote(back, THIRD)
    assert not any(app == "sheet" for _, app, _ in allowed(world.subject))
    assert vote(back, MUNICH, unit="munich").state == "applied"
    assert not any(app == "sheet" for _, app, _ in allowed(world.subject)), "they are asked anew"
    world.say_yes()
    assert any(app == "sheet" for _, app, _ in allowed(world.subject))


def test_a_protected_app_does_not_lose_a_mark_by_one_approval(world: Any) -> None:
    propose("app.change", {"app": "sheet", "fields": {"category": "health"}})
    seat(MUNICH, "munich")

    fewer = propose("app.change", {"app": "sheet", "fields": {"matchers": []}})
    assert (fewer.tightens, fewer.approvals_needed, fewer.council_units) == (False, 2, ["munich"])

    marks = [["web", "domain", "sheet.example"], ["web", "domain", "clinic.example"]]
    assert propose("app.change", {"app": "sheet", "fields": {"matchers": marks}}).tightens


def test_no_kind_of_change_lets_a_purpose_ask_for_a_protected_app(world: Any) -> None:
    from consent import exceptions

    for category in ("hr", "health", "union", "personal"):
        listed = propose("app.list", an_app(f"app-{category}", category=category))
        assert listed.applied_at is not None, "what must never be captured is known at once"

        with pytest.raises(exceptions.NeverCapturable):
            propose("allowlist.change", {**ADD, "app": f"app-{category}"})


def an_app(code: str, **differs: Any) -> dict[str, Any]:
    return {
        "code": code,
        "name": code.title(),
        "category": "office",
        "data_of": "own",
        "counterparties": None,
        "counterparties_masked": False,
        "matchers": [["web", "domain", f"{code}.example"]],
        **differs,
    }


# --- agreements ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caps", "kind", "payload", "what"),
    [
        ({"apps": ["sheet"]}, "allowlist.change", ADD, "app tracker"),
        ({"signals": ["scroll"]}, "allowlist.change", ADD, "signal key_meta"),
        ({"purposes": ["another"]}, "allowlist.change", ADD, "train-agents"),
        ({"retention_cap_days": 80}, "purpose.change", LONGER, "90 days"),
        (OVER | {"apps": ["sheet"]}, "allowlist.change", ADD, "app tracker"),
        (OVER | {"retention_cap_days": 80}, "purpose.change", LONGER, "90 days"),
    ],
)
def test_nobody_can_publish_beyond_an_agreement(
    world: Any, database: Any, caps: dict[str, Any], kind: str, payload: Any, what: str
) -> None:
    from consent import exceptions

    agree("BV-7", **caps)

    with pytest.raises(exceptions.BeyondAgreement, match=f"BV-7 does not cover .*{what}"):
        propose(kind, payload)

    assert database.sql(STATES) == []


@pytest.mark.parametrize(
    ("caps", "kind", "payload", "line"),
    [
        ({"apps": ["sheet"]}, "allowlist.change", ADD, "IE: blocked by agreement BV-7 (key_meta)"),
        ({"signals": ["scroll"]}, "allowlist.change", ADD, "IE: blocked by agreement BV-7"),
        ({"retention_cap_days": 80}, "purpose.change", LONGER, "IE: kept no longer, by agreement"),
        (
            {"purposes": ["train-agents"]},
            "purpose.publish",
            ANOTHER,
            "IE: blocked by agreement BV-7 (another)",
        ),
    ],
)
def test_an_agreement_of_one_country_blocks_there_alone(
    world: Any, settings: Any, caps: dict[str, Any], kind: str, payload: Any, line: str
) -> None:
    from consent import selectors

    settings.SMALLEST_GROUP = 1
    world.another_subject("FR")
    agree("BV-7", **caps)

    proposal = propose(kind, payload)

    assert proposal.state == "open"
    view = selectors.proposal_view(proposal)
    assert [told for told in view["impact_lines"] if told.startswith(line)]
    assert not [told for told in view["impact_lines"] if told.startswith("FR: blocked by agree")]
    assert vote(proposal, OTHER).state == "applied"


def test_where_nobody_works_yet_an_agreement_refuses_what_names_its_place(world: Any) -> None:
    from consent import exceptions

    agree("BV-DE", jurisdictions=["DE"], signals=["scroll"])
    exception = {
        "purpose": "train-agents", "jurisdiction": "DE", "signal": "key_timing",
        "document_title": "Exception", "document_sha256": "c" * 64, "reason": "Once",
        **factories.A_YEAR,
    }  # fmt: skip

    assert propose("allowlist.change", ADD).state == "open"
    with pytest.raises(exceptions.BeyondAgreement, match="BV-DE does not cover signal key_timing"):
        propose("override.grant", exception)


@pytest.mark.parametrize(
    "caps",
    [
        {"apps": ["tracker"], "signals": ["key_meta", "scroll"]},
        {"apps": ["sheet"], "valid_from": date(2099, 1, 1)},
    ],
)
def test_what_an_agreement_in_force_covers_is_proposed(world: Any, caps: dict[str, Any]) -> None:
    agree("BV-7", **caps)

    assert propose("allowlist.change", ADD).state == "open"


def test_one_of_several_agreements_of_a_place_covers_the_purpose(world: Any) -> None:
    agree("BV-1", purposes=["another"], signals=["scroll"])
    agree("BV-2", purposes=["train-agents"], completes=True)

    assert propose("allowlist.change", ADD).state == "open"


def test_a_replaced_agreement_bounds_nothing(world: Any) -> None:
    replaced = agree("BV-1", signals=["scroll"])
    agree("BV-2", signals=["scroll", "key_meta"], replaces=replaced)

    assert propose("allowlist.change", ADD).state == "open"


def replacement(of: str, **differs: Any) -> dict[str, Any]:
    """An agreement that replaces another one from today on; by default it caps nothing."""
    return {
        "code": f"{of}.next", "title": "Agreement", "parties": "Us and them",
        "jurisdictions": ["IE"], "sites": [], "purposes": [], "apps": [], "signals": [],
        "retention_cap_days": None, "working_hours": None,
        "valid_from": datetime.now(UTC).date().isoformat(), "valid_until": None,
        "document_sha256": "1" * 64, "council_may_veto": False, "council_units": [],
        "replaces": of, **differs,
    }  # fmt: skip


@pytest.mark.parametrize(
    "term", [OVER, {}, {"valid_from": date(2099, 1, 1)}], ids=["over", "in force", "ahead"]
)
def test_who_signed_an_agreement_is_asked_before_another_takes_its_place(
    world: Any, database: Any, term: dict[str, Any]
) -> None:
    """Whenever it is: nobody need only wait for its last day, or hurry before its first."""
    agree(council_may_veto=True, council_units=["munich"], **term)
    seat(MUNICH, "munich")
    before = allowed(world.subject)

    proposal = propose("agreement.record", replacement("A-1"))

    assert proposal.council_units == ["munich"]
    assert vote(proposal, OTHER).state == "open"
    assert allowed(world.subject) == before
    assert vote(proposal, MUNICH, "veto", "munich").state == "vetoed"
    assert allowed(world.subject) == before


def test_an_agreement_that_is_over_keeps_its_council_at_the_hour_of_a_change(
    world: Any, database: Any
) -> None:
    """It was not yet there when the change was proposed, and is over when it would be made."""
    hour = datetime.now(UTC) + timedelta(days=40)
    proposal = propose("purpose.change", LONGER, effective_at=hour)
    assert vote(proposal, OTHER).state == "approved"
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    agree(valid_until=tomorrow, council_may_veto=True, council_units=["munich"])

    from consent import services

    with time_machine.travel(hour + timedelta(seconds=1)):
        assert services.apply_due_proposals() == 1

    assert said(database, "proposal.failed")[0]["reason"] == "council_not_asked"
    assert current(database) == 60


def test_once_replaced_an_agreement_that_was_over_has_no_word_left(world: Any) -> None:
    over = agree(council_may_veto=True, council_units=["munich"], **OVER)
    agree("A-2", replaces=over)

    assert propose("purpose.change", LONGER).council_units == []


def test_a_protected_app_asks_the_councils_of_agreements_that_are_over(world: Any) -> None:
    payload = reported(world)
    agree(council_units=["berlin"], **OVER)

    assert propose("app.unblock", payload).council_units == ["berlin", "munich"]


def test_what_is_beyond_already_can_still_be_tightened(world: Any, database: Any) -> None:
    agree("BV-7", retention_cap_days=20, apps=["sheet"], signals=["scroll"])

    assert propose("purpose.change", SHORTER).applied_at is not None
    assert propose("allowlist.change", REMOVE).applied_at is not None


def test_an_agreement_that_came_in_between_stops_what_was_proposed_before(
    world: Any, database: Any
) -> None:
    proposal = propose("purpose.change", LONGER)
    agree("BV-8", retention_cap_days=70)

    failed = vote(proposal, OTHER)

    assert (failed.state, failed.applied_at, current(database)) == ("failed", None, 60)
    assert said(database, "proposal.failed")[0]["reason"] == "beyond_agreement"


def test_a_council_that_came_in_between_must_be_asked_anew(world: Any, database: Any) -> None:
    proposal = propose("purpose.change", LONGER)
    agree("BV-8", council_may_veto=True, council_units=["munich"])

    assert vote(proposal, OTHER).state == "failed"
    assert said(database, "proposal.failed")[0]["reason"] == "council_not_asked"
    assert current(database) == 60


# --- its hour --------------------------------------------------------------------------------


def test_it_waits_for_its_hour_and_the_workers_make_it(world: Any, database: Any) -> None:
    from consent import services

    hour = datetime.now(UTC) + timedelta(hours=2)
    proposal = propose("purpose.change", LONGER, effective_at=hour)
    assert vote(proposal, OTHER).state == "approved"

    assert services.apply_due_proposals() == 0
    assert current(database) == 60
    with time_machine.travel(hour + timedelta(seconds=1)):
        assert services.apply_due_proposals() == 1
        assert services.apply_due_proposals() == 0

    assert current(database) == 90
    assert database.sql(STATES) == [("applied", True)]


def test_the_workers_know_of_it() -> None:
    from consent import services
    from portal import work

    assert work._parts()["proposals"] is services.apply_due_proposals


@pytest.mark.parametrize("end", ["reject", "veto", "withdraw"])
def test_until_its_hour_it_can_still_be_ended(
    world: Any, council: Any, database: Any, end: str
) -> None:
    from consent import exceptions, services

    hour = datetime.now(UTC) + timedelta(hours=2)
    proposal = propose("purpose.change", LONGER, effective_at=hour)
    for voter, unit in ((OTHER, ""), (MUNICH, "munich"), (BERLIN, "berlin")):
        approved = vote(proposal, voter, unit=unit)
    assert approved.state == "approved"
    with pytest.raises(exceptions.ProposalDecided):
        vote(proposal, THIRD)

    if end == "withdraw":
        services.withdraw_proposal(proposal=proposal.uuid, by=AUTHOR)
    else:
        vote(proposal, THIRD if end == "reject" else BOTH, end, "" if end == "reject" else "munich")

    with time_machine.travel(hour + timedelta(seconds=1)):
        assert services.apply_due_proposals() == 0
    assert current(database) == 60


def test_an_hour_that_is_over_does_not_delay(world: Any, database: Any) -> None:
    late = datetime.now(UTC) - timedelta(hours=1)
    proposal = propose("purpose.change", LONGER, effective_at=late)

    assert vote(proposal, OTHER).state == "applied"


@pytest.mark.parametrize("payload", [LONGER, SHORTER])
def test_an_hour_must_be_clear_and_a_tightening_has_none(
    world: Any, database: Any, payload: Any
) -> None:
    from consent import exceptions

    hour = datetime.now(UTC) + timedelta(hours=2)
    with pytest.raises(exceptions.ChangeUnfit, match="effective_at"):
        propose("purpose.change", payload, effective_at=hour.replace(tzinfo=None))
    if payload is SHORTER:
        with pytest.raises(exceptions.ChangeUnfit, match="effective_at"):
            propose("purpose.change", payload, effective_at=hour)
    assert (current(database), database.sql(STATES)) == (60, [])


# --- what no longer fits -----------------------------------------------------------------------


def test_what_starts_from_something_else_fails_visibly(world: Any, database: Any) -> None:
    slow = propose("purpose.change", LONGER)
    propose("purpose.change", SHORTER)

    failed = vote(slow, OTHER)

    assert (failed.state, failed.applied_at) == ("failed", None)
    assert current(database) == 30
    assert said(database, "proposal.failed")[0]["reason"] == "before_changed"


def test_what_leads_elsewhere_than_those_were_told_is_undone(
    world: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent.services.changes import purposes

    proposal = propose("purpose.change", LONGER)
    honest = purposes.change_purpose
    monkeypatch.setattr(
        purposes,
        "change_purpose",
        lambda **said: honest(**{**said, "fields": {"retention_days": 365}}),
    )

    assert vote(proposal, OTHER).state == "failed"
    assert said(database, "proposal.failed")[0]["reason"] == "after_differs"
    assert current(database) == 60


def test_an_altered_payload_is_not_made(world: Any, database: Any) -> None:
    proposal = propose("purpose.change", LONGER)
    database.sql("ALTER TABLE consent_proposal DISABLE TRIGGER USER")
    database.sql(
        "UPDATE consent_proposal SET payload = jsonb_set(payload, '{retention_days}', '360')"
    )
    database.sql("ALTER TABLE consent_proposal ENABLE TRIGGER USER")

    assert vote(proposal, OTHER).state == "failed"
    assert said(database, "proposal.failed")[0]["reason"] == "payload_altered"
    assert current(database) == 60


def test_a_rehearsal_leaves_nothing_behind(world: Any, database: Any) -> None:
    from consent import services

    rows = """
        SELECT (SELECT count(*) FROM consent_cohortpolicy), (SELECT count(*) FROM audit_entry),
          (SELECT count(*) FROM consent_proposal), (SELECT count(*) FROM consent_allowlistentry)
    """
    before = database.sql(rows)

    services.impact_of("allowlist.change", ADD)
    services.impact_of("allowlist.change", REMOVE)

    assert database.sql(rows) == before


def test_a_claim_to_tighten_is_believed_only_if_it_does(
    world: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were a kind wrong about itself, the rehearsal would still find that something widens."""
    from consent.services.changes.allowlist import AllowlistChange

    monkeypatch.setattr(AllowlistChange, "tightens", lambda _self: True)

    proposal = propose("allowlist.change", ADD)

    assert (proposal.tightens, proposal.applied_at) == (False, None)


@pytest.mark.parametrize("step", ["propose", "tighten", "vote"])
def test_without_an_entry_in_the_ledger_nothing_happens(
    world: Any, database: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from audit import events, ledger

    proposal = propose("purpose.change", LONGER)
    honest = ledger.append
    kinds = {
        "propose": events.ProposalMade,
        "tighten": events.ProposalApplied,
        "vote": events.ProposalApplied,
    }

    def fail(event: Any, **said: Any) -> int:
        if type(event) is kinds[step]:
            raise LookupError("no entry")
        return honest(event, **said)

    monkeypatch.setattr(ledger, "append", fail)
    steps = {
        "propose": lambda: propose("purpose.change", LONGER),
        "tighten": lambda: propose("purpose.change", SHORTER),
        "vote": lambda: vote(proposal, OTHER),
    }
    with pytest.raises(LookupError):
        steps[step]()

    assert (current(database), database.sql(STATES)) == (60, [("open", False)])
    assert database.sql("SELECT count(*) FROM consent_proposalvote") == [(0,)]


# --- back again --------------------------------------------------------------------------------


def test_a_revert_is_a_proposal_of_its_own(world: Any, database: Any) -> None:
    from consent import exceptions, selectors, services

    proposal = propose("purpose.change", LONGER)
    with pytest.raises(exceptions.NotInEffect):
        services.revert_proposal(proposal=proposal.uuid, by=OTHER)
    proposal = vote(proposal, OTHER)

    back = services.revert_proposal(proposal=proposal.uuid, by=OTHER)

    assert back.reverts_id == proposal.pk
    assert (back.tightens, current(database)) == (True, 60)
    assert services.revert_proposal(proposal=proposal.uuid, by=THIRD).pk == back.pk
    view = selectors.proposal_view(proposal)
    assert (view["reverted_by"], view["state"]) == (back.uuid, "applied")


def test_a_revert_that_was_turned_down_can_be_tried_again(world: Any, database: Any) -> None:
    from consent import services

    proposal = propose("purpose.change", SHORTER)
    first = vote(services.revert_proposal(proposal=proposal.uuid, by=OTHER), THIRD, "reject")

    second = services.revert_proposal(proposal=proposal.uuid, by=OTHER)

    assert second.pk != first.pk
    assert vote(second, AUTHOR).state == "applied"
    assert current(database) == 60


def test_what_is_in_effect_again_can_be_gone_back_on_again(world: Any, database: Any) -> None:
    from consent import selectors, services

    def back(of: Any) -> Any:
        return services.revert_proposal(proposal=of.uuid, by=OTHER)

    proposal = vote(propose("purpose.change", LONGER), OTHER)
    first = back(proposal)
    again = back(first)
    assert back(proposal).pk == first.pk  # not decided yet, so the first one stands

    vote(again, THIRD)
    assert current(database) == LONGER["retention_days"]
    assert selectors.proposal_view(proposal)["reverted_by"] is None
    second = back(proposal)

    assert second.pk not in {first.pk, again.pk}
    assert (second.tightens, current(database)) == (True, 60)
    assert back(proposal).pk == second.pk
    assert selectors.proposal_view(proposal)["reverted_by"] == second.uuid


# --- raw SQL, and many at once -----------------------------------------------------------------


def raw_vote(
    database: Any, proposal: Any, voter: UUID, said: str = "approve", unit: str = ""
) -> Any:
    return database.sql(
        "INSERT INTO consent_proposalvote (proposal_id, voter, unit, vote) VALUES (%s, %s, %s, %s)",
        proposal.pk,
        voter,
        unit,
        said,
    )


FORBIDDEN = [
    ("state = 'applied', applied_at = now()", "lacks an approval"),
    ("state = 'approved'", "lacks an approval"),
    ("applied_at = now(), decided_by = NULL", "lacks an approval"),
    ("payload = '{}'", "cannot be altered"),
    ("payload_sha256 = 'x'", "cannot be altered"),
    ("kind = 'setting.change'", "cannot be altered"),
    ("before = '{}'", "cannot be altered"),
    ("after = '{}'", "cannot be altered"),
    ("impact = '{}'", "cannot be altered"),
    ("tightens = true", "cannot be altered"),
    ("approvals_needed = 2", "cannot be altered"),
    ("council_units = '{}'", "cannot be altered"),
    ("effective_at = now()", "cannot be altered"),
    ("proposed_by = gen_random_uuid()", "cannot be altered"),
    ("state = 'rejected'", "no entry in the ledger"),
]
"""What raw SQL may not set in a proposal that waits, and what the database says to it."""


@pytest.mark.parametrize("role", ["app", "owner"])
def test_raw_sql_neither_skips_a_vote_nor_alters_a_proposal(
    world: Any, council: Any, database: Any, role: str
) -> None:
    propose("purpose.change", LONGER)
    before = database.sql("SELECT * FROM consent_proposal")

    for change, why in FORBIDDEN:
        decided = ", decided_by = gen_random_uuid()" if change.startswith("state") else ""
        with pytest.raises(psycopg.errors.IntegrityError, match=why):
            database.sql(f"UPDATE consent_proposal SET {change}{decided}", role=role)

    assert database.sql("SELECT * FROM consent_proposal") == before


def test_raw_sql_casts_no_vote_from_a_seat_that_is_still_to_come(
    world: Any, council: Any, database: Any
) -> None:
    proposal = propose("purpose.change", LONGER)
    seat(THIRD, "munich", since=datetime.now(UTC).date() + timedelta(days=1))

    with pytest.raises(psycopg.errors.IntegrityError, match="no seat of a works council"):
        raw_vote(database, proposal, THIRD, unit="munich")


def test_raw_sql_applies_nothing_without_the_council_or_after_its_veto(
    world: Any, council: Any, database: Any
) -> None:
    proposal = propose("purpose.change", LONGER)
    vote(proposal, OTHER)
    apply = (
        f"UPDATE consent_proposal SET state = 'applied', applied_at = now(), decided_by = '{OTHER}'"
    )
    with pytest.raises(psycopg.errors.IntegrityError, match="agreement of a works council"):
        database.sql(apply)
    vote(proposal, MUNICH, unit="munich")
    vote(proposal, BERLIN, "veto", "berlin")

    with pytest.raises(psycopg.errors.IntegrityError, match="stays so"):
        database.sql(apply)
    with pytest.raises(psycopg.errors.IntegrityError, match="is decided"):
        raw_vote(database, proposal, THIRD)
    for statement in (
        "UPDATE consent_proposalvote SET vote = 'approve'",
        "DELETE FROM consent_proposalvote",
    ):
        with pytest.raises(psycopg.errors.RestrictViolation):
            database.sql(statement)


def test_two_last_votes_at_once_make_the_change_once(world: Any, database: Any) -> None:
    from consent import exceptions

    for days in (70, 80, 90):
        proposal = propose("purpose.change", {**LONGER, "retention_days": days})

        def last(voter: UUID, proposal: Any = proposal) -> Any:
            try:
                return vote(proposal, voter).state
            except exceptions.ProposalDecided:
                return "too late"

        states = at_once([lambda by=by: last(by) for by in (OTHER, THIRD, UUID(int=14))])
        assert sorted(states) == ["applied", "too late", "too late"]
        assert current(database) == days
    assert len(said(database, "purpose.changed")) == 3
    assert len(said(database, "proposal.applied")) == 3


def test_a_veto_and_a_last_vote_at_once_leave_one_of_them(
    world: Any, council: Any, database: Any
) -> None:
    from consent import exceptions

    proposal = propose("purpose.change", LONGER)
    vote(proposal, MUNICH, unit="munich")
    vote(proposal, BERLIN, unit="berlin")

    def speak(voter: UUID, said_so: str, unit: str) -> str:
        try:
            return str(vote(proposal, voter, said_so, unit).state)
        except exceptions.ProposalDecided:
            return "too late"

    states = at_once([lambda: speak(OTHER, "approve", ""), lambda: speak(BOTH, "veto", "berlin")])
    assert sorted(states) in (["applied", "too late"], ["too late", "vetoed"])
    assert current(database) == (90 if "applied" in states else 60)


def test_two_changes_of_the_same_thing_at_once_are_made_one_after_the_other(
    world: Any, database: Any
) -> None:
    two = [propose("purpose.change", {**LONGER, "retention_days": days}) for days in (80, 90)]

    states = at_once([lambda one=one: vote(one, OTHER).state for one in two])

    assert sorted(states) == ["applied", "failed"]
    assert current(database) == (80 if states[0] == "applied" else 90)


def test_two_reverts_at_once_are_one(world: Any, database: Any) -> None:
    from consent import services

    proposal = propose("purpose.change", SHORTER)

    both = at_once(
        [
            lambda by=by: services.revert_proposal(proposal=proposal.uuid, by=by).pk
            for by in (OTHER, THIRD)
        ]
    )

    assert len(set(both)) == 1


def test_two_workers_make_what_is_due_once(world: Any, database: Any) -> None:
    from consent import services

    hour = datetime.now(UTC) + timedelta(minutes=5)
    vote(propose("purpose.change", LONGER, effective_at=hour), OTHER)
    with time_machine.travel(hour + timedelta(seconds=1)):
        made = at_once([services.apply_due_proposals for _ in range(2)])

    assert sum(made) == 1
    assert len(said(database, "proposal.applied")) == 1


# --- seats -------------------------------------------------------------------------------------


def test_a_seat_is_given_and_ended_once(world: Any, database: Any) -> None:
    from consent import selectors, services

    first, again = seat(MUNICH, "munich"), seat(MUNICH, "munich")
    today = datetime.now(UTC).date()
    assert first.pk == again.pk
    assert selectors.seats_of(MUNICH, on=today) == ["munich"]

    ended = services.end_seat(seat=first, actor=factories.OFFICER)
    assert services.end_seat(seat=first, actor=factories.OFFICER).ended_at == ended.ended_at
    assert selectors.seats_of(MUNICH, on=today) == []
    assert len(said(database, "council.seat_given")) == 1
    assert len(said(database, "council.seat_ended")) == 1
    assert seat(MUNICH, "munich").pk != first.pk
