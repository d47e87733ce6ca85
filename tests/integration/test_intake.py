"""How much is taken of whom: uploads as a stream, and nothing from anybody before they are known.

Over a real server: what is asked is what was read from the wire before the answer came.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests import factories
from tests.integration.serving import WAYS, Line, Reply, Served, request, wait_until
from tests.integration.test_admission_answers import Machine, enrolled
from tests.integration.test_pages import signed_in

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
CONTENT = b"0123456789abcdef" * 131_072  # 2 MiB: more than Django keeps in memory
OURS = {"date", "connection", "transfer-encoding"}
HUGE = "300000000"


@pytest.fixture(params=WAYS)
def served(request: pytest.FixtureRequest, database: Any, store: Path) -> Iterator[Served]:
    from django.core.asgi import get_asgi_application

    from portal.intake import BodiesFirst

    running = Served(request.param, BodiesFirst(get_asgi_application()))
    yield running
    running.close()


@pytest.fixture
def machine(database: Any, store: Path) -> Machine:
    world = factories.make_world()
    world.say_yes()
    return enrolled(world.subject)


def announced(machine: Machine, content: bytes = CONTENT) -> str:
    """The address for the bytes of a batch whose manifest came in."""
    from retention import services as retention

    policy = machine.agent.policies.order_by("-version").first() or factories.make_policy(
        machine.agent
    )
    manifest = factories.manifest_for(policy, content)
    retention.announce_batch(agent=machine.agent, manifest=manifest)
    return f"/api/v1/batches/{manifest.batch}/bytes"


def asked(served: Served, head: bytes, *parts: bytes) -> tuple[Line, Reply]:
    line = served.connect()
    line.send(head, *parts)
    return line, line.reply()


def put(path: str, token: str, length: int | str, *more: str) -> bytes:
    said = (f"Content-Length: {length}", "Content-Type: application/octet-stream", *more)
    return request(token, method="PUT", path=path, more=said)


def files(store: Path) -> list[bytes]:
    """What lies there; a file that goes while this looks is not there."""
    found = []
    for path in store.rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):
            found.append(path.read_bytes())
    return found


def places(served: Served) -> Any:
    """The uploads under way; a place is free a moment after its file is gone."""
    return served.app._application._uploads._places


# --- before anything is read ---------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "sat_" + "x" * 43])
def test_bytes_of_nobody_are_not_waited_for(served: Served, machine: Machine, token: str) -> None:
    """Not one byte of the body is sent: the answer is there all the same, and the line ends."""
    line, answer = asked(served, put(announced(machine), token, HUGE))

    assert answer.status == 401
    assert json.loads(answer.body)["code"] in {"token_unknown", "token_missing"}
    assert line.is_closed()


def test_more_bytes_than_announced_are_not_waited_for(
    served: Served, machine: Machine, store: Path
) -> None:
    _, answer = asked(served, put(announced(machine), machine.token, len(CONTENT) + 1))

    assert (answer.status, json.loads(answer.body)["code"]) == (422, "bytes_do_not_match")
    assert files(store) == []


def test_bytes_that_nobody_announced_are_not_waited_for(served: Served, machine: Machine) -> None:
    path = f"/api/v1/batches/{uuid4()}/bytes"

    _, answer = asked(served, put(path, machine.token, HUGE))

    assert (answer.status, json.loads(answer.body)["code"]) == (404, "batch_unknown")


def test_who_is_refused_early_can_go_on_with_the_same_line(
    served: Served, machine: Machine
) -> None:
    """An agent that has sent a batch already must hear the answer, and not a broken line."""
    path = announced(machine, b"x")
    line, refused = asked(served, put(path, machine.token, 4), b"more")
    line.send(put(path, machine.token, 1), b"x")

    assert refused.status == 422
    assert line.reply().status == 201


@pytest.mark.parametrize("path", ["/api/v1/batches", "/api/v1/policy/ack", "/", "/nowhere"])
def test_no_other_address_takes_a_large_body(served: Served, path: str) -> None:
    head = request(method="POST", path=path, more=(f"Content-Length: {HUGE}",))

    line, answer = asked(served, head)

    said = json.loads(answer.body)
    assert (answer.status, said["code"]) == (413, "body_too_large")
    assert said["next_step"]
    assert said["limit_bytes"] == 2_000_000
    assert answer.headers["content-type"] == "application/problem+json"
    assert line.is_closed()


@pytest.mark.parametrize(
    ("path", "language", "words"),
    [
        ("/you/apps/report/", "en", "A document may have 50 MB"),
        ("/you/apps/report/", "de", "Ein Dokument darf 50 MB haben"),
        ("/privacy/changes/new/gate.close/", "de", "A document may have 50 MB"),
    ],
)
def test_who_sends_too_large_a_form_reads_why_once_it_was_sent(
    served: Served, path: str, language: str, words: str
) -> None:
    """A browser that is cut off while it sends shows no page of ours at all."""
    body = b"x" * 3_000_000
    said = ("Accept: text/html,*/*", f"Accept-Language: {language}", f"Content-Length: {len(body)}")

    line, answer = asked(served, request(method="POST", path=path, more=said), body)

    page = answer.body.decode()
    assert answer.status == 413
    assert words in page
    assert "body_too_large" in page
    assert "style-src 'self'" in answer.headers["content-security-policy"]
    assert line.is_closed()


def test_nor_one_that_does_not_say_how_large_it_is(served: Served) -> None:
    head = request(method="POST", path="/api/v1/batches", more=("Transfer-Encoding: chunked",))
    chunk = b"186a0\r\n" + b"x" * 100_000 + b"\r\n"

    line = served.connect()
    line.send(head, *[chunk] * 20, b"1\r\nx\r\n")

    assert line.reply().status == 413


def test_a_document_comes_only_from_somebody_who_is_signed_in(
    served: Served, machine: Machine
) -> None:
    from django.conf import settings

    body = b"x" * 3_000_000
    client = signed_in(subject=machine.agent.subject)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    kind = "Content-Type: multipart/form-data; boundary=b"
    size = f"Content-Length: {len(body)}"

    def status(*more: str, sent: bytes = b"") -> int:
        head = request(method="POST", path="/nowhere", more=(size, *more))
        return asked(served, head, sent)[1].status

    cookie = f"Cookie: {settings.SESSION_COOKIE_NAME}="
    assert status(kind, cookie + session, sent=body) != 413
    assert status(kind) == 413
    assert status(kind, cookie + "made-up") == 413
    assert status(cookie + session) == 413, "no document"


# --- the stream ----------------------------------------------------------------------------------


def test_bytes_go_to_the_store_as_they_come_and_nowhere_else(
    served: Served, machine: Machine, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # who writes there fails
    line = served.connect()
    line.send(put(announced(machine), machine.token, len(CONTENT)), CONTENT[:1_500_000])

    wait_until(lambda: sum(map(len, files(store))) > 1_000_000)
    line.send(CONTENT[1_500_000:])

    assert line.reply().status == 201
    assert files(store) == [CONTENT]


def test_a_line_that_breaks_leaves_nothing(served: Served, machine: Machine, store: Path) -> None:
    path = announced(machine)
    line = served.connect()
    line.send(put(path, machine.token, len(CONTENT)), CONTENT[:1_500_000])
    wait_until(lambda: files(store))
    line.close()
    wait_until(lambda: not len(places(served)))
    assert files(store) == []

    _, answer = asked(served, put(path, machine.token, len(CONTENT)), CONTENT)

    assert answer.status == 201
    assert files(store) == [CONTENT]


def test_bytes_in_chunks_are_counted_too(served: Served, machine: Machine, store: Path) -> None:
    path = announced(machine, b"four")
    chunked = ("Transfer-Encoding: chunked", "Content-Type: application/octet-stream")
    head = request(machine.token, method="PUT", path=path, more=chunked)

    _, longer = asked(served, head, b"5\r\nfours\r\n")
    _, right = asked(served, head, b"2\r\nfo\r\n", b"2\r\nur\r\n0\r\n\r\n")

    assert (longer.status, right.status) == (422, 201)
    assert files(store) == [b"four"]


# --- the same as the plain view ------------------------------------------------------------------


CASES = ("right", "again", "wrong bytes", "too few", "unknown", "no token", "withdrawn")


@pytest.mark.parametrize("case", CASES)
def test_the_stream_answers_as_the_plain_view(served: Served, machine: Machine, case: str) -> None:
    from consent import services

    content = hashlib.sha256(case.encode()).digest()
    made = [announced(machine, content + bytes([n])) for n in range(2)]

    if case == "again":
        for n, path in enumerate(made):
            _, first = asked(served, put(path, machine.token, 33), content + bytes([n]))
            assert first.status == 201
    if case == "withdrawn":
        services.withdraw_consent(subject=machine.agent.subject, purpose="train-agents")

    def one(path: str, n: int) -> Any:
        sent = content + bytes([n])
        sent = {"wrong bytes": sent[::-1], "too few": sent[1:]}.get(case, sent)
        path = path if case != "unknown" else f"/api/v1/batches/{uuid4()}/bytes"
        token = "" if case == "no token" else machine.token
        return path, sent, token

    (path, sent, token), (other, other_sent, _) = one(made[0], 0), one(made[1], 1)
    _, wire = asked(served, put(path, token, len(sent)), sent)
    plain = Client().put(
        other,
        other_sent,
        content_type="application/octet-stream",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )

    assert wire.status == plain.status_code
    said, expected = json.loads(wire.body), plain.json()
    said.pop("batch", None), expected.pop("batch", None)
    assert said == expected
    headers = {name: value for name, value in wire.headers.items() if name not in OURS}
    assert headers == {name.lower(): value for name, value in plain.items()}
