"""How much the ledger recorded, day by day and type by type."""

from collections import Counter
from datetime import date

from django.conf import settings

from audit.reporting.activity import Activity, activity
from audit.reporting.data import Column, Figure, Kind, Question, ReportData, Table
from portal.reporting.common import EXACT, course


def gather(question: Question) -> ReportData:
    """Return the number of entries of the period; what they say is in the ledger itself."""
    found = activity(since=question.period_from, until=question.until())
    days: Counter[date] = Counter()
    for row in found:
        days[row.day] += row.entries
    busiest = max(days, key=lambda d: (days[d], d), default=None)
    return ReportData(
        title=question.title,
        subtitle=question.period(),
        scope="Entries of the ledger, counted by day and by type: what was published, agreed, "
        "changed, read, held and exported. What people decided themselves, and what followed from "
        "that, has its entries too; they are not counted here.",
        handling=EXACT,
        organisation=settings.ORGANISATION,
        as_of=question.as_of,
        figures=(
            Figure(label="Entries", value=days.total()),
            Figure(label="Imported among them", value=sum(row.imported for row in found)),
            Figure(label="Days with entries", value=len(days)),
            Figure(
                label="Busiest day",
                value=busiest.isoformat() if busiest else "none",
                kind=Kind.SHORT,
                note=f"{days[busiest]:,} entries" if busiest else "",
            ),
        ),
        charts=(course("Entries", days, since=question.period_from, until=question.until()),),
        tables=(_by_type(found), _by_day(days), _by_day_and_type(found)),
        notes=(
            (
                "Days are days in UTC. What was imported counts on the day it happened, everything "
                "else on the day it was recorded."
            ),
        ),
    )


def _by_type(found: list[Activity]) -> Table:
    entries: Counter[tuple[str, str]] = Counter()
    imported: Counter[tuple[str, str]] = Counter()
    for row in found:
        entries[row.title, row.type] += row.entries
        imported[row.title, row.type] += row.imported
    return Table(
        caption="Entries, by type",
        columns=(
            Column(title="What"),
            Column(title="Type"),
            Column(title="Entries", kind=Kind.NUMBER),
            Column(title="Imported", kind=Kind.NUMBER),
        ),
        rows=tuple((*key, entries[key], imported[key]) for key in sorted(entries)),
        total=("All", "", entries.total(), imported.total()),
    )


def _by_day(days: Counter[date]) -> Table:
    return Table(
        caption="Entries, by day",
        columns=(Column(title="Day"), Column(title="Entries", kind=Kind.NUMBER)),
        rows=tuple((day.isoformat(), days[day]) for day in sorted(days)),
        total=("All", days.total()),
        printed=62,
    )


def _by_day_and_type(found: list[Activity]) -> Table:
    return Table(
        caption="Entries, by day and type",
        columns=(
            Column(title="Day", kind=Kind.SHORT),
            Column(title="What"),
            Column(title="Type"),
            Column(title="Entries", kind=Kind.NUMBER),
            Column(title="Imported", kind=Kind.NUMBER),
        ),
        rows=tuple(
            (row.day.isoformat(), row.title, row.type, row.entries, row.imported) for row in found
        ),
        printed=0,
    )
