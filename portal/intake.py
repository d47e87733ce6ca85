"""Bodies of requests ahead of Django: how much is taken of whom, and batches' bytes as a stream.

Django's own handler takes a whole body, whoever sends it, into memory or the system's temporary
folder before anything of ours is asked, and waits for it as long as it takes. Here the bytes of a
batch are read by the view as they come (portal.uploads); and of all else no more than anything here
can use, for no longer than it may take.
"""

import asyncio
import json
import time
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from re import compile as pattern
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import close_old_connections
from django.utils.http import parse_header_parameters

from portal.api.errors import CONTENT_TYPE, Problem, problem
from portal.endpoint.answer import GUARDS, Answer, Refusal
from portal.endpoint.asgi import Application, Message, Receive, Scope, Send
from portal.endpoint.problems import delivered
from portal.toolarge import DOCUMENT, asks_for_a_page, page

BYTES: Final = pattern(r"/api/v1/batches/([0-9a-fA-F-]{36})/bytes")
DROPPED: Final = 200_000_000
"""How much of a browser's form is read on though it is refused."""


PATIENCE: Final = 30.0
"""Seconds that any body may take, however short."""
SLOWEST: Final = 20_000
"""Bytes a second at which a longer one has to come."""

TOO_SLOW: Final = Refusal(
    status=408,
    code="body_too_slow",
    detail="The body of this request did not come in the time that its length gives it.",
    next_step="Send the request again, whole.",
)


TOO_MANY: Final = Refusal(
    status=400,
    code="too_many_parameters",
    detail="The address of this request has more parameters than anything here reads.",
    next_step="Ask without them.",
)


UNREADABLE: Final = Refusal(
    status=400,
    code="content_type_unreadable",
    detail="The Content-Type header cannot be read, or names another charset than UTF-8.",
    next_step="Send UTF-8, and say so or nothing.",
)


class TooLargeError(Exception):
    """More came than may."""


class TooSlowError(Exception):
    """Less came than has to."""


class BodiesFirst:
    """Hands requests on to an application, with no larger a body than it may have."""

    def __init__(self, application: Application) -> None:
        from portal.uploads import Uploads  # needs Django's applications, loaded by now

        self._application = application
        self._uploads = Uploads()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever is none is handed on as it is."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
        elif objection := _objection(scope):
            await told(send, delivered(objection), close=True)
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
                await told(send, await _too_large(scope, body), close=True)
        except TooSlowError:
            if not started:
                await told(send, delivered(TOO_SLOW), close=True)


class Bounded:
    """What a server receives of a request, until it is more than may come, or takes too long."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self.most = most
        self._seen = 0
        self._until = time.monotonic() + PATIENCE
        self._ended = False

    def announced(self, scope: Scope) -> None:
        """Give the body the time of its length; raises TooLargeError where more will come."""
        length = length_of(scope)
        if length is not None and length > self.most:
            raise TooLargeError
        self._until += (self.most if length is None else length) / SLOWEST

    async def receive(self) -> Message:
        """Return the next message.

        Raises TooLargeError at the first byte too many, TooSlowError once the time is over.
        """
        if self._ended:  # who asks now waits for the end of the connection
            return await self._receive()
        try:
            async with asyncio.timeout(self._until - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise TooSlowError from None
        self._ended = not message.get("more_body", False)
        self._seen += len(message.get("body", b""))
        if self._seen > self.most:
            raise TooLargeError
        return message

    async def drop(self) -> None:
        """Read on and keep nothing, as far as patience goes.

        A browser shows an error of its own, not our page, where it could not send a form whole.
        """
        self.most = DROPPED
        with suppress(TooLargeError, TooSlowError):
            while not self._ended:
                await self.receive()


def _objection(scope: Scope) -> Refusal | None:
    """Return what Django would fail at before there is a request that anything could answer."""
    if scope["query_string"].count(b"&") >= settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:
        return TOO_MANY
    kind = dict(scope["headers"]).get(b"content-type", b"")
    try:
        _, said = parse_header_parameters(kind.decode("latin-1"))
    except ValueError:
        return UNREADABLE
    return None if said.get("charset", "utf-8").lower() in {"utf-8", "utf8"} else UNREADABLE


async def _most(scope: Scope) -> int:
    """Return how many bytes may come: those of a document only from somebody who is signed in."""
    length = length_of(scope)
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


def length_of(scope: Scope) -> int | None:
    """Return how long the body says it is; None where it does not say."""
    said = dict(scope["headers"]).get(b"content-length", b"")
    return int(said) if said.isdigit() else None


async def told(send: Send, answer: Answer, *, close: bool) -> None:
    """Send an answer; `close`: nothing that comes after it is listened to."""
    ending = [(b"connection", b"close")] if close else []
    headers = [*answer.headers, *ending]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _too_large(scope: Scope, body: Bounded) -> Answer:
    """Return what the body was refused for, to a person as a page."""
    if not asks_for_a_page(scope):
        return _too_large_for_us(body.most)
    await body.drop()
    return await asyncio.to_thread(page, scope)


def _too_large_for_us(most: int) -> Answer:
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
        *GUARDS,
    ]
    return Answer(refusal.status_code, headers, content)
