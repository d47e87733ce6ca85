"""Exceptions: what lifts a restriction, in which places, and until when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests import factories

TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def grant(
    world: factories.World,
    place: str,
    signal: str = "key_timing",
    since: date = TODAY,
    until: date = TODAY + 9 * DAY,
) -> Any:
    from consent import services
    from consent.policy.types import Signal

    return services.grant_override(
        purpose=world.purpose,
        jurisdiction=place,
        signal=Signal(signal),
        reason="To see how people type here",
        document_title="Exception",
        document_sha256="2" * 64,
        valid_from=since,
        valid_until=until,
        actor=factories.OFFICER,
    )


@pytest.fixture
def world(database: Any) -> factories.World:
    """Somebody in Ireland who agreed to typing rhythm too, which the law restricts there."""
    from consent import services
    from consent.policy.types import Signal

    world = factories.make_world("IE")
    services.allow_in_purpose(
        purpose=world.purpose,
        app=world.apps["tracker"],
        signals=[Signal.KEY_TIMING],
        actor=factories.OFFICER,
    )
    world.say_yes(("tracker", Signal.KEY_TIMING))
    return world


def codes(world: factories.World, at: datetime | None = None) -> tuple[str, ...]:
    """The reasons against typing rhythm in the tracker; none: it may be recorded."""
    from consent.policy.types import Signal

    world.subject.refresh_from_db()
    decision = factories.decision_for(
        world.subject,
        purpose="train-agents",
        app="tracker",
        signal=Signal.KEY_TIMING,
        at=at or datetime.now(UTC),
    )
    assert decision
    return decision.codes


RESTRICTED = ("signal_restricted_no_override",)


def test_the_exception_of_the_place_lifts_its_rule_and_its_parents(world: factories.World) -> None:
    assert codes(world) == RESTRICTED

    grant(world, "IE")

    assert codes(world) == ()


def test_the_parents_exception_alone_lifts_nothing_the_place_restricts_itself(
    world: factories.World,
) -> None:
    grant(world, "EU")

    assert codes(world) == RESTRICTED


def test_every_place_that_restricts_needs_one(world: factories.World) -> None:
    from consent import services

    factories.close_all_gates(world.purpose, "FR")
    services.record_fact(
        subject=world.subject,
        kind="residence",
        value="FR",
        valid_from=TODAY,
        source="test",
        actor=factories.OFFICER,
    )

    grant(world, "IE")
    assert RESTRICTED[0] in codes(world)
    grant(world, "FR")
    assert RESTRICTED[0] not in codes(world)


def test_an_exception_counts_from_its_first_instant_until_its_last(world: factories.World) -> None:
    from consent import services

    agent = factories.make_agent(world.subject)
    grant(world, "IE", since=TODAY + 2 * DAY, until=TODAY + 4 * DAY)
    begins, ends = factories.midnight(TODAY + 2 * DAY), factories.midnight(TODAY + 4 * DAY)

    assert codes(world, begins - SECOND) == RESTRICTED
    assert codes(world, begins) == ()
    assert codes(world, ends - SECOND) == ()
    assert codes(world, ends) == RESTRICTED
    assert services.issue_policy(agent=agent, at=begins - SECOND).policy.lease_until == begins
    last = services.issue_policy(agent=agent, at=ends - SECOND).policy
    assert last.allow == {"train-agents": {"tracker": {"key_timing": 30}}}
    assert last.lease_until == ends
    assert services.issue_policy(agent=agent, at=ends).policy.allow == {}


def test_another_purposes_exception_lifts_nothing(world: factories.World) -> None:
    from consent import services

    other = services.publish_purpose(
        code="another",
        title="Another",
        description="Another purpose.",
        retention_days=9,
        position=2,
        actor=factories.OFFICER,
    )
    world.purpose, kept = other, world.purpose
    grant(world, "IE")
    world.purpose = kept

    assert codes(world) == RESTRICTED


@pytest.mark.parametrize(("place", "signal"), [("DE", "key_content"), ("IE", "scroll")])
def test_what_is_prohibited_or_free_takes_no_exception(
    world: factories.World, database: Any, place: str, signal: str
) -> None:
    from consent import exceptions

    with pytest.raises(exceptions.OverrideUnfounded):
        grant(world, place, signal)

    assert database.sql("SELECT count(*) FROM consent_signaloverride") == [(0,)]


def test_no_exception_stands_without_its_entry(
    world: factories.World, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import IntegrityError

    from audit import ledger

    monkeypatch.setattr(ledger, "append", lambda *_, **__: 0)
    with pytest.raises(IntegrityError):
        grant(world, "IE")

    assert codes(world) == RESTRICTED


# --- why, for how long, and by whose hands ------------------------------------------------------

AUTHOR, OTHER = UUID(int=11), UUID(int=12)


def asked(**terms: Any) -> dict[str, Any]:
    """An exception as somebody proposes it, by default for nine days."""
    return {
        "purpose": "train-agents",
        "jurisdiction": "IE",
        "signal": "key_timing",
        "reason": "The model has to learn how forms are filled in",
        "document_title": "Exception",
        "document_sha256": "2" * 64,
        "valid_from": TODAY.isoformat(),
        "valid_until": (TODAY + 9 * DAY).isoformat(),
        **terms,
    }


def propose(**terms: Any) -> Any:
    from consent import services

    return services.propose(kind="override.grant", payload=asked(**terms), proposed_by=AUTHOR)


def agree(proposal: Any) -> Any:
    from consent import services

    factories.make_officer(OTHER)
    return services.vote(proposal=proposal.uuid, voter=OTHER, vote="approve")


@pytest.mark.parametrize("reason", ["", "  "])
def test_an_exception_without_a_reason_is_refused(world: factories.World, reason: str) -> None:
    from consent import exceptions

    with pytest.raises(exceptions.ConsentError, match="reason"):
        propose(reason=reason)
    payload = asked()
    del payload["reason"]
    from consent import services

    with pytest.raises(exceptions.ChangeUnfit, match="reason"):
        services.propose(kind="override.grant", payload=payload, proposed_by=AUTHOR)


def test_an_exception_ends_in_the_future_and_within_the_longest_term(
    world: factories.World,
) -> None:
    from consent import exceptions
    from consent.policy.deadlines import add_months
    from consent.rules import rulebook

    longest = add_months(TODAY, rulebook().meta.exception_months)
    for since, until in (
        (TODAY - 30 * DAY, TODAY - 9 * DAY),
        (TODAY - 30 * DAY, TODAY),
        (TODAY, longest + DAY),
        (TODAY, date(2099, 12, 31)),
    ):
        with pytest.raises(exceptions.OverrideTerm):
            propose(valid_from=since.isoformat(), valid_until=until.isoformat())
        with pytest.raises(exceptions.OverrideTerm):
            grant(world, "IE", since=since, until=until)

    assert agree(propose(valid_until=longest.isoformat())).state == "applied"


def test_an_exception_from_before_a_reason_was_asked_for_is_still_taken_back(
    world: factories.World, database: Any
) -> None:
    from consent import services
    from consent.digests import digest

    made = agree(propose())
    payload = asked()
    del payload["reason"]
    database.sql("ALTER TABLE consent_proposal DISABLE TRIGGER USER")
    made.payload, made.payload_sha256 = payload, digest(payload)
    made.save(update_fields=["payload", "payload_sha256"])
    database.sql("ALTER TABLE consent_proposal ENABLE TRIGGER USER")

    back = services.revert_proposal(proposal=made.uuid, by=AUTHOR)

    assert back.applied_at is not None
    assert codes(world) == RESTRICTED


def test_who_asked_for_it_who_agreed_and_why_is_shown(world: factories.World) -> None:
    from consent.policy.types import Signal
    from consent.selectors.explain import as_json, explain

    agree(propose())
    found = as_json(
        explain(
            world.subject, purpose="train-agents", app="tracker", signal=Signal.KEY_TIMING,
            at=datetime.now(UTC),
        )
    )  # fmt: skip
    (ground,) = [one for one in found["answers"][0]["stands"] if one["kind"] == "exception"]

    assert ground["note"] == "The model has to learn how forms are filled in"
    assert ground["hands"] == [
        {"did": "asked", "role": "privacy_officer", "ref": str(AUTHOR)},
        {"did": "approved", "role": "privacy_officer", "ref": str(OTHER)},
    ]
