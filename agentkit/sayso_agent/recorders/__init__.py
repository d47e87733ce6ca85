"""Adapters: each turns what one recorder writes into our events, and decides nothing."""

import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sayso_agent.errors import UsageError
from sayso_agent.event import Event, Skipped
from sayso_agent.matching import WindowFacts
from sayso_agent.recorders.ndjson import read_ndjson
from sayso_agent.recorders.openadapt import read_openadapt
from sayso_agent.recorders.rrweb import read_rrweb
from sayso_agent.recorders.source import lines, raw_events

Items = Iterator[Event | Skipped]
Reader = Callable[[str, "Told"], Items]


@dataclass(frozen=True, slots=True)
class Told:
    """What the person who starts the agent says about the window, where the recorder cannot.

    `host` stands in for a page opened from this machine (file:, localhost) and for no other.
    `window.private` says whether the windows that its events are of are private ones, where the
    recorder cannot tell. `no_passwords` says that nobody types one, where it cannot tell password
    fields.
    """

    host: str = ""
    window: WindowFacts = field(default_factory=WindowFacts)
    no_passwords: bool = False


def _rrweb(source: str, told: Told) -> Items:
    return read_rrweb(raw_events(source), host=told.host, hint=told.window.hint)


def _openadapt(source: str, told: Told) -> Items:
    if not Path(source).is_file():
        raise UsageError("events_not_a_file", "an OpenAdapt recording is a file, not a stream")
    return read_openadapt(Path(source), told.window)


def _ndjson(source: str, told: Told) -> Items:
    return read_ndjson(lines(source), told.window)


RECORDERS: Final[dict[str, Reader]] = {
    "rrweb": _rrweb,
    "openadapt": _openadapt,
    "ndjson": _ndjson,
}

_SAY_NOTHING_OF_PRIVACY: Final = frozenset({"rrweb", "openadapt"})


def guess(source: str) -> str:
    """Return the recorder a file most likely comes from, by its name."""
    endings = {".db": "openadapt", ".sqlite": "openadapt", ".json": "rrweb"}
    return endings.get(Path(source).suffix.lower(), "ndjson")


def open_recorder(recorder: str, source: str, told: Told) -> Items:
    """Return the events of a file or of standard input ("-")."""
    if source != "-" and not (Path(source).is_file() or Path(source).is_fifo()):
        raise UsageError("events_missing", f"there is no file {source}")
    items = RECORDERS[recorder](source, told)
    private = told.window.private
    # Their files have no place to say it: whoever hands one in has seen what was recorded.
    if private is None and recorder in _SAY_NOTHING_OF_PRIVACY and not is_live(source):
        private = False
    if private is not None:
        items = _stating(items, private=private)
    return _without_passwords(items) if told.no_passwords else items


def _stating(items: Items, *, private: bool) -> Items:
    """Fill in whether an event's window is private; other windows in sight are not spoken for."""
    for item in items:
        unsaid = isinstance(item, Event) and item.window.private is None
        if isinstance(item, Event) and unsaid:
            yield replace(item, window=replace(item.window, private=private))
        else:
            yield item


def _without_passwords(items: Items) -> Items:
    """Fill in what the recorder does not know; what it calls a password field stays one."""
    for item in items:
        unsure = isinstance(item, Event) and item.secure is None
        yield replace(item, secure=False) if isinstance(item, Event) and unsure else item


def is_live(source: str) -> bool:
    """Return whether events come as they happen: by a pipe, or standard input that is no file."""
    return not _stdin_is_file() if source == "-" else Path(source).is_fifo()


def _stdin_is_file() -> bool:
    try:
        return stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError):
        return False
