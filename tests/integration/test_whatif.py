"""The what-if page answers as the commands do, in every case of tests/matrix/; it keeps nothing."""

from __future__ import annotations

import io
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from consent.policy.cli import main
from tests.integration.shipped import Shipped
from tests.integration.test_pages import signed_in

MATRIX = Path(__file__).parent.parent / "matrix"
PAGE = "/privacy/what-if/"
FORM_FLAGS = (
    "app_allowed",
    "in_hours",
    "notice_waived",
    "notice_version_ok",
    "ack",
    "counterparties_consented",
    "counterparty_masked",
)
PLAIN = ("signal", "at", "consent", "consent_given_on", "notice_on")
LISTS = ("jurisdictions", "consented_signals", "overrides")
TODAY = "2026-12-10"


def cases(kind: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return (name, base, case) of every case of a kind, as a lawyer wrote it."""
    found = []
    for file in sorted(MATRIX.glob("*.toml")):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        base = table.get("base", {})
        found += [(f"{file.stem}: {c['name']}", base, c) for c in table.get(kind, [])]
    return found


def facts_of(base: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in base.items() if key not in case.get("without", [])}
    return json.loads(json.dumps(kept | case.get("given", {}), default=str))


def as_form(facts: dict[str, Any]) -> dict[str, Any] | None:
    """Return what somebody fills in for these facts; None where only a file can say them."""
    said: dict[str, Any] = {}
    left = dict(facts)
    for name in (*PLAIN, *LISTS):
        if name in left:
            said[name] = left.pop(name)
    for name in FORM_FLAGS:
        if name in left:
            said[name] = "yes" if left.pop(name) else "no"
    gates = left.pop("gates", [])
    if isinstance(gates, dict):
        return None
    if gates:
        said |= {"gates": "all"} if gates == "all" else {"gates": "some", "gates_closed": gates}
    if "counterparties" in left:
        others = left.pop("counterparties")
        said |= {"others": "some", "counterparties": others} if others else {"others": "nobody"}
    return None if left or cannot_be_ticked(said) else said


def cannot_be_ticked(said: dict[str, Any]) -> bool:
    """Say whether a place without rules, or what is never recorded, would have to be ticked."""
    from consent.policy.rulebook import load_rulebook
    from consent.policy.types import NeverSignal

    places = {*said["jurisdictions"], *said.get("counterparties", ())}
    signals = {*said.get("consented_signals", ()), *said.get("overrides", ())}
    return bool(places - set(load_rulebook().rows) or signals & {s.value for s in NeverSignal})


@pytest.fixture
def officer(database: Any) -> Client:
    return signed_in("privacy_officer")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The command, and a page that reads the very files that the command reads."""
    from consent import rules
    from consent.policy.rulebook import FOLDER

    def answer(*argv: str, stdin: str = "") -> Any:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = main(argv)
        out, err = capsys.readouterr()
        return json.loads(out) if status == 0 else err.strip()

    with monkeypatch.context() as patch:
        patch.setattr(rules, "folder", FOLDER)
        rules.forget()
        yield answer
    rules.forget()


def test_the_page_answers_as_the_command_does_in_every_case(officer: Client, command: Any) -> None:
    by_form, by_file = 0, 0
    for name, base, case in cases("case"):
        facts = facts_of(base, case)
        expected = command("decide", "--facts", "-", stdin=json.dumps(facts))
        said = as_form(facts)
        by_form += said is not None
        by_file += said is None

        page = officer.post(PAGE, said or {"mode": "file", "facts": json.dumps(facts)})

        assert page.status_code == 200, (name, said)
        assert page.context["answer"] == expected, name
        text = page.content.decode()
        assert ("would not be allowed" in text) == (expected["decision"] == "deny"), name
        assert all(f"<code>{code}</code>" in text for code in expected["reasons"]), name

    assert by_form >= 40, "most cases can be put by the form alone"
    assert by_file >= 10


def test_the_combined_values_are_those_of_the_command(officer: Client, command: Any) -> None:
    for name, _base, case in cases("bounds"):
        at = str(case.get("at", TODAY))
        codes = ",".join(case["jurisdictions"])
        expected = command("bounds", "--jurisdictions", codes, "--at", at)

        body = {"jurisdictions": case["jurisdictions"], "signal": "scroll", "at": at}
        page = officer.post(PAGE, body)

        assert page.context["bounds"] == expected, name


def test_due_days_are_those_of_the_command(officer: Client, command: Any) -> None:
    from portal.pages.dates import day_in_words

    asked = 0
    for name, _base, case in cases("due"):
        if case.get("pauses"):
            continue
        codes = ",".join(case["jurisdictions"])
        argv = ["--jurisdictions", codes, "--received", str(case["received"])]
        argv += ["--extended"] if case.get("extended") else []
        expected = command("due", "--right", case["right"], *argv)["due"]

        body = {"signal": "scroll", "at": TODAY, "received": str(case["received"])}
        body |= {"jurisdictions": case["jurisdictions"]}
        body |= {"extended": "on"} if case.get("extended") else {}
        page = officer.post(PAGE, body)

        title = {"limit_sensitive": "Limiting the use of sensitive data"}.get(
            case["right"], case["right"].replace("_", " ").capitalize()
        )
        rows = {row[0]["text"]: row[1]["text"] for row in page.context["due_rows"]}
        rows |= {"Policy copy": rows["Copy of the policy"]}
        rows |= {"Withdrawal": rows["Withdrawal takes effect"]}
        rows |= {"Acknowledgement": rows["Confirming receipt of a request"]}
        assert rows[title] == (day_in_words(expected) if expected else ""), name
        asked += 1

    assert asked >= 10


def test_each_value_names_the_place_that_asks_for_it_and_its_sources(officer: Client) -> None:
    body = {"jurisdictions": ["DE", "PL"], "signal": "mouse_click", "at": TODAY}

    page = officer.post(PAGE, body)

    values = {v.key: v for section in page.context["sections"] for v in section.values}
    assert values["notice_days"].by == ("PL",)
    assert dict(values["gates"].listed)["Works agreement on the tool"] == ("DE",)
    text = page.content.decode()
    for code in ("DE", "EU", "PL"):
        assert f'href="#source-{code}"' in text
        assert f'id="source-{code}"' in text
    assert "BetrVG 87(1) no.6" in text
    assert "(read)" in text
    assert "Not legal advice" in text


@pytest.mark.parametrize(
    ("differs", "words"),
    [
        ({"jurisdictions": ["XX"]}, "XX is not one of the available choices"),
        ({"at": "soon"}, "Enter a valid date."),
        ({"at": "1066-10-14"}, "too long ago"),
        ({"signal": "thoughts"}, "Select a valid choice."),
        ({"gates": "all", "gates_closed": ["dpia"]}, "or tick nothing"),
        ({"gates": "", "gates_closed": ["dpia"]}, "or tick nothing"),
        ({"counterparties": ["FI"]}, "or tick nothing"),
        ({"others": "nobody", "counterparties": ["FI"]}, "or tick nothing"),
    ],
)
def test_a_fault_says_what_is_wrong_and_keeps_what_was_typed(
    officer: Client, differs: dict[str, Any], words: str
) -> None:
    body = {"jurisdictions": ["DE"], "signal": "scroll", "at": TODAY, "notice_on": "2026-10-01"}

    page = officer.post(PAGE, body | differs)

    text = page.content.decode()
    assert page.status_code == 422
    assert text.index('id="errors"') < text.index(words) < text.index('name="jurisdictions"')
    assert 'value="2026-10-01"' in text
    assert "answer" not in page.context


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ("", "This field is required."),
        ("[]", "must be a table"),
        ("{", "neither JSON nor YAML"),
        ('{"signal": "scroll", "at": "2026-12-10"}', "jurisdictions"),
        ('{"jurisdictions": ["DE"], "signal": "scroll", "at": "2026-12-10", "mood": 1}', "mood"),
        ("[" * 9000, "nested too deeply"),
        ("1" * 6000, "a number too long"),
        ('{"a": "' + "x" * 20_000 + '"}', "at most 20000"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_kept(
    officer: Client, facts: str, words: str
) -> None:
    page = officer.post(PAGE, {"mode": "file", "facts": facts})

    assert page.status_code == 422
    assert words in page.content.decode().replace("&#x27;", "'")
    assert page.context["file_form"]["facts"].value() == facts


def test_a_place_without_rules_denies_and_says_why(officer: Client) -> None:
    facts = {"jurisdictions": ["XX"], "signal": "scroll", "at": TODAY}

    page = officer.post(PAGE, {"mode": "file", "facts": json.dumps(facts)})

    assert "unknown_jurisdiction" in page.context["answer"]["reasons"]
    text = page.content.decode()
    assert "XX: no rules are known." in text
    assert "can be applied: missing" in text


def test_no_place_at_all_denies(officer: Client) -> None:
    page = officer.post(PAGE, {"signal": "scroll", "at": TODAY, "received": TODAY})

    assert "unknown_jurisdiction" in page.context["answer"]["reasons"]
    text = page.content.decode()
    assert "No work location is known." in text
    assert "No rules are known for: no jurisdiction was named." in text


def test_the_form_shows_its_facts_as_the_commands_file(officer: Client, command: Any) -> None:
    body = {"jurisdictions": ["DE"], "signal": "scroll", "at": TODAY, "gates": "all"}

    page = officer.post(PAGE, body | {"consent": "given", "consented_signals": ["scroll"]})

    written = page.context["file_form"]["facts"].value()
    assert command("decide", "--facts", "-", stdin=written) == page.context["answer"]


def test_nothing_that_was_asked_is_stored(officer: Client, database: Any) -> None:
    count = "SELECT count(*) FROM audit_entry"
    before = database.sql(count)

    officer.post(PAGE, {"jurisdictions": ["DE"], "signal": "scroll", "at": TODAY})

    assert database.sql(count) == before


def test_only_the_privacy_team_and_councils_ask(database: Any) -> None:
    for role in ("auditor", "manager", "operator"):
        assert signed_in(role).get(PAGE).status_code == 403, role
    assert signed_in("works_council").get(PAGE).status_code == 200
    assert Client().get(PAGE).status_code == 302


# --- the rules to read -------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["privacy_officer", "works_council", "auditor"])
def test_every_place_of_the_pack_can_be_read(database: Any, role: str) -> None:
    from consent.rules import rulebook

    reader = signed_in(role)
    listed = reader.get("/privacy/rules/").content.decode()

    for code, row in rulebook().rows.items():
        assert f"/privacy/rules/{code}/" in listed
        text = reader.get(f"/privacy/rules/{code}/").content.decode()
        assert "Not legal advice" in text
        assert text.count("<li>") >= len(row.citations)
    assert reader.get("/privacy/rules/XX/").status_code == 404


@pytest.mark.parametrize(
    ("code", "last_day", "says"),
    [
        ("IN", date(2027, 5, 12), "365 days, from 13 May 2027; until then nothing"),
        ("GB", date(2026, 6, 18), "30 days, from 19 Jun 2026; until then nothing"),
        ("US-CT", date(2026, 9, 30), "until then the rules above it count alone"),
    ],
)
def test_what_counts_from_a_later_day_says_so_until_then(
    database: Any, code: str, last_day: date, says: str
) -> None:
    import time_machine

    found = []
    for role, days in (("works_council", 0), ("auditor", 1)):
        day = last_day + timedelta(days=days)
        with time_machine.travel(datetime.combine(day, time(12), tzinfo=UTC), tick=False):
            text = signed_in(role).get(f"/privacy/rules/{code}/").content.decode()
        found.append(says in text)

    assert found == [True, False]


def test_a_place_says_what_its_file_says(database: Any) -> None:
    from consent.rules import rulebook

    text = signed_in("works_council").get("/privacy/rules/DE/").content.decode()

    for words in ("Works agreement on the tool", "What is typed", "1 month", "BAG 27.7.2017"):
        assert words in text
    assert "European Union (EU)" in text
    assert f'datetime="{rulebook().rows["DE"].review_by}"' in text


@pytest.mark.parametrize(
    ("today", "tone"),
    [
        (date(2026, 12, 23), "good"),
        (date(2026, 12, 24), "warn"),  # 60 days before the review is due
        (date(2027, 2, 22), "warn"),
        (date(2027, 2, 23), "bad"),
        (date(2027, 6, 1), "bad"),
    ],
)
def test_a_review_that_comes_due_is_told_early(today: date, tone: str) -> None:
    from consent.policy.rulebook import load_rulebook
    from portal.pages.rules import standing

    pack = load_rulebook()

    assert standing(pack.rows["DE"], pack, today)["tone"] == tone


def test_nobody_else_reads_them(database: Any) -> None:
    for role in ("manager", "ml_steward", "operator"):
        assert signed_in(role).get("/privacy/rules/").status_code == 403, role


def test_a_broken_rule_pack_is_named_instead_of_answered(officer: Client, shipped: Shipped) -> None:
    from consent import rules

    shipped.say("DE", legal_basis_allowed="none")
    rules.forget()

    page = officer.post(PAGE, {"jurisdictions": ["DE"], "signal": "scroll", "at": TODAY})

    assert page.status_code == 503
    assert "DE.toml: legal_basis_allowed: must be a list" in page.content.decode()


def test_a_council_may_ask_too_and_goes_back_to_its_own_page(database: Any) -> None:
    council = signed_in("works_council")
    page = council.get(PAGE)
    answer = council.post(PAGE, {"jurisdictions": ["DE"], "signal": "mouse_click", "at": TODAY})

    assert page.status_code == answer.status_code == 200
    assert answer.context["answer"]["decision"] == "deny"
    assert [crumb["url"] for crumb in page.context["crumbs"]] == ["/council/"]
    assert 'href="/privacy/what-if/"' in council.get("/council/").content.decode()
