"""HTTP to one origin and no other: standard library only, keep-alive, every wait bounded.

Plain http is refused unless the host is this machine. Redirects are not followed. A proxy from
the environment is used for https to other hosts, never for loopback.
"""

import base64
import email.utils
import http.client
import ipaddress
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from sayso_agent.errors import UnexpectedAnswerError, UnreachableError, UsageError
from sayso_agent.version import USER_AGENT

LARGEST_ANSWER: Final = 1024 * 1024
LONGEST_RETRY: Final = 3600.0
_CHUNK: Final = 64 * 1024
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_AT_ONCE: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_BROKEN: Final = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, complete; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def retry_after(self) -> float | None:
        """Return the seconds the portal asks us to wait, None if it does not say."""
        return retry_seconds(self.headers.get("retry-after"), wall=time.time())


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes to send in parts, so that they are never all in memory at once; made anew to repeat."""

    size: int
    parts: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of the portal, and the path it lives under."""

    scheme: str
    host: str
    port: int
    base: str

    @property
    def url(self) -> str:
        """Return the portal's public URL in its one spelling, without a final slash."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.base}"

    def covers(self, url: str) -> bool:
        """Return whether a URL is on this origin."""
        try:
            other = parse_origin(url)
        except UsageError:
            return False
        return (other.scheme, other.host, other.port) == (self.scheme, self.host, self.port)


def parse_origin(url: str) -> Origin:
    """Return where a URL points; UsageError if we will not talk to it."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError("portal_url_bad", f"{url!r} is not a URL") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise UsageError("portal_url_bad", f"{url!r} is not an http or https URL")
    if parts.username is not None or any(c.isspace() or not c.isprintable() for c in url):
        raise UsageError("portal_url_bad", "a portal's URL holds no user name and no spaces")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageError("portal_url_plain", "plain http is refused beyond this machine; use https")
    port = port or _DEFAULT_PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL in their one spelling; UsageError like parse_origin."""
    return replace(parse_origin(url), base="").url


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def retry_seconds(value: str | None, *, wall: float) -> float | None:
    """Return the seconds a Retry-After header asks for, at most an hour; None if it says none."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY)
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(at - wall, 0.0), LONGEST_RETRY)


@dataclass(slots=True)
class Backoff:
    """How long to wait after each failure in a row: doubling, capped, at random below that."""

    first: float = 1.0
    longest: float = 60.0
    failures: int = 0

    def failed(self, *, retry_after: float | None = None) -> float:
        """Count a failure and return the seconds to wait, never less than the portal asked."""
        ceiling = min(self.first * 2.0**self.failures, self.longest)
        self.failures = min(self.failures + 1, 30)
        wait: float = ceiling * (0.5 + secrets.SystemRandom().random() / 2)
        return max(wait, retry_after or 0.0)

    def succeeded(self) -> None:
        """Start anew."""
        self.failures = 0


@dataclass(slots=True)
class Transport:
    """Requests to one portal over one kept-alive connection. Not for several threads at once."""

    origin: Origin
    timeout: float = 10.0  # for one read or write
    total: float = 60.0  # for a whole request
    tls: ssl.SSLContext | None = None  # None for what the system trusts
    _connection: http.client.HTTPConnection | None = None
    _ended: bool = False
    _stopped: bool = False

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        patience: float = 0.0,
        within: float | None = None,
        once: bool = False,
    ) -> Answer:
        """Send one request and return its complete answer; UnreachableError if none came.

        A kept-alive connection that the portal had closed is opened anew once, except for a
        request that must go out `once`. `patience` is added to the time a long poll may take;
        `within` stands in place of `total`.
        """
        if not self.origin.covers(url):
            raise UnexpectedAnswerError("url_elsewhere", "the portal named an address elsewhere")
        seconds = self.total if within is None else min(within, self.total)
        reused = self._connection is not None
        if once:
            self.close()
            reused = False
        try:
            return self._send(method, url, headers or {}, body, patience, seconds)
        except UnreachableError:  # whoever makes the body has ended it: half a request is out
            if self._connection is not None:
                _abort(self._connection, unsent=True)
            self.close()
            raise
        except _BROKEN as error:
            self.close()
            if not reused or isinstance(error, TimeoutError):
                raise _unreachable(error) from error
        try:
            return self._send(method, url, headers or {}, body, patience, seconds)
        except _BROKEN as error:
            self.close()
            raise _unreachable(error) from error

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def end(self) -> None:
        """Break off what is under way, from another thread, and connect no more."""
        self._ended = True
        if self._connection is not None:
            _abort(self._connection)

    def break_off(self) -> None:
        """Break off what is under way, from another thread; connect again after `go_on` only.

        What waits in the system to be sent is thrown away: it may just have been erased.
        """
        self._stopped = True
        if (connection := self._connection) is not None:
            _abort(connection, unsent=True)

    def go_on(self) -> None:
        """Let requests be made again after `break_off`."""
        self._stopped = False

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Body | None,
        patience: float,
        seconds: float,
    ) -> Answer:
        parts = urllib.parse.urlsplit(url)
        target = parts.path or "/"
        target += f"?{parts.query}" if parts.query else ""
        connection = self._connected()
        connection.timeout = self.timeout + patience
        watch = threading.Timer(seconds + patience, _abort, [connection])
        watch.daemon = True
        watch.start()
        try:
            if connection.sock is not None:
                connection.sock.settimeout(self.timeout + patience)
            sent = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
            content: bytes | Iterator[bytes] | None
            if isinstance(body, Body):
                content = body.parts()
                sent["Content-Length"] = str(body.size)
            else:
                content = body
            connection.request(method, target, body=content, headers=sent)
            answer = self._read(connection.getresponse())
        finally:
            watch.cancel()
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def _read(self, response: http.client.HTTPResponse) -> Answer:
        announced = response.getheader("Content-Length")
        body = response.read(LARGEST_ANSWER + 1)
        if len(body) > LARGEST_ANSWER:
            self.close()
            raise UnexpectedAnswerError("answer_too_large", "the portal's answer is too large")
        has_body = response.status not in {204, 304}
        if has_body and announced and announced.isdigit() and len(body) != int(announced):
            raise http.client.IncompleteRead(body, int(announced) - len(body))
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, body)

    def _connected(self) -> http.client.HTTPConnection:
        if self._ended or self._stopped:
            raise ConnectionAbortedError
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> http.client.HTTPConnection:
        host, port = self.origin.host, self.origin.port
        if self.origin.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self.timeout)
        if self.tls is None:  # takes a good while, and plain http needs none
            self.tls = ssl.create_default_context()
        proxy = _proxy_for(host)
        if proxy is None:
            return http.client.HTTPSConnection(host, port, timeout=self.timeout, context=self.tls)
        through = http.client.HTTPSConnection(
            proxy.hostname or "", proxy.port or 8080, timeout=self.timeout, context=self.tls
        )
        through.set_tunnel(host, port, headers=_proxy_login(proxy))
        return through


def _unreachable(error: Exception) -> UnreachableError:
    return UnreachableError(
        "portal_unreachable", f"no answer from the portal ({type(error).__name__})"
    )


def _abort(connection: http.client.HTTPConnection, *, unsent: bool = False) -> None:
    """End a request that drips on beyond its time: whoever waits on the socket gets an error.

    With `unsent` nothing more of what the system holds for it goes out either.
    """
    if (sock := connection.sock) is not None:
        with suppress(OSError):
            if unsent:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            sock.shutdown(socket.SHUT_RDWR)


def _proxy_for(host: str) -> urllib.parse.SplitResult | None:
    """Return the environment's proxy for a host; loopback never has one."""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    address = urllib.request.getproxies().get("https")
    if not address:
        return None
    return urllib.parse.urlsplit(address if "://" in address else f"http://{address}")


def _proxy_login(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    name = urllib.parse.unquote(proxy.username)
    login = f"{name}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
