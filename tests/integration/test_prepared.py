"""Statements that are made once find what the ORM finds when it is asked anew."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction

from tests import factories
from tests.integration.polling import enrolled

ONCE_MADE = 15
"""So many there are at least: a loop over none would show nothing."""
NONE_HERE = {
    "consent.services.policies._TURNED",
    "consent.selectors.waivers._SAID",
    "consent.selectors.waivers._SAID_BY",
}
"""What finds nothing in this world: nobody's facts turn, and no period runs to be shortened."""


@pytest.fixture
def keys(database: Any) -> list[int]:
    """Return the numbers of people and of all else about them, and of nobody."""
    from consent import services
    from consent.models import Notice

    world = factories.make_world()
    for kind in ("said yes", "paused", "was paused", "forgot", "withdrew"):
        world.subject = world.another_subject()
        world.say_yes()
        services.acknowledge_notice(subject=world.subject, notice=Notice.objects.get())
        agent, _ = enrolled(world.subject)
        services.issue_policy(agent=agent)
        if kind in {"paused", "was paused"}:
            services.pause_capture(subject=world.subject)
        if kind == "was paused":
            services.resume_capture(subject=world.subject)
        elif kind == "forgot":
            services.forget_last(subject=world.subject, minutes=10)
        elif kind == "withdrew":
            services.withdraw_consent(subject=world.subject, purpose="train-agents")
    services.pull_kill_switch(purpose=None, by=uuid4(), role="operator", reason="other")
    return list(range(400))


def test_each_finds_what_the_orm_finds(keys: list[int]) -> None:
    from consent.models import Prepared
    from portal.policykeys import standing

    standing.ensure()
    made = {
        f"{module}.{name}": one
        for module, names in list(sys.modules.items())
        if module.startswith(("consent", "portal"))
        for name, one in vars(names).items()
        if isinstance(one, Prepared)
    }
    moments = [datetime.now(UTC) + timedelta(days=days) for days in (-8, 0, 8)]
    without = set(made)
    with transaction.atomic():
        for name, one in made.items():
            for moment in moments:
                rows = one.rows(keys, moment)
                assert sorted(rows, key=repr) == sorted(one.build(keys, moment), key=repr), name
                assert one.rows([], moment) == list(one.build([], moment)), name
                without -= {name} if rows else set()

    assert len(made) >= ONCE_MADE
    assert without <= NONE_HERE


def test_what_a_statement_asks_for_has_to_be_given(database: Any) -> None:
    from consent.models import Pause, Prepared

    of_keys = Prepared(lambda keys, _: Pause.objects.filter(subject__among=keys).values_list("pk"))
    since = Prepared(lambda _, at: Pause.objects.filter(started_at__gt=at).values_list("pk"))

    with pytest.raises(TypeError):
        of_keys.rows()
    with pytest.raises(TypeError):
        since.rows([1])
    assert of_keys.rows([1]) == since.rows(moment=datetime.now(UTC)) == []


def test_a_column_that_the_orm_would_convert_is_refused(database: Any) -> None:
    from consent.models import CohortPolicy, Prepared

    documents = Prepared(lambda keys, _: CohortPolicy.objects.values_list("pk", "document"))

    with pytest.raises(TypeError):
        documents.rows()
