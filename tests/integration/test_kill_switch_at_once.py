"""A pulled switch waits for nobody, and from its commit on nothing allows what it stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import factories
from tests.integration.polling import Portal, Said, enrolled, wait_until
from tests.integration.test_agreements import agree
from tests.integration.test_facts_at_once import under_way
from tests.integration.test_kill_switch import (
    ONE,
    TWO,
    open_switches,
    pull,
    release,
    second_purpose,
)
from tests.integration.test_policy_endpoint_waiting import is_told, waiting

# A thread that ends leaves its connection to the collector; a server's pool would take it back.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
TRAIN, FORMS = "train-agents", "improve-forms"


class Machine:
    """A machine that polls both ways: from Redis, and by the plain view out of PostgreSQL."""

    def __init__(self, portal: Portal, subject: Any) -> None:
        self.portal = portal
        self.agent, self.token = enrolled(subject)
        self._tag: str | None = None
        self._known: dict[str, set[str]] = {}
        self._ways = [self._by_asgi, self._by_view]

    def allowed(self) -> set[str]:
        """The purposes that the next poll allows anything of; both ways must agree.

        What Redis was too busy to be told of may go unheard for a second: then that is waited for.
        """
        wait_until(_is_told_to_redis)
        self._ways.reverse()
        first, second = (self._heard(way()) for way in self._ways)
        assert first == second
        return first

    def is_in_force(self) -> bool:
        """Whether what was heard last is still said, both ways."""
        return [way().status for way in self._ways] == [304, 304]

    def _by_asgi(self) -> Said:
        return self.portal.poll(self.token, self._tag)

    def _by_view(self) -> Said:
        from portal.endpoint.view import poll

        said = poll(self.token, self._tag, None)
        return Said(said.status, {k.decode(): v.decode() for k, v in said.headers}, said.body)

    def _heard(self, said: Said) -> set[str]:
        assert said.status in {200, 304}, said
        if said.status == 200:
            self._tag = said.etag
            self._known[said.etag] = {entry["purpose"] for entry in said.document["allow"]}
        return self._known[said.etag]

    def announce(self, since: datetime) -> list[str]:
        """The reasons against what was captured from then until now, by what last allowed it."""
        from retention import services

        policy = self.agent.policies.exclude(allow={}).latest("version")
        manifest = factories.manifest_for(
            policy, b"x", captured_from=since, captured_until=datetime.now(UTC)
        )
        return list(services.announce_batch(agent=self.agent, manifest=manifest).reasons)


def _is_told_to_redis() -> bool:
    from portal.endpoint.models import Unmarked

    return not Unmarked.objects.exists()


@pytest.fixture
def world(database: Any, settings: Any) -> factories.World:
    from portal.endpoint import postgres

    settings.POLICY_BURST = 1_000_000
    postgres.buckets.cache_clear()
    made = factories.make_world()
    made.say_yes()
    return made


@pytest.fixture
def machine(portal: Portal, world: factories.World) -> Machine:
    made = Machine(portal, world.subject)
    assert made.allowed() == {TRAIN}
    assert made.allowed() == {TRAIN}
    return made


@contextmanager
def impatient() -> Iterator[None]:
    """Fail at whatever lock this thread would have to wait for."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
        try:
            yield
        finally:
            cursor.execute("RESET lock_timeout")


def lock_alone(_: factories.World) -> None:
    from consent.services.locks import one_change_at_a_time

    one_change_at_a_time()


def other_term(world: factories.World) -> None:
    from consent import services

    world.purpose.refresh_from_db()
    days = world.purpose.retention_days - 1
    services.change_purpose(
        purpose=world.purpose, fields={"retention_days": days}, actor=factories.OFFICER
    )


def other_name(world: factories.World) -> None:
    from consent import services

    services.change_app(app=world.apps["sheet"], fields={"name": "Tables"}, actor=factories.OFFICER)


def newer_notice(world: factories.World) -> None:
    from consent import services

    texts = {"en": ("Again", factories.sections("Other words."))}
    services.publish_notice(purpose=world.purpose, texts=texts, actor=factories.OFFICER)


def anew(world: factories.World) -> None:
    from consent import services

    services.retire_purpose(purpose=world.purpose, actor=factories.OFFICER)
    services.reopen_purpose(purpose=world.purpose, actor=factories.OFFICER)
    agree("A")


CHANGES: tuple[Callable[[factories.World], None], ...] = (
    lock_alone,
    other_term,
    other_name,
    newer_notice,
    anew,
)


@pytest.mark.parametrize("everything", [True, False], ids=["everything", "purpose"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_stop_waits_for_no_change_that_is_under_way(
    world: factories.World, machine: Machine, change: Any, everything: bool
) -> None:
    waits, _ = waiting(machine.portal, enrolled(world.another_subject())[1])

    with under_way(lambda: change(world)):
        with impatient():
            switch = pull(None if everything else world.purpose)

        assert is_told(waits.result(10))
        assert machine.allowed() == set()
        assert "kill_switch" in machine.announce(switch.pulled_at)

    assert machine.allowed() == set(), "the change wrote cohorts without knowing of the switch"
    with under_way(lambda: lock_alone(world)), impatient():
        release(switch, ONE, TWO)
        assert machine.allowed() == (set() if change is newer_notice else {TRAIN})


def test_a_switch_writes_nothing_for_each_cohort(database: Any, world: factories.World) -> None:
    written = "SELECT count(*) FROM consent_cohortpolicy"
    before = database.sql(written)

    release(pull(world.purpose), ONE, TWO)

    assert database.sql(written) == before


def test_a_purposes_switch_leaves_the_others_going(
    world: factories.World, machine: Machine
) -> None:
    second_purpose(world)
    assert machine.allowed() == {TRAIN, FORMS}

    with under_way(lambda: other_term(world)), impatient():
        pull(world.purpose)
        assert machine.allowed() == {FORMS}
        assert machine.is_in_force(), "what was issued with the switch in mind"

    assert machine.allowed() == {FORMS}
    assert machine.is_in_force()


def test_a_released_switch_brings_back_the_policy_from_before(
    portal: Portal, machine: Machine
) -> None:
    """Who did not ask meanwhile goes by the policy they had: it says what is true again."""
    from portal.api.tokens import token_hash
    from portal.endpoint import postgres

    before = portal.poll(machine.token).etag

    switch = pull(None)
    assert postgres.look(token_hash(machine.token)).etag == ""
    release(switch, ONE, TWO)

    assert postgres.look(token_hash(machine.token)).etag == before
    assert portal.poll(machine.token, before).status == 304


def test_a_second_switch_that_changes_no_answer_is_known_to_the_next_policy(
    world: factories.World, machine: Machine
) -> None:
    pull(world.purpose)
    assert machine.allowed() == set()

    pull(None)

    assert machine.allowed() == set()
    assert machine.is_in_force()


# --- a process that dies -------------------------------------------------------------------------


def test_a_stop_stands_though_its_process_died_right_after_the_commit(
    database: Any, world: factories.World, machine: Machine
) -> None:
    """Failed, and done all the same: nothing is left to be done for it, so nothing can be lost."""
    from django.db import connection, transaction

    waits, _ = waiting(machine.portal, enrolled(world.another_subject())[1])
    with transaction.atomic():
        switch = pull(None)
        connection.run_on_commit.clear()  # what a dead process does after its commit

    assert machine.allowed() == set()
    assert "kill_switch" in machine.announce(switch.pulled_at)
    assert is_told(waits.result(20)), "readers compare what all who wait go by, every few seconds"


def test_a_stop_whose_process_died_before_the_commit_is_pulled_again(
    database: Any, world: factories.World, machine: Machine
) -> None:
    from django.db import OperationalError, connection, transaction

    def die() -> None:
        with transaction.atomic():
            pull(None)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(OperationalError):
        die()
    connection.close()
    assert machine.allowed() == {TRAIN}
    assert database.sql("SELECT count(*) FROM consent_killswitch") == [(0,)]

    pull(None)

    assert machine.allowed() == set()


# --- what goes on at the same time ---------------------------------------------------------------


def test_nobody_is_forgotten_who_moves_to_a_new_cohort_meanwhile(
    world: factories.World, machine: Machine
) -> None:
    """The pull does not see the cohort that is only being made; still nothing is kept of it."""
    from consent import services
    from consent.models import Cohort

    def move() -> None:
        services.record_fact(
            subject=world.subject,
            kind="site",
            value="cork",
            valid_from=datetime.now(UTC).date(),
            source="test",
            actor=factories.OFFICER,
        )

    before = Cohort.objects.count()
    with under_way(move):
        pulling = _Held(lambda: pull(None))
    assert Cohort.objects.count() == before + 1
    for _ in range(3):
        assert machine.allowed() == {TRAIN}, "as long as the stop is not committed"

    pulling.commit()

    assert machine.allowed() == set()


class _Held:
    """A change in a transaction of its own that stays open until it is told to commit."""

    def __init__(self, change: Callable[[], Any]) -> None:
        self._context = under_way(change)
        self._context.__enter__()

    def commit(self) -> None:
        self._context.__exit__(None, None, None)


def test_a_policy_that_was_being_issued_meanwhile_is_not_in_force(
    world: factories.World, machine: Machine
) -> None:
    from consent import services

    with under_way(lambda: services.issue_policy(agent=machine.agent)), impatient():
        pull(None)
    assert machine.agent.policies.latest("version").allow

    assert machine.allowed() == set()


def test_a_batch_that_is_being_judged_delays_no_stop(
    world: factories.World, machine: Machine, store: Any
) -> None:
    """It was handed in before the stop, so all of it was captured before; what comes after is not.

    That is why a judgement and a switch need not wait for each other.
    """
    from retention import services as retention
    from retention.models import Admission
    from retention.services.admission import admit, key_of

    policy = machine.agent.policies.latest("version")
    manifest = factories.manifest_for(
        policy, b"x", captured_from=policy.issued_at, captured_until=datetime.now(UTC)
    )
    assert retention.announce_batch(agent=machine.agent, manifest=manifest).reasons == []

    def judge() -> None:
        key = key_of(machine.agent, manifest.batch)
        admit(machine.agent, manifest.batch, manifest, store="files", key=key, imported=False)

    with under_way(judge), impatient():
        switch = pull(None)

    judged = Admission.objects.get(batch=manifest.batch)
    assert judged.state == Admission.State.ADMITTED
    assert manifest.captured_until < switch.pulled_at
    assert "kill_switch" in machine.announce(switch.pulled_at)


def test_whatever_happens_in_whatever_order_a_stop_stops(
    world: factories.World, machine: Machine
) -> None:
    """Pulls, releases, changes and policies issued, one within another; the model is two lines.

    From the commit of a pull until that of its release no poll allows what it stops, and all else
    is allowed as before.
    """
    from consent import services

    scopes = {TRAIN: world.purpose, FORMS: second_purpose(world), "": None}
    scope = st.sampled_from(sorted(scopes))

    class Story(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            for switch in open_switches():
                release(switch, ONE, TWO)
            self.stopped: set[str] = set()
            self.change: _Held | None = None

        def teardown(self) -> None:
            if self.change:
                self.change.commit()

        @rule(scope=scope)
        def pull(self, scope: str) -> None:
            with impatient():
                pull(scopes[scope])
            self.stopped.add(scope)

        @rule(scope=scope)
        def pull_while_a_policy_is_issued(self, scope: str) -> None:
            with under_way(lambda: services.issue_policy(agent=machine.agent)):
                self.pull(scope)

        @rule(scope=scope)
        def poll_while_it_is_pulled(self, scope: str) -> None:
            with under_way(lambda: pull(scopes[scope])):
                self.what_is_allowed()
            self.stopped.add(scope)

        @precondition(lambda self: self.stopped)
        @rule(data=st.data())
        def release(self, data: st.DataObject) -> None:
            scope = data.draw(st.sampled_from(sorted(self.stopped)))
            wanted = scopes[scope] and scopes[scope].pk
            (switch,) = [one for one in open_switches() if one.purpose_id == wanted]
            release(switch, ONE)
            self.what_is_allowed()
            with impatient():
                release(switch, TWO)
            self.stopped.remove(scope)

        @precondition(lambda self: self.change is None)
        @rule(change=st.sampled_from([lock_alone, other_term]))
        def begin_a_change(self, change: Callable[[factories.World], None]) -> None:
            self.change = _Held(lambda: change(world))

        @precondition(lambda self: self.change is not None)
        @rule()
        def commit_the_change(self) -> None:
            assert self.change
            self.change.commit()
            self.change = None

        @rule()
        def issue(self) -> None:
            services.issue_policy(agent=machine.agent)

        @invariant()
        def what_is_allowed(self) -> None:
            stopped = {TRAIN, FORMS} if "" in self.stopped else self.stopped
            assert machine.allowed() == {TRAIN, FORMS} - stopped

    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=12,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
