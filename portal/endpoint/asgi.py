"""Polls ahead of Django: an ASGI application in front of Django's, in the same process."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from portal.endpoint.serving import Endpoint

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

PATH: Final = "/api/v1/policy"
STATE: Final = "policy_endpoint"


class PolicyFirst:
    """Answers polls by itself and hands everything else on.

    Nothing of Django's request cycle runs for a poll: no middleware, no session, no thread, unless
    PostgreSQL must be asked. Who is asking is checked in full all the same, at every poll.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._endpoint: Endpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's start and end."""
        kind = scope["type"]
        if kind == "http" and scope["path"] == PATH and scope["method"] == "GET":
            if self._endpoint is None:  # a server without the lifespan protocol
                self._endpoint = _begin()
            await self._endpoint.poll(scope, send)
        elif kind == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self._endpoint = _begin()
        if "state" in scope:  # the server's protocol finds it there (portal.endpoint.protocol)
            scope["state"][STATE] = self._endpoint
        with _told_to_stop(self._endpoint.let_go):
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await self._endpoint.close()
        self._endpoint = None
        await send({"type": "lifespan.shutdown.complete"})


def _begin() -> "Endpoint":
    from portal.endpoint.serving import Endpoint  # needs Django's applications, loaded by now

    return Endpoint()


@contextlib.contextmanager
def _told_to_stop(let_go: Callable[[], None]) -> Iterator[None]:
    """Call `let_go` as soon as the server is told to stop.

    A server waits for open answers before it tells the application anything (ASGI's lifespan):
    without this, those who wait would keep it waiting, or be cut off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(let_go)
        before[number](number, frame)

    for wanted in (signal.SIGINT, signal.SIGTERM):
        handler = signal.getsignal(wanted)
        if callable(handler):
            before[wanted] = handler
            signal.signal(wanted, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is stop:
                signal.signal(number, handler)
