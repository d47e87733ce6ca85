"""What a request may say before its body, and for how long: bounds that the server has none of.

uvicorn takes a head of any size, however slowly it comes, and keeps all of it. Here a head has
64 kB, a hundred headers and some seconds, whoever sends it; and of connections that have begun one
and not ended it there are only so many: the oldest goes first. A connection that idles is closed
after as long as uvicorn would let it, by one timer for the connection, not one for each answer.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from portal.endpoint.answer import Refusal
from portal.endpoint.problems import delivered

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LARGEST: Final = 65_536
MOST_HEADERS: Final = 100
SECONDS: Final = 20.0
"""How long a head may take, and how long a new connection may say nothing at all."""
UNFINISHED: Final = 1_000
"""Heads that a process waits for the rest of; an honest one is here in one piece, or soon."""
SILENT: Final = 20_000
"""Connections that have said nothing yet: more than a whole fleet opens at once."""
STATE: Final = "heads"

TOO_LARGE: Final = Refusal(
    status=431,
    code="headers_too_large",
    detail="The request line and headers are larger, or more, than anything here needs.",
    next_step="Send at most 64 kB and 100 headers.",
)


MALFORMED: Final = Refusal(
    status=400,
    code="request_malformed",
    detail="What came is no HTTP request.",
    next_step="Speak HTTP/1.1; see whether something on the way has changed the request.",
)


class HeadTooLargeError(Exception):
    """More came before a body than may."""


class Waiting:
    """Connections of which something is waited for: so many, for so long; the oldest ends first."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._since: dict[BoundedHeads, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._since)

    def enter(self, connection: "BoundedHeads") -> None:
        """Wait for a connection from now on, or as before."""
        if connection in self._since:
            return
        loop = connection.loop
        self._since[connection] = loop.time()
        if len(self._since) > self._most:
            self._end(next(iter(self._since)))
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look, loop)

    def leave(self, connection: "BoundedHeads") -> None:
        """Wait for it no more."""
        self._since.pop(connection, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """End those that took too long; look again when the next might have."""
        self._timer, now = None, loop.time()
        for connection, since in list(self._since.items()):
            if since + self._seconds > now:
                self._timer = loop.call_at(since + self._seconds, self._look, loop)
                return
            self._end(connection)

    def _end(self, connection: "BoundedHeads") -> None:
        self._since.pop(connection, None)
        if connection.is_waited_for():
            connection.transport.close()


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol, which takes no more of a head than it may have.

    Its own methods are called by the class's name where every request comes by: each `super` would
    make an object, and four of them cost some hundredths of what a poll does.
    """

    _within = False
    """Whether the parser has begun a request and not ended it."""
    _in_head = False
    _spoke = False
    _moved = False
    """Whether what was read last began a request, or brought some of its body, or ended it."""
    _unmoved = 0
    """Bytes since something moved: a head, headers after a body, or nothing at all."""
    _may_be_large = False
    _is_refused = False
    _waiting: Waiting | None = None
    _sleeper: asyncio.TimerHandle | None = None
    _rested = 0.0
    """Since when nothing was asked after an answer; 0 while something is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for its first head."""
        super().connection_made(transport)
        self._wait("silent", SILENT)

    def data_received(self, data: bytes) -> None:
        """Read on, while the head is within its bounds."""
        began, self._moved, self._rested = not self._within, False, 0.0
        self._may_be_large = self._unmoved + len(data) > LARGEST
        HttpToolsProtocol.data_received(self, data)
        if self._moved and not self._within and not self._may_be_large:
            self._unmoved = 0  # a whole request, or the rest of one: nearly all there is
            return
        if self.transport.is_closing() or self.parser is None:
            return
        if not self._moved:
            self._unmoved += len(data)
        else:
            self._unmoved = len(data) if began and self._in_head else 0
        if self._unmoved > LARGEST or len(self.headers or ()) > MOST_HEADERS:
            self._refuse(TOO_LARGE)
        elif self._in_head:
            self._wait("unfinished", UNFINISHED)

    def on_message_begin(self) -> None:
        """Begin a request, and its head."""
        self.begin_head()
        HttpToolsProtocol.on_message_begin(self)

    def begin_head(self) -> None:
        """Note that a head began."""
        self._within = self._in_head = self._spoke = self._moved = True

    def end_head(self) -> None:
        """Note that the head is whole; raises HeadTooLargeError, which ends the parsing."""
        self._in_head = False
        if self._waiting is not None:
            self._waiting.leave(self)
            self._waiting = None
        if len(self.headers) > MOST_HEADERS or (self._may_be_large and self._size() > LARGEST):
            self._is_refused = True
            raise HeadTooLargeError

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_headers_complete(self) -> None:
        """Serve the request, if its head is within bounds."""
        self.end_head()
        HttpToolsProtocol.on_headers_complete(self)

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self.end_message()
        HttpToolsProtocol.on_message_complete(self)

    def end_message(self) -> None:
        """Note that a request is whole."""
        self._moved, self._within = True, False

    def eof_received(self) -> bool:  # type: ignore[override]
        """Return whether the connection stays open, for answers to requests that came whole.

        A client may end its own half once it has asked all it wants to (RFC 9112 section 9.6).
        """
        cycle: RequestResponseCycle | None = self.cycle
        if self._within or cycle is None or cycle.response_complete:
            return False
        last = self.pipeline[0][0] if self.pipeline else cycle
        last.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with the request, in the API's own form; `msg` are the server's words.

        Where an answer is under way nothing is said: it would be taken for a part of that.
        """
        self._refuse(TOO_LARGE if self._is_refused else MALFORMED)

    def on_response_complete(self) -> None:
        """Go on with what was asked meanwhile; else let the connection idle."""
        if self.pipeline or self.flow.read_paused or self.transport.is_closing():
            super().on_response_complete()
        else:
            self.rest()

    def rest(self) -> None:
        """Let the connection idle, as uvicorn does with a timer for each answer."""
        self.server_state.total_requests += 1
        self._rested = monotonic()
        if self._sleeper is None:
            self._sleeper = self.loop.call_later(self.timeout_keep_alive, self._look)

    def _look(self) -> None:
        """Close the connection if it has idled long enough; else look again when it might have."""
        self._sleeper = None
        left: float = self.timeout_keep_alive
        if self._rested:
            left -= monotonic() - self._rested
            if left <= 0:
                self.timeout_keep_alive_handler()
                return
        self._sleeper = self.loop.call_later(left, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for it no more."""
        if self._waiting is not None:
            self._waiting.leave(self)
            self._waiting = None
        if self._sleeper is not None:
            self._sleeper.cancel()
            self._sleeper = None
        super().connection_lost(exc)

    def is_waited_for(self) -> bool:
        """Return whether the connection still owes what it was waited for."""
        return self._in_head or not self._spoke

    def _wait(self, kind: str, most: int) -> None:
        """Wait with all connections of this server that owe the same."""
        waiting: dict[str, Waiting] = self.app_state.setdefault(STATE, {})
        found = waiting.get(kind)
        if found is None:
            found = waiting[kind] = Waiting(most, SECONDS)
        if self._waiting is not found:
            if self._waiting is not None:
                self._waiting.leave(self)
            self._waiting = found
        found.enter(self)

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse a request and end the connection; only end it where an answer is under way."""
        self._in_head = False
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            said = delivered(refusal)
            lines = [STATUS_LINE[said.status]]
            for name, value in (*self.server_state.default_headers, *said.headers):
                lines += (name, b": ", value, b"\r\n")
            self.transport.write(b"".join((*lines, b"connection: close\r\n\r\n", said.body)))
        self.transport.close()
