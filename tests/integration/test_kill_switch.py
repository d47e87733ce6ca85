"""The kill switch: one person stops at once, two let go on, and nobody's own stop ever waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests import factories

ONE, TWO, THREE = (UUID(int=n) for n in (101, 102, 103))
PULLERS = ("privacy_officer", "operator", "works_council")
SWITCHES = "SELECT count(*), count(released_at) FROM consent_killswitch"


def said(database: Any, kind: str) -> list[Any]:
    rows = database.sql(
        "SELECT convert_from(body, 'UTF8')::jsonb FROM audit_entry WHERE type = %s ORDER BY id",
        kind,
    )
    return [row[0]["data"] for row in rows]


def allowed(subject: Any) -> set[tuple[str, str, str]]:
    from consent import selectors

    return {
        (item["purpose"], item["app"], signal)
        for item in selectors.verdicts_for(subject, at=datetime.now(UTC)).allowed()
        for signal in item["signals"]
    }


def pull(purpose: Any = None, by: UUID = ONE, role: str = "operator", **more: Any) -> Any:
    from consent import services

    return services.pull_kill_switch(
        purpose=purpose, by=by, role=role, reason=more.pop("reason", "incident"), **more
    )


def release(switch: Any, *officers: UUID) -> Any:
    from consent import services

    for officer in officers:
        factories.make_officer(officer)
        standing = services.release_kill_switch(switch=switch.uuid, officer=officer)
    return standing


def second_purpose(world: factories.World) -> Any:
    """Another purpose, about the tracker, to which the person says yes as well."""
    from consent import services
    from consent.policy.types import Signal
    from consent.services import Pair

    purpose = services.publish_purpose(
        code="improve-forms", title="Improve forms", description="Fewer clicks.",
        retention_days=30, position=2, actor=factories.OFFICER,
    )  # fmt: skip
    services.allow_in_purpose(
        purpose=purpose,
        app=world.apps["tracker"],
        signals=[Signal.SCROLL],
        actor=factories.OFFICER,
    )
    factories.close_all_gates(purpose, world.jurisdiction)
    notice = services.publish_notice(
        purpose=purpose,
        texts={"en": ("About forms", factories.sections())},
        actor=factories.OFFICER,
        at=datetime(2024, 1, 1, tzinfo=UTC),
    )
    services.give_consent(
        subject=world.subject,
        purpose=purpose.code,
        notice=notice,
        pairs=[Pair("tracker", Signal.SCROLL)],
        language="en",
    )
    return purpose


@pytest.mark.parametrize("role", PULLERS)
@pytest.mark.parametrize("everything", [True, False])
def test_one_person_alone_stops_capture_at_once(database: Any, role: str, everything: bool) -> None:
    from consent import selectors, services

    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    services.issue_policy(agent=agent)
    now = datetime.now(UTC)
    assert factories.policy_in_force(agent, now)

    switch = pull(None if everything else world.purpose, role=role)

    assert allowed(world.subject) == set()
    verdicts = selectors.verdicts_for(world.subject, at=datetime.now(UTC))
    assert all("kill_switch" in pair.decision.codes for pair in verdicts.pairs)
    assert factories.policy_in_force(agent, now) is None
    assert services.issue_policy(agent=agent).policy.allow == {}
    assert switch.released_at is None
    assert said(database, "kill_switch.pulled") == [
        {
            "scope": "everything" if everything else "purpose",
            "by_role": role,
            "reason": "incident",
            "purpose": None if everything else "train-agents",
        }
    ]


def test_nobody_else_pulls(database: Any) -> None:
    from consent import exceptions

    for role in ("manager", "ml_steward", "auditor", "", "Privacy_Officer"):
        with pytest.raises(exceptions.NotToStop):
            pull(role=role)

    assert database.sql(SWITCHES) == [(0, 0)]


@pytest.mark.parametrize("reason", ["", "Ms. Huber complained about us!", "x" * 300, "\n", "ü"])
def test_no_wording_of_the_reason_delays_a_stop(database: Any, reason: str) -> None:
    switch = pull(reason=reason)

    assert switch.reason == "other"
    assert said(database, "kill_switch.pulled")[0]["reason"] == "other"


def test_pulling_twice_returns_the_switch_that_stands(database: Any) -> None:
    world = factories.make_world()
    for purpose in (world.purpose, None):
        first = pull(purpose)

        again = pull(purpose, by=TWO, role="works_council", reason="dispute")

        assert (again.pk, again.pulled_by, again.reason) == (first.pk, ONE, "incident")
    assert database.sql(SWITCHES) == [(2, 0)]
    assert len(said(database, "kill_switch.pulled")) == 2


def test_a_purposes_switch_stops_that_purpose_alone(database: Any) -> None:
    world = factories.make_world()
    world.say_yes()
    other = second_purpose(world)
    before = allowed(world.subject)

    switch = pull(world.purpose)
    assert allowed(world.subject) == {("improve-forms", "tracker", "scroll")}

    everything = pull(None)
    assert allowed(world.subject) == set()

    release(everything, ONE, TWO)
    assert allowed(world.subject) == {("improve-forms", "tracker", "scroll")}
    release(switch, ONE, TWO)
    assert allowed(world.subject) == before
    assert other.code in {purpose for purpose, _, _ in before}


def test_two_different_officers_release_it(database: Any) -> None:
    world = factories.make_world()
    world.say_yes()
    before = allowed(world.subject)
    switch = pull(world.purpose)

    assert release(switch, ONE).released_at is None
    assert release(switch, ONE, ONE).released_at is None, "one officer twice is one officer"
    assert allowed(world.subject) == set()

    released = release(switch, TWO)

    assert released.released_at is not None
    assert allowed(world.subject) == before
    assert release(switch, THREE).released_at == released.released_at
    assert len(said(database, "kill_switch.release_agreed")) == 1
    assert len(said(database, "kill_switch.released")) == 1
    assert pull(world.purpose).pk != switch.pk, "it can be pulled again"


def test_the_database_itself_refuses_a_release_by_fewer_than_two(database: Any) -> None:
    switch = pull()
    for agreed in range(2):
        if agreed:
            release(switch, ONE)
        with pytest.raises(psycopg.errors.IntegrityError, match="two privacy officers"):
            database.sql("UPDATE consent_killswitch SET released_at = now()")
    with pytest.raises(psycopg.errors.IntegrityError, match="two privacy officers"):
        database.sql(
            "INSERT INTO consent_killswitch (uuid, pulled_by, pulled_as, reason, pulled_at,"
            " released_at) VALUES (gen_random_uuid(), gen_random_uuid(), 'operator', 'x',"
            " now() - interval '1 hour', now())"
        )
    with pytest.raises(psycopg.Error):  # an agreement that no entry tells of
        database.sql(
            "INSERT INTO consent_killrelease (switch_id, officer) VALUES (%s, %s)", switch.pk, TWO
        )

    assert database.sql(SWITCHES) == [(1, 0)]


@pytest.mark.parametrize(
    "change",
    [
        "released_at = NULL",
        "released_at = now()",
        "pulled_at = pulled_at + interval '1 hour'",
        "pulled_by = gen_random_uuid()",
    ],
)
def test_the_database_keeps_when_it_was_pulled_and_released(database: Any, change: str) -> None:
    switch = pull()
    if "released_at" in change:
        release(switch, ONE, TWO)

    with pytest.raises(psycopg.errors.IntegrityError, match="only be released, and once"):
        database.sql(f"UPDATE consent_killswitch SET {change}")


def test_two_pulls_at_once_give_one_row(database: Any) -> None:
    world = factories.make_world()
    for purpose in (world.purpose, None):
        several = [partial(pull, purpose, by=UUID(int=by)) for by in range(1, 5)]
        pulled = at_once(several)
        assert len({switch.pk for switch in pulled}) == 1

    assert database.sql(SWITCHES) == [(2, 0)]
    assert len(said(database, "kill_switch.pulled")) == 2


def test_two_releases_at_once_release_it_once(database: Any) -> None:
    switch = pull()

    released = at_once([lambda by=by: release(switch, by) for by in (ONE, TWO)])

    assert sorted(one.released_at is not None for one in released) == [False, True]
    assert len(said(database, "kill_switch.released")) == 1


def test_without_an_entry_in_the_ledger_nothing_is_stopped(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    def fail(*_: object, **__: object) -> int:
        raise RuntimeError("no entry")

    world = factories.make_world()
    world.say_yes()
    before = allowed(world.subject)
    with monkeypatch.context() as broken:
        broken.setattr(ledger, "append", fail)
        with pytest.raises(RuntimeError):
            pull()
    assert database.sql(SWITCHES) == [(0, 0)]
    assert allowed(world.subject) == before


# --- batches ---------------------------------------------------------------------------------


@pytest.fixture
def recorded(database: Any, store: Any) -> Callable[..., Any]:
    """Announce a recording of a given time; returns the admission. The lease began an hour ago."""
    from consent import services
    from retention import services as retention

    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    began = datetime.now(UTC) - timedelta(minutes=14)
    policy = services.issue_policy(agent=agent, at=began).policy

    def announce(since: datetime, until: datetime) -> Any:
        manifest = factories.manifest_for(
            policy, b"bytes", captured_from=since, captured_until=until
        )
        return retention.announce_batch(agent=agent, manifest=manifest)

    announce.world, announce.agent, announce.policy = world, agent, policy  # type: ignore[attr-defined]
    return announce


@pytest.mark.parametrize("everything", [True, False])
def test_a_batch_is_refused_where_its_interval_meets_a_pulled_switch(
    database: Any, recorded: Any, everything: bool
) -> None:
    now = datetime.now(UTC)
    pulled = now - timedelta(minutes=6)
    switch = pull(None if everything else recorded.world.purpose, at=pulled)

    def minute(begin: float, end: float) -> bool:
        """Whether a recording from and to so many minutes after the pull is let in."""
        since, until = pulled + timedelta(minutes=begin), pulled + timedelta(minutes=end)
        admission = recorded(since, until)
        assert admission.reasons in ([], ["kill_switch"])
        return admission.reasons == []

    assert minute(-5, -1)
    assert not minute(-2, 0), "at the instant of the pull it is pulled"
    assert not minute(-2, 1)
    assert not minute(1, 2)
    released = release(switch, ONE, TWO).released_at
    assert not minute(1, 2), "what was captured while it was pulled stays refused"
    assert recorded(released, released).reasons == [], "at the instant of release it is released"
    assert recorded(released - timedelta(seconds=1), released).reasons == ["kill_switch"]


def test_a_switch_of_another_purpose_refuses_no_batch(database: Any, recorded: Any) -> None:
    pull(second_purpose(recorded.world), at=datetime.now(UTC) - timedelta(minutes=5))

    now = datetime.now(UTC)
    assert recorded(now - timedelta(minutes=2), now).reasons == []


def test_bytes_that_arrive_after_the_pull_are_not_kept(
    database: Any, recorded: Any, store: Any
) -> None:
    from retention import services as retention
    from retention.exceptions import BatchRefused
    from tests.oracle import look

    now = datetime.now(UTC)
    content = b"needle-of-the-switch"
    manifest = factories.manifest_for(
        recorded.policy, content, captured_from=now - timedelta(minutes=3), captured_until=now
    )
    announced = retention.announce_batch(agent=recorded.agent, manifest=manifest)
    assert announced.reasons == []
    pull(None, at=now - timedelta(minutes=1))

    with pytest.raises(BatchRefused) as refusal:
        retention.receive_bytes(agent=recorded.agent, batch=manifest.batch, chunks=[content])

    assert refusal.value.reasons == ["kill_switch"]
    assert look(store, [content])["found"] == {content.hex(): 0}


@pytest.mark.parametrize("everything", [True, False])
def test_an_import_is_judged_alike(database: Any, recorded: Any, everything: bool) -> None:
    from retention import services as retention

    pulled = datetime.now(UTC) - timedelta(minutes=4)
    pull(None if everything else recorded.world.purpose, at=pulled)
    minutes = [(-3, -2), (-1, 1), (1, 2)]
    batches = [
        (
            factories.manifest_for(
                recorded.policy,
                b"x",
                captured_from=pulled + timedelta(minutes=begin),
                captured_until=pulled + timedelta(minutes=end),
            ),
            b"x",
        )
        for begin, end in minutes
    ]

    judged = retention.import_batches(agent=recorded.agent, batches=batches, at=datetime.now(UTC))

    assert [one.reasons for one in judged] == [[], ["kill_switch"], ["kill_switch"]]


# --- nothing about a switch blocks a person's own stop -------------------------------------------


def test_withdrawing_and_pausing_wait_for_no_pull_and_no_release(database: Any) -> None:
    """Somebody pulls, or releases, and the transaction stays open: the person's stop does not."""
    from django.db import transaction

    from consent import services

    world = factories.make_world()
    people = [world.another_subject() for _ in range(4)]
    for person in people:
        world.subject = person
        world.say_yes()
    switch = None

    for act in ("pull", "release"):
        first, second = people.pop(), people.pop()
        with transaction.atomic():
            if act == "pull":
                switch = pull(None)
            else:
                release(switch, ONE, TWO)
            patient = [lambda: services.withdraw_everything(subject=first),  # noqa: B023
                       lambda: services.pause_capture(subject=second)]  # fmt: skip  # noqa: B023
            done = at_once(patient, statement_timeout=3000)
        assert [event.state for event in done[0]] == ["withdrawn"]
        assert done[1].ended_at is None
        assert switch is not None


def test_the_product_agrees_with_a_model_of_switches(database: Any) -> None:
    """Pull, agree, say yes, withdraw, pause and resume in any order: the model is six lines."""
    from consent import services

    world = factories.make_world()

    class Story(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.subject = world.subject = world.another_subject()
            self.yes = self.paused = False
            for switch in open_switches():
                release(switch, ONE, TWO)
            self.agreed: dict[bool, set[UUID]] = {}

        @initialize()
        def begin_with_a_yes(self) -> None:
            self.say_yes()

        @rule()
        def say_yes(self) -> None:
            world.say_yes(("tracker", factories.OFFERED[0]))
            self.yes = True

        @rule(everything=st.booleans(), role=st.sampled_from(PULLERS))
        def pull(self, everything: bool, role: str) -> None:
            pull(None if everything else world.purpose, by=uuid4(), role=role)
            self.agreed.setdefault(everything, set())

        @rule(everything=st.booleans(), officer=st.sampled_from([ONE, TWO, THREE]))
        def agree(self, everything: bool, officer: UUID) -> None:
            for switch in open_switches():
                if (switch.purpose_id is None) is everything:
                    release(switch, officer)
                    self.agreed[everything].add(officer)
            if len(self.agreed.get(everything, ())) == 2:
                del self.agreed[everything]

        @rule()
        def withdraw(self) -> None:
            ended = services.withdraw_everything(subject=self.subject)
            assert len(ended) == 1
            self.yes = False

        @rule()
        def pause(self) -> None:
            assert services.pause_capture(subject=self.subject).ended_at is None
            self.paused = True

        @rule()
        def resume(self) -> None:
            services.resume_capture(subject=self.subject)
            self.paused = False

        @invariant()
        def what_is_allowed(self) -> None:
            may = self.yes and not self.paused and not self.agreed
            expected = {("train-agents", "tracker", "mouse_click")} if may else set()
            assert allowed(self.subject) == expected
            assert {s.purpose_id is None for s in open_switches()} == set(self.agreed)

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=15,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def open_switches() -> list[Any]:
    from consent.models import KillSwitch

    return list(KillSwitch.objects.filter(released_at__isnull=True))


def at_once(acts: list[Callable[[], Any]], statement_timeout: int = 20_000) -> list[Any]:
    """Do all of it at the same time, each in a thread with a connection of its own."""
    from django.db import connection, connections

    results: list[Any] = [None] * len(acts)
    together = threading.Barrier(len(acts))

    def run(place: int, act: Callable[[], Any]) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET statement_timeout = {statement_timeout}")
            together.wait(timeout=10)
            results[place] = act()
        except Exception as error:  # noqa: BLE001  told by the thread that waits
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
