"""What needs somebody soon: told 60, 30 and 7 days ahead, on the page where it can be seen to."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from tests import factories
from tests.integration.shipped import Shipped
from tests.integration.test_pages import signed_in

TODAY = datetime.now(UTC).date()


def in_germany() -> date:
    """The day by which papers of German people end."""
    return datetime.now(ZoneInfo("Europe/Berlin")).date()


def found(matter: str, at: datetime | None = None) -> list[Any]:
    from consent import selectors

    return [one for one in selectors.attention(at or timezone.now()) if one.matter == matter]


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def test_a_world_in_order_needs_nobody(database: Any) -> None:
    from consent import selectors

    factories.make_world("DE")

    assert selectors.attention(datetime(2026, 11, 23, tzinfo=UTC)) == []


@pytest.mark.parametrize(
    ("left", "severity"),
    [
        (61, None),
        (60, "later"),
        (31, "later"),
        (30, "soon"),
        (8, "soon"),
        (7, "now"),
        (0, "now"),
        (-5, "now"),
    ],
)
def test_reviews_of_places_in_use_come_ever_louder(
    database: Any, left: int, severity: str | None
) -> None:
    from consent.rules import rulebook

    factories.make_world("DE")
    due = rulebook().rows["DE"].review_by

    reviews = found("review", midnight(due - timedelta(days=left)))

    assert [(one.codes, one.severity, one.due) for one in reviews] == (
        [(("DE", "EU"), severity, due)] if severity else []
    )


def test_rules_without_a_review_permit_nothing_only_once_the_grace_is_over(
    database: Any,
) -> None:
    from consent import selectors
    from consent.rules import rulebook
    from portal.attention import coming

    world = factories.make_world("IE")
    world.say_yes()
    due, grace = rulebook().rows["IE"].review_by, rulebook().meta.review_grace_days

    def may(day: date) -> bool:
        return bool(selectors.verdicts_for(world.subject, at=factories.midnight(day)).allow())

    days = (due, due + timedelta(days=1), due + timedelta(days=grace))
    assert all(may(day) for day in days)
    first = due + timedelta(days=grace + 1)
    assert not may(first)
    (told,) = (one for one in coming(midnight(due)) if "must be reviewed" in one["text"])
    assert f"from {first.day} {first:%b %Y} on they permit nothing" in told["text"]
    assert (told["tone"], told["count"], told["url"]) == ("bad", "over", "/privacy/rules/")


def agreement(code: str, until: date, **differs: Any) -> Any:
    from consent import services
    from consent.models import Agreement

    return services.record_agreement(
        agreement=Agreement(
            code=code,
            title="An agreement",
            parties="Both",
            jurisdictions=differs.pop("jurisdictions", ["DE"]),
            valid_from=differs.pop("since", factories.LONG_AGO),
            valid_until=until,
            document_sha256="0" * 64,
            **differs,
        ),
        actor=factories.OFFICER,
    )


def test_an_agreement_that_ends_is_told_until_another_replaces_it(database: Any) -> None:
    factories.make_world("DE")
    ending = agreement("BV-1", TODAY + timedelta(days=20))
    agreement("BV-2", TODAY + timedelta(days=200))

    assert [(one.codes, one.severity) for one in found("agreement")] == [(("BV-1",), "soon")]

    part = agreement(
        "BV-3", TODAY + timedelta(days=400), since=ending.valid_until, replaces=ending,
        sites=["Cork"],
    )  # fmt: skip
    assert [one.codes for one in found("agreement")] == [("BV-1",)], "others are still bound by it"
    agreement("BV-4", TODAY + timedelta(days=400), since=ending.valid_until, replaces=part)
    assert found("agreement") == []


def evidence(world: factories.World, until: date | None, gate: str = "dpia") -> None:
    from consent import services

    services.close_gate(
        purpose=world.purpose,
        gates=[("EU", gate)],
        document_title="A paper",
        document_sha256="0" * 64,
        valid_from=factories.LONG_AGO,
        valid_until=until,
        actor=factories.OFFICER,
    )


def test_evidence_that_lapses_is_told_unless_other_evidence_reaches_further(
    database: Any,
) -> None:
    from consent import services
    from consent.models import GateEvidence

    world = factories.make_world("DE")
    evidence(world, TODAY + timedelta(days=5))
    assert found("evidence") == [], "the one without an end still stands"

    for row in GateEvidence.objects.filter(gate="dpia", valid_until=None):
        services.reopen_gate(evidence=row, actor=factories.OFFICER)
    (told,) = found("evidence")
    assert (told.codes, told.jurisdictions, told.severity) == (("dpia",), ("EU",), "now")

    evidence(world, TODAY + timedelta(days=55))
    assert [one.severity for one in found("evidence")] == ["later"]


def test_what_has_lapsed_stays_on_the_list(database: Any) -> None:
    from consent import services
    from consent.models import GateEvidence

    world = factories.make_world("DE")
    for row in GateEvidence.objects.filter(gate="dpia"):
        services.reopen_gate(evidence=row, actor=factories.OFFICER)
    evidence(world, TODAY - timedelta(days=1))

    assert [one.severity for one in found("evidence")] == ["now"]


def test_an_exception_that_ends_is_told(database: Any) -> None:
    from consent import services
    from consent.policy.types import Signal

    world = factories.make_world("DE")
    services.grant_override(
        purpose=world.purpose,
        jurisdiction="DE",
        signal=Signal.MOUSE_MOVE,
        reason="To be looked at",
        document_title="An exception",
        document_sha256="0" * 64,
        valid_from=TODAY,
        valid_until=TODAY + timedelta(days=7),
        actor=factories.OFFICER,
    )

    (told,) = found("exception")
    assert (told.codes, told.severity, told.purpose) == (("mouse_move",), "now", "train-agents")
    assert found("exception", midnight(TODAY + timedelta(days=7))) == []


@pytest.fixture
def begins(shipped: Shipped) -> date:
    """The day from which India asks to keep something: still to come, whatever day it is today."""
    day = TODAY + timedelta(days=100)
    shipped.say("IN", retention_floor_from=day)
    return day


def test_a_minimum_period_above_a_cap_is_for_people_to_decide(database: Any, begins: date) -> None:
    factories.make_world("IN")

    assert found("floor_above_cap", midnight(begins - timedelta(days=61))) == []
    (ahead,) = found("floor_above_cap", midnight(begins - timedelta(days=60)))
    assert (ahead.due, ahead.severity) == (begins, "later")
    (now,) = found("floor_above_cap", midnight(begins))
    assert (now.codes, now.days, now.cap_days, now.due) == (("IN",), 365, 60, None)
    assert told_of_floor(midnight(begins - timedelta(days=61))) == []
    (row,) = told_of_floor(midnight(begins))
    assert row["text"].startswith(
        "India (IN) asks to keep something for 365 days;"
        " Train computer-use agents may keep recordings for 60 at most"
    )
    assert (row["count"], row["url"]) == ("open", "/privacy/rules/IN/")
    assert signed_in("privacy_officer").get(row["url"]).status_code == 200


def told_of_floor(at: datetime) -> list[Any]:
    from portal.attention import coming

    return [row for row in coming(at) if "asks to keep something" in row["text"]]


def test_a_place_without_counsels_signature_is_named(database: Any) -> None:
    world = factories.make_world("DE")
    world.another_subject("AU")

    (told,) = found("counsel")
    assert (told.jurisdictions, told.purpose) == (("AU",), "train-agents")

    factories.close_all_gates(world.purpose, "AU")
    assert found("counsel") == []


def test_where_nobody_works_nothing_is_urgent(database: Any) -> None:
    from consent.models import Subject
    from consent.rules import rulebook

    world = factories.make_world("AU")
    Subject.objects.update(departed_at=timezone.now())
    evidence(world, TODAY)

    assert found("review", midnight(rulebook().rows["AU"].review_by)) == []
    assert found("counsel") == found("evidence") == []


def test_the_first_page_tells_it_and_leads_there(database: Any) -> None:
    world = factories.make_world("DE")
    world.another_subject("AU")
    agreement("BV-1", in_germany() + timedelta(days=20))

    text = signed_in("privacy_officer").get("/privacy/").content.decode()

    assert "Agreement BV-1 ends on" in text
    assert (
        "Counsel has not signed off the rules of Australia (AU) for Train computer-use agents"
        in text
    )
    assert 'href="/privacy/gates/"' in text
    assert 'href="/privacy/agreements/"' in text
    assert "20 days" in text


def test_the_most_urgent_comes_first(database: Any) -> None:
    factories.make_world("DE")
    for code, days in (("BV-1", 50), ("BV-2", 2), ("BV-3", 25), ("BV-4", -3)):
        agreement(code, TODAY + timedelta(days=days))

    told = [one.codes[0] for one in found("agreement")]

    assert told == ["BV-4", "BV-2", "BV-3", "BV-1"]


def other_rules_were_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adopt the shipped rules, then let a newer program ship another file for Ireland."""
    from consent import rules, services

    services.adopt_first_rules(at=timezone.now())
    pack = rules.shipped()
    newer = {**pack.tables["IE.toml"], "notice_days": 3}
    changed = rules.rulebook_of_tables({**pack.tables, "IE.toml": newer})
    for module in ("consent.rules", "consent.selectors.rules"):
        monkeypatch.setattr(f"{module}.shipped", lambda: changed)


def test_shipped_rules_that_wait_to_be_adopted_are_named(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.make_world("IE")
    officer = signed_in("privacy_officer")
    assert found("adoption") == []
    assert "not only these" not in officer.get("/privacy/what-if/").content.decode()

    other_rules_were_shipped(monkeypatch)

    (told,) = found("adoption")
    assert told.codes == ("IE",)
    text = officer.get("/privacy/").content.decode()
    assert "Shipped rules wait to be adopted: Ireland (IE)" in text
    assert "/privacy/changes/new/rules.adopt/" in text
    # What-if asks the program's own files; where that is not what counts, it says so.
    assert "not only these" in officer.get("/privacy/what-if/").content.decode()


def test_the_command_says_the_same_for_whoever_sends_it_on(database: Any) -> None:
    from consent import services
    from consent.models import Agreement

    def said(*options: str) -> str:
        out = io.StringIO()
        call_command("attention", *options, stdout=out)
        return out.getvalue()

    factories.make_world("IE")
    for code, days in (("A-60", 60), ("A-30", 30), ("A-7", 7), ("A-61", 61)):
        ends = in_germany() + timedelta(days=days)
        services.record_agreement(
            agreement=Agreement(
                code=code, title="Agreement", parties="both", jurisdictions=["DE"],
                valid_from=factories.LONG_AGO, valid_until=ends, document_sha256="a" * 64,
            ),
            actor=factories.OFFICER,
        )  # fmt: skip

    lines = [line for line in said().splitlines() if "Agreement A-" in line]
    assert [line.split(": Agreement ")[0] for line in lines] == [
        "now (7 days or less)",
        "soon (30 days or less)",
        "later (60 days or less)",
    ]
    assert [line.split(": Agreement ")[1].split()[0] for line in lines] == ["A-7", "A-30", "A-60"]
    rows = [row for row in json.loads(said("--json")) if row["matter"] == "agreement"]
    assert [(row["severity"], row["due"]) for row in rows] == [
        (severity, (in_germany() + timedelta(days=days)).isoformat())
        for severity, days in (("now", 7), ("soon", 30), ("later", 60))
    ]


# --- what a council sees -----------------------------------------------------------------------


def in_unit(subject: Any, unit: str) -> Any:
    from consent import services

    return services.record_fact(
        subject=subject,
        kind="unit",
        value=unit,
        valid_from=TODAY,
        source="test",
        actor=factories.OFFICER,
    )


def test_a_council_is_told_of_its_own_places_and_agreements_alone(database: Any) -> None:
    from portal.models import User
    from tests.integration.test_proposals import seat

    world = factories.make_world("IE")
    in_unit(world.another_subject("AU"), "sydney")
    in_unit(world.another_subject("SG"), "asia")
    agreement("BV-1", TODAY + timedelta(days=20))
    agreement("BV-2", TODAY + timedelta(days=20), council_units=["sydney"])
    council = signed_in("works_council")

    def told() -> str:
        text: str = council.get("/council/").content.decode()
        return text[text.index('id="todo"') : text.index("</section>", text.index('id="todo"'))]

    assert "Nothing that counts today ends soon." in told(), "without a seat nothing is one's own"

    seat(User.objects.get().ref, "sydney")

    assert "Counsel has not signed off the rules of Australia (AU)" in told()
    assert "Agreement BV-2 ends on" in told()
    assert "BV-1" not in told(), "it is about Germany, and names no unit"
    assert "Singapore" not in told()
    assert 'href="/privacy/gates/"' in told()
    assert council.get("/privacy/gates/").status_code == 200


def test_a_review_comes_due_for_the_council_of_who_works_there(database: Any) -> None:
    from consent import selectors
    from consent.rules import rulebook

    world = factories.make_world("IE")
    in_unit(world.another_subject("DE"), "munich")
    day = midnight(max(rulebook().rows[code].review_by for code in ("DE", "IE", "EU")))

    def reviewed(*units: str) -> set[str]:
        found = selectors.attention(day, units)
        return {code for one in found if one.matter == "review" for code in one.codes}

    assert reviewed("munich") == {"DE", "EU"}
    assert reviewed("research") == {"IE", "EU"}
    assert reviewed("munich", "research") == {"DE", "IE", "EU"}
    assert reviewed() == reviewed("nowhere") == set()


def test_shipped_rules_wait_for_officers_and_for_no_council(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent import selectors

    factories.make_world("IE")
    other_rules_were_shipped(monkeypatch)

    assert [one.matter for one in selectors.attention(timezone.now())] == ["adoption"]
    assert selectors.attention(timezone.now(), ["research"]) == []


def test_what_a_council_is_told_is_the_same_whatever_anybody_chose(database: Any) -> None:
    from consent import selectors
    from tests.integration.test_ledger_to_others import DOES

    world = factories.make_world("IE")
    in_unit(world.another_subject("AU"), "sydney")
    agreement("BV-2", TODAY + timedelta(days=20), council_units=["sydney", "research"])
    at = timezone.now() + timedelta(hours=1)
    before = selectors.attention(at, ["sydney", "research"])

    assert before
    for does in DOES:
        world.subject = in_unit(world.another_subject(), "research").subject
        does(world)
        assert selectors.attention(at, ["sydney", "research"]) == before, does.__name__


# --- a minimum period above a cap is a task on record ------------------------------------------


SAID = ("jurisdictions", "purpose", "floor_days", "cap_days")


def entries(database: Any) -> list[tuple[Any, ...]]:
    """What the ledger says of conflicts, in order."""
    rows = database.sql("SELECT type, body FROM audit_entry ORDER BY id")
    found = [(kind, json.loads(bytes(body))) for kind, body in rows if "conflict." in kind]
    return [(kind, *(said["data"][key] for key in SAID)) for kind, said in found]


def test_a_minimum_above_a_cap_raises_a_task_once_in_the_ledger_and_on_the_page(
    database: Any, begins: date
) -> None:
    from consent.models import RetentionConflict
    from portal import work

    world = factories.make_world("IN")
    forget_looks()
    there = midnight(begins) - timedelta(hours=5, minutes=30)
    with time_machine.travel(there - timedelta(seconds=1), tick=False):
        assert work._parts()["conflicts"]() == 0
    with time_machine.travel(there):
        assert work._parts()["conflicts"]() == 1, "where they are it is that day"
        assert work._parts()["conflicts"]() == 0
        forget_looks()
        assert work._parts()["conflicts"]() == 0, "another process finds it raised"
        page = signed_in("privacy_officer").get("/privacy/").content.decode()
    assert "India (IN) asks to keep something for 365 days" in page
    (row,) = RetentionConflict.objects.all()
    assert (row.jurisdictions, row.purpose, row.ended_at) == (["IN"], world.purpose, None)
    assert entries(database) == [("conflict.raised", ["IN"], "train-agents", 365, 60)]

    with time_machine.travel(midnight(begins) + timedelta(days=1), tick=False):
        leave(world.subject)
        assert work._parts()["conflicts"]() == 1
    row.refresh_from_db()
    assert row.ended_at == midnight(begins) + timedelta(days=1)
    assert entries(database)[1] == ("conflict.ended", ["IN"], "train-agents", 365, 60)


def leave(subject: Any) -> None:
    from consent.models import Subject

    Subject.objects.filter(pk=subject.pk).update(departed_at=timezone.now() - timedelta(days=900))
    forget_looks()


def forget_looks() -> None:
    from consent.services import conflicts

    conflicts._looked.clear()


def test_another_cap_is_another_task(database: Any, begins: date) -> None:
    from consent.services.conflicts import follow_conflicts
    from consent.services.purposes import change_purpose

    world = factories.make_world("IN")
    forget_looks()
    day = midnight(begins + timedelta(days=19))
    follow_conflicts(at=day)

    change_purpose(purpose=world.purpose, fields={"retention_days": 30}, actor=factories.OFFICER)
    follow_conflicts(at=day)

    assert [(row[0], row[4]) for row in entries(database)] == [
        ("conflict.raised", 60),
        ("conflict.raised", 30),
        ("conflict.ended", 60),
    ]


def test_who_moves_there_raises_it_though_no_rule_changed(database: Any, begins: date) -> None:
    from consent import services
    from consent.services.conflicts import follow_conflicts

    world = factories.make_world("IN")
    forget_looks()
    day = midnight(begins + timedelta(days=19))
    services.record_fact(
        subject=world.subject, kind="work_location", value="IE", valid_from=TODAY, source="test",
        actor=factories.OFFICER,
    )  # fmt: skip
    assert follow_conflicts(at=day) == 0

    world.another_subject("IN")

    assert follow_conflicts(at=day) == 1


def test_the_database_lets_no_task_be_altered_or_end_unsaid(database: Any, begins: date) -> None:
    import psycopg

    from consent.services.conflicts import follow_conflicts

    factories.make_world("IN")
    forget_looks()
    follow_conflicts(at=midnight(begins + timedelta(days=19)))

    for change in ("ended_at = now()", "floor_days = 400"):
        with pytest.raises(psycopg.Error):
            database.sql(f"UPDATE consent_retentionconflict SET {change}")


# --- days of the place -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "hour", "left"),
    [
        ("AU-NSW", 12, 1),
        ("AU-NSW", 15, 0),  # there it is the day after already
        ("US-CA", 29, 1),  # there it is the day before still
        ("US-CA", 33, 0),
        ("IE", 23, 1),
        ("IE", 24, 0),
    ],
)
def test_a_warning_counts_from_the_day_that_it_is_in_the_place(
    database: Any, place: str, hour: int, left: int
) -> None:
    """Evidence that lapses on 9 December, looked at some hours after the 8th began in UTC."""
    from consent import services
    from portal.attention import coming

    world = factories.make_world(place)
    services.close_gate(
        purpose=world.purpose,
        gates=[(place, "extra_gate")],
        document_title="A paper",
        document_sha256="1" * 64,
        valid_from=date(2025, 1, 1),
        valid_until=date(2026, 12, 9),
        actor=factories.OFFICER,
    )
    at = midnight(date(2026, 12, 8)) + timedelta(hours=hour)

    (lapse,) = found("evidence", at)
    told = [one["count"] for one in coming(at)]

    assert (lapse.left, lapse.due) == (left, date(2026, 12, 9))
    assert ("1 day" if left else "over") in told


def test_of_several_places_the_one_counts_where_it_ends_first() -> None:
    from consent.selectors.attention import _Now

    at = midnight(date(2026, 12, 9)) + timedelta(hours=3)

    assert _Now(at).left(date(2026, 12, 9), ["US-CA"]) == 1
    assert _Now(at).left(date(2026, 12, 9), ["US-CA", "IE"]) == 0
    assert _Now(at).left(date(2026, 12, 9), ["AU-NSW"]) == 0
