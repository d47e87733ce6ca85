"""Leaving: from that instant nothing is recorded, every yes is ended, its deletions are owed."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import factories
from tests.integration.test_pages import signed_in

HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def leave(subject: Any, at: datetime | None = None) -> Any:
    from consent import services

    return services.record_departure(
        subject=subject, left_at=at or now(), source="test", actor=factories.OFFICER
    )


def come_back(subject: Any) -> Any:
    from consent import services

    return services.record_return(subject=subject, source="test", actor=factories.OFFICER)


def settle(at: datetime | None = None) -> int:
    from consent import services

    return services.settle_departures(at=at or now())


def codes(world: factories.World, at: datetime | None = None) -> set[str]:
    from consent import selectors

    verdicts = selectors.verdicts_at(world.subject, at=at or now())
    return {code for pair in verdicts.pairs for code in pair.decision.codes}


def allowed(world: factories.World, at: datetime | None = None) -> bool:
    from consent import selectors

    world.subject.refresh_from_db()
    return bool(selectors.verdicts_at(world.subject, at=at or now()).allowed())


@pytest.fixture
def world(database: Any) -> factories.World:
    made = factories.make_world()
    made.say_yes()
    return made


def test_leaving_ends_every_yes_and_owes_its_deletion_in_one_transaction(
    world: factories.World, database: Any, store: Any
) -> None:
    from retention import services as retention

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    factories.hand_in(agent, policy, b"clicks")
    assert allowed(world)

    leave(world.subject)

    assert not allowed(world)
    assert {"person_departed", "no_consent:revoked"} <= codes(world)
    written = database.sql(
        "SELECT type FROM audit_entry WHERE xid ="
        " (SELECT xid FROM audit_entry WHERE type = 'subject.departed') ORDER BY type"
    )
    assert [row[0] for row in written] == [
        "consent.revoked",
        "deletion.owed",
        "subject.departed",
        "subject.departure_settled",
    ]
    assert database.sql("SELECT cause, state FROM retention_deletioncase") == [
        ("revocation", "owed")
    ]
    retention.expand_cases()
    retention.run_due_jobs()
    assert database.sql("SELECT state FROM retention_batch") == [("erased",)]
    assert not [path for path in store.rglob("*") if path.is_file()]


def test_it_is_the_organisation_that_ended_it_not_the_person(
    world: factories.World, database: Any
) -> None:
    leave(world.subject)

    states = database.sql("SELECT state FROM consent_consentevent ORDER BY position")
    assert states == [("given",), ("revoked",)]


def test_a_repeat_returns_what_stands_and_another_day_is_refused(
    world: factories.World, database: Any
) -> None:
    from consent import exceptions

    at = now()
    first = leave(world.subject, at)
    entries = database.sql("SELECT count(*) FROM audit_entry")

    assert leave(world.subject, at) == first
    with pytest.raises(exceptions.DepartureUnclear):
        leave(world.subject, at + HOUR)
    assert database.sql("SELECT count(*) FROM audit_entry") == entries


def test_a_departure_ahead_changes_nothing_before_its_instant(world: factories.World) -> None:
    from consent import selectors, services

    at = now() + HOUR
    leave(world.subject, at)
    agent = factories.make_agent(world.subject)

    assert allowed(world)
    assert settle() == 0
    lease = services.issue_policy(agent=agent, at=at - timedelta(minutes=2)).policy
    assert lease.lease_until == at
    assert lease.allow
    assert selectors.verdicts_for(world.subject, at=now()).next_change == at
    assert not allowed(world, at)
    assert "person_departed" in codes(world, at)
    assert allowed(world, at - timedelta(seconds=1))


def test_workers_settle_a_departure_once_its_instant_has_come(
    world: factories.World, database: Any
) -> None:
    at = now() + HOUR
    leave(world.subject, at)

    assert settle(at - timedelta(seconds=1)) == 0
    assert settle(at) == 1
    assert settle(at) == 0

    assert database.sql(
        "SELECT state FROM consent_consentevent ORDER BY position DESC LIMIT 1"
    ) == [("revoked",)]
    assert database.sql("SELECT count(*) FROM retention_deletioncase") == [(1,)]


def test_who_stays_after_all_keeps_answers_and_machines(world: factories.World) -> None:
    agent = factories.make_agent(world.subject)
    leave(world.subject, now() + HOUR)

    come_back(world.subject)

    assert allowed(world, now() + 2 * HOUR)
    agent.refresh_from_db()
    assert agent.standing == "active"
    assert settle(now() + 2 * HOUR) == 0
    assert come_back(world.subject) is None


def test_a_departure_that_is_told_late_was_not_known_before(world: factories.World) -> None:
    """What the portal answered and machines obeyed until then is explained as it was."""
    from consent import selectors

    asked_at = now()
    assert allowed(world)

    leave(world.subject, asked_at - HOUR)

    assert not allowed(world)
    assert allowed(world, asked_at)
    shared = selectors.shared_verdicts_at(world.subject, at=asked_at)
    assert "person_departed" not in {code for pair in shared.pairs for code in pair.decision.codes}


def test_who_comes_back_is_asked_anew_and_enrols_anew(
    world: factories.World, database: Any
) -> None:
    agent = factories.make_agent(world.subject)
    leave(world.subject)
    while_gone = now()

    come_back(world.subject)

    assert not allowed(world)
    assert "no_consent:revoked" in codes(world)
    assert "person_departed" not in codes(world)
    assert "person_departed" in codes(world, while_gone)
    agent.refresh_from_db()
    assert agent.standing == "revoked"
    assert database.sql("SELECT count(*) FROM audit_entry WHERE type = 'agent.revoked'") == [(1,)]
    world.say_yes()
    assert allowed(world)


def test_nothing_can_be_said_yes_to_by_who_has_left(world: factories.World) -> None:
    from consent import exceptions, services

    leave(world.subject)

    with pytest.raises(exceptions.PersonDeparted):
        world.say_yes()
    assert services.withdraw_consent(subject=world.subject, purpose="train-agents")
    services.pause_capture(subject=world.subject)


def test_what_arrives_after_the_departure_is_refused_and_erased(
    world: factories.World, store: Any
) -> None:
    from retention import services as retention
    from retention.exceptions import BatchRefused

    agent = factories.make_agent(world.subject)
    policy = factories.make_policy(agent)
    announced = factories.manifest_for(policy, b"before")
    retention.announce_batch(agent=agent, manifest=announced)

    leave(world.subject)

    with pytest.raises(BatchRefused) as refused:
        retention.receive_bytes(agent=agent, batch=announced.batch, chunks=[b"before"])
    assert "person_departed" in refused.value.reasons
    late = retention.announce_batch(agent=agent, manifest=factories.manifest_for(policy, b"late"))
    assert late.state == "refused"
    assert not [path for path in store.rglob("*") if path.is_file()]


def test_the_database_demands_the_entry_and_one_departure_at_a_time(
    world: factories.World, database: Any
) -> None:
    import psycopg

    statement = (
        "INSERT INTO consent_departure (subject_id, left_at, source)"
        " SELECT id, now(), 'x' FROM consent_subject"
    )
    with pytest.raises(psycopg.Error, match="entry"):
        database.sql(statement, role="app")
    leave(world.subject)
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.sql(statement, role="app")


def test_where_the_entry_cannot_be_written_nobody_has_left(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no entry")

    monkeypatch.setattr(ledger, "append", fail)
    with pytest.raises(RuntimeError):
        leave(world.subject)

    assert database.sql("SELECT count(*) FROM consent_departure") == [(0,)]
    assert database.sql("SELECT departed_at FROM consent_subject") == [(None,)]
    assert database.sql("SELECT count(*) FROM consent_consentevent") == [(1,)]


STEPS = st.lists(
    st.sampled_from(["leave", "leave_later", "back", "settle", "yes", "withdraw"]), max_size=9
)


def test_against_a_model_of_being_here(database: Any) -> None:
    """The plainest model: gone or here, a yes or none, and one case for each yes that ended."""
    from consent import exceptions, services
    from retention.models import DeletionCase

    world = factories.make_world()

    @settings(
        max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(STEPS)
    def run(steps: list[str]) -> None:
        world.subject = world.another_subject()
        gone, ahead, yes, ended = False, False, False, 0
        for step in steps:
            if step in {"leave", "leave_later"}:
                later = step == "leave_later"
                if gone or ahead:
                    with pytest.raises(exceptions.DepartureUnclear):
                        leave(world.subject, now() + HOUR * later)
                else:
                    leave(world.subject, now() + HOUR * later)
                    gone, ahead = not later, later
                    ended += yes and gone
                    yes = yes and not gone
            elif step == "back":
                assert (come_back(world.subject) is not None) is (gone or ahead)
                gone = ahead = False
            elif step == "settle":
                assert settle() == 0
            elif step == "yes" and gone:
                with pytest.raises(exceptions.PersonDeparted):
                    world.say_yes()
            elif step == "yes":
                world.say_yes()
                yes = True
            else:
                services.withdraw_consent(subject=world.subject, purpose="train-agents")
                ended += yes
                yes = False
            assert allowed(world) is (yes and not gone)
            assert DeletionCase.objects.filter(subject=world.subject).count() == ended

    run()


# --- the command and the person's own page -----------------------------------------------------


def depart(*arguments: str) -> str:
    out = io.StringIO()
    call_command("depart", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def ann(world: factories.World) -> str:
    from portal import appointments

    user = appointments.open_login(email="ann@example.org", name="Ann", password="a-long-secret-1")
    user.subject = world.subject
    user.save(update_fields=["subject"])
    return str(user.email)


def test_the_command_records_a_departure_and_a_return(world: factories.World, ann: str) -> None:
    assert "every yes is ended" in depart(ann)
    assert "every yes is ended" in depart(ann)  # a repeat says what stands
    assert not allowed(world)
    assert "stays ended" in depart(ann, "--back")
    assert "until then nothing changes" in depart(ann, "--at", "2199-12-31T18:00+01:00")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nobody@example.org",), "not an employee"),
        (("ann@example.org", "--at", "tomorrow"), "is not an instant"),
        (("ann@example.org", "--at", "2026-13-31T18:00+01:00"), "is not an instant"),
        (("ann@example.org", "--at", "2026-12-31T18:00"), "is not an instant"),
        (("ann@example.org", "--back"), "No departure"),
        (("ann@example.org", "--back", "--at", "2026-12-31T18:00+01:00"), "leave --at out"),
    ],
)
def test_the_command_refuses_in_a_sentence(
    ann: str, database: Any, arguments: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(CommandError, match=expected):
        depart(*arguments)
    assert database.sql("SELECT count(*) FROM consent_departure") == [(0,)]


def test_another_day_than_the_one_recorded_is_refused_by_the_command(ann: str) -> None:
    depart(ann, "--at", "2199-12-31T18:00+01:00")

    with pytest.raises(CommandError, match="Another departure"):
        depart(ann, "--at", "2199-12-30T18:00+01:00")


def test_the_person_reads_that_the_organisation_ended_it(world: factories.World) -> None:
    client = signed_in(subject=world.subject)
    leave(world.subject)

    pages = {path: client.get(path).content.decode() for path in ("/you/history/", "/you/data/")}

    assert "The organisation" in pages["/you/history/"]
    assert "The organisation ended your yes" in pages["/you/data/"]
    assert "You have left the organisation." in client.get("/you/why/").content.decode()
