"""Polls served by ASGI and by the server's protocol: the same answers, on whatever connection."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factories
from tests.integration.polling import enrolled
from tests.integration.serving import WAYS, Line, Reply, Served, both_ways, request, wait_until

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    from portal.endpoint import postgres

    settings.POLICY_BURST = 1_000_000
    postgres.buckets.cache_clear()
    return factories.make_world()


@pytest.fixture
def token(world: factories.World) -> str:
    world.say_yes()
    return enrolled(world.subject)[1]


@pytest.fixture
def served(world: Any) -> Iterator[Served]:
    """By the protocol."""
    running = Served("protocol")
    running.wait_for_fence()
    yield running
    running.close()


@pytest.fixture
def both(world: Any) -> Iterator[dict[str, Served]]:
    with both_ways() as running:
        yield running


@pytest.fixture
def line(served: Served) -> Iterator[Line]:
    made = served.connect()
    yield made
    made.close()


HIGHER = '"9999999999999.1-1.1.1"'


def shape(reply: Reply) -> tuple[int, dict[str, str], bytes]:
    return reply.status, {k: v for k, v in reply.headers.items() if k != "date"}, reply.body


# --- the same as ever ----------------------------------------------------------------------------


def test_both_ways_say_the_same_of_any_poll(both: dict[str, Served], token: str) -> None:
    lines = {way: one.connect() for way, one in both.items()}
    lines["asgi"].send(request(token))
    tag = lines["asgi"].reply().headers["etag"]

    visible = st.characters(min_codepoint=33, max_codepoint=255, exclude_categories=["Cc"])
    texts = st.text(visible, max_size=30)
    polls = st.fixed_dictionaries(
        {
            "token": st.sampled_from([token, token, token, "", "sat_unknown", "x"]) | texts,
            "tag": st.sampled_from([tag, tag, "", "*", f"W/{tag}", f'"a", {tag}', HIGHER]) | texts,
            "prefer": st.sampled_from(["", "wait=0", "wait", "respond-async"]) | texts,
            "more": st.sampled_from([(), ("X-Other: 1",), ("If-None-Match: z",), ("Prefer: a",)]),
        }
    )

    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(polls)
    def alike(poll: Any) -> None:
        for line in lines.values():
            line.send(request(**poll))
        asgi, protocol = (shape(lines[way].reply()) for way in WAYS)
        assert asgi == protocol
        assert asgi[1].get("etag", tag) == tag  # whatever is asked, no other is issued

    alike()
    for line in lines.values():
        line.close()


def test_every_answer_has_a_date_as_the_server_sets_it(line: Line, token: str) -> None:
    line.send(request(token))

    assert line.reply().headers["date"].endswith(" GMT")


@pytest.mark.parametrize(
    ("asked", "arrived"),
    [
        ({"method": "POST", "more": ("Content-Length: 3",), "body": "abc"}, b"POST"),
        ({"path": "/api/v1/policy/"}, b"GET /api/v1/policy/"),
        ({"path": "/"}, b"GET / "),
    ],
)
def test_what_is_no_poll_reaches_the_application_whole(
    line: Line, token: str, asked: dict[str, Any], arrived: bytes
) -> None:
    line.send(request(token, **asked))
    said = line.reply()

    assert said.body.startswith(arrived)
    assert b"'authorization'" in said.body
    assert b"'host'" in said.body
    assert said.body.endswith(asked.get("body", "").encode())


@pytest.mark.parametrize(
    "asked",
    [
        {"more": ("Content-Length: 3",), "body": "abc"},
        {"more": ("Transfer-Encoding: chunked",), "body": "3\r\nabc\r\n0\r\n\r\n"},
        {"path": "/api/v1/policy?x=1"},
    ],
)
def test_odd_polls_are_answered_and_the_connection_lives_on(
    line: Line, token: str, asked: dict[str, Any]
) -> None:
    line.send(request(token, **asked))
    first = line.reply()
    line.send(request(token, tag=first.headers.get("etag", "")))

    assert first.status == 200
    assert line.reply().status in {200, 304}


# --- the short way -------------------------------------------------------------------------------


@pytest.fixture
def only_short(served: Served, line: Line, token: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tag of a policy that is in force and remembered; nothing is answered in full any more."""
    from portal.endpoint.serving import Endpoint

    line.send(request(token))
    tag = line.reply().headers["etag"]
    for _ in range(2):  # found, then remembered
        line.send(request(token, tag=tag))
        line.reply()

    def broken(*_: Any, **__: Any) -> Any:
        raise AssertionError("a poll was answered in full")

    monkeypatch.setattr(Endpoint, "answered", broken)
    return tag


def test_a_poll_to_which_nothing_is_new_is_answered_the_short_way(
    line: Line, token: str, only_short: str
) -> None:
    for _ in range(3):
        line.send(request(token, tag=only_short))
        assert line.reply().status == 304


def test_the_short_way_brings_the_signed_policy_that_is_at_hand(
    line: Line, token: str, only_short: str, database: Any
) -> None:
    before = database.sql("SELECT count(*) FROM consent_issuedpolicy")
    line.send(request(token))
    first = line.reply()
    line.send(request(token))

    assert shape(first) == shape(line.reply())
    assert (first.status, first.headers["etag"]) == (200, only_short)
    assert first.body.count(b".") == 2
    assert database.sql("SELECT count(*) FROM consent_issuedpolicy") == before


def test_both_ways_bring_the_same_signed_policy(
    both: dict[str, Served], token: str, database: Any
) -> None:
    said = {}
    for way in ("asgi", "protocol", "protocol", "asgi"):  # each remembers, then answers from it
        line = both[way].connect()
        for _ in range(3):
            line.send(request(token))
            said[way] = shape(line.reply())
        line.send(request(token, tag=said[way][1]["etag"]))
        assert line.reply().status == 304
        line.close()

    assert said["asgi"] == said["protocol"]


def test_what_was_remembered_is_not_said_once_it_has_changed(
    line: Line, token: str, world: factories.World
) -> None:
    from consent import services

    line.send(request(token))
    tag = line.reply().headers["etag"]
    for _ in range(2):
        line.send(request(token, tag=tag))
        assert line.reply().status == 304

    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    line.send(request(token, tag=tag))
    said = line.reply()

    assert said.status == 200
    assert said.headers["etag"] != tag


def test_a_whole_policy_is_not_said_once_it_has_changed(
    line: Line, token: str, world: factories.World
) -> None:
    from consent import services

    line.send(request(token))
    tag = line.reply().headers["etag"]
    line.send(request(token, tag=tag))
    line.reply()
    line.send(request(token))
    assert line.reply().headers["etag"] == tag

    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    line.send(request(token))

    assert line.reply().headers["etag"] != tag


def test_the_short_way_counts_every_poll_once(
    world: factories.World, token: str, settings: Any
) -> None:
    from portal.endpoint import postgres

    settings.POLICY_BURST = 6
    postgres.buckets.cache_clear()
    running = Served("protocol")
    running.wait_for_fence()
    line = running.connect()
    line.send(request(token))
    tag = line.reply().headers["etag"]
    said = []
    for _ in range(7):
        line.send(request(token, tag=tag))
        said.append(line.reply())
    line.close()
    running.close()

    assert [reply.status for reply in said] == [304] * 5 + [429] * 2
    assert said[-1].headers["retry-after"] == "1"


def test_who_waits_the_short_way_is_told_of_a_change(
    served: Served, line: Line, token: str, only_short: str, world: factories.World
) -> None:
    from consent import services

    line.send(request(token, tag=only_short, prefer="wait=20"))
    wait_until(lambda: len(served.shared.room) == 1)
    services.withdraw_consent(subject=world.subject, purpose="train-agents")

    said = line.reply()
    assert (said.status, b"policy_changed" in said.body) == (409, True)
    assert len(served.shared.room) == 0


def test_who_waits_the_short_way_in_vain_hears_that_nothing_changed(
    served: Served, line: Line, token: str, only_short: str
) -> None:
    line.send(request(token, tag=only_short, prefer="wait=1"))
    said = line.reply()

    assert (said.status, said.headers["preference-applied"]) == (304, "wait=1")
    assert said.headers["etag"] == only_short


def test_who_waits_the_short_way_and_hangs_up_is_forgotten(
    served: Served, token: str, only_short: str
) -> None:
    waiting = served.connect()
    waiting.send(request(token, tag=only_short, prefer="wait=20"))
    wait_until(lambda: len(served.shared.room) == 1)

    waiting.close()

    wait_until(lambda: len(served.shared.room) == 0)


def test_without_the_fence_nothing_is_answered_the_short_way(
    served: Served, line: Line, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint.serving import Endpoint

    line.send(request(token))
    tag = line.reply().headers["etag"]
    for _ in range(2):
        line.send(request(token, tag=tag))
        line.reply()
    answered, in_full = Endpoint.answered, []

    def counted(*args: Any, **more: Any) -> Any:
        in_full.append(more)
        return answered(*args, **more)

    monkeypatch.setattr(Endpoint, "answered", counted)
    monkeypatch.setattr(served.shared.watch, "usable", lambda: None)
    line.send(request(token, tag=tag))

    assert line.reply().status == 304
    assert len(in_full) == 1


def test_where_redis_goes_away_under_way_the_answer_comes_in_full(
    served: Served, line: Line, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint.together import Together

    line.send(request(token))
    tag = line.reply().headers["etag"]
    for _ in range(2):
        line.send(request(token, tag=tag))
        line.reply()

    def nothing(self: Any, question: Any, *_: Any) -> None:
        import asyncio

        asyncio.get_running_loop().call_soon(question.told, None)

    monkeypatch.setattr(Together, "ask", nothing)
    line.send(request(token, tag=tag))

    assert line.reply().status == 304


# --- connections ---------------------------------------------------------------------------------


def test_many_polls_on_one_connection_in_pieces_of_any_size(line: Line, token: str) -> None:
    line.send(request(token))
    tag = line.reply().headers["etag"]
    whole = request(token, tag=tag)

    for cut in (1, 4, 17, len(whole) // 2, len(whole) - 1):
        line.send(whole[:cut])
        time.sleep(0.01)
        line.send(whole[cut:])
        assert line.reply().status == 304
    for byte in whole:
        line.send(bytes([byte]))
    assert line.reply().status == 304


def test_pipelined_requests_are_answered_in_their_order(line: Line, token: str) -> None:
    line.send(request(token))
    tag = line.reply().headers["etag"]
    polls = [request(token, tag=tag), request("sat_no"), request(token), request(path="/one")]
    polls += [request(token, tag=tag), request(path="/two"), request(token, tag=tag)]

    line.send(b"".join(polls))
    replies = [line.reply() for _ in polls]

    assert [reply.status for reply in replies] == [304, 401, 200, 200, 304, 200, 304]
    assert replies[3].body.startswith(b"GET /one")
    assert replies[5].body.startswith(b"GET /two")


def test_what_follows_a_poll_that_waits_is_answered_after_it(
    served: Served, line: Line, token: str, world: factories.World
) -> None:
    from consent import services

    line.send(request(token))
    tag = line.reply().headers["etag"]
    line.send(request(token, tag=tag, prefer="wait=20"), request(path="/behind"))
    wait_until(lambda: len(served.shared.room) == 1)

    services.withdraw_consent(subject=world.subject, purpose="train-agents")

    assert line.reply().status == 409
    assert line.reply().body.startswith(b"GET /behind")


@pytest.mark.parametrize(
    ("asked", "status"),
    [({"more": ("Connection: close",)}, 200), ({"version": "1.0"}, 200)],
)
def test_who_wants_the_connection_closed_gets_that(
    line: Line, token: str, asked: dict[str, Any], status: int
) -> None:
    line.send(request(token, **asked))
    said = line.reply()

    assert said.status == status
    assert said.headers["connection"] == "close"
    assert line.is_closed()


def test_an_idle_connection_is_closed_after_a_while_and_a_waiting_one_is_not(
    served: Served, token: str
) -> None:
    idle, waiting = served.connect(), served.connect()
    idle.send(request(token))
    tag = idle.reply().headers["etag"]
    waiting.send(request(token, tag=tag, prefer="wait=4"))

    assert idle.is_closed()  # two seconds in these tests
    assert waiting.reply().status == 304
    idle.close()
    waiting.close()


def test_a_poll_whose_connection_is_lost_waits_no_more(served: Served, token: str) -> None:
    line = served.connect()
    line.send(request(token))
    tag = line.reply().headers["etag"]
    line.send(request(token, tag=tag, prefer="wait=25"))
    wait_until(lambda: len(served.shared.room) == 1)

    line.close()

    wait_until(lambda: len(served.shared.room) == 0)


NONSENSE = {
    "no request": b"\x00\x01 nonsense\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\n\r\n",
    "a header without a name": b"GET /api/v1/policy HTTP/1.1\r\n: x\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"x" * 60,
}


@pytest.mark.parametrize("sent", sorted(NONSENSE))
def test_nonsense_is_refused_in_the_same_form_by_both_ways(
    both: dict[str, Served], token: str, sent: str
) -> None:
    for before in (b"", request(token)):
        shapes = []
        for way in WAYS:
            line = both[way].connect()
            if before:
                line.send(before)
                assert line.reply().status == 200
            line.send(NONSENSE[sent])
            shapes.append(shape(line.reply()))
            assert line.is_closed()
            line.close()
        assert shapes[0] == shapes[1]
        status, headers, body = shapes[0]
        assert (status, json.loads(body)["code"]) == (400, "request_malformed")
        assert headers["content-type"] == "application/problem+json"
        assert headers["x-content-type-options"] == "nosniff"


def test_nonsense_behind_a_poll_that_waits_is_no_part_of_its_answer(
    served: Served, line: Line, token: str
) -> None:
    line.send(request(token))
    tag = line.reply().headers["etag"]
    line.send(request(token, tag=tag, prefer="wait=25"))
    wait_until(lambda: len(served.shared.room) == 1)

    line.send(NONSENSE["no request"])

    assert line.is_closed()
    wait_until(lambda: len(served.shared.room) == 0)


GUARDED = ("content-security-policy", "referrer-policy", "x-frame-options")


def test_whatever_is_answered_with_a_body_is_guarded(both: dict[str, Served], token: str) -> None:
    for way in WAYS:
        line = both[way].connect()
        line.send(request(token))
        whole = line.reply()
        line.send(request(token, tag=whole.headers["etag"]))
        unchanged = line.reply()
        line.send(request("sat_nobodys"))
        refused = line.reply()

        assert [said.status for said in (whole, unchanged, refused)] == [200, 304, 401]
        for said in (whole, refused):
            assert said.headers["x-content-type-options"] == "nosniff"
            assert said.headers["content-security-policy"].startswith("default-src 'none'")
            assert set(GUARDED) <= set(said.headers)
            assert said.headers["cross-origin-resource-policy"] == "same-origin"
        assert not {"x-content-type-options", *GUARDED} & set(unchanged.headers)
        line.close()


def test_what_goes_wrong_inside_is_a_problem_and_no_secret(
    served: Served,
    line: Line,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    from portal.endpoint.source import FastSource

    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(FastSource, "look", broken)
    with caplog.at_level(logging.CRITICAL, logger="portal.endpoint.protocol"):
        line.send(request(token))
        said = line.reply()

    assert said.status == 500
    assert said.headers["content-type"] == "application/problem+json"
    assert b"ZeroDivision" not in said.body
    monkeypatch.undo()
    line.send(request(token))
    assert line.reply().status == 200


def test_a_server_that_stops_answers_those_who_wait(world: Any, token: str) -> None:
    running = Served("protocol")
    running.wait_for_fence()
    line = running.connect()
    line.send(request(token))
    tag = line.reply().headers["etag"]
    line.send(request(token, tag=tag, prefer="wait=25"))
    wait_until(lambda: len(running.shared.room) == 1)

    began = time.monotonic()
    running.close()
    said = line.reply()

    assert said.status == 304
    assert time.monotonic() - began < 20
    line.close()
