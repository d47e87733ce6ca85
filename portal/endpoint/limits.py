"""How often one agent may ask: a token bucket for each, kept as when it is full again."""

import math
from typing import Final

SMALLEST_SWEEP: Final = 10_000
ROUNDING: Final = 1e-6
"""Seconds by which sums of instants may be off: who waited as told is not told again."""


class Bucket:
    """A token bucket that refills at one request a second, by the generic cell rate algorithm."""

    __slots__ = ("_full_at", "_slack")

    def __init__(self, burst: int) -> None:
        """Allow `burst` requests at once."""
        self._slack = burst - 1
        self._full_at = -math.inf

    def take(self, now: float) -> int:
        """Count one request at `now`, a monotonic clock; return 0, or the whole seconds to wait."""
        full_at = self._full_at
        if full_at < now:
            full_at = now
        if (excess := full_at - now - self._slack) > ROUNDING:
            return math.ceil(excess)
        self._full_at = full_at + 1
        return 0

    def is_full(self, now: float) -> bool:
        """Return whether it is as one that nothing was taken from."""
        return self._full_at <= now


class Buckets:
    """One token bucket for each who asks.

    Full ones say nothing and are not kept, so that memory follows the requests of the last moments,
    not the number of agents or guesses; save those that somebody holds.
    """

    def __init__(self, burst: int) -> None:
        """Allow `burst` requests at once, to each."""
        self._burst = burst
        self._held: dict[bytes, Bucket] = {}
        self._loose: dict[bytes, Bucket] = {}
        self._sweep_at = SMALLEST_SWEEP

    def take(self, who: bytes, now: float) -> int:
        """Count one request at `now`, a monotonic clock; return 0, or the whole seconds to wait."""
        bucket = self._held.get(who) or self._loose.get(who)
        if bucket is None:
            bucket = self._loose[who] = Bucket(self._burst)
        pause = bucket.take(now)
        if len(self._loose) > self._sweep_at:
            self._sweep(now)
        return pause

    def hold(self, who: bytes) -> Bucket:
        """Return somebody's bucket, to be taken from without looking for it; until `release`."""
        bucket = self._held.get(who)
        if bucket is None:
            bucket = self._held[who] = self._loose.pop(who, Bucket(self._burst))
        return bucket

    def release(self, who: bytes) -> None:
        """Hold somebody's bucket no more; what was taken from it stays taken."""
        if (bucket := self._held.pop(who, None)) is not None:
            self._loose[who] = bucket

    def release_all(self) -> None:
        """Hold nobody's bucket any more."""
        self._loose.update(self._held)
        self._held.clear()

    def __len__(self) -> int:
        return len(self._held) + len(self._loose)

    def _sweep(self, now: float) -> None:
        # Of a copy, made in one step: other threads take, too, while this one looks.
        found = list(self._loose.items())
        self._loose = {who: bucket for who, bucket in found if not bucket.is_full(now)}
        self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._loose))
