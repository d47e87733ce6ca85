"""Gates: closed by evidence from its first day until its last, open again at that very instant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.integration.test_pages import signed_in

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
OFFICER_ID = UUID(factories.OFFICER.ref)


def close(purpose: Any, gate: str, place: str, since: date, until: date | None) -> Any:
    from consent import services

    return services.close_gate(
        purpose=purpose,
        gates=[(place, gate)],
        document_title="Evidence",
        document_sha256="1" * 64,
        valid_from=since,
        valid_until=until,
        actor=factories.OFFICER,
    )[0]


def test_a_step_is_not_applicable_only_where_the_rules_name_a_condition(database: Any) -> None:
    from consent import exceptions, services
    from consent.rules import rulebook
    from consent.selectors.shared import COUNSEL_GATE

    world = factories.make_world("IE")
    said: dict[str, Any] = {
        "document_title": "Statement",
        "document_sha256": "2" * 64,
        "not_applicable_reason": "It is not needed.",
    }
    proposed = {**said, "purpose": "train-agents", "valid_from": str(TODAY), "valid_until": None}
    conditions = {name: text.condition for name, text in rulebook().gates.items()}
    conditional = sorted(name for name, condition in conditions.items() if condition)

    for gate in [*sorted(conditions.keys() - set(conditional)), COUNSEL_GATE]:
        gates = [("EU", conditional[0]), ("EU", gate)]
        with pytest.raises(exceptions.GateAlwaysApplies):
            services.close_gate(
                purpose=world.purpose, gates=gates, valid_from=TODAY, valid_until=None,
                actor=factories.OFFICER, **said,
            )  # fmt: skip
        with pytest.raises(exceptions.GateAlwaysApplies) as refusal:
            services.propose(
                kind="gate.close",
                payload={**proposed, "gates": [["EU", gate]]},
                proposed_by=OFFICER_ID,
            )
        assert (refusal.value.code, bool(refusal.value.next_step)) == ("gate_always_applies", True)
    evidence = "SELECT count(*) FROM consent_gateevidence WHERE document_sha256 = %s"
    assert database.sql(evidence, "2" * 64) == [(0,)]

    rows = services.close_gate(
        purpose=world.purpose, gates=[("US", gate) for gate in conditional], valid_from=TODAY,
        valid_until=None, actor=factories.OFFICER, **said,
    )  # fmt: skip
    assert {row.not_applicable_reason for row in rows} == {"It is not needed."}


def an_open_gate(world: factories.World) -> tuple[str, str]:
    """Take all evidence for one gate back; return the gate and its place."""
    from consent import services
    from consent.models import GateEvidence

    evidence = GateEvidence.objects.exclude(gate="counsel_signoff").order_by("pk").first()
    assert evidence
    services.reopen_gate(evidence=evidence, actor=factories.OFFICER)
    return evidence.gate, evidence.jurisdiction


def allowed(world: factories.World, at: datetime) -> bool:
    from consent import selectors

    return bool(selectors.verdicts_for(world.subject, at=at).allowed())


def lease(agent: Any, at: datetime) -> Any:
    from consent import services

    return services.issue_policy(agent=agent, at=at).policy


def test_evidence_taken_back_opens_its_gate_at_once(database: Any) -> None:
    from consent import exceptions, selectors, services
    from consent.models import GateEvidence

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    now = datetime.now(UTC)
    assert allowed(world, now)

    gate, _ = an_open_gate(world)

    assert not allowed(world, now)
    verdicts = selectors.verdicts_for(world.subject, at=now)
    assert all("gates_open" in pair.decision.codes for pair in verdicts.pairs)
    assert factories.policy_in_force(agent, policy.issued_at) is None
    evidence = GateEvidence.objects.get(reopening__isnull=False)
    services.reopen_gate(evidence=evidence, actor=factories.OFFICER)
    assert database.sql("SELECT count(*) FROM consent_gatereopening") == [(1,)]
    with pytest.raises(exceptions.ApproverUnknown):
        services.reopen_gate(evidence=evidence, actor=factories.Actor.system("policy"))
    close(world.purpose, gate, evidence.jurisdiction, TODAY, None)
    assert allowed(world, now)


def test_evidence_counts_from_its_first_instant_until_its_last(database: Any) -> None:

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    gate, place = an_open_gate(world)
    close(world.purpose, gate, place, TODAY + 2 * DAY, TODAY + 5 * DAY)
    begins, ends = factories.midnight(TODAY + 2 * DAY), factories.midnight(TODAY + 5 * DAY)

    assert not allowed(world, begins - SECOND)
    assert allowed(world, begins)
    assert allowed(world, ends - SECOND)
    assert not allowed(world, ends)
    assert lease(agent, begins - SECOND).lease_until == begins
    last = lease(agent, ends - 3 * SECOND)
    assert last.allow
    assert last.lease_until == ends
    assert lease(agent, ends).allow == {}


def test_evidence_renewed_in_time_closes_without_a_break(database: Any) -> None:
    """Quebec asks for 60 days after the declaration; a renewal is no new declaration."""
    from consent.rules import rulebook

    lead = dict(rulebook().rows["CA-QC"].own.gate_lead_days)
    (gate, days), *_ = lead.items()
    world = factories.make_world("CA-QC")
    world.say_yes()
    from consent import services
    from consent.models import GateEvidence

    old = GateEvidence.objects.get(gate=gate, jurisdiction="CA-QC")
    services.reopen_gate(evidence=old, actor=factories.OFFICER)
    close(world.purpose, gate, "CA-QC", TODAY - timedelta(days=days), TODAY + 5 * DAY)
    assert "gates_open" not in codes(world, factories.midnight(TODAY, "CA-QC"))
    close(world.purpose, gate, "CA-QC", TODAY + 5 * DAY, None)

    assert "gates_open" not in codes(world, factories.midnight(TODAY + 5 * DAY, "CA-QC"))
    assert "gates_open" not in codes(world, factories.midnight(TODAY + 50 * DAY, "CA-QC"))


def test_after_a_break_the_lead_time_runs_anew(database: Any) -> None:
    from consent import services
    from consent.models import GateEvidence
    from consent.rules import rulebook

    (gate, days), *_ = dict(rulebook().rows["CA-QC"].own.gate_lead_days).items()
    world = factories.make_world("CA-QC")
    old = GateEvidence.objects.get(gate=gate, jurisdiction="CA-QC")
    services.reopen_gate(evidence=old, actor=factories.OFFICER)
    close(world.purpose, gate, "CA-QC", factories.LONG_AGO, TODAY)
    close(world.purpose, gate, "CA-QC", TODAY + DAY, None)

    over = TODAY + DAY + timedelta(days=days)
    assert "gates_open" in codes(world, factories.midnight(over, "CA-QC") - SECOND)
    assert "gates_open" not in codes(world, factories.midnight(over, "CA-QC"))


def step(world: factories.World, place: str, gate: str, at: datetime) -> Any:
    """What the page of required steps makes of a gate."""
    from consent.models import Agreement, GateEvidence
    from consent.rules import rulebook
    from consent.selectors.agreements import Agreements
    from consent.selectors.steps import step_at

    rules = rulebook()
    return step_at(
        GateEvidence.objects.filter(purpose=world.purpose, reopening__isnull=True).order_by("-pk"),
        place,
        gate,
        people_in=[place],
        known=Agreements(Agreement.objects.order_by("pk"), rules),
        rules=rules,
        at=at,
    )


def test_the_page_says_of_a_lead_time_that_it_still_runs(database: Any) -> None:
    from consent import services
    from consent.models import GateEvidence
    from consent.rules import rulebook
    from tests.integration.test_pages import signed_in

    (gate, days), *_ = dict(rulebook().rows["CA-QC"].own.gate_lead_days).items()
    world = factories.make_world("CA-QC")
    officer = signed_in("privacy_officer")
    assert "Waiting time" not in officer.get("/privacy/gates/").content.decode()
    old = GateEvidence.objects.get(gate=gate, jurisdiction="CA-QC")
    services.reopen_gate(evidence=old, actor=factories.OFFICER)
    new = close(world.purpose, gate, "CA-QC", TODAY - 2 * DAY, None)

    shown = officer.get("/privacy/gates/").content.decode()

    over = TODAY - 2 * DAY + timedelta(days=days)
    assert "1 step open: nothing is recorded there" in shown
    assert "Waiting time: nothing is recorded there yet" in shown
    assert f'datetime="{over}"' in shown
    assert f"evidence={new.pk}" in shown, "it can be taken back"
    for at in (factories.midnight(over, "CA-QC") - SECOND, factories.midnight(over, "CA-QC")):
        assert step(world, "CA-QC", gate, at).done == ("gates_open" not in codes(world, at))


def test_a_declaration_that_is_not_needed_is_not_waited_for(database: Any) -> None:
    """Quebec's, of biometric data, where none is recorded: from the day on that says so."""
    from consent import services
    from consent.models import GateEvidence
    from consent.rules import rulebook
    from tests.integration.test_pages import signed_in

    (gate, _), *_ = dict(rulebook().rows["CA-QC"].own.gate_lead_days).items()
    today = datetime.now(ZoneInfo("America/Toronto")).date()
    world = factories.make_world("CA-QC")
    world.say_yes()
    old = GateEvidence.objects.get(gate=gate, jurisdiction="CA-QC")
    services.reopen_gate(evidence=old, actor=factories.OFFICER)
    assert "gates_open" in codes(world, datetime.now(UTC))
    paper = {"purpose": world.purpose, "gates": [("CA-QC", gate)], "valid_until": None}
    paper |= {"document_title": "Note", "document_sha256": "3" * 64, "actor": factories.OFFICER}

    services.close_gate(valid_from=today, not_applicable_reason="No biometric data.", **paper)

    assert "gates_open" not in codes(world, datetime.now(UTC))
    assert "gates_open" in codes(world, factories.midnight(today, "CA-QC") - SECOND)
    now = step(world, "CA-QC", gate, datetime.now(UTC))
    assert (now.done, now.opens) == (True, today)
    shown = signed_in("auditor").get("/privacy/gates/").content.decode()
    assert "Waiting time" not in shown
    assert "No biometric data." in shown


def test_of_the_past_a_gate_that_did_not_apply_was_waited_for(database: Any) -> None:
    """As the form before told it: an explanation says what was decided then."""
    from consent.models import CohortPolicy
    from consent.policy.types import Signal
    from consent.rules import rulebook
    from consent.selectors.documents import FORM_WAITING
    from consent.selectors.explain import as_json, explain

    (gate, _), *_ = dict(rulebook().rows["CA-QC"].own.gate_lead_days).items()
    world = factories.make_world("CA-QC")
    world.say_yes()
    newest = world.subject.cohort.policies.latest("revision")
    terms = newest.document["purposes"]["train-agents"]
    for number, is_told in enumerate((True, False), start=1):
        since = {"from": (TODAY - DAY).isoformat()}
        since |= {"not_applicable": True} if is_told else {}
        gates = [item | (since if item["gate"] == gate else {}) for item in terms["gates"]]
        form = newest.document["form"] if is_told else FORM_WAITING
        purposes = {"train-agents": terms | {"gates": gates}}
        CohortPolicy.objects.create(
            cohort=newest.cohort,
            revision=newest.revision + number,
            document=newest.document | {"form": form, "purposes": purposes},
            sha256=f"{number:064}",
            since=datetime.now(UTC),
        )
        found = as_json(
            explain(
                world.subject,
                purpose=None,
                app="tracker",
                signal=Signal.SCROLL,
                at=datetime.now(UTC),
            )
        )
        open_then = "gates_open" in found["answers"][0]["reasons"]
        assert (open_then, found["legible"]) == (not is_told, True)


@pytest.mark.parametrize("ended", [True, False])
def test_the_page_says_of_an_agreements_document_what_decisions_say(
    database: Any, ended: bool
) -> None:
    from consent import services
    from consent.models import Agreement
    from tests.integration.test_pages import signed_in

    world = factories.make_world("IE")
    world.say_yes()
    gate, place = an_open_gate(world)
    services.record_agreement(
        agreement=Agreement(
            code="BV-7",
            title="t",
            parties="p",
            jurisdictions=["IE"],
            valid_from=factories.LONG_AGO,
            valid_until=TODAY - 2 * DAY if ended else None,
            document_sha256="1" * 64,
        ),
        actor=factories.OFFICER,
    )
    close(world.purpose, gate, place, factories.LONG_AGO, None)

    shown = signed_in("auditor").get("/privacy/gates/").content.decode()

    assert ("gates_open" in codes(world, datetime.now(UTC))) is ended
    assert ("1 step open: nothing is recorded there" in shown) is ended
    assert ("The document of agreement BV-7" in shown) is not ended


def codes(world: factories.World, at: datetime) -> set[str]:
    from consent import selectors

    verdicts = selectors.verdicts_for(world.subject, at=at)
    return {code for pair in verdicts.pairs for code in pair.decision.codes}


DAYS = st.integers(0, 12)


@given(spans=st.lists(st.tuples(DAYS, st.integers(1, 6) | st.none()), max_size=5), today=DAYS)
def test_a_gate_is_closed_exactly_on_the_days_that_evidence_covers(
    spans: list[tuple[int, int | None]], today: int
) -> None:
    """Against the plainest of models: days one by one."""
    from consent.policy.gates import covered_since

    def day(number: int) -> date:
        return date(2026, 1, 1) + timedelta(days=number)

    covered = {
        number
        for begin, length in spans
        for number in range(begin, 14 if length is None else begin + length)
    }
    expected = None
    if today in covered:
        first = today
        while first - 1 in covered:
            first -= 1
        expected = day(first)

    found = covered_since(
        [(day(begin), None if length is None else day(begin + length)) for begin, length in spans],
        day(today),
    )

    assert found == expected


# --- the places of other people ----------------------------------------------------------------


def papers_for(purpose: Any, *codes: str) -> None:
    """Bring evidence for all that the rules of these very places ask for."""
    from consent import services
    from consent.rules import rulebook

    services.close_gate(
        purpose=purpose,
        gates=[(code, gate) for code in codes for gate in sorted(rulebook().rows[code].own.gates)]
        + [(code, "counsel_signoff") for code in codes],
        document_title="Evidence for others",
        document_sha256="2" * 64,
        valid_from=factories.LONG_AGO,
        valid_until=None,
        actor=factories.OFFICER,
    )


def showing_others(*codes: str) -> factories.World:
    """Somebody in Ireland who said yes to a page's text in an app that shows people elsewhere."""
    from consent import services
    from consent.policy.types import Signal

    world = factories.make_world("IE")
    text = [Signal.DOM_TEXT, Signal.MOUSE_CLICK]
    services.allow_in_purpose(
        purpose=world.purpose, app=world.apps["sheet"], signals=text, actor=factories.OFFICER
    )
    services.change_app(
        app=world.apps["sheet"],
        fields={"data_of": "customers", "counterparties": codes, "counterparties_masked": True},
        actor=factories.OFFICER,
    )
    world.say_yes(*(("sheet", signal) for signal in text))
    return world


def waits(world: factories.World) -> set[str]:
    """Return what of the steps that come first stands against the text of others.

    That they have not agreed themselves stands against it in any case, and is left out.
    """
    from consent.policy.types import Signal

    decision = factories.decision_for(
        world.subject,
        purpose="train-agents",
        app="sheet",
        signal=Signal.DOM_TEXT,
        at=datetime.now(UTC),
    )
    assert decision is not None
    assert "counterparty_unconsented" in decision.codes
    return set(decision.codes) - {"counterparty_unconsented"}


def test_evidence_at_home_closes_no_gate_for_the_country_of_others(database: Any) -> None:
    world = showing_others("FR")

    assert "gates_open" in waits(world)


def test_evidence_for_the_country_of_others_gives_each_cohort_a_new_revision(
    database: Any,
) -> None:
    from consent import selectors, services
    from consent.models import GateEvidence

    world = showing_others("FR")
    elsewhere = world.another_subject("GB")
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    cohorts = [world.subject.cohort, elsewhere.cohort]
    before = [selectors.current_cohort_policy(cohort).revision for cohort in cohorts]

    papers_for(world.purpose, "FR")

    assert waits(world) == set()
    after = [selectors.current_cohort_policy(cohort).revision for cohort in cohorts]
    assert after == [revision + 1 for revision in before]
    assert factories.policy_in_force(agent, policy.issued_at) is None

    french = GateEvidence.objects.filter(jurisdiction="FR").exclude(gate="counsel_signoff").first()
    services.reopen_gate(evidence=french, actor=factories.OFFICER)

    assert "gates_open" in waits(world)
    assert factories.policy_in_force(agent, datetime.now(UTC)) is None


def test_an_app_that_comes_to_show_others_asks_for_their_evidence_at_once(database: Any) -> None:
    from consent import services

    world = showing_others("FR")
    papers_for(world.purpose, "FR")
    assert waits(world) == set()

    services.change_app(
        app=world.apps["sheet"], fields={"counterparties": ["FR", "BE"]}, actor=factories.OFFICER
    )

    assert "gates_open" in waits(world)
    papers_for(world.purpose, "BE")
    assert waits(world) == set()


def test_the_evidence_of_a_country_where_nobody_is_stays_out_of_the_document(
    database: Any,
) -> None:
    from consent import selectors

    world = showing_others("FR")
    before = selectors.current_cohort_policy(world.subject.cohort)

    papers_for(world.purpose, "PL")

    assert selectors.current_cohort_policy(world.subject.cohort) == before


def test_counsel_signs_off_the_country_of_others_apart_from_home(database: Any) -> None:
    from consent import selectors
    from consent.policy.types import Signal
    from consent.rules import rulebook

    unsure = sorted(code for code, row in rulebook().rows.items() if row.own.needs_counsel)
    code = next(one for one in unsure if rulebook().rows[one].parent is None)
    world = showing_others(code)

    def reasons() -> set[str]:
        decision = factories.decision_for(
            world.subject,
            purpose="train-agents",
            app="sheet",
            signal=Signal.DOM_TEXT,
            at=datetime.now(UTC),
        )
        return set(decision.codes) if decision else set()

    assert "counsel_signoff_missing" in reasons()
    wanted = [one for one in selectors.attention(datetime.now(UTC)) if one.matter == "counsel"]
    assert code in {place for one in wanted for place in one.jurisdictions}

    papers_for(world.purpose, code)

    assert "counsel_signoff_missing" not in reasons()


def test_explaining_shows_the_papers_of_the_places_that_count_alone(database: Any) -> None:
    from consent import selectors
    from consent.policy.types import Signal
    from consent.selectors.explain import as_json

    world = showing_others("FR")
    papers_for(world.purpose, "FR")

    def places(signal: Signal) -> set[str]:
        found = as_json(
            selectors.explain(
                world.subject,
                purpose="train-agents",
                app="sheet",
                signal=signal,
                at=datetime.now(UTC),
            )
        )
        (answer,) = found["answers"]
        return {one["jurisdiction"] for one in answer["stands"] if one["kind"] == "evidence"}

    assert "FR" in places(Signal.DOM_TEXT)
    assert "FR" not in places(Signal.MOUSE_CLICK)


def test_the_page_of_required_steps_lists_the_places_of_others(database: Any) -> None:
    from portal.pages.conditions import _places

    showing_others("FR")

    assert _places() == ["FR", "IE"]


def test_a_council_is_named_no_place_of_few_people(database: Any, settings: Any) -> None:
    """Officers record where people are, and auditors may look anybody up: they are told."""
    settings.SMALLEST_GROUP = 2
    world = factories.make_world("DE")
    world.another_subject("DE")
    world.another_subject("PL")

    told = {
        role: signed_in(role).get("/privacy/gates/").content.decode().partition("<main")[2]
        for role in ("privacy_officer", "auditor", "works_council")
    }

    assert [role for role in told if "Poland" not in told[role]] == ["works_council"]
    assert [role for role in told if "fewer than 2 people" in told[role]] == ["works_council"]
    assert [role for role, page in told.items() if "Germany" not in page] == []
    assert [role for role, page in told.items() if "European Union" not in page] == []


def test_where_many_are_a_council_is_told_every_place(database: Any, settings: Any) -> None:
    settings.SMALLEST_GROUP = 2
    world = factories.make_world("DE")
    for place in ("DE", "PL", "PL"):
        world.another_subject(place)

    page = signed_in("works_council").get("/privacy/gates/").content.decode()

    assert "Poland" in page
    assert "fewer than" not in page
