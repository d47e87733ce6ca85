"""Two privacy officers means two who are officers when it takes effect: a former one's word lapses.

The word is kept. Who is an officer again has said it already.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
import time_machine

from tests import factories
from tests.integration.test_change_pages import another_officer, only
from tests.integration.test_kill_switch import pull, release
from tests.integration.test_pages import signed_in
from tests.integration.test_proposals import (
    LONGER,
    MUNICH,
    SHORTER,
    agree,
    current,
    propose,
    seat,
    vote,
)

ONE, TWO, THREE = (UUID(int=n) for n in (101, 102, 103))
HEALTHY = {"app": "tracker", "fields": {"category": "health"}}
ORDINARY = {"app": "tracker", "fields": {"category": "office"}}


@pytest.fixture
def world(database: Any) -> factories.World:
    return factories.make_world()


def state_of(database: Any) -> str:
    """The state of the newest proposal."""
    return str(database.sql("SELECT state FROM consent_proposal ORDER BY id DESC LIMIT 1")[0][0])


# --- the kill switch -------------------------------------------------------------------------


def test_who_is_no_officer_any_more_is_no_half_of_a_release(database: Any) -> None:
    switch = pull()
    release(switch, ONE)
    factories.take_role_away(ONE)

    assert release(switch, TWO).released_at is None
    assert release(switch, TWO).released_at is None, "a repeat is no second officer"

    assert release(switch, THREE).released_at is not None


def test_who_is_an_officer_again_has_agreed_already(database: Any) -> None:
    switch = pull()
    release(switch, ONE)
    factories.take_role_away(ONE)
    assert release(switch, TWO).released_at is None

    factories.give_role_back(ONE)

    assert release(switch, TWO).released_at is not None
    ended = database.sql(
        "SELECT count(*) FROM audit_entry WHERE type LIKE 'kill_switch.release%%' GROUP BY type"
        " ORDER BY type"
    )
    assert ended == [(2,), (1,)], "two agreed, and it was released once"


def test_who_never_was_an_officer_releases_nothing(database: Any) -> None:
    from consent import services

    switch = pull()
    for stranger in (THREE, UUID(int=104)):
        services.release_kill_switch(switch=switch.uuid, officer=stranger)

    assert release(switch, ONE).released_at is None


def test_raw_sql_releases_nothing_by_the_word_of_a_former_officer(database: Any) -> None:
    switch = pull()
    release(switch, ONE)
    factories.take_role_away(ONE)
    release(switch, TWO)
    free = "UPDATE consent_killswitch SET released_at = now()"

    for role in ("app", "owner"):
        with pytest.raises(psycopg.errors.IntegrityError, match="two privacy officers"):
            database.sql(free, role=role)

    factories.give_role_back(ONE)
    with pytest.raises(psycopg.errors.IntegrityError, match="no entry in the ledger"):
        database.sql(free)


def test_a_role_that_is_taken_away_meanwhile_waits_for_the_release(database: Any) -> None:
    """Or the release for it: never is it released by somebody who was none at that moment."""
    from django.db import connections, transaction

    switch = pull()
    release(switch, ONE)
    factories.make_officer(TWO)
    gone = threading.Event()

    def take_away() -> None:
        factories.take_role_away(ONE)
        gone.set()
        connections.close_all()

    other = threading.Thread(target=take_away)
    with transaction.atomic():
        assert release(switch, TWO).released_at is not None
        other.start()
        assert not gone.wait(0.5)
    other.join()
    assert gone.is_set()


def test_the_page_says_why_a_release_still_waits(world: Any, database: Any) -> None:
    from portal.models import User

    signed_in("operator").post("/stop/pull/", {"scope": "", "reason": "incident"})
    switch = database.sql("SELECT uuid FROM consent_killswitch")[0][0]
    first, second = signed_in("privacy_officer"), another_officer()
    first.post(f"/stop/{switch}/release/")
    ref = User.objects.get(email="privacy_officer@example.org").ref
    factories.take_role_away(ref)

    page = second.get("/stop/").content.decode()

    assert "No privacy officer has agreed to release it yet." in page
    assert "1 person who agreed is no privacy officer any more" in page
    second.post(f"/stop/{switch}/release/")
    page = second.get("/stop/").content.decode()
    assert "You agreed to release it." in page
    assert "1 person who agreed is no privacy officer any more" in page
    assert f"/stop/{switch}/release/" not in page

    factories.give_role_back(ref)

    page = second.get("/stop/").content.decode()
    assert "no privacy officer any more" not in page
    assert "press once more to release it" in page
    assert f"/stop/{switch}/release/" in page
    second.post(f"/stop/{switch}/release/")
    assert database.sql("SELECT count(released_at) FROM consent_killswitch") == [(1,)]


# --- proposals -------------------------------------------------------------------------------


def two_officers_needed() -> Any:
    """Return a proposal that needs two officers and a council, of which one officer lacks."""
    propose("app.change", HEALTHY)
    agree(council_may_veto=True, council_units=["munich"])
    seat(MUNICH, "munich")
    proposal = propose("app.change", ORDINARY)
    assert (proposal.approvals_needed, proposal.council_units) == (2, ["munich"])
    vote(proposal, MUNICH, unit="munich")
    vote(proposal, ONE)
    return proposal


def test_the_approval_of_a_former_officer_is_no_half_of_a_decision(world: Any) -> None:
    from consent import selectors

    proposal = two_officers_needed()
    factories.take_role_away(ONE)

    assert selectors.missing_votes(proposal).approvals == 2
    assert vote(proposal, TWO).state == "open"
    view = selectors.proposal_view(proposal)
    assert view["missing"].approvals == 1
    assert [one["counts"] for one in view["votes"]] == [True, False, True]

    assert vote(proposal, THREE).state == "applied"

    factories.take_role_away(TWO)
    view = selectors.proposal_view(vote(proposal, THREE))
    assert view["missing"].nobody, "what took effect was decided by those who were officers then"


def test_who_is_an_officer_again_has_approved_already(world: Any) -> None:
    proposal = two_officers_needed()
    factories.take_role_away(ONE)
    assert vote(proposal, TWO).state == "open"
    factories.give_role_back(ONE)

    assert vote(proposal, TWO).state == "applied"


@pytest.mark.parametrize("later", [False, True])
def test_a_council_whose_seat_was_given_anew_says_so_again(world: Any, *, later: bool) -> None:
    """At once, or in time for the hour."""
    from consent import services
    from consent.models import CouncilSeat

    agree(council_may_veto=True, council_units=["munich"])
    seat(MUNICH, "munich")
    hour = datetime.now(UTC) + timedelta(hours=1) if later else None
    proposal = propose("purpose.change", LONGER, effective_at=hour)
    vote(proposal, MUNICH, unit="munich")
    services.end_seat(seat=CouncilSeat.objects.get(), actor=factories.OFFICER)
    assert vote(proposal, ONE).state == "open"
    seat(MUNICH, "munich")

    again = vote(proposal, MUNICH, unit="munich")

    assert again.state == ("approved" if later else "applied")


def test_a_look_afterwards_by_a_former_officer_is_none(world: Any, database: Any) -> None:
    proposal = propose("purpose.change", SHORTER)
    factories.make_officer(ONE)
    factories.take_role_away(ONE)

    assert vote(proposal, ONE).state == "open"
    assert current(database) == 30
    assert vote(proposal, TWO).state == "applied"


def approved_for_later() -> Any:
    hour = datetime.now(UTC) + timedelta(hours=1)
    proposal = vote(propose("purpose.change", LONGER, effective_at=hour), ONE)
    assert proposal.state == "approved"
    return proposal


def test_what_waits_for_its_hour_waits_on_for_another_officer(world: Any, database: Any) -> None:
    from consent import exceptions, services

    proposal = approved_for_later()
    with pytest.raises(exceptions.ProposalDecided):
        vote(proposal, TWO)
    factories.take_role_away(ONE)

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2), tick=True):
        assert services.apply_due_proposals() == 0
        assert (state_of(database), current(database)) == ("approved", 60)
        assert vote(proposal, TWO).state == "applied"
    assert current(database) == 90


def test_another_officer_approves_in_time_for_the_hour(world: Any, database: Any) -> None:
    from consent import services

    proposal = approved_for_later()
    factories.take_role_away(ONE)

    again = vote(proposal, TWO)

    assert (again.state, again.decided_by, current(database)) == ("approved", ONE, 60)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2), tick=True):
        assert services.apply_due_proposals() == 1
    assert current(database) == 90


def test_who_is_an_officer_again_by_the_hour_has_approved(world: Any, database: Any) -> None:
    from consent import services

    approved_for_later()
    factories.take_role_away(ONE)
    factories.give_role_back(ONE)

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=2), tick=True):
        assert services.apply_due_proposals() == 1
    assert current(database) == 90


def test_raw_sql_applies_nothing_by_the_word_of_a_former_officer(world: Any, database: Any) -> None:
    approved_for_later()
    apply = "UPDATE consent_proposal SET state = 'applied', applied_at = now()"
    with pytest.raises(psycopg.errors.IntegrityError, match="no entry in the ledger"):
        database.sql(apply)
    factories.take_role_away(ONE)

    for role in ("app", "owner"):
        with pytest.raises(psycopg.errors.IntegrityError, match="lacks an approval"):
            database.sql(apply, role=role)


def test_the_page_says_why_a_change_waits_and_offers_the_answer(world: Any, database: Any) -> None:
    from portal.models import User

    author = signed_in("privacy_officer", "manager")
    first, second = signed_in("privacy_officer"), another_officer()
    later = (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    author.post(
        "/privacy/changes/new/allowlist.change/",
        {
            "purpose": "train-agents",
            "app": "tracker",
            "add": ["key_timing"],
            "effective_at": later,
        },
    )
    page = f"/privacy/changes/{only(database)}/"
    first.post(page + "vote/", {"vote": "approve"})
    assert state_of(database) == "approved"
    assert 'value="approve"' not in second.get(page).content.decode()
    factories.take_role_away(User.objects.get(email="privacy_officer@example.org").ref)

    shown = second.get(page).content.decode()

    assert "Who said it is no privacy officer any more, so this does not count." in shown
    assert "1 privacy officer other than the author" in shown
    assert "Waits for an approval again" in shown
    assert "Waits for an approval again" in second.get("/privacy/changes/").content.decode()
    assert 'value="approve"' in shown
    assert 'value="approve"' not in author.get(page).content.decode()
    second.post(page + "vote/", {"vote": "approve"})
    shown = second.get(page).content.decode()
    assert "Approved, waits for its hour" in shown
    assert "other than the author" not in shown


def test_who_may_decide_anew_is_offered_it(world: Any, database: Any) -> None:
    from consent import services
    from portal.models import User

    first, second = signed_in("privacy_officer"), another_officer()
    proposal = propose("purpose.change", SHORTER)
    page = f"/privacy/changes/{only(database)}/"
    ref = User.objects.get(email="privacy_officer@example.org").ref
    factories.take_role_away(ref)
    services.vote(proposal=proposal.uuid, voter=ref, vote="approve")
    assert state_of(database) == "open"

    factories.give_role_back(ref)

    shown = first.get(page).content.decode()
    assert 'value="approve"' in shown
    assert 'value="reject"' not in shown, "who said yes does not say no"
    assert 'value="reject"' in second.get(page).content.decode()
    first.post(page + "vote/", {"vote": "approve"})
    assert state_of(database) == "applied"
