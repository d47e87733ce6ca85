"""Where exactly a batch is still let in, and where it is not any more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from tests import factories

INSTANT = timedelta(microseconds=1)


@pytest.fixture
def agent(database: Any) -> Any:
    world = factories.make_world()
    world.say_yes()
    return factories.make_agent(world.subject)


def objections(agent: Any, policy: Any, **differs: Any) -> list[str]:
    from retention.services.judgement import objections

    return objections(agent, policy, factories.manifest_for(policy, b"x", **differs))


def test_a_batch_may_end_with_its_lease_and_begin_with_its_policy(agent: Any) -> None:
    policy = factories.make_policy(agent, ago=timedelta(minutes=40))
    begins, ends = policy.issued_at, policy.lease_until

    def outside(since: Any, until: Any) -> bool:
        found = objections(agent, policy, captured_from=since, captured_until=until)
        return "outside_the_lease" in found

    assert not objections(agent, policy, captured_from=begins, captured_until=ends)
    assert outside(begins, ends + INSTANT)
    assert outside(begins - INSTANT, ends)
    assert outside(ends, ends), "a policy says nothing about the instant at which its lease ends"


def test_a_batch_may_be_as_large_as_the_limit(agent: Any) -> None:
    policy = factories.make_policy(agent)

    assert not objections(agent, policy, bytes=settings.BATCH_BYTES_LIMIT)
    larger = objections(agent, policy, bytes=settings.BATCH_BYTES_LIMIT + 1)
    assert larger == ["batch_too_large"]
