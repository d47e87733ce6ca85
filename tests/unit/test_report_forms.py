"""The two forms of a report: what is written where, and what no content can do to them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.reporting.csvfile import guarded, render_csv
from audit.reporting.data import (
    Anchor,
    Bar,
    Chart,
    Column,
    Figure,
    Kind,
    Question,
    ReportData,
    Table,
    period_in_words,
)
from audit.reporting.glyphs import showable
from audit.reporting.pdf import FONTS, render_pdf
from audit.reporting.words import bytes_in_words, written

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANCHOR = Anchor(size=12345, root="q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=")
ASKED = Question(report=UUID(int=7), kind="example", title="Example", as_of=NOON)
NUMBERS = (Column(title="Name"), Column(title="Number", kind=Kind.NUMBER))


def report(**differs: Any) -> ReportData:
    """A small report that has one of everything."""
    plain = ReportData(
        title="Example",
        subtitle="November 2026",
        scope="What there is to see.",
        handling="For the privacy team.",
        organisation="Example Ltd",
        as_of=NOON,
        figures=(Figure(label="People", value=1204), Figure(label="Secret", value=None)),
        charts=(
            Chart(title="Chart", alt="Two bars", bars=(Bar(label="A", value=3),)),
            Chart(title="Course", alt="A course", over_time=True, bars=(Bar(label="1", value=0),)),
        ),
        tables=(
            Table(
                caption="Things",
                columns=NUMBERS,
                rows=(("one", 1), ("hidden one", None)),
                total=("All", 4321),
                note="A note.",
            ),
        ),
        notes=("The end.",),
    )
    return replace(plain, **differs)


def pdf_of(data: ReportData) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(render_pdf(data, anchor=ANCHOR, asked=ASKED)))


def text_of(pdf: pypdf.PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in pdf.pages).split())


def rows_of(data: ReportData) -> list[list[str]]:
    content = render_csv(data, anchor=ANCHOR, asked=ASKED).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(content, newline="")))


def tags_of(pdf: pypdf.PdfReader) -> list[dict[str, Any]]:
    """Every element of the structure tree, in order."""
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for child in node:
                walk(child)
        elif isinstance(node, dict):
            if "/S" in node:
                found.append(node)
            if "/K" in node:
                walk(node["/K"])

    walk(pdf.trailer["/Root"]["/StructTreeRoot"]["/K"])
    return found


def test_the_pdf_is_tagged_named_and_dated() -> None:
    pdf = pdf_of(report())
    root = pdf.trailer["/Root"]

    assert root["/MarkInfo"]["/Marked"].value is True
    assert root["/Lang"].lower().startswith("en")
    assert root["/ViewerPreferences"]["/DisplayDocTitle"].value is True
    assert pdf.metadata is not None
    assert (pdf.metadata.title, pdf.metadata.author) == ("Example", "Example Ltd")
    assert pdf.metadata.creation_date == NOON
    xmp = pdf.xmp_metadata
    assert xmp is not None
    packet = xmp.stream.get_data().decode()
    assert "<pdfuaid:part>1</pdfuaid:part>" in packet
    assert "<pdfaid:part>2</pdfaid:part>" in packet
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in packet


def test_charts_say_in_words_what_they_show_and_tables_have_heads() -> None:
    tags = tags_of(pdf_of(report()))

    kinds = [str(tag["/S"]) for tag in tags]
    assert [str(tag["/Alt"]) for tag in tags if tag["/S"] == "/Figure"] == ["Two bars", "A course"]
    assert kinds.count("/TH") == 2
    assert kinds.count("/TD") == 6
    assert {"/H1", "/Table", "/TR", "/L", "/LI"} <= set(kinds)


def test_figures_hidden_ones_and_the_state_of_the_ledger_stand_in_the_pdf() -> None:
    pdf = pdf_of(report())

    text = text_of(pdf)
    assert "1,204" in text
    assert "4,321" in text
    assert text.count("hidden") == 3
    for page in pdf.pages:
        assert f"Ledger at 12,345 entries, root {ANCHOR.root}" in page.extract_text()
        assert "of 1" in page.extract_text()


def test_a_long_table_repeats_its_head_and_says_what_it_leaves_out() -> None:
    rows = tuple((f"line {number}", number) for number in range(500))
    data = report(tables=(Table(caption="Long", columns=NUMBERS, rows=rows, printed=200),))

    pdf = pdf_of(data)

    with_rows = [page.extract_text() for page in pdf.pages if "line" in page.extract_text()]
    assert len(with_rows) > 2
    assert all("Name" in text and "Number" in text for text in with_rows)
    assert "The first 200 of 500 rows" in text_of(pdf)
    assert "line 199" in text_of(pdf)
    assert "line 200" not in text_of(pdf)
    assert len([row for row in rows_of(data) if row[0] == "row"]) == 500


def test_the_same_data_gives_the_same_bytes() -> None:
    first, second = (
        (
            render_pdf(report(), anchor=ANCHOR, asked=ASKED),
            render_csv(report(), anchor=ANCHOR, asked=ASKED),
        )
        for _ in range(2)
    )

    assert first == second
    assert render_pdf(report(title="Other"), anchor=ANCHOR, asked=ASKED) != first[0]


@pytest.mark.parametrize(
    "title",
    [
        '#read("report.typ")',
        "#panic() $x$ *bold* _low_ `raw` = Heading",
        '"; import sys; \\" #{1 + 1}',
        "= Heading\n#pagebreak()\n- list",
        "<label> @label #let x = 1; #x // comment /* more",
        "[ ( { unbalanced",
    ],
)
def test_no_words_of_anyone_become_code(title: str) -> None:
    data = report(
        title=title,
        notes=(title,),
        tables=(Table(caption=title, columns=(Column(title=title),), rows=((title,),)),),
    )

    pdf = pdf_of(data)

    said = " ".join(title.split())
    assert pdf.metadata is not None
    assert pdf.metadata.title == said
    assert "".join(text_of(pdf).split()).count("".join(said.split())) >= 4


@given(st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_any_words_at_all_can_be_written(words: str) -> None:
    data = report(title=f"T {words}", notes=(words,), figures=(Figure(label=words, value=words),))

    assert pdf_of(data).pages
    assert rows_of(data)


def test_what_the_font_cannot_show_is_replaced_and_said_so() -> None:
    data = report(title="\u4e2d\u6587 Nguy\u1ec5n \u0391\u0416 \U0001f600")

    pdf = pdf_of(data)

    assert pdf.metadata is not None
    assert pdf.metadata.title == "?? Nguyen \u0391\u0416 ?"
    assert "were replaced" in text_of(pdf)
    assert ["report", "title", data.title] == rows_of(data)[1][:3]
    assert showable("a\u202eb\x07c", FONTS / "Inter-Regular.ttf") == ("abc", True)


def test_the_csv_holds_every_number_unformatted_in_lines_of_equal_length() -> None:
    rows = rows_of(report())

    assert len({len(row) for row in rows}) == 1
    lines = [[field for field in row if field] for row in rows]
    assert ["figure", "People", "1204"] in lines
    assert ["figure", "Secret", "hidden"] in lines
    assert ["bar", "Chart", "A", "3"] in lines
    assert ["head", "Things", "Name", "Number"] in lines
    assert ["row", "Things", "hidden one", "hidden"] in lines
    assert ["total", "Things", "All", "4321"] in lines
    assert ["ledger", "root", ANCHOR.root] in lines


def test_the_csv_follows_rfc_4180() -> None:
    content = render_csv(report(title='Say "so", twice\nover'), anchor=ANCHOR, asked=ASKED)

    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    assert b'"Say ""so"", twice\nover"' in content


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", '=HYPERLINK("x")'],
)
def test_no_cell_is_a_formula(cell: str) -> None:
    data = report(
        title=cell,
        tables=(Table(caption=cell, columns=(Column(title=cell),), rows=((cell,),), note=cell),),
        figures=(Figure(label=cell, value=cell, note=cell),),
        notes=(cell,),
    )

    fields = [field for row in rows_of(data) for field in row if field]

    assert f"'{cell}" in fields
    assert not [field for field in fields if field.lstrip()[:1] in {"=", "+", "-", "@", "\uff1d"}]


@given(st.text())
def test_guarding_changes_nothing_but_the_beginning(text: str) -> None:
    assert guarded(text) in {text, f"'{text}"}
    assert guarded(guarded(text)) == guarded(text)


def test_a_row_that_does_not_fit_its_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Table(caption="Askew", columns=NUMBERS, rows=(("one",),))


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (88_123_456, "88.1 MB"),
        (5 * 10**15, "5.0 PB"),
    ],
)
def test_lengths_are_written_in_decimal_units(count: int, words: str) -> None:
    assert bytes_in_words(count) == words
    assert written(count, Kind.BYTES) == words


def test_a_period_is_written_with_its_last_day() -> None:
    first, after = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)

    assert period_in_words(first, after) == "1 November 2026 to 30 November 2026"
    assert period_in_words(None, NOON) == "Until 22 November 2026, 12:00 UTC"
    assert period_in_words(first, None) == "Since 1 November 2026"
    assert period_in_words(None, None) == "From the beginning"
