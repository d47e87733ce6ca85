"""The demo company, small: loaded once through the services, then counted by SQL of our own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.urls import reverse

from consent.policy.holidays import is_holiday
from tests import conftest

PEOPLE, BATCHES = 40, 60
SMALL = {"people": PEOPLE, "batches": BATCHES, "seed": 7}
ROLES = [
    "employee",
    "privacy_officer",
    "second_approver",
    "works_council",
    "ml_steward",
    "auditor",
    "manager",
    "operator",
]


@dataclass(frozen=True)
class Demo:
    """The loaded company: its database, its folder, and what the banner heard meanwhile."""

    database: conftest.Database
    home: Path
    heard: list[dict[str, Any]]

    def sql(self, statement: str, *args: object) -> list[tuple[Any, ...]]:
        """Run a statement as the owner."""
        return self.database.sql(statement, *args)


@pytest.fixture(scope="module")
def demo(
    template_database: str, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Demo]:
    """Load once for the whole module: these tests only look."""
    home = tmp_path_factory.mktemp("demo")
    stores = {"files": {"kind": "filesystem", "root": home / "store"}}
    with (
        override_settings(HOME=home, STORES=stores),
        conftest.fresh_database(template_database, django_db_blocker) as database,
    ):
        yield Demo(database, home, _load_listening())


def _load_listening() -> list[dict[str, Any]]:
    from portal.demo import load, progress

    heard: list[dict[str, Any]] = []
    real = load._do

    def listen(step: Any, world: Any) -> bool:
        if note := progress.read():
            heard.append(note)
        return real(step, world)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "_do", listen)
        call_command("demo", **SMALL)
    return heard


def test_the_company_is_as_large_as_asked_for(demo: Demo) -> None:
    assert demo.sql("SELECT count(*) FROM consent_subject") == [(PEOPLE,)]
    assert demo.sql("SELECT count(*) FROM portal_user") == [(PEOPLE + 1,)]  # and an outside auditor
    assert demo.sql("SELECT count(*) FROM retention_admission") == [(BATCHES,)]
    places = "SELECT count(DISTINCT value) FROM consent_subjectfact WHERE kind = 'work_location'"
    assert demo.sql(places) == [(12,)]
    assert demo.sql("SELECT count(*) FROM consent_purpose WHERE published_at IS NOT NULL") == [(3,)]
    assert demo.sql("SELECT count(DISTINCT app_id) FROM consent_appmatcher")[0][0] >= 20
    languages = "SELECT language, count(*) FROM consent_noticetext GROUP BY 1 ORDER BY 1"
    assert demo.sql(languages) == [("de", 4), ("en", 4), ("fr", 4)]
    assert demo.sql("SELECT jurisdictions, council_may_veto FROM consent_agreement") == [
        (["DE"], True)
    ]


def test_there_is_something_of_everything(demo: Demo) -> None:
    states = {state for (state,) in demo.sql("SELECT DISTINCT state FROM consent_consentevent")}
    assert states == {"given", "refused", "deferred", "withdrawn"}
    judged = dict(demo.sql("SELECT state, count(*) FROM retention_admission GROUP BY 1"))
    assert set(judged) == {"admitted", "refused"}
    assert judged["admitted"] > judged["refused"]


def test_every_deletion_owed_is_done_and_certified(demo: Demo) -> None:
    open_cases = "SELECT count(*) FROM retention_deletioncase WHERE state <> 'done'"
    assert demo.sql(open_cases) == [(0,)]
    owed = "SELECT count(*) FROM retention_deletioncase"
    assert demo.sql(owed)[0][0] > 0
    uncertified = """
        SELECT count(*) FROM retention_deletionjob j
        LEFT JOIN retention_certificate c ON c.job_id = j.id WHERE c.id IS NULL
    """
    assert demo.sql(uncertified) == [(0,)]
    overdue = "SELECT count(*) FROM retention_batch WHERE state = 'kept' AND due_at <= now()"
    assert demo.sql(overdue) == [(0,)]


def test_the_ledger_tells_it_in_order_of_time(demo: Demo) -> None:
    times = [
        at for (at,) in demo.sql("SELECT event_time FROM audit_entry WHERE imported ORDER BY id")
    ]

    assert len(times) > PEOPLE + BATCHES
    assert None not in times
    assert times == sorted(times)
    assert demo.sql("SELECT count(*) FROM audit_entry WHERE type = 'demo.loaded'") == [(1,)]


def test_what_was_loaded_is_marked_as_imported(demo: Demo) -> None:
    for table in ("consent_consentevent", "retention_batch"):
        assert demo.sql(f"SELECT count(*) FROM {table} WHERE NOT imported") == [(0,)]
    done_by_the_portal_now = {"deletion.expanded", "deletion.certified", "demo.loaded"}
    types = {
        kind for (kind,) in demo.sql("SELECT DISTINCT type FROM audit_entry WHERE NOT imported")
    }
    waiting_for_whoever_signs_in = {"council.seat_given", "proposal.made"}
    owed_by_term = {"deletion.owed"}
    assert types <= done_by_the_portal_now | waiting_for_whoever_signs_in | owed_by_term
    owed = """
        SELECT count(*) FROM audit_entry
        WHERE type = 'deletion.owed' AND NOT imported AND body NOT LIKE '%%"expiry"%%'::bytea
    """
    assert demo.sql(owed.replace("%%", "%")) == [(0,)]


def test_the_bytes_of_every_batch_lie_in_the_store_and_nothing_else_does(
    demo: Demo,
) -> None:
    kept = demo.sql("SELECT key, bytes, sha256, signals FROM retention_batch WHERE state = 'kept'")
    files = {file for file in (demo.home / "store").rglob("*") if file.is_file()}

    assert kept
    assert files == {demo.home / "store" / key for key, *_ in kept}
    for key, length, sha256, signals in kept:
        content = (demo.home / "store" / key).read_bytes()
        assert len(content) == length
        assert hashlib.sha256(content).hexdigest() == sha256
        seen = [json.loads(line)["signal"] for line in content.splitlines()]
        assert {signal: seen.count(signal) for signal in set(seen)} == signals


def test_every_batch_was_captured_under_the_lease_of_its_policy(demo: Demo) -> None:
    outside = """
        SELECT count(*) FROM retention_batch b
        JOIN consent_issuedpolicy p ON p.id = b.issued_policy_id
        WHERE b.captured_from < p.issued_at OR b.captured_until > p.lease_until
           OR p.agent_id <> b.agent_id
    """
    assert demo.sql(outside) == [(0,)]


def test_the_ledger_names_nobody(demo: Demo) -> None:
    bodies = "\n".join(
        bytes(body).decode() for (body,) in demo.sql("SELECT body FROM audit_entry")
    ).lower()
    personal = [
        value.lower()
        for row in demo.sql("SELECT name, email, ref::text FROM portal_user")
        for value in row
    ]
    personal += [ref for (ref,) in demo.sql("SELECT ref::text FROM consent_subject")]

    assert [value for value in personal if value in bodies] == []


def test_everybody_to_sign_in_as_can(demo: Demo) -> None:
    file = demo.home / "demo-accounts.json"
    note = json.loads(file.read_text())

    assert file.stat().st_mode & 0o777 == 0o600
    assert [account["role"] for account in note["accounts"]] == ROLES
    for account in note["accounts"]:
        browser = Client()
        answer = browser.post(
            reverse("account_login"), {"login": account["email"], "password": note["password"]}
        )
        assert answer.status_code == 302, account["role"]
        assert "_auth_user_id" in browser.session, account["role"]
    usable = "SELECT count(*) FROM portal_user WHERE password NOT LIKE '!%'"
    assert demo.sql(usable) == [(len(ROLES),)]
    granted = """
        SELECT u.email, g.role FROM portal_rolegrant g JOIN portal_user u ON u.id = g.user_id
        WHERE g.revoked_at IS NULL ORDER BY 1
    """
    assert demo.sql(granted) == [
        ("approver@halvora.example", "privacy_officer"),
        ("auditor@halvora.example", "auditor"),
        ("council@halvora.example", "works_council"),
        ("manager@halvora.example", "manager"),
        ("operator@halvora.example", "operator"),
        ("privacy@halvora.example", "privacy_officer"),
        ("steward@halvora.example", "ml_steward"),
    ]


def test_the_employee_has_a_yes_a_machine_and_recordings(demo: Demo) -> None:
    from django.utils import timezone

    from consent import selectors
    from portal.models import User

    subject = User.objects.get(email="employee@halvora.example").subject
    assert subject is not None
    allowed = selectors.verdicts_for(subject, at=timezone.now()).allow()

    assert {app: set(signals) for app, signals in allowed["train-agents"].items()} == {
        "jira": {"mouse_click", "scroll"},
        "excel": {"mouse_click", "scroll"},
    }
    batches = """
        SELECT count(*), count(DISTINCT b.agent_id) FROM retention_batch b
        JOIN portal_user u ON u.subject_id = b.subject_id WHERE u.email = %s AND b.state = 'kept'
    """
    count, machines = demo.sql(batches, "employee@halvora.example")[0]
    assert count >= 15
    assert machines == 1


def a_working_noon() -> datetime:
    """Noon in Europe on a coming Wednesday that is no holiday: some places have working hours."""
    noon = datetime.now(UTC).replace(hour=11, minute=0) + timedelta(days=1)
    while noon.weekday() != 2 or is_holiday("PL", noon.date()):
        noon += timedelta(days=1)
    return noon


def test_recording_in_one_place_is_bound_to_working_hours(demo: Demo) -> None:
    from consent import selectors
    from consent.models import Subject

    noon = a_working_noon()
    night = noon.replace(hour=1)
    allowed = {"PL": [False, True], "DE": [True, True]}
    for place, expected in allowed.items():
        yes = Subject.objects.filter(events__state="given", facts__value=place).order_by("pk")
        subject = next(one for one in yes if selectors.verdicts_for(one, at=noon).allow())
        assert [
            bool(selectors.verdicts_for(subject, at=at).allow()) for at in (night, noon)
        ] == expected, place


def test_law_and_gates_decide_where_a_yes_has_effect(demo: Demo) -> None:

    from consent import selectors
    from consent.models import Subject

    without = {"CH": "gates_open", "CA-QC": "gates_open", "FI": "jurisdiction_prohibited"}
    seen = set()
    for subject in Subject.objects.filter(events__state="given").distinct():
        event = selectors.standing_consents(subject).get("train-agents")
        if event is None or event.state != "given":
            continue
        place = subject.facts.get(kind="work_location").value
        seen.add(place)
        verdicts = selectors.verdicts_for(subject, at=a_working_noon())
        codes = {code for pair in verdicts.pairs for code in pair.decision.codes}
        assert ("train-agents" in verdicts.allow()) is (place not in without), place
        assert without.get(place, "signal_not_listed") in codes, place

    assert {"DE", "US-NY"} <= seen
    assert seen & set(without)


def test_it_is_never_loaded_over_people(demo: Demo) -> None:
    before = demo.sql("SELECT count(*), max(id) FROM audit_entry")

    with pytest.raises(CommandError, match="already holds people"):
        call_command("demo", **SMALL)
    call_command("demo", on_empty=True, **SMALL)

    assert demo.sql("SELECT count(*), max(id) FROM audit_entry") == before


def test_the_banner_heard_how_far_it_was(demo: Demo) -> None:
    from portal.demo import progress

    done = [note["done"] for note in demo.heard]

    assert done == sorted(done)
    assert done[0] == 0
    assert all(note["done"] < note["total"] and note["label"] for note in demo.heard)
    assert progress.read() is None
