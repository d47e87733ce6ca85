"""The way back from a change in effect, or what narrows at once where none leads back."""

from dataclasses import dataclass

from consent.exceptions import CannotRevert
from consent.models import Proposal
from consent.services.changes import read_change
from consent.services.changes.kind import Payload


@dataclass(frozen=True, slots=True)
class WayBack:
    """What can be had of a way back."""

    change: tuple[str, Payload] | None
    """Kind and payload; None where nothing leads back and nothing is left to narrow."""
    exact: bool
    """Whether it leads back to what stood; else it only narrows."""
    why: str
    """Why nothing leads back; empty where something does."""


def way_back(proposal: Proposal) -> WayBack:
    """Return how to go back on a change that was made."""
    change = read_change(proposal.kind, proposal.payload)
    try:
        return WayBack(change.inverse(proposal.before or {}), exact=True, why="")
    except CannotRevert as refusal:
        return WayBack(change.instead(), exact=False, why=refusal.detail)
