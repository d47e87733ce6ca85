"""Polls offered to the shortcut, as the server's protocol offers them, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

from portal.endpoint.answer import Answer, changed, unchanged, whole
from portal.endpoint.problems import delivered
from portal.endpoint.shortcut import ShortPoll
from tests.integration.polling import Said


class Offered(ShortPoll):
    """One poll; `said` is what comes of it, `short` whether the shortcut answered it."""

    __slots__ = ("_endpoint", "_headers", "said", "short")

    def __init__(self, endpoint: Any, headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._headers = headers
        self.said: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.short = True

    def is_over(self) -> bool:
        return self.said.done()

    def stands(self, named: bytes, granted: int) -> None:
        shared = self._endpoint.shared
        tag = named.decode("ascii")
        self.said.set_result(unchanged(shared.interval, shared.offer, tag, granted))

    def brings(self, etag: str, body: bytes, granted: int) -> None:
        shared = self._endpoint.shared
        self.said.set_result(whole(shared.interval, shared.offer, etag, granted, body))

    def has_changed(self, pause: int) -> None:
        self.said.set_result(delivered(changed(pause)))

    def in_full(self, granted: int) -> None:
        self.by_the_long_way(is_counted=True, waited=granted)

    def by_the_long_way(self, **known: Any) -> None:
        self.short = False
        task = asyncio.ensure_future(self._endpoint.answered(self._headers, **known))
        task.add_done_callback(lambda done: self.said.set_result(done.result()))


async def ask_shortly(
    endpoint: Any, token: str, etag: str | None = None, prefer: str | None = None
) -> Said:
    """One request by the shortcut where it takes it, else as it is answered then."""
    headers = [(b"authorization", b"Bearer " + token.encode())]
    if etag is not None:
        headers.append((b"if-none-match", etag.encode()))
    if prefer is not None:
        headers.append((b"prefer", prefer.encode()))
    poll = Offered(endpoint, headers)
    if not endpoint.shortcut.take(poll, headers):
        poll.by_the_long_way()
    said = await poll.said
    named = {name.decode(): value.decode() for name, value in said.headers}
    return Said(said.status, named, said.body)
