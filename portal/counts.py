"""Counts that follow from what people do: told once a day at most, and only after enough people.

A count that is looked up tells, to whoever looks before and after somebody acts, that they did: one
machine more, one deletion more. So counts are frozen, as answers are (ADR 24).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q, QuerySet

from consent.models import Agent, Purpose, Subject
from consent.selectors import midnight
from consent.suppression import enough_beside
from portal.demo import progress
from portal.models import PublishedCount
from retention.models import Batch, Certificate, DeletionCase

LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
ERASED: Final = """
SELECT DISTINCT b.subject_id
FROM retention_certificate c
JOIN retention_deletionjob j ON j.id = c.job_id
CROSS JOIN unnest(j.batches) AS named
JOIN retention_batch b ON b.uuid = named
WHERE c.recorded_at >= %s
LIMIT %s
"""
"""Whose recordings certificates speak of, also where a case is nobody's own: a term that ended."""


@dataclass(frozen=True)
class Counted:
    """A count: what is counted, whose each is, and of whom anything changed since an instant."""

    rows: QuerySet[Any]
    of: str
    touched: Callable[[datetime], Iterable[int]]


@transaction.atomic
def publish_counts(*, at: datetime) -> int:
    """Count anew what enough people changed since it was counted last; return how many were told.

    What changed does not matter, nor whether it still shows.
    """
    if progress.read():  # half a demo company would stay on the page until tomorrow
        return 0
    told, today = {row.name: row.counted_at for row in _newest()}, midnight(at.date())
    due = [
        (name, counted)
        for name, counted in _counts().items()
        if (since := told.get(name, LONG_AGO)) < today and _enough(counted.touched(since))
    ]
    if not due:
        return 0
    everybody = Subject.objects.count()
    PublishedCount.objects.bulk_create(
        [
            PublishedCount(name=name, counted_at=at, value=_value(counted, everybody))
            for name, counted in due
        ],
        ignore_conflicts=True,
    )
    return len(due)


def told_counts() -> dict[str, int | None]:
    """Return each count as it was told last, by its name; None, or nothing, is not shown."""
    return {row.name: row.value for row in _newest()}


def kept_of(purpose: int) -> str:
    """Return the name of the count of what is kept for a purpose."""
    return f"kept:{purpose}"


def _newest() -> QuerySet[PublishedCount]:
    return PublishedCount.objects.order_by("name", "-counted_at").distinct("name")


def _counts() -> dict[str, Counted]:
    kept = Batch.objects.filter(state=Batch.State.KEPT)
    purposes = Purpose.objects.filter(published_at__isnull=False).values_list("pk", flat=True)
    return {
        "machines": Counted(
            Agent.objects.filter(standing=Agent.Standing.ACTIVE), "subject", _with_machines
        ),
        "kept": Counted(kept, "subject", _with_recordings),
        "owed": Counted(
            DeletionCase.objects.exclude(state=DeletionCase.State.DONE), "subject", _with_deletions
        ),
        "certified": Counted(Certificate.objects.all(), "job__case__subject", _with_deletions),
        **{
            kept_of(purpose): Counted(kept.filter(purpose=purpose), "subject", _with_recordings)
            for purpose in purposes
        },
    }


def _value(counted: Counted, everybody: int) -> int | None:
    """Return the count, where it is of enough people and enough people are not in it."""
    found = counted.rows.aggregate(n=Count("pk"), people=Count(counted.of, distinct=True))
    smallest = settings.SMALLEST_GROUP
    enough = enough_beside(found["people"], everybody, smallest=smallest)
    return found["n"] if enough else None


def _enough(people: Iterable[int]) -> bool:
    found: set[int] = set()
    for person in people:
        found.add(person)
        if len(found) >= settings.SMALLEST_GROUP:
            return True
    return False


def _with_machines(since: datetime) -> Iterator[int]:
    changed = Q(enrolled_at__gte=since) | Q(revoked_at__gte=since)
    yield from _some(Agent.objects.filter(changed))


def _with_recordings(since: datetime) -> Iterator[int]:
    yield from _some(Batch.objects.filter(recorded_at__gte=since))
    yield from _erased(since)


def _with_deletions(since: datetime) -> Iterator[int]:
    changed = Q(opened_at__gte=since) | Q(closed_at__gte=since)
    yield from _some(DeletionCase.objects.filter(changed, subject__isnull=False))
    yield from _erased(since)


def _some(rows: QuerySet[Any]) -> QuerySet[Any, int]:
    people = rows.order_by("subject").values_list("subject", flat=True).distinct()
    return people[: settings.SMALLEST_GROUP]


def _erased(since: datetime) -> Iterator[int]:
    with connection.cursor() as cursor:
        cursor.execute(ERASED, [since, settings.SMALLEST_GROUP])
        for (person,) in cursor.fetchall():
            yield person
