"""A report as a PDF: tagged for screen readers (PDF/UA-1), fit for archives (PDF/A-2a).

The template is a file of ours; what a report says reaches it only as JSON, so that no word of
anyone can become code. The same data gives the same bytes: date and fonts come from us, nothing
from the machine.
"""

import json
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import typst

from audit.reporting.data import Anchor, Bar, Chart, Column, Question, ReportData, Table, Value
from audit.reporting.data import moment_in_words as moment
from audit.reporting.glyphs import showable
from audit.reporting.words import written

_PACKAGE: Final = Path(__file__).resolve().parent.parent
TEMPLATES: Final = _PACKAGE / "templates_typst"
FONTS: Final = _PACKAGE / "fonts"

_REPLACED: Final = (
    "Some characters have no glyph in the font of this document and were replaced. "
    "The CSV file of this report has them all."
)


def render_pdf(data: ReportData, *, anchor: Anchor, asked: Question) -> bytes:
    """Return the document; raises typst.TypstError where it cannot be set."""
    document, replaced = _fitted(_document(data, anchor, asked))
    if replaced:
        document["notes"].append(_REPLACED)
    content = typst.compile(
        TEMPLATES / "report.typ",
        root=TEMPLATES,
        format="pdf",
        font_paths=[FONTS],
        ignore_system_fonts=True,
        sys_inputs={"report": json.dumps(document)},
        pdf_standards=["ua-1", "a-2a"],
    )
    if not isinstance(content, bytes):
        raise TypeError("typst gave several files where one was asked for")
    return content


def _document(data: ReportData, anchor: Anchor, asked: Question) -> dict[str, Any]:
    at = data.as_of.astimezone(UTC)
    return {
        "title": data.title,
        "subtitle": data.subtitle,
        "scope": data.scope,
        "handling": data.handling,
        "organisation": data.organisation,
        "as_of": moment(at),
        "date": [at.year, at.month, at.day, at.hour, at.minute, at.second],
        "reference": str(asked.report),
        "ledger": {"size": f"{anchor.size:,}", "root": anchor.root} if anchor.size else None,
        "figures": [
            {"label": f.label, "value": written(f.value, f.kind), "note": f.note}
            for f in data.figures
        ],
        "charts": [_chart(chart) for chart in data.charts],
        "tables": [_table(table) for table in data.tables],
        "notes": list(data.notes),
    }


def _chart(chart: Chart) -> dict[str, Any]:
    top = _round_above(max((bar.value or 0 for bar in chart.bars), default=0))
    return {
        "title": chart.title,
        "alt": chart.alt,
        "over_time": chart.over_time,
        "top": f"{top:,}",
        "half": f"{top // 2:,}" if top % 2 == 0 else "",
        "bars": [_bar(bar, top) for bar in chart.bars],
    }


def _bar(bar: Bar, top: int) -> dict[str, Any]:
    return {
        "label": bar.label,
        "value": "hidden" if bar.value is None else f"{bar.value:,}",
        "hidden": bar.value is None,
        "share": (bar.value or 0) / top,
    }


def _table(table: Table) -> dict[str, Any]:
    printed = table.rows[: table.printed]
    return {
        "caption": table.caption,
        "columns": [{"title": c.title, "kind": c.kind.value} for c in table.columns],
        "rows": [_line(row, table.columns) for row in printed],
        "total": _line(table.total, table.columns) if table.total else None,
        "note": table.note,
        "left_out": _left_out(len(table.rows), len(printed)),
    }


def _line(values: tuple[Value, ...], columns: tuple[Column, ...]) -> list[dict[str, Any]]:
    return [
        {"text": written(value, column.kind), "hidden": value is None}
        for value, column in zip(values, columns, strict=True)
    ]


def _left_out(rows: int, printed: int) -> str:
    if rows == printed:
        return ""
    if printed == 0:
        return f"The CSV file of this report has this table, with {rows:,} rows."
    return f"The first {printed:,} of {rows:,} rows; the CSV file of this report has all of them."


def _round_above(number: int) -> int:
    """Return the least of 1, 2, 4, 5, 6, 8 times a power of ten that is not below the number."""
    power = 1
    while True:
        for step in (1, 2, 4, 5, 6, 8):
            if step * power >= number:
                return step * power
        power *= 10


def _fitted(value: Any) -> tuple[Any, bool]:
    """Return the document in characters that the font has, and whether any was replaced."""
    match value:
        case str():
            return showable(value, FONTS / "Inter-Regular.ttf")
        case list():
            fitted = [_fitted(item) for item in value]
            return [item for item, _ in fitted], any(replaced for _, replaced in fitted)
        case dict():
            pairs = {key: _fitted(item) for key, item in value.items()}
            changed = any(replaced for _, replaced in pairs.values())
            return {key: item for key, (item, _) in pairs.items()}, changed
        case _:
            return value, False
