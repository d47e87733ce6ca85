"""The web process at a socket that `up` opened: its connections are those of TCP."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = "tests.integration.test_web_sockets:tells_of_its_connection"
SERVE = """
import sys
import django
django.setup()
from portal import web
web.serve(sys.argv[1], fd=int(sys.argv[2]))
"""


async def tells_of_its_connection(scope: Any, receive: Any, send: Any) -> None:
    """An application that says whether its own end of a connection waits for acknowledgements."""
    if scope["type"] == "lifespan":
        while (event := (await receive())["type"]) != "lifespan.shutdown":
            await send({"type": f"{event}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    said = b",".join(
        b"%s:%d"
        % (end.family.name.encode(), end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        for end in ends_of(tuple(scope["client"]))
    )
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": said})


def ends_of(client: tuple[str, int]) -> Iterator[socket.socket]:
    """Yield this process's own ends of the connection with a client."""
    for number in Path("/proc/self/fd").iterdir():
        try:
            found = socket.socket(fileno=os.dup(int(number.name)))
        except OSError:  # no socket, or no longer there
            continue
        with found:
            if found.type == socket.SOCK_STREAM and _peer(found) == client:
                yield found


def _peer(found: socket.socket) -> object:
    try:
        return found.getpeername()
    except OSError:
        return None


@pytest.fixture
def port() -> Iterator[int]:
    """Where the application is served, as `up` serves its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, APPLICATION, str(listener.fileno())],
            cwd=ROOT,
            env={**os.environ, "SAYSO_TESTS_ATTACH": "1"},
            pass_fds=[listener.fileno()],
        )
        try:
            yield listener.getsockname()[1]
        finally:
            server.terminate()
            server.wait(30)


def test_no_answer_waits_until_its_head_is_acknowledged(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/")
            said = connection.getresponse().read()
            break
        except ConnectionError:
            assert time.monotonic() < deadline
        finally:
            connection.close()

    assert said == b"AF_INET:1"
