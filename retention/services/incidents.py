"""Incidents: which nobody has looked into yet, and what was found of those that somebody has."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from audit import events, ledger
from audit.ledger import Actor
from retention.exceptions import IncidentsTooFresh, NothingToLookInto
from retention.models import Admission, IncidentReview

SETTLED: Final = timedelta(minutes=10)
"""A batch that is being judged bears the time at which that began: what was begun longer ago than
this is there to be seen."""
LOCK: Final = 7_264_103
"""The advisory lock that lets one look at a time be recorded, so that a repeat finds the first."""


def settled() -> datetime:
    """Return the hour, by the database's clock, up to which incidents are told.

    By full hours, as the ledger tells others of such entries: a minute could be somebody's.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_trunc('hour', now() - make_interval(secs => %s), 'UTC')",
            [SETTLED.total_seconds()],
        )
        found: datetime = cursor.fetchone()[0]
    return found


def open_incidents(*, before: datetime) -> QuerySet[Admission]:
    """Return the batches set apart before an hour, as `settled` tells it, and not looked into."""
    found = Admission.objects.filter(state=Admission.State.QUARANTINED, announced_at__lt=before)
    newest = IncidentReview.objects.order_by("-through").first()
    return found.filter(announced_at__gte=newest.through) if newest else found


@transaction.atomic
def look_into_incidents(
    *, through: datetime, finding: IncidentReview.Finding, by: UUID
) -> IncidentReview:
    """Record that somebody looked into all incidents before the hour of `through`, and of what.

    A repeat returns what stands. Raises IncidentsTooFresh where that hour is not told yet, and
    NothingToLookInto where there is none before it.
    """
    through = through.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    said = IncidentReview.objects.filter(through=through, finding=finding, by=by).first()
    if said:
        return said
    if through > settled():
        raise IncidentsTooFresh
    if not open_incidents(before=through).exists():
        raise NothingToLookInto
    review = IncidentReview.objects.create(through=through, finding=finding, by=by)
    ledger.append(
        events.IncidentsLookedInto(through=through.date(), finding=review.finding),
        actor=Actor.staff(by),
        covers=[review],
    )
    return review
