"""How far a run is: one line that renews itself on a terminal, plain lines elsewhere."""

import time
from typing import Final, TextIO

from portal.simulation.fleet import Course

PLAIN_SECONDS: Final = 10.0
CLEAR: Final = "\r\x1b[K"


class Progress:
    """Says how far a run is, on a stream of its own."""

    def __init__(self, stream: TextIO, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds
        self._live = stream.isatty()
        self._said_at = 0.0
        self._polls = 0
        self._at = time.monotonic()

    def gathered(self, done: int, count: int) -> None:
        """Say how many people are ready."""
        self._say(f"people {done:,} of {count:,}", last=done == count)

    def course(self, course: Course) -> None:
        """Say how the run goes on."""
        now = time.monotonic()
        polls, self._polls = course.counts.polls - self._polls, course.counts.polls
        rate = polls / max(now - self._at, 0.001)
        self._at = now
        if course.began:
            head = f"{min(now - course.began, self._seconds):.0f} of {self._seconds:.0f} s"
        else:
            head = f"connected {course.connected:,} of {len(course.agents):,}"
        errors = sum(course.counts.errors.values())
        self._say(
            f"{head} | {rate:,.0f} polls/s | capturing {course.capturing:,}"
            f" | withdrawn {len(course.clicks):,} | errors {errors:,}"
        )

    def close(self) -> None:
        """Leave the line for whoever writes next."""
        if self._live:
            self._stream.write(CLEAR)
            self._stream.flush()

    def _say(self, line: str, *, last: bool = False) -> None:
        if self._live:
            self._stream.write(f"{CLEAR}{line}")
        elif last or time.monotonic() - self._said_at >= PLAIN_SECONDS:
            self._said_at = time.monotonic()
            self._stream.write(f"{line}\n")
        self._stream.flush()
