"""Incidents: which nobody has looked into yet, and what was found of those that somebody has."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from retention.exceptions import IncidentsTooFresh, NothingToLookInto
from retention.models import Admission, IncidentReview

SETTLED: Final = timedelta(minutes=1)
"""A batch that is judged now may bear an earlier time and be seen by nobody yet; one of a minute
ago is there to be seen, or never will be."""
LOCK: Final = 7_264_103
"""The advisory lock that lets one look at a time be recorded, so that a repeat finds the first."""


def open_incidents() -> QuerySet[Admission]:
    """Return the batches set apart that nobody has looked into."""
    found = Admission.objects.filter(state=Admission.State.QUARANTINED)
    newest = IncidentReview.objects.order_by("-through").first()
    return found.filter(announced_at__gt=newest.through) if newest else found


@transaction.atomic
def look_into_incidents(
    *, through: datetime, finding: IncidentReview.Finding, by: UUID
) -> IncidentReview:
    """Record that somebody looked into all incidents up to `through`, and what was found.

    A repeat returns what stands. Raises IncidentsTooFresh where `through` is less than SETTLED ago,
    and NothingToLookInto where there is none up to then.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    said = IncidentReview.objects.filter(through=through, finding=finding, by=by).first()
    if said:
        return said
    if through > timezone.now() - SETTLED:
        raise IncidentsTooFresh
    if not open_incidents().filter(announced_at__lte=through).exists():
        raise NothingToLookInto
    review = IncidentReview.objects.create(through=through, finding=finding, by=by)
    ledger.append(
        events.IncidentsLookedInto(through=through.astimezone(UTC).date(), finding=review.finding),
        actor=Actor.staff(by),
        covers=[review],
    )
    return review
