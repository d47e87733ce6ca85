"""The policy endpoint under ASGI: what it answers, from where, and that the plain view agrees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factories
from tests.integration.fault import Relay, postgres_relay
from tests.integration.polling import Portal, Said, enrolled, wait_until

PLENTY = 1_000_000
# A thread that ends leaves its connection to the collector; a server's pool would take it back.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
GENERAL = (
    "etag",
    "cache-control",
    "vary",
    "content-type",
    "retry-after",
    "www-authenticate",
    "x-content-type-options",
    "content-security-policy",
    "referrer-policy",
)


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    settings.POLICY_BURST = PLENTY
    _fresh_buckets()
    return factories.make_world()


@pytest.fixture
def portal_without_redis(world: Any, settings: Any) -> Iterator[Portal]:
    settings.REDIS_URL = "unix:///nonexistent/redis.sock"
    running = Portal()
    yield running
    running.close()


@pytest.fixture
def token(world: factories.World) -> str:
    world.say_yes()
    return enrolled(world.subject)[1]


def _fresh_buckets() -> None:
    from portal.endpoint import postgres

    postgres.buckets.cache_clear()


def warm(portal: Portal, token: str) -> Said:
    """Poll until the answer comes from Redis."""
    said = portal.poll(token)
    assert said.status == 200
    assert portal.poll(token, said.etag).status == 304
    return said


def forbid_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    from portal.endpoint import postgres

    def asked(*_: Any) -> Any:
        raise AssertionError("PostgreSQL was asked")

    for name in ("look", "look_quietly", "issue_many"):
        monkeypatch.setattr(postgres, name, asked)


# --- from Redis ----------------------------------------------------------------------------------


def test_an_unchanged_policy_is_answered_from_redis_alone(
    portal: Portal, token: str, monkeypatch: pytest.MonkeyPatch, database: Any
) -> None:
    first = warm(portal, token)
    entries = database.sql("SELECT count(*) FROM audit_entry")
    forbid_postgres(monkeypatch)

    again = portal.poll(token, first.etag)
    whole = portal.poll(token)

    assert (again.status, again.body, again.etag) == (304, b"", first.etag)
    assert (whole.status, whole.body, whole.etag) == (200, first.body, first.etag)
    assert database.sql("SELECT count(*) FROM audit_entry") == entries


def test_another_process_answers_from_what_the_first_one_kept(
    portal: Portal, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = warm(portal, token)
    another = Portal()
    another.wait_for_fence()
    forbid_postgres(monkeypatch)

    try:
        assert another.poll(token, first.etag).status == 304
        assert another.poll(token).body == first.body
    finally:
        another.close()


def test_an_older_policy_never_replaces_a_newer_one(
    portal: Portal, token: str, world: factories.World
) -> None:
    """Two processes issue at once, and the one with the older policy is the later to keep it."""
    from consent import services

    first = warm(portal, token)
    services.pause_capture(subject=world.subject)
    newer = portal.poll(token)
    shared = portal.endpoint.shared

    async def keep_the_older() -> None:
        from portal.endpoint.source import FastSource

        source = FastSource(shared)
        digest = _digest(token)
        known = await source.look(digest, time.time(), None)
        version = int(first.etag.strip('"').split(".")[0])
        source._keep(digest, known._replace(version=version, etag=first.etag), first.body)

    portal.do(keep_the_older())

    assert newer.etag != first.etag
    assert portal.poll(token).etag == newer.etag


def test_a_broken_record_in_redis_is_not_believed(
    portal: Portal, token: str, settings: Any
) -> None:
    import redis

    first = warm(portal, token)
    client = redis.Redis.from_url(settings.REDIS_URL)
    for key in client.keys(b"sayso:*:h:*"):
        client.set(key, b"nonsense")

    assert portal.poll(token, first.etag).status == 304


def _digest(token: str) -> bytes:
    import hashlib

    return hashlib.sha256(token.encode()).digest()


# --- who is asking -------------------------------------------------------------------------------


def test_a_token_that_is_revoked_is_cut_off_at_once(
    portal: Portal, token: str, world: factories.World
) -> None:
    from consent import services
    from consent.models import Agent

    first = warm(portal, token)
    services.revoke_agent(subject=world.subject, ref=str(Agent.objects.get().ref))

    refused = portal.poll(token, first.etag)

    assert (refused.status, b"agent_revoked" in refused.body) == (403, True)


def test_who_has_left_is_cut_off_also_when_the_day_was_known_before(
    portal: Portal, world: factories.World, database: Any
) -> None:
    from consent import services

    world.say_yes()
    _, token = enrolled(world.subject)
    leaves = datetime.now(UTC) + timedelta(seconds=4)
    services.record_departure(
        subject=world.subject, left_at=leaves, source="test", actor=factories.OFFICER
    )
    first = portal.poll(token)
    assert first.document["lease_until"] <= leaves.timestamp()
    wait_until(lambda: datetime.now(UTC) > leaves)

    refused = portal.poll(token, first.etag)

    assert (refused.status, b"person_departed" in refused.body) == (403, True)


@pytest.mark.parametrize("way", ["portal", "portal_without_redis"])
def test_who_leaves_is_cut_off_at_the_next_request_whatever_was_kept(
    way: str, request: pytest.FixtureRequest, token: str, world: factories.World
) -> None:
    from consent import services

    portal = request.getfixturevalue(way)
    first = warm(portal, token)

    services.record_departure(
        subject=world.subject,
        left_at=datetime.now(UTC),
        source="test",
        actor=factories.OFFICER,
    )
    refused = portal.poll(token, first.etag)

    assert (refused.status, b"person_departed" in refused.body) == (403, True)
    services.record_return(subject=world.subject, source="test", actor=factories.OFFICER)
    again = portal.poll(token, first.etag)
    assert (again.status, b"agent_revoked" in again.body) == (403, True)


@pytest.mark.parametrize("token", [None, "", "sat_", "sat_nobodys", "other", "sat_\u00e9"])
@pytest.mark.usefixtures("world")
def test_a_stranger_is_refused_with_a_next_step(portal: Portal, token: str | None) -> None:
    refused = portal.poll(token)

    assert refused.status == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert b"next_step" in refused.body


def test_an_agent_that_asks_too_often_is_told_how_long_to_wait(portal: Portal, token: str) -> None:
    from portal.endpoint.limits import Buckets

    first = warm(portal, token)
    portal.endpoint.shared.buckets = Buckets(2)
    portal.endpoint.shared.kept.clear()

    # One question a second is what refills it: on however slow a machine, several at once are more.
    many = [portal.begin(token, first.etag) for _ in range(20)]
    answers = [asked.result(40) for asked in many]

    refused = next(said for said in answers if said.status != 304)
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert b"too_many_requests" in refused.body


def test_what_an_agent_took_stays_taken_when_it_is_forgotten(
    portal: Portal, world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint import shortcut, source
    from portal.endpoint.limits import Buckets

    shared = portal.endpoint.shared
    shared.buckets = Buckets(3)
    monkeypatch.setattr(source, "MOST_KEPT", 2)
    for module in (source, shortcut):  # no second passes, so none is filled up meanwhile
        monkeypatch.setattr(module, "monotonic", lambda: 1000.0)
    tokens = [enrolled(world.another_subject())[1] for _ in range(3)]
    for token in tokens:
        warm(portal, token)  # two of its three; the third one's leave no room for the first

    statuses = [portal.poll(tokens[0]).status for _ in range(3)]

    assert statuses == [200, 429, 429]
    assert set(shared.buckets._held) == set(shared.kept)
    assert len(shared.kept) <= 2


# --- without one of the servers ------------------------------------------------------------------


def test_without_redis_postgres_answers(
    portal_without_redis: Portal, token: str, world: factories.World
) -> None:
    from consent import services

    first = portal_without_redis.poll(token)
    assert first.allows
    assert portal_without_redis.poll(token, first.etag).status == 304

    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    after = portal_without_redis.poll(token, first.etag)

    assert (after.status, after.allows) == (200, False)


@pytest.fixture
def cut_off(world: Any) -> Iterator[tuple[Portal, Relay]]:
    """A portal whose way to PostgreSQL can be cut."""
    from django.db import connections

    relay = postgres_relay()
    host = connections.settings["default"]["HOST"]
    connections.settings["default"]["HOST"] = str(relay.folder)
    running = Portal()
    running.wait_for_fence()
    yield running, relay
    connections.settings["default"]["HOST"] = host
    running.close()
    relay.close()


def test_without_postgres_nothing_is_answered_that_is_not_provably_current(
    cut_off: tuple[Portal, Relay], token: str
) -> None:
    portal, relay = cut_off
    first = warm(portal, token)

    relay.cut()
    cut = time.monotonic()
    statuses, asked = [], 0.0
    while asked < 1.5:
        asked = time.monotonic() - cut
        statuses.append((asked, portal.poll(token, first.etag).status))
        time.sleep(0.02)
    refused = portal.poll(token)
    relay.heal()
    portal.wait_for_fence()

    late = {status for after, status in statuses if after > 1.0}
    assert late == {503}
    assert {status for _, status in statuses} == {304, 503}
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    assert b"database_unavailable" in refused.body
    assert portal.poll(token, first.etag).status == 304


def test_more_questions_than_postgres_can_answer_are_turned_away(
    portal_without_redis: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint import source

    monkeypatch.setattr(source, "MOST_LOOKING", 2)
    polls = [portal_without_redis.begin(f"sat_nobodys{number}") for number in range(24)]
    answers = [poll.result(30) for poll in polls]

    busy = [said for said in answers if said.status == 503]
    assert {said.status for said in answers} == {401, 503}
    assert all(b"too_busy" in said.body for said in busy)


# --- the view and ASGI agree ---------------------------------------------------------------------


@dataclass
class Clocks:
    """The clock of both, which a test may move ahead."""

    ahead: float = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


@dataclass
class Story:
    """One person, one agent, and what was said so far."""

    world: factories.World
    portal: Portal
    clocks: Clocks
    subject: Any = None
    agent: Any = None
    token: str = ""
    tags: list[str] = field(default_factory=list)

    def begin(self) -> None:
        self.subject = self.world.another_subject()
        self.agent, self.token = enrolled(self.subject)

    def yes(self) -> None:
        from consent import services
        from consent.policy.types import Signal

        services.give_consent(
            subject=self.subject,
            purpose="train-agents",
            notice=self.world.notice,
            pairs=[services.Pair("tracker", Signal.MOUSE_CLICK)],
            language="en",
        )

    def withdraw(self) -> None:
        from consent import services

        services.withdraw_consent(subject=self.subject, purpose="train-agents")

    def pause(self) -> None:
        from consent import services

        services.pause_capture(subject=self.subject)

    def resume(self) -> None:
        from consent import services

        services.resume_capture(subject=self.subject)

    def stop_all(self) -> None:
        from consent import services

        switch = services.pull_kill_switch(
            purpose=None, by=UUID(int=101), role="operator", reason="incident"
        )
        self.compare(-1, None)
        for officer in (102, 103):
            services.release_kill_switch(
                switch=switch.uuid, officer=factories.make_officer(UUID(int=officer))
            )

    def revoke(self) -> None:
        from consent import services

        services.revoke_agent(subject=self.subject, ref=str(self.agent.ref))

    def later(self) -> None:
        self.clocks.ahead += 300

    def compare(self, named: int | None, form: str | None, token: str | None = None) -> None:
        """Ask both the same, the one first that the form's length happens to say."""
        tag = self.tags[named % len(self.tags)] if self.tags and named is not None else None
        tag = form.format(tag) if tag and form else tag
        ways = [self.by_view, self.by_asgi]
        if len(self.tags) % 2:
            ways.reverse()
        first, second = (way(token or self.token, tag) for way in ways)

        assert first.status == second.status, (first, second)
        for name in GENERAL:
            assert first.headers.get(name) == second.headers.get(name), name
        assert first.body == second.body
        if first.status == 200:
            document = first.document
            assert document["iat"] <= self.clocks.time() < document["lease_until"]
            self.tags.append(first.etag)

    def by_view(self, token: str, tag: str | None) -> Said:
        from portal.endpoint.view import poll

        said = poll(token, tag, None)
        headers = {name.decode(): value.decode() for name, value in said.headers}
        return Said(said.status, headers, said.body)

    def by_asgi(self, token: str, tag: str | None) -> Said:
        return self.portal.poll(token, tag)


HIGHER = '"9999999999999.1-1.1.1"'
CHANGES = ("yes", "withdraw", "pause", "resume", "later", "stop_all", "revoke")
polls = st.tuples(
    st.none() | st.integers(-3, 3),
    st.sampled_from([None, "W/{0}", '"x", {0}', "{0} ", "nothing", HIGHER]),
)
steps = st.lists(st.sampled_from(CHANGES[:-1]) | polls, min_size=3, max_size=9)


def agree(story: Story, told: list[Any], last: Any) -> None:
    story.begin()
    for step in ["yes", (None, None), (-1, None), *told, last, (-1, None)]:
        if isinstance(step, str):
            getattr(story, step)()
        else:
            story.compare(*step)
    story.compare(None, None, "sat_nobodys")
    assert story.agent.policies.count() == len(set(story.tags))


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    from portal.endpoint import serving, view

    moved = Clocks()
    clock = SimpleNamespace(time=moved.time, monotonic=time.monotonic)
    monkeypatch.setattr(serving, "time", clock)
    monkeypatch.setattr(view, "time", clock)
    return moved


@pytest.mark.parametrize("way", ["portal", "portal_without_redis"])
def test_the_view_and_asgi_say_the_same_whatever_happened(
    way: str, world: factories.World, clocks: Clocks, request: pytest.FixtureRequest
) -> None:
    portal = request.getfixturevalue(way)

    @settings(
        max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(steps, st.sampled_from(CHANGES))
    def holds(told: list[Any], last: str) -> None:
        agree(Story(world, portal, clocks), told, last)

    holds()


def test_the_view_behind_django_says_it_too(world: factories.World, token: str) -> None:
    from django.test import Client

    def get(tag: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"} | ({"If-None-Match": tag} if tag else {})
        return Client().get("/api/v1/policy", headers=headers)

    first = get()
    second = get(first["ETag"])

    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")
    assert second["ETag"] == first["ETag"]
    assert first["Policy-Poll"] == "jitter=0.2"
    assert first["Cache-Control"] == "private, no-cache"


def test_what_the_look_calls_in_force_is_what_the_service_calls_so(
    world: factories.World, token: str
) -> None:
    from consent import services
    from consent.models import Agent
    from portal.endpoint import postgres

    agent = Agent.objects.get()

    def agree(at: datetime) -> bool:
        known = postgres.look(_digest(token))
        in_force = factories.policy_in_force(agent, at) is not None
        assert known.is_in_force(at.timestamp()) is in_force
        return in_force

    now = datetime.now(UTC)
    answers = [agree(now)]
    policy = services.issue_policy(agent=agent, at=now).policy
    half = policy.issued_at + (policy.lease_until - policy.issued_at) / 2
    answers += [agree(at) for at in (policy.issued_at, half - timedelta(seconds=1), half)]
    services.pause_capture(subject=world.subject)
    answers.append(agree(now + timedelta(seconds=1)))

    assert answers == [False, True, True, False, False]
