"""Figures for the overview pages: of groups of enough people, with enough people left out.

A number is shown only where it is about enough people and enough people are not in it; nought is
hidden like any small number. So no page differs by one person's choice while the group is small.
"""

from datetime import date, datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncWeek
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.models import Agent, FactDoubt, Proposal, Purpose, Subject
from consent.suppression import enough_beside, gather_small
from portal.attention import coming
from portal.reporting import consents
from retention.models import Admission, Batch, Certificate, DeletionCase, DeletionJob

ANSWERS: Final = {
    "Yes": gettext_lazy("Yes"),
    "No": gettext_lazy("No"),
    "Not now": gettext_lazy("Not now"),
    "Taken back": gettext_lazy("Taken back"),
    "Ended otherwise": gettext_lazy("Ended otherwise"),
    consents.NO_ANSWER: gettext_lazy("No answer"),
}
WEEKS: Final = 8
OWNER: Final = "job__case__subject"
"""Whose data a certificate is about; nobody's own where a term was over for many at once."""


def overview() -> list[dict[str, Any]]:
    """Return the large figures of the privacy team's page; a hidden one is None."""
    people = Subject.objects.count()
    certified, _weeks = _certified(timezone.now())
    return [
        {"label": _("People"), "value": people if people >= settings.SMALLEST_GROUP else None},
        {
            "label": _("Connected machines"),
            "value": _count(Agent.objects.filter(standing=Agent.Standing.ACTIVE), people),
        },
        {
            "label": _("Recordings kept"),
            "value": _count(Batch.objects.filter(state=Batch.State.KEPT), people),
        },
        {
            "label": _("Deletions owed"),
            "value": _count(DeletionCase.objects.exclude(state=DeletionCase.State.DONE), people),
        },
        {"label": _("Deletions certified"), "value": certified},
    ]


def kept_by_purpose() -> list[dict[str, Any]]:
    """Return how many recordings are kept for each published purpose, hidden where of few."""
    people = Subject.objects.count()
    rows = (
        Batch.objects.filter(state=Batch.State.KEPT)
        .values_list("purpose")
        .annotate(n=Count("uuid"), people=Count("subject", distinct=True))
        .order_by()
    )
    kept = {purpose: (n, of) for purpose, n, of in rows}
    return [
        {
            "label": title,
            "value": _shown(*kept.get(pk, (0, 0)), everybody=people),
        }
        for pk, title in Purpose.objects.filter(published_at__isnull=False)
        .order_by("title")
        .values_list("pk", "title")
    ]


def todo() -> list[dict[str, Any]]:
    """Return what needs somebody, most urgent first; an empty list is good news.

    That something failed is never silent; of how few people it is, is not said.
    """
    people = Subject.objects.count()
    failed = DeletionJob.objects.filter(~Q(failure=""), state=DeletionJob.State.DUE)
    quarantined = Admission.objects.filter(state=Admission.State.QUARANTINED)
    doubts = FactDoubt.objects.filter(settled_at__isnull=True).count()
    proposals = Proposal.objects.filter(state=Proposal.State.OPEN).count()
    found = [
        (
            failed.exists(),
            _count(failed, people, of="case__subject"),
            _("Deletions that failed and are being tried again"),
            "bad",
            "privacy-reports",
        ),
        (
            quarantined.exists(),
            _count(quarantined, people, of="agent__subject"),
            _("Batches set apart as an incident"),
            "warn",
            "privacy-reports",
        ),
        (doubts, doubts, _("Facts that somebody calls wrong"), "warn", "privacy-people"),
        (proposals, proposals, _("Changes that wait for a second person"), "info", "changes"),
    ]
    waiting = [
        {
            "text": text,
            "count": _("some") if count is None else count,
            "tone": tone,
            "url": reverse(page),
        }
        for there, count, text, tone, page in found
        if there
    ]
    return waiting + coming(timezone.now())


def answers() -> list[dict[str, Any]]:
    """Return how many answers of each kind stood when they were last told, over all purposes.

    The sum of what is told of each purpose; hidden where one of them hides it.
    """
    lines = [item.line.cells for item in consents.told()]
    return [
        {"label": ANSWERS[title], "value": None if None in cells else sum(filter(None, cells))}
        for title, *cells in zip(consents.HEADS, *lines, strict=True)
        if cells
    ]


def deletions_by_week() -> list[dict[str, Any]]:
    """Return the certificates of the last eight weeks, by week; all of them, also without any."""
    _total, weeks = _certified(timezone.now())
    return [{"label": date_format(week, "j M"), "value": count} for week, count in weeks.items()]


def _certified(now: datetime) -> tuple[int | None, dict[date, int | None]]:
    """Return how many certificates there are, and by week; no week follows from the others."""
    first = _monday(now) - timedelta(weeks=WEEKS - 1)
    weeks = [first + timedelta(weeks=number) for number in range(WEEKS)]
    recent = Certificate.objects.filter(recorded_at__gte=first).annotate(
        week=TruncWeek("recorded_at")
    )
    counts: dict[datetime, int] = dict.fromkeys(weeks, 0)
    counts |= dict(recent.values_list("week").annotate(n=Count("pk")).order_by())
    people: dict[datetime | str, set[int]] = {week: set() for week in weeks}
    for week, person in recent.values_list("week", OWNER).distinct().order_by():
        people[week] |= {person} - {None}
    earlier = Certificate.objects.filter(recorded_at__lt=first, **{f"{OWNER}__isnull": False})
    # Enough of them to know that they are enough.
    people["earlier"] = set(
        earlier.values_list(OWNER, flat=True).distinct().order_by(OWNER)[: settings.SMALLEST_GROUP]
    )
    alone, together = gather_small(people, smallest=settings.SMALLEST_GROUP)
    total = Certificate.objects.count() if alone or together else None
    return total, {week.date(): counts[week] if week in alone else None for week in weeks}


def _monday(now: datetime) -> datetime:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday())


def _count(rows: QuerySet[Any, Any], everybody: int, *, of: str = "subject") -> int | None:
    """Return how many rows there are, or None where that would speak of too few people."""
    found = rows.aggregate(n=Count("pk"), people=Count(of, distinct=True))
    return _shown(found["n"], found["people"], everybody=everybody)


def _shown(n: int, people: int, *, everybody: int) -> int | None:
    enough = enough_beside(people, everybody, smallest=settings.SMALLEST_GROUP)
    return n if enough else None
