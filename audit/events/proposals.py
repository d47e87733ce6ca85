"""What the ledger can say about changes that need four eyes. Pure."""

from uuid import UUID

from audit.event import Event, event, sealed


@event
class _Proposal(Event):
    kind: str
    digest: str
    proposal: UUID | None = sealed(default=None)
    note: str | None = sealed(default=None)


@event
class ProposalMade(_Proposal):
    """Someone proposed a change that a second person must approve."""

    type = "proposal.made"
    title = "Change proposed"


@event
class ProposalApproved(_Proposal):
    """Somebody other than its author approved a proposed change."""

    type = "proposal.approved"
    title = "Change approved"


@event
class ProposalRejected(_Proposal):
    """Somebody other than its author rejected a proposed change."""

    type = "proposal.rejected"
    title = "Change rejected"


@event
class ProposalAgreed(_Proposal):
    """The works council of a unit agreed to a proposed change."""

    type = "proposal.agreed"
    title = "Works council agreed"

    unit: str | None = sealed(default=None)


@event
class ProposalVetoed(_Proposal):
    """The works council of a unit vetoed a proposed change; it will not take effect."""

    type = "proposal.vetoed"
    title = "Works council vetoed"

    unit: str | None = sealed(default=None)


@event
class ProposalWithdrawn(_Proposal):
    """Its author took a proposed change back."""

    type = "proposal.withdrawn"
    title = "Proposal withdrawn"


@event
class ProposalApplied(_Proposal):
    """A proposed change took effect."""

    type = "proposal.applied"
    title = "Change in effect"

    tightens: bool


@event
class ProposalFailed(_Proposal):
    """An approved change could not take effect, and will not be tried again."""

    type = "proposal.failed"
    title = "Change could not take effect"

    reason: str
