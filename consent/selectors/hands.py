"""Through whose hands evidence and exceptions went: by role and reference, never by name."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from consent.models import GateEvidence, Proposal, ProposalVote, SignalOverride

Paper = GateEvidence | SignalOverride

OFFICER, COUNCIL, STAFF = "privacy_officer", "works_council", "staff"
RECORDED, ASKED, APPROVED = "recorded", "asked", "approved"
"""What somebody did about a paper: recorded it without a proposal, asked for it, agreed to it."""


@dataclass(frozen=True, slots=True)
class Hand:
    """One person who had a part in a paper."""

    did: str
    role: str
    ref: str
    unit: str = ""
    """For which unit a member of a works council spoke."""

    def as_json(self) -> dict[str, str]:
        """Return what is there, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if value}


def hands_of(papers: Iterable[Paper]) -> dict[int, tuple[Hand, ...]]:
    """Return for each paper, all of one kind, who asked for it and who agreed, by its key.

    Who recorded evidence without a proposal, as in an import, stands for it alone; of an exception
    without one nobody is known.
    """
    rows = list(papers)
    proposals = Proposal.objects.prefetch_related("votes").in_bulk(
        {row.proposal_id for row in rows if row.proposal_id}
    )
    return {row.pk: _hands(row, proposals.get(row.proposal_id or 0)) for row in rows}


def _hands(row: Paper, proposal: Proposal | None) -> tuple[Hand, ...]:
    if proposal is None:
        if isinstance(row, GateEvidence):
            return (Hand(RECORDED, STAFF, str(row.closed_by)),)
        return ()
    yes = [vote for vote in proposal.votes.all() if vote.vote == ProposalVote.Vote.APPROVE]
    return (
        Hand(ASKED, OFFICER, str(proposal.proposed_by)),
        *(
            Hand(APPROVED, COUNCIL if vote.unit else OFFICER, str(vote.voter), vote.unit)
            for vote in sorted(yes, key=lambda vote: vote.pk)
        ),
    )
