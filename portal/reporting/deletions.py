"""What had to be erased, how far that is, and how well it is proven."""

from datetime import UTC
from typing import Any, Final

from django.conf import settings
from django.db.models import BigIntegerField, Count, Max, Min, Q, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, TruncDate

from audit.reporting.data import Column, Figure, Kind, Question, ReportData, Table, Value, day
from portal.reporting.common import EXACT, READER, course, within
from retention.models import Certificate, DeletionCase, DeletionJob

CAUSES: Final = {
    "withdrawal": "Consent taken back, or a no after a yes",
    "narrowing": "Consent narrowed",
    "strike": "Last minutes forgotten by the person",
    "revocation": "Consent ended by the organisation",
    "protected": "Of an app that is never captured",
    "expiry": "Term of retention over",
}
LEVELS: Final = {
    "E1": "E1: the store acknowledged",
    "E2": "E2: unreadable, all versions listed",
    "E3": "E3: byte scan of data and metadata clean",
    "E4": "E4: keys destroyed, backup horizon passed",
}

_OPEN: Final = ~Q(state=DeletionCase.State.DONE)
_FAILED: Final = Q(state=DeletionJob.State.DUE) & ~Q(failure="")


def gather(question: Question) -> ReportData:
    """Return the cases of the period, and whatever is owed or failed by now, whenever it began."""
    cases = within(
        DeletionCase.objects.using(READER), "opened_at", question.period_from, question.until()
    )
    certificates = Certificate.objects.using(READER).filter(job__case__in=cases)
    return ReportData(
        title=question.title,
        subtitle=question.period(),
        scope="Deletions that fell due in the period: what caused them, how far they are, and by "
        "what evidence they are proven. What is still owed or failed is shown whenever it began.",
        handling=EXACT,
        organisation=settings.ORGANISATION,
        as_of=question.as_of,
        figures=_figures(cases, certificates),
        charts=(
            course(
                "Certificates",
                {
                    row["on"]: row["n"]
                    for row in certificates.annotate(on=TruncDate("recorded_at", tzinfo=UTC))
                    .values("on")
                    .annotate(n=Count("pk"))
                    .order_by("on")
                },
                since=question.period_from,
                until=question.until(),
            ),
        ),
        tables=(_by_cause(cases), _by_store(cases), _by_evidence(certificates), _failed()),
        notes=(
            "Owed: from the moment of the cause until every job of the case has its certificate.",
            "Held: a legal hold keeps the data; it may not be used for anything else.",
            (
                "Visibly failed: the last attempt did not succeed. It is repeated by itself, and "
                "nothing is ever dropped."
            ),
        ),
    )


def _figures(
    cases: QuerySet[DeletionCase], certificates: QuerySet[Certificate]
) -> tuple[Figure, ...]:
    every = DeletionCase.objects.using(READER).filter(_OPEN)
    owed = every.aggregate(n=Count("pk"), oldest=Min("opened_at"))
    failed = DeletionJob.objects.using(READER).filter(_FAILED).count()
    return (
        Figure(label="Cases in the period", value=cases.count()),
        Figure(label="Certificates for them", value=certificates.count()),
        Figure(label="Owed now", value=owed["n"]),
        Figure(
            label="Oldest owed now",
            value=day(owed["oldest"]) if owed["oldest"] else "none",
            kind=Kind.SHORT,
        ),
        Figure(label="Jobs held now", value=_held()),
        Figure(label="Jobs visibly failed now", value=failed),
    )


def _held() -> int:
    return DeletionJob.objects.using(READER).filter(state=DeletionJob.State.HELD).count()


def _by_cause(cases: QuerySet[DeletionCase]) -> Table:
    rows = {
        row["cause"]: row
        for row in cases.values("cause")
        .annotate(
            n=Count("pk"), owed=Count("pk", filter=_OPEN), oldest=Min("opened_at", filter=_OPEN)
        )
        .order_by()
    }
    empty: dict[str, Any] = {"n": 0, "owed": 0, "oldest": None}
    lines = [(title, rows.get(cause, empty)) for cause, title in CAUSES.items()]
    return Table(
        caption="Cases, by cause",
        columns=(
            Column(title="Cause"),
            Column(title="Cases", kind=Kind.NUMBER),
            Column(title="Done", kind=Kind.NUMBER),
            Column(title="Still owed", kind=Kind.NUMBER),
            Column(title="Oldest still owed", kind=Kind.SHORT),
        ),
        rows=tuple(
            (
                title,
                row["n"],
                row["n"] - row["owed"],
                row["owed"],
                day(row["oldest"]) if row["oldest"] else "",
            )
            for title, row in lines
        ),
        total=(
            "All",
            sum(row["n"] for _, row in lines),
            sum(row["n"] - row["owed"] for _, row in lines),
            sum(row["owed"] for _, row in lines),
            "",
        ),
    )


def _by_store(cases: QuerySet[DeletionCase]) -> Table:
    states = DeletionJob.State
    rows = (
        DeletionJob.objects.using(READER)
        .filter(case__in=cases)
        .values("store")
        .annotate(
            jobs=Count("pk"),
            due=Count("pk", filter=Q(state=states.DUE)),
            held=Count("pk", filter=Q(state=states.HELD)),
            certified=Count("pk", filter=Q(state=states.CERTIFIED)),
        )
        .order_by("store")
    )
    return Table(
        caption="Jobs of these cases, by store",
        columns=(
            Column(title="Store"),
            *(
                Column(title=title, kind=Kind.NUMBER)
                for title in ("Jobs", "Due", "Held", "Deleted and verified")
            ),
        ),
        rows=tuple((r["store"], r["jobs"], r["due"], r["held"], r["certified"]) for r in rows),
    )


def _by_evidence(certificates: QuerySet[Certificate]) -> Table:
    rows = {
        row["evidence_level"]: row
        for row in certificates.values("evidence_level")
        .annotate(
            n=Count("pk"),
            erased=Sum(Cast(KT("statement__scope__objects"), BigIntegerField())),
            size=Sum(Cast(KT("statement__scope__bytes"), BigIntegerField())),
        )
        .order_by()
    }
    empty: dict[str, Any] = {"n": 0, "erased": 0, "size": 0}
    found = [(title, rows.get(level, empty)) for level, title in LEVELS.items()]
    lines: list[tuple[Value, ...]] = [
        (title, row["n"], row["erased"] or 0, row["size"] or 0) for title, row in found
    ]
    return Table(
        caption="Certificates for these cases, by level of evidence",
        columns=(
            Column(title="Evidence"),
            Column(title="Certificates", kind=Kind.NUMBER),
            Column(title="Batches", kind=Kind.NUMBER),
            Column(title="Data", kind=Kind.BYTES),
        ),
        rows=tuple(lines),
        total=(
            "All",
            sum(row["n"] for _, row in found),
            sum(row["erased"] or 0 for _, row in found),
            sum(row["size"] or 0 for _, row in found),
        ),
    )


def _failed() -> Table:
    rows = (
        DeletionJob.objects.using(READER)
        .filter(_FAILED)
        .values("store", "failure")
        .annotate(jobs=Count("pk"), attempts=Max("attempts"), oldest=Min("case__opened_at"))
        .order_by("store", "failure")
    )
    return Table(
        caption="Visibly failed now",
        columns=(
            Column(title="Store"),
            Column(title="What went wrong"),
            Column(title="Jobs", kind=Kind.NUMBER),
            Column(title="Most attempts", kind=Kind.NUMBER),
            Column(title="Oldest case", kind=Kind.SHORT),
        ),
        rows=tuple(
            (r["store"], r["failure"], r["jobs"], r["attempts"], day(r["oldest"])) for r in rows
        ),
        note="" if rows else "No deletion has failed.",
    )
