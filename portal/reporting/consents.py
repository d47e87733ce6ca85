"""What people answered, purpose by purpose, in groups; never anything about one person."""

from dataclasses import dataclass
from datetime import datetime
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
from consent.suppression import Line, suppress
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
HEADS: Final = (*(title for title, _ in ANSWERS), NO_ANSWER)
"""What the cells of a line count, in order."""


@dataclass(frozen=True)
class PurposeLine:
    """How many people answered what to one purpose, as far as it may be told."""

    title: str
    line: Line


def gather(question: Question) -> ReportData:
    """Return who stood where at the end of the period, as counts of groups."""
    until = question.until()
    people = _people(until)
    count = people.count()
    lines = _lines(people, count, until)
    smallest = settings.SMALLEST_GROUP
    bars = tuple(Bar(label=item.title, value=item.line.cells[0]) for item in lines)
    return ReportData(
        title=question.title,
        subtitle=f"As it stood at the end of {day(until)}"
        if question.period_until and question.period_until < question.as_of
        else f"As it stood on {day(until)}",
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


def lines_at(until: datetime) -> list[PurposeLine]:
    """Return who stood where just before an instant, purpose by purpose."""
    people = _people(until)
    return _lines(people, people.count(), until)


def _people(until: datetime) -> QuerySet[Subject]:
    return (
        Subject.objects.using(READER).filter(recorded_at__lt=until).exclude(departed_at__lte=until)
    )


def _lines(people: QuerySet[Subject], count: int, until: datetime) -> list[PurposeLine]:
    counts = _counts(people, until)
    purposes = Purpose.objects.using(READER).filter(published_at__lt=until)
    found = []
    for purpose in purposes.order_by("position", "code"):
        states = counts.get(purpose.pk, {})
        answers = [sum(states.get(s.value, 0) for s in group) for _, group in ANSWERS]
        cells = [*answers, count - sum(answers)]
        found.append(PurposeLine(purpose.title, suppress(cells, smallest=settings.SMALLEST_GROUP)))
    return found


def _counts(people: QuerySet[Subject], until: datetime) -> dict[int, dict[str, int]]:
    """Return purpose id -> state -> people: a fold of the events, the newest by position stands."""
    known_at = Case(When(imported=True, then=F("event_time")), default=F("recorded_at"))
    newest = (
        ConsentEvent.objects.using(READER)
        .annotate(known_at=known_at)
        .filter(known_at__lt=until, subject__in=people)
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
    return Table(
        caption="Answers, by purpose",
        columns=(
            Column(title="Purpose"),
            *(Column(title=title, kind=Kind.NUMBER) for title in heads),
        ),
        rows=tuple((item.title, item.line.total, *item.line.cells) for item in lines),
    )


def _notes(smallest: int) -> tuple[str, ...]:
    return (
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
        "The report describes one moment. Where a period was asked for, that is its end.",
    )
