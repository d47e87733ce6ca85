"""A small client for Redis under asyncio: one connection, every command of a moment in one write.

redis-py's own costs twenty times as much for a look-up; the parser is
the same. It never reconnects by itself: whoever holds a wire knows that it is still the same one.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import hiredis
from redis.connection import SSLConnection, parse_url

WAIT: Final = 0.25


class RedisAway(Exception):
    """The connection is gone, or the server refused a command."""


class Wire(asyncio.Protocol):
    """One connection. Replies come in the order of the commands, as Redis promises."""

    def __init__(self) -> None:
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._asked: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def call(self, *command: bytes | str | int) -> "asyncio.Future[Any]":
        """Ask; the future gets the reply, or RedisAway."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.closed:
            future.set_exception(RedisAway())
            return future
        self._asked.append(future)
        if not self._unsent:
            self._loop.call_soon(self._send)
        # Its stub takes a tuple of one.
        self._unsent.append(hiredis.pack_command(cast("tuple[bytes]", command)))
        return future

    def send(self, *command: bytes | str | int) -> None:
        """Say something whose reply nobody waits for."""
        self.call(*command).add_done_callback(_seen)

    def close(self) -> None:
        """End the connection at once; whoever still waits for a reply gets RedisAway."""
        self.closed = True
        if self._transport:
            self._transport.abort()
        self._fail()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand each reply to whoever asked."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except hiredis.ProtocolError:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Let nobody wait for what cannot come any more."""
        self.closed = True
        self._fail()

    def _take(self, reply: Any) -> None:
        future = self._asked.popleft()
        if future.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            future.set_exception(RedisAway(str(reply)))
        else:
            future.set_result(reply)

    def _send(self) -> None:
        if self._transport and not self.closed:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _fail(self) -> None:
        while self._asked:
            future = self._asked.popleft()
            if not future.done():
                future.set_exception(RedisAway())
            future.add_done_callback(_seen)


WireT = TypeVar("WireT", bound=Wire)


class Ear(Wire):
    """A wire that, once subscribed, only hears: calls `heard` with each message."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        super().__init__()
        self._heard = heard

    def _take(self, reply: Any) -> None:
        if isinstance(reply, list) and reply and reply[0] == b"message":
            self._heard(reply[2])
        elif self._asked:
            super()._take(reply)


async def connect(url: str, make: Callable[[], WireT]) -> WireT:
    """Return a connection that is ready for commands; raises RedisAway within WAIT seconds."""
    place: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    wire: WireT | None = None
    try:
        async with asyncio.timeout(WAIT):
            wire = await _open(place, make)
            if "password" in place:
                names = [place["username"]] if place.get("username") else []
                await wire.call("AUTH", *names, place["password"])
            if place.get("db"):
                await wire.call("SELECT", place["db"])
    except (OSError, TimeoutError, RedisAway) as error:
        if wire:
            wire.close()
        raise RedisAway from error
    return wire


async def identity(wire: Wire) -> str:
    """Return which server is at the other end, as the writers' side names it."""
    said = await asyncio.gather(wire.call("INFO", "server"), wire.call("INFO", "replication"))
    facts = dict(line.split(":", 1) for line in b"".join(said).decode().splitlines() if ":" in line)
    return f"{facts['run_id']}:{facts['master_replid']}"


async def _open(place: dict[str, Any], make: Callable[[], WireT]) -> WireT:
    loop = asyncio.get_running_loop()
    if path := place.get("path"):
        return (await loop.create_unix_connection(make, path))[1]
    host, port = place.get("host", "localhost"), place.get("port", 6379)
    return (await loop.create_connection(make, host, port, ssl=_tls(place)))[1]


def _tls(place: dict[str, Any]) -> ssl.SSLContext | None:
    if place.get("connection_class") is not SSLConnection:
        return None
    context = ssl.create_default_context(cafile=place.get("ssl_ca_certs"))
    if certificate := place.get("ssl_certfile"):
        context.load_cert_chain(certificate, place.get("ssl_keyfile"))
    return context


def _seen(future: "asyncio.Future[Any]") -> None:
    """Look at a failure that nobody may be waiting for any more."""
    if not future.cancelled():
        future.exception()
