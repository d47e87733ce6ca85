"""What a subject had forgotten: for the policies of their machines, and for admission."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Q

from consent.models import Strike, Subject

TOLD_FOR: Final = timedelta(days=7)
"""For how long policies name a strike. What a machine holds longer is refused on arrival."""

Interval = tuple[datetime, datetime]


def strikes_to_apply(subjects: Collection[int], *, at: datetime) -> dict[int, list[Interval]]:
    """Return for each subject what machines must purge, in order, intervals that touch as one."""
    rows = Strike.objects.filter(subject__in=subjects, recorded_at__gt=at - TOLD_FOR)
    found: dict[int, list[Interval]] = {subject: [] for subject in subjects}
    for subject, since, until in rows.values_list("subject_id", "struck_from", "struck_until"):
        found[subject].append((since, until))
    return {subject: merged(intervals) for subject, intervals in found.items()}


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same instants as the fewest intervals, in order."""
    found: list[Interval] = []
    for since, until in sorted(intervals):
        if found and since <= found[-1][1]:
            found[-1] = found[-1][0], max(until, found[-1][1])
        else:
            found.append((since, until))
    return found


def struck_between(subject: Subject, since: datetime, until: datetime) -> bool:
    """Return whether a strike overlaps what was captured in the interval."""
    return Strike.objects.filter(overlapping(since, until), subject=subject).exists()


def overlapping(since: datetime, until: datetime) -> Q:
    """Return the condition of a strike that overlaps an interval; both are half-open.

    An interval without length still holds the instant that it names.
    """
    return Q(struck_until__gt=since) & (Q(struck_from__lt=until) | Q(struck_from__lte=since))


def of_batches(strike: Strike) -> Q:
    """Return the condition of a batch that the strike overlaps."""
    since, until = strike.struck_from, strike.struck_until
    ends_within = Q(captured_until__gt=since) | Q(
        captured_from__gte=since, captured_until=F("captured_from")
    )
    return Q(captured_from__lt=until) & ends_within
