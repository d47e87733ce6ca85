"""Heads of requests have bounds, whoever sends them: size, number, time, and how many wait."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests import factories
from tests.integration.polling import enrolled
from tests.integration.serving import WAYS, Line, Served, request, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
POLL = "/api/v1/policy"


@pytest.fixture
def token(database: Any) -> str:
    world = factories.make_world()
    world.say_yes()
    return enrolled(world.subject)[1]


@pytest.fixture(params=WAYS)
def served(request: pytest.FixtureRequest, token: str) -> Iterator[Served]:
    running = Served(request.param)
    running.wait_for_fence()
    yield running
    running.close()


def refused(line: Line) -> dict[str, Any]:
    said = line.reply()
    assert said.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(said.body)
    assert document["status"] == said.status
    assert document["next_step"]
    return document


LARGE = {
    "one header": ("X-A: " + "x" * 70_000,),
    "many headers": tuple(f"X-{n}: 1" for n in range(100)),
    "all of them": tuple(f"X-{n}: " + "x" * 1_400 for n in range(48)),
}


def test_a_head_beyond_its_bounds_is_refused(served: Served, token: str) -> None:
    for path in (POLL, "/"):
        for more in LARGE.values():
            line = served.connect()
            line.send(request(token, path=path, more=more))
            assert refused(line)["code"] == "headers_too_large"
            assert line.is_closed()
    line = served.connect()
    line.send(request(token, path=POLL + "?" + "x" * 70_000))
    assert refused(line)["code"] == "headers_too_large"


def test_it_is_refused_before_it_ends_at_once_or_bit_by_bit(served: Served) -> None:
    line = served.connect()
    line.send(request(path=POLL)[:-2] + b"X-A: " + b"x" * 65_536)

    assert refused(line)["code"] == "headers_too_large"
    assert line.is_closed()

    line = served.connect()
    line.send(request(path=POLL)[:-2] + b"X-A: ")
    for _ in range(7):
        line.send(b"x" * 10_000)

    assert refused(line)["code"] == "headers_too_large"


def test_headers_after_a_body_have_bounds_too(served: Served) -> None:
    line = served.connect()
    head = request(method="POST", path="/", more=("Transfer-Encoding: chunked",))
    line.send(head + b"1\r\nx\r\n0\r\n" + b"X-A: 1\r\n" * 200)

    assert line.is_closed()


def test_what_is_within_bounds_is_answered(served: Served, token: str) -> None:
    line = served.connect()
    for path in (POLL, "/"):
        for more in [("X-A: " + "x" * 60_000,), tuple(f"X-{n}: 1" for n in range(95)), ()] * 2:
            line.send(request(token, path=path, more=more))
            assert line.reply().status == 200

    # Bodies count for no head.
    body = "x" * 300_000
    for _ in range(2):
        line.send(
            request(method="POST", path="/", more=(f"Content-Length: {len(body)}",), body=body)
        )
        assert line.reply().status == 200
    chunk = b"186a0\r\n" + b"x" * 100_000 + b"\r\n"
    line.send(request(method="POST", path="/", more=("Transfer-Encoding: chunked",)), *[chunk] * 3)
    line.send(b"0\r\n\r\n" + request(path="/"))
    assert [line.reply().status for _ in range(2)] == [200, 200]


def test_a_head_that_does_not_come_is_not_waited_for(
    served: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint import heads

    monkeypatch.setattr(heads, "SECONDS", 0.3)
    used = served.connect()
    used.send(request(token))
    assert used.reply().status == 200
    for begun in (b"", b"GET /", request(path=POLL)[:-2]):
        line = served.connect()
        line.send(begun)
        assert line.is_closed()
    used.send(request(token))
    assert used.reply().status == 200, "one that asked before is left alone"


def test_of_heads_that_are_begun_the_oldest_goes(
    served: Served, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint import heads

    monkeypatch.setattr(heads, "UNFINISHED", 3)
    lines = []
    for n in range(5):
        lines.append(served.connect())
        lines[-1].send(request(token)[:-2])
        wait_until(lambda: len(waiting(served)) == min(n + 1, 3))  # noqa: B023

    assert lines[0].is_closed()
    assert lines[1].is_closed()
    for line in lines[2:]:
        line.send(b"\r\n")
        assert line.reply().status == 200
    assert not len(waiting(served))


def waiting(served: Served) -> Any:
    for connection in list(served.server.server_state.connections):
        if found := connection.app_state.get("heads", {}).get("unfinished"):  # type: ignore[union-attr]
            return found
    return ()


def test_who_has_asked_and_ends_their_half_is_answered(served: Served, token: str) -> None:
    for path in (POLL, "/"):
        line = served.connect()
        line.send(request(token, path=path) + request(token, path=path))
        line.wire.shutdown(socket.SHUT_WR)
        assert [line.reply().status for _ in range(2)] == [200, 200]
        assert line.is_closed()


def test_who_waits_and_ends_their_half_has_gone(served: Served, token: str) -> None:
    line = served.connect()
    line.send(request(token))
    tag = line.reply().headers["etag"]
    line.send(request(token, tag=tag, prefer="wait=30"))
    wait_until(lambda: len(served.shared.room) == 1)
    (connection,) = served.server.server_state.connections
    line.wire.shutdown(socket.SHUT_WR)

    if isinstance(connection, protocol()):
        wait_until(lambda: len(served.shared.room) == 0)
        assert line.is_closed()


def protocol() -> type:
    from portal.endpoint.protocol import PolicyProtocol

    return PolicyProtocol


def test_a_poll_for_another_host_is_refused_as_by_django(served: Served, token: str) -> None:
    from django.test import Client

    line = served.connect()
    line.send(request(token))
    assert line.reply().status == 200, "known by now: the shortcut could answer"

    def said_to(host: str, more: str = "") -> None:
        named = f"Host: {host}\r\n" * bool(host) + more
        head = f"GET {POLL} HTTP/1.1\r\n{named}Authorization: Bearer {token}\r\n\r\n"
        line.send(head.encode("latin-1"))

    for host in ("nowhere.example", "127.0.0.1.nowhere.example", "\xff", "a b"):
        for more in ("", "X-Other: 1\r\n"):
            said_to(host, more)
            said = refused(line)
            assert (said["status"], said["code"]) == (400, "host_refused")
        by_django = Client().get(POLL, headers={"Host": host, "Authorization": f"Bearer {token}"})
        assert by_django.json() == said
    said_to("127.0.0.1", "Host: localhost\r\n")
    assert refused(line)["code"] == "host_refused"
    for host in ("127.0.0.1:8000", "LOCALHOST", "[::1]:1", ""):
        said_to(host)
        assert line.reply().status == 200, host
