"""Every figure of a report is the one that a query of the test's own finds, in both forms."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pypdf
import pytest

from audit import reports
from portal.reporting import SOURCES, TITLES, kinds_for
from tests import factories

if TYPE_CHECKING:
    from consent.models import Subject
    from tests.conftest import Database

OFFICER = UUID("00000000-0000-4000-8000-000000000001")

NEWEST = """
SELECT state, count(*) FROM (
  SELECT DISTINCT ON (subject_id, purpose_id) state FROM consent_consentevent
  ORDER BY subject_id, purpose_id, position DESC
) newest GROUP BY state
"""


class Written:
    """A report in both its forms, as somebody reads it."""

    def __init__(self, kind: str, **period: datetime | None) -> None:
        values: dict[str, Any] = {"period_from": None, "period_until": None, **period}
        report = reports.request_report(
            kind=kind, title="", params={}, requested_by=OFFICER, sources=SOURCES, **values
        )
        assert reports.render_due(SOURCES) == 1
        [row] = reports.newest_reports(limit=1)
        assert (row.state, row.failure) == ("ready", "")
        table = reports.file_for_download(report.uuid, "csv", OFFICER).content
        document = reports.file_for_download(report.uuid, "pdf", OFFICER).content
        pages = pypdf.PdfReader(io.BytesIO(document)).pages
        self.text = " ".join(" ".join(page.extract_text() for page in pages).split())
        self.lines = list(csv.reader(io.StringIO(table.decode("utf-8-sig"), newline="")))

    def figure(self, label: str) -> str:
        [value] = [line[2] for line in self.lines if line[:2] == ["figure", label]]
        assert label in self.text
        return value

    def rows(self, caption: str) -> list[list[str]]:
        """The rows of a table, without the empty fields that fill up the file."""
        [head] = [line for line in self.lines if line[:2] == ["head", caption]]
        width = len([field for field in head if field])
        return [line[2:width] for line in self.lines if line[:2] == ["row", caption]]

    def total(self, caption: str) -> list[str]:
        [line] = [line[2:] for line in self.lines if line[:2] == ["total", caption]]
        return [field for field in line if field]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, settings: Any) -> Path:
    """A file store of this test's own, and groups small enough to make by hand."""
    root = tmp_path / "store"
    settings.STORES = {"files": {"kind": "filesystem", "root": root}}
    settings.SMALLEST_GROUP = 3
    return root


def decide(world: factories.World, subject: Subject, answer: str) -> None:
    from consent import services

    if answer in {"yes", "taken back"}:
        factories.World(world.purpose, world.notice, world.apps, subject, "IE").say_yes()
    if answer == "taken back":
        services.withdraw_consent(subject=subject, purpose=world.purpose.code)
    if answer in {"no", "not now"}:
        services.decline_consent(
            subject=subject,
            purpose=world.purpose.code,
            notice=world.notice,
            deferred=answer == "not now",
            language="en",
        )


def tell() -> None:
    """Let the night come after which answers are told."""
    from portal.answers import publish_answers

    publish_answers(at=datetime.now(UTC) + timedelta(days=1))


def test_answers_are_counted_in_groups_and_small_groups_stay_hidden(database: Database) -> None:
    world = factories.make_world()
    subjects = [world.subject, *(world.another_subject() for _ in range(17))]
    answers = ["yes"] * 7 + ["no"] * 6 + ["not now"] + ["taken back"]
    for subject, answer in zip(subjects, answers, strict=False):
        decide(world, subject, answer)
    decide(world, subjects[0], "yes")  # a second yes is still one person
    own = dict(database.sql(NEWEST))
    people = database.sql("SELECT count(*) FROM consent_subject")[0][0]
    assert own == {"given": 7, "refused": 6, "deferred": 1, "withdrawn": 1}

    tell()
    written = Written("consent-overview")

    assert written.figure("People") == str(people) == "18"
    [row] = written.rows("Answers, by purpose")
    # People, yes, no, not now, taken back, ended otherwise, no answer; rounded down to threes
    down = [str(own[state] - own[state] % 3) for state in ("given", "refused")]
    assert row[2:] == ["18", *down, *["hidden"] * 4]
    assert row[0] == "Train computer-use agents"
    assert f"{row[0]} {row[1]} 18 6 6 hidden hidden hidden hidden" in written.text
    refs = [str(ref) for (ref,) in database.sql("SELECT ref FROM consent_subject")]
    everything = written.text + str(written.lines)
    assert not [ref for ref in refs if ref in everything]


def test_a_group_too_small_to_be_spoken_of_gives_no_number_at_all(database: Database) -> None:
    world = factories.make_world()
    decide(world, world.subject, "yes")
    tell()

    written = Written("consent-overview")

    assert written.figure("People") == "hidden"
    [row] = written.rows("Answers, by purpose")
    assert row[1:] == ["not told yet", *["hidden"] * 7]


def test_a_yes_whose_time_is_over_no_longer_counts_as_a_yes(
    database: Database, settings: Any
) -> None:
    settings.SMALLEST_GROUP = 2
    world = factories.make_world()
    subjects = [world.subject, *(world.another_subject() for _ in range(9))]
    for subject in subjects[:8]:
        decide(world, subject, "yes")
    database.sql("ALTER TABLE consent_consentevent DISABLE TRIGGER USER")
    database.sql(
        "UPDATE consent_consentevent SET valid_until = now() - interval '1 second' WHERE id IN"
        " (SELECT id FROM consent_consentevent ORDER BY id LIMIT 4)"
    )

    tell()
    [row] = Written("consent-overview").rows("Answers, by purpose")

    assert (row[3], row[7]) == ("4", "4")


def owe(world: factories.World, answer: str, size: int = 1500) -> None:
    """One more person of whom something is kept, which their answer has deleted."""
    from retention import services as retention

    subject = world.another_subject()
    decide(world, subject, "yes")
    agent = factories.make_agent(subject)
    factories.hand_in(agent, factories.make_policy(agent), b"x" * size)
    decide(world, subject, answer)
    retention.expand_cases()


def fail_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try what is due, while the store cannot be reached."""
    from retention import services as retention
    from retention.exceptions import StoreFailed
    from retention.services import erasure

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "store_named", _raising(StoreFailed))
        while retention.run_due_jobs():
            pass


def run_all() -> None:
    from retention import services as retention

    while retention.run_due_jobs():
        pass


def test_deletions_are_counted_by_cause_store_evidence_and_failure(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = factories.make_world()
    for answer in ("taken back", "no", "no", "taken back"):
        owe(world, answer)
    run_all()
    for answer in ("taken back", "no", "no"):
        owe(world, answer)
    fail_all(monkeypatch)
    own = database.sql(
        "SELECT count(*), count(*) FILTER (WHERE state = 'done') FROM retention_deletioncase"
    )[0]
    certificates, size = database.sql(
        "SELECT count(*), sum((statement->'scope'->>'bytes')::int) FROM retention_certificate"
        " WHERE evidence_level = 'E3'"
    )[0]
    failed = database.sql(
        "SELECT store, failure, count(*), max(attempts) FROM retention_deletionjob"
        " WHERE state = 'due' AND failure <> '' GROUP BY 1, 2"
    )
    assert (own, certificates, size) == ((7, 4), 4, 6000)

    written = Written("deletions")

    assert written.figure("Cases in the period") == "7"
    assert written.figure("Certificates for them") == "4"
    assert written.figure("Owed now") == written.figure("Jobs visibly failed now") == "3"
    today = datetime.now(UTC)
    oldest = f"{today.day} {today:%B %Y}"
    assert written.figure("Oldest owed now") == oldest
    theirs = "The person took back, chose less or had it forgotten"
    # The three that are owed stand with the causes of none, which must not be told from few.
    assert written.rows("Cases, by cause") == [[theirs, "done", "4"], ["Several together", "", "3"]]
    assert written.total("Cases, by cause") == ["All", "7"]
    assert written.rows("Jobs of these cases, by store") == [
        ["files", "deleted and verified", "4"],
        ["Several together", "", "3"],
    ]
    evidence = written.rows("Certificates for these cases, by level of evidence")
    assert evidence == [["Several together", str(certificates), str(size)]]
    [line] = written.rows("Visibly failed now")
    assert line == [*(str(value) for value in failed[0]), oldest]


def test_of_few_people_no_deletion_is_counted_and_none_fails_in_silence(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody, one and two who took back or had something forgotten: the very same report."""
    from consent import services

    world = factories.make_world()
    told = []
    for does in ("nothing", "no", "taken back"):
        if does != "nothing":
            owe(world, does)
            run_all()
        told.append([line for line in Written("deletions").lines if line[0] != "about"])
    services.forget_last(subject=world.subject, minutes=10)
    fewest = Written("deletions")
    owe(world, "no")
    fail_all(monkeypatch)
    failing = Written("deletions")

    assert figures_of(told[0]) == figures_of(told[1]) == figures_of(told[2])
    assert figures_of(fewest.lines) != figures_of(failing.lines)
    assert failing.figure("Jobs visibly failed now") == "some"
    [line] = failing.rows("Visibly failed now")
    assert (line[0], line[2], line[4]) == ("files", "hidden", "hidden")


def figures_of(lines: list[list[str]]) -> list[list[str]]:
    """All that a report counts: not its heads, nor when it was made."""
    return [line for line in lines if line[0] in {"figure", "row", "total", "bar"}]


def test_what_expires_is_counted_by_whose_it_is(database: Database) -> None:
    """The case of what expired names nobody: the people are those whose batches it erased."""
    from retention import services as retention
    from retention.models import Batch

    world = factories.make_world()
    for _ in range(3):
        subject = world.another_subject()
        decide(world, subject, "yes")
        agent = factories.make_agent(subject)
        factories.hand_in(agent, factories.make_policy(agent), b"x" * 100)
    until = datetime.now(UTC) + timedelta(days=61)
    assert Batch.objects.filter(due_at__lte=until).count() == 3
    retention.owe_expired(at=until)
    retention.expand_cases()
    run_all()

    written = Written("deletions")

    assert written.figure("Cases in the period") == "1"
    assert written.rows("Cases, by cause") == [["Several together", "", "1"]]
    assert written.rows("Certificates for these cases, by level of evidence") == [
        ["Several together", "1", "300"]
    ]


def test_a_report_about_an_earlier_period_has_none_of_what_came_later(database: Database) -> None:
    from consent import services
    from consent.services import Pair

    world = factories.make_world()
    decide(world, world.subject, "taken back")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    services.give_consent(
        subject=world.another_subject(),
        purpose=world.purpose.code,
        notice=world.notice,
        pairs=[Pair("sheet", factories.OFFERED[0])],
        language="en",
        event_time=today - timedelta(days=3),
        imported=True,
    )
    earlier = {"period_from": today - timedelta(days=30), "period_until": today}

    deletions, activity = Written("deletions", **earlier), Written("activity", **earlier)

    assert deletions.figure("Cases in the period") == "hidden"
    assert deletions.rows("Cases, by cause") == []
    # All that is older than today is what people answered, and that is theirs.
    assert activity.figure("Entries") == activity.figure("Imported among them") == "0"
    assert activity.rows("Entries, by type") == []


def test_batches_are_counted_by_outcome_app_and_reason_in_groups(database: Database) -> None:
    from retention import services as retention

    world = factories.make_world()
    agents = []
    for _ in range(4):
        subject = world.another_subject()
        decide(world, subject, "yes")
        agents.append(factories.make_agent(subject))
    for number, agent in enumerate(agents):
        policy = factories.make_policy(agent)
        factories.hand_in(agent, policy, b"x" * (100 + number))
        if number < 3:
            factories.hand_in(agent, policy, b"y" * 50, app="sheet")
            picture = {"signals": {"screenshot": 1}, "visible": {"screenshot": ["tracker"]}}
            wrong = factories.manifest_for(policy, b"z", **picture)
            retention.announce_batch(agent=agent, manifest=wrong)
        if number == 0:
            much = factories.manifest_for(policy, b"", bytes=10**9)
            retention.announce_batch(agent=agent, manifest=much)
    states = dict(database.sql("SELECT state, count(*) FROM retention_admission GROUP BY 1"))
    apps = database.sql(
        "SELECT a.name, count(*), sum(b.bytes) FROM retention_batch b JOIN consent_app a"
        " ON a.id = b.app_id GROUP BY 1 ORDER BY 1"
    )
    reasons = dict(
        database.sql(
            "SELECT split_part(r, ':', 1), count(*) FROM retention_admission, unnest(reasons) r"
            " GROUP BY 1"
        )
    )
    assert states == {"admitted": 7, "refused": 4}

    written = Written("batches")

    assert written.figure("Announced") == "11"
    assert written.figure("Let in") == str(states["admitted"])
    assert written.figure("Not let in") == str(states["refused"])
    assert written.figure("Data let in") == str(sum(size for _, _, size in apps)) == "556"
    assert written.rows("Batches, by outcome") == [
        ["Let in", "7"],
        ["Refused, set apart as an incident, or not sent yet", "4"],
    ]
    assert written.rows("Batches let in, by purpose and app") == [
        ["Train computer-use agents", name, str(n), str(size)] for name, n, size in apps
    ]
    # One machine alone was too large: that is put together with others until it is three people.
    assert reasons == {"signal_not_allowed": 3, "signal_not_consented": 3, "batch_too_large": 1}
    assert written.rows("Why batches were refused") == [
        ["A signal was not in the policy", "3"],
        ["Several together", "4"],
    ]
    assert "Larger than allowed" not in written.text
    assert "All 7 556 B" in written.text


def test_none_refused_looks_like_few_refused(database: Database) -> None:
    """Of many who hand in, nobody, one and two have something refused, set apart or not sent."""
    from retention import services as retention

    world = factories.make_world()
    machines = []
    for number in range(4):
        subject = world.another_subject()
        decide(world, subject, "yes")
        agent = factories.make_agent(subject)
        machines.append((agent, factories.make_policy(agent)))
        for part in (b"a", b"b"):
            factories.hand_in(*machines[-1], part * (10 + number))
    told = [figures_of(Written("batches").lines)]

    for count, differs in enumerate(({"bytes": 10**9}, {"policy_version": 1}), start=1):
        agent, policy = machines[count]
        # As many batches in all, so that the total is the same: another that was let in is not.
        database.sql("ALTER TABLE retention_admission DISABLE TRIGGER USER")
        database.sql(
            "DELETE FROM retention_admission WHERE batch = (SELECT batch FROM retention_admission"
            " WHERE agent_id = %s AND state = 'admitted' LIMIT 1)",
            agent.pk,
        )
        database.sql("ALTER TABLE retention_admission ENABLE TRIGGER USER")
        retention.announce_batch(
            agent=agent, manifest=factories.manifest_for(policy, b"z", **differs)
        )
        told.append(figures_of(Written("batches").lines))

    assert ["row", "Batches, by outcome", "Several together", "8"] in [
        [field for field in line if field] for line in told[0]
    ]
    assert told[0] == told[1] == told[2]


def test_every_reason_has_its_words() -> None:
    """Also those that somebody's own choice is: told as one."""
    import re

    from portal.reporting.batches import REASONS
    from retention.services.judgement import OWN_CHOICES

    root = Path(__file__).resolve().parents[2]
    code = (root / "retention/services/judgement.py").read_text()
    code += (root / "retention/manifests.py").read_text()
    named = set(re.findall(r'found\.append\("(\w+)"\)|(?:f|return \[)"(\w+)[:"]', code))
    reasons = {one or other for one, other in named}

    assert "no_signals" in reasons
    assert "signal_not_allowed" in reasons
    assert reasons - OWN_CHOICES <= set(REASONS)


def test_what_one_person_did_never_shows_among_batches(database: Database) -> None:
    from consent import services
    from retention import services as retention

    world = factories.make_world()
    decide(world, world.subject, "yes")
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    factories.hand_in(agent, policy, b"x" * 77)
    services.pause_capture(subject=world.subject, at=policy.issued_at)
    retention.announce_batch(agent=agent, manifest=factories.manifest_for(policy, b"q"))

    written = Written("batches")

    assert {
        written.figure(label) for label in ("Announced", "Let in", "Not let in", "Data let in")
    } == {"hidden"}
    assert [line for line in written.lines if line[0] in {"row", "total", "bar"}] == []
    assert "77 B" not in written.text


def test_the_ledgers_activity_is_counted_by_day_and_type(database: Database) -> None:
    world = factories.make_world()
    decide(world, world.subject, "taken back")
    theirs = "type !~ '^(consent|deletion|agent|policy|batch)[.]'"
    found = dict(database.sql(f"SELECT type, count(*) FROM audit_entry WHERE {theirs} GROUP BY 1"))
    days = database.sql(
        "SELECT ((CASE WHEN imported THEN event_time ELSE recorded_at END)"
        f" AT TIME ZONE 'UTC')::date::text, count(*) FROM audit_entry WHERE {theirs}"
        " GROUP BY 1 ORDER BY 1"
    )
    asked = {"report.requested": 1}

    written = Written("activity")

    by_type = {row[1]: int(row[2]) for row in written.rows("Entries, by type")}
    assert by_type == {**found, **asked}
    assert "Purpose published purpose.published 1 0" in written.text
    assert "Consent" not in written.text.replace("Consent overview", "")
    expected = sum(found.values()) + 1
    assert written.figure("Entries") == written.total("Entries, by type")[1] == str(expected)
    by_day = {row[0]: int(row[1]) for row in written.rows("Entries, by day")}
    assert list(by_day) == [day for day, _ in days]
    assert sum(by_day.values()) == expected
    cross = written.rows("Entries, by day and type")
    assert sum(int(row[3]) for row in cross) == expected
    assert f"with {len(cross)} rows" in written.text


def test_every_report_can_be_written_before_anything_has_happened(database: Database) -> None:
    for kind in SOURCES:
        assert TITLES[kind] in Written(kind).text
    long_ago = datetime(1950, 1, 1, tzinfo=UTC)
    assert "1 January 1950" in Written("activity", period_from=long_ago).text


def test_exact_numbers_are_for_the_privacy_team_and_auditors_alone() -> None:
    assert kinds_for(["manager", "operator"]) == []
    assert kinds_for(["works_council"]) == ["consent-overview", "batches"]
    assert kinds_for(["privacy_officer"]) == list(SOURCES) == kinds_for(["auditor"])


def _raising(error: type[Exception]) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail
