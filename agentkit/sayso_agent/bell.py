"""Wakes the loop that waits for whatever comes first: an answer, an event, the end. Pure."""

import threading
from contextlib import suppress


class Bell:
    """Rung from any thread, or a signal's handler; rings that nobody waited for count as one."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake whoever waits, or who waits next."""
        with suppress(RuntimeError):  # it rings already
            self._silent.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it rings, so long at most; return whether it rang."""
        return self._silent.acquire(timeout=seconds)
