"""A poll on the short way for whom a coroutine waits, as by plain ASGI."""

import asyncio

from portal.endpoint.answer import Answer, changed, unchanged, whole
from portal.endpoint.problems import delivered
from portal.endpoint.shortcut import ShortPoll
from portal.endpoint.source import Shared


class AwaitedPoll(ShortPoll):
    """One poll, whose answer is the result of a future; None where it is to be answered in full."""

    __slots__ = ("_future", "_shared")

    def __init__(self, shared: Shared) -> None:
        super().__init__()
        self._shared = shared
        self._future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()

    async def outcome(self) -> Answer | None:
        """Return the answer once it is known; None where only the long way leads to one."""
        try:
            return await self._future
        except asyncio.CancelledError:
            if self.shortcut:
                self.shortcut.leave(self)
            raise

    def is_over(self) -> bool:
        """Return whether nobody wants the answer any more."""
        return self._future.done()

    def stands(self, named: bytes, granted: int) -> None:
        """Answer that the named policy is in force."""
        self._say(unchanged(self._shared.offer, named.decode("ascii"), granted))

    def brings(self, etag: str, body: bytes, granted: int) -> None:
        """Answer with the signed policy."""
        self._say(whole(self._shared.offer, etag, granted, body))

    def has_changed(self, pause: int) -> None:
        """Answer that something changed while it waited."""
        self._say(delivered(changed(pause)))

    def in_full(self, granted: int) -> None:
        """Leave it to the long way."""
        self.granted = granted
        self._say(None)

    def _say(self, answer: Answer | None) -> None:
        if not self._future.done():
            self._future.set_result(answer)
