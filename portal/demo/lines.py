"""What a machine might have captured: lines of JSON in the shapes the agent lets through. Pure."""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from consent.policy.types import Signal

LEAST_LINES, MOST_LINES = 5, 12
LABELS: Final = (
    "Total",
    "Status: in progress",
    "Save",
    "Filter",
    "Next step",
    "Plan 2027",
    "Notes",
)
ELEMENTS: Final = ("button", "a", "td", "input", "menu", "select")
KEYS: Final = ("character", "character", "character", "space", "enter", "tab", "arrow", "backspace")

Shape = Callable[[random.Random], dict[str, Any]]


def _point(chance: random.Random) -> dict[str, Any]:
    return {"x": chance.randint(0, 1919), "y": chance.randint(0, 1079)}


SHAPES: Final[dict[Signal, Shape]] = {
    Signal.APP_FOCUS: lambda _: {},
    Signal.UI_EVENT: lambda c: {
        "kind": c.choice(["focus", "change", "open", "close"]),
        "element": c.choice(ELEMENTS),
    },
    Signal.MOUSE_CLICK: lambda c: {
        **_point(c),
        "action": "click",
        "button": "left",
        "element": c.choice(ELEMENTS),
    },
    Signal.MOUSE_MOVE: _point,
    Signal.SCROLL: lambda c: {**_point(c), "dx": 0, "dy": c.choice([-240, -120, 120, 240])},
    Signal.KEY_META: lambda c: {"key": c.choice(KEYS), "action": "press"},
    Signal.KEY_TIMING: lambda c: {"action": "press", "ms": c.randint(60, 420)},
    Signal.WINDOW_TITLE: lambda c: {"text": c.choice(LABELS)},
    Signal.DOM_TEXT: lambda c: {"kind": "change", "text": c.choice(LABELS)},
}


def ndjson(
    chance: random.Random, signals: Sequence[Signal], *, since: datetime, until: datetime
) -> tuple[bytes, dict[str, int]]:
    """Return lines for these signals between two instants, and how many there are of each."""
    count = max(chance.randint(LEAST_LINES, MOST_LINES), len(signals))
    order = [*signals, *chance.choices(signals, k=count - len(signals))]
    start, end = since.timestamp(), until.timestamp()
    times = sorted(round(chance.uniform(start, end), 3) for _ in order)
    chance.shuffle(order)
    lines = [
        json.dumps(
            {"t": at, "signal": signal.value, **_fields(signal, chance)}, separators=(",", ":")
        )
        for at, signal in zip(times, order, strict=True)
    ]
    counts = Counter(signal.value for signal in order)
    return "".join(f"{line}\n" for line in lines).encode(), dict(sorted(counts.items()))


def _fields(signal: Signal, chance: random.Random) -> dict[str, Any]:
    shape = SHAPES.get(signal)
    return shape(chance) if shape else {}
