"""The agents that wait for a change (`Prefer: wait`): held cheaply, told when it comes."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache
from time import monotonic
from typing import Final

from portal.endpoint import record
from portal.endpoint.answer import Known, Wake
from portal.endpoint.record import Nonces
from portal.endpoint.wire import Wire

RATE: Final = 400
"""How many agents of a cohort are asked back in a second when something shared changes: about as
many as one process can issue policies to."""
MEMORY: Final = 10_000
CHUNK: Final = 500
AGAIN: Final = Wake()


class Waiter(ABC):
    """One agent that waits: what it knows, and what to do when its wait is over."""

    __slots__ = ("epoch", "known", "nonces", "timer")

    # Set before it waits: see `knows`.
    known: Known
    epoch: bytes
    nonces: Nonces | None

    def __init__(self) -> None:
        self.timer: asyncio.TimerHandle | None = None
        """Set as long as it waits."""

    def knows(self, known: Known, epoch: bytes, nonces: Nonces | None) -> None:
        """Remember what is to hold, and under which nonces it was found to."""
        self.known = known
        self.epoch = epoch
        self.nonces = nonces

    @abstractmethod
    def over(self, wake: Wake) -> None:
        """Go on: the wait is over. Called once for each wait."""


class _InCoroutine(Waiter):
    """A waiter on which a coroutine waits."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        super().__init__()
        self.future: asyncio.Future[Wake] = asyncio.get_running_loop().create_future()

    def over(self, wake: Wake) -> None:
        if not self.future.done():
            self.future.set_result(wake)


class Room:
    """All that wait in this process; at most one per agent, at most `limit` in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._closing = False
        self._agents: dict[int, Waiter] = {}
        self._subjects: dict[int, list[Waiter]] = {}
        # As keys, in their order: one of ten thousand leaves as quickly as one of ten.
        self._cohorts: dict[int, dict[Waiter, None]] = {}
        # When each of the last changes was heard of: one may come while the question is under way.
        self._heard: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._agents)

    def has_space(self) -> bool:
        """Return whether one more may wait."""
        return not self._closing and len(self._agents) < self._limit

    async def hold(
        self, known: Known, epoch: bytes, nonces: Nonces | None, *, asked: float, seconds: float
    ) -> Wake | None:
        """Wait in a coroutine, as `enter` says; None at once where there is no space."""
        waiter = _InCoroutine()
        waiter.knows(known, epoch, nonces)
        if not self.enter(waiter, asked=asked, seconds=seconds):
            return None
        try:
            return await waiter.future
        finally:
            self.leave(waiter)

    def enter(self, waiter: Waiter, *, asked: float, seconds: float) -> bool:
        """Let it wait until told, at most so long; False where there is no space.

        `asked` is when the question began whose answer the waiter knows: a change heard of since
        ends the wait as soon as it has begun.
        """
        if not self.has_space():
            return False
        known = waiter.known
        if any(self._heard.get(name, 0.0) >= asked for name in _names(known)):
            seconds = 0.0
        if older := self._agents.get(known.agent):
            self._end(older, AGAIN)  # its connection is gone, or it asks twice: the newest counts
        self._agents[known.agent] = waiter
        self._subjects.setdefault(known.subject, []).append(waiter)
        self._cohorts.setdefault(known.cohort, {})[waiter] = None
        waiter.timer = asyncio.get_running_loop().call_later(seconds, self._end, waiter, AGAIN)
        return True

    def leave(self, waiter: Waiter) -> bool:
        """Forget a waiter; return whether it was waiting."""
        if waiter.timer is None:
            return False
        waiter.timer.cancel()
        waiter.timer = None
        known = waiter.known
        del self._agents[known.agent]
        self._subjects[known.subject].remove(waiter)
        if not self._subjects[known.subject]:
            del self._subjects[known.subject]
        del self._cohorts[known.cohort][waiter]
        if not self._cohorts[known.cohort]:
            del self._cohorts[known.cohort]
        return True

    def changed(self, name: str) -> None:
        """Tell whom a change concerns, all of them now; a cohort's are asked back over time."""
        self._heard[name] = monotonic()
        self._heard.move_to_end(name)
        if len(self._heard) > MEMORY:
            self._heard.popitem(last=False)
        kind, _, number = name.partition(":")
        if kind == "s":
            self._tell(list(self._subjects.get(int(number), ())), longest=0)
            return
        waiters = list(self._cohorts.get(int(number), ()))
        self._tell(waiters, longest=len(waiters) // RATE)

    async def sweep(self, wire: Wire, epoch: bytes) -> None:
        """Tell those for whom something changed without a message; raises RedisAway.

        One that was answered from PostgreSQL, or under another epoch, holds no nonces to compare:
        it is let go to look again, some time soon.
        """
        waiters = list(self._agents.values())
        self._let_go([w for w in waiters if w.nonces is None or w.epoch != epoch])
        comparable = [w for w in waiters if w.nonces and w.epoch == epoch]
        for start in range(0, len(comparable), CHUNK):
            chunk = [w for w in comparable[start : start + CHUNK] if w.timer]
            found = [(w, w.nonces) for w in chunk]
            keys = [record.key(epoch, name) for w in chunk for name in _names(w.known)]
            if not keys:
                continue
            now = await wire.call(b"MGET", *keys)
            for number, (waiter, nonces) in enumerate(found):
                # One that went on meanwhile, and waits again, was told what it knows since.
                if waiter.nonces is nonces and nonces != Nonces(*now[2 * number : 2 * number + 2]):
                    self._end(waiter, Wake(changed=True))

    def close(self) -> None:
        """Let everybody go, and nobody in: the server stops."""
        self._closing = True
        for waiter in list(self._agents.values()):
            self._end(waiter, AGAIN)

    def _tell(self, waiters: list[Waiter], longest: int) -> None:
        """Tell some now and the others right after: polls in between are answered meanwhile.

        Makes no object for each: ten thousand of them bring on a collection of garbage, which
        looks at all that the process holds, before the first is told.
        """
        for waiter in waiters[:CHUNK]:
            self._end(waiter, _changed(random.randint(0, longest)))  # noqa: S311  no secret
        if len(waiters) > CHUNK:
            asyncio.get_running_loop().call_soon(self._tell, waiters[CHUNK:], longest)

    def _let_go(self, waiters: list[Waiter]) -> None:
        loop, longest = asyncio.get_running_loop(), len(waiters) / RATE
        for waiter in waiters:
            # Whose time is over as soon as that anyway is left alone, also from the last sweep.
            if waiter.timer and waiter.timer.when() - loop.time() > longest:
                waiter.timer.cancel()
                pause = random.uniform(0, longest)  # noqa: S311  no secret
                waiter.timer = loop.call_later(pause, self._end, waiter, AGAIN)

    def _end(self, waiter: Waiter, wake: Wake) -> None:
        if self.leave(waiter):
            waiter.over(wake)


@lru_cache(maxsize=1024)
def _changed(pause: int) -> Wake:
    return Wake(changed=True, pause=pause)


def _names(known: Known) -> Iterable[str]:
    return record.subject_key(known.subject), record.cohort_key(known.cohort)
