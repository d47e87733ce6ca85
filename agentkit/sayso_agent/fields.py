"""Which fields of an event may leave, per signal: a closed list of shapes. Pure.

Free text has a place only in signals of content. Everywhere else a value is a number or a word
of a short list, so that no typed letter can travel inside a click.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sayso_agent.redact import redact
from sayso_agent.words import listed

LONGEST_TEXT: Final = 20_000
_FARTHEST: Final = 1_000_000.0

ELEMENTS: Final = frozenset(
    listed(
        "a article aside audio body button canvas checkbox code dialog div fieldset figure footer "
        "form h1 h2 h3 h4 h5 h6 header iframe img input label li link main menu menuitem nav ol "
        "option p pre radio row section select span summary svg tab table tbody td textarea tfoot "
        "th thead tr ul video window"
    )
)
KEYS: Final = frozenset(
    listed(
        "character space enter tab backspace delete escape arrow home end page_up page_down "
        "function modifier other"
    )
)
_KEY_NAMES: Final = {
    "return": "enter",
    "del": "delete",
    "esc": "escape",
    "pageup": "page_up",
    "page up": "page_up",
    "pagedown": "page_down",
    "page down": "page_down",
    " ": "space",
    **dict.fromkeys(("up", "down", "left", "right"), "arrow"),
    **{f"arrow{way}": "arrow" for way in ("up", "down", "left", "right")},
    **dict.fromkeys(
        listed(
            "shift shift_l shift_r ctrl ctrl_l ctrl_r control alt alt_l alt_r alt_gr altgraph meta "
            "cmd cmd_r super caps_lock capslock"
        ),
        "modifier",
    ),
    **{f"f{number}": "function" for number in range(1, 25)},
}

Shape = Callable[[Any], Any]
"""Takes a raw value, returns the value that may leave or None to leave the field out."""


def key_class(name: object) -> str:
    """Return what kind of key this is, never which letter: the letter would be content."""
    if not isinstance(name, str) or not name:
        return "other"
    word = name.lower()
    if word in KEYS:
        return word
    if word in _KEY_NAMES:
        return _KEY_NAMES[word]
    return "character" if len(name) == 1 else "other"


def element_word(name: object) -> str | None:
    """Return an element's kind from a short list, "other" for any other, None for no text."""
    if not isinstance(name, str) or not name:
        return None
    word = name.strip().lower()
    return word if word in ELEMENTS else "other"


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -_FARTHEST <= value <= _FARTHEST:  # also for NaN, and for numbers beyond all floats
        return None
    return round(value, 2)


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these words."""

    words: tuple[str, ...]

    def __call__(self, value: Any) -> str | None:
        """Return the word, None for anything else."""
        return value if isinstance(value, str) and value in self.words else None


def _one_of(*words: str) -> OneOf:
    return OneOf(words)


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return None
    return redact(value).encode("utf-8", "replace").decode("utf-8").strip() or None


_POINT: Final[dict[str, Shape]] = {"x": _number, "y": _number}
_BUTTON = _one_of("left", "right", "middle", "other")

SHAPES: Final[Mapping[str, Mapping[str, Shape]]] = {
    "app_focus": {},
    "ui_event": {
        "kind": _one_of("focus", "blur", "change", "select", "resize", "open", "close", "media"),
        "element": element_word,
        "width": _number,
        "height": _number,
    },
    "mouse_click": {
        **_POINT,
        "action": _one_of("down", "up", "click", "double", "menu", "touch_start", "touch_end"),
        "button": _BUTTON,
        "element": element_word,
    },
    "mouse_move": _POINT,
    "scroll": {**_POINT, "dx": _number, "dy": _number, "element": element_word},
    "key_meta": {"key": key_class, "action": _one_of("press", "release")},
    "key_timing": {"action": _one_of("press", "release"), "ms": _number},
    "key_content": {"text": _text},
    "clipboard": {"action": _one_of("copy", "cut", "paste"), "text": _text},
    "window_title": {"text": _text},
    "dom_text": {"kind": _one_of("snapshot", "change"), "text": _text},
    "comms_content": {"direction": _one_of("in", "out"), "text": _text},
}
"""`screenshot` and `screen_video` have no shape: this agent could not blank a picture."""

_SAID: Final[Mapping[Shape, str]] = {
    _number: "a number",
    _text: "a text, masked",
    element_word: "the kind of element",
    key_class: "the kind of key, never which",
}


def members(signal: str) -> Iterable[tuple[str, str]]:
    """Yield each member that an event of the signal may have beside its time, and what it says."""
    for name, shape in SHAPES[signal].items():
        yield name, " ".join(shape.words) if isinstance(shape, OneOf) else _SAID[shape]


NEEDS_TEXT: Final = frozenset(name for name, shape in SHAPES.items() if "text" in shape)


def reduce(signal: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields that may leave, redacted; None where nothing worth keeping is left."""
    kept = {}
    for name, shape in SHAPES[signal].items():
        if name in data and (value := shape(data[name])) is not None:
            kept[name] = value
    return None if signal in NEEDS_TEXT and "text" not in kept else kept
