"""How often one agent may ask: a token bucket for each, kept as one number. Pure."""

import math
from typing import Final

SMALLEST_SWEEP: Final = 10_000
ROUNDING: Final = 1e-6
"""Seconds by which sums of instants may be off: who waited as told is not told again."""


class Buckets:
    """Token buckets that refill at one request a second, by the generic cell rate algorithm.

    A bucket is the instant at which it is full again. Full ones say nothing and are not kept, so
    that memory follows the requests of the last moments, not the number of agents or guesses.
    """

    def __init__(self, burst: int) -> None:
        """Allow `burst` requests at once."""
        self._slack = burst - 1
        self._full_at: dict[bytes, float] = {}
        self._sweep_at = SMALLEST_SWEEP

    def take(self, who: bytes, now: float) -> int:
        """Count one request at `now`, a monotonic clock; return 0, or the whole seconds to wait."""
        full_at = self._full_at.get(who, now)
        if full_at < now:
            full_at = now
        if (excess := full_at - now - self._slack) > ROUNDING:
            return math.ceil(excess)
        self._full_at[who] = full_at + 1
        if len(self._full_at) > self._sweep_at:
            self._sweep(now)
        return 0

    def __len__(self) -> int:
        return len(self._full_at)

    def _sweep(self, now: float) -> None:
        self._full_at = {who: at for who, at in self._full_at.items() if at > now}
        self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._full_at))
