"""What the ledger can say about agents, their policies and what they hand in. Pure."""

from datetime import date, datetime
from uuid import UUID

from audit.event import Event, UnfitEventError, event, sealed


@event
class AgentEnrolled(Event):
    """A capture agent was approved by the person whose machine it runs on."""

    type = "agent.enrolled"
    title = "Agent enrolled"
    own = True

    platform: str
    agent: UUID = sealed()
    name: str | None = sealed(default=None)
    key_thumbprint: str | None = sealed(default=None)


@event
class TicketMade(Event):
    """Tickets were made, with which machines may ask to be enrolled; persons approve them."""

    type = "ticket.made"
    title = "Tickets made"

    bound_to: str
    places: int
    ticket_set: UUID | None = sealed(default=None)
    ticket: UUID | None = sealed(default=None)  # of one that was good for several machines


@event
class TicketRenewed(Event):
    """Tickets that nobody had used were replaced, as the answer that brought them got lost."""

    type = "ticket.renewed"
    title = "Tickets replaced"

    places: int
    ticket_set: UUID = sealed()


@event
class TicketUsed(Event):
    """A machine asked with a ticket and waits; it is denied everything until a person approves."""

    type = "ticket.used"
    title = "Ticket used"

    platform: str
    ticket: UUID = sealed()


@event
class TicketRevoked(Event):
    """Tickets were ended, and with them the machines that waited because of them."""

    type = "ticket.revoked"
    title = "Tickets revoked"

    tickets: int = 1
    ticket: UUID | None = sealed(default=None)
    ticket_set: UUID | None = sealed(default=None)


@event
class TicketShownAgain(Event):
    """A ticket that a machine had used was shown by another one: there may be a copy of it."""

    type = "ticket.shown_again"
    title = "Ticket shown again"

    ticket: UUID = sealed()


@event
class AgentRevoked(Event):
    """A capture agent may no longer fetch a policy or hand in anything."""

    type = "agent.revoked"
    title = "Agent revoked"
    own = True

    reason: str
    agent: UUID = sealed()


@event
class AgentQuarantined(Event):
    """A capture agent was cut off because a copy of it seems to exist somewhere."""

    type = "agent.quarantined"
    title = "Agent quarantined"
    own = True

    reason: str
    agent: UUID = sealed()


@event
class AgentTokenRotated(Event):
    """A capture agent got a new poll token, proven by its key; the old one ends with its use."""

    type = "agent.token_rotated"
    title = "Agent's token changed"
    own = True

    generation: int = sealed()
    agent: UUID = sealed()


@event
class AgentKeyChanged(Event):
    """A capture agent went over to a new key of its own, proven by the old one and the new one."""

    type = "agent.key_changed"
    title = "Agent's key changed"

    kind: str
    agent: UUID = sealed()
    key_thumbprint: str | None = sealed(default=None)


@event
class PolicyKeyPublished(Event):
    """A new key for signing policies was published; it signs once every agent can know it."""

    type = "policy_key.published"
    title = "Policy key published"

    kid: str


@event
class PolicyKeyRetired(Event):
    """A key got its successor: it stays published as long as a policy by it can be in force."""

    type = "policy_key.retired"
    title = "Policy key retired"

    kid: str


@event
class PolicyKeySpent(Event):
    """The private half of a key that signs no more was erased."""

    type = "policy_key.spent"
    title = "Policy key erased"

    kid: str


@event
class PolicyKeyRevoked(Event):
    """A key for signing policies is to be believed no more, from the next manifest on."""

    type = "policy_key.revoked"
    title = "Policy key revoked"

    kid: str


@event
class PolicyKeysVouched(Event):
    """The installation's root vouched for the keys that sign policies: agents believe no others."""

    type = "policy_key.vouched"
    title = "Policy keys vouched for"

    version: int
    root: str
    keys: tuple[str, ...]
    revoked: tuple[str, ...]
    until: date


@event
class PolicyIssued(Event):
    """An agent got a policy: what it may capture, and until when."""

    type = "policy.issued"
    title = "Policy issued"
    own = True

    reason: str
    allows: int
    agent: UUID = sealed()
    version: int = sealed()
    lease_until: datetime | None = sealed(default=None)
    digest: str | None = sealed(default=None)


@event
class PolicyAcknowledged(Event):
    """An agent reported that it applies a policy, and whether it threw away what it held."""

    type = "policy.acknowledged"
    title = "Policy acknowledged"
    own = True

    purged: bool
    agent: UUID = sealed()
    version: int = sealed()
    applied_at: datetime | None = sealed(default=None)


@event
class _Batch(Event):
    own = True

    purpose: str
    app: str
    signals: tuple[str, ...]
    events: int
    batch: UUID = sealed()
    agent: UUID = sealed()
    policy_version: int | None = sealed(default=None)
    bytes: int | None = sealed(default=None)
    sha256: str | None = sealed(default=None)


@event
class BatchAnnounced(_Batch):
    """An agent announced what it captured, before sending any of it."""

    type = "batch.announced"
    title = "Batch announced"


@event
class BatchAdmitted(_Batch):
    """A batch was let in: the policy in force when it was captured allowed all of it."""

    type = "batch.admitted"
    title = "Batch admitted"

    store: str
    due_at: datetime | None = sealed(default=None)


@event
class BatchesTightened(Event):
    """A stricter law came to hold for a person: what is kept of theirs is now kept more shortly."""

    type = "batches.tightened"
    title = "Kept more shortly"
    own = True

    cause: str
    batches: int


@event
class BatchRefused(Event):
    """A batch was not let in; of protected apps (health, union, …) the record says only that."""

    type = "batch.refused"
    title = "Batch refused"
    own = True

    reasons: tuple[str, ...]
    protected: bool = False
    purpose: str | None = None
    app: str | None = None
    signals: tuple[str, ...] = ()
    events: int | None = None
    batch: UUID | None = sealed(default=None)
    agent: UUID | None = sealed(default=None)
    policy_version: int | None = sealed(default=None)

    def __post_init__(self) -> None:
        """Refuse to say anything about what a protected app showed."""
        super().__post_init__()
        told = self.reasons or self.app or self.signals or self.events is not None
        if self.protected and told:
            raise UnfitEventError(
                "of a protected app the record says only that a batch was refused"
            )


@event
class IncidentsLookedInto(Event):
    """The privacy team looked into all batches set apart up to a day, and says what it was."""

    type = "incident.looked_into"
    title = "Incidents looked into"

    through: date
    finding: str


@event
class BatchQuarantined(Event):
    """An incident: a batch was captured at a time for which its agent had no lease. Not let in."""

    type = "batch.quarantined"
    title = "Batch set apart"
    own = True

    reasons: tuple[str, ...]
    batch: UUID | None = sealed(default=None)
    agent: UUID | None = sealed(default=None)
