"""Asking PostgreSQL for many at the same time, together: one question for all who wait.

A change of the rules makes thousands ask within moments. Who comes alone is served alone, at once.
Who asks while others are being served waits a moment for company: what one question costs is mostly
the same for one as for many.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

MOST: Final = 96
"""Agents in one question, which may hold what their people's decisions need: some milliseconds."""
AT_ONCE: Final = 2
"""Questions at once: while one waits for PostgreSQL another can be worked out."""
GATHER_SECONDS: Final = 0.002
"""How long who asks while others are being served may wait for more to come."""

KeyT = TypeVar("KeyT", bound=Hashable)
AskedT = TypeVar("AskedT")
FoundT = TypeVar("FoundT")
Serve = Callable[[list[AskedT]], Awaitable[dict[KeyT, FoundT | Exception]]]
"""Answers what is asked, by its key; an error in an answer is about that one alone."""


class Crowd(Generic[KeyT, AskedT, FoundT]):
    """Gathers who asks."""

    def __init__(self, serve: "Serve[AskedT, KeyT, FoundT]") -> None:
        self._serve = serve
        self._waiting: dict[KeyT, tuple[AskedT, list[asyncio.Future[FoundT]]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, key: KeyT, asked: AskedT) -> "asyncio.Future[FoundT]":
        """Return what comes of it, worked out after this call; the future may raise.

        Two who ask under one key while neither is being served get the same, by what the later one
        asked.
        """
        future: asyncio.Future[FoundT] = asyncio.get_running_loop().create_future()
        _, futures = self._waiting.get(key, (asked, []))
        self._waiting[key] = asked, [*futures, future]
        self._go_on()
        return future

    def _go_on(self) -> None:
        """Serve who waits: at once while nobody is served, or when there are as many as may be."""
        while self._waiting and len(self._running) < AT_ONCE:
            if self._running and len(self._waiting) < MOST:
                self._gather()
                return
            self._begin()

    def _gather(self) -> None:
        if self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        if self._waiting and len(self._running) < AT_ONCE:
            self._begin()

    def _begin(self) -> None:
        taken = dict(list(self._waiting.items())[:MOST])
        for key in taken:
            del self._waiting[key]
        task = asyncio.get_running_loop().create_task(self._answer(taken))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # told to everybody who waits already
            self._go_on()

    async def _answer(
        self, taken: "dict[KeyT, tuple[AskedT, list[asyncio.Future[FoundT]]]]"
    ) -> None:
        try:
            found = await self._serve([asked for asked, _ in taken.values()])
        except BaseException as error:
            for _, futures in taken.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(_told(error))
            raise
        for key, (_, futures) in taken.items():
            for future in futures:
                if not future.done():
                    _settle(future, found[key])


def _settle(future: "asyncio.Future[FoundT]", found: FoundT | Exception) -> None:
    if isinstance(found, Exception):
        future.set_exception(found)
    else:
        future.set_result(found)


def _told(error: BaseException) -> Exception:
    """Return an error that a future may carry."""
    return error if isinstance(error, Exception) else RuntimeError("nobody was answered")
