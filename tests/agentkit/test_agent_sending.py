"""A portal that takes bytes slowly holds up no stop, and what was erased is not read on."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sayso_agent.wishes
from agent_helpers import FakeClock, click, enrolled, spooled
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sayso_agent import Agent, StandingError, UnreachableError
from sayso_agent.asking import Poller
from sayso_agent.bell import Bell
from sayso_agent.conformance.portal import SLOW, FakePortal, problem
from sayso_agent.errors import Exit
from sayso_agent.files import FileLock
from sayso_agent.home import Home
from sayso_agent.run import TURN, Recording, Runner
from sayso_agent.sending import Job, Sender
from sayso_agent.transport import Body, Transport, parse_origin
from sayso_agent.words import plain
from test_agent_run import POLICY, Serving, until

ACK, PAUSES = "/api/v1/policy/ack", "/api/v1/pauses"
BATCHES, TOKEN = "/api/v1/batches", "/api/v1/agents/token"
MANIFEST = "/.well-known/sayso-key-manifest.jwt"
EVENTS = 2_000


class SlowStore:
    """Takes one byte a second of what is put there, and the rest as soon as it is told to go on."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.taken, self.announced = 0, 0
        self.begun, self.ended = threading.Event(), threading.Event()
        self.go_on = threading.Event()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def address(self, batch: str, size: int, sha256: str) -> dict[str, Any]:
        self.announced = size
        return {
            "upload_url": f"{self.url}/{batch}",
            "upload_headers": {"x-amz-checksum-sha256": sha256},
            "received_url": f"/api/v1/batches/{batch}/received",
        }

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._socket.accept()
            with connection, suppress(ConnectionError):
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(1)
                while connection.recv(1):
                    self.taken += 1
                    self.begun.set()
                    self.go_on.wait(1)
                    while self.go_on.is_set() and (more := connection.recv(65536)):
                        self.taken += len(more)
            self.ended.set()

    def close(self) -> None:
        self.go_on.set()
        self._socket.close()


@pytest.fixture
def store(portal: FakePortal) -> Iterator[SlowStore]:
    made = SlowStore()
    portal.bucket = made  # type: ignore[assignment]
    yield made
    made.close()


@pytest.fixture
def sending(
    portal: FakePortal, store: SlowStore, tmp_path: Path
) -> Iterator[tuple[Serving, SlowStore]]:
    """A running agent that is in the middle of a batch."""
    home = tmp_path / "home"
    agent = enrolled(portal, home)
    agent.poll()
    for _ in range(EVENTS):
        agent.offer(click())
    agent.settle()
    agent.close()
    serving = Serving(enrolled(portal, home), upload=0.2)
    with serving.running():
        until(store.begun.is_set)
        yield serving, store
        store.close()
    serving.agent.close()


def forgets(portal: FakePortal, home: Home) -> None:
    Home(home.folder).forget(minutes=10)


def pauses(portal: FakePortal) -> None:
    portal.version += 1
    portal.policy = {**portal.policy, "paused": True}


ENDS: dict[str, Callable[[FakePortal, Home], object]] = {
    "withdrawn": lambda portal, _: portal.withdraw(),
    "blocked": lambda portal, _: portal.always.update({POLICY: problem(403, "agent_revoked")}),
    "erased": lambda portal, _: portal.always.update({POLICY: problem(410, "erased")}),
    "changed": lambda portal, _: portal.always.update({POLICY: problem(409, "policy_changed")}),
    "paused": lambda _, home: Home(home.folder).pause(),
    "paused elsewhere": lambda portal, _: pauses(portal),
    "forgotten": forgets,
}
KEPT = {"changed", "paused", "paused elsewhere"}


@pytest.mark.parametrize("end", sorted(ENDS))
def test_a_batch_on_its_way_is_broken_off(
    sending: tuple[Serving, SlowStore], portal: FakePortal, end: str
) -> None:
    serving, store = sending
    home, sender = serving.agent.home, serving.runner._sender

    ENDS[end](portal, home)

    if end != "forgotten":
        until(lambda: serving.said[-1].startswith("not recording"))
    if end in {*KEPT, "forgotten"}:  # the others end the loop, which takes what came of a job
        until(lambda: sender is not None and sender.busy is not Job.UPLOAD)
    if end not in KEPT:
        until(lambda: home.spool.count() == 0)
    assert not store.go_on.is_set()  # all of it before the store had more than a few bytes
    store.go_on.set()
    until(store.ended.is_set)
    assert 0 < store.taken < store.announced
    assert portal.admitted == {}
    if end in KEPT:
        assert len(spooled(home)) == EVENTS


def test_a_batch_that_nobody_minds_is_handed_in_while_the_agent_goes_on(
    sending: tuple[Serving, SlowStore], portal: FakePortal
) -> None:
    serving, store = sending

    serving.events.put(click(x=77))
    until(lambda: 77 in [event["x"] for event in spooled(serving.agent.home)])
    portal.version += 1  # another document that permits the same
    until(lambda: serving.agent.home.seen().version == 1001)
    assert not store.ended.is_set()
    store.go_on.set()

    until(lambda: store.taken == store.announced)


@pytest.mark.parametrize("path", [ACK, PAUSES, TOKEN, MANIFEST])
def test_a_portal_that_hears_slowly_holds_up_no_stop(
    portal: FakePortal, tmp_path: Path, path: str
) -> None:
    serving = Serving(enrolled(portal, tmp_path / "home"))
    with serving.running():
        until(lambda: bool(portal.acknowledgements))
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)
        portal.always[path] = 200, SLOW, b"x" * 600
        before = len(portal.requests)
        if path == PAUSES:
            serving.agent.home.pause()
        elif path == TOKEN:
            serving.agent.identity = replace(serving.agent.identity, token_at=1.0, rotate_after=60)
        elif path == MANIFEST:
            serving.agent.keyring._next_look = 0.0  # an hour has passed
        if path != ACK:
            until(lambda: path in [seen.path for seen in portal.requests[before:]])

        portal.withdraw()

        until(lambda: spooled(serving.agent.home) == [])
        until(lambda: serving.said[-1].startswith("not recording"))
        portal.recovered = True
    serving.agent.close()


def test_a_policy_whose_key_comes_slowly_is_taken_for_a_stop(
    portal: FakePortal, tmp_path: Path
) -> None:
    """It may well be one. What the person does meanwhile is obeyed as ever."""
    serving = Serving(enrolled(portal, tmp_path / "home"))
    with serving.running():
        until(serving.recording)
        portal.always[MANIFEST] = 200, SLOW, b"x" * 600
        portal.key, portal.kid = Ed25519PrivateKey.generate(), "k2"
        portal.manifest = {"version": 2}
        portal.version += 1

        until(lambda: serving.said[-1] == f"not recording: {plain('policy_key_unknown')}")
        serving.agent.home.pause()
        until(lambda: serving.said[-1] == f"not recording: {plain('paused_here')}")
        until(lambda: portal.pauses == 1)
        portal.resume()
        del portal.always[MANIFEST]
        portal.recovered = True

        until(serving.recording)
    serving.agent.close()


@pytest.mark.parametrize("path", [ACK, BATCHES, PAUSES])
def test_a_token_that_ends_while_something_is_sent_is_changed(
    portal: FakePortal, tmp_path: Path, path: str
) -> None:
    serving = Serving(enrolled(portal, tmp_path / "home"), upload=0.2)
    portal.misbehave[path] = [problem(401, "token_ended")]
    if path == PAUSES:
        serving.agent.home.pause()
    with serving.running():
        if path == PAUSES:
            until(lambda: portal.pauses == 1)
            portal.resume()
        else:
            until(serving.recording)
            serving.events.put(click())
        until(lambda: bool(portal.given_up))
        until(serving.recording)
        serving.events.put(click())
        until(lambda: bool(portal.admitted))

    assert any(line.startswith("not recording: ") for line in serving.said)
    assert serving.error is None
    serving.agent.close()


def test_a_token_that_ends_while_a_batch_is_handed_in_once_is_changed(
    portal: FakePortal, tmp_path: Path
) -> None:
    agent = enrolled(portal, tmp_path / "home")
    portal.misbehave[BATCHES] = [problem(401, "token_ended")]

    Runner(agent, lambda _: None).once(Recording([click()]))

    assert portal.given_up
    assert len(portal.admitted) == 1
    agent.close()


@pytest.mark.parametrize("path", [ACK, BATCHES, PAUSES, TOKEN])
def test_being_turned_away_while_something_is_sent_erases_all(
    portal: FakePortal, tmp_path: Path, path: str
) -> None:
    serving = Serving(enrolled(portal, tmp_path / "home"), upload=0.2)
    portal.always[path] = problem(403, "agent_revoked")
    if path == PAUSES:
        serving.agent.home.pause()
    if path == TOKEN:
        serving.agent.identity = replace(serving.agent.identity, token_at=1.0, rotate_after=60)
    with serving.running():
        until(lambda: bool(serving.said))
        serving.events.put(click())
        until(lambda: not serving.alive())

    assert isinstance(serving.error, StandingError)
    assert serving.error.exit_code is Exit.BLOCKED
    assert not (serving.agent.home.folder / "spool.key").exists()
    assert serving.said[-1] == f"not recording: {plain('agent_blocked')}" or path == PAUSES
    assert portal.admitted == {}
    serving.agent.close()


# --- what another process forgets ----------------------------------------------------------------


def test_what_was_in_memory_when_it_was_forgotten_is_not_handed_in(
    portal: FakePortal, agent: Agent
) -> None:
    """It comes into the spool afterwards; the sender may be at work before the loop looks."""
    agent.poll()
    agent.offer(click())
    Home(agent.home.folder).forget(minutes=10)
    agent.flush()
    agent.home.spool.close()
    bell = Bell()
    sender = Sender(agent, bell)

    sender.hand_in(agent.release())
    assert bell.wait(10)
    done = sender.take()
    agent.following.follow()

    assert done is not None
    assert done.uploaded is not None
    assert portal.manifests == {}
    assert spooled(agent.home) == []
    sender.close()


def test_a_single_run_hands_in_nothing_that_was_forgotten_meanwhile(
    portal: FakePortal, agent: Agent
) -> None:
    agent.poll()
    agent.offer(click())
    Home(agent.home.folder).forget(minutes=10)

    agent.upload()

    assert portal.manifests == {}
    assert agent.home.spool.count() == 0


def test_what_is_captured_after_forgetting_here_is_handed_in(
    portal: FakePortal, agent: Agent, clock: FakeClock
) -> None:
    agent.poll()
    agent.offer(click(x=1))
    agent.forget(minutes=10)
    assert not agent.following.is_owed(), "what is typed since is no part of it"
    clock.pass_time(1)
    agent.offer(click(x=2))

    agent.upload()

    assert [event["x"] for event in portal.events()] == [2]


def test_nobody_takes_from_the_spool_between_forgetting_and_its_mark(
    agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []
    write = sayso_agent.wishes.write_json

    def looked_at(path: Path, value: dict[str, Any]) -> None:
        other = FileLock(agent.home.folder / "lock")
        if free := other.try_hold():
            other.release()
        held.append((path.name, not free))
        write(path, value)

    monkeypatch.setattr(sayso_agent.wishes, "write_json", looked_at)
    agent.home.forget(minutes=1)

    assert ("forget.json", True) in held
    assert all(is_held for _, is_held in held)


def test_half_a_body_that_may_not_go_on_takes_along_what_was_not_sent(store: SlowStore) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x" * 12_000
        raise UnreachableError("broken_off", "erased meanwhile")

    transport = Transport(parse_origin(store.url))
    with pytest.raises(UnreachableError):
        transport.request("PUT", f"{store.url}/batch", body=Body(24_000, parts))
    store.go_on.set()
    until(store.ended.is_set)

    assert store.taken < 12_000


# -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits_for", ["the sender", "a gap between polls"])
def test_the_loop_rests_while_what_is_due_cannot_begin(
    portal: FakePortal, agent: Agent, waits_for: str
) -> None:
    agent.poll()
    runner = Runner(agent, lambda _: None)
    poller = Poller(agent.identity, agent.keyring, agent.clock, Bell())
    sender = runner._sender = Sender(agent, Bell())
    poller.busy = True
    assert runner._rest(poller) == 0.0, "something could be handed in"

    if waits_for == "the sender":
        sender.busy = Job.REPORT
    else:
        runner.renewal.gained.append(None)

    assert runner._rest(poller) == TURN
    poller.close()
    sender.close()


def test_whoever_sends_for_an_agent_keeps_to_one_bandwidth(
    portal: FakePortal, agent: Agent
) -> None:
    """The last upload of a run is not the loop's sender's."""
    limits = {**portal.policy["limits"], "bytes_per_second": 1}
    portal.policy = {**portal.policy, "limits": limits}
    agent.poll()
    agent.offer(click(x=1))
    agent.settle()
    agent.home.spool.close()
    bell = Bell()
    sender = Sender(agent, bell)
    sender.hand_in(agent.release())
    assert bell.wait(10)
    agent.offer(click(x=2))
    agent.settle()

    agent.upload()

    assert [event["x"] for event in portal.events()] == [1]
    assert agent.uploader.waits > 1
    sender.close()


def test_what_is_made_of_a_batch_is_the_same_in_pieces_and_whole(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    from test_agent_spool import record, slot

    home.spool.append(slot(batch_bytes=10**6), [record(1000 + i / 10) for i in range(3_000)])
    (segment,) = home.spool.segments()
    parts = list(segment.parts())

    assert len(parts) > 3
    assert (
        hashlib.sha256(b"".join(parts)).digest()
        == hashlib.sha256(b"".join(one.line + b"\n" for one in segment.records)).digest()
    )
