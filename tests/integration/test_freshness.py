"""No answer that still allows follows the commit of a withdrawal, whatever happens in between.

Each test stops the world at the one moment that would hurt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests import factories
from tests.integration.fault import OwnRedis, Relay
from tests.integration.polling import Portal, Said, enrolled, wait_until

BOUND = 1.0


class Writer:
    """A withdrawal in a thread of its own that stands still just before its commit."""

    def __init__(self, subject: Any, *, rolls_back: bool = False) -> None:
        self._subject = subject
        self._rolls_back = rolls_back
        self._marked = threading.Event()
        self._go_on = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._marked.wait(20), "the withdrawal never came to its commit"

    def commit(self) -> float:
        """Let it commit; return when that was done, by the monotonic clock."""
        self._go_on.set()
        self._thread.join(20)
        if self._failed:
            raise self._failed
        return time.monotonic()

    def _run(self) -> None:
        from django.db import connections, transaction

        from consent import services

        try:
            with transaction.atomic():
                services.withdraw_consent(subject=self._subject, purpose="train-agents")
                self._marked.set()
                self._go_on.wait(60)
                if self._rolls_back:
                    transaction.set_rollback(True)
        except Exception as error:  # noqa: BLE001  told to whoever waits for the commit
            self._failed = error
        finally:
            self._marked.set()
            connections.close_all()


class Field:
    """A Redis, a portal that reads from it, and a person whose machine may capture."""

    def __init__(self, settings: Any, redis: OwnRedis, url: str = "") -> None:
        settings.REDIS_URL = url or redis.url
        settings.POLICY_BURST = 1_000_000
        _anew()
        self.redis = redis
        self.world = factories.make_world()
        self.world.say_yes()
        self.token = enrolled(self.world.subject)[1]
        self.portal = Portal()
        self.portal.wait_for_fence()
        first = self.portal.poll(self.token)
        self.tag, self._tag_allows = first.etag, first.allows
        assert first.allows
        self.poll_until_kept()

    def poll(self) -> Said:
        return self.portal.poll(self.token, self.tag)

    def is_kept(self) -> bool:
        """Whether Redis alone answers."""
        from portal.endpoint import postgres

        asked = []
        names = ("look", "look_quietly")
        real = {name: getattr(postgres, name) for name in names}
        for name in names:
            setattr(postgres, name, _noting(asked, real[name]))
        try:
            assert self.poll().status == 304
        finally:
            for name in names:
                setattr(postgres, name, real[name])
        return not asked

    def poll_until_kept(self) -> None:
        wait_until(self.is_kept)

    def still_allows(self) -> bool:
        said = self.poll()
        assert said.status in {200, 304}, said
        if said.status == 200:
            self.tag, self._tag_allows = said.etag, said.allows
        return self._tag_allows

    def close(self) -> None:
        self.portal.close()
        _anew()


def _noting(asked: list[Any], real: Callable[..., Any]) -> Callable[..., Any]:
    def note(*args: Any) -> Any:
        asked.append(args)
        return real(*args)

    return note


def _anew() -> None:
    from portal.endpoint import marks, postgres

    marks._speaker_of.cache_clear()
    postgres.buckets.cache_clear()


@pytest.fixture
def redis() -> Iterator[OwnRedis]:
    own = OwnRedis()
    yield own
    own.close()


@pytest.fixture
def field(database: Any, settings: Any, redis: OwnRedis) -> Iterator[Field]:
    made = Field(settings, redis)
    yield made
    made.close()


# --- with Redis there ----------------------------------------------------------------------------


def test_the_first_answer_after_a_commit_denies(field: Field) -> None:
    assert field.is_kept()

    Writer(field.world.subject).commit()

    assert not field.still_allows()


def test_what_is_looked_up_between_mark_and_commit_is_not_kept(field: Field) -> None:
    writer = Writer(field.world.subject)
    before = [field.still_allows() for _ in range(5)]
    assert not field.is_kept()

    writer.commit()

    assert before == [True] * 5
    assert not field.still_allows()


def test_a_writer_that_stands_still_holds_nobody_up(field: Field) -> None:
    """Neither the machine's polls nor the person's own pause of another kind wait for it."""
    writer = Writer(field.world.another_subject())

    began = time.monotonic()
    assert field.is_kept()
    Writer(field.world.subject).commit()

    assert not field.still_allows()
    assert time.monotonic() - began < 30
    writer.commit()


def test_a_look_that_is_kept_late_is_refused(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is paused after its look and keeps what it found when all is over."""
    from portal.endpoint import postgres

    looked, go_on = threading.Event(), threading.Event()
    real = postgres.look_quietly

    def slow(*args: Any) -> Any:
        found = real(*args)
        looked.set()
        go_on.wait(20)
        return found

    _forget_record(field)
    monkeypatch.setattr(postgres, "look_quietly", slow)
    poll = field.portal.begin(field.token, field.tag)
    assert looked.wait(10)
    monkeypatch.setattr(postgres, "look_quietly", real)

    Writer(field.world.subject).commit()
    go_on.set()
    poll.result(10)

    assert not field.still_allows()


def test_a_commit_between_the_two_questions_of_a_look_is_seen(
    field: Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked the other way round, what was found before the commit would be kept for true."""
    from portal.endpoint import postgres

    writer = Writer(field.world.subject)
    real = postgres.look

    def then_commit(digest: bytes) -> Any:
        found = real(digest)
        monkeypatch.setattr(postgres, "look", real)
        writer.commit()
        return found

    monkeypatch.setattr(postgres, "look", then_commit)
    field.poll()

    assert not field.still_allows()


def test_a_policy_issued_while_its_half_was_changing_is_not_kept(
    field: Field, database: Any, redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something shared changes while a policy is being issued from what stood before."""
    from portal.endpoint import postgres

    real = postgres.issue

    def then_withdraw(known: Any, now: float) -> Any:
        found = real(known, now)
        monkeypatch.setattr(postgres, "issue", real)
        Writer(field.world.subject).commit()
        return found

    monkeypatch.setattr(postgres, "issue", then_withdraw)
    # Nothing is issued for asking: the one in force has to be out of date first.
    database.sql("UPDATE consent_personalpolicy SET revision = revision + 1")
    redis.client().flushall()
    assert field.portal.poll(field.token, None).allows

    assert postgres.issue is real, "a policy was issued"
    assert not field.still_allows()


def test_a_change_that_is_taken_back_changes_no_answer(field: Field) -> None:
    writer = Writer(field.world.subject, rolls_back=True)
    assert field.still_allows()
    writer.commit()

    assert field.still_allows()
    field.poll_until_kept()


def test_a_mark_inside_a_savepoint_that_is_taken_back_is_made_again(field: Field) -> None:
    from django.db import transaction

    from consent import services

    with transaction.atomic():
        with transaction.atomic():
            services.pause_capture(subject=field.world.subject)
            transaction.set_rollback(True)
        field.poll_until_kept()
        services.pause_capture(subject=field.world.subject)
        assert field.still_allows()

    assert not field.still_allows()


@pytest.mark.parametrize("cohort", [False, True], ids=["personal", "shared"])
def test_what_is_shared_is_fenced_like_what_is_personal(field: Field, cohort: bool) -> None:
    from uuid import UUID

    from consent import services

    assert field.is_kept()
    if cohort:
        services.pull_kill_switch(purpose=None, by=UUID(int=1), role="operator", reason="incident")
    else:
        services.pause_capture(subject=field.world.subject)

    assert not field.still_allows()


def test_outside_a_transaction_nothing_is_marked_too_late(database: Any) -> None:
    from django.db.transaction import TransactionManagementError

    from portal.endpoint import marks

    with pytest.raises(TransactionManagementError):
        marks.policy_changing(subject=1)


# --- Redis loses what it knew --------------------------------------------------------------------


def test_a_redis_that_is_emptied_between_mark_and_commit(field: Field) -> None:
    writer = Writer(field.world.subject)
    field.redis.client().flushall()
    for _ in range(3):
        assert field.still_allows()

    writer.commit()

    assert not field.still_allows()


@pytest.mark.parametrize("emptied", [True, False], ids=["empty", "as it was before the mark"])
def test_a_redis_that_comes_back_between_mark_and_commit(
    database: Any, settings: Any, emptied: bool
) -> None:
    redis = OwnRedis("--dbfilename", "kept.rdb")
    field = Field(settings, redis)
    try:
        field.poll_until_kept()
        redis.client().save()
        writer = Writer(field.world.subject)
        redis.kill()
        field.portal.wait_for_fence(held=False)
        if emptied:
            (redis.folder / "kept.rdb").unlink()
        redis.start()
        assert bool(redis.client().keys(b"sayso:*:h:*")) is not emptied
        field.portal.wait_for_fence()
        for _ in range(3):
            assert field.still_allows()

        writer.commit()

        assert not field.still_allows()
    finally:
        field.close()
        redis.close()


def test_a_replica_that_had_not_heard_of_the_mark_is_promoted(database: Any, settings: Any) -> None:
    first, second = OwnRedis("--repl-diskless-sync-delay", "0"), OwnRedis()
    way = Relay("r.sock", str(first.socket))
    relay_of_first = _tcp_of(first)
    second.client().execute_command("REPLICAOF", *relay_of_first)
    field = Field(settings, first, url=f"unix://{way.socket}?db=0")
    try:
        wait_until(lambda: len(second.client().keys(b"sayso:*:h:*")) == 1)
        second.pause()
        writer = Writer(field.world.subject)
        first.kill()
        way.cut()
        second.resume()
        second.client().execute_command("REPLICAOF", "NO", "ONE")
        way._target = str(second.socket)
        way.heal()
        assert second.client().keys(b"sayso:*:h:*")
        field.portal.wait_for_fence()
        assert field.still_allows()

        writer.commit()

        assert not field.still_allows()
    finally:
        field.close()
        way.close()
        first.close()
        second.close()


def _tcp_of(redis: OwnRedis) -> tuple[str, str]:
    """Let the server be reached over TCP as well, as a replica needs it."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    redis.client().config_set("port", port)
    return "127.0.0.1", str(port)


def test_a_database_that_was_put_back_makes_redis_forget(field: Field, database: Any) -> None:
    """What a restored database does not know any more must not be answered from Redis."""
    before = database.sql("SELECT epoch FROM portal_fence")
    database.sql("UPDATE portal_fence SET database = 'as it was before the restore'")

    wait_until(lambda: database.sql("SELECT epoch FROM portal_fence") != before)
    field.portal.wait_for_fence()

    assert not field.is_kept()


# --- Redis is away -------------------------------------------------------------------------------


@pytest.fixture
def speechless(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writers cannot reach Redis; the readers can."""
    from portal.endpoint import marks

    def fails(*_: Any) -> Any:
        raise ConnectionError

    monkeypatch.setattr(marks, "_connect", fails)
    marks._speaker_of.cache_clear()


def test_a_writer_that_cannot_mark_is_heard_within_the_bound(
    field: Field, speechless: None, database: Any
) -> None:
    assert field.is_kept()

    committed = Writer(field.world.subject).commit()
    allowed = []
    while time.monotonic() < committed + BOUND + 0.5:
        asked = time.monotonic()
        if field.still_allows():
            allowed.append(asked - committed)

    assert all(after <= BOUND for after in allowed)
    wait_until(lambda: database.sql("SELECT count(*) FROM portal_unmarked") == [(0,)])
    field.world.say_yes()
    wait_until(field.still_allows)


def test_a_reader_that_cannot_hear_of_it_believes_nothing_any_more(
    field: Field, speechless: None
) -> None:
    """Its watch stands still, as if the process or PostgreSQL had been paused."""
    watch_task = field.portal.endpoint._tasks[0]
    field.portal.loop.call_soon_threadsafe(watch_task.cancel)
    committed = Writer(field.world.subject).commit()
    wait_until(lambda: time.monotonic() > committed + BOUND)

    assert not field.portal.believes_redis
    assert not field.still_allows()


def test_redis_that_hangs_delays_no_withdrawal(field: Field, database: Any) -> None:
    from consent import services

    field.redis.pause()
    try:
        took = []
        for act in [services.pause_capture, services.resume_capture] * 4:
            began = time.monotonic()
            act(subject=field.world.subject)
            took.append(time.monotonic() - began)
        rows = database.sql("SELECT count(*) FROM portal_unmarked")
    finally:
        field.redis.resume()

    assert rows == [(8,)]
    assert sorted(took)[len(took) // 2] < 2
    assert field.still_allows()


def test_with_redis_gone_the_first_answer_after_a_commit_denies(field: Field) -> None:
    field.redis.kill()
    field.portal.wait_for_fence(held=False)
    assert field.still_allows()

    Writer(field.world.subject).commit()

    assert not field.still_allows()


def test_before_anybody_read_from_redis_nothing_is_said_to_it(database: Any, settings: Any) -> None:
    from consent import services

    settings.REDIS_URL = "unix:///nonexistent/redis.sock"
    _anew()
    world = factories.make_world()
    services.pause_capture(subject=world.subject)

    assert database.sql("SELECT count(*) FROM portal_unmarked") == [(0,)]


# --- clocks --------------------------------------------------------------------------------------


def test_a_clock_that_jumps_moves_no_fence(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal.endpoint import serving, shortcut

    for ahead in (-86_400, 86_400):
        jumped = SimpleNamespace(time=lambda ahead=ahead: time.time() + ahead)
        wait_until(lambda: field.poll().status == 304 and _is_verified(field))
        for way in (serving, shortcut):
            monkeypatch.setattr(way, "time", jumped)
        assert field.portal.believes_redis
        said = field.poll()
        assert said.status == 200, "a policy of another time is no reason for a 304"
        monkeypatch.undo()
        field.tag = field.portal.poll(field.token).etag


def _is_verified(field: Field) -> bool:
    """Whether one question to Redis for the tally is all that a poll of the machine needs."""
    shared = field.portal.endpoint.shared
    return all(shared.standing.holds(kept) for kept in shared.kept.values())


def _forget_record(field: Field) -> None:
    client = field.redis.client()
    for key in client.keys(b"sayso:*:h:*"):
        client.delete(key)
    field.portal.endpoint.shared.kept.clear()
