"""Reports: asked for, written by a worker, handed out; each of the three is in the ledger.

Work is a row: claimed under a lease, written outside any transaction, finished under a fence. What
survives a crash: before the claim commits, nothing happened. After it, the lease lapses and
another worker claims the report anew. The finish is one transaction: both files, the state and
the ledger entry are there together or not at all. The lease is measured by the database's clock
alone, so that no two machines have to agree on the time.
"""

import hashlib
import logging
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Prefetch, Q
from django.db.models.functions import Now
from django.utils import timezone

from audit import events, ledger, selectors
from audit.body import Actor
from audit.models import Report, ReportFile
from audit.reporting.csvfile import render_csv
from audit.reporting.data import Anchor, Question, ReportData, Source
from audit.reporting.errors import (
    FAILURES,
    ReportDamaged,
    ReportError,
    ReportKindUnknown,
    ReportNotReady,
    ReportParamsUnfit,
    ReportPeriodUnfit,
    ReportTitleUnfit,
    ReportUnknown,
)
from audit.reporting.pdf import render_pdf

__all__ = [
    "FAILURES",
    "Download",
    "ReportDamaged",
    "ReportError",
    "ReportKindUnknown",
    "ReportNotReady",
    "ReportParamsUnfit",
    "ReportPeriodUnfit",
    "ReportTitleUnfit",
    "ReportUnknown",
    "file_for_download",
    "newest_reports",
    "render_due",
    "request_report",
]

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=120)
LONGEST_PAUSE: Final = timedelta(hours=1)
READING_LIMIT: Final = "45s"

Sources = Mapping[str, Source]


@dataclass(frozen=True)
class Download:
    """A file as it is handed out; its name says what it is and nothing about who asked."""

    name: str
    content: bytes
    sha256: str


@transaction.atomic
def request_report(
    *,
    kind: str,
    title: str,
    period_from: datetime | None,
    period_until: datetime | None,
    params: Mapping[str, str],
    requested_by: UUID,
    sources: Sources,
) -> Report:
    """Return a report that the workers will write; an empty title takes that of its kind.

    Raises ReportKindUnknown, ReportTitleUnfit, ReportPeriodUnfit or ReportParamsUnfit; then
    nothing was stored.
    """
    source = _source(sources, kind)
    _check_period(period_from, period_until)
    _check_params(params, source)
    report = Report.objects.create(
        kind=kind,
        title=_checked_title(title or source.title),
        period_from=period_from,
        period_until=period_until,
        params=dict(params),
        requested_by=requested_by,
    )
    ledger.append(
        events.ReportRequested(kind=kind, report=report.uuid),
        actor=Actor.staff(requested_by),
        covers=[report],
    )
    return report


def render_due(sources: Sources, limit: int = 2) -> int:
    """Write reports that are due, at most `limit`; return how many were taken up."""
    taken = 0
    while taken < limit and (report := _claim()) is not None:
        _write(report, sources)
        taken += 1
    return taken


def file_for_download(report: UUID, form: str, reader: UUID) -> Download:
    """Return a finished file, after the ledger has recorded and committed that it was taken.

    Raises ReportUnknown, ReportNotReady, or ReportDamaged where the bytes are not those recorded.
    """
    with transaction.atomic(durable=True):
        row = Report.objects.filter(uuid=report).first()
        if row is None or form not in ReportFile.Format.values:
            raise ReportUnknown
        file = ReportFile.objects.filter(report=row, format=form).first()
        if row.state != Report.State.READY or file is None:
            raise ReportNotReady
        content = bytes(file.content)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise ReportDamaged
        ledger.append(
            events.ReportDownloaded(kind=row.kind, format=form, report=row.uuid),
            actor=Actor.staff(reader),
        )
    name = f"{row.kind}-{file.created_at:%Y-%m-%d}-{str(row.uuid)[:8]}.{form}"
    return Download(name=name, content=content, sha256=file.sha256)


def newest_reports(*, limit: int = 50, kinds: Iterable[str] | None = None) -> list[Report]:
    """Return the reports asked for last, newest first, with its files but not their content."""
    files = ReportFile.objects.defer("content").order_by("format")
    found = Report.objects.prefetch_related(Prefetch("files", queryset=files))
    if kinds is not None:
        found = found.filter(kind__in=list(kinds))
    return list(found.order_by("-pk")[:limit])


# --- asking -----------------------------------------------------------------------------------


def _source(sources: Sources, kind: str) -> Source:
    source = sources.get(kind)
    if source is None:
        raise ReportKindUnknown
    return source


def _checked_title(title: str) -> str:
    said = str(title).strip()
    unfit = any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in said)
    if not said or len(said) > 200 or unfit:
        raise ReportTitleUnfit
    return said


def _check_period(since: datetime | None, until: datetime | None) -> None:
    if any(end is not None and end.utcoffset() is None for end in (since, until)):
        raise ReportPeriodUnfit
    if since is not None and since >= min(until or timezone.now(), timezone.now()):
        raise ReportPeriodUnfit


def _check_params(params: Mapping[str, str], source: Source) -> None:
    if not all(isinstance(value, str) for value in params.values()) or set(params) - source.params:
        raise ReportParamsUnfit


# --- writing ----------------------------------------------------------------------------------


@transaction.atomic(durable=True)
def _claim() -> Report | None:
    """Take one due report under a lease; the fence tells a later finish if it is still ours."""
    report = (
        Report.objects.select_for_update(skip_locked=True)
        .filter(Q(lease_until=None) | Q(lease_until__lt=Now()), next_at__lte=Now())
        .filter(state__in=[Report.State.REQUESTED, Report.State.RENDERING])
        .order_by("next_at", "pk")
        .first()
    )
    if report is None:
        return None
    if report.state == Report.State.RENDERING:
        # Whoever had it neither finished nor failed: it stopped, and that shows.
        report.failure = "worker_lost"
    report.fence += 1
    report.attempts += 1
    report.state = Report.State.RENDERING
    Report.objects.filter(pk=report.pk).update(
        fence=report.fence,
        attempts=report.attempts,
        state=report.state,
        failure=report.failure,
        lease_until=Now() + LEASE,
        # A report that kills its worker comes back later and later.
        next_at=Now() + max(LEASE, _pause(report.attempts)),
    )
    return report


def _write(report: Report, sources: Sources) -> None:
    """Gather, set and store one claimed report; what goes wrong is recorded, never dropped."""
    failure = "figures_failed"
    try:
        data, anchor, question = _gather(report, sources)
        failure = "writing_failed"
        files = {
            ReportFile.Format.PDF: render_pdf(data, anchor=anchor, asked=question),
            ReportFile.Format.CSV: render_csv(data, anchor=anchor, asked=question),
        }
        failure = "storing_failed"
        _finish(report, files)
    except ReportError as refusal:
        _fail(report, refusal.code, final=not isinstance(refusal, ReportKindUnknown))
    except Exception as error:  # noqa: BLE001  whatever went wrong, the report stays owed
        # Only the kind of error: its message may quote a title. After a lost connection the finish
        # may have happened all the same; then the report is ready, and failing it changes nothing.
        logger.warning("report_error report=%s error=%s", report.uuid, type(error).__name__)
        _fail(report, failure)


def _gather(report: Report, sources: Sources) -> tuple[ReportData, Anchor, Question]:
    """Return what the report says and how far the ledger was signed, of one and the same moment."""
    source = _source(sources, report.kind)
    with _one_moment() as now:
        question = Question(
            report=report.uuid,
            kind=report.kind,
            title=report.title,
            as_of=now,
            period_from=report.period_from,
            period_until=report.period_until,
            params=report.params,
        )
        if question.period_from and question.period_from >= question.until():
            raise ReportPeriodUnfit
        data = source.gather(question)
        state = selectors.tree_state()
    return data, Anchor(size=state.size, root=state.root), question


@contextmanager
def _one_moment() -> Iterator[datetime]:
    """Read as the reader, as of one instant; yield that instant by the database's clock."""
    alias = selectors.READER
    with transaction.atomic(using=alias, durable=True), connections[alias].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [READING_LIMIT])
        cursor.execute("SELECT transaction_timestamp()")
        now: datetime = cursor.fetchone()[0]
        yield now


@transaction.atomic(durable=True)
def _finish(report: Report, files: Mapping[ReportFile.Format, bytes]) -> None:
    if not _still_ours(report):
        logger.warning("report_superseded report=%s fence=%s", report.uuid, report.fence)
        return  # the lease lapsed and another worker has it: its finish counts, not ours
    rows = [
        ReportFile(
            report=report,
            format=form,
            content=content,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for form, content in files.items()
    ]
    ReportFile.objects.bulk_create(rows)
    Report.objects.filter(pk=report.pk).update(
        state=Report.State.READY, lease_until=None, failure=""
    )
    ledger.append(
        events.ReportRendered(
            kind=report.kind, digests=tuple(row.sha256 for row in rows), report=report.uuid
        ),
        actor=Actor.system("reports"),
        covers=[report, *rows],
    )


@transaction.atomic(durable=True)
def _fail(report: Report, failure: str, *, final: bool = False) -> None:
    """Leave the report owed, visibly failed, for a later attempt; `final` where none would help."""
    if not _still_ours(report):
        return
    Report.objects.filter(pk=report.pk).update(
        state=Report.State.FAILED if final else Report.State.REQUESTED,
        failure=failure,
        lease_until=None,
        next_at=Now() + _pause(report.attempts),
    )
    logger.error(
        "report_failed report=%s kind=%s failure=%s attempt=%s",
        report.uuid,
        report.kind,
        failure,
        report.attempts,
    )


def _still_ours(report: Report) -> bool:
    return (
        Report.objects.select_for_update()
        .filter(pk=report.pk, fence=report.fence, state=Report.State.RENDERING)
        .exists()
    )


def _pause(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: 2 s doubling, an hour at most."""
    return min(LONGEST_PAUSE, timedelta(seconds=2 ** min(attempts, 12)))
