"""Two changes at once: neither is lost, and nobody who withdraws waits for either."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any

from tests import factories
from tests.integration.test_agreements import agree

TODAY = datetime.now(UTC).date()
LONG = 20


@contextmanager
def under_way(change: Callable[[], Any]) -> Iterator[None]:
    """Another transaction that has made its change and does not commit before the block is over."""
    from django.db import connection, transaction

    made, commit = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                change()
                made.set()
                assert commit.wait(LONG)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert made.wait(LONG)
        yield
    finally:
        commit.set()
        thread.join(LONG)


def waits(thread: threading.Thread) -> bool:
    thread.join(0.5)
    return thread.is_alive()


def newest(subject: Any) -> dict[str, Any]:
    from consent.selectors import current_cohort_policy

    subject.refresh_from_db()
    policy = current_cohort_policy(subject.cohort)
    assert policy
    return dict(policy.document["purposes"]["train-agents"])


def test_two_changes_at_once_are_both_in_the_newest_revision(database: Any) -> None:
    from consent import services
    from consent.models import GateEvidence

    world = factories.make_world("IE")
    evidence = GateEvidence.objects.order_by("pk").first()
    assert evidence
    before = len(newest(world.subject)["gates"])

    def reopen() -> None:
        services.reopen_gate(evidence=evidence, actor=factories.OFFICER)

    with under_way(reopen):
        second = threading.Thread(target=_closing(lambda: agree("A")))
        second.start()
        assert waits(second)
    second.join(LONG)

    document = newest(world.subject)
    assert len(document["gates"]) == before - 1
    assert [item["code"] for item in document["agreements"]] == ["A"]


def test_a_cohort_that_is_only_being_made_is_not_left_out(database: Any) -> None:
    factories.make_world("IE")
    made: list[Any] = []

    with under_way(lambda: made.append(factories.make_subject("GB"))):
        second = threading.Thread(target=_closing(lambda: agree("A", jurisdictions=["GB"])))
        second.start()
        assert waits(second)
    second.join(LONG)

    assert [item["code"] for item in newest(made[0])["agreements"]] == ["A"]


def test_a_withdrawal_waits_neither_for_new_rules_nor_behind_who_does(database: Any) -> None:
    from consent import services

    world = factories.make_world("IE")
    world.say_yes()

    def move() -> None:
        services.record_fact(
            subject=world.subject,
            kind="work_location",
            value="GB",
            valid_from=TODAY,
            source="test",
            actor=factories.OFFICER,
        )

    with under_way(lambda: agree("A")):
        mover = threading.Thread(target=_closing(move))
        mover.start()
        assert waits(mover)
        withdrawal = threading.Thread(
            target=_closing(
                lambda: services.withdraw_consent(subject=world.subject, purpose="train-agents")
            )
        )
        withdrawal.start()
        assert not waits(withdrawal)
    mover.join(LONG)

    world.subject.refresh_from_db()
    assert world.subject.cohort
    assert world.subject.cohort.facts["jurisdictions"] == ["GB"]


def test_a_policy_waits_for_no_change_of_rules_though_its_person_moves_that_day(
    database: Any,
) -> None:
    from consent import services

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    tomorrow = TODAY + timedelta(days=1)
    services.record_fact(
        subject=world.subject,
        kind="work_location",
        value="GB",
        valid_from=tomorrow,
        source="test",
        actor=factories.OFFICER,
    )
    here = world.subject.cohort_id
    at = datetime.combine(tomorrow, time(), tzinfo=UTC)
    issued: list[Any] = []

    with under_way(lambda: agree("A")):
        asking = threading.Thread(
            target=_closing(lambda: issued.append(services.issue_policy(agent=agent, at=at)))
        )
        asking.start()
        asking.join(LONG / 2)
        assert not asking.is_alive()

        world.subject.refresh_from_db()
        assert world.subject.cohort_id == here, "not moved yet"
        assert issued[0].policy.allow == {}, "and decided by where they work that day"

    services.issue_policy(agent=agent, at=at)
    world.subject.refresh_from_db()
    assert world.subject.cohort_id != here


def test_what_is_handed_in_while_terms_shorten_is_not_left_out(database: Any, store: Any) -> None:
    """The batch comes first and is shortened, or it comes after and takes the shorter term."""
    from retention import services as retention

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)

    with under_way(lambda: agree("A", retention_cap_days=7)):
        second = threading.Thread(
            target=_closing(lambda: factories.hand_in(agent, policy, b"captured before"))
        )
        second.start()
        assert waits(second)
        retention.tighten_due()
    second.join(LONG)
    retention.tighten_due()

    rows = database.sql("SELECT due_at - captured_until FROM retention_batch")
    assert [kept.days for (kept,) in rows] == [7]


def _closing(change: Callable[[], Any]) -> Callable[[], None]:
    from django.db import connection

    def run() -> None:
        try:
            change()
        finally:
            connection.close()

    return run
