"""What `up` prints: every line says who speaks."""

import json
import os
import sys
import threading
from pathlib import Path
from typing import IO

WIDTH = len("sequencer")


class Console:
    """Prints lines of many programs without mixing them."""

    def __init__(self) -> None:
        """Start with an open terminal; it may go away while we run."""
        self._lock = threading.Lock()

    def say(self, who: str, text: str) -> None:
        """Print one or more lines in the name of a program."""
        with self._lock:
            try:
                for line in text.splitlines() or [""]:
                    sys.stdout.write(f"{who:>{WIDTH}} | {line}\n")
                sys.stdout.flush()
            except OSError:
                _speak_to_nobody()

    def follow(self, who: str, stream: IO[bytes]) -> None:
        """Print what a program writes until it ends, from a thread of its own."""

        def pump() -> None:
            for line in stream:
                self.say(who, line.decode(errors="replace").rstrip())
            stream.close()

        threading.Thread(target=pump, name=f"output of {who}", daemon=True).start()


def _speak_to_nobody() -> None:
    """Let output go nowhere: the terminal was closed, and the programs must still be read."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def sign_in_lines(file: Path) -> list[str]:
    """Return who may sign in to the demo company, and how; nothing where it is not loaded."""
    try:
        demo = json.loads(file.read_text(encoding="utf-8"))
        people = [(account["label"], account["email"]) for account in demo["accounts"]]
        password = demo["password"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    lines = [f"  {label:<20} {email}" for label, email in people]
    return [f"Sign in to the demo company with the password {password} as", *lines]
