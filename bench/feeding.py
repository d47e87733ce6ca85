"""Events for agents on their standard input, without a pause, and when each was written."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import Final

LINE: Final = b'{"signal": "mouse_click", "x": 10, "y": 20, "action": "click", "window": {"host": "tracker.example", "platform": "web", "private": false}}\n'  # noqa: E501
USUAL: Final = 1.0
DENSE: Final = 0.02
TURN: Final = 0.005


@dataclass
class Fed:
    """One agent's input."""

    pipe: int
    times: list[float] = field(default_factory=list)
    """When each event was written, on the monotonic clock."""
    dense_until: float = 0.0
    next_at: float = 0.0
    failed: bool = False

    def feed(self, now: float) -> None:
        """Write an event if it is time; the pipe of a process that has ended counts as failed."""
        if self.failed or now < self.next_at:
            return
        try:
            os.write(self.pipe, LINE)
        except BlockingIOError:  # it reads too slowly: no event, so none captured late
            return
        except OSError:
            self.failed = True
            return
        self.times.append(time.monotonic())
        self.next_at = now + (DENSE if now < self.dense_until else USUAL)

    def hurry(self, seconds: float) -> None:
        """Feed as densely as is measured, for some time."""
        now = time.monotonic()
        self.dense_until, self.next_at = now + seconds, min(self.next_at, now)


async def feed(all_fed: list[Fed]) -> None:
    """Feed everybody until cancelled. Those who began together are spread over a second."""
    now = time.monotonic()
    for number, fed in enumerate(all_fed):
        fed.next_at = now + USUAL * number / len(all_fed)
    while True:
        now = time.monotonic()
        for fed in all_fed:
            fed.feed(now)
        await asyncio.sleep(TURN)
