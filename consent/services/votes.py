"""Votes on proposals: privacy officers approve or reject, works councils agree or veto."""

from contextlib import suppress
from datetime import date
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.models import Proposal, ProposalVote
from consent.selectors.proposals import OPEN_STATES, missing_votes, seats_asked
from consent.services.proposals import carry_out, revert_proposal
from consent.services.refused import in_words

OFFICERS_SAY: Final = {ProposalVote.Vote.APPROVE, ProposalVote.Vote.REJECT}
COUNCILS_SAY: Final = {ProposalVote.Vote.APPROVE, ProposalVote.Vote.VETO}


@in_words
@transaction.atomic
def vote(*, proposal: UUID, voter: UUID, vote: str, unit: str = "") -> Proposal:
    """Record a vote, as a privacy officer or for the council of `unit`; return what then stands.

    With the last vote it needs the change is made at once, or waits for its hour; where somebody
    who approved is no officer any more by then, it waits for another one. A rejection and a veto
    end it; where it narrowed at once it stands, and the way back is proposed in the same
    breath, by who rejected it, since that widens and needs somebody else's approval.

    The same vote again returns what stands. Raises VoteUnclear, ProposalDecided,
    ApproverIsRequester, AlreadyVoted, UnitNotAsked or SeatMissing; then nothing changed.
    """
    said = _said(vote, unit)
    # Two last votes at once: one waits here, and then finds the change made.
    standing = Proposal.objects.select_for_update().get(uuid=proposal)
    if same := standing.votes.filter(voter=voter, unit=unit, vote=said).first():
        # A yes may count again, by a role or a seat that was given anew: said again, it decides.
        if standing.state == Proposal.State.OPEN and missing_votes(standing).nobody:
            _say_cast(standing, same)
            _settle(standing, same)
        return standing
    _refuse_unheard(standing, voter, said, unit)
    cast = ProposalVote.objects.create(proposal=standing, voter=voter, unit=unit, vote=said)
    _say_cast(standing, cast)
    _settle(standing, cast)
    return standing


def _said(vote: str, unit: str) -> ProposalVote.Vote:
    said = COUNCILS_SAY if unit else OFFICERS_SAY
    if vote not in {word.value for word in said}:
        raise exceptions.VoteUnclear
    return ProposalVote.Vote(vote)


def _refuse_unheard(proposal: Proposal, voter: UUID, said: ProposalVote.Vote, unit: str) -> None:
    """Refuse who may not speak here, and what comes too late; the last word is a no."""
    if not _may_still(proposal, said, unit):
        raise exceptions.ProposalDecided
    if proposal.proposed_by == voter:
        raise exceptions.ApproverIsRequester
    spoken = set(proposal.votes.filter(voter=voter).values_list("unit", flat=True))
    # One person is one pair of eyes: not an officer's here and a council's there.
    if unit in spoken or any(bool(other) != bool(unit) for other in spoken):
        raise exceptions.AlreadyVoted
    if unit and unit not in proposal.council_units:
        raise exceptions.UnitNotAsked
    if unit and not _holds_seat(proposal, voter, unit, on=timezone.now().date()):
        raise exceptions.SeatMissing


def _may_still(proposal: Proposal, said: ProposalVote.Vote, unit: str) -> bool:
    if proposal.state == Proposal.State.APPROVED and said == ProposalVote.Vote.APPROVE:
        # In the place of an officer who is none any more.
        return not unit and missing_votes(proposal).approvals > 0
    return proposal.state in OPEN_STATES


def _holds_seat(proposal: Proposal, person: UUID, unit: str, *, on: date) -> bool:
    seats = seats_asked(proposal, lock=True)
    return any(
        (seat.person, seat.unit) == (person, unit) and seat.valid_from <= on for seat in seats
    )


def _settle(proposal: Proposal, cast: ProposalVote) -> None:
    """Draw what follows from the votes there are."""
    agreed = cast.vote == ProposalVote.Vote.APPROVE
    if agreed and not missing_votes(proposal, lock=True).nobody:
        return
    # Who approves in the place of somebody else does not decide anew what the councils agreed to.
    if not agreed or proposal.state == Proposal.State.OPEN:
        proposal.decided_by, proposal.decided_at = cast.voter, timezone.now()
    if not agreed:
        _decide(
            proposal,
            Proposal.State.REJECTED
            if cast.vote == ProposalVote.Vote.REJECT
            else Proposal.State.VETOED,
        )
        if proposal.applied_at is not None:
            _propose_the_way_back(proposal, cast.voter)
    elif proposal.applied_at is not None:  # it tightened at once, and this is the look afterwards
        _decide(proposal, Proposal.State.APPLIED)
    elif proposal.effective_at and proposal.effective_at > timezone.now():
        _decide(proposal, Proposal.State.APPROVED)
    else:
        carry_out(proposal, actor=Actor.staff(cast.voter))


def _propose_the_way_back(proposal: Proposal, by: UUID) -> None:
    """Propose it where there is one; else the pages say that what was rejected stands."""
    with suppress(exceptions.ConsentError):
        revert_proposal(proposal=proposal.uuid, by=by)


def _decide(proposal: Proposal, state: Proposal.State) -> None:
    proposal.state = state
    proposal.save(update_fields=["state", "decided_by", "decided_at"])


def _say_cast(proposal: Proposal, cast: ProposalVote) -> None:
    kind, sha256, uuid = proposal.kind, proposal.payload_sha256, proposal.uuid
    officers = {"approve": events.ProposalApproved, "reject": events.ProposalRejected}
    councils = {"approve": events.ProposalAgreed, "veto": events.ProposalVetoed}
    ledger.append(
        councils[cast.vote](kind=kind, digest=sha256, proposal=uuid, unit=cast.unit)
        if cast.unit
        else officers[cast.vote](kind=kind, digest=sha256, proposal=uuid),
        actor=Actor.staff(cast.voter),
        covers=[proposal, cast],
    )
