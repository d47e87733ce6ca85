"""What answers polls in one event loop: the poll itself, and the tasks behind it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.conf import settings

from portal.api.authentication import bearer_token
from portal.endpoint.answer import Answer, Headers, answer, changed
from portal.endpoint.awaited import AwaitedPoll
from portal.endpoint.hearing import Hearing
from portal.endpoint.hosts import HOST_REFUSED, Hosts
from portal.endpoint.plain import Said, said_in
from portal.endpoint.problems import delivered
from portal.endpoint.shortcut import Shortcut, ShortPoll
from portal.endpoint.source import FastSource, Shared

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Endpoint:
    """What answers polls in one event loop, and the tasks that keep it true."""

    def __init__(self) -> None:
        # The first refusal loads every page's address, a quarter of a second: not while thousands
        # are told to stop.
        delivered(changed(0))
        self.shared = Shared()
        self._loop = asyncio.get_running_loop()
        self.hosts = Hosts(settings.ALLOWED_HOSTS)
        self.shortcut = Shortcut(self.shared)
        hearing = Hearing(self.shared.room, self.shared.watch)
        # Held here: the event loop itself keeps only weak references to its tasks.
        self._tasks = [
            asyncio.create_task(self.shared.watch.run(), name="policy watch"),
            asyncio.create_task(hearing.run(), name="policy hearing"),
        ]

    async def poll(self, scope: MutableMapping[str, Any], send: Send) -> None:
        """Answer one poll, the short way where that leads to an answer."""
        headers = scope["headers"]
        asked = said_in(headers)
        poll = AwaitedPoll(self.shared, self._loop)
        if asked is not None and self.takes(poll, asked):
            try:
                said = await poll.future
            except asyncio.CancelledError:
                self.shortcut.leave(poll)
                raise
            if said is None:
                said = await self.answered(headers, is_counted=True, waited=poll.granted)
        else:
            said = await self.answered(headers)
        await send({"type": "http.response.start", "status": said.status, "headers": said.headers})
        await send({"type": "http.response.body", "body": said.body})

    def takes(self, poll: ShortPoll, asked: Said) -> bool:
        """Return whether a poll that asks this goes the short way."""
        token, named, prefer, host = asked
        return (host is None or self.hosts.knows(host)) and self.shortcut.take(
            poll, token, named, prefer
        )

    async def answered(
        self, headers: Headers, *, is_counted: bool = False, waited: int = 0
    ) -> Answer:
        """Return the answer to a poll with these headers; it never waits for anything but futures.

        So whoever serves it may drive it by hand, without a task of its own. `is_counted`: the
        poll was counted against its agent's bucket; `waited`: it has had its wait, so long.
        """
        if not self.hosts.allow(headers):
            return delivered(HOST_REFUSED)
        token, named, prefer = _read(headers)
        source = FastSource(self.shared, is_counted=is_counted)
        wish = None if waited else prefer
        return delivered(await answer(source, token, named, wish, time.time, waited))

    def let_go(self) -> None:
        """Answer everybody who waits, now: the server is about to stop."""
        self.shared.room.close()

    async def close(self) -> None:
        """End the tasks and the threads."""
        self.let_go()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.shared.close()


def _read(headers: list[tuple[bytes, bytes]]) -> tuple[str | None, str | None, str | None]:
    """Return the token, If-None-Match and Prefer; a header said twice counts as one list."""
    credentials, named, prefer = b"", None, None
    for name, value in headers:
        if name == b"authorization":
            credentials = credentials + b"," + value if credentials else value
        elif name == b"if-none-match":
            said = value.decode("latin-1")
            named = said if named is None else f"{named},{said}"
        elif name == b"prefer":
            said = value.decode("latin-1")
            prefer = said if prefer is None else f"{prefer},{said}"
    return bearer_token(credentials), named, prefer
