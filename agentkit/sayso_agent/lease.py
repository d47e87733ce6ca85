"""How long a policy holds and what time it is under it. Pure but for `SystemClock`.

Two clocks bound a lease and whichever ends first ends it: the wall clock, and a monotonic one
that nobody can set back, counted from before the policy was asked for.
"""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from sayso_agent.policy import Policy


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment on both clocks, in seconds. `boot` says since which start of the machine the
    monotonic one counts, "" where that is not known and it compares with no other process's."""

    monotonic: float
    wall: float
    boot: str = ""

    def earlier(self, seconds: float) -> "Instant":
        """Return the moment that many seconds before."""
        return replace(self, monotonic=self.monotonic - seconds, wall=self.wall - seconds)


class Clock(Protocol):
    """Where the agent takes its time from."""

    def now(self) -> Instant:
        """Return the present moment."""


class SystemClock:
    """The machine's clocks; the monotonic one goes on while the machine sleeps, where it can."""

    def __init__(self) -> None:
        self._source = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
        self._boot = boot_id()

    def now(self) -> Instant:
        """Return the present moment."""
        if self._source is None:
            return Instant(time.monotonic(), time.time())
        return Instant(time.clock_gettime(self._source), time.time(), self._boot)


def boot_id() -> str:
    """Return which start of the machine this is, "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


_AHEAD: Final = 4.0
"""So much earlier than our own a base may be: a second that its date left out, and three by which
the portal's clock was set back since. Stamps so far ahead are still taken."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The time one policy document may be obeyed for. Half-open: at its end it is over."""

    issued_at: int
    until: int
    began: float  # monotonic, no later than `issued_at` was: the lease runs from here
    base: float  # monotonic, stands for `issued_at` in stamps
    since: float  # monotonic: nothing that happened earlier falls under this document

    @classmethod
    def begin(
        cls, policy: Policy, *, asked: float, received: float, answered: float | None = None
    ) -> "Lease":
        """Start the lease of a policy that was just received.

        `answered` is the portal's time when it answered. A document may have been signed a good
        while before, and what is captured now must not be stamped into that time: stamps only
        ever move later by it, and the lease ends only sooner.
        """
        term = policy.lease_until - policy.issued_at
        age = min(max((answered or 0.0) - policy.issued_at, 0.0), term)
        return cls(policy.issued_at, policy.lease_until, asked - age, received - age, received)

    def following(self, base: float | None) -> "Lease":
        """Return the lease with no stamp that a process before us gave under the same document.

        Dates are whole seconds, so it may have been a little ahead. `base` is its own; None where
        its clock cannot be compared with ours: then we wait until the difference is over, as we do
        for one that no process can have had: by that we would stamp into the future.
        """
        if base is not None and base > self.began - _AHEAD:
            return replace(self, base=min(self.base, base))
        unsure = 1.0 + self.base - self.began  # the second that the date left out, and the way here
        return replace(self, since=self.since + unsure)

    def renewed(
        self, policy: Policy, *, asked: float, received: float, answered: float | None = None
    ) -> "Lease":
        """Return the lease of the next document.

        One issued no later than ours starts no new term: a document replayed to us just before
        its end must not gain time by being heard twice.
        """
        if policy.issued_at > self.issued_at:
            return Lease.begin(policy, asked=asked, received=received, answered=answered)
        until = min(self.until, policy.lease_until)
        return replace(self, until=until, since=received)

    def in_force(self, at: Instant) -> bool:
        """Return whether the policy may still be obeyed."""
        return self.seconds_left(at) > 0

    def seconds_left(self, at: Instant) -> float:
        """Return how long the lease still runs, by the clock that ends it first."""
        by_monotonic = self.began + (self.until - self.issued_at) - at.monotonic
        return min(by_monotonic, self.until - at.wall)

    def portal_time(self, at: Instant) -> float:
        """Return the time by the portal's clock, whether the lease is in force or not."""
        return self.issued_at + at.monotonic - self.base

    def stamp(self, at: Instant) -> float | None:
        """Return the capture time of a moment under this lease; None where it was outside it.

        The time is the portal's: when it answered, plus what our monotonic clock has counted
        since. A wall clock that is wrong cannot move it.
        """
        if at.monotonic < self.since or not self.in_force(at):
            return None
        stamp = round(math.floor(self.portal_time(at) * 1000) / 1000, 3)
        return stamp if stamp < self.until else None


@dataclass(frozen=True, slots=True)
class KeptClock:
    """What the last policy said of the time: how far the portal's clock is ahead of this machine's,
    and which moment of the monotonic clock, counted since `boot`, stood for its `issued_at`."""

    offset: float = 0.0
    issued_at: int = 0
    base: float = 0.0
    boot: str = ""

    def portal_time(self, at: Instant) -> float:
        """Return the portal's time of a moment; the wall clock counts only after a restart."""
        if at.boot and at.boot == self.boot:
            return self.issued_at + at.monotonic - self.base
        return at.wall + self.offset
