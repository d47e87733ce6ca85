"""Reading input: lines as they come, or one JSON document."""

import json
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

LONGEST_LINE: Final = 8 * 1024 * 1024
_CHUNK: Final = 64 * 1024


def lines(source: str) -> Iterator[bytes]:
    """Yield the lines of a file or of standard input; a line too long comes as an empty one.

    Read without Python's buffers: a thread that waits in those cannot be left behind at the end.
    """
    if source == "-":
        yield from _lines(sys.stdin.fileno())
        return
    with Path(source).open("rb", buffering=0) as file:
        yield from _lines(file.fileno())


def _lines(handle: int) -> Iterator[bytes]:
    rest, too_long = b"", False
    while chunk := os.read(handle, _CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield b"" if too_long else line + b"\n"
            too_long = False
        if len(rest) > LONGEST_LINE:
            rest, too_long = b"", True
    if rest and not too_long:
        yield rest


def raw_events(source: str) -> Iterator[Any]:
    """Yield the JSON values of a file: a list, an object with `events`, or one value a line.

    What is no JSON is yielded as None, so that it can be counted.
    """
    stream = lines(source)
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
