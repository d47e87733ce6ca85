"""Whatever is sent to whichever address of the API: an answer in its own form, and never a 5xx.

Over a real server, so that what the wire lets through is what is tested.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.serving import Reply, Served
from tests.integration.test_api_bounds import requests as fine_requests
from tests.integration.test_slow_uploads import serving

__all__ = ["fine_requests"]
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(300),
]
OAUTH = "/identity/o/api/"
SOME_UUID = "00000000-0000-4000-8000-000000000000"
CODES = Path(__file__).resolve().parents[2] / "docs/reference/errors.md"
DEEP = "[" * 50_000
HOSTILE = [
    '"\\ud800"',
    '"\\u0000"',
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 5_000,
    DEEP,
    '{"a":' * 20_000,
    '{"\\ud800": 1}',
    '{"a": 1, "a": 2}',
    "[]",
    "{}",
    "null",
    "true",
    '"' + "x" * 100_000 + '"',
    "-1",
    '"2026-11-26T00:00:00"',
]
TYPES = [
    "application/json",
    "application/json; charset=utf-16",
    "application/json; charset=\xff\xfe",
    "application/json; charset*=nothing''x",
    "application/json; charset=idna",
    "APPLICATION/JSON;;;=",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "multipart/form-data; boundary=\xe9",
    "text/plain",
    "/",
    "",
]
MORE = [
    "Content-Encoding: gzip",
    "Content-Range: bytes 0-3/9",
    "Range: bytes=0-1,5-",
    "Accept: \xff/*;q=x",
    "Accept-Language: " + "xx-" * 300,
    "Cookie: sayso=\xff; a",
    "If-Modified-Since: Thu, 99 Foo 99999 99:99:99 GMT",
    "Authorization: Bearer \xff\xfe",
    "Authorization: Basic " + base64.b64encode(b"\0:\0").decode(),
    "X-HTTP-Method-Override: DELETE",
    "Host: nowhere.example",
    "Host: \xff",
    "X-Forwarded-Proto: https, http",
]
QUERIES = ["", "?a=%00", "?a=%ff%ed%a0%80", "?client_id=%00", "?" + "a&" * 1_500, "?format=%00"]
FORMS = [
    "client_id=%00",
    "client_id=sayso-agent&scope=%00",
    "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=%00&client_id=x",
    "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=x&client_id=%00",
    "grant_type=%00&%00=1",
    "grant_type=refresh_token&refresh_token=%ed%a0%80",
    "a=1&" * 2_000,
    '--b\r\nContent-Disposition: form-data; name="client_id"\r\n\r\n\0\r\n--b--\r\n',
    "token=%00",
]


def addresses() -> list[str]:
    """Every address at which programs ask, from the URL conf itself."""
    found = []

    def walk(patterns: Any, before: str) -> None:
        for one in patterns:
            path = before + str(one.pattern)
            if isinstance(one, URLResolver):
                walk(one.url_patterns, path)
            elif isinstance(one, URLPattern):
                found.append("/" + re.sub(r"<[^>]+>", SOME_UUID, path))

    walk(get_resolver().url_patterns, "")
    return sorted({path for path in found if path.startswith(("/api/", OAUTH))})


@pytest.fixture
def served(fine_requests: Any) -> Iterator[Served]:
    running = serving("protocol")
    running.wait_for_fence()
    yield running
    running.close()


def answered(served: Served, head: list[str], body: bytes) -> Reply:
    """Ask on a connection of its own."""
    line = served.connect()
    try:
        line.send("\r\n".join([*head, "", ""]).encode("latin-1"), body)
        return line.reply()
    finally:
        line.close()


def is_in_form(path: str, said: Reply, known: set[str]) -> bool:
    """Whether a refusal is one that a program can read."""
    if said.status < 400:
        return True
    if said.headers["content-type"].split(";")[0] == "text/plain":
        return said.status == 400  # no HTTP at all: what the server itself says
    document = json.loads(said.body)
    if path.startswith(OAUTH) and "error" in document:
        return True
    kind = said.headers["content-type"]
    return (
        kind == "application/problem+json"
        and document["status"] == said.status
        and document["code"] in known
        and bool(document["next_step"])
    )


def test_nothing_that_is_sent_breaks_the_api(served: Served, fine_requests: Any) -> None:
    known = set(re.findall(r"^### (\w+)$", CODES.read_text(encoding="utf-8"), re.MULTILINE))
    tokens = {client.defaults["HTTP_AUTHORIZATION"] for client, _, _ in fine_requests.values()}
    bodies = {f"/api/v1/{path}": body for _, path, body in fine_requests.values()}
    seen = set()

    def members(path: str) -> list[str]:
        return sorted(bodies[path]()) if path in bodies else ["client_id"]

    def with_one_hostile(path: str, member: str, value: str, *, doubled: bool) -> bytes:
        said = bodies[path]() if path in bodies else {}
        parts = [f"{json.dumps(name)}: {json.dumps(one)}" for name, one in said.items()]
        kept = parts if doubled else [p for p in parts if not p.startswith(f'"{member}"')]
        return "{{{}}}".format(", ".join([*kept, f'"{member}": {value}'])).encode()

    @settings(
        max_examples=120,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(st.data())
    def breaks_nothing(data: Any) -> None:
        path = data.draw(st.sampled_from([*addresses(), "/api/v1/nothing", "/api/"]))
        method = data.draw(
            st.sampled_from(["POST", "POST", "POST", "PUT", "GET", "DELETE", "OPTIONS"])
        )
        member = data.draw(st.sampled_from(members(path)))
        body = data.draw(
            st.sampled_from([form.encode("latin-1") for form in FORMS])
            | st.binary(max_size=40)
            | st.sampled_from(HOSTILE).map(str.encode)
            | st.builds(
                with_one_hostile,
                st.just(path),
                st.just(member),
                st.sampled_from(HOSTILE),
                doubled=st.booleans(),
            )
        )
        head = [
            f"{method} {path}{data.draw(st.sampled_from(QUERIES))} HTTP/1.1",
            "Host: 127.0.0.1",
            f"Content-Length: {len(body)}",
            f"Content-Type: {data.draw(st.sampled_from(TYPES))}",
        ]
        head += [f"Authorization: {token}" for token in [data.draw(st.sampled_from([*tokens, ""]))]]
        head += data.draw(st.lists(st.sampled_from(MORE), max_size=2, unique=True))

        said = answered(served, head, body)

        assert said.status < 500, (head, body[:200], said.body[:500])
        assert is_in_form(path, said, known), (head, body[:200], said)
        seen.add(said.status)

    breaks_nothing()
    assert {400, 401, 404, 405} <= seen


# --- what was found, one by one ------------------------------------------------------------------


def sent(served: Served, method: str, path: str, body: str, *more: str) -> Reply:
    kind = "application/x-www-form-urlencoded" if path.startswith(OAUTH) else "application/json"
    head = [f"{method} {path} HTTP/1.1", f"Content-Length: {len(body)}", f"Content-Type: {kind}"]
    hosts = [] if any(one.startswith("Host:") for one in more) else ["Host: 127.0.0.1"]
    return answered(served, [*head, *hosts, *more], body.encode())


def test_each_hostile_request_has_its_answer(served: Served, fine_requests: Any) -> None:
    token = fine_requests["ManifestIn"][0].defaults["HTTP_AUTHORIZATION"]
    mine = f"Authorization: {token}"
    manifest = fine_requests["ManifestIn"][2]()
    bare = {**manifest, "from": manifest["from"].removesuffix("+00:00")}
    twice = json.dumps(manifest)[:-1] + ', "bytes": 5}'
    bytes_at = f"/api/v1/batches/{SOME_UUID}/bytes"

    def code(*asked: str) -> tuple[int, str]:
        said = sent(served, *asked)
        document = json.loads(said.body)
        return said.status, document.get("code") or document["error"]

    # A machine that enrols has no token of ours yet: whoever asks is told 401, and nothing breaks.
    assert code("POST", "/api/v1/batches", DEEP, mine) == (400, "parse_error")
    assert code("POST", "/api/v1/strikes", '{"strike": "\\ud800"}', mine) == (400, "parse_error")
    assert code("POST", "/api/v1/batches", twice, mine) == (400, "parse_error")
    assert code("POST", "/api/v1/batches", json.dumps(bare), mine) == (400, "invalid_request")
    assert code("PUT", bytes_at, "x", mine, "Content-Range: bytes 0-0/9") == (
        400,
        "content_range_refused",
    )
    assert code("GET", bytes_at, "", mine) == (405, "method_not_allowed")
    assert code("GET", "/api/v1/nothing", "") == (404, "not_found")
    assert code("POST", "/api/v1/pauses", "", mine, "Host: x") == (400, "host_refused")
    for form in FORMS[:4]:
        for path in ("device/code", "token", "revoke"):
            if "%00" in form:
                assert code("POST", OAUTH + path, form) == (400, "invalid_request"), (path, form)
    assert code("GET", OAUTH + "device/code", "") == (405, "invalid_request")
    assert sent(served, "GET", bytes_at, "").headers["allow"] == "PUT"
    many = "?" + "a&" * 1_500
    assert code("POST", f"/api/v1/pauses{many}", "", mine) == (400, "too_many_parameters")
    assert code("PUT", bytes_at + many, "x", mine) == (400, "too_many_parameters")


@pytest.mark.parametrize("body", [DEEP, '{"platform": "\\ud800"}', '{"platform": "\\u0000"}'])
def test_nobody_breaks_the_enrolment(served: Served, body: str) -> None:
    said = sent(served, "POST", "/api/v1/agents", body)

    assert said.status in {400, 401}
    assert said.headers["content-type"] == "application/problem+json"


def test_a_proof_that_is_nested_deeply_is_no_proof() -> None:
    from portal.api.errors import Problem
    from portal.api.proofs import ENROL, check
    from tests.integration.agents import Ed25519, b64

    key = Ed25519()
    signed = f"{b64(DEEP.encode())}.{b64(DEEP.encode())}"

    with pytest.raises(Problem) as refused:
        check(
            f"{signed}.{b64(key.sign(signed.encode()))}",
            typ=ENROL,
            kind=key.kind,  # type: ignore[arg-type]
            key=key.public,
            secret="any",
        )

    assert refused.value.code == "proof_invalid"
