"""A report as one CSV file (RFC 4180), safe to open in a spreadsheet. Pure.

UTF-8 with a byte order mark, because spreadsheets take a file without it for another encoding.
Every line has the same number of fields; the first says what the line is, the second of what, so
that a person can read the file from top to bottom and a program can filter it.
"""

import csv
import io
from collections.abc import Iterator
from typing import Final

from audit.reporting.data import HIDDEN, Anchor, ReportData, Table, Value
from audit.reporting.data import Question as Asked

# The last four are the full-width forms, which some spreadsheets read alike.
_FORMULA: Final = "=+-@\uff1d\uff0b\uff0d\uff20"


def render_csv(data: ReportData, *, anchor: Anchor, asked: Asked) -> bytes:
    """Return the file; the same report gives the same bytes."""
    lines = list(_lines(data, anchor, asked))
    width = max(len(line) for line in lines)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for line in lines:
        writer.writerow([_cell(value) for value in line] + [""] * (width - len(line)))
    return text.getvalue().encode("utf-8-sig", errors="replace")


def guarded(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula."""
    begins = text.lstrip()[:1]
    if (begins and begins in _FORMULA) or text[:1] in {"\t", "\r", "\n"}:
        return f"'{text}"
    return text


def _cell(value: Value) -> str:
    if value is None:
        return HIDDEN
    if isinstance(value, int):
        return str(value)
    return guarded(value.replace("\0", ""))


def _lines(data: ReportData, anchor: Anchor, asked: Asked) -> Iterator[tuple[Value, ...]]:
    yield "part", "name", "value"
    yield "report", "title", data.title
    yield "report", "kind", asked.kind
    yield "report", "period", data.subtitle
    yield "report", "scope", data.scope
    yield "report", "handling", data.handling
    yield "report", "organisation", data.organisation
    yield "report", "as of", data.as_of.isoformat()
    yield "report", "reference", str(asked.report)
    yield "ledger", "entries", anchor.size
    yield "ledger", "root", anchor.root
    for figure in data.figures:
        yield "figure", figure.label, figure.value, figure.note
    for chart in data.charts:
        for bar in chart.bars:
            yield "bar", chart.title, bar.label, bar.value
    for table in data.tables:
        yield from _table(table)
    for note in data.notes:
        yield "note", "", note


def _table(table: Table) -> Iterator[tuple[Value, ...]]:
    yield "head", table.caption, *(column.title for column in table.columns)
    for row in table.rows:
        yield "row", table.caption, *row
    if table.total:
        yield "total", table.caption, *table.total
    if table.note:
        yield "note", table.caption, table.note
