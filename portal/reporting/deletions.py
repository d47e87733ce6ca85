"""What had to be erased, how far that is, and how well it is proven; in groups of people.

What somebody decided themselves (took back, chose less, had forgotten) is one line: told apart,
these would say of few people what each of them did. That something failed is always said.
"""

from collections.abc import Hashable, Iterator
from typing import Any, Final, TypeVar

from django.conf import settings
from django.db import connections
from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.db.models.fields import BigIntegerField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from audit.reporting.data import Column, Figure, Kind, Question, ReportData, Table, Value, day
from portal.reporting.common import READER, groups_only, within
from portal.reporting.groups import Shown, Tally, shown, table_of
from retention.models import Certificate, DeletionCase, DeletionJob

OWN_CHOICE: Final = "own_choice"
OWN_CHOICES: Final = frozenset({"withdrawal", "narrowing", "strike"})
CAUSES: Final = {
    OWN_CHOICE: "The person took back, chose less or had it forgotten",
    "revocation": "Consent ended by the organisation",
    "protected": "Of an app that is never captured",
    "expiry": "Term of retention over",
}
STATES: Final = {True: "done", False: "owed"}
JOBS: Final = {"due": "due", "held": "held", "certified": "deleted and verified"}
LEVELS: Final = {
    "E1": "E1: the store acknowledged",
    "E2": "E2: unreadable, all versions listed",
    "E3": "E3: byte scan of data and metadata clean",
    "E4": "E4: keys destroyed, backup horizon passed",
}

_OPEN: Final = ~Q(state=DeletionCase.State.DONE)
_FAILED: Final = Q(state=DeletionJob.State.DUE) & ~Q(failure="")
_NOBODYS: Final = Q(case__subject=None)
_OWNERS: Final = """
SELECT DISTINCT j.id, b.subject_id
FROM retention_deletionjob j CROSS JOIN unnest(j.batches) AS named
JOIN retention_batch b ON b.uuid = named
WHERE j.id = ANY(%s)
"""

Key = TypeVar("Key", bound=Hashable)


def gather(question: Question) -> ReportData:
    """Return the cases of the period, and whatever is owed or failed by now, whenever it began."""
    cases = within(
        DeletionCase.objects.using(READER), "opened_at", question.period_from, question.until()
    )
    jobs = DeletionJob.objects.using(READER).filter(case__in=cases)
    by_cause, by_store = _shown(_causes(cases, jobs)), _shown(_stores(jobs))
    by_level = _shown(_levels(Certificate.objects.using(READER).filter(job__in=jobs)))
    return ReportData(
        title=question.title,
        subtitle=question.period(),
        scope="Deletions that fell due in the period: what caused them, how far they are, and by "
        "what evidence they are proven. What is still owed or failed is shown whenever it began.",
        handling=groups_only("the privacy team and auditors"),
        organisation=settings.ORGANISATION,
        as_of=question.as_of,
        figures=_figures(by_cause, by_level),
        tables=(
            table_of(
                "Cases, by cause",
                ("Cause", "State"),
                by_cause,
                lambda key: (CAUSES[key[0]], STATES[key[1]]),
                counted="Cases",
            ),
            table_of(
                "Jobs of these cases, by store",
                ("Store", "State"),
                by_store,
                lambda key: (key[0], JOBS[key[1]]),
                counted="Jobs",
            ),
            table_of(
                "Certificates for these cases, by level of evidence",
                ("Evidence",),
                by_level,
                lambda level: (LEVELS[level],),
                counted="Certificates",
                with_bytes=True,
            ),
            _failed(),
        ),
        notes=(
            "Owed: from the moment of the cause until every job of the case has its certificate.",
            "Held: a legal hold keeps the data; it may not be used for anything else.",
            (
                "Visibly failed: the last attempt did not succeed. It is repeated by itself, and "
                "nothing is ever dropped. That it failed is said of however few people; how many "
                f"deletions, and since when, where it is {settings.SMALLEST_GROUP} people or more."
            ),
            (
                f"A line stands for at least {settings.SMALLEST_GROUP} people. What is of fewer, or"
                " of none, is put together with others until it does."
            ),
        ),
    )


def _figures(by_cause: Shown[tuple[str, bool]], by_level: Shown[str]) -> tuple[Figure, ...]:
    every = DeletionCase.objects.using(READER).filter(_OPEN)
    jobs = DeletionJob.objects.using(READER)
    owed = every.aggregate(n=Count("pk"), oldest=Min("opened_at"))
    named = set(every.exclude(subject=None).values_list("subject", flat=True))
    people = named | _people(jobs.filter(case__in=every))
    many = len(people) >= settings.SMALLEST_GROUP
    failed = jobs.filter(_FAILED)
    return (
        Figure(label="Cases in the period", value=by_cause.total.count if by_cause.total else None),
        Figure(
            label="Certificates for them", value=by_level.total.count if by_level.total else None
        ),
        Figure(label="Owed now", value=owed["n"] if many else None),
        Figure(
            label="Oldest owed now",
            value=day(owed["oldest"]) if many and owed["oldest"] else None,
            kind=Kind.SHORT,
        ),
        Figure(
            label="Jobs held now", value=_if_of_enough(jobs.filter(state=DeletionJob.State.HELD))
        ),
        Figure(
            label="Jobs visibly failed now",
            value=_if_of_enough(failed) or ("some" if failed.exists() else "none"),
            kind=Kind.SHORT,
        ),
    )


def _causes(
    cases: QuerySet[DeletionCase], jobs: QuerySet[DeletionJob]
) -> dict[tuple[str, bool], Tally]:
    found = {(cause, done): Tally() for cause in CAUSES for done in STATES}
    rows = cases.values_list("cause", "state", "subject").annotate(n=Count("pk")).order_by()
    for cause, state, person, number in rows:
        found[_group(cause), state == DeletionCase.State.DONE].add(person, number)
    for cause, state, person in _owners(jobs, "case__cause", "case__state"):
        found[_group(cause), state == DeletionCase.State.DONE].add(person, 0)
    return found


def _group(cause: str) -> str:
    return OWN_CHOICE if cause in OWN_CHOICES else cause


def _stores(jobs: QuerySet[DeletionJob]) -> dict[tuple[str, str], Tally]:
    found = {
        (store, state): Tally()
        for store in sorted(settings.STORES)
        for state in (s.value for s in DeletionJob.State)
    }
    rows = jobs.values_list("store", "state", "case__subject").annotate(n=Count("pk")).order_by()
    for store, state, person, number in rows:
        found.setdefault((store, state), Tally()).add(person, number)
    for store, state, person in _owners(jobs, "store", "state"):
        found[store, state].add(person, 0)
    return found


def _levels(certificates: QuerySet[Certificate]) -> dict[str, Tally]:
    found = {level: Tally() for level in LEVELS}
    rows = (
        certificates.values_list("evidence_level", "job__case__subject")
        .annotate(n=Count("pk"), size=Sum(Cast(KT("statement__scope__bytes"), BigIntegerField())))
        .order_by()
    )
    for level, person, number, size in rows:
        found[level].add(person, number, size or 0)
    jobs = DeletionJob.objects.using(READER).filter(certificate__in=certificates)
    for level, person in _owners(jobs, "certificate__evidence_level"):
        found[level].add(person, 0)
    return found


def _owners(jobs: QuerySet[DeletionJob], *names: str) -> Iterator[tuple[Any, ...]]:
    """Yield the values of some names with whose data they are, where no case says whose it is."""
    nobodys = {pk: values for pk, *values in jobs.filter(_NOBODYS).values_list("pk", *names)}
    with connections[READER].cursor() as cursor:
        cursor.execute(_OWNERS, [list(nobodys)])
        for job, person in cursor.fetchall():
            yield *nobodys[job], person


def _people(jobs: QuerySet[DeletionJob]) -> set[int]:
    """Return whose data the jobs are about."""
    named = jobs.exclude(_NOBODYS).values_list("case__subject", flat=True).distinct().order_by()
    return {*named, *(person for (person,) in _owners(jobs))}


def _if_of_enough(jobs: QuerySet[DeletionJob]) -> int | None:
    return jobs.count() if len(_people(jobs)) >= settings.SMALLEST_GROUP else None


def _shown(tallies: dict[Key, Tally]) -> Shown[Key]:
    return shown(tallies, smallest=settings.SMALLEST_GROUP)


def _failed() -> Table:
    """Return what fails, store by store: that it does, always; of how many, where of enough."""
    failed = DeletionJob.objects.using(READER).filter(_FAILED)
    rows = (
        failed.values("store", "failure")
        .annotate(attempts=Max("attempts"), oldest=Min("case__opened_at"))
        .order_by("store", "failure")
    )
    lines: list[tuple[Value, ...]] = []
    for row in rows:
        jobs = _if_of_enough(failed.filter(store=row["store"], failure=row["failure"]))
        since = day(row["oldest"]) if jobs is not None else None
        lines.append((row["store"], row["failure"], jobs, row["attempts"], since))
    return Table(
        caption="Visibly failed now",
        columns=(
            Column(title="Store"),
            Column(title="What went wrong"),
            Column(title="Jobs", kind=Kind.NUMBER),
            Column(title="Most attempts", kind=Kind.NUMBER),
            Column(title="Oldest case", kind=Kind.SHORT),
        ),
        rows=tuple(lines),
        note="" if lines else "No deletion has failed.",
    )
