"""How often one agent may ask for what costs a row: beyond that it is told when to come back.

Never asked of a withdrawal, a pause or a strike: nothing delays those.
"""

import time
from typing import Final

from portal.api.errors import Problem
from portal.endpoint.limits import Buckets

BURST: Final = 120
"""At once; one a second is made up for. A machine that was away for days brings what it kept."""


def count(buckets: Buckets, who: bytes) -> None:
    """Count a request; raise Problem 429 with Retry-After where it was one too many."""
    if pause := buckets.take(who, time.monotonic()):
        refusal = Problem(
            status_code=429,
            code="too_many_requests",
            detail="This is asked more often than makes sense.",
            next_step="Wait as long as Retry-After says.",
        )
        refusal.wait = pause  # type: ignore[attr-defined]
        raise refusal
