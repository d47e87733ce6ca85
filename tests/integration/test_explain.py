"""Explain: never another answer than the decision's own, with what is behind it, and recorded."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.policy.types import NeverSignal
from tests import factories
from tests.integration.test_pages import signed_in
from tests.small_worlds import WORLDS, build

PAGE, OWN, API = "/privacy/explain/", "/you/explain/", "/api/v1/explain"
LOOKED_AT = {"mouse_click", "mouse_move", "scroll", "window_title", "screenshot"}
EXPLAINED = "SELECT count(*) FROM audit_entry WHERE type = 'decision.explained'"


def explained(subject: Any, app: str = "tracker", signal: str = "mouse_click", **how: Any) -> Any:
    """Return the explanation as JSON has it."""
    from consent.policy.schema import ALL_SIGNALS
    from consent.selectors.explain import as_json, explain

    asked = {"purpose": None, "at": timezone.now(), **how}
    return as_json(explain(subject, app=app, signal=ALL_SIGNALS[signal], **asked))


def only(found: dict[str, Any]) -> dict[str, Any]:
    (answer,) = found["answers"]
    return answer


def grounds(found: dict[str, Any], code: str) -> list[dict[str, Any]]:
    """Return the papers behind one reason."""
    return next(e["grounds"] for e in only(found)["explanations"] if e["code"] == code)


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world("DE")


def ask(client: Client, body: dict[str, Any], **headers: Any) -> Any:
    return client.post(API, body, content_type="application/json", headers=headers)


# --- the answer --------------------------------------------------------------------------------


def test_the_explanation_is_the_decision_for_every_pair(database: Any) -> None:
    from consent import selectors

    @settings(
        max_examples=6,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(drawn=WORLDS)
    def same(drawn: dict[str, Any]) -> None:
        began = timezone.now()
        world = build(drawn)
        now = timezone.now()
        apps = {app.code for app in world.apps}
        for subject in world.people[:2]:
            for at in (now, began + (now - began) / 2, now + timedelta(days=41)):
                for pair in selectors.verdicts_at(subject, at=at).pairs:
                    if pair.app in apps and pair.signal.value in LOOKED_AT:
                        compare(subject, pair, at)

    same()


def compare(subject: Any, pair: Any, at: Any) -> None:
    from consent import selectors

    found = selectors.explain(
        subject, purpose=pair.purpose, app=pair.app, signal=pair.signal, at=at
    )

    (answer,) = found.answers
    assert answer.decision.codes == pair.decision.codes
    assert answer.decision.retention_days == pair.decision.retention_days
    assert [step.text.code for step in answer.steps] == list(pair.decision.codes)
    for step in answer.steps:
        state = step.text.code.partition("no_consent:")[2]
        if state and state != "unknown":
            assert [ground.code for ground in step.grounds] == [state]
        if step.text.code == "agreement_does_not_cover":
            assert [ground.sha256 != "" for ground in step.grounds] == [True]
        if step.text.code == "kill_switch":
            assert step.grounds
    if pair.decision.permitted:
        assert {"consent", "notice"} <= {str(ground.kind) for ground in answer.stands}
    if "never_category" in pair.decision.codes:
        assert (found.places, found.policies, answer.stands) == ((), (), ())


def test_a_yes_names_its_consent_notice_evidence_and_term(world: factories.World) -> None:
    world.say_yes()

    found = explained(world.subject)

    answer = only(found)
    assert (found["decision"], answer["reasons"], answer["retention_days"]) == ("allow", [], 60)
    kinds = [ground["kind"] for ground in answer["stands"]]
    assert kinds[:2] == ["consent", "notice"]
    paper = next(g for g in answer["stands"] if g.get("code") == "works_council_agreement")
    assert (paper["title"], paper["sha256"]) == ("Evidence", "0" * 64)
    assert found["jurisdictions"] == ["DE"]
    assert found["pack_version"]
    assert found["disclaimer"]


def test_the_past_is_explained_by_what_stood_then(world: factories.World) -> None:
    from consent import services

    before = timezone.now()
    world.say_yes(at=timezone.now())
    between = timezone.now()
    services.withdraw_everything(subject=world.subject)
    after = timezone.now()

    assert only(explained(world.subject, at=before))["reasons"][:1] == ["no_consent:unknown"]
    then = explained(world.subject, at=between)
    assert then["decision"] == "allow"
    (yes,) = [g for g in only(then)["stands"] if g["kind"] == "consent"]
    assert yes["code"] == "given"
    assert before.isoformat() < yes["since"] < between.isoformat()
    found = explained(world.subject, at=after)
    assert "no_consent:withdrawn" in only(found)["reasons"]
    (event,) = grounds(found, "no_consent:withdrawn")
    assert between.isoformat() < event["since"] < after.isoformat()
    assert event["version"] == 1
    assert [g["kind"] for g in only(found)["stands"]].count("consent") == 0


def test_before_somebody_was_known_everything_was_denied(world: factories.World) -> None:
    long_ago = timezone.now() - timedelta(days=3650)

    found = explained(world.subject, at=long_ago)

    assert found["decision"] == "deny"
    assert only(found)["reasons"] == [
        "unknown_jurisdiction",
        "app_not_allowlisted",
        "no_consent:unknown",
    ]
    assert (found["pack_version"], found["pack_digest"]) == ("", "")


def test_a_pause_and_a_switch_are_named_with_their_beginning(world: factories.World) -> None:
    from consent import services

    world.say_yes()
    services.pause_capture(subject=world.subject)
    services.pull_kill_switch(purpose=None, by=uuid4(), role="operator", reason="incident")

    found = explained(world.subject)

    assert only(found)["reasons"] == ["kill_switch", "paused"]
    (switch,) = grounds(found, "kill_switch")
    assert (switch["code"], switch["note"]) == ("incident", "everything")
    (pause,) = grounds(found, "paused")
    assert pause["since"] < timezone.now().isoformat()
    then = explained(world.subject, at=timezone.now() - timedelta(hours=1))
    assert "paused" not in only(then)["reasons"]


def test_an_open_gate_shows_the_paper_that_lapsed_or_was_taken_back(
    world: factories.World,
) -> None:
    from consent import services
    from consent.models import GateEvidence

    world.say_yes()
    paper = GateEvidence.objects.get(gate="works_council_agreement", jurisdiction="DE")
    services.reopen_gate(evidence=paper, actor=factories.OFFICER)
    today = timezone.now().date()
    services.close_gate(
        purpose=world.purpose,
        gates=[("DE", "works_council_agreement")],
        document_title="An older one",
        document_sha256="1" * 64,
        valid_from=today - timedelta(days=90),
        valid_until=today,
        actor=factories.OFFICER,
    )

    found = explained(world.subject)

    assert only(found)["reasons"] == ["gates_open"]
    step = only(found)["explanations"][0]
    assert step["rules"] == [
        {"jurisdiction": "DE", "key": "gates", "value": ["works_council_agreement"]}
    ]
    assert step["citations"][0]["v"] in {"S", "P", "M"}
    assert {(g["title"], g["counts"]) for g in step["grounds"]} == {
        ("An older one", "lapsed"),
        ("Evidence", "taken_back"),
    }


def test_an_agreement_that_does_not_reach_is_named(world: factories.World) -> None:
    from consent import services
    from consent.models import Agreement

    world.say_yes()
    services.record_agreement(
        agreement=Agreement(
            code="BV-2026-07",
            title="Scrolling only",
            parties="Both",
            jurisdictions=["DE"],
            signals=["scroll"],
            retention_cap_days=9,
            valid_from=factories.LONG_AGO,
            document_sha256="2" * 64,
        ),
        actor=factories.OFFICER,
    )

    clicks, scrolling = explained(world.subject), explained(world.subject, signal="scroll")

    (paper,) = grounds(clicks, "agreement_does_not_cover")
    assert (paper["code"], paper["sha256"], paper["counts"]) == (
        "BV-2026-07",
        "2" * 64,
        "in_force",
    )
    assert only(scrolling)["retention_days"] == 9
    assert "BV-2026-07" in {g.get("code") for g in only(scrolling)["stands"]}


def test_a_signal_that_left_the_list_is_no_matter_of_the_persons_answer(
    world: factories.World,
) -> None:
    from consent import services
    from consent.policy.types import Signal

    unanswered = only(explained(world.subject, app="tracker"))["reasons"]
    world.say_yes()
    services.disallow_in_purpose(
        purpose=world.purpose,
        app=world.apps["tracker"],
        signals=[Signal.MOUSE_CLICK],
        actor=factories.OFFICER,
    )

    taken = explained(world.subject, app="tracker")
    never = only(explained(world.subject, app="tracker", signal="screenshot"))["reasons"]

    assert "notice_changed_reconsent" not in unanswered
    assert "no_consent:unknown" in unanswered
    assert only(taken)["reasons"] == ["signal_not_listed"]
    (delisted,) = grounds(taken, "signal_not_listed")
    assert (delisted["kind"], delisted["code"]) == ("app", "delisted")
    assert "signal_not_listed" in never
    assert "signal_not_consented" not in never


def test_an_app_that_left_the_list_says_when(world: factories.World) -> None:
    from consent import services

    world.say_yes()
    services.disallow_in_purpose(
        purpose=world.purpose,
        app=world.apps["sheet"],
        signals=factories.OFFERED,
        actor=factories.OFFICER,
    )

    (delisted,) = grounds(explained(world.subject, app="sheet"), "app_not_allowlisted")

    assert (delisted["kind"], delisted["code"]) == ("app", "delisted")
    assert delisted["since"] <= timezone.now().isoformat()


def test_the_policy_a_machine_held_then_is_named(world: factories.World) -> None:
    world.say_yes()
    policy = factories.make_policy(factories.make_agent(world.subject))
    during = policy.issued_at + timedelta(seconds=1)

    clicks = explained(world.subject, at=during)
    moves = explained(world.subject, signal="mouse_move", at=during)
    after = explained(world.subject, at=policy.lease_until)

    assert [(p["version"], p["allowed"]) for p in clicks["policies"]] == [(policy.version, True)]
    assert [p["allowed"] for p in moves["policies"]] == [False]
    assert after["policies"] == []


@pytest.mark.parametrize("signal", list(NeverSignal))
def test_what_nobody_may_record_lists_every_reason(
    world: factories.World, signal: NeverSignal
) -> None:
    from consent import services

    told = only(explained(world.subject, signal=signal))
    assert told["reasons"] == ["signal_prohibited", "signal_not_listed", "no_consent:unknown"]
    assert told["purpose"] == "train-agents"

    world.say_yes()
    services.pause_capture(subject=world.subject)
    told = only(explained(world.subject, signal=signal))
    assert told["reasons"] == ["paused", "signal_prohibited", "signal_not_listed"]

    services.change_app(
        app=world.apps["tracker"], fields={"category": "unknown"}, actor=factories.OFFICER
    )
    told = only(explained(world.subject, signal=signal))
    assert "app_category_unknown" in told["reasons"]

    # Nothing was published of the app then, and nothing was known of the person.
    then = timezone.now() - timedelta(days=9999)
    assert only(explained(world.subject, signal=signal, at=then))["reasons"] == [
        "unknown_jurisdiction",
        "signal_prohibited",
        "app_not_allowlisted",
        "no_consent:unknown",
    ]


def test_a_signal_that_nobody_may_record_has_every_reason_of_one_that_is_not_listed(
    database: Any,
) -> None:
    """Whatever stands against the app, the person and the place stands against it as well."""
    from consent import selectors
    from consent.policy.types import Signal

    @settings(
        max_examples=6,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(drawn=WORLDS, never=st.sampled_from(NeverSignal))
    def same(drawn: dict[str, Any], never: NeverSignal) -> None:
        world = build(drawn)
        own = {"signal_prohibited", "signal_restricted_no_override", "agreement_does_not_cover"}
        own |= {"signal_not_listed", "signal_not_consented", "listed_anew_reconsent"}
        verdicts = selectors.verdicts_at(world.people[0], at=timezone.now())
        for pair in verdicts.pairs:
            if pair.signal is not Signal.MOUSE_CLICK:
                continue
            found = selectors.explain(
                world.people[0], purpose=pair.purpose, app=pair.app, signal=never, at=verdicts.at
            )
            (answer,) = found.answers
            if pair.decision.codes == ("never_category",):
                assert answer.decision.codes == ("never_category",)
                continue
            assert "signal_prohibited" in answer.decision.codes
            assert set(answer.decision.codes) - own == set(pair.decision.codes) - own

    same()


# --- never -------------------------------------------------------------------------------------


@pytest.fixture
def clinic(world: factories.World) -> str:
    """An app of the company doctor."""
    from consent import services
    from consent.policy.types import AppCategory, MatcherKind, Platform

    services.list_app(
        code="clinic",
        name="Clinic",
        category=AppCategory.HEALTH,
        data_of="own",
        matchers=[(Platform.WEB, MatcherKind.DOMAIN, "clinic.example")],
        actor=factories.OFFICER,
    )
    return "clinic"


@pytest.mark.parametrize("signal", ["mouse_click", "webcam"])
def test_of_an_app_never_captured_only_that_is_said(
    world: factories.World, clinic: str, signal: str
) -> None:
    from consent import services

    world.say_yes()
    factories.make_policy(factories.make_agent(world.subject))
    services.pause_capture(subject=world.subject)

    for at in (timezone.now(), timezone.now() - timedelta(days=999)):
        found = explained(world.subject, app=clinic, signal=signal, at=at)

        answer = only(found)
        assert answer["reasons"] == ["never_category"]
        assert (answer["purpose"], answer["stands"], answer["retention_days"]) == ("", [], None)
        assert [e["grounds"] + e["citations"] + e["rules"] for e in answer["explanations"]] == [[]]
        assert (found["jurisdictions"], found["policies"], found["reconstructed"]) == (
            [],
            [],
            False,
        )


def test_of_an_app_that_was_reported_only_that_is_said(world: factories.World) -> None:
    from consent import services
    from consent.policy.types import AppCategory

    world.say_yes()
    before = timezone.now()
    services.report_app(
        app=world.apps["tracker"],
        suspected=AppCategory.HEALTH,
        reporter=uuid4(),
        actor=factories.OFFICER,
    )

    found = explained(world.subject)

    assert (only(found)["reasons"], only(found)["stands"]) == (["never_category"], [])
    assert explained(world.subject, at=before)["decision"] == "allow"


# --- the page ----------------------------------------------------------------------------------


def question(subject: Any, differs: dict[str, str] | None = None) -> dict[str, str]:
    return {"subject": str(subject.ref), "app": "tracker", "signal": "mouse_click"} | (
        differs or {}
    )


@pytest.mark.parametrize("role", ["privacy_officer", "auditor"])
def test_the_page_answers_and_the_look_is_recorded(
    world: factories.World, database: Any, role: str
) -> None:
    world.say_yes()
    reader = signed_in(role)

    page = reader.post(PAGE, question(world.subject))

    text = page.content.decode()
    assert page.status_code == 200
    assert "Kept for 60 days at most" in text
    assert "Works agreement on the tool (DE)" in text
    assert "not legal advice" in text
    assert database.sql(EXPLAINED) == [(1,)]
    assert database.sql(
        "SELECT p.subject_ref, p.actor_kind FROM audit_private p JOIN audit_entry e"
        " ON e.id = p.entry_id WHERE e.type = 'decision.explained'"
    ) == [(world.subject.ref, "staff")]


def test_where_the_look_cannot_be_recorded_nothing_is_shown(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    world.say_yes()
    reader = signed_in("auditor")

    def broken(*_: Any, **__: Any) -> int:
        raise RuntimeError("no entry is possible")

    monkeypatch.setattr(ledger, "append", broken)

    with pytest.raises(RuntimeError):
        reader.post(PAGE, question(world.subject))


def test_nothing_personal_can_stand_in_the_address(world: factories.World, database: Any) -> None:
    reader = signed_in("auditor")

    page = reader.get(PAGE, question(world.subject))

    assert "explained" not in page.context
    assert str(world.subject.ref) not in page.content.decode()
    assert database.sql(EXPLAINED) == [(0,)]


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"subject": "nonsense"}, "Copy it whole"),
        ({"subject": "00000000-0000-4000-8000-000000000000"}, "Nobody has this reference."),
        ({"app": "nowhere"}, "Select a valid choice"),
        ({"signal": "thoughts"}, "Select a valid choice"),
        ({"at": "soon"}, "Enter a valid date"),
        ({"at": "0999-01-01T00:00"}, "too long ago"),
    ],
)
def test_a_fault_is_named_and_what_was_typed_stays(
    world: factories.World, database: Any, differs: dict[str, str], words: str
) -> None:
    page = signed_in("auditor").post(PAGE, question(world.subject, differs))

    assert page.status_code == 422
    assert words in page.content.decode()
    kept = differs.get("subject", str(world.subject.ref))
    assert f'value="{kept}"' in page.content.decode()
    assert database.sql(EXPLAINED) == [(0,)]


def test_only_the_privacy_team_and_auditors_ask_about_others(world: factories.World) -> None:
    for role in ("works_council", "manager", "ml_steward", "operator"):
        assert signed_in(role).post(PAGE, question(world.subject)).status_code == 403, role
    assert signed_in(subject=world.subject).get(PAGE).status_code == 403


def test_people_ask_about_themselves_and_nobody_is_told(
    world: factories.World, database: Any
) -> None:
    world.say_yes()
    other = world.another_subject()
    person = signed_in(subject=other)

    # Whose reference is sent along does not matter: the answer is about who is signed in.
    page = person.post(OWN, question(world.subject))

    text = page.content.decode()
    assert page.status_code == 200
    assert "You have not been asked, or have not answered yet." in text
    assert "/privacy/rules/" not in text
    assert database.sql(EXPLAINED) == [(0,)]
    assert "/you/explain/" in person.get("/you/why/").content.decode()


# --- the command -------------------------------------------------------------------------------


def command(*argv: str) -> str:
    out = io.StringIO()
    call_command("explain", *argv, stdout=out)
    return out.getvalue()


def test_the_command_tells_the_same_and_is_recorded(world: factories.World, database: Any) -> None:
    world.say_yes()
    ref = str(world.subject.ref)
    at = timezone.now().isoformat()

    told = json.loads(
        command("--subject", ref, "--app", "tracker", "--signal", "scroll", "--at", at, "--json")
    )
    text = command("--subject", ref, "--app", "tracker", "--signal", "mouse_move")

    assert (told["decision"], told["part"]) == ("theirs", "shared")
    assert told["at"] == at
    assert "denied" in text
    assert "[signal_restricted_no_override]" in text
    assert "BAG 27.7.2017" in text
    assert "Not legal advice." in text
    assert database.sql(EXPLAINED) == [(2,)]
    assert database.sql("SELECT DISTINCT actor_ref FROM audit_private WHERE actor_ref = 'command'")


def test_a_day_is_its_beginning_in_utc(world: factories.World) -> None:
    ref = str(world.subject.ref)

    told = json.loads(
        command("--subject", ref, "--app", "tracker", "--signal", "scroll", "--at", "2027-05-24",
                "--json")
    )  # fmt: skip

    assert told["at"] == "2027-05-24T00:00:00+00:00"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--subject", "nonsense", "Nobody has this reference."),
        ("--subject", "00000000-0000-4000-8000-000000000000", "Nobody has this reference."),
        ("--signal", "thoughts", "'thoughts' is no signal"),
        ("--purpose", "else", "No purpose 'else' is known here."),
        ("--at", "soon", "'soon' is no instant"),
        ("--at", "0001-01-01", "'0001-01-01' is no instant"),
    ],
)
def test_what_is_not_known_is_one_sentence_and_status_two(
    world: factories.World, database: Any, option: str, value: str, words: str
) -> None:
    asked = {"--subject": str(world.subject.ref), "--app": "tracker", "--signal": "scroll"}
    argv = [part for pair in (asked | {option: value}).items() for part in pair]

    with pytest.raises(CommandError) as refusal:
        command(*argv)

    assert words in str(refusal.value)
    assert str(refusal.value).count("\n") == 0
    assert refusal.value.returncode == 2
    assert database.sql(EXPLAINED) == [(0,)]


# --- the API -----------------------------------------------------------------------------------


@pytest.fixture
def token(world: factories.World) -> str:
    """The token of the person's own agent."""
    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    agent = factories.make_agent(world.subject)
    made = new_token()
    AgentToken.objects.create(agent=agent, sha256=token_hash(made))
    return made


BODY = {"app": "tracker", "signal": "mouse_click"}


def test_an_agent_asks_about_its_own_person(
    world: factories.World, token: str, database: Any
) -> None:
    world.say_yes()
    factories.make_policy(factories.make_agent(world.subject))  # another machine of theirs

    answer = ask(Client(), BODY, Authorization=f"Bearer {token}")

    assert answer.status_code == 200
    told = answer.json()
    assert told["decision"] == "allow"
    assert told["policies"] == [], "another machine's lease is not this machine's business"
    assert str(world.subject.ref) not in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    assert database.sql(EXPLAINED) == [(0,)]


def test_an_agent_asks_about_nobody_else(world: factories.World, token: str) -> None:
    other = world.another_subject()

    answer = ask(Client(), {**BODY, "subject": str(other.ref)}, Authorization=f"Bearer {token}")

    assert (answer.status_code, answer.json()["code"]) == (400, "subject_not_yours")


def test_an_agent_that_was_cut_off_learns_nothing(world: factories.World, token: str) -> None:
    from consent import services
    from consent.models import Agent

    agent = Agent.objects.get()
    services.revoke_agent(subject=world.subject, ref=agent.ref)

    answer = ask(Client(), BODY, Authorization=f"Bearer {token}")

    assert (answer.status_code, answer.json()["code"]) == (403, "agent_revoked")


@pytest.mark.parametrize("role", ["privacy_officer", "auditor"])
def test_staff_ask_by_reference_and_it_is_recorded(
    world: factories.World, database: Any, role: str
) -> None:
    world.say_yes()

    answer = ask(signed_in(role), {**BODY, "subject": str(world.subject.ref)})

    assert answer.status_code == 200
    assert only(answer.json())["purpose"] == "train-agents"
    assert database.sql(EXPLAINED) == [(1,)]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (BODY, 400, "invalid_request"),
        ({**BODY, "subject": "nonsense"}, 400, "invalid_request"),
        ({**BODY, "subject": str(uuid4())}, 404, "not_known_here"),
        ({**BODY, "purpose": "else", "subject": "own"}, 404, "not_known_here"),
        ({**BODY, "signal": "thoughts", "subject": "own"}, 400, "invalid_request"),
        ({**BODY, "at": "soon", "subject": "own"}, 400, "invalid_request"),
        ({**BODY, "at": "0001-01-01T00:00:00Z", "subject": "own"}, 400, "invalid_request"),
        ({**BODY, "when": "2026-12-10T00:00:00Z", "subject": "own"}, 400, "invalid_request"),
        ({**BODY, "app": "a\x00b", "subject": "own"}, 400, "parse_error"),
        ([], 400, "invalid_request"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_document(
    world: factories.World, database: Any, body: Any, status: int, code: str
) -> None:
    if isinstance(body, dict) and body.get("subject") == "own":
        body = {**body, "subject": str(world.subject.ref)}

    answer = ask(signed_in("auditor"), body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["next_step"]
    assert database.sql(EXPLAINED) == [(0,)]


def test_strangers_and_other_roles_learn_nothing(world: factories.World) -> None:
    body = {**BODY, "subject": str(world.subject.ref)}

    assert ask(Client(), body).status_code == 401
    assert ask(Client(), body, Authorization="Bearer nonsense").status_code == 401
    for role in ("manager", "works_council", "ml_steward", "operator"):
        answer = ask(signed_in(role), body)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing"), role
    own = ask(signed_in(subject=world.subject), body)
    assert own.status_code == 403


def test_a_login_needs_the_form_token_too(world: factories.World, database: Any) -> None:
    from portal.models import User

    signed_in("auditor")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(
        User.objects.get(), backend="allauth.account.auth_backends.AuthenticationBackend"
    )

    answer = ask(strict, {**BODY, "subject": str(world.subject.ref)})

    assert (answer.status_code, answer.json()["code"]) == (403, "form_token_missing")
    assert database.sql(EXPLAINED) == [(0,)]


def test_the_schema_names_the_operation_and_both_ways_in(world: factories.World) -> None:
    schema = Client().get("/api/schema/").json()

    operation = schema["paths"][API]["post"]
    assert operation["security"] == [{"agentToken": []}, {"login": []}]
    out = schema["components"]["schemas"]["ExplainOut"]["properties"]
    assert set(out) == set(explained(world.subject))
    answer = schema["components"]["schemas"]["AnswerOut"]["properties"]
    assert set(answer) == set(explained(world.subject)["answers"][0])


# --- what nobody registered --------------------------------------------------------------------


def test_an_app_that_nobody_registered_is_explained_as_denied(
    world: factories.World, database: Any
) -> None:
    world.say_yes()

    for purpose in (None, "train-agents"):
        found = explained(world.subject, app="nosuch", purpose=purpose)
        assert found["decision"] == "deny"
        assert only(found)["reasons"] == ["app_not_allowlisted", "app_category_unknown"]
    assert only(explained(world.subject, app="nosuch", signal="webcam"))["reasons"] == [
        "signal_prohibited", "app_not_allowlisted", "app_category_unknown",
    ]  # fmt: skip


def test_every_channel_answers_about_it_and_the_ledger_does_not_repeat_the_name(
    world: factories.World, database: Any
) -> None:
    ref = str(world.subject.ref)
    text = command("--subject", ref, "--app", "jane-doe", "--signal", "scroll")
    assert "denied" in text
    assert "[app_category_unknown]" in text
    answer = ask(signed_in("auditor"), {**BODY, "app": "jane-doe", "subject": ref})
    assert (answer.status_code, answer.json()["decision"]) == (200, "deny")

    from audit import selectors as audit
    from portal.explaining import looks_at

    assert database.sql(EXPLAINED) == [(2,)]
    assert [look.detail.get("app") for look in looks_at(world.subject, limit=9)] == [None, None]
    rows = audit.search(type="decision.explained", subject_ref=world.subject.ref, limit=9)
    assert "jane" not in str([row.data for row in rows])
