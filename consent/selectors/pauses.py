"""Whom a pause stops: now by the record, then by the instants that were recorded."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from django.db.models import Q

from consent.models import Pause, Prepared, Subject

_STANDING: Final = Prepared(
    lambda keys, _: Pause.objects.filter(subject__among=keys, ended_at__isnull=True).values_list(
        "subject_id", "started_at"
    )
)


def is_paused(subject: Subject) -> bool:
    """Return whether a pause of the subject stands now: by the record, not by any clock."""
    return bool(paused_now([subject.pk]))


def paused_now(subjects: Collection[int]) -> dict[int, datetime]:
    """Return since when those of the subjects are paused for whom a pause stands now."""
    return dict(_STANDING.rows(subjects))


def paused_at(subjects: Collection[int], at: datetime) -> dict[int, datetime]:
    """Return since when those of the subjects were paused for whom a pause stood at an instant."""
    stood = Pause.objects.filter(subject__among=subjects, started_at__lte=at)
    stood = stood.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=at))
    return dict(stood.order_by("-started_at").values_list("subject_id", "started_at"))


def paused_between(subject: Subject, since: datetime, until: datetime) -> bool:
    """Return whether a pause of the subject overlaps the interval; pauses are half-open."""
    return (
        Pause.objects.filter(subject=subject, started_at__lte=until)
        .filter(Q(ended_at__isnull=True) | Q(ended_at__gt=since))
        .exists()
    )
