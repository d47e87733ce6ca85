"""A mark whose answer is lost may have been made all the same: sending it again must not undo."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.fault import OwnRedis, Relay

EPOCH = b"e1"


class Deaf(Relay):
    """A relay whose first connections carry what is asked, and break before the answer."""

    deaf = 1
    between: Any = staticmethod(lambda: None)
    """Called when such a connection has broken, before the next one."""

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        if not self.deaf:
            super()._serve(near, far)
            return
        while b"EXEC" not in (asked := near.recv(65536)):  # what a connection begins with
            far.sendall(asked)
            near.sendall(far.recv(65536))
        self.deaf -= 1
        far.sendall(asked)
        far.recv(65536)  # it is done, and nobody hears of it
        self.between()
        near.close()
        far.close()


@pytest.fixture
def redis_server() -> Iterator[OwnRedis]:
    server = OwnRedis()
    yield server
    server.close()


@pytest.fixture
def relay(redis_server: OwnRedis, settings: Any) -> Iterator[Deaf]:
    way = Deaf("deaf.sock", str(redis_server.socket))
    settings.REDIS_URL = f"unix://{way.socket}?db=0"
    yield way
    way.close()


def marked(server: OwnRedis, name: str) -> bool:
    """Mark a name by way of the relay; return whether the writer takes it for marked."""
    from portal.endpoint import marks

    client = server.client()
    identity = marks.identity(client.info("server"), client.info("replication"))
    return marks._do(marks._connect(), marks._Job([name], EPOCH.decode(), identity))


def tallies(server: OwnRedis) -> list[bytes]:
    """Return each tally that was ever set by a mark, the newest first."""
    from portal.endpoint import record

    return [
        record.unpack_mark(raw).after
        for raw in server.client().lrange(record.marks_key(EPOCH), 0, -1)
    ]


def test_a_mark_made_twice_brings_other_values_each_time(
    redis_server: OwnRedis, relay: Deaf
) -> None:
    from portal.endpoint import record

    client, nonces = redis_server.client(), []
    relay.between = lambda: nonces.append(client.get(record.key(EPOCH, "s:1")))

    assert marked(redis_server, "s:1")

    nonces.append(client.get(record.key(EPOCH, "s:1")))
    assert len(set(nonces)) == len(nonces) == 2
    assert len(set(tallies(redis_server))) == len(tallies(redis_server)) == 2


def test_what_was_heard_between_the_two_does_not_hide_another_mark(
    redis_server: OwnRedis, relay: Deaf
) -> None:
    """The fault that ten million answers found: two people, and a mark that was sent again."""
    from portal.endpoint import record
    from portal.endpoint.answer import Known
    from portal.endpoint.limits import Bucket
    from portal.endpoint.standing import Kept, Standing

    client, standing = redis_server.client(), Standing()
    known = Known(agent=2, subject=2, cohort=1, version=1)
    kept = Kept(known, record.Nonces(b"n" * 8, b"m" * 8), Bucket(1))

    def hear_and_mark_another() -> None:
        listed = client.lrange(record.marks_key(EPOCH), 0, -1)
        heard = [record.unpack_mark(raw) for raw in listed]
        standing.hear(heard, client.get(record.tally_key(EPOCH)))
        standing.verify(kept)
        keys, values = record.mark_keys_and_values(EPOCH, ["s:2"])
        client.eval(record.MARK.decode(), len(keys), *keys, *values)

    relay.between = hear_and_mark_another

    assert marked(redis_server, "s:1")

    is_heard = standing.is_up_to(client.get(record.tally_key(EPOCH)))
    assert not (is_heard and standing.holds(kept))


def test_where_nobody_answers_twice_it_is_not_marked(redis_server: OwnRedis, relay: Deaf) -> None:
    import redis

    relay.deaf = 2

    with pytest.raises(redis.ConnectionError):
        marked(redis_server, "s:1")
    assert len(set(tallies(redis_server))) == len(tallies(redis_server)) == 2
