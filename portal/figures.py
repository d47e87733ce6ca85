"""Figures for the overview pages: of groups of enough people, with enough people left out.

A number is shown only where it is about enough people and enough people are not in it; nought is
hidden like any small number. Numbers that follow from what people do are frozen (ADR 24), so that
no page differs by one person's choice however large the group.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncWeek
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.models import FactDoubt, Proposal, Purpose, Subject
from consent.suppression import gather_small
from portal.attention import coming
from portal.counts import kept_of, told_counts
from portal.reporting import consents
from retention.models import Certificate, DeletionJob
from retention.services import open_incidents, settled

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
    people, told = Subject.objects.count(), told_counts()
    return [
        {"label": _("People"), "value": people if people >= settings.SMALLEST_GROUP else None},
        {"label": _("Connected machines"), "value": told.get("machines")},
        {"label": _("Recordings kept"), "value": told.get("kept")},
        {"label": _("Deletions owed"), "value": told.get("owed")},
        {"label": _("Deletions certified"), "value": told.get("certified")},
    ]


def kept_by_purpose() -> list[dict[str, Any]]:
    """Return how many recordings are kept for each published purpose, hidden where of few."""
    told = told_counts()
    purposes = Purpose.objects.filter(published_at__isnull=False).order_by("title")
    return [
        {"label": title, "value": told.get(kept_of(pk))}
        for pk, title in purposes.values_list("pk", "title")
    ]


def todo() -> list[dict[str, Any]]:
    """Return what needs somebody, most urgent first; an empty list is good news.

    That something failed is never silent; of how few people it is, is not said.
    """
    failed = DeletionJob.objects.filter(~Q(failure=""), state=DeletionJob.State.DUE)
    quarantined = open_incidents(before=settled())
    doubts = FactDoubt.objects.filter(settled_at__isnull=True).count()
    proposals = Proposal.objects.filter(state=Proposal.State.OPEN).count()
    found = [
        (
            failed.exists(),
            of_how_many(failed, of="case__subject"),
            _("Deletions that failed and are being tried again"),
            "bad",
            reverse("privacy-reports") + "?kind=deletions",
        ),
        (
            quarantined.exists(),
            of_how_many(quarantined, of="agent__subject"),
            _("Batches set apart as an incident"),
            "warn",
            reverse("privacy-incidents"),
        ),
        (doubts, doubts, _("Facts that somebody calls wrong"), "warn", reverse("privacy-people")),
        (
            proposals,
            proposals,
            _("Changes that wait for a second person"),
            "info",
            reverse("changes"),
        ),
    ]
    waiting = [
        {
            "text": text,
            "count": count,
            "tone": tone,
            "url": url,
        }
        for there, count, text, tone, url in found
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
    """Return the certificates of the last eight weeks that are over; all weeks, also without any.

    No week of few follows from the others and all there are.
    """
    end = _monday(timezone.now())
    weeks = [end - timedelta(weeks=number) for number in range(WEEKS, 0, -1)]
    over = Certificate.objects.filter(recorded_at__lt=end)
    recent = over.filter(recorded_at__gte=weeks[0]).annotate(week=TruncWeek("recorded_at"))
    counts: dict[datetime, int] = dict.fromkeys(weeks, 0)
    counts |= dict(recent.values_list("week").annotate(n=Count("pk")).order_by())
    people: dict[datetime | str, set[int]] = {week: set() for week in weeks}
    for week, person in recent.values_list("week", OWNER).distinct().order_by():
        people[week] |= {person} - {None}
    earlier = over.filter(recorded_at__lt=weeks[0], **{f"{OWNER}__isnull": False})
    # Enough of them to know that they are enough.
    people["earlier"] = set(
        earlier.values_list(OWNER, flat=True).distinct().order_by(OWNER)[: settings.SMALLEST_GROUP]
    )
    alone, _together = gather_small(people, smallest=settings.SMALLEST_GROUP)
    return [
        {"label": date_format(week, "j M"), "value": count if week in alone else None}
        for week, count in counts.items()
    ]


def _monday(now: datetime) -> datetime:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=today.weekday())


def of_how_many(rows: QuerySet[Any, Any], *, of: str) -> str:
    """Return of how many people rows are, in two steps: a number would rise with each of them."""
    least = settings.SMALLEST_GROUP
    people = rows.aggregate(people=Count(of, distinct=True))["people"]
    return _("of %(least)s people or more") % {"least": least} if people >= least else _("some")
