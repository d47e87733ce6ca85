"""What the ledger can say about deletion and holds. Pure."""

from datetime import date, datetime
from uuid import UUID

from audit.event import Event, event, sealed


@event
class DeletionOwed(Event):
    """Something captured may no longer be kept; its deletion is owed from now on."""

    type = "deletion.owed"
    title = "Deletion owed"
    own = True

    cause: str
    purpose: str | None = None
    case: UUID = sealed()
    due_at: datetime | None = sealed(default=None)


@event
class DeletionExpanded(Event):
    """What is to be deleted was listed, store by store."""

    type = "deletion.expanded"
    title = "Deletion planned"
    own = True

    cause: str
    stores: tuple[str, ...]
    jobs: int
    case: UUID = sealed()


@event
class DeletionFailed(Event):
    """An attempt to delete failed; it stays owed and visible."""

    type = "deletion.failed"
    title = "Deletion failed"
    own = True

    store: str
    reason: str
    attempts: int
    case: UUID = sealed()
    job: UUID | None = sealed(default=None)


@event
class DeletionHeld(Event):
    """A deletion that is due waits, because a legal hold keeps the data."""

    type = "deletion.held"
    title = "Deletion held"
    own = True

    store: str
    case: UUID = sealed()
    job: UUID | None = sealed(default=None)


@event
class DeletionCertified(Event):
    """A deletion was done and verified; the certificate says how far the evidence reaches."""

    type = "deletion.certified"
    title = "Deletion certified"
    own = True

    store: str
    evidence: str
    objects: int
    certificate_digest: str
    nothing_remains_from: date | None = None
    case: UUID = sealed()
    job: UUID | None = sealed(default=None)
    certificate: UUID | None = sealed(default=None)


@event
class HoldPlaced(Event):
    """A legal hold keeps data from being deleted, and from any other use."""

    type = "hold.placed"
    title = "Hold placed"

    reason: str
    hold: UUID = sealed()
    matter: str | None = sealed(default=None)
    review_on: date | None = sealed(default=None)


@event
class HoldLifted(Event):
    """A legal hold ended; what it kept is deleted if it is due."""

    type = "hold.lifted"
    title = "Hold lifted"

    reason: str
    hold: UUID = sealed()
