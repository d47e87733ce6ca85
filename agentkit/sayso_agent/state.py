"""The visible state: one word, and a command of the machine's owner that shows it."""

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import Final

from sayso_agent.errors import UsageError

LONGEST_WAIT: Final = 1.0


def state_word(*, recording: bool, paused: bool) -> str:
    """Return the state in one word."""
    if recording:
        return "recording"
    return "paused" if paused else "not_recording"


def words_of(command: str) -> list[str]:
    """Return a command's words as this system writes them; ValueError where it cannot be read.

    On Windows a backslash is a part of a path and quotes nothing.
    """
    if sys.platform != "win32":
        return shlex.split(command)
    words = shlex.split(command, posix=False)
    return [w[1:-1] if len(w) > 1 and w[0] == w[-1] == '"' else w for w in words]


class StateCommand:
    """Runs a command at each change of state, with `SAYSO_STATE` and `SAYSO_STATE_LINE` set.

    It is started without a shell and not waited for: a slow light must not hold up a stop.
    """

    def __init__(self, command: str) -> None:
        try:
            self._words = words_of(command)
        except ValueError as error:
            raise UsageError("state_command_bad", "the state command cannot be read") from error
        if not self._words or shutil.which(self._words[0]) is None:
            raise UsageError("state_command_bad", "there is no such state command")
        self._last: subprocess.Popen[bytes] | None = None

    def tell(self, word: str, line: str) -> None:
        """Start the command for a state."""
        if self._last is not None:
            self._last.poll()  # lets the system forget a command that has ended
        # The command is the one that whoever started the agent named.
        with suppress(OSError):  # a light that cannot be started must not end the agent
            self._last = subprocess.Popen(  # noqa: S603
                self._words,
                env={**os.environ, "SAYSO_STATE": word, "SAYSO_STATE_LINE": line},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def wait(self) -> None:
        """Give the last one a moment, so that its state is shown when we have ended."""
        if self._last is not None:
            with suppress(subprocess.TimeoutExpired):
                self._last.wait(LONGEST_WAIT)
