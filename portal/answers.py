"""Telling how many people answered what: once a day at most, and only after enough new answers.

Figures that follow every answer would tell, to whoever looks before and after somebody sat at the
page, what they chose. So they are frozen and move for many people together (ADR 24).
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from consent.models import Purpose
from consent.selectors import midnight
from consent.suppression import rounded, suppress
from portal.demo import progress
from portal.models import PublishedAnswers
from portal.reporting import consents


@transaction.atomic
def publish_answers(*, at: datetime) -> int:
    """Publish what stood at the last midnight, for each purpose that enough people answered since.

    Returns for how many. What they answered does not matter, nor whether it was anything new.
    """
    if progress.read():  # half a demo company would stay on the page until tomorrow
        return 0
    until = midnight(at.date())
    newest = _newest_counted(until)
    due = {purpose for purpose, event in newest.items() if _enough_after(purpose, event, until)}
    if not due:
        return 0
    smallest = settings.SMALLEST_GROUP
    for found in consents.counted(until):
        if found.purpose.pk in due:
            line = rounded(suppress(found.cells, smallest=smallest), to=smallest)
            answers = consents.answered_before(until).filter(purpose=found.purpose)
            PublishedAnswers.objects.get_or_create(
                purpose_id=found.purpose.pk,
                until=until,
                defaults={
                    "total": line.total,
                    "cells": line.cells,
                    "newest_event": answers.aggregate(newest=Max("pk"))["newest"],
                },
            )
    return len(due)


def _newest_counted(until: datetime) -> dict[int, int]:
    """Return each purpose of which nothing was told yet up to an instant -> its newest answer."""
    told = PublishedAnswers.objects.order_by("purpose_id", "-until").distinct("purpose_id")
    last = {row.purpose_id: row for row in told}
    return {
        purpose: last[purpose].newest_event if purpose in last else 0
        for purpose in Purpose.objects.filter(published_at__lt=until).values_list("pk", flat=True)
        if purpose not in last or last[purpose].until < until
    }


def _enough_after(purpose: int, event: int, until: datetime) -> bool:
    """Say whether enough people answered after an answer, however often each of them did."""
    answers = consents.answered_before(until).filter(purpose=purpose, pk__gt=event)
    people = answers.order_by("subject").values_list("subject", flat=True).distinct()
    return len(people[: settings.SMALLEST_GROUP]) == settings.SMALLEST_GROUP
