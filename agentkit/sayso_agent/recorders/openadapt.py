"""OpenAdapt's recordings (openadapt-capture, SQLite): keys and pointer at desktop level.

Pictures, sound, memory and browser tables are never opened. Key codes tell the letter on a known
keyboard, so only the kind of a key is taken over, and its character only where the recording
says that the field takes no password.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sayso_agent.errors import UsageError
from sayso_agent.event import Event, Skipped
from sayso_agent.fields import key_class
from sayso_agent.matching import WindowFacts
from sayso_agent.typed_text import ERASE
from sayso_agent.words import listed

ACTIONS: Final = listed(
    "name timestamp mouse_x mouse_y mouse_dx mouse_dy mouse_button_name mouse_pressed key_name "
    "key_char canonical_key_name element_state structural_observation window_event_id disabled "
    "parent_id"
)
_PLATFORMS: Final = {"darwin": "macos", "win32": "windows", "linux": "linux"}
_ENDING_KEYS: Final = frozenset({"enter", "tab", "escape"})
_ROLES: Final = frozenset({"edit", "document", "textbox", "text", "axtextfield", "axtextarea"})
_SECURE_WORDS: Final = ("secure", "password", "protected")

Row = dict[str, Any]


def read_openadapt(path: Path, told: WindowFacts) -> Iterator[Event | Skipped]:
    """Yield the events of a recording in their order."""
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            yield from _read(database, told)
    except sqlite3.Error as error:
        raise UsageError("events_unreadable", "this is not an OpenAdapt recording") from error


def _read(database: sqlite3.Connection, told: WindowFacts) -> Iterator[Event | Skipped]:
    window = replace(told, platform=told.platform or _platform(database))
    titles = _titles(database)
    shown = ""
    for row in _rows(database, "action_event", ACTIONS):
        if row["disabled"] or row["parent_id"] is not None:
            yield Skipped("not_a_signal")  # marked off, or part of an action told elsewhere
            continue
        structure = _json(row["structural_observation"])
        facts = _facts(structure, window)
        title = titles.get(row["window_event_id"], "")
        if title != shown:
            shown = title
            yield Event("app_focus", facts, at=row["timestamp"], settles=True)
            yield Event("window_title", facts, {"text": title}, at=row["timestamp"])
        yield from _action(row, facts, structure)


def _action(row: Row, facts: WindowFacts, structure: Row) -> Iterator[Event | Skipped]:
    at = row["timestamp"]
    if not isinstance(at, int | float):
        yield Skipped("bad_event")
        return
    point = {"x": row["mouse_x"], "y": row["mouse_y"]}
    match row["name"]:
        case "move":
            yield Event("mouse_move", facts, point, at=at)
        case "click":
            pressed = bool(row["mouse_pressed"])
            data = {**point, "action": "down" if pressed else "up"}
            data["button"] = row["mouse_button_name"]
            yield Event("mouse_click", facts, data, at=at, settles=pressed)
        case "scroll":
            data = {**point, "dx": row["mouse_dx"], "dy": row["mouse_dy"]}
            yield Event("scroll", facts, data, at=at)
        case "press" | "release" as action:
            secure = _secure(_json(row["element_state"]), structure)
            yield from _key(row, facts, action, secure=secure)
        case _:
            yield Skipped("not_a_signal")


def _key(
    row: Row, facts: WindowFacts, action: str, *, secure: bool | None
) -> Iterator[Event | Skipped]:
    at = row["timestamp"]
    char = row["key_char"] or ""
    kind = _kind(row, char)
    ends = action == "press" and kind in _ENDING_KEYS
    data = {"key": kind, "action": action}
    yield Event("key_meta", facts, data, at=at, secure=secure, settles=ends)
    yield Event("key_timing", facts, {"action": action}, at=at, secure=secure)
    text = {"space": " ", "backspace": ERASE}.get(kind, char)
    if action == "press" and text:
        yield Event("key_content", facts, {"text": text}, at=at, secure=secure, field="desktop")


def _kind(row: Row, char: str) -> str:
    """Return the kind of a key; on X a nameless code is most often a letter."""
    if char:
        return key_class(char)
    name = row["canonical_key_name"] or row["key_name"] or ""
    return "character" if str(name).startswith("keycode_") else key_class(name)


def _secure(element: Row, structure: Row) -> bool | None:
    """Return whether the field takes a password; None where the recording does not say."""
    observed = structure.get("element")
    seen = observed if isinstance(observed, dict) else {}
    words = [
        str(source.get(name, "")).lower()
        for source in (element, seen)
        for name in ("AXRole", "AXSubrole", "role", "control_type", "class_name", "name")
    ]
    flags = (element.get("is_password"), element.get("protected"), seen.get("is_password"))
    if any(flags) or any(secure in word for word in words for secure in _SECURE_WORDS):
        return True
    return False if any(word in _ROLES for word in words) else None


def _facts(structure: Row, window: WindowFacts) -> WindowFacts:
    """Return the window as observed; what was told stands in only where nothing was."""
    process = structure.get("process")
    name = process.get("process_name") if isinstance(process, dict) else None
    if not isinstance(name, str) or not name:
        return window
    return WindowFacts(platform=window.platform, executable=name, hint=window.hint)


def _titles(database: sqlite3.Connection) -> dict[Any, str]:
    rows = _rows(database, "window_event", ["id", "title"])
    return {row["id"]: row["title"] for row in rows if isinstance(row["title"], str)}


def _platform(database: sqlite3.Connection) -> str:
    row = next(iter(_rows(database, "recording", ["platform"])), {"platform": None})
    return _PLATFORMS.get(str(row["platform"]), "")


def _rows(database: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[Row]:
    """Yield a table's rows in time order; columns that this version lacks come as None."""
    found = {info[1] for info in database.execute(f"PRAGMA table_info({table})")}
    present = [name for name in columns if name in found]
    if not present:
        return
    order = "timestamp, id" if "timestamp" in found else "id"
    # Every name here is one of ours, checked against the table.
    query = f"SELECT {', '.join(present)} FROM {table} ORDER BY {order}"  # noqa: S608
    for values in database.execute(query):
        yield {**dict.fromkeys(columns), **dict(zip(present, values, strict=True))}


def _json(value: object) -> Row:
    if not isinstance(value, str | bytes):
        return {}
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
