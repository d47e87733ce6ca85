"""HTTP to one place only, with every wait bounded."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sayso_agent import UnexpectedAnswerError, UnreachableError, UsageError
from sayso_agent.conformance.portal import SLOW, TRUNCATED, FakePortal, reply
from sayso_agent.transport import (
    LARGEST_ANSWER,
    Backoff,
    Transport,
    is_loopback,
    parse_origin,
    retry_seconds,
)


@pytest.fixture
def transport(portal: FakePortal) -> Iterator[Transport]:
    made = Transport(parse_origin(portal.url), timeout=0.5, total=1.0)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("url", "spelling"),
    [
        ("https://portal.example", "https://portal.example"),
        ("https://Portal.Example:443/", "https://portal.example"),
        ("https://portal.example:8443/sayso/", "https://portal.example:8443/sayso"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_a_portal_has_one_spelling(url: str, spelling: str) -> None:
    assert parse_origin(url).url == spelling


@pytest.mark.parametrize(
    "url",
    [
        "http://portal.example",
        "http://10.0.0.1:8000",
        "http://127.0.0.1.evil.test",
        "http://localhost.evil.test",
        "http://0.0.0.0:8000",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "//portal.example",
        "portal.example",
        "https://",
        "https://user:pw@portal.example",
        "https://portal.example\n.evil.test",
        "https://portal.example:port",
        "http://[broken",
        "",
    ],
)
def test_places_we_do_not_talk_to(url: str) -> None:
    with pytest.raises(UsageError):
        parse_origin(url)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_an_address(text: str) -> None:
    try:
        origin = parse_origin(f"http://{text}")
    except UsageError:
        return
    assert is_loopback(origin.host)


def test_another_place_is_never_asked(transport: Transport, portal: FakePortal) -> None:
    for url in ("http://127.0.0.1:1/x", "https://portal.example/", "http://localhost/x", "/x"):
        with pytest.raises(UnexpectedAnswerError):
            transport.request("GET", url)
    assert portal.requests == []


def test_a_connection_is_kept_and_opened_anew_once_it_is_gone(
    transport: Transport, portal: FakePortal
) -> None:
    url = f"{portal.url}/.well-known/sayso-key-manifest.jwt"
    assert transport.request("GET", url).status == 200
    first = transport._connection
    assert transport.request("GET", url).status == 200
    assert transport._connection is first
    assert first is not None
    assert first.sock is not None

    first.sock.close()

    assert transport.request("GET", url).status == 200
    assert len(portal.requests) == 3


def test_a_request_that_must_go_out_once_does(transport: Transport, portal: FakePortal) -> None:
    url = f"{portal.url}/.well-known/sayso-key-manifest.jwt"
    transport.request("GET", url)
    portal.always["/.well-known/sayso-key-manifest.jwt"] = (200, TRUNCATED, b"x" * 100)

    with pytest.raises(UnreachableError):
        transport.request("GET", url, once=True)

    assert len(portal.requests) == 2


def test_a_redirect_is_not_followed(transport: Transport, portal: FakePortal) -> None:
    portal.always["/x"] = (302, {"Location": f"{portal.url}/y"}, b"")

    assert transport.request("GET", f"{portal.url}/x").status == 302
    assert portal.paths("GET") == ["/x"]


@pytest.mark.parametrize("odd", [TRUNCATED, SLOW])
def test_an_answer_that_does_not_come_whole_is_none(
    transport: Transport, portal: FakePortal, odd: dict[str, str]
) -> None:
    portal.always["/x"] = (200, odd, b"x" * 400)
    begun = time.monotonic()

    with pytest.raises(UnreachableError):
        transport.request("GET", f"{portal.url}/x")

    assert time.monotonic() - begun < 5


def test_an_answer_without_end_is_cut(transport: Transport, portal: FakePortal) -> None:
    portal.always["/x"] = (200, {}, b"x" * (LARGEST_ANSWER + 10))

    with pytest.raises(UnexpectedAnswerError):
        transport.request("GET", f"{portal.url}/x")

    portal.always["/x"] = reply(200, {})
    assert transport.request("GET", f"{portal.url}/x").status == 200


def test_nobody_there_is_an_error_of_its_own(transport: Transport) -> None:
    away = Transport(parse_origin("http://127.0.0.1:1"))

    with pytest.raises(UnreachableError):
        away.request("GET", "http://127.0.0.1:1/x")


def test_loopback_needs_no_proxy_and_others_use_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://name:pass@proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    near = Transport(parse_origin("https://127.0.0.1:8443"))._open()
    far: Any = Transport(parse_origin("https://portal.example"))._open()

    assert (near.host, near.port) == ("127.0.0.1", 8443)
    assert (far.host, far.port) == ("proxy.example", 3128)
    assert far._tunnel_host == "portal.example"
    assert "Proxy-Authorization" in far._tunnel_headers


def test_certificates_are_checked() -> None:
    import ssl

    transport = Transport(parse_origin("https://portal.example"))
    transport._open()
    context = transport.tls

    assert context is not None
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("99999999999", 3600.0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("-3", None),
        ("soon", None),
        ("٣", None),
    ],
)
def test_how_long_we_are_asked_to_wait(value: str | None, seconds: float | None) -> None:
    assert retry_seconds(value, wall=1795341600.0) == seconds


def test_waits_double_up_to_a_ceiling_and_heed_the_portal() -> None:
    backoff = Backoff(first=1.0, longest=8.0)

    waits = [backoff.failed() for _ in range(40)]

    assert all(0.5 * min(2.0**i, 8) <= wait <= min(2.0**i, 8) for i, wait in enumerate(waits))
    assert backoff.failed(retry_after=100) == 100
    backoff.succeeded()
    assert backoff.failed() <= 1
