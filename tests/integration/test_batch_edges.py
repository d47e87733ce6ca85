"""Where exactly a batch is still let in, and where it is not any more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
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


def test_a_batch_may_be_as_long_as_the_limit(agent: Any) -> None:
    from consent.services.protections import BATCH_SECONDS

    policy = factories.make_policy(agent, ago=timedelta(minutes=40))
    longest = policy.issued_at + timedelta(seconds=BATCH_SECONDS)

    assert "batch_too_long" not in objections(agent, policy, captured_until=longest)
    longer = objections(agent, policy, captured_until=longest + INSTANT)
    assert "batch_too_long" in longer


def test_a_batch_may_not_end_with_the_instant_at_which_a_pause_begins(agent: Any) -> None:
    """Where it has no length it would be that instant; what agents are told leaves it out."""
    from consent import services

    policy = factories.make_policy(agent, ago=timedelta(minutes=40))
    began = policy.issued_at + timedelta(minutes=5)
    services.pause_capture(subject=agent.subject, at=began)
    services.resume_capture(subject=agent.subject, at=began + timedelta(minutes=1))

    def paused(since: timedelta, until: timedelta) -> bool:
        found = objections(agent, policy, captured_from=began + since, captured_until=began + until)
        return found == ["paused"]

    minute, now = timedelta(minutes=1), timedelta()
    assert paused(-minute, now)
    assert not paused(-minute, -INSTANT)
    assert paused(minute - INSTANT, 2 * minute)
    assert not paused(minute, 2 * minute)


def test_a_batch_of_no_signals_is_refused(agent: Any) -> None:
    policy = factories.make_policy(agent)

    assert objections(agent, policy, signals={}) == ["no_signals"]


@pytest.mark.parametrize("seconds", [5, 6])
def test_a_clock_may_be_five_seconds_fast(agent: Any, seconds: int) -> None:
    import time_machine

    policy = factories.make_policy(agent)
    now = policy.issued_at + timedelta(minutes=1)

    with time_machine.travel(now, tick=False):
        found = objections(agent, policy, captured_until=now + timedelta(seconds=seconds))

    assert found == ([] if seconds == 5 else ["captured_in_the_future"])


@pytest.mark.parametrize("whose", ["their own", "another person's"])
def test_a_manifest_is_of_one_machine(agent: Any, whose: str) -> None:
    """The very same words from another machine are another manifest, and tell it nothing."""
    from retention import services as retention
    from retention.exceptions import ManifestDiffers

    person = agent.subject if whose == "their own" else factories.make_subject()
    other = factories.make_agent(person)
    manifest = factories.manifest_for(factories.make_policy(agent), b"x")
    first = retention.announce_batch(agent=agent, manifest=manifest)

    with pytest.raises(ManifestDiffers):
        retention.announce_batch(agent=other, manifest=manifest)
    assert retention.announce_batch(agent=agent, manifest=manifest) == first


def test_a_machine_removed_while_its_bytes_come_in_hands_in_nothing(
    agent: Any, store: Path, database: Any
) -> None:
    """Who it is was looked up when the request began; it is asked anew before anything is kept."""
    from consent import services
    from retention import services as retention
    from retention.exceptions import BatchRefused

    manifest = factories.manifest_for(factories.make_policy(agent), b"x")
    retention.announce_batch(agent=agent, manifest=manifest)

    def removed_meanwhile() -> Any:
        services.revoke_agent(subject=agent.subject, ref=str(agent.ref))
        yield b"x"

    with pytest.raises(BatchRefused) as refused:
        retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=removed_meanwhile())

    assert refused.value.reasons == ["agent_not_active"]
    assert [path for path in store.rglob("*") if path.is_file()] == []
    assert database.sql("SELECT count(*) FROM retention_batch") == [(0,)]


def test_two_captures_differ_in_their_bytes_alone(agent: Any, store: Path) -> None:
    """Clicks and keys of one minute come in two batches; only the same bytes are the same."""
    policy = factories.make_policy(agent)
    factories.hand_in(agent, policy, b"x")

    assert objections(agent, policy) == ["handed_in_before"]
    for differs in (
        {"sha256": "0" * 64},
        {"app": "sheet"},
        {"captured_from": policy.issued_at + INSTANT},
        {"captured_until": policy.issued_at + timedelta(seconds=61)},
    ):
        assert objections(agent, policy, **differs) == [], differs


def test_a_moment_between_two_leases_is_an_incident(agent: Any) -> None:
    """Both ends lay within a lease; what matters is every second in between: leases have those."""
    from consent import services

    first = factories.make_policy(agent, ago=timedelta(minutes=40))
    since, until = first.issued_at + INSTANT, first.lease_until + timedelta(minutes=2)

    services.issue_policy(agent=agent, at=first.lease_until + timedelta(seconds=1))
    with_a_gap = objections(agent, first, captured_from=since, captured_until=until)
    services.issue_policy(agent=agent, at=first.lease_until)
    without = objections(agent, first, captured_from=since, captured_until=until)

    # What spans two leases is longer than a batch may be, too.
    assert with_a_gap == ["batch_too_long", "outside_the_lease", "outside_every_lease"]
    assert without == ["batch_too_long", "outside_the_lease"]


def test_the_same_bytes_twice_at_once_come_in_once(agent: Any, store: Path, database: Any) -> None:
    """While they come in they come in a second time, and that is through first."""
    from retention import services as retention

    manifest = factories.manifest_for(factories.make_policy(agent), b"x")
    retention.announce_batch(agent=agent, manifest=manifest)

    def overtaken() -> Any:
        retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=[b"x"])
        yield b"x"

    admitted = retention.receive_bytes(agent=agent, batch=manifest.batch, chunks=overtaken())

    assert admitted.state == "admitted"
    assert database.sql("SELECT count(*) FROM retention_batch") == [(1,)]
    assert [path.read_bytes() for path in store.rglob("*") if path.is_file()] == [b"x"]


def test_the_shortest_term_of_all_policies_since_holds(database: Any, store: Path) -> None:
    """A term that was shorter for a while still holds for what was captured meanwhile."""
    from consent.services.purposes import change_purpose
    from retention import services as retention
    from retention.models import Batch

    world = factories.make_world()
    world.say_yes()
    agent = factories.make_agent(world.subject)
    days = []
    for ago, kept in ((9, 40), (6, 3), (1, 40)):
        change_purpose(
            purpose=world.purpose,
            fields={"retention_days": kept},
            texts={"en": ("Again", factories.sections())},
            actor=factories.OFFICER,
        )
        world.say_yes_again()
        days.append(factories.make_policy(agent, ago=timedelta(minutes=ago)))
    ends = days[1].issued_at + timedelta(minutes=3)
    meanwhile = {"captured_from": ends - timedelta(minutes=1), "captured_until": ends}
    first = factories.manifest_for(days[0], b"first", **meanwhile)
    second = factories.manifest_for(days[0], b"second", **meanwhile)

    retention.announce_batch(agent=agent, manifest=first)
    retention.receive_bytes(agent=agent, batch=first.batch, chunks=[b"first"])
    retention.import_batches(agent=agent, batches=[(second, b"second")], at=ends)

    assert set(Batch.objects.values_list("due_at", flat=True)) == {ends + timedelta(days=3)}


def test_an_import_under_a_superseded_policy_is_refused(
    agent: Any, store: Path, database: Any
) -> None:
    from consent import services
    from retention import services as retention

    policy = factories.make_policy(agent, ago=timedelta(minutes=9))
    services.pause_capture(subject=agent.subject)
    narrower = factories.make_policy(agent, ago=timedelta(minutes=6))
    services.resume_capture(subject=agent.subject)
    since = narrower.issued_at
    minute = timedelta(minutes=1)
    batches = [
        (factories.manifest_for(policy, b"x", captured_from=begin, captured_until=end), b"x")
        for begin, end in (
            (since - minute, since),
            (since, since),
            (since - minute, since + minute),
        )
    ]

    judged = retention.import_batches(agent=agent, batches=batches, at=policy.lease_until)

    assert [one.reasons for one in judged] == [[], ["policy_superseded"], ["policy_superseded"]]


def test_a_choice_hides_from_others_that_a_newer_policy_said_the_same() -> None:
    from retention.services.judgement import told_to_others

    assert told_to_others(["policy_superseded"]) == ("policy_superseded",)
    assert told_to_others(["paused", "policy_superseded"]) == ("person_does_not_allow",)
