"""Bar charts: labels that do not overlap, and no empty outlines where nothing can be told."""

from __future__ import annotations

from typing import Any

from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=9), min_size=1, max_size=3)
POINTS = st.lists(
    st.tuples(WORDS.map(" ".join), st.one_of(st.none(), st.integers(0, 900))),
    min_size=1,
    max_size=12,
)


def drawn(points: list[tuple[str, int | None]]) -> str:
    made: list[Any] = [{"label": label, "value": value} for label, value in points]
    page = Template('{% load sayso %}{% bar_chart "x" points "Answers" "All of them" %}')
    return page.render(Context({"points": made}))


@given(POINTS)
def test_a_label_loses_no_word_and_the_figures_are_there_as_text(
    points: list[tuple[str, int | None]],
) -> None:
    page = drawn(points)

    if all(value is None for _, value in points):
        assert "<svg" not in page
        assert "No group is large enough" in page
        return
    assert page.count("<rect") == len(points)
    for label, value in points:
        assert f'<th scope="row">{label}</th>' in page
        assert (f"{value} </td>" if value is not None else "not shown</td>") in page


def test_a_label_wider_than_its_bar_has_two_lines() -> None:
    page = drawn([("Ended otherwise", 3), *((str(number), 1) for number in range(5))])

    assert ">Ended</text>" in page
    assert ">otherwise</text>" in page
    assert ">Ended otherwise</text>" in drawn([("Ended otherwise", 3)])
