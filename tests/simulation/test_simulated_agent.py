"""The imaginary agent and its light client, against a portal of the test's own that may lie."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from portal.simulation.agent import Counts, Script, SimulatedAgent, keys_of, offered
from portal.simulation.http import Address, Client, NoAnswer
from portal.simulation.summary import Spread

KEY = Ed25519PrivateKey.generate()
STRANGER = Ed25519PrivateKey.generate()
REF = "3f1c1d7e-0000-4000-8000-000000000001"


def raw(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def policy(*, version: int = 1, lease: int = 900, key: Any = KEY, **differs: Any) -> bytes:
    document = {
        "aud": REF,
        "version": version,
        "iat": 1000,
        "lease_until": 1000 + lease,
        "poll_after": 30,
        "allow": [{"app": "tracker"}],
        "paused": False,
        **differs,
    }
    signed = raw(json.dumps({"kid": "k"}).encode()) + b"." + raw(json.dumps(document).encode())
    return signed + b"." + raw(key.sign(signed))


def said(status: int, body: bytes = b"", **headers: str) -> bytes:
    names = {"etag": '"1"', **headers}
    lines = [f"HTTP/1.1 {status} X", *(f"{k.replace('_', '-')}: {v}" for k, v in names.items())]
    if status not in {204, 304}:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Portal:
    """Answers each request with the next of its lines; None closes the connection."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                body = await reader.readexactly(int(length or 0))
                self.requests.append(head + body)
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def meet(self, story: Callable[[Address], Awaitable[Any]]) -> Any:
        async def all_of_it() -> Any:
            server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            try:
                return await story(Address("127.0.0.1", port))
            finally:
                server.close()

        return asyncio.run(all_of_it())


def agent_at(address: Address) -> SimulatedAgent:
    script = Script(address, {"k": KEY.public_key()}, Counts())
    return SimulatedAgent(REF, "sat_x", script, Client(address))


def polled(*answers: bytes | None, polls: int = 1) -> tuple[SimulatedAgent, Portal]:
    """Let an agent poll a portal that gives these answers."""
    portal = Portal(*answers)

    async def story(address: Address) -> SimulatedAgent:
        agent = agent_at(address)
        for _ in range(polls):
            await agent.poll(wait=0)
        agent.client.close()
        return agent

    return portal.meet(story), portal


ACK = said(204)


def test_a_policy_that_allows_is_obeyed_and_acknowledged() -> None:
    agent, portal = polled(said(200, policy(version=7)), ACK)

    assert agent.captures(time.monotonic())
    assert agent.script.counts.acknowledged == 1
    assert json.loads(portal.requests[1].partition(b"\r\n\r\n")[2])["version"] == 7


def test_an_acknowledgement_that_was_not_taken_is_made_again_after_the_next_poll() -> None:
    agent, portal = polled(
        said(200, policy(version=7)), said(503), said(304), ACK, said(304), polls=3
    )

    assert agent.script.counts.acknowledged == 1
    assert agent.script.counts.errors == {"ack_status_503": 1}
    assert [b"POST" in request for request in portal.requests] == [0, 1, 0, 1, 0]


def test_a_policy_that_denies_stops_capture_at_that_instant() -> None:
    before = time.monotonic()
    agent, portal = polled(
        said(200, policy()), ACK, said(200, policy(version=2, allow=[])), ACK, polls=2
    )

    assert not agent.captures(time.monotonic())
    assert before < agent.stopped <= time.monotonic()
    assert b'If-None-Match: "1"' in portal.requests[2]


def test_a_pause_stops_it_too() -> None:
    agent, _ = polled(said(200, policy()), ACK, said(200, policy(version=2, paused=True)), ACK,
                      polls=2)  # fmt: skip

    assert not agent.captures(time.monotonic())


def test_a_lease_ends_by_itself_counted_from_before_the_question() -> None:
    before = time.monotonic()
    agent, _ = polled(said(200, policy(lease=60)), ACK)
    after = time.monotonic()

    assert agent.captures(before + 59.9)
    assert not agent.captures(after + 60)
    assert before + 60 <= agent.stopped <= after + 60
    assert agent.script.counts.leases_ended == 1


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (policy(key=STRANGER, version=2), "policy_not_signed"),
        (policy(version=2, aud="another"), "policy_of_another"),
        (policy(version=0), "policy_older"),
        (b"no.policy", "policy_not_signed"),
    ],
)
def test_what_cannot_be_obeyed_stops_capture_and_is_counted(wrong: bytes, kind: str) -> None:
    agent, _ = polled(said(200, policy()), ACK, said(200, wrong), polls=2)

    assert not agent.captures(time.monotonic())
    assert agent.script.counts.errors == {kind: 1}


@pytest.mark.parametrize(
    ("status", "goes_on"), [(401, False), (403, False), (410, False), (429, True), (503, True)]
)
def test_only_trouble_leaves_the_lease_in_force(status: int, goes_on: bool) -> None:
    agent, _ = polled(said(200, policy()), ACK, said(status), polls=2)

    assert agent.captures(time.monotonic()) is goes_on
    assert agent.script.counts.errors == {f"status_{status}": 1}


@pytest.mark.parametrize(("retry_after", "pause"), [("", 0.0), ("7", 7.0)])
def test_told_of_a_change_it_stops_and_asks_for_the_whole(retry_after: str, pause: float) -> None:
    more = {"retry_after": retry_after} if retry_after else {}
    portal = Portal(said(200, policy()), ACK, said(409, **more), said(200, policy(version=2)), ACK)

    async def story(address: Address) -> tuple[SimulatedAgent, float, bool]:
        agent = agent_at(address)
        await agent.poll(wait=0)
        told_to_wait = await agent.poll(wait=30)
        captured = agent.captures(time.monotonic())
        await agent.poll(wait=0)
        return agent, told_to_wait, captured

    agent, told_to_wait, captured = portal.meet(story)

    assert (told_to_wait, captured) == (pause, False)
    assert agent.stopped > 0
    assert agent.captures(time.monotonic())
    assert not agent.script.counts.errors


@pytest.mark.parametrize(
    ("answer", "soon"),
    [
        (said(304), False),
        (said(304, preference_applied="wait=30"), True),
        (said(200, policy(version=2)), True),
    ],
)
def test_who_was_offered_a_wait_and_not_held_asks_as_often_as_the_policy_says(
    answer: bytes, soon: bool
) -> None:
    """Where a proxy holds nothing, asking again at once would be asking without end."""
    offer = {"policy_poll": "jitter=0.2, wait=30"}
    told = answer.replace(b"\r\n", b"\r\npolicy-poll: jitter=0.2, wait=30\r\n", 1)
    portal = Portal(said(200, policy(), **offer), ACK, told, ACK)

    async def story(address: Address) -> float:
        agent = agent_at(address)
        await agent.poll(wait=0)
        return await agent.poll(wait=30)

    pause = portal.meet(story)

    assert (pause < 1) is soon
    assert soon or pause >= 30 * 0.8


def test_it_waits_as_long_as_it_is_told_to() -> None:
    portal = Portal(said(503, retry_after="77"))

    pause = portal.meet(lambda address: agent_at(address).poll(wait=0))

    assert pause >= 77


@pytest.mark.parametrize("lie", [said(304), said(200, policy(version=2))])
def test_an_answer_that_allows_after_the_tap_is_stale(lie: bytes) -> None:
    portal = Portal(said(200, policy()), ACK, lie, ACK)

    async def story(address: Address) -> SimulatedAgent:
        agent = agent_at(address)
        await agent.poll(wait=0)
        agent.ended_at = time.monotonic()
        await asyncio.sleep(0.001)
        await agent.poll(wait=0)
        return agent

    assert portal.meet(story).script.counts.stale == 1


def test_an_answer_that_denies_after_the_tap_is_not_stale() -> None:
    portal = Portal(said(200, policy()), ACK, said(200, policy(version=2, allow=[])), ACK)

    async def story(address: Address) -> SimulatedAgent:
        agent = agent_at(address)
        await agent.poll(wait=0)
        agent.ended_at = time.monotonic()
        await agent.poll(wait=0)
        return agent

    assert portal.meet(story).script.counts.stale == 0


# --- the client ----------------------------------------------------------------------------------


def test_a_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    portal = Portal(said(304, connection="close"), said(304))

    async def story(address: Address) -> int:
        client = Client(address)
        await client.ask("GET", "/", {})
        await client.ask("GET", "/", {})
        client.close()
        return client.opened

    assert portal.meet(story) == portal.connections == 2


def test_one_connection_serves_many_questions() -> None:
    portal = Portal(*[said(200, b"ab")] * 5)

    async def story(address: Address) -> list[bytes]:
        client = Client(address)
        return [(await client.ask("GET", "/", {})).body for _ in range(5)]

    assert portal.meet(story) == [b"ab"] * 5
    assert portal.connections == 1


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((None,), "connection_lost"),
        ((b"nonsense\r\n\r\n",), "answer_malformed"),
        ((b"",), "timeout"),
    ],
)
def test_no_answer_has_a_name(answers: tuple[bytes | None, ...], kind: str) -> None:
    portal = Portal(*answers, b"")

    async def story(address: Address) -> None:
        await Client(address).ask("GET", "/", {}, patience=0.3)

    with pytest.raises(NoAnswer) as caught:
        portal.meet(story)
    assert caught.value.kind == kind


def test_nobody_there_has_a_name_too() -> None:
    async def story(address: Address) -> str:
        with pytest.raises(NoAnswer) as caught:
            await Client(Address(address.host, 1)).ask("GET", "/", {})
        return caught.value.kind

    assert Portal().meet(story) == "connection_refused"


# --- figures -------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_parts_of_a_spread_are_values_that_occurred_and_rise(seconds: list[float]) -> None:
    spread = Spread.of(seconds)
    found = [spread.p50, spread.p95, spread.p99, spread.max]

    assert found == sorted(found, key=float)  # type: ignore[arg-type]
    assert spread.max == round(max(seconds) * 1000, 1)
    assert set(found) <= {round(one * 1000, 1) for one in seconds}


def test_the_99th_of_a_hundred_leaves_one_out() -> None:
    assert Spread.of([float(n) for n in range(1, 101)]).p99 == 99_000
    assert Spread.of([]).max is None


@pytest.mark.parametrize(
    ("header", "seconds"), [("interval=30, jitter=0.2, wait=30", 30), ("interval=30", 0), ("", 0)]
)
def test_the_wait_that_is_offered(header: str, seconds: int) -> None:
    assert offered(header) == seconds


def test_what_is_no_key_set_is_refused() -> None:
    with pytest.raises(ValueError, match="no key set"):
        keys_of(b"[]")
