"""Bodies of requests ahead of Django: how much is taken of whom, and batches' bytes as a stream.

Django's own handler takes a whole body, whoever sends it, into memory or the system's temporary
folder before anything of ours is asked. Here the bytes of a batch are read by the view as they
come, after it knows whose they are; and of all else no more than anything here can use.
"""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from re import compile as pattern
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http import HttpResponse

from portal.api.errors import CONTENT_TYPE, Problem, problem
from portal.endpoint.asgi import Application, Message, Receive, Scope, Send

BYTES: Final = pattern(r"/api/v1/batches/[0-9a-fA-F-]{36}/bytes")
SILENCE: Final = 30.0
"""Seconds without one byte after which an upload is given up."""
AT_ONCE: Final = 32
"""Uploads that a process takes at once, each with a thread; more wait, and nothing of them is
read meanwhile."""
DOCUMENT: Final = 52_000_000
"""What a form with a document may have, of somebody who is signed in: 50 MB, and the form."""


class TooLargeError(Exception):
    """More came than may."""


class BodiesFirst:
    """Hands requests on to an application, with no larger a body than it may have."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._uploads = Uploads()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever is none is handed on as it is."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif scope["method"] == "PUT" and BYTES.fullmatch(scope["path"]):
            await self._uploads.take(scope, receive, send)
        else:
            await self._bounded(scope, receive, send)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Bounded(receive, await _most(scope))
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            body.announced(scope)
            await self._application(scope, body.receive, sent)
        except TooLargeError:
            if not started:
                await _refuse(send, body.most)


class Bounded:
    """What a server receives of a request, until it is more than may come."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self.most = most
        self._seen = 0

    def announced(self, scope: Scope) -> None:
        """Raise TooLargeError where the request says that more will come."""
        if (length := _length(scope)) is not None and length > self.most:
            raise TooLargeError

    async def receive(self) -> Message:
        """Return the next message; raises TooLargeError at the first byte too many."""
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self.most:
            raise TooLargeError
        return message


class Uploads:
    """The address for batches' bytes: Django's view and middleware, in a thread of our own."""

    def __init__(self) -> None:
        self._handler: BaseHandler | None = None
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")

    async def take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one upload; the view reads what comes, when it wants it."""
        loop = asyncio.get_running_loop()
        body = Body(receive, loop)
        response = await loop.run_in_executor(self._threads, self._answer, scope, body)
        try:
            headers = [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in response.items()
            ]
            if not body.ended and (_length(scope) or settings.BATCH_BYTES_LIMIT + 1) > (
                settings.BATCH_BYTES_LIMIT
            ):
                # What nobody wants is not listened to either. A batch's worth is: an agent that
                # is cut off while it sends would not hear the answer.
                headers.append((b"connection", b"close"))
            await send(
                {"type": "http.response.start", "status": response.status_code, "headers": headers}
            )
            await send({"type": "http.response.body", "body": response.content})
        finally:
            # Tells Django that the request is over; it closes connections of the thread it is in.
            await loop.run_in_executor(None, response.close)

    def _answer(self, scope: Scope, body: "Body") -> HttpResponse:
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

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._receive = receive
        self._loop = loop
        self._rest = b""
        self.ended = False

    def readable(self) -> bool:
        """Return True: it is read, and nothing else."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return what is there, at most `size` bytes; nothing at the end.

        Raises OSError where the other side went away or fell silent.
        """
        while not self._rest and not self.ended:
            self._rest = self._next()
        if size < 0:
            found, self._rest = self._rest, b""
        else:
            found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _next(self) -> bytes:
        # No connection to the database is held while somebody far away is waited for.
        close_old_connections()
        waiting = asyncio.run_coroutine_threadsafe(_awaited(self._receive), self._loop)
        try:
            message = waiting.result(SILENCE)
        except TimeoutError:
            waiting.cancel()
            raise
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("The other side went away.")
        self.ended = not message.get("more_body", False)
        found: bytes = message.get("body", b"")
        return found


async def _awaited(receive: Callable[[], Awaitable[Message]]) -> Message:
    return await receive()


async def _most(scope: Scope) -> int:
    """Return how many bytes may come: those of a document only from somebody who is signed in."""
    length = _length(scope)
    usual: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if length is None or not usual < length <= DOCUMENT:
        return usual
    headers = dict(scope["headers"])
    if not headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data"):
        return usual
    cookies = headers.get(b"cookie", b"").decode("latin-1")
    signed_in = await asyncio.to_thread(_is_signed_in, cookies)
    return DOCUMENT if signed_in else usual


def _is_signed_in(cookies: str) -> bool:
    try:
        cookie = SimpleCookie(cookies).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return False
    if cookie is None:
        return False
    try:
        store: Any = import_module(settings.SESSION_ENGINE).SessionStore(cookie.value)
        return SESSION_KEY in store
    finally:
        close_old_connections()


def _length(scope: Scope) -> int | None:
    """Return how long the body says it is; None where it does not say."""
    said = dict(scope["headers"]).get(b"content-length", b"")
    return int(said) if said.isdigit() else None


async def _refuse(send: Send, most: int) -> None:
    refusal = Problem(
        status_code=413,
        code="body_too_large",
        detail="The body of this request is larger than anything here takes.",
        next_step="Send less: the limit is in `limit_bytes`.",
    )
    document = problem(
        status_code=refusal.status_code,
        code=refusal.code,
        detail=str(refusal.detail),
        next_step=refusal.next_step,
        members={"limit_bytes": most},
    )
    content = json.dumps(document).encode()
    headers = [
        (b"content-type", CONTENT_TYPE.encode("ascii")),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"private, no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": content})
