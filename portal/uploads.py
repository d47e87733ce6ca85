"""Batches' bytes as a stream ahead of Django's own handler: whose first, then how many at once.

A thread is taken only for bytes that an agent in good standing announced, and each has few at a
time and a time by which they are here: whoever sends slowly, or without a token, is waited for at
nobody's cost but their own.
"""

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast
from uuid import UUID

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.db import InterfaceError, OperationalError, close_old_connections
from django.http import HttpResponse
from django.utils import timezone

from portal import holders
from portal.api.authentication import bearer_token
from portal.api.tokens import token_hash
from portal.endpoint.answer import Answer, Refusal
from portal.endpoint.asgi import Message, Receive, Scope, Send
from portal.endpoint.problems import delivered
from portal.intake import BYTES, length_of, told
from portal.places import Locks, Places
from retention.services import within

SILENCE: Final = 30.0
"""Seconds without one byte after which an upload is given up."""
AT_ONCE: Final = 32
"""Uploads that a process takes at once, each with a thread."""
QUEUE: Final = 10.0
"""Seconds that an upload waits for a thread; nothing of it is read meanwhile."""
ASKERS: Final = 4
"""Threads that look up whose an upload is, and answer those that are nobody's."""

UNDER_WAY: Final = Refusal(
    status=429,
    code="uploads_under_way",
    detail="This batch is being sent already, or this agent sends as many as it may at a time.",
    next_step="Send one batch after another; send this one again after Retry-After.",
    retry_after=5,
)
BUSY: Final = Refusal(
    status=503,
    code="uploads_busy",
    detail="The portal takes as many uploads as it can at the moment.",
    next_step="Send the bytes again after Retry-After.",
    retry_after=10,
)


class Uploads:
    """The address for batches' bytes: Django's view and middleware, in a thread of our own."""

    def __init__(self) -> None:
        self._handler: BaseHandler | None = None
        self._askers = ThreadPoolExecutor(ASKERS, thread_name_prefix="upload-asker")
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")
        self._free = asyncio.Semaphore(AT_ONCE)
        self._places = Places(Locks(settings.HOME / "uploads.lock"))

    async def take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one upload; the view reads what comes, when it wants it."""
        loop = asyncio.get_running_loop()
        agent = await loop.run_in_executor(self._askers, _agent_of, scope)
        batch = _batch_of(scope)
        if agent is None or batch is None:
            await self._answer(scope, Body(None, loop, 0), send, self._askers)
            return
        with self._places.taken(agent, batch) as is_ours:
            if is_ours:
                await self._take(scope, receive, send)
            else:
                await told(send, delivered(UNDER_WAY), close=_is_long(scope))

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the bytes of an upload that has its place, as soon as a thread is free."""
        try:
            async with asyncio.timeout(QUEUE):
                await self._free.acquire()
        except TimeoutError:
            await told(send, delivered(BUSY), close=_is_long(scope))
            return
        try:
            length = length_of(scope)
            expected = settings.BATCH_BYTES_LIMIT if length is None else length
            seconds = within(expected).total_seconds()
            body = Body(receive, asyncio.get_running_loop(), seconds)
            await self._answer(scope, body, send, self._threads)
        finally:
            self._free.release()

    async def _answer(
        self, scope: Scope, body: "Body", send: Send, threads: ThreadPoolExecutor
    ) -> None:
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(threads, self._respond, scope, body)
        try:
            headers = [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in response.items()
            ]
            said = Answer(response.status_code, headers, response.content)
            await told(send, said, close=body.is_late or (not body.ended and _is_long(scope)))
        finally:
            # Tells Django that the request is over; it closes connections of the thread it is in.
            await loop.run_in_executor(None, response.close)

    def _respond(self, scope: Scope, body: "Body") -> HttpResponse:
        if self._handler is None:
            handler = BaseHandler()
            handler.load_middleware()
            self._handler = handler
        signals.request_started.send(sender=type(self), scope=scope)
        try:
            request = ASGIRequest(scope, body)  # type: ignore[arg-type]
            return cast("HttpResponse", self._handler.get_response(request))  # it never streams
        finally:
            close_old_connections()


class Body(io.RawIOBase):
    """The body of a request as a file that is read in a thread, message by message.

    A message is asked for when the one before is used up: until then the server does not read on.
    """

    def __init__(
        self, receive: Receive | None, loop: asyncio.AbstractEventLoop, seconds: float
    ) -> None:
        """Take what comes within so many seconds; nothing where there is no `receive`."""
        super().__init__()
        self._receive = receive
        self._loop = loop
        self._rest = b""
        self._until = time.monotonic() + seconds
        self.ended = False
        self.is_late = False

    def readable(self) -> bool:
        """Return True: it is read, and nothing else."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return what is there, at most `size` bytes; nothing at the end.

        Raises OSError where the other side went away, fell silent or is too slow.
        """
        while not self._rest and not self.ended:
            self._rest = self._next()
        if size < 0:
            found, self._rest = self._rest, b""
        else:
            found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _next(self) -> bytes:
        if self._receive is None:
            raise ConnectionResetError("Nothing is read of whom nobody knows.")
        # No connection to the database is held while somebody far away is waited for.
        close_old_connections()
        waiting = asyncio.run_coroutine_threadsafe(_awaited(self._receive), self._loop)
        try:
            message = waiting.result(min(SILENCE, self._until - time.monotonic()))
        except TimeoutError:
            waiting.cancel()
            self.is_late = True
            raise
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("The other side went away.")
        self.ended = not message.get("more_body", False)
        found: bytes = message.get("body", b"")
        return found


async def _awaited(receive: Callable[[], Awaitable[Message]]) -> Message:
    return await receive()


def _agent_of(scope: Scope) -> int | None:
    """Return the agent whose token the request brings; None where it would not be served.

    A look-up alone: the view judges, and writes what a token shows (portal.holders).
    """
    token = bearer_token(dict(scope["headers"]).get(b"authorization", b""))
    if not token:
        return None
    try:
        holder = holders.find(token_hash(token))
    except (OperationalError, InterfaceError):
        return None  # the view says so
    finally:
        close_old_connections()
    return holder.agent if holder and holder.refusal(timezone.now()) is None else None


def _batch_of(scope: Scope) -> UUID | None:
    found = BYTES.fullmatch(scope["path"])
    try:
        return UUID(found[1]) if found else None
    except ValueError:
        return None


def _is_long(scope: Scope) -> bool:
    """Return whether more may come than a batch: what nobody wants is not listened to either.

    A batch's worth is: an agent that is cut off while it sends would not hear the answer.
    """
    longest: int = settings.BATCH_BYTES_LIMIT
    length = length_of(scope)
    return length is None or length > longest
