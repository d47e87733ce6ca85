"""Nobody's yes stands for terms that they were not told: other terms bring the next notice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests import factories
from tests.integration.test_kill_switch import allowed, said
from tests.integration.test_proposals import OTHER, TEXTS, propose, vote

OTHERWISE: list[dict[str, Any]] = [
    {"title": "Rate people"},
    {"description": "Rank staff by how fast they click."},
    {"retention_days": 61},
    {"title": "Rate people", "retention_days": 30},
]


@pytest.fixture
def world(database: Any) -> factories.World:
    world = factories.make_world()
    world.say_yes()
    return world


def change(terms: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
    return "purpose.change", {"purpose": "train-agents", **terms, **more}


def reasons(world: factories.World) -> set[str]:
    from consent import selectors

    verdicts = selectors.verdicts_for(world.subject, at=datetime.now(UTC))
    return {
        str(reason)
        for pair in verdicts.pairs
        if (pair.app, pair.signal.value) == ("tracker", "mouse_click")
        for reason in pair.decision.reasons
    }


@pytest.mark.parametrize("terms", OTHERWISE)
def test_other_terms_without_a_notice_are_refused(
    world: factories.World, database: Any, terms: dict[str, Any]
) -> None:
    from consent import exceptions, services

    with pytest.raises(exceptions.NoticeNeeded):
        propose(*change(terms))
    with pytest.raises(exceptions.NoticeNeeded):
        services.change_purpose(purpose=world.purpose, fields=terms, actor=factories.OFFICER)

    assert database.sql("SELECT count(*) FROM consent_proposal") == [(0,)]
    world.purpose.refresh_from_db()
    assert (world.purpose.title, world.purpose.retention_days) == ("Train computer-use agents", 60)


@pytest.mark.parametrize("terms", OTHERWISE)
def test_with_their_notice_everybody_is_asked_anew(
    world: factories.World, database: Any, terms: dict[str, Any]
) -> None:
    from consent import selectors

    for _ in range(9):
        world.another_subject()
    proposal = propose(*change(terms, texts=TEXTS))
    told = selectors.proposal_view(proposal)["impact_lines"]

    assert "10 people: whoever said yes is asked anew" in told
    assert not proposal.tightens
    assert ("train-agents", "tracker", "mouse_click") in allowed(world.subject)

    assert vote(proposal, OTHER).state == "applied"

    assert allowed(world.subject) == set()
    assert "notice_changed_reconsent" in reasons(world)
    notice = selectors.current_notice(world.purpose)
    assert notice is not None
    assert (notice.version, notice.texts.get().sections) == (2, TEXTS["en"]["sections"])


def test_who_said_yes_to_less_is_kept_no_longer_until_they_say_yes_again(
    world: factories.World,
) -> None:
    from consent.selectors.documents import said_by

    def kept() -> int:
        world.subject.refresh_from_db()
        cohort = world.subject.cohort
        assert cohort is not None
        said = said_by(cohort.policies.order_by("-revision").first())
        return int(said["purposes"]["train-agents"]["kept"]["mouse_click"])

    propose(*change({"retention_days": 20}))
    assert kept() == 20
    assert ("train-agents", "tracker", "mouse_click") in allowed(world.subject), "it only narrows"

    vote(propose(*change({"retention_days": 40}, texts=TEXTS)), OTHER)
    assert allowed(world.subject) == set()

    world.say_yes_again()
    assert (kept(), bool(allowed(world.subject))) == (40, True)


def test_a_retired_purpose_does_not_come_back_as_another(world: factories.World) -> None:
    from consent import exceptions

    propose("purpose.retire", {"purpose": "train-agents"})

    with pytest.raises(exceptions.NoticeNeeded):
        propose(*change({"title": "Rate people"}))


def test_a_purpose_nobody_has_read_about_changes_without_a_notice(database: Any) -> None:
    from consent import services

    purpose = services.publish_purpose(
        code="new", title="New", description="Words.", retention_days=9, position=1,
        actor=factories.OFFICER,
    )  # fmt: skip
    vote(propose("purpose.change", {"purpose": "new", "title": "Newer"}), OTHER)

    purpose.refresh_from_db()
    assert (purpose.title, purpose.notices.count()) == ("Newer", 0)


def test_the_way_back_tells_people_too(world: factories.World) -> None:
    from consent import selectors, services

    def texts() -> tuple[int, str]:
        notice = selectors.current_notice(world.purpose)
        assert notice is not None
        return notice.version, notice.texts.get(language="en").sections["summary"]

    first = texts()
    made = vote(propose(*change({"title": "Rate people"}, texts=TEXTS)), OTHER)
    assert texts() == (2, "Kept longer.")
    back = services.revert_proposal(proposal=made.uuid, by=OTHER)
    vote(back, made.proposed_by)
    world.purpose.refresh_from_db()
    assert (world.purpose.title, texts()) == ("Train computer-use agents", (3, first[1]))

    shorter = propose(*change({"retention_days": 10}))
    longer = services.revert_proposal(proposal=shorter.uuid, by=OTHER)
    assert (longer.tightens, longer.applied_at) == (False, None)
    vote(longer, made.proposed_by)
    assert texts() == (4, first[1])


def test_an_old_proposal_without_a_notice_fails_when_it_is_approved(
    world: factories.World, database: Any
) -> None:
    """One from before this was asked for, as it lies in a database that is upgraded."""
    from consent.digests import digest

    payload = {"purpose": "train-agents", "title": "Rate people"}
    proposal = propose(*change({"title": "Rate people"}, texts=TEXTS))
    database.sql("ALTER TABLE consent_proposal DISABLE TRIGGER USER")
    proposal.payload, proposal.payload_sha256 = payload, digest(payload)
    proposal.before = {"title": "Train computer-use agents"}
    proposal.save(update_fields=["payload", "payload_sha256", "before"])
    database.sql("ALTER TABLE consent_proposal ENABLE TRIGGER USER")

    assert vote(proposal, OTHER).state == "failed"

    assert database.sql("SELECT title FROM consent_purpose") == [("Train computer-use agents",)]
    assert said(database, "proposal.failed")[0]["reason"] == "notice_needed"
