"""A poll that came before, to the byte: what was read of it holds, all else is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factories
from tests.integration.polling import enrolled
from tests.integration.serving import Line, Served, both_ways, request

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

PEOPLE = 3
FORMS: list[dict[str, Any]] = [
    {},
    {"more": ("Accept: */*",)},
    {"more": ("X-Other: 1",)},  # no plain poll: the server's own parser reads it
    {"prefer": "wait=0"},
]
acts = st.one_of(
    # Mostly the same poll again, on one line that many share.
    st.tuples(
        st.just("poll"), st.integers(0, PEOPLE - 1), st.sampled_from(FORMS), st.integers(1, 3)
    ),
    st.tuples(st.sampled_from(["pause", "resume", "withdraw", "yes"]), st.integers(0, PEOPLE - 1)),
)


@pytest.fixture
def both(database: Any, settings: Any) -> Iterator[dict[str, Served]]:
    from portal.endpoint import postgres

    settings.POLICY_BURST = 1_000_000
    postgres.buckets.cache_clear()
    with both_ways() as running:
        yield running


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def revision(subject: Any) -> int:
    from consent.models import PersonalPolicy

    return PersonalPolicy.objects.get(subject=subject).revision


class Story:
    """What several people's machines ask on one connection, while the people change their minds."""

    def __init__(self, both: dict[str, Served], world: factories.World) -> None:
        self.lines = {way: one.connect() for way, one in both.items()}
        self.world = world
        self.subjects, self.tokens, self.tags = [], [], [""] * PEOPLE
        self.outdated: set[str] = set()
        """Tags of policies that are not in force any more."""
        for _ in range(PEOPLE):
            subject = world.another_subject()
            self.subjects.append(subject)
            self.tokens.append(enrolled(subject)[1])
        for who in range(PEOPLE):
            self.poll(who, {}, 3)  # by then what stands for them is remembered

    def poll(self, who: int, form: dict[str, Any], times: int) -> None:
        for _ in range(times):
            said = []
            for line in self.lines.values():
                line.send(request(self.tokens[who], tag=self.tags[who], **form))
                said.append(line.reply())
            assert said[0].status == said[1].status
            assert said[0].headers["etag"] == said[1].headers["etag"]
            assert said[0].body == said[1].body
            assert said[0].headers["etag"] not in self.outdated
            self.tags[who] = said[0].headers["etag"]

    def change(self, act: str, who: int) -> None:
        from consent import services

        subject = self.subjects[who]
        before = revision(subject)
        match act:
            case "pause":
                services.pause_capture(subject=subject)
            case "resume":
                services.resume_capture(subject=subject)
            case "withdraw":
                services.withdraw_consent(subject=subject, purpose="train-agents")
            case _:
                self.world.subject = subject
                self.world.say_yes_again()
        if revision(subject) > before:  # a second pause is none
            self.outdated.add(self.tags[who])

    def close(self) -> None:
        for line in self.lines.values():
            line.close()


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(story=st.lists(acts, min_size=6, max_size=24))
def test_machines_that_share_a_connection_hear_each_their_own(
    both: dict[str, Served], world: factories.World, story: list[Any]
) -> None:
    told = Story(both, world)
    try:
        for act, who, *form in story:
            if act == "poll":
                told.poll(who, *form)
            else:
                told.change(act, who)
    finally:
        told.close()


@pytest.fixture
def line(both: dict[str, Served]) -> Iterator[Line]:
    made = both["protocol"].connect()
    yield made
    made.close()


def known(line: Line, token: str) -> bytes:
    """A poll that was answered twice, so that the next one repeats it."""
    line.send(request(token))
    poll = request(token, tag=line.reply().headers["etag"])
    for _ in range(2):
        line.send(poll)
        assert line.reply().status == 304
    return poll


def named(poll: bytes) -> str:
    """The tag in a poll of `known`."""
    return poll.decode().split(": ")[-1].strip()


def test_between_two_that_repeat_comes_one_read_by_the_server(
    line: Line, world: factories.World
) -> None:
    mine = known(line, enrolled(world.another_subject())[1])
    theirs = enrolled(world.another_subject())[1]
    tag = named(known(line, theirs))
    for _ in range(2):  # by then what stands for them is remembered
        line.send(mine)
        assert line.reply().headers["etag"] == named(mine)
        line.send(request(theirs, tag=tag, more=("X-Other: 1",)))
        assert line.reply().headers["etag"] == tag

    line.send(mine)
    said = line.reply()

    assert (said.status, said.headers["etag"]) == (304, named(mine))


def test_it_is_known_on_any_connection_and_not_read_again(
    both: dict[str, Served], line: Line, world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint import protocol

    poll = known(line, enrolled(world.another_subject())[1])
    other = both["protocol"].connect()

    def read(_: bytes) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr(protocol, "recognised", read)
    other.send(poll)
    status = other.reply().status
    other.close()

    assert status == 304


def test_one_poll_is_known_of_each_machine_and_none_of_who_is_cut_off(
    both: dict[str, Served], line: Line, world: factories.World
) -> None:
    from consent import services

    agent, token = enrolled(world.another_subject())
    polls = both["protocol"].shared.polls
    first = known(line, token)
    assert set(polls) == {first}

    line.send(first.replace(b"\r\n\r\n", b"\r\nAccept: */*\r\n\r\n"))
    line.reply()
    assert len(polls) == 1
    services.pause_capture(subject=agent.subject)
    second = known(line, token)
    assert set(polls) == {second}

    services.revoke_agent(subject=agent.subject, ref=str(agent.ref))
    line.send(second)
    assert (line.reply().status, set(polls)) == (403, set())


def test_who_names_nothing_is_brought_the_policy_each_time(
    line: Line, world: factories.World
) -> None:
    token = enrolled(world.another_subject())[1]
    known(line, token)

    for _ in range(3):
        line.send(request(token))
        said = line.reply()
        assert (said.status, said.body.count(b".")) == (200, 2)


def test_who_asks_to_wait_waits_each_time(line: Line, world: factories.World) -> None:
    token = enrolled(world.another_subject())[1]
    tag = named(known(line, token))

    for _ in range(2):
        line.send(request(token, tag=tag, prefer="wait=1"))
        assert line.reply().headers["preference-applied"] == "wait=1"


def test_who_is_taken_off_the_list_is_cut_at_the_next_repeat(
    line: Line, world: factories.World
) -> None:
    from consent import services

    agent, token = enrolled(world.another_subject())
    poll = known(line, token)

    services.revoke_agent(subject=agent.subject, ref=str(agent.ref))
    line.send(poll)

    assert line.reply().status == 403


def test_every_repeat_is_counted(
    both: dict[str, Served], world: factories.World, settings: Any
) -> None:
    from portal.endpoint.limits import Buckets

    line = both["protocol"].connect()
    poll = known(line, enrolled(world.another_subject())[1])
    shared = both["protocol"].shared
    (kept,) = [kept for kept in shared.kept.values() if kept.poll == poll]
    shared.buckets = Buckets(3)
    kept.bucket = shared.buckets.hold(kept.digest)

    said = []
    for _ in range(5):
        line.send(poll)
        said.append(line.reply().status)
    line.close()

    assert said == [304, 304, 304, 429, 429]


def test_without_the_fence_a_repeat_is_answered_by_postgresql(
    both: dict[str, Served], world: factories.World
) -> None:
    line = both["protocol"].connect()
    poll = known(line, enrolled(world.another_subject())[1])
    watch = both["protocol"].shared.watch
    believed = watch.usable

    watch.usable = lambda: None
    line.send(poll)
    status = line.reply().status
    watch.usable = believed
    line.close()

    assert status == 304
