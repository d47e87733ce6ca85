"""Who is looked up with others is told the same as who is looked up alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from tests import factories
from tests.integration.polling import enrolled
from tests.integration.test_facts_at_once import under_way


def digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


@pytest.fixture
def asked(database: Any) -> list[Any]:
    """Looks of machines of every kind, and of tokens that nobody holds."""
    from consent import services
    from portal.endpoint.postgres import Look
    from portal.models import AgentToken

    world = factories.make_world()
    looks = [Look(digest("sat_nobodys"), 0, 0), Look(digest(""), 0, 0)]
    for kind in ("good", "unissued", "paused", "withdrawn", "revoked", "left", "ended"):
        world.subject = world.another_subject()
        world.say_yes()
        agent, token = enrolled(world.subject)
        if kind != "unissued":
            services.issue_policy(agent=agent)
        if kind == "paused":
            services.pause_capture(subject=world.subject)
        elif kind == "withdrawn":
            services.withdraw_consent(subject=world.subject, purpose="train-agents")
        elif kind == "revoked":
            services.revoke_agent(subject=world.subject, ref=str(agent.ref))
        elif kind == "left":
            services.record_departure(
                subject=world.subject,
                left_at=datetime.now(UTC),
                source="test",
                actor=factories.OFFICER,
            )
        elif kind == "ended":
            past = datetime.now(UTC) - timedelta(minutes=1)
            AgentToken.objects.filter(agent=agent).update(ends_at=past)
        looks.append(Look(digest(token), world.subject.pk, world.subject.cohort_id or 0))
    return looks


def test_together_they_are_told_what_each_is_told_alone(asked: list[Any]) -> None:
    from portal.endpoint import postgres

    together = postgres.look_many(asked)

    assert together == {one.digest: postgres.look_quietly(*one) for one in asked}
    assert len({repr(found) for _, found in together.values()}) >= 7
    digests = [one.digest for one in asked]
    assert postgres.look_plainly(digests) == {one: postgres.look(one) for one in digests}
    assert postgres.look_many(asked[:1]) == {asked[0].digest: together[asked[0].digest]}


def test_who_is_deciding_just_now_is_the_only_one_not_to_be_kept(asked: list[Any]) -> None:
    from consent import services
    from consent.models import Subject
    from portal.endpoint import postgres

    person = Subject.objects.get(pk=asked[2].subject)
    with under_way(lambda: services.withdraw_consent(subject=person, purpose="train-agents")):
        found = postgres.look_many(asked)

    assert [one for one in asked if not found[one.digest][0]] == [asked[2]]


def test_what_goes_wrong_with_one_is_told_to_that_one(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.endpoint import postgres

    real = postgres._seen

    def seen(token: bytes, row: Any) -> Any:
        if token == asked[3].digest:
            raise ValueError("broken")
        return real(token, row)

    monkeypatch.setattr(postgres, "_seen", seen)
    found = postgres.look_many(asked)

    assert [one for one in asked if isinstance(found[one.digest], Exception)] == [asked[3]]
