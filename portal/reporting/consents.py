"""What people answered, purpose by purpose, in groups; never anything about one person."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Case, Count, F, QuerySet, Value, When

from audit.reporting.data import (
    Bar,
    Chart,
    Column,
    Figure,
    Kind,
    Question,
    ReportData,
    Table,
    day,
)
from consent.models import ConsentEvent, Purpose, Subject
from consent.policy.types import ConsentState
from consent.suppression import Line
from portal.models import PublishedAnswers
from portal.reporting.common import READER, bars_in_words, groups_only

ANSWERS: Final[tuple[tuple[str, frozenset[ConsentState]], ...]] = (
    ("Yes", frozenset({ConsentState.GIVEN})),
    ("No", frozenset({ConsentState.REFUSED})),
    ("Not now", frozenset({ConsentState.DEFERRED})),
    ("Taken back", frozenset({ConsentState.WITHDRAWN})),
    (
        "Ended otherwise",
        frozenset({ConsentState.EXPIRED, ConsentState.REVOKED, ConsentState.INVALIDATED}),
    ),
)
NO_ANSWER: Final = "No answer"
INSTANT: Final = timedelta(microseconds=1)
HEADS: Final = (*(title for title, _ in ANSWERS), NO_ANSWER)
"""What the cells of a line count, in order."""


@dataclass(frozen=True)
class PurposeLine:
    """How many people answered what to one purpose when it was last told, as far as it may be."""

    title: str
    line: Line
    until: datetime | None
    """Of when the numbers are; None while too few people have answered to tell any."""


@dataclass(frozen=True)
class Counted:
    """How many people stood where with one purpose, exactly: for no eyes, only to be published."""

    purpose: Purpose
    cells: tuple[int, ...]


def gather(question: Question) -> ReportData:
    """Return who stood where at the end of the period, as counts of groups."""
    until = question.until()
    count = _people(until).count()
    lines = told(before=question.period_until)
    smallest = settings.SMALLEST_GROUP
    bars = tuple(Bar(label=item.title, value=item.line.cells[0]) for item in lines)
    return ReportData(
        title=question.title,
        subtitle=f"As it was last told by the end of {day(until - INSTANT)}"
        if question.period_until and question.period_until < question.as_of
        else f"As it was last told on {day(until)}",
        scope="What people answered when they were asked whether their work may be recorded, "
        "counted in groups: the newest answer of each person for each purpose.",
        handling=groups_only(),
        organisation=settings.ORGANISATION,
        as_of=question.as_of,
        figures=(
            Figure(label="People", value=count if count >= smallest else None),
            Figure(label="Purposes published", value=len(lines)),
            Figure(label="Smallest group spoken of", value=smallest),
        ),
        charts=(
            Chart(
                title="People who said yes, by purpose",
                alt=bars_in_words("people who said yes, by purpose", bars),
                bars=bars,
            ),
        ),
        tables=(_table(lines),),
        notes=_notes(smallest),
    )


def told(*, before: datetime | None = None) -> list[PurposeLine]:
    """Return what is told of each published purpose: the newest figures, or those of earlier.

    Of a purpose to which too few people have answered nothing is told, whoever looks.
    """
    published = PublishedAnswers.objects.order_by("purpose_id", "-until").distinct("purpose_id")
    if before:
        published = published.filter(until__lte=before)
    newest = {row.purpose_id: row for row in published}
    nothing = Line(cells=(None,) * len(HEADS), total=None)
    return [
        PurposeLine(purpose.title, Line(tuple(row.cells), row.total), row.until)
        if (row := newest.get(purpose.pk))
        else PurposeLine(purpose.title, nothing, None)
        for purpose in _purposes(before)
    ]


def counted(until: datetime) -> list[Counted]:
    """Return how many people stood where just before an instant, purpose by purpose."""
    people = _people(until)
    count, counts = people.count(), _counts(people, until)
    found = []
    for purpose in _purposes(until):
        states = counts.get(purpose.pk, {})
        answers = [sum(states.get(s.value, 0) for s in group) for _, group in ANSWERS]
        found.append(Counted(purpose, (*answers, count - sum(answers))))
    return found


def answered_before(until: datetime) -> QuerySet[ConsentEvent]:
    """Return the answers given before an instant; imported ones count when they were given."""
    known_at = Case(When(imported=True, then=F("event_time")), default=F("recorded_at"))
    events = ConsentEvent.objects.using(READER).annotate(known_at=known_at)
    return events.filter(known_at__lt=until)


def _purposes(before: datetime | None) -> QuerySet[Purpose]:
    published = Purpose.objects.using(READER).filter(published_at__isnull=False)
    if before:
        published = published.filter(published_at__lt=before)
    return published.order_by("position", "code")


def _people(until: datetime) -> QuerySet[Subject]:
    return (
        Subject.objects.using(READER).filter(recorded_at__lt=until).exclude(departed_at__lte=until)
    )


def _counts(people: QuerySet[Subject], until: datetime) -> dict[int, dict[str, int]]:
    """Return purpose id -> state -> people: a fold of the events, the newest by position stands."""
    newest = (
        answered_before(until)
        .filter(subject__in=people)
        .order_by("subject_id", "purpose_id", "-position")
        .distinct("subject_id", "purpose_id")
    )
    # A yes whose time is over permits nothing, whether or not anyone has recorded that it ended.
    stands = Case(
        When(
            state=ConsentState.GIVEN.value,
            valid_until__lte=until,
            then=Value(ConsentState.EXPIRED.value),
        ),
        default=F("state"),
    )
    rows = (
        ConsentEvent.objects.using(READER)
        .filter(pk__in=newest.values("pk"))
        .annotate(stands=stands)
        .values_list("purpose_id", "stands")
        .annotate(people=Count("pk"))
        .order_by()
    )
    counts: dict[int, dict[str, int]] = {}
    for purpose, state, number in rows:
        counts.setdefault(purpose, {})[state] = number
    return counts


def _table(lines: list[PurposeLine]) -> Table:
    heads = ["People", *HEADS]
    nothing = "not told yet"
    return Table(
        caption="Answers, by purpose",
        columns=(
            Column(title="Purpose"),
            Column(title="As of", kind=Kind.SHORT),
            *(Column(title=title, kind=Kind.NUMBER) for title in heads),
        ),
        rows=tuple(
            (
                item.title,
                day(item.until - INSTANT) if item.until else nothing,
                item.line.total,
                *item.line.cells,
            )
            for item in lines
        ),
    )


def _notes(smallest: int) -> tuple[str, ...]:
    return (
        (
            "Numbers are of the end of a day, in UTC, and stay as they are until at least "
            f"{smallest} people have answered anew; then all of a line change together. So no two "
            "looks differ by what one person chose. Answers are rounded down to a multiple of "
            f"{smallest}."
        ),
        (
            f"Hidden: where a number would speak of fewer than {smallest} people, nought included, "
            f"every number below {2 * smallest} in that line is hidden too, and if need be the "
            "next smallest. So no hidden number can be worked out from the others."
        ),
        "No answer: not asked yet, or asked and not answered. Nothing is recorded of these people.",
        (
            "Ended otherwise: the time of a yes was over, or it was ended by someone other than "
            "the person."
        ),
        "Where a period was asked for, the report says what had been told by its end.",
    )
