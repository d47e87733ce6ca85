"""A light HTTP/1.1 client on asyncio, for thousands of kept-alive connections in one process."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import httptools

CONNECT_SECONDS = 10.0


class Answer(NamedTuple):
    """One answer, complete; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class NoAnswer(Exception):
    """No complete answer came; `kind` says why, in a word that can be counted."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Address:
    """Where the portal is."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str) -> "Address":
        """Return where a URL points to; ValueError for one that is not http or https."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(url)
        secure = parts.scheme == "https"
        tls = ssl.create_default_context() if secure else None
        return cls(parts.hostname, parts.port or (443 if secure else 80), tls)

    @property
    def name(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in {80, 443} else f"{host}:{self.port}"


class _Wire(asyncio.Protocol):
    """One connection: one question at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.open = False
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    # --- asyncio -------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport) or hasattr(transport, "write"):
            self.transport = transport  # type: ignore[assignment]
            self.open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("answer_malformed")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        self._fail("connection_lost")

    # --- httptools -----------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._headers, self._body = {}, []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        if self._waiter and not self._waiter.done():
            answer = Answer(self._parser.get_status_code(), self._headers, b"".join(self._body))
            self._waiter.set_result(answer)

    # --- ours ----------------------------------------------------------------------------------

    async def ask(self, request: bytes) -> Answer:
        if self.transport is None:
            raise NoAnswer("connection_lost")
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            return await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        self.open = False
        if self.transport:
            self.transport.close()

    def _fail(self, kind: str) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_exception(NoAnswer(kind))


class Client:
    """Questions to one portal over one kept-alive connection, one after the other."""

    __slots__ = ("_address", "_wire", "opened")

    def __init__(self, address: Address) -> None:
        self._address = address
        self._wire: _Wire | None = None
        self.opened = 0
        """How often it connected."""

    async def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        patience: float = 30.0,
    ) -> Answer:
        """Return the complete answer; raises NoAnswer where none came within `patience`.

        A kept-alive connection that the portal had closed meanwhile is opened anew, once.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address.name}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
        try:
            async with asyncio.timeout(patience):
                return await self._ask(request)
        except TimeoutError:
            self.close()
            raise NoAnswer("timeout") from None
        except asyncio.CancelledError:
            self.close()
            raise

    async def _ask(self, request: bytes) -> Answer:
        if self._wire and self._wire.open:
            try:
                return await self._wire.ask(request)
            except NoAnswer as lost:
                if lost.kind != "connection_lost":
                    raise
        self._wire = await self._connect()
        return await self._wire.ask(request)

    async def _connect(self) -> _Wire:
        loop, address = asyncio.get_running_loop(), self._address
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, wire = await loop.create_connection(
                    _Wire, address.host, address.port, ssl=address.tls
                )
        except TimeoutError:
            raise NoAnswer("connect_timeout") from None
        except ConnectionRefusedError:
            raise NoAnswer("connection_refused") from None
        except OSError as error:
            raise NoAnswer(f"connect_failed_{type(error).__name__.lower()}") from error
        self.opened += 1
        return wire

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        if self._wire:
            self._wire.close()
            self._wire = None
