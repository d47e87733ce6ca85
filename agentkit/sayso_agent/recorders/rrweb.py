"""rrweb recordings of a page in a browser (event types 2, 3 and 4; the others are left out).

The app follows from the host of the page's own address. Addresses beyond the host, links, form
values, pictures, styles and canvases are never taken over.
"""

import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sayso_agent.event import Event, Skipped, Typing
from sayso_agent.matching import WindowFacts
from sayso_agent.recorders.rrweb_page import Page
from sayso_agent.transport import is_loopback

SNAPSHOT: Final = 2
INCREMENT: Final = 3
META: Final = 4
MUTATION, MOVE, INTERACTION, SCROLL, RESIZE, INPUT, TOUCH, MEDIA = range(8)
DRAG: Final = 12
SELECTION: Final = 14
LONGEST_PART: Final = 16_000
LATEST: Final = 1e15
"""Milliseconds beyond which a time is none, and may be too large to reckon with."""
_CLICKS: Final = {
    0: "up",
    1: "down",
    2: "click",
    3: "menu",
    4: "double",
    7: "touch_start",
    9: "touch_end",
}
_FOCUS: Final = 5
_BLUR: Final = 6

Items = Iterator[Event | Skipped]


def read_rrweb(raw: Iterable[Any], *, host: str = "", hint: str = "") -> Items:
    """Yield our events for rrweb's. `host` and `hint` stand in for a page of this machine only."""
    reader = _Reader(host, hint)
    for entry in raw:
        yield from reader.read(entry)


class _Reader:
    """Follows one page through the stream."""

    def __init__(self, host: str, hint: str) -> None:
        self._told_host = host
        self._hint = hint
        self._window = WindowFacts(platform="web", hint=hint)
        self._page = Page()
        self._lengths: dict[int, int] = {}  # of each field's text, never the text

    def read(self, entry: Any) -> Items:
        """Yield the events of one rrweb event."""
        if not isinstance(entry, dict) or not isinstance(entry.get("data"), dict):
            yield Skipped("bad_event")
            return
        stamp = entry.get("timestamp")
        if isinstance(stamp, bool) or not isinstance(stamp, int | float) or abs(stamp) > LATEST:
            yield Skipped("bad_event")
            return
        at, data = stamp / 1000, entry["data"]
        match entry.get("type"):
            case 4:
                yield from self._meta(data, at)
            case 2:
                yield from self._snapshot(data, at)
            case 3:
                yield from self._increment(data, at)
            case _:
                yield Skipped("not_a_signal")

    def _meta(self, data: Mapping[str, Any], at: float) -> Items:
        """A new page: whatever was known of the one before is void."""
        self._window = page_facts(data.get("href"), told=self._told_host, hint=self._hint)
        self._page = Page()
        self._lengths.clear()
        yield Event("app_focus", self._window, at=at, settles=True)

    def _snapshot(self, data: Mapping[str, Any], at: float) -> Items:
        text = self._page.load(data.get("node"))
        if title := self._page.title():
            yield Event("window_title", self._window, {"text": title}, at=at)
        yield from self._shown("snapshot", text, at)

    def _shown(self, kind: str, text: str, at: float) -> Items:
        """Yield visible text in parts that end between blocks."""
        part: list[str] = []
        for line in text.splitlines():
            if part and sum(map(len, part)) + len(line) > LONGEST_PART:
                data = {"kind": kind, "text": "\n".join(part)}
                yield Event("dom_text", self._window, data, at=at)
                part = []
            part.append(line)
        if part:
            data = {"kind": kind, "text": "\n".join(part)}
            yield Event("dom_text", self._window, data, at=at)

    def _increment(self, data: Mapping[str, Any], at: float) -> Items:
        match data.get("source"):
            case 0:
                yield from self._mutation(data, at)
            case 1 | 6 | 12:
                yield from self._moves(data, at)
            case 2:
                yield self._interaction(data, at)
            case 3:
                yield self._event("scroll", data, {"x": data.get("x"), "y": data.get("y")}, at)
            case 4:
                size = {"width": data.get("width"), "height": data.get("height")}
                yield Event("ui_event", self._window, {"kind": "resize", **size}, at=at)
            case 5:
                yield from self._input(data, at)
            case 7:
                yield self._event("ui_event", data, {"kind": "media"}, at)
            case 14:
                yield Event("ui_event", self._window, {"kind": "select"}, at=at)
            case _:
                yield Skipped("not_a_signal")

    def _mutation(self, data: Mapping[str, Any], at: float) -> Items:
        text, left_out = self._page.change(data)
        if left_out:
            yield Skipped(left_out)
        yield from self._shown("change", text, at)

    def _moves(self, data: Mapping[str, Any], at: float) -> Items:
        positions = data.get("positions")
        for place in positions if isinstance(positions, list) else []:
            if not isinstance(place, dict):
                yield Skipped("bad_event")
                continue
            offset = place.get("timeOffset", 0)
            late = offset / 1000 if isinstance(offset, int | float) and -60e3 < offset < 0 else 0.0
            point = {"x": place.get("x"), "y": place.get("y")}
            yield Event("mouse_move", self._window, point, at=at + late)

    def _interaction(self, data: Mapping[str, Any], at: float) -> Event | Skipped:
        kind = data.get("type")
        if kind in {_FOCUS, _BLUR}:
            word = "focus" if kind == _FOCUS else "blur"
            event = self._event("ui_event", data, {"kind": word}, at)
            return _settling(event)
        if not isinstance(kind, int) or kind not in _CLICKS:
            return Skipped("not_a_signal")
        point = {"x": data.get("x"), "y": data.get("y"), "action": _CLICKS[kind]}
        return self._event("mouse_click", data, point, at)

    def _event(
        self, signal: str, data: Mapping[str, Any], content: Mapping[str, Any], at: float
    ) -> Event | Skipped:
        """Return an event on an element, with what kind of element it is."""
        node = self._page.node(data.get("id"))
        if node is not None and node.framed:
            return Skipped("embedded_frame")
        tag = {"element": node.tag} if node is not None and node.tag else {}
        return Event(signal, self._window, {**content, **tag}, at=at)

    def _input(self, data: Mapping[str, Any], at: float) -> Items:
        number, text = data.get("id"), data.get("text")
        node = self._page.node(number)
        if node is None or not isinstance(number, int) or not isinstance(text, str):
            yield Skipped("field_unknown")  # it may be a password field
            return
        if node.framed:
            yield Skipped("embedded_frame")
            return
        if node.choice:
            yield self._event("ui_event", data, {"kind": "change"}, at)
            return
        before = self._lengths.get(number, 0)
        self._lengths[number] = len(text)
        key = {"key": "character" if len(text) > before else "backspace", "action": "press"}
        yield Event("key_meta", self._window, key, at=at, secure=node.secure)
        yield Event(
            "key_content",
            self._window,
            {"text": text},
            at=at,
            secure=node.secure,
            field=str(number),
            typing=Typing.VALUE,
        )


def _settling(event: Event | Skipped) -> Event | Skipped:
    if isinstance(event, Skipped):
        return Skipped(event.reason, settles=True)
    return Event(event.signal, event.window, event.data, event.at, settles=True)


def page_facts(href: Any, *, told: str = "", hint: str = "") -> WindowFacts:
    """Return what a page's address says of its app: the host, and nothing else of it.

    A page opened from this machine has no host of its own; there the told host or the hint stands
    in. A page of any other host is what it is, whatever was told.
    """
    try:
        parts = urllib.parse.urlsplit(href) if isinstance(href, str) else None
        host = (parts.hostname or "") if parts else ""
    except ValueError:
        return WindowFacts(platform="web", host="invalid.invalid")
    scheme = parts.scheme if parts else ""
    local = scheme == "file" or (scheme in {"http", "https"} and is_loopback(host))
    if not local:
        known = host if scheme in {"http", "https"} else ""
        return WindowFacts(platform="web", host=known or "invalid.invalid")
    if told:
        return WindowFacts(platform="web", host=told, aliases=(host,) if host else ())
    if hint:
        return WindowFacts(platform="web", aliases=(host,) if host else (), hint=hint)
    return WindowFacts(platform="web", host=host or "invalid.invalid")
