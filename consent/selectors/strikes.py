"""What a subject had forgotten, or paused over: for their machines' policies, and for admission."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.db.models import F, Q

from consent.models import Pause, Prepared, Strike, Subject

TOLD_FOR: Final = timedelta(days=7)
"""For how long policies name an interval. What a machine holds longer is refused on arrival."""

INSTANT: Final = timedelta(microseconds=1)

MOST_TOLD: Final = 256
"""So many intervals a policy names at most."""

Interval = tuple[datetime, datetime]


def strikes_to_apply(subjects: Collection[int], *, at: datetime) -> dict[int, list[Interval]]:
    """Return for each subject what machines must purge, in order, intervals that touch as one.

    That is what was forgotten, and pauses that are over: a machine that was away meanwhile would
    hand in what reaches into one, which is refused whole; and stamps go by whole seconds, so that
    of one that is back at once the first events seem to.

    Of more than MOST_TOLD those that lie closest become one: machines then purge what lies between
    them too, so that no policy grows without end and nothing struck is left out.
    """
    found: dict[int, list[Interval]] = {subject: [] for subject in subjects}
    for subject, since, until in _STRUCK.rows(subjects, at - TOLD_FOR):
        found[subject].append((since, until))
    # What ends with the very instant at which a pause begins is refused as well.
    for subject, since, ended in _OVER.rows(subjects, at - TOLD_FOR):
        found[subject].append((since - INSTANT, ended))
    return {subject: fewest(merged(intervals)) for subject, intervals in found.items()}


_STRUCK: Final = Prepared(
    lambda keys, after: Strike.objects.filter(
        subject__among=keys, recorded_at__gt=after
    ).values_list("subject_id", "struck_from", "struck_until")
)
_OVER: Final = Prepared(
    lambda keys, after: Pause.objects.filter(subject__among=keys, ended_at__gt=after).values_list(
        "subject_id", "started_at", "ended_at"
    )
)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Return the same instants as the fewest intervals, in order."""
    found: list[Interval] = []
    for since, until in sorted(intervals):
        if found and since <= found[-1][1]:
            found[-1] = found[-1][0], max(until, found[-1][1])
        else:
            found.append((since, until))
    return found


def fewest(intervals: list[Interval], most: int = MOST_TOLD) -> list[Interval]:
    """Return at most so many intervals that hold all of these, in order; the least gaps are closed.

    `intervals`: in order, apart from each other.
    """
    gaps = sorted(range(1, len(intervals)), key=lambda n: intervals[n][0] - intervals[n - 1][1])
    closed = set(gaps[: max(len(intervals) - most, 0)])
    found: list[Interval] = []
    for place, (since, until) in enumerate(intervals):
        if place in closed:
            found[-1] = found[-1][0], until
        else:
            found.append((since, until))
    return found


def strike_over(
    subject: Subject, since: datetime, until: datetime, *, at: datetime
) -> Strike | None:
    """Return the newest of the strikes that hold all of an interval together; None for none such.

    Only of those that machines are still told of at `at`.
    """
    told = Strike.objects.filter(
        subject=subject,
        recorded_at__gt=at - TOLD_FOR,
        struck_from__lte=until,
        struck_until__gte=since,
    ).order_by("recorded_at", "pk")
    together = merged((strike.struck_from, strike.struck_until) for strike in told)
    is_held = any(begun <= since and until <= ended for begun, ended in together)
    return told.last() if is_held else None


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
