"""Our own event form: one JSON object a line, with what is known of the window.

    {"t": 1795324000.25, "signal": "mouse_click", "x": 10, "y": 20, "action": "click",
     "window": {"platform": "windows", "executable": "slack.exe", "signer": "…"}}

Typed text needs `"secure": false`, else it is taken for a password. `"typing"` says how a piece
relates to the one before it in the same `"field"`: append (the default), value or whole.

`"visible"` lists every window that could be seen, each in the form of `"window"`. Pictures and the
titles of programs need it.

A page's window needs `"private": false`, else nobody knows that it is not a private one.

`"call"` and `"screen_share"` say whether a call runs and whether a screen is shared; pictures and
messages need both.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from sayso_agent.event import Event, Skipped, Typing
from sayso_agent.machine import platform_name
from sayso_agent.matching import WindowFacts
from sayso_agent.recorders.source import parsed

FACTS: Final = ("platform", "bundle_id", "executable", "signer", "aumid", "host", "session")
_ABOUT: Final = frozenset(
    {
        "t",
        "signal",
        "window",
        "secure",
        "field",
        "typing",
        "settles",
        "visible",
        "call",
        "screen_share",
    }
)
_TYPINGS: Final = {typing.value: typing for typing in Typing}


def read_ndjson(lines: Iterable[bytes], told: WindowFacts) -> Iterator[Event | Skipped]:
    """Yield an event per line; a line that is none is counted and passed over."""
    for line in lines:
        yield read_line(line, told)


def read_line(line: bytes, told: WindowFacts) -> Event | Skipped:
    """Return the event a line holds."""
    value = parsed(line)
    if not isinstance(value, dict) or not isinstance(value.get("signal"), str):
        return Skipped("bad_event")
    window = _window(value.get("window"), told)
    at = value.get("t")
    typing = _TYPINGS.get(str(value.get("typing", "append")))
    visible = _visible(value.get("visible"))
    unreadable = visible is None and value.get("visible") is not None
    if window is None or typing is None or unreadable or not (at is None or _is_number(at)):
        return Skipped("bad_event")
    field = value.get("field", "")
    return Event(
        signal=value["signal"],
        window=window,
        data={name: content for name, content in value.items() if name not in _ABOUT},
        at=None if at is None else float(at),
        secure=_known(value.get("secure")),
        field=field if isinstance(field, str) else "",
        typing=typing,
        settles=value.get("settles") is True,
        visible=visible,
        call=_known(value.get("call")),
        screen_share=_known(value.get("screen_share")),
    )


def window_facts(facts: Mapping[str, str], *, hint: str = "") -> WindowFacts:
    """Return facts given by name; those not given are unknown."""
    return WindowFacts(
        platform=facts.get("platform", ""),
        bundle_id=facts.get("bundle_id", ""),
        executable=facts.get("executable", ""),
        signer=facts.get("signer", ""),
        aumid=facts.get("aumid", ""),
        host=facts.get("host", ""),
        hint=hint,
        session=facts.get("session", ""),
    )


def _known(value: object) -> bool | None:
    """Return yes or no where the line says it clearly, None where nobody can tell."""
    return value if isinstance(value, bool) else None


def _is_number(value: object) -> bool:
    """Return whether a value is a time; whole numbers too large for one are not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e12


def _visible(value: Any) -> tuple[WindowFacts, ...] | None:
    """Return every window that could be seen; None where that is not said or cannot be read."""
    if not isinstance(value, list):
        return None
    windows = [_window(entry, WindowFacts()) for entry in value if entry is not None]
    known = tuple(window for window in windows if window is not None)
    return known if len(known) == len(value) else None


def _window(value: Any, told: WindowFacts) -> WindowFacts | None:
    """Return what the line says of its window; what was told stands in only if it says nothing."""
    if value is None:
        return told
    if not isinstance(value, dict):
        return None
    facts = {name: value[name] for name in FACTS if name in value}
    if not all(isinstance(fact, str) for fact in facts.values()):
        return None
    facts.setdefault("platform", platform_name())
    aliases = value.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(name, str) for name in aliases):
        return None
    # What is said, and is no clear "no", counts as a private window.
    private = value["private"] is not False if "private" in value else None
    return replace(window_facts(facts, hint=told.hint), private=private, aliases=tuple(aliases))
