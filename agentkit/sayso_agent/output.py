"""What the command prints: standard output for programs too, the state of recording beside it."""

import json
import os
import sys
from contextlib import suppress
from typing import Any, TextIO


def say(text: str) -> None:
    """Write a line to standard output."""
    _write(sys.stdout, text)


def tell(text: str) -> None:
    """Write a line to standard error; one that cannot be written must not end anything."""
    with suppress(OSError):
        _write(sys.stderr, text)


def say_json(value: Any) -> None:
    """Write a JSON value on a line of its own."""
    say(json.dumps(value, sort_keys=True))


def give_up_output() -> None:
    """Let what could not be written go, so that Python does not try it again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write(stream: TextIO, text: str) -> None:
    """Write a line; letters that this terminal has not are spelled out."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()
