"""Words that count by who said them: the ledger says just that by just that person, or no word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from audit import events
from tests import factories
from tests.integration.test_kill_switch import pull
from tests.integration.test_proposals import AUTHOR, LONGER, MUNICH, OTHER, agree, propose, seat

ELSE = UUID(int=99)
Entry = Callable[[Any], Any]


@pytest.fixture
def proposal(database: Any) -> Any:
    """A change that waits for an officer and for the council of Munich."""
    factories.make_world()
    agree(council_may_veto=True, council_units=["munich"])
    seat(MUNICH, "munich")
    factories.make_officer(OTHER)
    return propose("purpose.change", LONGER)


def write(row: Any, event: Any, actor: UUID) -> None:
    """Write a row by itself, with an entry that covers it."""
    from django.db import transaction

    from audit import ledger
    from audit.ledger import Actor

    with transaction.atomic():
        row.save(force_insert=True)
        ledger.append(event, actor=Actor.staff(actor), covers=[row])


def word(kind: type[Any], proposal: Any, **more: str) -> Any:
    return kind(kind=proposal.kind, digest=proposal.payload_sha256, proposal=proposal.uuid, **more)


def refused() -> Any:
    from django.db import IntegrityError

    return pytest.raises(IntegrityError, match="in that name")


OFFICERS = {"approve": events.ProposalApproved, "reject": events.ProposalRejected}
COUNCILS = {"approve": events.ProposalAgreed, "veto": events.ProposalVetoed}


@pytest.mark.parametrize(
    ("unit", "vote"),
    [("", "approve"), ("", "reject"), ("munich", "approve"), ("munich", "veto")],
)
def test_no_vote_is_cast_that_the_ledger_does_not_tell_of(
    proposal: Any, database: Any, unit: str, vote: str
) -> None:
    from consent.models import ProposalVote

    voter = MUNICH if unit else OTHER

    def cast() -> ProposalVote:
        return ProposalVote(proposal=proposal, voter=voter, unit=unit, vote=vote)

    def said(one: type[Any]) -> Any:
        more = {"unit": "munich"} if one in COUNCILS.values() else {}
        return word(one, proposal, **more)

    right = (COUNCILS if unit else OFFICERS)[vote]
    for wrong in {*OFFICERS.values(), *COUNCILS.values(), events.ProposalMade} - {right}:
        with refused():
            write(cast(), said(wrong), voter)
    with refused():
        write(cast(), said(right), ELSE)
    assert database.sql("SELECT count(*) FROM consent_proposalvote") == [(0,)]

    write(cast(), said(right), voter)

    assert database.sql("SELECT vote, unit FROM consent_proposalvote") == [(vote, unit)]


def test_no_change_is_proposed_in_the_name_of_who_did_not(proposal: Any, database: Any) -> None:
    from consent.models import Proposal

    def another() -> Proposal:
        same = ("kind", "payload", "payload_sha256", "before", "after", "impact", "council_units")
        told = {name: getattr(proposal, name) for name in same}
        return Proposal(**told, proposed_by=AUTHOR)

    with refused():
        write(another(), word(events.ProposalMade, proposal), ELSE)
    with refused():
        write(another(), word(events.ProposalWithdrawn, proposal), AUTHOR)
    write(another(), word(events.ProposalMade, proposal), AUTHOR)

    assert database.sql("SELECT count(*) FROM consent_proposal") == [(2,)]


def test_nobody_agrees_to_a_release_without_saying_so(database: Any) -> None:
    from consent.models import KillRelease

    switch = pull()
    factories.make_officer(OTHER)
    agreed = events.KillSwitchReleaseAgreed(scope="everything", purpose=None)

    def release() -> KillRelease:
        return KillRelease(switch=switch, officer=OTHER)

    with refused():
        write(release(), agreed, ELSE)
    with refused():
        pulled = events.KillSwitchPulled(
            scope="everything", by_role="operator", reason="other", purpose=None
        )
        write(release(), pulled, OTHER)
    write(release(), agreed, OTHER)

    assert database.sql("SELECT officer FROM consent_killrelease") == [(OTHER,)]
