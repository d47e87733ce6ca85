"""Bytes that go to another host: only where the signed policy names it, never with the token."""

from collections.abc import Iterator
from typing import Any

import pytest
from agent_helpers import TRACKER, FakeClock, click
from sayso_agent import Agent, Event, UnexpectedAnswerError, UnreachableError
from sayso_agent.bucket import Bucket
from sayso_agent.conformance.bucket import FakeBucket
from sayso_agent.conformance.portal import TRUNCATED, FakePortal, problem, reply
from sayso_agent.portal import Place
from sayso_agent.segment import Segment, Slot
from sayso_agent.transport import Body
from sayso_agent.upload import TRIES

from tests.schema import policy_validator

BATCHES = "/api/v1/batches"


@pytest.fixture
def bucket(portal: FakePortal) -> Iterator[FakeBucket]:
    with FakeBucket() as made:
        portal.bucket = made
        yield made


def captured(agent: Agent) -> None:
    agent.poll()
    agent.offer(click())
    agent.settle()


def test_bytes_go_where_the_portal_says_and_the_portal_is_told(
    agent: Agent, portal: FakePortal, bucket: FakeBucket
) -> None:
    captured(agent)

    done = agent.upload()

    assert done.admitted == 1
    assert len(portal.events()) == 1
    (put,) = bucket.requests
    assert (put.method, len(put.body)) == ("PUT", int(put.headers["content-length"]))
    assert portal.paths("PUT") == []
    assert agent.home.spool.count() == 0
    policy_validator().validate(portal.payload())


def test_the_token_stays_with_the_portal(
    agent: Agent, portal: FakePortal, bucket: FakeBucket
) -> None:
    captured(agent)
    agent.upload()

    (put,) = bucket.requests
    assert portal.token not in str(put)
    assert set(put.headers) == {
        "host", "user-agent", "accept-encoding", "content-type", "content-length",
        "x-amz-checksum-sha256",
    }  # fmt: skip


def test_an_upload_that_failed_and_was_not_done_is_made_up_for(
    agent: Agent, portal: FakePortal, bucket: FakeBucket
) -> None:
    captured(agent)
    bucket.misbehave = [((503, {"Retry-After": "7"}, b""), False)]

    with pytest.raises(UnreachableError) as trouble:
        agent.upload()

    assert (trouble.value.code, trouble.value.retry_after) == ("store_in_trouble", 7)
    assert agent.home.spool.count() == 1
    assert portal.admitted == {}
    assert agent.upload().admitted == 1
    assert len(portal.events()) == 1


def test_an_upload_whose_answer_was_lost_is_not_sent_again(
    agent: Agent, portal: FakePortal, bucket: FakeBucket
) -> None:
    captured(agent)
    bucket.misbehave = [((200, TRUNCATED, b"broken off"), True)]

    with pytest.raises(UnreachableError) as trouble:
        agent.upload()
    assert trouble.value.code == "store_unreachable"
    assert agent.home.spool.count() == 1

    assert agent.upload().admitted == 1

    assert len(bucket.requests) == 1
    assert len(portal.events()) == 1


def test_an_answer_of_the_portal_that_was_lost_after_that_is_made_up_for(
    agent: Agent, portal: FakePortal, bucket: FakeBucket
) -> None:
    captured(agent)
    agent.home.spool.close()
    (batch,) = agent.home.spool.closed()
    taken, lost = portal.answer, []

    def loses(seen: Any) -> Any:
        answer = taken(seen)
        if seen.path == f"{BATCHES}/{batch}/received" and len(lost) < 2:
            lost.append(seen)
            return answer[0], {**answer[1], **TRUNCATED}, answer[2]
        return answer

    portal.answer = loses  # type: ignore[method-assign]
    with pytest.raises(UnreachableError):
        agent.upload()

    assert agent.upload().admitted == 1
    assert len(bucket.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 412])
def test_what_the_store_refuses_is_tried_again_but_not_for_ever_and_ends_nothing_else(
    agent: Agent, bucket: FakeBucket, status: int
) -> None:
    captured(agent)
    bucket.misbehave = [((status, {}, b"<Error/>"), False)] * TRIES

    rounds = [agent.upload().refused for _ in range(TRIES)]

    assert rounds == [{}] * (TRIES - 1) + [{"upload_refused": 1}]
    assert agent.home.spool.count() == 0
    assert agent.recordable()


def test_what_the_portal_refuses_after_that_is_dropped(
    agent: Agent, portal: FakePortal, bucket: FakeBucket
) -> None:
    captured(agent)
    agent.home.spool.close()
    (batch,) = agent.home.spool.closed()
    refusal = problem(422, "batch_refused", reasons=["consent_does_not_stand"])
    portal.always[f"{BATCHES}/{batch}/received"] = refusal

    assert agent.upload().refused == {"consent_does_not_stand": 1}
    assert agent.home.spool.count() == 0


def test_a_host_that_the_policy_does_not_name_gets_nothing(
    agent: Agent, portal: FakePortal, bucket: FakeBucket
) -> None:
    portal.policy = {**portal.policy, "uploads": ["https://bucket.example"]}
    captured(agent)

    with pytest.raises(UnexpectedAnswerError) as refusal:
        agent.upload()

    assert refusal.value.code == "url_elsewhere"
    assert bucket.requests == []
    assert agent.home.spool.count() == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://bucket.example/x",
        "https://bucket.example:444/x",
        "https://bucket.example.evil.example/x",
        "https://name:word@bucket.example/x",
        "ftp://bucket.example/x",
        "//bucket.example/x",
    ],
)
def test_no_other_spelling_gets_anything_either(url: str) -> None:
    place = Place(url, {}, "https://portal.example/received")
    allowed = frozenset({"https://bucket.example", "http://bucket.example"})

    with pytest.raises(UnexpectedAnswerError):
        Bucket().upload(place, Body(1, lambda: iter([b"x"])), allowed)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x"},
        {"Cookie": "x"},
        {"Host": "elsewhere.example"},
        {"Content-Length": "7"},
        {"x-amz-meta-name": "a\r\nAuthorization: x"},
        {"Transfer-Encoding": "chunked"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_headers_that_are_not_about_the_bytes_are_refused(
    agent: Agent, portal: FakePortal, bucket: FakeBucket, headers: dict[str, str]
) -> None:
    captured(agent)
    place = bucket.address("b", 1, "00" * 32)
    place["upload_headers"] = {**place["upload_headers"], **headers}
    portal.always[BATCHES] = reply(201, {"state": "awaiting_bytes", **place})

    with pytest.raises(UnexpectedAnswerError):
        agent.upload()

    assert bucket.requests == []


@pytest.mark.parametrize(
    "place",
    [
        {"upload_url": "u", "upload_headers": [], "received_url": "r"},
        {"upload_url": "u", "upload_headers": {"x-amz-date": 1}, "received_url": "r"},
        {"upload_url": "u", "received_url": None},
        {"received_url": "r"},
    ],
)
def test_a_place_that_cannot_be_read_is_none(
    agent: Agent, portal: FakePortal, place: dict[str, Any]
) -> None:
    captured(agent)
    portal.always[BATCHES] = reply(201, {"state": "awaiting_bytes", **place})

    with pytest.raises(UnexpectedAnswerError):
        agent.upload()

    assert portal.paths("PUT") == []


def test_a_large_batch_is_sent_piece_by_piece(
    agent: Agent, portal: FakePortal, bucket: FakeBucket, clock: FakeClock
) -> None:
    portal.policy["allow"][0]["signals"] = ["scroll"]
    agent.poll()
    for _ in range(4000):
        agent.offer(Event("scroll", TRACKER, {"x": 1, "y": 2, "dx": 3, "dy": 4}))
        clock.pass_time(0.001)
    agent.settle()
    agent.home.spool.close()
    (segment,) = agent.home.spool.segments()
    pieces = list(segment.parts())

    assert agent.upload().admitted == 1

    assert len(pieces) > 3
    assert max(map(len, pieces)) < 70_000
    (data,) = portal.admitted.values()
    assert data == b"".join(pieces)
    assert len(data) == segment.size


def test_an_empty_segment_has_no_piece() -> None:
    slot = Slot("p", "a", 1, 1, 2, 100, 100)

    assert (list(Segment("b", slot, ()).parts()), Segment("b", slot, ()).size) == ([], 0)
