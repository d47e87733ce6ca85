"""Issuing policies to whoever asks at the same time, together: one transaction for many of them.

A change of the rules makes thousands ask within moments. Who asks while others are being served
waits for those, and is then served with all who waited; who comes alone is served alone, at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from portal.endpoint.answer import Issued, Known

MOST: Final = 96
"""Agents in one transaction, which holds what their people's decisions need: some milliseconds."""
AT_ONCE: Final = 2
"""Transactions at once: while one waits for PostgreSQL another can be worked out."""


class Made(NamedTuple):
    """A policy that was issued."""

    quiet: bool
    """Whether nobody was about to change what it follows from, so that it may be kept."""
    issued: Issued
    known: Known
    """What is known of the holder from then on."""


IssueMany = Callable[[list[Known], float], Awaitable[dict[int, Made | Exception]]]


class Issuer:
    """Gathers who asks for a policy; `issue_many` returns what was made by the agent's key."""

    def __init__(self, issue_many: IssueMany) -> None:
        self._issue_many = issue_many
        self._waiting: dict[int, tuple[Known, float, list[asyncio.Future[Made]]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    def issue(self, known: Known, now: float) -> "asyncio.Future[Made]":
        """Return the agent's next policy; the future raises what kept it from being issued."""
        future: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        # One that asks twice gets one policy, made after both have asked.
        _, _, futures = self._waiting.get(known.agent, (known, now, []))
        self._waiting[known.agent] = known, now, [*futures, future]
        self._begin()
        return future

    def _begin(self) -> None:
        while self._waiting and len(self._running) < AT_ONCE:
            taken = dict(list(self._waiting.items())[:MOST])
            for agent in taken:
                del self._waiting[agent]
            task = asyncio.get_running_loop().create_task(self._serve(taken))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # told to everybody who waits already
            self._begin()

    async def _serve(
        self, taken: "dict[int, tuple[Known, float, list[asyncio.Future[Made]]]]"
    ) -> None:
        knowns = [known for known, _, _ in taken.values()]
        try:
            made = await self._issue_many(knowns, max(now for _, now, _ in taken.values()))
        except BaseException as error:
            for _, _, futures in taken.values():
                for future in futures:
                    if not future.done():
                        future.set_exception(_told(error))
            raise
        for agent, (_, _, futures) in taken.items():
            for future in futures:
                if not future.done():
                    found = made[agent]
                    if isinstance(found, Exception):
                        future.set_exception(found)
                    else:
                        future.set_result(found)


def _told(error: BaseException) -> Exception:
    """Return an error that a future may carry."""
    return error if isinstance(error, Exception) else RuntimeError("no policy was issued")
