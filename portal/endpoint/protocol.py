"""The fastest way: polls answered inside uvicorn's own protocol object, all else as ever.

A plain poll is read from its bytes; any other, and whatever else comes, by uvicorn's parser.
Switchable (SAYSO_POLICY_FAST) and no way of its own to decide: it offers each poll to the shortcut,
and drives the same coroutine as the ASGI application for those that do not fit, only without a
task, a scope and two messages for each. What is not plainly a poll, and whatever comes while one
is under way, is left to uvicorn.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from portal.endpoint.answer import Answer, Headers, Refusal, changed, unchanged, whole
from portal.endpoint.asgi import PATH, STATE
from portal.endpoint.heads import BoundedHeads
from portal.endpoint.plain import LONGEST, OTHERS, headers_of, recognised, said_in
from portal.endpoint.problems import delivered
from portal.endpoint.shortcut import ShortPoll

if TYPE_CHECKING:
    from portal.endpoint.serving import Endpoint

logger = logging.getLogger(__name__)
_PATH: Final = PATH.encode("ascii")
NOTHING_SAID: Final = None, None, None, None
NOTHING: Final = b"0\r\n\r\n"
"""How the head of an answer ends whose body is empty: its length comes last."""

FAILED: Final = Refusal(
    status=500,
    code="unexpected",
    detail="Something went wrong on our side; nothing that allows was said.",
    next_step="Keep to the lease you have and ask again later.",
    retry_after=10,
)


class Poll(ShortPoll):
    """A poll under way: for uvicorn a request cycle that is not complete yet.

    While it stands, uvicorn queues what else comes on the connection, and reads no more of it.
    The next poll of the connection is the same object again.
    """

    __slots__ = (
        "body",
        "connection",
        "course",
        "data",
        "disconnected",
        "headers",
        "keep_alive",
        "more_body",
        "response_complete",
    )
    message_event = asyncio.Event()  # nobody waits for it

    def __init__(self, connection: "PolicyProtocol") -> None:
        super().__init__()
        self.connection = connection
        self.course: Coroutine[Any, Any, Answer] | None = None
        self.keep_alive = True
        self.response_complete = True
        self.disconnected = False
        self.more_body = True
        self.body = b""
        self.headers: Headers | None = None
        self.data = b""
        """The poll itself, where it was recognised; its headers are then read when needed."""

    def is_over(self) -> bool:
        """Return whether nobody wants the answer any more."""
        return self.response_complete

    def may_wait(self) -> bool:
        """Return whether the poll asked to wait for a change."""
        headers = headers_of(self.data) if self.headers is None else self.headers
        return any(name == b"prefer" for name, _ in headers)

    def stands(self, named: bytes, granted: int) -> None:
        """Answer that the named policy is in force."""
        self.connection.say_unchanged(self, named, granted)

    def brings(self, etag: str, body: bytes, granted: int) -> None:
        """Answer with the signed policy."""
        self.connection.say_whole(self, etag, body, granted)

    def has_changed(self, pause: int) -> None:
        """Answer that something changed while it waited."""
        self.connection.say_changed(self, pause)

    def in_full(self, granted: int) -> None:
        """Answer by the coroutine that answers any poll."""
        self.connection.answer_in_full(self, is_counted=True, granted=granted)

    def go_on(self, waited_for: "asyncio.Future[Any] | None" = None) -> None:
        """Run until there is an answer, or until the next future; then again when that is done."""
        if self.response_complete or self.course is None:
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
        if self.shortcut:
            self.shortcut.leave(self)
        if self.course:
            self.course.close()


class _Ready:
    """The bytes around what differs in an answer: alike until the second or the offer changes."""

    def __init__(self) -> None:
        self.before = self.after = b""
        """Around the tag of a 304."""
        self.whole_before = self.whole_after = b""
        """Around the tag of a 200, up to the length of its body."""
        self.changed: dict[int, bytes] = {}
        """Whole answers that something changed, by when to ask again: told to thousands at once."""
        self._of: Sequence[tuple[bytes, bytes]] | None = None
        self._offer = 0

    def refresh(self, default_headers: Sequence[tuple[bytes, bytes]], endpoint: "Endpoint") -> None:
        """Make them anew if they are not those of now."""
        shared = endpoint.shared
        if default_headers is self._of and shared.offer == self._offer:
            return
        self._of, self._offer = default_headers, shared.offer
        self.changed.clear()
        said = unchanged(self._offer, b"\0", 0)
        self.before, self.after = _rendered(said, default_headers).split(b"\0")
        said = whole(self._offer, "\0", 0, b"")
        head = _rendered(said, default_headers).removesuffix(NOTHING)
        self.whole_before, self.whole_after = head.split(b"\0")


_READY: Final = _Ready()


class PolicyProtocol(BoundedHeads):
    """uvicorn's protocol with a short way for polls."""

    poll: Poll | None = None
    """The poll under way; what was queued behind it is then uvicorn's `cycle`."""
    _own: Poll | None = None

    def data_received(self, data: bytes) -> None:
        """Take a plain poll as it is; give everything else to uvicorn's parser."""
        if not self._within and len(data) <= LONGEST and self._took(data):
            return
        super().data_received(data)

    def _is_free(self) -> bool:
        """Return whether nothing is under way, and nothing keeps an answer from being written."""
        before = cast("Poll | None", self.cycle)  # or uvicorn's own, with the same word for it
        return (
            (before is None or before.response_complete)
            and not self.flow.write_paused
            and self.limit_concurrency is None
        )

    def _took(self, data: bytes) -> bool:
        """Return whether the shortcut takes a poll whose bytes the parser has not seen."""
        endpoint: Endpoint | None = self.app_state.get(STATE)
        if endpoint is None or not self._is_free():
            return False
        shortcut = endpoint.shortcut
        if kept := shortcut.known(data):
            poll = self._own_poll()
            if not shortcut.begin(poll, kept, kept.digest, kept.tag):
                return False
        else:
            token, named, prefer, host = recognised(data) or NOTHING_SAID
            if token is None or host is None or not endpoint.hosts.knows(host):
                return False
            poll = self._own_poll()
            if not shortcut.take(poll, token, named, prefer, data):
                return False
        poll.headers, poll.data = None, data
        poll.response_complete, poll.keep_alive = False, True
        self.poll = self.cycle = poll  # type: ignore[assignment]
        self._rested = 0.0
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        return True

    def _own_poll(self) -> Poll:
        """Return the one object that serves all polls of this connection."""
        if self._own is None:
            self._own = Poll(self)
        return self._own

    def on_message_begin(self) -> None:
        """Begin a request; most of what uvicorn prepares a poll does not need."""
        self.begin_head()
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        """Answer a poll; leave everything else to uvicorn."""
        self.end_head()
        if self.url == _PATH and self._is_plain():
            endpoint: Endpoint | None = self.app_state.get(STATE)
            if endpoint is not None:
                self._begin(endpoint)
                return
        url, headers, expected = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expected
        self.headers.extend(headers)  # the scope holds this very list
        super().on_headers_complete()

    def _is_plain(self) -> bool:
        """Return whether the request may be answered here: alone on its connection, no body."""
        if (
            not self._is_free()
            or self.parser.get_method() != b"GET"
            or self.parser.get_http_version() != "1.1"
        ):
            return False
        for name, _ in self.headers:  # noqa: SIM110  every poll comes by here
            if name in OTHERS:
                return False
        return True

    def _begin(self, endpoint: "Endpoint") -> None:
        poll = self._own_poll()
        poll.response_complete = False
        poll.keep_alive = self.parser.should_keep_alive()
        poll.headers = self.headers
        self.poll = self.cycle = poll  # type: ignore[assignment]
        said = said_in(self.headers)
        if said is None or not endpoint.takes(poll, said):
            self.answer_in_full(poll)

    def answer_in_full(self, poll: Poll, *, is_counted: bool = False, granted: int = 0) -> None:
        """Answer a poll by the coroutine that answers any."""
        endpoint: Endpoint = self.app_state[STATE]
        headers = headers_of(poll.data) if poll.headers is None else poll.headers
        poll.course = endpoint.answered(headers, is_counted=is_counted, waited=granted)
        poll.go_on()

    def on_message_complete(self) -> None:
        """End a request; a poll has no body to wait for."""
        if self.poll is None or cast("Poll", self.cycle) is not self.poll:
            super().on_message_complete()
        else:
            self.end_message()

    def say_unchanged(self, poll: Poll, named: bytes, granted: int) -> None:
        """Write the answer that what the poll named is in force."""
        endpoint: Endpoint = self.app_state[STATE]
        if granted or not poll.keep_alive:
            self.say(poll, unchanged(endpoint.shared.offer, named, granted))
            return
        ready = _READY
        ready.refresh(self.server_state.default_headers, endpoint)
        self._write(poll, ready.before + named + ready.after)

    def say_changed(self, poll: Poll, pause: int) -> None:
        """Write the answer that something changed while the poll waited."""
        if not poll.keep_alive:
            self.say(poll, delivered(changed(pause)))
            return
        _READY.refresh(self.server_state.default_headers, self.app_state[STATE])
        said = _READY.changed.get(pause)
        if said is None:
            said = _rendered(delivered(changed(pause)), self.server_state.default_headers)
            _READY.changed[pause] = said
        self._write(poll, said)

    def say_whole(self, poll: Poll, etag: str, body: bytes, granted: int) -> None:
        """Write the answer that brings a signed policy."""
        endpoint: Endpoint = self.app_state[STATE]
        if granted or not poll.keep_alive:
            self.say(poll, whole(endpoint.shared.offer, etag, granted, body))
            return
        ready = _READY
        ready.refresh(self.server_state.default_headers, endpoint)
        head = b"%b%b%b%d\r\n\r\n" % (
            ready.whole_before,
            etag.encode("ascii"),
            ready.whole_after,
            len(body),
        )
        self._write(poll, head + body)

    def say(self, poll: Poll, answer: Answer) -> None:
        """Write an answer; the next request on this connection may come."""
        close = b"" if poll.keep_alive else b"connection: close\r\n"
        self._write(poll, _rendered(answer, self.server_state.default_headers, close))

    def _write(self, poll: Poll, answer: bytes) -> None:
        poll.response_complete, self.poll, poll.course = True, None, None
        if self.transport.is_closing():
            return
        self.transport.write(answer)
        if not poll.keep_alive:
            self.transport.close()
        if self.pipeline or self.flow.read_paused or not poll.keep_alive:
            self.on_response_complete()
        else:
            self.rest()

    def is_waited_for(self) -> bool:
        """Return whether it owes a head: one that was recognised came by no parser."""
        return super().is_waited_for() and (self._in_head or self._own is None)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what is under way, save a poll that waits: most such machines went away."""
        return not (self.poll and self.poll.may_wait()) and super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a poll that nobody waits for any more."""
        if self.poll:
            self.poll.end()
            self.poll = None
        super().connection_lost(exc)


def _rendered(
    answer: Answer, default_headers: Sequence[tuple[bytes, bytes]], more: bytes = b""
) -> bytes:
    """Return an answer as it goes over the wire."""
    lines = [STATUS_LINE[answer.status]]
    for name, value in (*default_headers, *answer.headers):
        lines += (name, b": ", value, b"\r\n")
    return b"".join((*lines, more, b"\r\n", answer.body))
