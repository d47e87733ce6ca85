"""Asking issues nothing: who has a policy in force gets that one, however and however often."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests import factories
from tests.integration.polling import Portal, enrolled
from tests.setup.installation import eventually

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
MADE_UP = '"9999999999999.1-1.1.1"'


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    from portal.endpoint import postgres

    settings.POLICY_BURST = 1_000_000
    postgres.buckets.cache_clear()
    return factories.make_world()


@pytest.fixture
def machine(world: factories.World) -> tuple[Any, str]:
    world.say_yes()
    return enrolled(world.subject)


def asked(method: str, token: str, tag: str = "", address: str = "/api/v1/policy") -> Any:
    headers = {"Authorization": f"Bearer {token}"} | ({"If-None-Match": tag} if tag else {})
    return getattr(Client(), method)(address, headers=headers)


def issued(agent: Any) -> int:
    """How many policies there are; each has its entry in the ledger, the database sees to that."""
    count: int = agent.policies.count()
    return count


def test_the_plain_view_says_the_same_bytes_however_it_is_asked(machine: Any) -> None:
    agent, token = machine
    first = asked("get", token)
    ways = [("", "/api/v1/policy"), (MADE_UP, "/api/v1/policy"), ("", "/api/v1/policy?x=1")]

    said = [asked("get", token, tag, address) for tag, address in ways for _ in range(2)]

    assert {(one.status_code, one.content, one["ETag"]) for one in said} == {
        (200, first.content, first["ETag"])
    }
    assert issued(agent) == 1


def test_a_head_names_the_policy_in_force_and_issues_none(
    machine: Any, world: factories.World
) -> None:
    from consent import services

    agent, token = machine
    before = asked("head", token)
    first = asked("get", token)
    there, known = asked("head", token), asked("head", token, first["ETag"])
    services.pause_capture(subject=world.subject)
    changed = asked("head", token, first["ETag"])

    assert [one.status_code for one in (before, there, known, changed)] == [200, 200, 304, 200]
    assert [one.get("ETag") for one in (before, there, changed)] == [None, first["ETag"], None]
    assert there["Content-Type"] == first["Content-Type"]
    assert asked("head", "sat_nobodys").status_code == 401
    assert issued(agent) == 1


def test_what_redis_lost_is_said_again_and_not_issued_anew(
    portal: Portal, machine: Any, settings: Any
) -> None:
    import redis

    agent, token = machine
    first = portal.poll(token)
    client = redis.Redis.from_url(settings.REDIS_URL)
    of_the_token = b"*:b:" + re.sub(rb"([][*?^\\-])", rb"\\\1", sha256(token.encode()).digest())
    eventually(lambda: list(client.scan_iter(match=of_the_token)), what="an answer kept")
    bodies = list(client.scan_iter(match=of_the_token))
    client.delete(*bodies)

    again = portal.poll(token)

    assert len(bodies) == 1
    assert (again.status, again.body, again.etag) == (200, first.body, first.etag)
    eventually(lambda: client.exists(*bodies), what="kept for the next")  # nobody waits for that
    assert issued(agent) == 1


def test_after_half_of_its_lease_and_after_any_change_another_is_issued(
    machine: Any, world: factories.World
) -> None:
    from consent import services
    from consent.models import Agent

    agent = Agent.objects.get()
    now = datetime.now(UTC)
    policy = services.issue_policy(agent=agent, at=now).policy
    half = policy.issued_at + (policy.lease_until - policy.issued_at) / 2

    def again(at: datetime) -> Any:
        from django.db import transaction

        with transaction.atomic():
            return services.policy_again(agent=agent, at=at, since=LONG_AGO)

    fresh = [again(at) is not None for at in (policy.issued_at, half - timedelta(seconds=1))]
    late = [again(at) for at in (policy.issued_at - timedelta(seconds=1), half)]
    services.pause_capture(subject=world.subject)

    assert fresh == [True, True]
    assert late == [None, None]
    assert again(now) is None


def test_a_document_that_would_differ_is_not_said_under_the_same_version(
    machine: Any, settings: Any
) -> None:
    agent, token = machine
    first = asked("get", token)
    settings.BATCH_BYTES_LIMIT += 1

    other = asked("get", token)

    assert other["ETag"] != first["ETag"]
    assert issued(agent) == 2
    assert asked("get", token).content == other.content
    assert issued(agent) == 2


def test_a_rule_change_that_reaches_the_cohort_has_another_issued(
    machine: Any, world: factories.World
) -> None:
    from consent import services
    from consent.policy.types import AppCategory

    agent, token = machine
    first = asked("get", token)
    services.report_app(
        app=world.apps["tracker"],
        suspected=AppCategory.HEALTH,
        reporter=UUID(int=1),
        actor=factories.OFFICER,
    )

    assert asked("get", token).content != first.content
    assert issued(agent) == 2


def test_many_who_ask_at_once_leave_one_policy(machine: Any, portal: Portal) -> None:
    agent, token = machine

    said = [one.result(40) for one in [portal.begin(token, MADE_UP) for _ in range(8)]]

    assert len({one.body for one in said}) == 1
    assert issued(agent) == 1


def test_said_again_it_is_the_same_to_the_last_byte_whatever_stands(
    world: factories.World, database: Any
) -> None:
    """Strikes, choices, pauses, hours: whatever the document says, it can be made anew."""
    from django.db import transaction

    from consent import services
    from consent.policy.types import Signal

    acts = st.lists(st.sampled_from(["yes", "withdraw", "pause", "resume", "forget"]), max_size=6)

    @hypothesis_settings(
        max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(acts, st.integers(0, 400))
    def same(done: list[str], later: int) -> None:
        subject = world.another_subject()
        agent = factories.make_agent(subject)
        act = {
            "yes": lambda: services.give_consent(
                subject=subject,
                purpose="train-agents",
                notice=world.notice,
                pairs=[services.Pair("tracker", Signal.MOUSE_CLICK)],
                language="en",
            ),
            "withdraw": lambda: services.withdraw_everything(subject=subject),
            "pause": lambda: services.pause_capture(subject=subject),
            "resume": lambda: services.resume_capture(subject=subject),
            "forget": lambda: services.forget_last(subject=subject, minutes=3),
        }
        for one in done:
            act[one]()
        lease = services.issue_policy(agent=agent)
        with transaction.atomic():
            again = services.policy_again(
                agent=agent,
                at=lease.policy.issued_at + timedelta(seconds=later),
                since=LONG_AGO,
            )

        assert again is not None
        assert (again.payload, again.policy) == (lease.payload, lease.policy)

    same()


@pytest.mark.parametrize("back", [timedelta(0), timedelta(milliseconds=1), timedelta(days=400)])
def test_versions_rise_also_where_the_clock_stands_still_or_falls_back(
    machine: Any, back: timedelta
) -> None:
    """Agents refuse a version that is not higher: after a clock was set back nobody could stop."""
    from consent import services

    agent, _ = machine
    now = datetime.now(UTC)

    versions = [
        services.issue_policy(agent=agent, at=at).policy.version
        for at in (now, now - back, now - 2 * back, now)
    ]

    assert versions == sorted(set(versions))
    assert versions[0] == int(now.timestamp() * 1000)
