"""The fastest way: polls answered inside uvicorn's own protocol object, all else as ever.

Switchable (SAYSO_POLICY_FAST) and no way of its own to decide: it drives the same coroutine as the
ASGI application, only without a task, a scope and two messages for each poll. What is not plainly
a poll, and whatever comes while one is under way, is left to uvicorn.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from portal.endpoint.answer import Answer, Refusal
from portal.endpoint.asgi import PATH, STATE
from portal.endpoint.problems import delivered

logger = logging.getLogger(__name__)
_PATH: Final = PATH.encode("ascii")
_OTHERS: Final = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))
"""With one of these a request has, or may have, a body or another course."""

FAILED: Final = Refusal(
    status=500,
    code="unexpected",
    detail="Something went wrong on our side; nothing that allows was said.",
    next_step="Keep to the lease you have and ask again later.",
    retry_after=10,
)


class Poll:
    """A poll under way: for uvicorn a request cycle that is not complete yet.

    While it stands, uvicorn queues what else comes on the connection, and reads no more of it.
    """

    __slots__ = (
        "body",
        "connection",
        "course",
        "disconnected",
        "keep_alive",
        "more_body",
        "response_complete",
    )
    message_event = asyncio.Event()  # nobody waits for it

    def __init__(
        self, connection: "PolicyProtocol", course: Coroutine[Any, Any, Answer], *, keep_alive: bool
    ) -> None:
        self.connection = connection
        self.course = course
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.more_body = True
        self.body = b""

    def go_on(self, waited_for: "asyncio.Future[Any] | None" = None) -> None:
        """Run until there is an answer, or until the next future; then again when that is done."""
        if self.response_complete:
            return
        try:
            future = self.course.send(None)
        except StopIteration as done:
            self.connection.say(self, done.value)
        except Exception:
            logger.exception("poll_failed")
            self.connection.say(self, delivered(FAILED))
        else:
            # As a task would: it says that the future was waited for, and is woken by it.
            future._asyncio_future_blocking = False  # noqa: SLF001  asyncio's own protocol
            future.add_done_callback(self.go_on)

    def end(self) -> None:
        """Let it go: the connection is lost."""
        self.response_complete = True
        self.course.close()


class PolicyProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a short way for polls."""

    poll: Poll | None = None
    """The poll under way; what was queued behind it is then uvicorn's `cycle`."""

    def on_message_begin(self) -> None:
        """Begin a request; most of what uvicorn prepares a poll does not need."""
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Answer a poll; leave everything else to uvicorn."""
        if self.url == _PATH and self._is_plain():
            endpoint = self.app_state.get(STATE)
            if endpoint is not None:
                poll = Poll(
                    self,
                    endpoint.answered(self.headers),
                    keep_alive=self.parser.should_keep_alive(),
                )
                self.poll = self.cycle = poll  # type: ignore[assignment]
                poll.go_on()
                return
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers.extend(headers)  # the scope holds this very list
        super().on_headers_complete()

    def _is_plain(self) -> bool:
        """Return whether the request may be answered here: alone on its connection, no body."""
        before = cast("Poll | None", self.cycle)  # or uvicorn's own, with the same word for it
        return (
            (before is None or before.response_complete)
            and not self.flow.write_paused
            and self.limit_concurrency is None
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and not any(name in _OTHERS for name, _ in self.headers)
        )

    def say(self, poll: Poll, answer: Answer) -> None:
        """Write an answer; the next request on this connection may come."""
        poll.response_complete, self.poll = True, None
        if self.transport.is_closing():
            return
        lines = [STATUS_LINE[answer.status]]
        for name, value in (*self.server_state.default_headers, *answer.headers):
            lines += (name, b": ", value, b"\r\n")
        if not poll.keep_alive:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", answer.body)
        self.transport.write(b"".join(lines))
        if not poll.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a poll that nobody waits for any more."""
        if self.poll:
            self.poll.end()
            self.poll = None
        super().connection_lost(exc)
