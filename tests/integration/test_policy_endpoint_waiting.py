"""Polls that wait for a change (`Prefer: wait`): woken when it comes, and never lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests import factories
from tests.integration.fault import OwnRedis, environment
from tests.integration.polling import Portal, Said, enrolled, wait_until

ROOT = Path(__file__).resolve().parents[2]
# A thread that ends leaves its connection to the collector; a server's pool would take it back.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    made = factories.make_world()
    made.say_yes()
    return made


@pytest.fixture
def token(world: factories.World) -> str:
    return enrolled(world.subject)[1]


def waiting(portal: Portal, token: str, prefer: str = "wait=30") -> tuple[Future[Said], str]:
    """Begin to wait; return the poll under way and the tag it waits with."""
    tag = portal.poll(token).etag
    portal.poll(token, tag)
    before = len(portal.endpoint.shared.room)
    poll = portal.begin(token, tag, prefer)
    wait_until(lambda: len(portal.endpoint.shared.room) > before)
    return poll, tag


def withdraw(world: factories.World) -> None:
    from consent import services

    services.withdraw_consent(subject=world.subject, purpose="train-agents")


def is_told(said: Said) -> bool:
    """Whether it was told to stop and to ask again."""
    return said.status == 409 and json.loads(said.body)["code"] == "policy_changed"


def denies_next(portal: Portal, poll: Future[Said], token: str, within: float = 10) -> bool:
    """Whether the one that waits is told, and gets a policy that allows nothing when it asks."""
    return is_told(poll.result(within)) and portal.poll(token).allows is False


def test_the_persons_own_change_ends_the_wait(
    portal: Portal, world: factories.World, token: str
) -> None:
    poll, _ = waiting(portal, token)

    withdraw(world)
    said = poll.result(10)

    assert is_told(said)
    assert "retry-after" not in said.headers
    assert said.headers["cache-control"] == "private, no-store"
    assert portal.poll(token).allows is False


def test_another_persons_change_does_not(
    portal: Portal, world: factories.World, token: str
) -> None:
    from consent import services

    poll, _ = waiting(portal, token, "wait=3")
    services.pause_capture(subject=world.another_subject())

    said = poll.result(10)

    assert (said.status, said.headers["preference-applied"]) == (304, "wait=3")


def test_a_change_for_all_ends_every_wait(portal: Portal, world: factories.World) -> None:
    from consent import services

    polls = []
    for _ in range(5):
        subject = world.another_subject()
        polls.append(waiting(portal, enrolled(subject)[1])[0])

    services.pull_kill_switch(purpose=None, by=UUID(int=1), role="operator", reason="incident")

    assert all(is_told(poll.result(10)) for poll in polls)


def test_thousands_are_told_at_once_and_asked_back_over_time(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint import waiting as module
    from portal.endpoint.answer import Known, Wake

    monkeypatch.setattr(module, "CHUNK", 7)
    room = portal.endpoint.shared.room
    told: list[Wake] = []

    class Silent(module.Waiter):
        def over(self, wake: Wake) -> None:
            told.append(wake)

    async def everybody_waits() -> None:
        for number in range(1, 10 * module.RATE + 1):
            one = Silent()
            one.knows(Known(number, number, 7), b"", None)
            assert room.enter(one, asked=time.monotonic(), seconds=60)

    portal.do(everybody_waits())
    portal.loop.call_soon_threadsafe(room.changed, "c:7")
    wait_until(lambda: len(told) == 10 * module.RATE)

    assert len(room) == 0
    assert all(wake.changed for wake in told)
    assert {wake.pause for wake in told} == set(range(11))


def test_a_revoked_agent_does_not_wait_on(
    portal: Portal, world: factories.World, token: str
) -> None:
    from consent import services
    from consent.models import Agent

    poll, _ = waiting(portal, token)
    services.revoke_agent(subject=world.subject, ref=str(Agent.objects.get().ref))

    assert is_told(poll.result(10))
    assert portal.poll(token).status == 403


def test_an_agent_that_asks_again_ends_its_earlier_wait(portal: Portal, token: str) -> None:
    first, tag = waiting(portal, token)
    second = portal.begin(token, tag, "wait=30")

    assert first.result(20).status == 304
    assert len(portal.endpoint.shared.room) == 1
    portal.loop.call_soon_threadsafe(portal.endpoint.let_go)
    assert second.result(20).status == 304


def test_where_too_many_wait_the_next_is_answered_at_once(
    world: factories.World, token: str, settings: Any
) -> None:
    settings.POLICY_WAITING_LIMIT = 1
    portal = Portal()
    portal.wait_for_fence()
    try:
        other = enrolled(world.another_subject())[1]
        tag = portal.poll(other).etag
        waiting(portal, token)

        began = time.monotonic()
        said = portal.poll(other, tag, "wait=30")

        assert time.monotonic() - began < 20
        assert said.status == 304
        assert "preference-applied" not in said.headers
        assert said.headers["policy-poll"] == "jitter=0.2"
    finally:
        portal.close()


def test_whoever_stops_the_portal_does_not_wait(portal: Portal, token: str) -> None:
    poll, tag = waiting(portal, token)

    portal.loop.call_soon_threadsafe(portal.endpoint.let_go)

    assert poll.result(20).status == 304
    assert portal.poll(token, tag, "wait=30").status == 304


def test_a_wait_leaves_nothing_behind(portal: Portal, token: str) -> None:
    waiting(portal, token, "wait=1")[0].result(10)
    room = portal.endpoint.shared.room

    assert (len(room), room._subjects, room._cohorts) == (0, {}, {})


# --- messages that do not come -------------------------------------------------------------------


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers die between their commit and the message about it."""
    from portal.endpoint import marks

    monkeypatch.setattr(marks._Speaker, "tell", lambda self, name: None)


def test_a_change_nobody_spoke_of_is_found(
    portal: Portal, world: factories.World, token: str, silent: None
) -> None:
    poll, _ = waiting(portal, token)

    withdraw(world)

    assert denies_next(portal, poll, token)


def test_a_marked_change_is_told_although_redis_was_left_alone_meanwhile(
    portal: Portal, world: factories.World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the mark and the commit somebody else's change waited for Redis in vain."""
    from django.db import transaction

    from portal.endpoint import hearing, marks

    monkeypatch.setattr(hearing, "SWEEP_SECONDS", 3600.0)
    poll, _ = waiting(portal, token)

    with transaction.atomic():
        withdraw(world)
        marks._speaker()._silent_until = time.monotonic() + marks.PAUSE

    assert denies_next(portal, poll, token)


def test_a_message_that_got_lost_is_missed_at_once(
    portal: Portal,
    world: factories.World,
    token: str,
    silent: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next message, about somebody else, has a number that is one too high."""
    import redis

    from portal.endpoint import hearing, record

    monkeypatch.setattr(hearing, "SWEEP_SECONDS", 3600.0)
    poll, _ = waiting(portal, token)
    client = redis.Redis.from_url(settings.REDIS_URL)
    tell = record.TELL.decode()
    client.eval(tell, 2, record.SEQUENCE, record.CHANNEL, "s:0")
    time.sleep(0.2)

    withdraw(world)
    client.incr(record.SEQUENCE)  # numbered, and lost on its way
    client.eval(tell, 2, record.SEQUENCE, record.CHANNEL, "s:0")

    assert denies_next(portal, poll, token)


def test_a_listener_that_was_cut_off_finds_what_it_missed(
    portal: Portal, world: factories.World, token: str, settings: Any
) -> None:
    import redis

    poll, _ = waiting(portal, token)
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    withdraw(world)

    assert denies_next(portal, poll, token)


def test_without_redis_a_wait_is_ended_by_postgres(database: Any, settings: Any) -> None:
    """Writers cannot mark and nobody publishes, yet the waiting machine hears within moments."""
    own = OwnRedis()
    settings.REDIS_URL = own.url
    _forget_speaker()
    portal = None
    try:
        world = factories.make_world()
        world.say_yes()
        portal = Portal()
        portal.wait_for_fence()
        token = enrolled(world.subject)[1]
        poll, _ = waiting(portal, token)
        own.kill()
        portal.wait_for_fence(held=False)

        withdraw(world)

        assert denies_next(portal, poll, token)
        assert database.sql("SELECT count(*) FROM portal_unmarked") == [(1,)]
    finally:
        if portal:
            portal.close()
        own.close()
        _forget_speaker()


def _forget_speaker() -> None:
    from portal.endpoint import marks

    marks._speaker_of.cache_clear()


def test_a_poll_that_is_cut_off_waits_no_more(portal: Portal, token: str) -> None:
    poll, _ = waiting(portal, token)

    poll.cancel()

    wait_until(lambda: len(portal.endpoint.shared.room) == 0)


def test_a_change_while_the_question_is_under_way_is_not_missed(
    portal: Portal, world: factories.World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is heard of after Redis has said that nothing changed, before the wait begins."""
    from portal.endpoint.shortcut import Shortcut

    tag = portal.poll(token).etag
    shared = portal.endpoint.shared
    wait_until(
        lambda: (
            portal.poll(token, tag).status == 304
            and all(shared.standing.holds(kept) for kept in shared.kept.values())
        )
    )
    settle = Shortcut.settle_all
    changes = iter([withdraw])
    is_settled_late: list[bool] = []

    async def late(self: Shortcut, turn: Any, has_heard: bool) -> None:
        for change in changes:
            await _heard_of(portal, change, world)
            is_settled_late.append(has_heard)
        settle(self, turn, has_heard)

    monkeypatch.setattr(
        portal.endpoint.shortcut._turns,
        "_settle",
        lambda turn, heard: asyncio.ensure_future(late(portal.endpoint.shortcut, turn, heard)),
    )
    began = time.monotonic()
    said = portal.poll(token, tag, "wait=20")

    assert is_settled_late == [True]
    assert (said.status, said.allows) == (200, False)
    assert time.monotonic() - began < 15


def test_a_change_during_a_look_the_long_way_is_not_missed(
    portal: Portal, world: factories.World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change is heard of after the look and before the wait begins."""
    from portal.endpoint.source import FastSource

    tag = portal.poll(token).etag
    portal.endpoint.shared.kept.clear()  # as after a start: nothing that the short way could use
    hold = FastSource.hold
    changes = iter([withdraw])

    async def late(self: Any, known: Any, seconds: float) -> Any:
        for change in changes:
            await _heard_of(portal, change, world)
        return await hold(self, known, seconds)

    monkeypatch.setattr(FastSource, "hold", late)
    began = time.monotonic()
    said = portal.poll(token, tag, "wait=20")

    assert next(changes, None) is None
    assert (said.status, said.allows) == (200, False)
    assert time.monotonic() - began < 15


async def _heard_of(
    portal: Portal, change: Callable[[factories.World], None], world: factories.World
) -> None:
    """Change something, and wait until the portal has heard that something changed."""
    portal.endpoint.shared.room._heard.clear()
    thread = threading.Thread(target=change, args=(world,))
    thread.start()
    while thread.is_alive() or not portal.endpoint.shared.room._heard:
        await asyncio.sleep(0.01)


# --- the server stops ----------------------------------------------------------------------------

SERVER = """
import sys, logging
from tests.conftest import point_everything_at
point_everything_at(sys.argv[1])
import uvicorn
uvicorn.run("portal.asgi:application", fd=int(sys.argv[2]), loop="uvloop", http="httptools",
            log_level="info", access_log=False, timeout_graceful_shutdown=20)
"""


def test_a_server_that_is_told_to_stop_answers_those_who_wait(
    world: factories.World, token: str, database: Any
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    os.set_inheritable(listener.fileno(), True)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, database.name, str(listener.fileno())],
        cwd=ROOT,
        env=environment(SAYSO_DATABASE_POOL="no"),
        pass_fds=[listener.fileno()],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = listener.getsockname()
        tag = _over_http(address, token)[1]
        held = socket.create_connection(address)
        held.sendall(_request(token, tag, "wait=25"))
        time.sleep(1.5)

        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        head = held.recv(65536)
        held.close()
        log = server.communicate(timeout=20)[1]
        took = time.monotonic() - began

        assert head.startswith(b"HTTP/1.1 304"), head
        assert b"preference-applied: wait=25" in head
        assert took < 20
        assert "Traceback" not in log, log
        assert "Application shutdown complete" in log
    finally:
        server.kill()
        server.wait()
        listener.close()
        if server.stderr:
            server.stderr.close()


def _request(token: str, tag: str = "", prefer: str = "") -> bytes:
    lines = ["GET /api/v1/policy HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    lines += [f"If-None-Match: {tag}"] * bool(tag) + [f"Prefer: {prefer}"] * bool(prefer)
    return "\r\n".join([*lines, "", ""]).encode()


def _over_http(address: Any, token: str) -> tuple[int, str]:
    import http.client

    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request("GET", "/api/v1/policy", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["ETag"]
    finally:
        connection.close()


def test_the_first_to_be_told_does_not_wait_for_the_pages_to_load(database: Any) -> None:
    from django.urls import clear_url_caches, get_resolver

    from portal.endpoint import problems
    from portal.endpoint.serving import Endpoint

    async def begin() -> None:
        await Endpoint().close()

    clear_url_caches()
    problems._rendered.cache_clear()
    asyncio.run(begin())

    assert get_resolver()._populated
