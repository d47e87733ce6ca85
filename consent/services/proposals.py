"""Four eyes: one person proposes, another decides; the database refuses one who does both."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.digests import digest
from consent.models import Proposal, ProposalVote


@transaction.atomic
def propose(*, kind: str, payload: dict[str, Any], proposed_by: UUID) -> Proposal:
    """Return an open proposal; nothing changes before somebody else approves it."""
    proposal = Proposal.objects.create(
        kind=kind, payload=payload, payload_sha256=digest(payload), proposed_by=proposed_by
    )
    ledger.append(
        events.ProposalMade(kind=kind, digest=proposal.payload_sha256, proposal=proposal.uuid),
        actor=Actor.staff(proposed_by),
        covers=[proposal],
    )
    return proposal


def approve_proposal(*, proposal: UUID, decided_by: UUID) -> Proposal:
    """Approve exactly what was proposed; the caller applies it in the same transaction.

    Raises ApproverIsRequester, ProposalDecided or ProposalAltered; then nothing changed.
    """
    return _decide(proposal, decided_by, Proposal.State.APPROVED)


def reject_proposal(*, proposal: UUID, decided_by: UUID) -> Proposal:
    """Reject it; it stays on record and can be proposed anew."""
    return _decide(proposal, decided_by, Proposal.State.REJECTED)


@transaction.atomic
def _decide(uuid: UUID, decided_by: UUID, state: Proposal.State) -> Proposal:
    proposal = Proposal.objects.select_for_update().get(uuid=uuid)
    if proposal.state != Proposal.State.OPEN:
        raise exceptions.ProposalDecided
    if proposal.proposed_by == decided_by:
        raise exceptions.ApproverIsRequester
    if digest(proposal.payload) != proposal.payload_sha256:
        raise exceptions.ProposalAltered
    approved = state == Proposal.State.APPROVED
    vote = ProposalVote.objects.create(
        proposal=proposal,
        voter=decided_by,
        vote=ProposalVote.Vote.APPROVE if approved else ProposalVote.Vote.REJECT,
    )
    proposal.state = state
    proposal.decided_by = decided_by
    proposal.decided_at = timezone.now()
    proposal.save(update_fields=["state", "decided_by", "decided_at"])
    said = events.ProposalApproved if approved else events.ProposalRejected
    ledger.append(
        said(kind=proposal.kind, digest=proposal.payload_sha256, proposal=proposal.uuid),
        actor=Actor.staff(decided_by),
        covers=[proposal, vote],
    )
    return proposal
