"""A portal that takes bytes slowly holds up no stop, and what was erased is not read on."""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from agent_helpers import click, enrolled, spooled
from sayso_agent.conformance.portal import SLOW, FakePortal, problem
from sayso_agent.home import Home
from test_agent_run import POLICY, Serving, until

ACK, PAUSES = "/api/v1/policy/ack", "/api/v1/pauses"
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
                self.begun.set()
                while connection.recv(1):
                    self.taken += 1
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


ENDS: dict[str, Callable[[FakePortal, Home], object]] = {
    "withdrawn": lambda portal, _: portal.withdraw(),
    "blocked": lambda portal, _: portal.always.update({POLICY: problem(403, "agent_revoked")}),
    "erased": lambda portal, _: portal.always.update({POLICY: problem(410, "erased")}),
    "changed": lambda portal, _: portal.always.update({POLICY: problem(409, "policy_changed")}),
    "paused": lambda _, home: Home(home.folder).pause(),
    "forgotten": forgets,
}
KEPT = {"changed", "paused"}


@pytest.mark.parametrize("end", sorted(ENDS))
def test_a_batch_on_its_way_is_broken_off(
    sending: tuple[Serving, SlowStore], portal: FakePortal, end: str
) -> None:
    serving, store = sending
    home = serving.agent.home

    ENDS[end](portal, home)

    if end != "forgotten":
        until(lambda: serving.said[-1].startswith("not recording"))
    if end not in KEPT:
        until(lambda: home.spool.count() == 0)
    assert not store.go_on.is_set()  # all of it before the store had more than a few bytes
    store.go_on.set()
    until(store.ended.is_set)
    # What another process forgets may be sent for one more turn of the loop; the strike refuses it.
    assert end == "forgotten" or 0 < store.taken < store.announced
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
    until(lambda: 1001 in [told["version"] for told in portal.acknowledgements] or not store.taken)
    assert not store.ended.is_set()
    store.go_on.set()

    until(lambda: store.taken == store.announced)


@pytest.mark.parametrize("path", [ACK, PAUSES])
def test_a_portal_that_hears_slowly_holds_up_no_stop(
    portal: FakePortal, tmp_path: Path, path: str
) -> None:
    serving = Serving(enrolled(portal, tmp_path / "home"))
    with serving.running():
        until(lambda: bool(portal.acknowledgements))
        serving.events.put(click())
        until(lambda: len(spooled(serving.agent.home)) == 1)
        portal.always[path] = 200, SLOW, b"x" * 600
        if path == PAUSES:
            serving.agent.home.pause()
            until(lambda: PAUSES in portal.paths("POST"))

        portal.withdraw()

        until(lambda: spooled(serving.agent.home) == [])
        until(lambda: serving.said[-1].startswith("not recording"))
        portal.recovered = True
    serving.agent.close()


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
