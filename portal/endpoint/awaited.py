"""A poll on the short way for whom a coroutine waits, as by plain ASGI."""

import asyncio
from collections.abc import Callable

from portal.endpoint.answer import Answer, changed, unchanged, whole
from portal.endpoint.problems import delivered
from portal.endpoint.shortcut import ShortPoll
from portal.endpoint.source import Shared


class AwaitedPoll(ShortPoll):
    """One poll, whose answer is the result of a future; None where it is to be answered in full."""

    __slots__ = ("_shared", "future", "is_over")

    is_over: Callable[[], bool]

    def __init__(self, shared: Shared, loop: asyncio.AbstractEventLoop) -> None:
        # What those before it in the line would set, each by a call of its own, for every poll.
        self.timer = None
        self.shortcut = None
        self.granted = 0
        self._shared = shared
        self.future: asyncio.Future[Answer | None] = loop.create_future()
        self.is_over = self.future.done

    def stands(self, named: bytes, granted: int) -> None:
        """Answer that the named policy is in force."""
        self.future.set_result(unchanged(self._shared.offer, named, granted))

    def brings(self, etag: str, body: bytes, granted: int) -> None:
        """Answer with the signed policy."""
        self.future.set_result(whole(self._shared.offer, etag, granted, body))

    def has_changed(self, pause: int) -> None:
        """Answer that something changed while it waited."""
        self.future.set_result(delivered(changed(pause)))

    def in_full(self, granted: int) -> None:
        """Leave it to the long way."""
        self.granted = granted
        self.future.set_result(None)
