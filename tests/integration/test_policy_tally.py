"""One question for all polls of a moment: what is verified stands until it is marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from tests import factories
from tests.integration.polling import enrolled
from tests.integration.serving import Served, request

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Asked:
    """A server, two people with a machine each, and what is asked of Redis for their polls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from portal.endpoint.wire import Wire

        self.one = factories.make_world()
        self.other = replace(self.one, subject=factories.make_subject("US-TX"))
        for world in (self.one, self.other):
            world.say_yes()
        self.served = Served("protocol")
        self.served.wait_for_fence()
        self.line = self.served.connect()
        self.commands: list[bytes] = []
        real = Wire.call

        def noted(wire: Wire, *command: Any) -> Any:
            if command[0] not in {"INFO", "AUTH", "SELECT"} and b"sayso:sequence" not in command:
                self.commands.append(command[0])
            return real(wire, *command)

        self.tokens = [enrolled(world.subject)[1] for world in (self.one, self.other)]
        self.tags = [self._first(token) for token in self.tokens]
        monkeypatch.setattr(Wire, "call", noted)

    def _first(self, token: str) -> str:
        self.line.send(request(token))
        tag = self.line.reply().headers["etag"]
        for _ in range(3):  # found, remembered, verified
            self.line.send(request(token, tag=tag))
            assert self.line.reply().status == 304
        return tag

    def poll(self, which: int = 0) -> tuple[int, list[bytes]]:
        """Poll with the tag of the beginning; return the status, and what was asked of Redis."""
        self.commands.clear()
        self.line.send(request(self.tokens[which], tag=self.tags[which]))
        return self.line.reply().status, list(self.commands)

    def close(self) -> None:
        self.line.close()
        self.served.close()


@pytest.fixture
def asked(database: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    from portal.endpoint import postgres

    settings.POLICY_BURST = 1_000_000
    postgres.buckets.cache_clear()
    made = Asked(monkeypatch)
    yield made
    made.close()


def client() -> redis.Redis:
    from django.conf import settings

    return redis.Redis.from_url(settings.REDIS_URL)


def keys(ending: str) -> list[Any]:
    return list(client().scan_iter(f"sayso:*:{ending}"))


def test_what_is_verified_costs_one_question_about_everything(asked: Asked) -> None:
    asked.poll()

    assert asked.poll() == (304, [b"GET"])
    assert asked.poll(1) == (304, [b"GET"])


def test_what_somebody_else_changes_costs_a_look_at_the_list_and_no_more(asked: Asked) -> None:
    from consent import services

    asked.poll()
    services.withdraw_consent(subject=asked.other.subject, purpose=asked.other.purpose.code)

    status, commands = asked.poll()
    assert (status, b"LRANGE" in commands, b"MGET" in commands) == (304, True, False)
    assert asked.poll() == (304, [b"GET"])


def test_what_the_person_changes_is_seen_by_the_next_poll(asked: Asked) -> None:
    from consent import services

    asked.poll()
    services.withdraw_consent(subject=asked.one.subject, purpose=asked.one.purpose.code)

    assert asked.poll()[0] == 200


def test_more_changes_than_the_list_holds_cost_one_verification(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint import marks, record

    monkeypatch.setattr(record, "MOST_MARKS", 2)
    asked.poll()
    for _ in range(4):
        marks.outdate(asked.other.subject.pk)

    assert asked.poll()[0] == 304  # by the long way, which verifies it as well
    assert asked.poll() == (304, [b"GET"])


@pytest.mark.parametrize("endings", [["tally"], ["marks"], ["tally", "marks"]])
def test_what_redis_evicts_of_it_is_made_anew(asked: Asked, endings: list[str]) -> None:
    from portal.endpoint import marks

    marks.outdate(asked.other.subject.pk)
    asked.poll()
    for ending in endings:
        client().delete(*keys(ending))

    for _ in range(3):
        assert asked.poll()[0] == 304
    marks.outdate(asked.one.subject.pk)
    status, commands = asked.poll()
    assert (status, commands == [b"GET"]) == (304, False)


def test_a_change_after_everything_was_evicted_is_seen(asked: Asked) -> None:
    from consent import services

    asked.poll()
    client().delete(*keys("tally"))
    services.withdraw_consent(subject=asked.one.subject, purpose=asked.one.purpose.code)

    assert asked.poll()[0] == 200


def test_a_mark_that_a_reader_makes_for_its_writer_is_heard_of(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer cannot reach Redis; the row it leaves is marked by the next look at the fence."""
    from consent import services
    from portal.endpoint import marks
    from tests.integration.serving import wait_until

    asked.poll()
    monkeypatch.setattr(marks._Speaker, "mark", lambda *_: False)
    services.withdraw_consent(subject=asked.one.subject, purpose=asked.one.purpose.code)

    wait_until(lambda: asked.poll()[0] == 200)


def test_the_mark_leaves_a_trace_with_every_name(asked: Asked) -> None:
    from portal.endpoint import marks, record

    marks.outdate(asked.one.subject.pk)
    epoch = asked.served.shared.watch.epoch
    listed = client().lrange(record.marks_key(epoch), 0, -1)
    newest = record.unpack_mark(listed[0])

    assert newest.after == client().get(record.tally_key(epoch))
    assert newest.names == [record.subject_key(asked.one.subject.pk)]


def test_what_is_read_again_and_is_the_same_is_kept_as_it_was(database: Any) -> None:
    from portal.endpoint.answer import Known
    from portal.endpoint.record import Nonces
    from portal.endpoint.source import Shared

    shared, nonces = Shared(), Nonces(b"s", b"c")
    shared.remember(b"d", Known(1, 2, 3), nonces)
    kept = shared.kept[b"d"]
    shared.recognise(b"poll", b"d", kept)

    shared.remember(b"d", Known(1, 2, 3), Nonces(b"s", b"c"))
    assert shared.kept[b"d"] is kept
    assert shared.polls[b"poll"] is kept

    shared.remember(b"d", Known(1, 2, 3), Nonces(b"other", b"c"))
    assert shared.kept[b"d"] is not kept
    assert b"poll" not in shared.polls
    shared.close()
