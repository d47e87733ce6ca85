"""What is held takes the stricter of old and new: after a move, an agreement, a change of rules."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests import factories

TODAY = datetime.now(UTC).date()
DAYS = {"IE": 60, "GB": 10, "FR": 20}
"""How long clicks may be kept: by the purpose, and by an agreement in two of the places."""


@pytest.fixture
def world(database: Any, store: Path) -> factories.World:
    """A purpose that may be asked about in three places, of which two keep less long."""
    world = factories.make_world("IE")
    for place in ("GB", "FR"):
        factories.close_all_gates(world.purpose, place)
        agree(f"{place}-1", place, DAYS[place])
    world.say_yes()
    return world


def agree(code: str, place: str, days: int | None, **differs: Any) -> Any:
    from consent import services
    from consent.models import Agreement

    values = {
        "code": code,
        "title": "Agreement",
        "parties": "both",
        "jurisdictions": [place],
        "retention_cap_days": days,
        "valid_from": factories.LONG_AGO,
        "document_sha256": "a" * 64,
        **differs,
    }
    return services.record_agreement(agreement=Agreement(**values), actor=factories.OFFICER)


def move(subject: Any, to: str, on: date = TODAY) -> None:
    from consent import services

    services.record_fact(
        subject=subject,
        kind="work_location",
        value=to,
        valid_from=on,
        source="test",
        actor=factories.OFFICER,
    )


def record(agent: Any, **differs: Any) -> UUID:
    """Hand in what was captured just now, under a policy issued just now."""
    from consent import services

    policy = services.issue_policy(agent=agent).policy
    now = datetime.now(UTC)
    times = {"captured_from": now, "captured_until": now}
    return factories.hand_in(agent, policy, secrets.token_bytes(9), **{**times, **differs})


def terms(database: Any) -> list[int]:
    """How many days each batch is kept, in the order they came."""
    rows = database.sql("SELECT due_at - captured_until FROM retention_batch ORDER BY recorded_at")
    return [kept.days for (kept,) in rows]


def work() -> int:
    from retention import services as retention

    rounds = 0
    while retention.tighten_due():
        rounds += 1
    return rounds


def hold(subject: Any, *, lift: bool = False, purpose: Any = None) -> None:
    from django.db import transaction

    from audit import events, ledger
    from retention.models import Hold

    with transaction.atomic():
        if lift:
            held = Hold.objects.get(subject=subject, lifted_at__isnull=True)
            held.lifted_at, held.lifted_by = datetime.now(UTC), UUID(int=7)
            held.save(update_fields=["lifted_at", "lifted_by"])
            said: Any = events.HoldLifted(reason="litigation", hold=held.uuid)
        else:
            held = Hold.objects.create(
                subject=subject,
                purpose=purpose,
                reason_code="litigation",
                placed_by=UUID(int=7),
            )
            said = events.HoldPlaced(reason="litigation", hold=held.uuid)
        ledger.append(said, actor=factories.OFFICER, subject=subject.ref, covers=[held])


def test_a_move_to_a_stricter_place_shortens_what_is_held(
    world: factories.World, database: Any
) -> None:
    agent = factories.make_agent(world.subject)
    record(agent)
    record(agent)
    assert terms(database) == [60, 60]

    move(world.subject, "GB")
    assert terms(database) == [60, 60], "a move itself touches no batch, so that it is never slow"
    assert work() == 1

    assert terms(database) == [10, 10]
    assert public(database, "batches.tightened") == [{"batches": 2, "cause": "moved"}]


def public(database: Any, kind: str) -> list[dict[str, Any]]:
    """What the leaves of this kind say openly."""
    rows = database.sql("SELECT body FROM audit_entry WHERE type = %s ORDER BY id", kind)
    return [json.loads(bytes(body))["data"] for (body,) in rows]


def test_moving_back_gives_no_day_back(world: factories.World, database: Any) -> None:
    agent = factories.make_agent(world.subject)
    record(agent)

    move(world.subject, "GB")
    move(world.subject, "IE")
    work()

    assert terms(database) == [10]
    record(agent)
    assert terms(database) == [10, 60]


def test_what_is_short_enough_already_is_not_entered_as_shortened(
    world: factories.World, database: Any
) -> None:
    record(factories.make_agent(world.subject))

    for place in ("GB", "IE", "GB"):
        move(world.subject, place)
        work()

    assert terms(database) == [10]
    assert public(database, "batches.tightened") == [{"cause": "moved", "batches": 1}]


def test_what_arrives_after_the_move_takes_the_shorter_term(
    world: factories.World, database: Any
) -> None:
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)

    move(world.subject, "GB")
    factories.hand_in(agent, policy, b"captured before the move, handed in after it")

    assert terms(database) == [10]
    move(world.subject, "IE")
    work()
    factories.hand_in(agent, policy, b"captured under the law of before, too")
    assert terms(database) == [10, 60]


@pytest.mark.parametrize(("before", "after"), [("IE", "FR"), ("FR", "IE"), ("GB", "FR")])
def test_of_two_laws_the_shorter_term_holds_whichever_came_first(
    world: factories.World, database: Any, before: str, after: str
) -> None:
    move(world.subject, before)
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)

    move(world.subject, after)
    factories.hand_in(agent, policy, b"captured under one law, handed in under another")

    assert terms(database) == [min(DAYS[before], DAYS[after])]


def test_where_nothing_is_kept_nothing_is_owed(world: factories.World, database: Any) -> None:
    from consent import services
    from retention import services as retention

    owed = "SELECT count(*) FROM retention_tightening"
    move(world.subject, "GB")
    agree("GB-2", "GB", 3)
    assert database.sql(owed) == [(0,)]

    move(world.subject, "IE")
    record(factories.make_agent(world.subject))
    services.withdraw_consent(subject=world.subject, purpose="train-agents")
    retention.expand_cases()
    while retention.run_due_jobs():
        pass
    move(world.subject, "FR")
    agree("FR-2", "FR", 3)
    assert database.sql(owed) == [(0,)], "what was erased has no term any more"

    move(world.subject, "IE")
    world.say_yes()
    record(factories.make_agent(world.subject))
    move(world.subject, "FR")
    assert database.sql(owed) == [(1,)]


def test_an_agreement_shortens_what_its_people_have_and_nobody_elses(
    world: factories.World, database: Any
) -> None:
    someone = world.another_subject("FR")
    gone = world.another_subject("IE")
    world.subject.refresh_from_db()
    for subject in (someone, gone):
        factories.World(world.purpose, world.notice, world.apps, subject, "IE").say_yes()
    for subject in (world.subject, someone, gone):
        record(factories.make_agent(subject))
    assert terms(database) == [60, 20, 60]
    move(gone, "FR")
    work()
    assert terms(database) == [60, 20, 20]

    agree("IE-1", "IE", 7)
    work()

    assert terms(database) == [7, 20, 20]


def test_a_purpose_that_keeps_less_long_shortens_what_it_has(
    world: factories.World, database: Any
) -> None:
    from consent.services.purposes import change_purpose

    record(factories.make_agent(world.subject))

    for days in (9, 30):
        change_purpose(
            purpose=world.purpose,
            fields={"retention_days": days},
            texts={"en": ("Again", factories.sections())},
            actor=factories.OFFICER,
        )
        work()

    assert terms(database) == [9]


def test_an_agreement_that_begins_later_shortens_on_that_day(
    world: factories.World, database: Any
) -> None:
    from consent import services

    record(factories.make_agent(world.subject))
    begins = TODAY + timedelta(days=3)
    agree("IE-2", "IE", 7, valid_from=begins)
    work()
    assert terms(database) == [60]
    assert services.refresh_turned(at=factories.midnight(begins) - timedelta(seconds=1)) == 0

    # The workers come a day late: what began and ended meanwhile still counts.
    assert services.refresh_turned(at=factories.midnight(begins + timedelta(days=1))) == 1
    work()

    assert terms(database) == [7]


@pytest.mark.parametrize("of_the_purpose", [False, True])
def test_a_hold_keeps_batches_as_they_are_and_they_follow_when_it_is_lifted(
    world: factories.World, database: Any, *, of_the_purpose: bool
) -> None:
    other = world.another_subject("IE")
    factories.World(world.purpose, world.notice, world.apps, other, "IE").say_yes()
    record(factories.make_agent(world.subject))
    record(factories.make_agent(other))
    hold(world.subject, purpose=world.purpose if of_the_purpose else None)

    agree("IE-1", "IE", 7)
    move(world.subject, "GB")
    work()

    assert terms(database) == [60, 7]
    assert work() == 0, "what waits for a hold is not looked at again and again"
    hold(world.subject, lift=True)
    work()
    assert terms(database) == [7, 7]
    assert database.sql("SELECT DISTINCT state FROM retention_tightening") == [("done",)]


def test_many_batches_go_in_slices(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retention.services import tightening

    agent = factories.make_agent(world.subject)
    for _ in range(5):
        record(agent)
    monkeypatch.setattr(tightening, "SLICE", 2)

    move(world.subject, "GB")

    assert work() == 3
    assert terms(database) == [10] * 5
    entries = "SELECT count(*) FROM audit_entry WHERE type = 'batches.tightened'"
    assert database.sql(entries) == [(3,)]


def test_no_term_is_shortened_without_its_entry(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import IntegrityError

    from audit import ledger

    record(factories.make_agent(world.subject))
    move(world.subject, "GB")
    monkeypatch.setattr(ledger, "append", lambda *_, **__: 0)

    with pytest.raises(IntegrityError):
        work()

    assert terms(database) == [60]
    monkeypatch.undo()
    work()
    assert terms(database) == [10]


def test_an_unknown_place_shortens_nothing_by_itself(world: factories.World, database: Any) -> None:
    record(factories.make_agent(world.subject))

    move(world.subject, "XX")
    work()

    assert terms(database) == [60]


def test_a_move_never_widens_what_is_held(world: factories.World, database: Any) -> None:
    from consent import services

    class Moves(RuleBasedStateMachine):
        """One person moves and records, others change the rules, workers come when they come."""

        def __init__(self) -> None:
            super().__init__()
            self.subject = world.another_subject("IE")
            factories.World(world.purpose, world.notice, world.apps, self.subject, "IE").say_yes()
            self.agent = factories.make_agent(self.subject)
            self.place = "IE"
            self.expected: dict[UUID, int] = {}
            self.seen: dict[UUID, int] = {}

        @rule(to=st.sampled_from(sorted(DAYS)))
        def move(self, to: str) -> None:
            move(self.subject, to)
            self.place = to
            self.expected = {b: min(days, DAYS[to]) for b, days in self.expected.items()}

        @rule(app=st.sampled_from(["tracker", "sheet"]))
        def record(self, app: str) -> None:
            self.expected[record(self.agent, app=app)] = DAYS[self.place]

        @rule()
        def old_lease(self) -> None:
            """What was captured under one law and arrives under another takes the shorter."""
            policy = services.issue_policy(agent=self.agent).policy
            before = DAYS[self.place]
            self.move("GB" if self.place != "GB" else "FR")
            now = datetime.now(UTC)
            batch = factories.hand_in(
                self.agent, policy, b"x", captured_from=now, captured_until=now
            )
            self.expected[batch] = min(before, DAYS[self.place])

        @rule()
        def workers(self) -> None:
            work()
            assert self.kept() == self.expected

        @invariant()
        def only_ever_earlier(self) -> None:
            kept = self.kept()
            assert all(kept[batch] <= days for batch, days in self.seen.items())
            self.seen = kept

        def kept(self) -> dict[UUID, int]:
            rows = database.sql(
                "SELECT uuid, due_at - captured_until FROM retention_batch WHERE subject_id = %s",
                self.subject.pk,
            )
            return {batch: kept.days for batch, kept in rows}

        def teardown(self) -> None:
            self.workers()

    run_state_machine_as_test(
        Moves,
        settings=settings(
            max_examples=12,
            stateful_step_count=10,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
