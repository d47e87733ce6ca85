"""What a process remembers of people is what is on record: whatever they do or take back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.policy.types import Signal
from tests import factories
from tests.integration.test_explain_to_others import confirms_the_notice, refuses
from tests.integration.test_notice_waiver import DAY, TODAY, agree, take_back, waits


@pytest.fixture
def world(database: Any) -> factories.World:
    """Somebody who said yes and waits until a notice period is over."""
    return waits("AU-NSW")


def half_of(world: factories.World) -> Any:
    from consent import selectors
    from consent.models import PersonalPolicy

    half = PersonalPolicy.objects.get(subject=world.subject)
    return selectors.Half(half.revision, half.changed_at)


def remembered(world: factories.World) -> Any:
    from consent import selectors

    person = world.subject.pk
    return selectors.recorded_under({person: half_of(world)})[person]


def on_record(world: factories.World) -> Any:
    from consent.selectors.recorded import recorded_of

    return recorded_of([world.subject.pk])[world.subject.pk]


def travels(world: factories.World) -> None:
    from consent import services

    services.record_fact(
        subject=world.subject, kind="travel", value="IE", valid_from=TODAY,
        valid_until=TODAY + 5 * DAY, source="test", actor=factories.OFFICER,
    )  # fmt: skip


def comes_home(world: factories.World) -> None:
    from consent import services

    fact = world.subject.facts.filter(kind="travel").first()
    if fact is not None:
        services.end_fact(fact=fact, valid_until=TODAY, actor=factories.OFFICER)


def leaves(world: factories.World) -> None:
    from consent import services

    ahead = datetime.now(UTC) + timedelta(days=3)
    if world.subject.departed_at is None:
        services.record_departure(
            subject=world.subject, left_at=ahead, source="test", actor=factories.OFFICER
        )


def returns(world: factories.World) -> None:
    from consent import services

    services.record_return(subject=world.subject, source="test", actor=factories.OFFICER)
    world.subject.refresh_from_db()


def of_the_person(name: str, **more: Any) -> Callable[[factories.World], Any]:
    def act(world: factories.World) -> Any:
        from consent import services

        return getattr(services, name)(subject=world.subject, **more)

    return act


ACTS: dict[str, Callable[[factories.World], Any]] = {
    "says yes": lambda world: world.say_yes(),
    "says yes to less": lambda world: world.say_yes(("tracker", Signal.MOUSE_CLICK)),
    "says no": refuses,
    "withdraws": of_the_person("withdraw_consent", purpose="train-agents"),
    "pauses": of_the_person("pause_capture"),
    "goes on": of_the_person("resume_capture"),
    "acknowledges": confirms_the_notice,
    "agrees to less notice": agree,
    "takes that back": take_back,
    "travels": travels,
    "comes home": comes_home,
    "leaves": leaves,
    "returns": returns,
}


def does(world: factories.World, name: str) -> None:
    """What cannot be done just then changes nothing."""
    from consent.exceptions import ConsentError

    with contextlib.suppress(ConsentError):
        ACTS[name](world)


@pytest.mark.parametrize("name", ACTS)
def test_after_each_act_what_is_remembered_is_what_is_on_record(
    world: factories.World, name: str
) -> None:
    for before in ({"comes home": ["travels"], "returns": ["leaves"], "goes on": ["pauses"],
                    "takes that back": ["agrees to less notice"]}.get(name, ())):  # fmt: skip
        does(world, before)
    then = remembered(world)

    ACTS[name](world)

    assert remembered(world) == on_record(world)
    # A departure ahead stands with the person themselves, whose row is read each time.
    assert (then == on_record(world)) is (name in {"leaves", "returns"})


def test_whatever_somebody_does_what_is_remembered_is_what_is_on_record(
    world: factories.World,
) -> None:
    @settings(
        max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(
        st.lists(st.sampled_from(list(ACTS)), min_size=2, max_size=6), st.sets(st.integers(0, 5))
    )
    def alike(names: list[str], undone: set[int]) -> None:
        for place, name in enumerate(names):
            with contextlib.suppress(_Undone), transaction.atomic():
                does(world, name)
                assert remembered(world) == on_record(world), name
                if place in undone:
                    raise _Undone
            world.subject.refresh_from_db()
            assert remembered(world) == on_record(world), (name, "afterwards")

    alike()


class _Undone(Exception):
    """The transaction does not commit."""


def test_what_was_undone_is_not_taken_for_what_was_done_instead(world: factories.World) -> None:
    """Two acts of one transaction, the first of which is rolled back: both made the same number."""
    with transaction.atomic():
        with contextlib.suppress(_Undone), transaction.atomic():
            ACTS["pauses"](world)
            undone, other = half_of(world), remembered(world)
            raise _Undone
        ACTS["withdraws"](world)

    assert half_of(world).revision == undone.revision
    assert remembered(world) == on_record(world) != other


def test_of_whom_nothing_changed_nothing_is_read_again(world: factories.World) -> None:
    from consent import selectors

    person, half = world.subject.pk, half_of(world)
    remembered(world)

    with CaptureQueriesContext(
        connection,
    ) as again:
        selectors.recorded_under({person: half})
    assert len(again) == 0

    with CaptureQueriesContext(connection) as another:
        selectors.recorded_under({person: half._replace(revision=half.revision + 1)})
    assert len(another) > 0


def test_nobody_is_remembered_for_ever(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repair by hand that raised no revision counts after a while."""
    from consent.selectors import recorded

    ACTS["pauses"](world)
    assert remembered(world).paused_since
    database.sql("ALTER TABLE consent_pause DISABLE TRIGGER USER")
    database.sql("UPDATE consent_pause SET ended_at = now()")
    database.sql("ALTER TABLE consent_pause ENABLE TRIGGER USER")
    assert remembered(world).paused_since

    later = recorded.monotonic() + recorded.KEPT_SECONDS
    monkeypatch.setattr(recorded, "monotonic", lambda: later)

    assert remembered(world).paused_since is None


def test_room_for_so_many_and_no_more(
    world: factories.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consent.selectors import recorded

    monkeypatch.setattr(recorded, "MOST_KEPT", 2)
    for _ in range(5):
        world.subject = world.another_subject()
        assert remembered(world) == on_record(world)
        assert len(recorded._kept) <= 2


def test_policies_that_are_issued_say_what_is_decided(world: factories.World) -> None:
    """To machines of somebody of whom all is remembered, after each act."""
    from consent import selectors, services
    from consent.models import Subject

    agent = factories.make_agent(world.subject)
    for name in ("says yes", "agrees to less notice", "pauses", "goes on", "withdraws", "travels"):
        ACTS[name](world)
        for _ in range(2):
            lease = services.issue_policy(agent=agent)
            at = datetime.now(UTC)
            verdicts = selectors.verdicts_for(Subject.objects.get(pk=world.subject.pk), at=at)
            assert lease.policy.allow == verdicts.allow(), name
            assert lease.document["paused"] is verdicts.paused
