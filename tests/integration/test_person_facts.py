"""Facts about people come in by a page, a file or a system; people doubt their own."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tests import factories
from tests.integration.test_pages import signed_in

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
HEAD = "person,kind,value,from,until,source"
PAGE, OWN, API = "/privacy/people/", "/you/facts/", "/api/v1/facts"


@pytest.fixture
def subject(database: Any) -> Any:
    return factories.make_subject("DE")


@pytest.fixture
def officer(database: Any) -> Client:
    return signed_in("privacy_officer")


def places(subject: Any) -> list[str]:
    subject.refresh_from_db()
    return list(subject.cohort.facts["jurisdictions"])


def entries(database: Any, kind: str) -> int:
    return int(database.sql("SELECT count(*) FROM audit_entry WHERE type = %s", kind)[0][0])


def facts(database: Any) -> list[Any]:
    return database.sql(
        "SELECT kind, value, valid_from, valid_until FROM consent_subjectfact"
        " WHERE kind <> 'unit' ORDER BY id"
    )


def fact(value: str = "PL", since: date = TODAY, **differs: Any) -> dict[str, Any]:
    said = {"kind": "work_location", "value": value, "valid_from": str(since), "source": "hr"}
    return {**said, **differs}


# --- the page of the privacy team ----------------------------------------------------------------


def test_an_officer_finds_a_person_and_the_look_is_recorded(
    officer: Client, subject: Any, database: Any
) -> None:
    from portal.models import User

    User.objects.create_user("ada@example.org", None, name="Ada", subject=subject)
    for who in (str(subject.ref), " ADA@example.org "):
        answer = officer.post(PAGE, {"person": who})

        assert answer.status_code == 200
        assert "Works in: Germany (DE)" in answer.content.decode()
    assert entries(database, "subject.facts_viewed") == 2
    assert officer.get(PAGE).status_code == 200
    assert officer.post(PAGE, {"person": "nobody@example.org"}).status_code == 422
    assert entries(database, "subject.facts_viewed") == 2


def test_no_page_is_shown_where_the_look_cannot_be_recorded(
    officer: Client, subject: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    def fail(*_: Any, **__: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(ledger, "append", fail)
    with pytest.raises(ZeroDivisionError):
        officer.post(PAGE, {"person": str(subject.ref)})


def test_a_move_by_the_page_changes_the_rules_at_once(
    officer: Client, subject: Any, database: Any
) -> None:
    person = {"person": str(subject.ref), **fact("PL")}

    trial = officer.post(PAGE, {**person, "act": "preview"}).content.decode()
    assert "What it would mean" in trial
    assert "Poland (PL)" in trial.partition("What it would mean")[2]
    assert (places(subject), len(facts(database))) == (["DE"], 1), "a trial keeps nothing"
    assert entries(database, "subject.fact_recorded") == 0

    page = officer.post(PAGE, {**person, "act": "add"}).content.decode()

    assert "Works in: Poland (PL)" in page
    assert places(subject) == ["PL"]
    assert facts(database)[-1] == ("work_location", "PL", TODAY, None)
    officer.post(PAGE, {**person, "act": "add"})
    assert len(facts(database)) == 2, "a repeat changes nothing"


def test_the_page_says_which_rules_apply_from_when(officer: Client, subject: Any) -> None:
    ahead = TODAY + 20 * DAY
    travel = fact("FR", ahead, kind="travel", valid_until=str(ahead + 5 * DAY))

    page = officer.post(PAGE, {"person": str(subject.ref), **travel, "act": "add"})

    told = page.content.decode().partition("Which rules apply")[2]
    assert told.count("<h3>") >= 3
    first, second, third = told.split("<h3>")[1:4]
    assert "France" not in first
    assert "France (FR)" in second
    assert "Germany (DE)" in second
    assert "France" not in third


def test_a_fact_is_ended_on_a_day(officer: Client, subject: Any, database: Any) -> None:
    row = subject.facts.get(kind="work_location")
    ask = {"person": str(subject.ref), "act": "end", "fact": row.pk}

    officer.post(PAGE, {**ask, "valid_until": str(TODAY)})

    assert places(subject) == []
    assert facts(database)[0][3] == TODAY
    late = officer.post(PAGE, {**ask, "valid_until": str(TODAY + DAY)})
    assert late.status_code == 422
    assert b"ended earlier already" in late.content
    assert facts(database)[0][3] == TODAY


def test_nobody_elses_fact_is_ended_by_its_number(officer: Client, subject: Any) -> None:
    other = factories.make_subject("FR")
    row = other.facts.get(kind="work_location")
    ask = {"person": str(subject.ref), "act": "end", "fact": row.pk}

    assert officer.post(PAGE, {**ask, "valid_until": str(TODAY)}).status_code == 404
    assert places(other) == ["FR"]


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"value": "XX"}, "No rule knows a place"),
        ({"valid_from": "1066-10-14"}, "too long ago"),
        ({"valid_until": str(TODAY)}, "after the first one"),
        ({"source": "Ms Smith said"}, "Letters, digits and hyphens"),
        ({"kind": "mood"}, "not one of the available"),
    ],
)
def test_what_cannot_be_recorded_says_why(
    officer: Client, subject: Any, database: Any, differs: dict[str, str], words: str
) -> None:
    answer = officer.post(PAGE, {"person": str(subject.ref), **fact(**differs), "act": "add"})

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert len(facts(database)) == 1


@pytest.mark.parametrize("role", ["manager", "works_council", "ml_steward", "auditor", "operator"])
def test_no_other_role_comes_near(subject: Any, role: str) -> None:
    person = signed_in(role)

    assert person.get(PAGE).status_code == 403
    assert person.post(PAGE, {"person": str(subject.ref)}).status_code == 403
    for path in ("", "/search", "/end"):
        body = {"person": str(subject.ref), **fact()}
        answer = person.post(API + path, body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")


# --- one's own page ------------------------------------------------------------------------------


def test_a_person_sees_their_own_facts_and_doubts_one(
    officer: Client, subject: Any, database: Any
) -> None:
    own = signed_in(subject=subject)
    page = own.get(OWN).content.decode()
    assert "Works in: Germany (DE)" in page
    assert "<code>test</code>" in page
    row = subject.facts.get(kind="work_location")

    for _ in range(2):
        own.post(OWN, {"fact": row.pk, "note": "I work in Poland"})

    assert entries(database, "subject.fact_doubted") == 1
    assert places(subject) == ["DE"], "the fact itself stays"
    assert "I work in Poland" in own.get(OWN).content.decode()
    assert b"Facts that somebody calls wrong" in officer.get("/privacy/").content
    assert b"I work in Poland" not in officer.get(PAGE).content, "not before the look"
    seen = officer.post(PAGE, {"person": str(subject.ref)}).content.decode()
    assert "I work in Poland" in seen

    doubt = row.doubts.get()
    ask = {"person": str(subject.ref), "act": "settle", "doubt": str(doubt.uuid)}
    officer.post(PAGE, {**ask, "outcome": "corrected"})
    officer.post(PAGE, {**ask, "outcome": "stands"})

    doubt.refresh_from_db()
    assert doubt.outcome == "corrected", "it was settled once"
    assert entries(database, "subject.fact_doubt_settled") == 1
    assert "corrected" in own.get(OWN).content.decode()
    assert b"Facts that somebody calls wrong" not in officer.get("/privacy/").content


def test_nobody_doubts_anothers_fact(subject: Any, database: Any) -> None:
    own = signed_in(subject=factories.make_subject("FR"))
    row = subject.facts.get(kind="work_location")

    assert own.post(OWN, {"fact": row.pk}).status_code == 404
    assert database.sql("SELECT count(*) FROM consent_factdoubt") == [(0,)]


def test_no_doubt_stands_without_its_entry(
    subject: Any, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import IntegrityError

    from audit import ledger
    from consent import services

    monkeypatch.setattr(ledger, "append", lambda *_, **__: 0)
    with pytest.raises(IntegrityError):
        services.doubt_fact(fact=subject.facts.get(kind="work_location"))


# --- other systems -------------------------------------------------------------------------------


def token(name: str = "hr-system") -> str:
    out = io.StringIO()
    call_command("service_token", name, stdout=out)
    return out.getvalue().rpartition(": ")[2].strip()


def ask(path: str, body: dict[str, Any], key: str) -> Any:
    return Client().post(
        API + path,
        body,
        content_type="application/json",
        headers={"authorization": f"Bearer {key}"},
    )


def test_a_system_records_looks_and_ends(subject: Any, database: Any) -> None:
    key, who = token(), {"person": str(subject.ref)}
    said = {**who, "kind": "work_location", "value": "PL", "valid_from": str(TODAY)}

    first, again = ask("", said, key), ask("", said, key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["source"] == "hr-system"
    assert places(subject) == ["PL"]
    found = ask("/search", who, key).json()
    assert [turn["places"] for turn in found["turns"]] == [["PL"]]
    assert {one["value"] for one in found["facts"]} == {"DE", "PL", "research"}
    assert entries(database, "subject.facts_viewed") == 1
    ended = ask("/end", {**said, "valid_until": str(TODAY + DAY)}, key)
    assert (ended.status_code, ended.json()["valid_until"]) == (200, str(TODAY + DAY))
    assert database.sql(
        "SELECT DISTINCT p.actor_kind, p.actor_ref FROM audit_entry e"
        " JOIN audit_private p ON p.entry_id = e.id WHERE e.type LIKE 'subject.fact%%'"
    ) == [("system", "hr-system")]


def test_what_a_system_cannot_do_says_why(subject: Any, database: Any) -> None:
    key = token()
    said = {"person": str(subject.ref), **fact()}

    for path, body, status, code in (
        ("", {**said, "value": "XX"}, 400, "invalid"),
        ("", {**said, "valid_untill": "2030-01-01"}, 400, "invalid"),
        ("", {**said, "person": "nobody@example.org"}, 404, "not_known_here"),
        ("/end", {k: v for k, v in said.items() if k != "source"}, 400, "invalid"),
    ):
        answer = ask(path, body, key)
        assert answer.status_code == status, answer.content
        assert answer["Content-Type"] == "application/problem+json"
        if code != "invalid":
            assert answer.json()["code"] == code
    assert len(facts(database)) == 1


def test_only_the_newest_token_of_a_system_opens_anything(subject: Any, database: Any) -> None:
    who = {"person": str(subject.ref)}
    old = token()
    new = token()
    assert ask("/search", who, old).status_code == 401
    assert ask("/search", who, new).status_code == 200

    call_command("service_token", "hr-system", "--revoke", stdout=io.StringIO())

    assert ask("/search", who, new).json()["code"] == "token_unknown"
    assert Client().post(API, who, content_type="application/json").status_code == 401
    assert entries(database, "service_token.given") == 2
    assert entries(database, "service_token.revoked") == 2
    with pytest.raises(CommandError, match="holds no token"):
        call_command("service_token", "hr-system", "--revoke")


def test_an_agents_token_keeps_no_facts_and_a_systems_token_gets_no_policy(subject: Any) -> None:
    key = token()

    answer = Client().get("/api/v1/policy", headers={"authorization": f"Bearer {key}"})

    assert answer.status_code == 401


def test_an_officers_login_needs_the_form_token(subject: Any) -> None:
    from portal.models import User

    signed_in("privacy_officer")
    strict = Client(enforce_csrf_checks=True)
    user = User.objects.get(email="privacy_officer@example.org")
    strict.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")

    answer = strict.post(API, {"person": "x"}, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (403, "form_token_missing")


# --- a file --------------------------------------------------------------------------------------


def load(tmp_path: Path, *lines: str, head: str = HEAD, **options: Any) -> str:
    file = tmp_path / "facts.csv"
    file.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    out = io.StringIO()
    try:
        call_command("facts", str(file), stdout=out, **options)
    except CommandError as error:
        out.write(str(error))
    return out.getvalue()


def test_a_wrong_line_loses_none_of_the_others(tmp_path: Path, subject: Any, database: Any) -> None:
    other = factories.make_subject("FR")
    lines = (
        f"{subject.ref},work_location,PL,{TODAY},,hr",
        f"{subject.ref},residence,XX,{TODAY},,hr",
        f"nobody@example.org,residence,DE,{TODAY},,hr",
        f"{other.ref},travel,ES,{TODAY},{TODAY + DAY},hr",
    )

    said = load(tmp_path, *lines)

    assert "line 3: value: No rule knows a place" in said
    assert "line 4: person: No employee has this" in said
    assert "nobody@" not in said
    assert "2 recorded, 0 stood already, 2 wrong." in said
    assert places(subject) == ["PL"]
    assert places(other) == ["ES", "FR"]
    assert "0 recorded, 2 stood already, 2 wrong." in load(tmp_path, *lines)
    assert entries(database, "subject.fact_recorded") == 2


def test_a_trial_says_the_same_and_keeps_nothing(
    tmp_path: Path, subject: Any, database: Any
) -> None:
    head = f"{HEAD},name"
    lines = (
        f"{subject.ref},work_location,PL,{TODAY},,hr,",
        f"new@example.org,work_location,FR,{TODAY},,hr,Noor",
        f"new@example.org,site,Lyon,{TODAY},,hr,",
        f"{subject.ref},residence,XX,{TODAY},,hr,",
    )

    said = load(tmp_path, *lines, head=head, dry_run=True)

    assert "3 would be recorded, 0 stood already, 1 wrong." in said
    assert (places(subject), len(facts(database))) == (["DE"], 1)
    assert database.sql("SELECT count(*) FROM portal_user") == [(0,)]
    assert "3 recorded, 0 stood already, 1 wrong." in load(tmp_path, *lines, head=head)


def test_somebody_new_becomes_known_by_a_name(
    tmp_path: Path, database: Any, client: Client
) -> None:
    head = f"{HEAD},name,language"

    said = load(tmp_path, f"new@example.org,work_location,FR,{TODAY},,hr,Noor,fr", head=head)

    assert "1 recorded" in said
    from portal.models import User

    user = User.objects.get(email="new@example.org")
    assert user.subject
    assert (user.subject.language, places(user.subject)) == ("fr", ["FR"])
    assert not user.has_usable_password()


def test_lines_that_contradict_each_other_are_both_left_out(
    tmp_path: Path, subject: Any, database: Any
) -> None:
    said = load(
        tmp_path,
        f"{subject.ref},work_location,PL,{TODAY},,hr",
        f"{subject.ref},travel,ES,{TODAY},,hr",
        f"{subject.ref},work_location,FR,{TODAY},,hr",
        f"{subject.ref},travel,IT,{TODAY},,hr",
    )

    assert "line 2: says something else than line 4" in said
    assert "line 4: says something else than line 2" in said
    assert places(subject) == ["DE", "ES", "IT"]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("person,kind,value,from", "Missing: source"),
        (f"{HEAD},mood", "not known: mood"),
        (f"{HEAD},kind", "each once"),
    ],
)
def test_a_file_with_other_columns_is_refused_whole(
    tmp_path: Path, database: Any, head: str, words: str
) -> None:
    said = load(tmp_path, "a,b,c,d,e,f", head=head)

    assert words in said
    assert "Nothing was recorded" in said


def test_a_line_with_too_many_values_is_refused(tmp_path: Path, database: Any) -> None:
    assert "more values than columns" in load(tmp_path, "a,b,c,d,e,f,g")


def test_the_same_file_again_finds_every_line_as_it_stands(
    tmp_path: Path, subject: Any, database: Any
) -> None:
    """In whatever order: a history of moves leaves the same facts, and a repeat adds none."""
    moves = [
        f"{subject.ref},work_location,{place},{TODAY + days * DAY},,hr"
        for place, days in (("FR", 30), ("PL", 0), ("ES", 60), ("FR", 90))
    ]

    for order in (moves, moves, moves[::-1]):
        load(tmp_path, *order)
        stood = [row for row in facts(database) if row[1] != "DE"]
        assert sorted(row[2:] for row in stood) == [
            (TODAY, TODAY + 30 * DAY),
            (TODAY + 30 * DAY, TODAY + 60 * DAY),
            (TODAY + 60 * DAY, TODAY + 90 * DAY),
            (TODAY + 90 * DAY, None),
        ]


def test_nothing_of_a_person_stands_in_the_leaves(
    tmp_path: Path, subject: Any, database: Any
) -> None:
    load(tmp_path, f"{subject.ref},work_location,PL,{TODAY},,hr")
    own = signed_in(subject=subject)
    own.post(OWN, {"fact": subject.facts.get(value="PL").pk, "note": "not so"})

    leaves = database.sql("SELECT body FROM audit_entry WHERE type LIKE 'subject.fact%%'")

    said = [json.loads(bytes(body))["data"] for (body,) in leaves]
    assert len(said) == 3
    assert all(data == {"kind": "work_location"} for data in said)
