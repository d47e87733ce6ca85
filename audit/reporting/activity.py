"""How much was recorded in the ledger: counts by day and type, read as the auditors' role.

What is a person's own is not counted: by day and type, that is what somebody did on that day.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db.models import Case, Count, F, Q, When
from django.db.models.functions import TruncDate

from audit.events import CATALOGUE
from audit.models import Entry
from audit.others import TOLD
from audit.selectors import READER


@dataclass(frozen=True)
class Activity:
    """How many entries of one type belong to one day, and how many of them were imported."""

    day: date
    type: str
    title: str
    entries: int
    imported: int


def activity(*, since: datetime | None, until: datetime) -> list[Activity]:
    """Return the counts of a half-open period, by day in UTC and by type.

    What was imported belongs to the day it happened, everything else to the day it was recorded:
    an agent's own clock never moves an entry.
    """
    moment = Case(When(imported=True, then=F("event_time")), default=F("recorded_at"))
    told = Entry.objects.using(READER).filter(type__in=sorted(TOLD))
    found = told.annotate(moment=moment).filter(moment__lt=until)
    if since is not None:
        found = found.filter(moment__gte=since)
    rows = (
        found.annotate(day=TruncDate("moment", tzinfo=UTC))
        .values_list("day", "type")
        .annotate(entries=Count("id"), imported_ones=Count("id", filter=Q(imported=True)))
        .order_by("day", "type")
    )
    return [
        Activity(day, kind, CATALOGUE[kind].title, entries, imported)
        for day, kind, entries, imported in rows
    ]
