"""A report from asking to handing out: nothing lost, nothing twice, all of it in the ledger."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pypdf
import pytest
from django.db import OperationalError

from audit import ledger, reports
from audit.reporting.data import Column, Figure, Kind, Question, ReportData, Source, Table

if TYPE_CHECKING:
    from tests.conftest import Database

OFFICER = UUID("00000000-0000-4000-8000-000000000001")
READER = UUID("00000000-0000-4000-8000-000000000002")


class Killed(BaseException):
    """The worker's process ends here: nothing after this line runs."""


def gather(question: Question) -> ReportData:
    return ReportData(
        title=question.title,
        subtitle=question.period(),
        scope="An example.",
        handling="For tests.",
        organisation="Example Ltd",
        as_of=question.as_of,
        figures=(Figure(label="Answer", value=4242),),
        tables=(
            Table(caption="Things", columns=(Column(title="N", kind=Kind.NUMBER),), rows=((17,),)),
        ),
    )


SOURCES = {"example": Source(title="Example", gather=gather, params=frozenset({"part"}))}


def ask(**differs: Any) -> Any:
    values: dict[str, Any] = {
        "kind": "example",
        "title": "",
        "period_from": None,
        "period_until": None,
        "params": {},
        "requested_by": OFFICER,
        "sources": SOURCES,
    }
    return reports.request_report(**{**values, **differs})


def counted(database: Database, type_: str) -> int:
    return int(database.sql("SELECT count(*) FROM audit_entry WHERE type = %s", type_)[0][0])


def let_the_lease_lapse(database: Database) -> None:
    database.sql(
        "UPDATE audit_report SET lease_until = now() - interval '1 second',"
        " next_at = now() - interval '1 second'"
    )


def standing(database: Database) -> tuple[Any, ...]:
    return database.sql("SELECT state, failure, attempts, fence FROM audit_report")[0]


def files(database: Database) -> list[str]:
    return [row[0] for row in database.sql("SELECT format FROM audit_reportfile ORDER BY format")]


def test_a_report_is_asked_for_written_and_handed_out_each_with_its_entry(
    database: Database,
) -> None:
    report = ask(title="My report", params={"part": "1"})
    assert counted(database, "report.requested") == 1

    assert reports.render_due(SOURCES) == 1
    assert reports.render_due(SOURCES) == 0

    assert standing(database)[:2] == ("ready", "")
    assert files(database) == ["csv", "pdf"]
    assert counted(database, "report.rendered") == 1
    [listed] = reports.newest_reports()
    assert (listed.uuid, [file.format for file in listed.files.all()]) == (
        report.uuid,
        ["csv", "pdf"],
    )

    pdf = reports.file_for_download(report.uuid, "pdf", READER)
    table = reports.file_for_download(report.uuid, "csv", READER)

    assert counted(database, "report.downloaded") == 2
    assert pdf.name.startswith("example-")
    assert pdf.name.endswith(f"{str(report.uuid)[:8]}.pdf")
    document = pypdf.PdfReader(io.BytesIO(pdf.content))
    assert document.metadata is not None
    assert document.metadata.title == "My report"
    assert "4,242" in document.pages[0].extract_text()
    rows = list(csv.reader(io.StringIO(table.content.decode("utf-8-sig"), newline="")))
    assert ["figure", "Answer", "4242"] in [row[:3] for row in rows]
    body = database.sql("SELECT convert_from(body, 'UTF8') FROM audit_entry ORDER BY id")
    assert pdf.sha256 in body[1][0]
    assert table.sha256 in body[1][0]
    assert all(str(report.uuid) not in row[0] and "My report" not in row[0] for row in body)


def test_the_foot_names_the_state_of_the_ledger_at_the_moment_of_the_figures(
    database: Database,
    tmp_path: Any,
) -> None:
    from audit.selectors import tree_state
    from audit.sequencer import Sequencer

    first = ask()
    reports.render_due(SOURCES)
    before = reports.file_for_download(first.uuid, "pdf", READER).content
    key = tmp_path / "key.pem"
    Sequencer(key_file=key, origin="example.org/ledger", using="sequencer").step()
    signed = tree_state()
    second = ask()
    reports.render_due(SOURCES)
    after = reports.file_for_download(second.uuid, "pdf", READER).content

    assert "no signed entry" in pypdf.PdfReader(io.BytesIO(before)).pages[0].extract_text()
    foot = pypdf.PdfReader(io.BytesIO(after)).pages[0].extract_text()
    assert f"Ledger at {signed.size} entries, root {signed.root}" in foot


UNANSWERABLE: list[tuple[dict[str, Any], type[reports.ReportError]]] = [
    ({"kind": "nonsense"}, reports.ReportKindUnknown),
    ({"title": "x" * 201}, reports.ReportTitleUnfit),
    ({"title": "two\nlines"}, reports.ReportTitleUnfit),
    ({"params": {"other": "1"}}, reports.ReportParamsUnfit),
    ({"params": {"part": 1}}, reports.ReportParamsUnfit),
    ({"period_from": datetime(2026, 1, 1)}, reports.ReportPeriodUnfit),  # noqa: DTZ001
    ({"period_from": datetime(2999, 1, 1, tzinfo=UTC)}, reports.ReportPeriodUnfit),
    (
        {
            "period_from": datetime(2026, 2, 1, tzinfo=UTC),
            "period_until": datetime(2026, 2, 1, tzinfo=UTC),
        },
        reports.ReportPeriodUnfit,
    ),
]


def test_what_nobody_can_answer_is_refused_and_nothing_is_stored(database: Database) -> None:
    for differs, refusal in UNANSWERABLE:
        with pytest.raises(refusal) as caught:
            ask(**differs)
        assert caught.value.code
        assert caught.value.next_step

    assert database.sql("SELECT count(*) FROM audit_report") == [(0,)]
    assert counted(database, "report.requested") == 0


def test_where_the_ledger_fails_nothing_is_asked_written_or_handed_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = ask()
    reports.render_due(SOURCES)

    def broken(*_: object, **__: object) -> int:
        raise OperationalError("the ledger is away")

    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", broken)
        with pytest.raises(OperationalError):
            ask()
        with pytest.raises(OperationalError):
            reports.file_for_download(ready.uuid, "pdf", READER)
    assert database.sql("SELECT count(*) FROM audit_report") == [(1,)]
    assert counted(database, "report.downloaded") == 0

    ask()
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "append", broken)
        assert reports.render_due(SOURCES) == 1

    state = database.sql("SELECT state, failure FROM audit_report ORDER BY id DESC LIMIT 1")
    assert state == [("requested", "storing_failed")]
    assert files(database) == ["csv", "pdf"]
    assert counted(database, "report.rendered") == 1


def test_a_worker_killed_between_writing_and_storing_leaves_one_report(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(reports, "_finish", killed)
        with pytest.raises(Killed):
            reports.render_due(SOURCES)
    assert standing(database) == ("rendering", "", 1, 1)
    database.sql("UPDATE audit_report SET next_at = now() - interval '1 second'")
    assert reports.render_due(SOURCES) == 0  # the lease still stands

    let_the_lease_lapse(database)
    assert reports.render_due(SOURCES) == 1

    assert standing(database) == ("ready", "", 2, 2)
    assert files(database) == ["csv", "pdf"]
    assert counted(database, "report.rendered") == 1


def test_that_a_worker_was_lost_shows_while_the_next_one_writes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(reports, "_finish", killed)
    for _ in range(2):
        with pytest.raises(Killed):
            reports.render_due(SOURCES)
        let_the_lease_lapse(database)

    assert standing(database)[:3] == ("rendering", "worker_lost", 2)
    assert reports.FAILURES["worker_lost"]


def test_failed_and_not_done_is_visible_and_done_later(database: Database) -> None:
    def broken(_: Question) -> ReportData:
        raise OperationalError("no figures")

    ask()
    assert reports.render_due({"example": Source(title="Example", gather=broken)}) == 1

    assert standing(database)[:3] == ("requested", "figures_failed", 1)
    assert files(database) == []
    assert counted(database, "report.rendered") == 0
    assert reports.render_due(SOURCES) == 0  # not before its pause is over

    let_the_lease_lapse(database)
    assert reports.render_due(SOURCES) == 1
    assert standing(database)[:3] == ("ready", "", 2)


def test_failed_but_done_all_the_same_is_done_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    finish: Callable[..., None] = reports._finish

    def done_and_then_lost(*args: Any) -> None:
        finish(*args)
        raise OperationalError("the connection broke after the commit")

    monkeypatch.setattr(reports, "_finish", done_and_then_lost)
    assert reports.render_due(SOURCES) == 1
    monkeypatch.undo()
    let_the_lease_lapse(database)

    assert reports.render_due(SOURCES) == 0
    assert standing(database)[:3] == ("ready", "", 1)
    assert files(database) == ["csv", "pdf"]
    assert counted(database, "report.rendered") == 1


def test_a_worker_that_comes_back_too_late_changes_nothing(database: Database) -> None:
    ask()
    late = reports._claim()
    assert late is not None
    assert reports._claim() is None
    let_the_lease_lapse(database)
    current = reports._claim()
    assert current is not None
    assert current.fence == late.fence + 1

    reports._write(late, SOURCES)
    reports._fail(late, "writing_failed")
    assert standing(database) == ("rendering", "worker_lost", 2, 2)
    assert files(database) == []

    reports._write(current, SOURCES)
    reports._write(late, SOURCES)
    assert standing(database)[:2] == ("ready", "")
    assert files(database) == ["csv", "pdf"]
    assert counted(database, "report.rendered") == 1


def test_a_kind_that_no_worker_knows_yet_waits_and_an_impossible_question_ends(
    database: Database,
) -> None:
    def impossible(_: Question) -> ReportData:
        raise reports.ReportPeriodUnfit

    ask()
    reports.render_due({})
    assert standing(database)[:2] == ("requested", "report_kind_unknown")

    let_the_lease_lapse(database)
    reports.render_due({"example": Source(title="Example", gather=impossible)})
    assert standing(database)[:2] == ("failed", "report_period_unfit")
    let_the_lease_lapse(database)
    assert reports.render_due(SOURCES) == 0


def test_the_pause_grows_and_never_beyond_an_hour() -> None:
    pauses = [reports._pause(attempts).total_seconds() for attempts in range(1, 30)]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2, 3600)


def test_figures_are_read_by_a_role_that_can_change_nothing(database: Database) -> None:
    from consent.models import Subject

    def curious(question: Question) -> ReportData:
        Subject.objects.using("reader").create(language="en")
        return gather(question)

    ask()
    reports.render_due({"example": Source(title="Example", gather=curious)})

    assert standing(database)[:2] == ("requested", "figures_failed")
    assert database.sql("SELECT count(*) FROM consent_subject") == [(0,)]


def test_only_finished_files_that_are_as_recorded_are_handed_out(database: Database) -> None:
    report = ask()
    with pytest.raises(reports.ReportNotReady):
        reports.file_for_download(report.uuid, "pdf", READER)
    reports.render_due(SOURCES)
    with pytest.raises(reports.ReportUnknown):
        reports.file_for_download(uuid4(), "pdf", READER)
    with pytest.raises(reports.ReportUnknown):
        reports.file_for_download(report.uuid, "exe", READER)

    database.sql("UPDATE audit_reportfile SET content = content || 'x'::bytea WHERE format = 'pdf'")

    with pytest.raises(reports.ReportDamaged):
        reports.file_for_download(report.uuid, "pdf", READER)
    assert counted(database, "report.downloaded") == 0
