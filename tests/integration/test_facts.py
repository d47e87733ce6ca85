"""Dated facts: where somebody works, lives and travels decides which rules apply, day by day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests import factories

TODAY = datetime.now(UTC).date()
TOMORROW = TODAY + timedelta(days=1)


def move(subject: Any, to: str, on: date = TODAY, **differs: Any) -> Any:
    from consent import services

    return services.record_fact(
        subject=subject,
        kind="work_location",
        value=to,
        valid_from=on,
        source="test",
        actor=factories.OFFICER,
        **differs,
    )


def places_of(subject: Any) -> list[str]:
    subject.refresh_from_db()
    return list(subject.cohort.facts["jurisdictions"])


def test_moving_ends_the_old_place_and_changes_the_rules_at_once(database: Any) -> None:
    from consent import selectors

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    before = factories.make_policy(agent)
    assert selectors.verdicts_for(world.subject, at=datetime.now(UTC)).allowed()

    move(world.subject, "GB")

    assert selectors.verdicts_for(world.subject, at=datetime.now(UTC)).allowed() == []
    assert places_of(world.subject) == ["GB"]
    assert database.sql(
        "SELECT value, valid_until FROM consent_subjectfact WHERE kind = 'work_location'"
        " ORDER BY id"
    ) == [("IE", TODAY), ("GB", None)]
    from consent import services

    assert factories.policy_in_force(agent, before.issued_at) is None
    assert services.issue_policy(agent=agent).policy.allow == {}


def test_a_move_is_in_the_ledger_with_the_place_sealed(database: Any) -> None:
    world = factories.make_world("IE")

    move(world.subject, "GB")

    rows = database.sql(
        "SELECT type, body FROM audit_entry WHERE type LIKE 'subject.fact%%' ORDER BY id"
    )
    assert [(kind, json.loads(bytes(body))["data"]) for kind, body in rows] == [
        ("subject.fact_ended", {"kind": "work_location"}),
        ("subject.fact_recorded", {"kind": "work_location"}),
    ]


def test_no_move_stands_without_its_entry(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from audit import ledger

    world = factories.make_world("IE")
    rows = (
        "SELECT count(*), (SELECT count(*) FROM consent_cohortmembership) FROM consent_subjectfact"
    )
    before = database.sql(rows)

    def fail(*_: Any, **__: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(ledger, "append", fail)
    with pytest.raises(ZeroDivisionError):
        move(world.subject, "GB")

    assert database.sql(rows) == before
    assert places_of(world.subject) == ["IE"]


def test_a_lease_ends_where_a_fact_begins_and_the_next_one_knows_it(database: Any) -> None:
    from consent import services

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    move(world.subject, "GB", TOMORROW)

    last = services.issue_policy(
        agent=agent, at=factories.midnight(TOMORROW) - timedelta(seconds=5)
    )
    assert last.policy.allow
    assert last.policy.lease_until == factories.midnight(TOMORROW)
    # No worker moved anybody: whoever asks for a policy is moved first.
    first = services.issue_policy(agent=agent, at=factories.midnight(TOMORROW))
    assert first.policy.allow == {}
    assert places_of(world.subject) == ["GB"]
    assert database.sql("SELECT since FROM consent_cohortmembership ORDER BY id DESC LIMIT 1") == [
        (factories.midnight(TOMORROW),)
    ]


def test_whoever_looks_before_the_worker_sees_the_new_rules(database: Any) -> None:
    from consent import selectors

    world = factories.make_world("IE")
    world.say_yes()
    move(world.subject, "GB", TOMORROW)
    just_before = factories.midnight(TOMORROW) - timedelta(microseconds=1)

    assert selectors.verdicts_for(world.subject, at=just_before).allowed()
    assert selectors.verdicts_for(world.subject, at=factories.midnight(TOMORROW)).allowed() == []


def test_a_trip_adds_its_law_and_its_end_takes_it_away(database: Any) -> None:
    from consent import selectors, services

    world = factories.make_world("IE")
    world.say_yes()
    agent = factories.make_agent(world.subject)
    trip = services.record_fact(
        subject=world.subject,
        kind="travel",
        value="GB",
        valid_from=TODAY,
        valid_until=TOMORROW,
        source="test",
        actor=factories.OFFICER,
    )
    assert places_of(world.subject) == ["GB", "IE"]
    assert selectors.verdicts_for(world.subject, at=datetime.now(UTC)).allowed() == []
    assert services.place_turned(at=factories.midnight(TOMORROW) - timedelta(seconds=1)) == 0
    assert services.place_turned(at=factories.midnight(TOMORROW)) == 1
    assert places_of(world.subject) == ["IE"]
    assert services.issue_policy(agent=agent, at=factories.midnight(TOMORROW)).policy.allow
    assert trip.valid_until == TOMORROW


def test_nobody_without_a_work_location_is_recorded(database: Any) -> None:
    from consent import selectors, services

    world = factories.make_world("IE")
    world.say_yes()
    services.record_fact(
        subject=world.subject,
        kind="establishment",
        value="IE",
        valid_from=TODAY,
        source="test",
        actor=factories.OFFICER,
    )
    fact = world.subject.facts.get(kind="work_location")

    services.end_fact(fact=fact, valid_until=TODAY, actor=factories.OFFICER)

    world.subject.refresh_from_db()
    verdicts = selectors.verdicts_for(world.subject, at=datetime.now(UTC))
    assert verdicts.allowed() == []
    assert all("unknown_jurisdiction" in pair.decision.codes for pair in verdicts.pairs)


def test_a_fact_put_right_on_its_first_day_never_held(database: Any) -> None:
    world = factories.make_world("IE")

    move(world.subject, "FI")
    move(world.subject, "FR")

    assert places_of(world.subject) == ["FR"]
    rows = database.sql(
        "SELECT value, valid_until - valid_from FROM consent_subjectfact"
        " WHERE kind = 'work_location' ORDER BY id"
    )
    assert rows[1:] == [("FI", 0), ("FR", None)]


def test_a_repeat_leaves_one_fact_and_an_odd_fact_none(database: Any) -> None:
    from consent import exceptions, services

    world = factories.make_world("IE")
    first = move(world.subject, "GB", TOMORROW)
    count = database.sql("SELECT count(*) FROM consent_subjectfact")

    assert move(world.subject, "GB", TOMORROW).pk == first.pk
    for odd in (
        {"to": " "},
        {"to": "GB", "valid_until": TODAY},
        {"to": "GB", "on": TOMORROW, "valid_until": TODAY},
    ):
        with pytest.raises(exceptions.FactUnclear):
            move(world.subject, **odd)
    with pytest.raises(exceptions.FactUnclear):
        services.record_fact(
            subject=world.subject,
            kind="mood",
            value="GB",
            valid_from=TODAY,
            source="test",
            actor=factories.OFFICER,
        )

    assert database.sql("SELECT count(*) FROM consent_subjectfact") == count


def test_nothing_makes_a_fact_longer(database: Any) -> None:
    from consent import exceptions, services

    world = factories.make_world("IE")
    trip = move(world.subject, "GB", TODAY, valid_until=TOMORROW)

    def end(on: date) -> Any:
        return services.end_fact(fact=trip, valid_until=on, actor=factories.OFFICER)

    with pytest.raises(exceptions.FactEnded):
        end(TOMORROW + timedelta(days=1))
    with pytest.raises(exceptions.FactUnclear):
        end(TODAY - timedelta(days=1))
    assert end(TOMORROW).valid_until == TOMORROW
    assert end(TODAY).valid_until == TODAY


def test_a_move_recorded_for_later_bounds_what_is_recorded_for_before(database: Any) -> None:
    world = factories.make_world("IE")
    later = TODAY + timedelta(days=9)
    move(world.subject, "FR", later)

    between = move(world.subject, "GB", TOMORROW)

    assert between.valid_until == later


def test_a_move_that_was_called_off_bounds_nothing(database: Any) -> None:
    from consent import services

    world = factories.make_world("IE")
    off = move(world.subject, "FR", TOMORROW)
    services.end_fact(fact=off, valid_until=TOMORROW, actor=factories.OFFICER)

    assert move(world.subject, "GB").valid_until is None
