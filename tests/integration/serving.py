"""A real server in a thread, for each of the ways to serve polls, and raw requests to it."""

from __future__ import annotations

import gc
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

WAYS = ("asgi", "protocol")
HEAD_END = b"\r\n\r\n"


class Served:
    """uvicorn with the polls' application; whatever is no poll is answered by what is behind."""

    def __init__(self, way: str, behind: Any = None) -> None:
        from django.db import connections

        from portal import web
        from portal.endpoint.asgi import PolicyFirst

        for db in connections.databases.values():
            db["CONN_MAX_AGE"] = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address = self._listener.getsockname()
        self.app = PolicyFirst(behind or echo)
        config = uvicorn.Config(
            self.app,
            http=web.FAST if way == "protocol" else web.PLAIN,
            loop="uvloop",
            server_header=False,
            access_log=False,
            log_level="error",
            timeout_keep_alive=2,
            timeout_graceful_shutdown=5,
        )
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until(lambda: self.server.started)

    def _run(self) -> None:
        self.server.run(sockets=[self._listener])

    @property
    def shared(self) -> Any:
        endpoint = self.app._endpoint
        assert endpoint is not None
        return endpoint.shared

    def wait_for_fence(self) -> None:
        wait_until(lambda: self.shared.watch.usable() is not None)

    def end(self) -> None:
        """Begin to stop: it looks ten times a second whether it should."""
        if self.app._endpoint:
            self.app._endpoint.let_go()
        self.server.should_exit = True

    def close(self) -> None:
        self.end()
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not stop"
        self._listener.close()
        gc.collect()

    def connect(self) -> Line:
        return Line(socket.create_connection(self.address, timeout=20))


@contextmanager
def both_ways() -> Iterator[dict[str, Served]]:
    """The same polls served in each of the ways, as soon as the fence holds."""
    running = {way: Served(way) for way in WAYS}
    for one in running.values():
        one.wait_for_fence()
    yield running
    for one in running.values():
        one.end()
    for one in running.values():
        one.close()


@dataclass
class Reply:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """One connection: what is sent, and the answers one by one."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self._read = b""

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.wire.sendall(part)

    def reply(self) -> Reply:
        while HEAD_END not in self._read:
            self._more()
        head, _, self._read = self._read.partition(HEAD_END)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        status = int(re.match(r"HTTP/1\.1 (\d+) ", first).group(1))  # type: ignore[union-attr]
        if headers.get("transfer-encoding") == "chunked":
            return Reply(status, headers, self._chunks())
        length = int(headers.get("content-length", "0"))
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return Reply(status, headers, body)

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._read:
                self._more()
            size, _, self._read = self._read.partition(b"\r\n")
            while len(self._read) < int(size, 16) + 2:
                self._more()
            body, self._read = body + self._read[: int(size, 16)], self._read[int(size, 16) + 2 :]
            if not int(size, 16):
                return body

    def _more(self) -> None:
        got = self.wire.recv(65536)
        if not got:
            raise EOFError(self._read)
        self._read += got

    def is_closed(self) -> bool:
        self.wire.settimeout(5)
        try:
            return self.wire.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        self.wire.close()


def request(
    token: str = "",
    *,
    tag: str = "",
    prefer: str = "",
    method: str = "GET",
    path: str = "/api/v1/policy",
    more: tuple[str, ...] = (),
    version: str = "1.1",
    body: str = "",
) -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1"]
    lines += [f"Authorization: Bearer {token}"] * bool(token)
    lines += [f"If-None-Match: {tag}"] * bool(tag) + [f"Prefer: {prefer}"] * bool(prefer)
    return "\r\n".join([*lines, *more, "", body]).encode("latin-1")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Say what arrived, body and all, so that a test sees that nothing was lost on the way."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    names = sorted(name.decode() for name, _ in scope["headers"])
    said = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} {names} ".encode()
    said += body
    headers = [(b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else said})


def wait_until(true: Any, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
