"""A purpose that ends: where the law says how soon after it data must go, it goes by then."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import factories
from tests.integration.test_facts_held import hold, move, record, work

AFTER = timedelta(days=5)
"""In Korea; elsewhere here no law read says so."""
TERM = timedelta(days=60)


@pytest.fixture
def world(database: Any, store: Path) -> factories.World:
    """A purpose that may be asked about in Korea and in Ireland, and somebody in Korea."""
    world = factories.make_world("KR")
    factories.close_all_gates(world.purpose, "IE")
    world.say_yes()
    return world


def retire(world: factories.World) -> datetime:
    """End the purpose; return when it ended."""
    from consent.services.purposes import retire_purpose

    ended = retire_purpose(purpose=world.purpose, actor=factories.OFFICER).retired_at
    assert ended
    return ended.replace(microsecond=0)


def reopen(world: factories.World) -> None:
    from consent.services.purposes import reopen_purpose

    reopen_purpose(purpose=world.purpose, actor=factories.OFFICER)


def due(database: Any, subject: Any = None) -> list[tuple[datetime, datetime]]:
    """(captured, due) of each batch, in the order they came."""
    rows: list[tuple[datetime, datetime]] = database.sql(
        "SELECT captured_until, due_at FROM retention_batch"
        " WHERE %s::bigint IS NULL OR subject_id = %s ORDER BY recorded_at",
        subject and subject.pk,
        subject and subject.pk,
    )
    return rows


def test_what_is_held_goes_five_days_after_the_purpose_where_the_law_says_so(
    world: factories.World, database: Any
) -> None:
    elsewhere = world.another_subject("IE")
    factories.World(world.purpose, world.notice, world.apps, elsewhere, "IE").say_yes()
    record(factories.make_agent(world.subject))
    record(factories.make_agent(elsewhere))

    ended = retire(world)
    [(_, before), _] = due(database)
    work()

    [(_, here), (captured, there)] = due(database)
    assert before > here == ended + AFTER
    assert there == captured + TERM
    assert database.sql("SELECT count(*) FROM audit_entry WHERE type = 'batches.tightened'") == [
        (1,)
    ]


def test_a_shorter_term_of_its_own_stays(world: factories.World, database: Any) -> None:
    from consent.services.purposes import change_purpose

    change_purpose(purpose=world.purpose, fields={"retention_days": 3}, actor=factories.OFFICER)
    record(factories.make_agent(world.subject))

    retire(world)
    work()

    [(captured, ends)] = due(database)
    assert ends == captured + timedelta(days=3)


def test_asking_again_gives_no_day_back_and_what_comes_then_has_its_own_term(
    world: factories.World, database: Any
) -> None:
    agent = factories.make_agent(world.subject)
    record(agent)
    ended = retire(world)
    reopen(world)
    work()
    record(agent)
    work()

    [(_, first), (captured, second)] = due(database)
    assert first == ended + AFTER
    assert second == captured + TERM


def test_what_arrives_after_the_end_goes_by_then_as_well(
    world: factories.World, database: Any
) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    policy = services.issue_policy(agent=agent).policy
    now = datetime.now(UTC)
    ended = retire(world)
    move(world.subject, "IE")

    factories.hand_in(agent, policy, secrets.token_bytes(9), captured_from=now, captured_until=now)

    [(_, ends)] = due(database)
    assert ends == ended + AFTER, "captured under that law, whatever holds where they are now"


def test_a_hold_keeps_it_and_lets_only_that_go_of_somebody_who_moved(
    world: factories.World, database: Any
) -> None:
    from consent import services
    from consent.policy.types import Signal

    other = services.publish_purpose(
        code="other", title="Other", description="Goes on.", retention_days=40, position=2,
        actor=factories.OFFICER,
    )  # fmt: skip
    services.allow_in_purpose(
        purpose=other, app=world.apps["tracker"], signals=[Signal.MOUSE_CLICK],
        actor=factories.OFFICER,
    )  # fmt: skip
    for place in ("KR", "IE"):
        factories.close_all_gates(other, place)
    notice = services.publish_notice(
        purpose=other, texts={"en": ("Other", factories.sections())}, actor=factories.OFFICER,
        at=datetime(2024, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    services.give_consent(
        subject=world.subject, purpose="other", notice=notice, language="en",
        pairs=[services.Pair("tracker", Signal.MOUSE_CLICK)],
    )  # fmt: skip
    agent = factories.make_agent(world.subject)
    record(agent)
    record(agent, purpose="other")
    move(world.subject, "IE")
    work()
    hold(world.subject)

    ended = retire(world)
    work()
    assert [ends - captured for captured, ends in due(database)] == [TERM, timedelta(days=40)]
    hold(world.subject, lift=True)
    work()

    [(_, first), (captured, second)] = due(database)
    assert first == ended + AFTER
    assert second == captured + timedelta(days=40)


def test_whatever_happens_the_earliest_counts(world: factories.World, database: Any) -> None:
    """Against a model: somebody moves and records, the purpose ends and begins, workers come."""

    class Ends(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            reopen(world)
            self.subject = world.another_subject("IE")
            factories.World(world.purpose, world.notice, world.apps, self.subject, "IE").say_yes()
            self.agent = factories.make_agent(self.subject)
            self.place = "IE"
            self.ended: datetime | None = None
            self.expected: dict[UUID, datetime] = {}
            self.korean: set[UUID] = set()
            self.seen: dict[UUID, datetime] = {}

        @rule(to=st.sampled_from(["IE", "KR"]))
        def move(self, to: str) -> None:
            move(self.subject, to)
            self.place = to
            self.bring_forward(set(self.expected) if to == "KR" else set())

        @precondition(lambda self: self.ended is None)
        @rule()
        def record(self) -> None:
            batch = record(self.agent)
            self.expected[batch] = self.kept()[batch][0] + TERM
            self.korean |= {batch} if self.place == "KR" else set()

        @precondition(lambda self: self.ended is None)
        @rule()
        def end(self) -> None:
            self.ended = retire(world)
            self.bring_forward(set(self.expected) if self.place == "KR" else self.korean)

        @precondition(lambda self: self.ended is not None)
        @rule()
        def begin(self) -> None:
            reopen(world)
            self.ended = None

        @rule()
        def workers(self) -> None:
            work()
            assert {batch: ends for batch, (_, ends) in self.kept().items()} == self.expected

        @invariant()
        def only_ever_earlier(self) -> None:
            now = {batch: ends for batch, (_, ends) in self.kept().items()}
            assert all(now[batch] <= ends for batch, ends in self.seen.items())
            self.seen = now

        def bring_forward(self, batches: set[UUID]) -> None:
            if self.ended is not None:
                for batch in batches:
                    self.expected[batch] = min(self.expected[batch], self.ended + AFTER)

        def kept(self) -> dict[UUID, tuple[datetime, datetime]]:
            rows = database.sql(
                "SELECT uuid, captured_until, due_at FROM retention_batch WHERE subject_id = %s",
                self.subject.pk,
            )
            return {batch: (captured, ends) for batch, captured, ends in rows}

        def teardown(self) -> None:
            self.workers()

    run_state_machine_as_test(
        Ends,
        settings=settings(
            max_examples=10,
            stateful_step_count=9,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
