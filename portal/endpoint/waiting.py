"""The agents that wait for a change (`Prefer: wait`): held cheaply, woken when it comes."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Iterable
from time import monotonic
from typing import Final

from portal.endpoint import record
from portal.endpoint.answer import Known
from portal.endpoint.record import Nonces
from portal.endpoint.wire import Wire

RATE: Final = 400
"""How many agents of a cohort are woken in a second when something shared changes: about as many
as one process can issue policies to."""
MEMORY: Final = 10_000
CHUNK: Final = 500


class Waiter:
    """One agent that waits."""

    __slots__ = ("epoch", "future", "known", "nonces")

    def __init__(self, known: Known, epoch: bytes, nonces: Nonces | None) -> None:
        self.known = known
        self.epoch = epoch
        self.nonces = nonces
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> None:
        """Let it ask again."""
        if not self.future.done():
            self.future.set_result(None)


class Room:
    """All that wait in this process; at most one per agent, at most `limit` in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._closing = False
        self._agents: dict[int, Waiter] = {}
        self._names: dict[str, list[Waiter]] = {}
        # When each of the last changes was heard of: one may come while the question is under way.
        self._heard: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._agents)

    def has_space(self) -> bool:
        """Return whether one more may wait."""
        return not self._closing and len(self._agents) < self._limit

    async def hold(self, waiter: Waiter, asked: float, seconds: float) -> bool:
        """Wait until woken, at most so long; False at once where there is no space.

        `asked` is when the question began whose answer the waiter knows: a change heard of since
        ends the wait at once.
        """
        if not self.has_space():
            return False
        names = _names(waiter.known)
        if any(self._heard.get(name, 0.0) >= asked for name in names):
            return True
        self._add(waiter, names)
        timer = asyncio.get_running_loop().call_later(seconds, waiter.wake)
        try:
            await waiter.future
        finally:
            timer.cancel()
            self._remove(waiter, names)
        return True

    def changed(self, name: str) -> None:
        """Wake whom a change concerns: a person's agents at once, a cohort's spread over time.

        Thousands that ask in the same moment would all be answered late.
        """
        self._heard[name] = monotonic()
        self._heard.move_to_end(name)
        if len(self._heard) > MEMORY:
            self._heard.popitem(last=False)
        waiters = list(self._names.get(name, ()))
        if name.startswith("c:"):
            self._wake_spread(waiters)
        else:
            for waiter in waiters:
                waiter.wake()

    async def sweep(self, wire: Wire, epoch: bytes) -> None:
        """Wake those for whom something changed without a message; raises RedisAway.

        One that was answered from PostgreSQL, or under another epoch, holds no nonces to compare:
        it is let go as well, some time soon.
        """
        waiters = list(self._agents.values())
        self._wake_spread(w for w in waiters if w.nonces is None or w.epoch != epoch)
        comparable = [w for w in waiters if w.nonces and w.epoch == epoch]
        for start in range(0, len(comparable), CHUNK):
            chunk = comparable[start : start + CHUNK]
            keys = [record.key(epoch, name) for w in chunk for name in _names(w.known)]
            now = await wire.call(b"MGET", *keys)
            for number, waiter in enumerate(chunk):
                if waiter.nonces != Nonces(*now[2 * number : 2 * number + 2]):
                    waiter.wake()

    def close(self) -> None:
        """Let everybody go, and nobody in: the server stops."""
        self._closing = True
        for waiter in list(self._agents.values()):
            waiter.wake()

    def _wake_spread(self, waiters: Iterable[Waiter]) -> None:
        waiters = list(waiters)
        if len(waiters) == 1:
            waiters[0].wake()
            return
        loop, longest = asyncio.get_running_loop(), len(waiters) / RATE
        for waiter in waiters:
            loop.call_later(random.uniform(0, longest), waiter.wake)  # noqa: S311  no secret

    def _add(self, waiter: Waiter, names: Iterable[str]) -> None:
        if older := self._agents.get(waiter.known.agent):
            older.wake()  # its connection is gone, or the agent asks twice: the newest counts
        self._agents[waiter.known.agent] = waiter
        for name in names:
            self._names.setdefault(name, []).append(waiter)

    def _remove(self, waiter: Waiter, names: Iterable[str]) -> None:
        if self._agents.get(waiter.known.agent) is waiter:
            del self._agents[waiter.known.agent]
        for name in names:
            left = self._names[name]
            left.remove(waiter)
            if not left:
                del self._names[name]


def _names(known: Known) -> tuple[str, str]:
    return record.subject_key(known.subject), record.cohort_key(known.cohort)
