"""Figures for the overview pages: counts of groups, never of one person, none below the limit."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncWeek
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from consent.models import Agent, ConsentEvent, FactDoubt, Proposal, Subject
from consent.policy.types import ConsentState
from consent.suppression import suppress
from portal.attention import coming
from retention.models import Admission, Batch, Certificate, DeletionCase, DeletionJob

ANSWERS = (
    ConsentState.GIVEN,
    ConsentState.REFUSED,
    ConsentState.DEFERRED,
    ConsentState.WITHDRAWN,
)


def shown(count: int) -> int | None:
    """Return the count, or None where the group is too small to be spoken of."""
    return count if count == 0 or count >= settings.SMALLEST_GROUP else None


def overview() -> list[dict[str, Any]]:
    """Return the large figures of the privacy team's page."""
    kept = Batch.objects.filter(state=Batch.State.KEPT).aggregate(
        n=Count("uuid"), size=Sum("bytes")
    )
    owed = DeletionCase.objects.exclude(state=DeletionCase.State.DONE).count()
    return [
        {"label": _("People"), "value": shown(Subject.objects.count())},
        {
            "label": _("Connected machines"),
            "value": shown(Agent.objects.filter(standing=Agent.Standing.ACTIVE).count()),
        },
        {"label": _("Recordings kept"), "value": kept["n"]},
        {"label": _("Deletions owed"), "value": owed},
        {"label": _("Deletions certified"), "value": Certificate.objects.count()},
    ]


def todo() -> list[dict[str, Any]]:
    """Return what needs somebody, most urgent first; an empty list is good news."""
    failed = DeletionJob.objects.filter(~Q(failure=""), state=DeletionJob.State.DUE).count()
    quarantined = Admission.objects.filter(state=Admission.State.QUARANTINED).count()
    doubts = FactDoubt.objects.filter(settled_at__isnull=True).count()
    proposals = Proposal.objects.filter(state=Proposal.State.OPEN).count()
    found = [
        (failed, _("Deletions that failed and are being tried again"), "bad", "privacy-reports"),
        (quarantined, _("Batches set apart as an incident"), "warn", "privacy-reports"),
        (doubts, _("Facts that somebody calls wrong"), "warn", "privacy-people"),
        (proposals, _("Changes that wait for a second person"), "info", "changes"),
    ]
    waiting = [
        {"text": text, "count": count, "tone": tone, "url": reverse(page)}
        for count, text, tone, page in found
        if count
    ]
    return waiting + coming(timezone.now())


def answers() -> list[dict[str, Any]]:
    """Return how many people's newest answer is which; small groups are not shown."""
    newest = (
        ConsentEvent.objects.order_by("subject_id", "purpose_id", "-position")
        .distinct("subject_id", "purpose_id")
        .values_list("state", flat=True)
    )
    counts = dict.fromkeys((state.value for state in ANSWERS), 0)
    for state in newest:
        if state in counts:
            counts[state] += 1
    words = {
        "given": _("Yes"),
        "refused": _("No"),
        "deferred": _("Not now"),
        "withdrawn": _("Taken back"),
    }
    line = suppress(list(counts.values()), smallest=settings.SMALLEST_GROUP)
    return [
        {"label": words[state], "value": value}
        for state, value in zip(counts, line.cells, strict=True)
    ]


def deletions_by_week() -> list[dict[str, Any]]:
    """Return the certificates of the last eight weeks, by week."""
    since = timezone.now() - timedelta(weeks=8)
    rows = (
        Certificate.objects.filter(recorded_at__gte=since)
        .annotate(week=TruncWeek("recorded_at"))
        .values("week")
        .annotate(n=Count("pk"))
        .order_by("week")
    )
    return [{"label": f"{row['week']:%d.%m.}", "value": row["n"]} for row in rows]
