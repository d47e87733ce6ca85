"""Polls read from their bytes: never otherwise than the server's own parser reads them."""

from __future__ import annotations

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal.endpoint.plain import headers_of, recognised, said_in

POLL = (
    b"GET /api/v1/policy HTTP/1.1\r\nHost: portal.example\r\nUser-Agent: agent/1.0\r\n"
    b'Authorization: Bearer sat_abc\r\nIf-None-Match: "1.2-3.4.5"\r\nPrefer: wait=30\r\n\r\n'
)


class Parsed:
    """What the server's parser makes of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.messages: list[tuple[str, Any]] = []
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False
        self.bodies = 0
        self.begun = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.begun += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, _: bytes) -> None:
        self.bodies += 1

    def on_message_complete(self) -> None:
        self.is_complete = True


LINES = st.sampled_from(
    [
        b"Host: x",
        b"host: x:80",
        b"Accept: */*",
        b"accept-encoding: gzip",
        b"User-Agent: ",
        b"X-Forwarded-For: 10.0.0.1",
        b"Connection: keep-alive",
        b"Connection: close",
        b"Connection: upgrade",
        b"Upgrade: websocket",
        b"Authorization: Bearer sat_abc",
        b"authorization: Bearer sat_abc",
        b"AUTHORIZATION: Bearer sat_abc",
        b"Authorization:Bearer sat_abc",
        b"Authorization: Bearer  sat_abc ",
        b"Authorization: Basic abc",
        b"Authorization: Bearer sat_\xff",
        b'If-None-Match: "1"',
        b'if-none-match: "1", "2"',
        b"Prefer: wait=30",
        b"Content-Length: 0",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Expect: 100-continue",
        b" folded: yes",
        b"no colon",
        b"",
        b"Host : x",
        b"Host: a\x00b",
        b"Host: a\nb",
        b"Host: a\rb",
    ]
)
STARTS = st.sampled_from(
    [b"GET /api/v1/policy HTTP/1.1"] * 8
    + [
        b"GET /api/v1/policy HTTP/1.0",
        b"HEAD /api/v1/policy HTTP/1.1",
        b"POST /api/v1/policy HTTP/1.1",
        b"GET /api/v1/policy?x HTTP/1.1",
        b"GET //api/v1/policy HTTP/1.1",
        b"GET  /api/v1/policy HTTP/1.1",
        b"\r\nGET /api/v1/policy HTTP/1.1",
    ]
)
ENDS = st.sampled_from([b"\r\n\r\n"] * 6 + [b"\r\n", b"\n\n", b"\r\n\r\n\r\n", b"\r\n\r\nGET / H"])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Return something like a poll, now and then with a byte changed."""
    lines = [draw(STARTS), *draw(st.lists(LINES, min_size=1, max_size=6))]
    data = b"\r\n".join(lines) + draw(ENDS)
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + 1 :]
    return data


@given(requests() | st.binary(max_size=80))
@example(POLL)
@example(POLL + POLL)
@example(POLL[:-2])
def test_what_is_recognised_is_one_whole_poll_for_the_parser_too(data: bytes) -> None:
    said = recognised(data)
    if said is None:
        return

    parsed = Parsed(data)
    assert parsed.is_complete
    assert (parsed.begun, parsed.bodies) == (1, 0)
    assert (parsed.parser.get_method(), parsed.parser.get_http_version()) == (b"GET", "1.1")
    assert parsed.url == b"/api/v1/policy"
    assert parsed.parser.should_keep_alive()
    assert not parsed.parser.should_upgrade()
    assert headers_of(data) == parsed.headers
    assert said_in(parsed.headers) == (said if said[0] is not None else None)
    assert [said[3]] * (said[3] is not None) == [v for n, v in parsed.headers if n == b"host"]


@pytest.mark.parametrize("case", [bytes.title, bytes.lower])
def test_polls_of_ordinary_clients_are_recognised(case: Any) -> None:
    lines = POLL.split(b"\r\n")
    named = [line.partition(b":") for line in lines[1:] if line]
    data = b"\r\n".join([lines[0], *(case(n) + c + v for n, c, v in named), b"", b""])

    assert recognised(data) == (
        b"sat_abc",
        b'"1.2-3.4.5"',
        b"wait=30",
        b"portal.example",
    )


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer sat_other",
        b'If-None-Match: "2"',
        b"Prefer: wait=0",
        b"Connection: close",
        b"Content-Length: 3",
        b"Transfer-Encoding: chunked",
        b"X-Unheard-Of: 1",
        b"Accept: a\x00b",
        b"Accept: a\nb",
        b"Accept: a\rb",
        b"Accept: \xe9",
        b" Accept: a",
        b"Accept : a",
    ],
)
def test_what_could_be_read_in_two_ways_is_left_to_the_parser(line: bytes) -> None:
    assert recognised(POLL) is not None
    assert recognised(POLL[:-2] + line + b"\r\n\r\n") is None


def test_two_polls_at_once_are_left_to_the_parser() -> None:
    assert recognised(POLL + POLL) is None
    assert recognised(POLL[:-1]) is None
    assert recognised(b"\r\n" + POLL) is None


def test_what_is_very_long_is_left_to_the_parser() -> None:
    assert recognised(POLL[:-2] + b"Accept: " + b"x" * 5000 + b"\r\n\r\n") is None
