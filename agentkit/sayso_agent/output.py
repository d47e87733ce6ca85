"""What the command prints: standard output for programs too, the state of recording beside it."""

import json
import os
import sys
from contextlib import suppress
from typing import Any


def say(text: str) -> None:
    """Write a line to standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """Write a line to standard error; one that cannot be written must not end anything."""
    with suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def say_json(value: Any) -> None:
    """Write a JSON value on a line of its own."""
    say(json.dumps(value, sort_keys=True))


def give_up_output() -> None:
    """Let what could not be written go, so that Python does not try it again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
