"""How long a policy holds and what time it is under it. Pure but for `SystemClock`.

Two clocks bound a lease and whichever ends first ends it: the wall clock, and a monotonic one
that nobody can set back, counted from before the policy was asked for.
"""

import math
import time
from dataclasses import dataclass
from typing import Protocol

from sayso_agent.policy import Policy


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks, in seconds."""

    monotonic: float
    wall: float

    def earlier(self, seconds: float) -> "Instant":
        """Return the moment that many seconds before."""
        return Instant(self.monotonic - seconds, self.wall - seconds)


class Clock(Protocol):
    """Where the agent takes its time from."""

    def now(self) -> Instant:
        """Return the present moment."""


class SystemClock:
    """The machine's clocks; the monotonic one goes on while the machine sleeps, where it can."""

    def __init__(self) -> None:
        self._source = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))

    def now(self) -> Instant:
        """Return the present moment."""
        if self._source is None:
            return Instant(time.monotonic(), time.time())
        return Instant(time.clock_gettime(self._source), time.time())


@dataclass(frozen=True, slots=True)
class Lease:
    """The time one policy document may be obeyed for. Half-open: at its end it is over."""

    issued_at: int
    until: int
    asked: float  # monotonic, before the request went out: the lease runs from here
    base: float  # monotonic, when the answer was there: stands for `issued_at` in stamps
    since: float  # monotonic: nothing that happened earlier falls under this document

    @classmethod
    def begin(cls, policy: Policy, *, asked: float, received: float) -> "Lease":
        """Start the lease of a policy that was just received."""
        return cls(policy.issued_at, policy.lease_until, asked, received, received)

    def renewed(self, policy: Policy, *, asked: float, received: float) -> "Lease":
        """Return the lease of the next document.

        One issued no later than ours starts no new term: a document replayed to us just before
        its end must not gain time by being heard twice.
        """
        if policy.issued_at > self.issued_at:
            return Lease.begin(policy, asked=asked, received=received)
        until = min(self.until, policy.lease_until)
        return Lease(self.issued_at, until, self.asked, self.base, received)

    def in_force(self, at: Instant) -> bool:
        """Return whether the policy may still be obeyed."""
        return self.seconds_left(at) > 0

    def seconds_left(self, at: Instant) -> float:
        """Return how long the lease still runs, by the clock that ends it first."""
        by_monotonic = self.asked + (self.until - self.issued_at) - at.monotonic
        return min(by_monotonic, self.until - at.wall)

    def stamp(self, at: Instant) -> float | None:
        """Return the capture time of a moment under this lease; None where it was outside it.

        The time is the portal's: when it issued the lease, plus what our monotonic clock has
        counted since. A wall clock that is wrong cannot move it.
        """
        if at.monotonic < self.since or not self.in_force(at):
            return None
        return round(self.issued_at + math.floor((at.monotonic - self.base) * 1000) / 1000, 3)
