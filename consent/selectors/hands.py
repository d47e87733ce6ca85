"""Through whose hands evidence and exceptions went: by role and reference, never by name."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from consent.models import GateEvidence, Proposal, ProposalVote, SignalOverride

Paper = GateEvidence | SignalOverride

OFFICER, COUNCIL, STAFF = "privacy_officer", "works_council", "staff"
RECORDED, ASKED, APPROVED = "recorded", "asked", "approved"
"""What somebody did about a paper: recorded it without a proposal, asked for it, agreed to it."""

KINDS: Final[Mapping[type[Paper], str]] = {
    GateEvidence: "gate.close",
    SignalOverride: "override.grant",
}


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
    if not rows:
        return {}
    proposals = _made(rows)
    return {row.pk: _hands(row, proposals) for row in rows}


def _made(rows: list[Paper]) -> list[Proposal]:
    """Return the proposals that brought such papers, the oldest first."""
    digests = list({row.document_sha256 for row in rows})
    made = Proposal.objects.filter(
        kind=KINDS[type(rows[0])],
        applied_at__isnull=False,
        payload__document_sha256__in=digests,
    )
    return list(made.prefetch_related("votes").order_by("applied_at", "pk"))


def _hands(row: Paper, proposals: list[Proposal]) -> tuple[Hand, ...]:
    # A change is made in the transaction that records its papers, and says so afterwards.
    after = (one for one in proposals if one.applied_at and one.applied_at >= row.recorded_at)
    proposal = next((one for one in after if _brought(row, one)), None)
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


def _brought(row: Paper, proposal: Proposal) -> bool:
    """Say whether a proposal's payload is about this very paper."""
    said = proposal.payload
    until = row.valid_until.isoformat() if row.valid_until else None
    same = (
        said.get("document_sha256") == row.document_sha256
        and said.get("valid_from") == row.valid_from.isoformat()
        and said.get("valid_until") == until
        and said.get("purpose") == row.purpose.code
    )
    if isinstance(row, GateEvidence):
        return same and [row.jurisdiction, row.gate] in said.get("gates", [])
    return same and (said.get("jurisdiction"), said.get("signal")) == (row.jurisdiction, row.signal)
