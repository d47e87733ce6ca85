"""Template tags of the pages: render a piece once and use it twice; bar charts as SVG."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from django import template
from django.template.base import NodeList, Parser, Token

register = template.Library()

CHART_WIDTH = 360
CHART_HEIGHT = 150
CHART_TOP = 18  # room for the label of the highest line
CHART_BOTTOM = 34  # room for the labels under the bars, which may have two lines
LINE = 12
LETTER = 5.8  # as wide as one is on a phone, where they are largest
MOST_LABELS = 8


class Point(TypedDict):
    """One bar: `value` is None where a group is too small to be shown."""

    label: str
    value: float | None


@dataclass(frozen=True)
class Bar:
    """A bar as the template draws it; numbers are text, so that no locale puts a comma in."""

    value: float | None
    x: str
    y: str
    width: str
    height: str
    middle: str
    lines: list[tuple[str, str]]
    """The label's lines, each with its height; none where there is no room for it."""


class KeepNode(template.Node):
    """Renders its content into a variable and prints nothing."""

    def __init__(self, nodelist: NodeList, name: str) -> None:
        self.nodelist = nodelist
        self.name = name

    def render(self, context: template.Context) -> str:
        context[self.name] = self.nodelist.render(context)
        return ""


@register.tag
def keep(parser: Parser, token: Token) -> KeepNode:
    """`{% keep as title %}…{% endkeep %}`: a block stands once, its text is needed twice."""
    match token.split_contents():
        case [_, "as", name]:
            nodelist = parser.parse(("endkeep",))
            parser.delete_first_token()
            return KeepNode(nodelist, name)
        case _:
            raise template.TemplateSyntaxError("usage: {% keep as name %}")


@register.filter
def beside(cells: Sequence[Any], columns: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return each cell of a row with the column it stands in."""
    return list(zip(columns, cells, strict=True))


@register.inclusion_tag("components/chart.html")
def bar_chart(
    name: str, points: Iterable[Point], title: str, description: str, unit: str = ""
) -> dict[str, Any]:
    """Return what `components/chart.html` draws; no points give its empty state.

    `name` makes the ids of the picture unique on the page.
    """
    drawn = list(points)
    top = nice_ceiling(max((point["value"] or 0 for point in drawn), default=0))
    return {
        "name": name,
        "title": title,
        "description": description,
        "unit": unit,
        "points": drawn,
        "bars": _bars(drawn, top=top),
        "hides_some": any(point["value"] is None for point in drawn),
        "hides_all": all(point["value"] is None for point in drawn),
        "width": str(CHART_WIDTH),
        "height": str(CHART_HEIGHT),
        "baseline": str(CHART_HEIGHT - CHART_BOTTOM),
        "top_line": str(CHART_TOP),
        "middle_line": str((CHART_TOP + CHART_HEIGHT - CHART_BOTTOM) // 2),
        "top": top,
    }


def nice_ceiling(value: float) -> int:
    """Return the least of 1, 2, 5, 10, 20, 50 … that is not below the value."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if factor * step >= value:
                return factor * step
        step *= 10


def _bars(points: Sequence[Point], *, top: int) -> list[Bar]:
    if not points:
        return []
    slot = CHART_WIDTH / len(points)
    gap = min(slot * 0.25, 8)
    room = CHART_HEIGHT - CHART_TOP - CHART_BOTTOM
    every = -(-len(points) // MOST_LABELS)
    bars = []
    for number, point in enumerate(points):
        value = point["value"]
        height = room if value is None else room * value / top
        bars.append(
            Bar(
                value=value,
                x=f"{number * slot + gap / 2:.1f}",
                y=f"{CHART_HEIGHT - CHART_BOTTOM - height:.1f}",
                width=f"{slot - gap:.1f}",
                height=f"{height:.1f}",
                middle=f"{(number + 0.5) * slot:.1f}",
                lines=_lines(point["label"], slot * every) if number % every == 0 else [],
            )
        )
    return bars


def _lines(label: str, width: float) -> list[tuple[str, str]]:
    """Return the lines of a label, each with its height: two where it is wider than its bar."""
    words = label.split()
    if len(label) * LETTER > width and len(words) > 1:
        half = min(
            range(1, len(words)),
            key=lambda at: max(len(" ".join(words[:at])), len(" ".join(words[at:]))),
        )
        parts = [" ".join(words[:half]), " ".join(words[half:])]
    else:
        parts = [label]
    first = CHART_HEIGHT - CHART_BOTTOM + LINE
    return [(part, str(first + number * LINE)) for number, part in enumerate(parts)]
