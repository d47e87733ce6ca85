"""Reading input: lines as they come, or one JSON document."""

import json
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

LONGEST_LINE: Final = 8 * 1024 * 1024
LONGEST_DOCUMENT: Final = 128 * 1024 * 1024
"""Of a recording on one line, as rrweb's often are: read at once, so it must fit in memory."""
UNREADABLE: Final = b"?\n"
"""What comes in place of a line that is too long: no JSON, so that it is counted."""
_CHUNK: Final = 64 * 1024


def lines(source: str, *, longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """Yield the lines of a file or of standard input; a line too long comes as UNREADABLE.

    Read without Python's buffers: a thread that waits in those cannot be left behind at the end.
    """
    if source == "-":
        yield from _lines(sys.stdin.fileno(), longest)
        return
    with Path(source).open("rb", buffering=0) as file:
        yield from _lines(file.fileno(), longest)


def _lines(handle: int, longest: int) -> Iterator[bytes]:
    parts: list[bytes] = []  # of the line that has not ended, as far as it is not too long
    size = 0
    while chunk := os.read(handle, _CHUNK):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            size += len(end)
            yield b"".join([*parts, end, b"\n"]) if size <= longest else UNREADABLE
            parts, size = [], 0
        size += len(rest)
        if size <= longest:
            parts.append(rest)
        else:
            parts.clear()
    if size:
        yield b"".join(parts) if size <= longest else UNREADABLE


def raw_events(source: str) -> Iterator[Any]:
    """Yield the JSON values of a file: a list, an object with `events`, or one value a line.

    What is no JSON is yielded as None, so that it can be counted.
    """
    stream = lines(source, longest=LONGEST_DOCUMENT)
    first = next((line for line in stream if line.strip()), b"")
    if first.lstrip().startswith(b"["):
        document = parsed(b"".join(chain([first], stream)))
        yield from document if isinstance(document, list) else [None]
        return
    for line in chain([first], stream):
        if line.strip():
            value = parsed(line)
            listed = value.get("events") if isinstance(value, dict) else None
            yield from listed if isinstance(listed, list) else [value]


def parsed(line: bytes) -> Any:
    """Return a JSON value, None for what is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
