"""What the reports share: who may see them, courses of time, alternatives in words."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet

from audit.reporting.data import HIDDEN, Bar, Chart

READER: Final = "reader"
LONGEST_BY_DAY: Final = 62
LONGEST: Final = 3660

EXACT: Final = (
    "Exact numbers, also where they speak of few people: for the privacy team and auditors only. "
    "Do not pass this on to managers."
)

MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip

Row = TypeVar("Row", bound=Model)


def groups_only(readers: str = "the privacy team, works councils and auditors") -> str:
    """Return who may see a report that speaks of groups only."""
    return (
        f"Groups only: no number speaks of fewer than {settings.SMALLEST_GROUP} people. "
        f"For {readers}."
    )


def within(
    rows: QuerySet[Row], field: str, since: datetime | None, until: datetime
) -> QuerySet[Row]:
    """Return the rows whose instant lies in the half-open period; no beginning means all before."""
    found = rows.filter(**{f"{field}__lt": until})
    return found.filter(**{f"{field}__gte": since}) if since else found


def course(
    title: str, counts: Mapping[date, int], *, since: datetime | None, until: datetime
) -> Chart:
    """Return a chart of counts by day, or by month where the days would be too many to see."""
    last = (until - timedelta(microseconds=1)).astimezone(UTC).date()
    earliest = min(counts, default=last)
    first = since.astimezone(UTC).date() if since else earliest
    if (last - first).days > LONGEST:  # years of nothing would leave no room for what there is
        first = max(first, earliest)
    by_day = (last - first).days < LONGEST_BY_DAY
    sums: dict[date, int] = {}
    for number in range((last - first).days + 1):
        today = first + timedelta(days=number)
        bucket = today if by_day else today.replace(day=1)
        sums[bucket] = sums.get(bucket, 0) + counts.get(today, 0)
    bars = tuple(Bar(label=_label(bucket, by_day=by_day), value=n) for bucket, n in sums.items())
    unit = "day" if by_day else "month"
    heading = f"{title} per {unit}"
    return Chart(title=heading, alt=_course_in_words(heading, sums), bars=bars, over_time=True)


def bars_in_words(title: str, bars: Iterable[Bar]) -> str:
    """Return what a chart of names shows, for whoever does not see it."""
    said = "; ".join(
        f"{bar.label}: {HIDDEN if bar.value is None else f'{bar.value:,}'}" for bar in bars
    )
    return f"Bar chart, {title}. {said or 'Nothing to show'}."


def _course_in_words(heading: str, sums: Mapping[date, int]) -> str:
    first, last = min(sums), max(sums)
    peak = max(sums, key=lambda bucket: sums[bucket])
    if not sums[peak]:
        return f"Bar chart, {heading}, {first} to {last}: none at all."
    return (
        f"Bar chart, {heading}, {first} to {last}: {sum(sums.values()):,} in all, "
        f"most on {peak} with {sums[peak]:,}. The tables give every number."
    )


def _label(bucket: date, *, by_day: bool) -> str:
    month = MONTHS[bucket.month - 1]
    return f"{bucket.day} {month}" if by_day else f"{month} {bucket.year}"
