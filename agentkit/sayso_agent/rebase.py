"""Old recordings as if they ended now, so that they can be played to a policy of today. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from sayso_agent.event import Event, Skipped
from sayso_agent.lease import Instant


def rebased(
    items: list[Event | Skipped], now: Instant, since: float
) -> Iterator[tuple[Event | Skipped, Instant]]:
    """Yield old events with times that end now; distances shrink if the lease is younger than they.

    The recorder's own times are taken out, so that nothing of the past decides anything.
    """
    times = [item.at for item in items if isinstance(item, Event) and item.at is not None]
    last = max(times, default=0.0)
    length = last - min(times, default=0.0)
    room = max(now.monotonic - since, 0.0)
    scale = min(1.0, room / length) if length > 0 else 0.0
    for item in items:
        if isinstance(item, Event) and item.at is not None:
            moment = max(now.monotonic - (last - item.at) * scale, min(since, now.monotonic))
            yield replace(item, at=None), Instant(moment, now.wall)
        else:
            yield item, now
