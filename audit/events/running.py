"""What the ledger can say about reading, reporting and running the portal. Pure."""

from uuid import UUID

from audit.event import Event, event, sealed


@event
class _Report(Event):
    kind: str
    report: UUID = sealed()


@event
class ReportRequested(_Report):
    """Someone asked for a report."""

    type = "report.requested"
    title = "Report requested"


@event
class ReportRendered(_Report):
    """A report was written; the digests say which bytes it has."""

    type = "report.rendered"
    title = "Report written"

    digests: tuple[str, ...]


@event
class ReportDownloaded(_Report):
    """Someone fetched a report."""

    type = "report.downloaded"
    title = "Report downloaded"

    format: str


@event
class LedgerViewed(Event):
    """Someone looked into the ledger; the sealed part says what for."""

    type = "ledger.viewed"
    title = "Ledger viewed"

    view: str
    shown: int
    filters: tuple[str, ...] | None = sealed(default=None)


@event
class LedgerExported(Event):
    """Someone took a copy of the whole ledger, as far as it was signed."""

    type = "ledger.exported"
    title = "Ledger exported"

    size: int
    digest: str | None = None


@event
class LedgerDetailDestroyed(Event):
    """A person's sealed details were destroyed for good; the entries and proofs stay."""

    type = "ledger.detail_destroyed"
    title = "Sealed details destroyed"
    own = True

    reason: str
    entries: int


@event
class _Role(Event):
    role: str
    to: UUID = sealed()


@event
class RoleGranted(_Role):
    """Someone was given a role."""

    type = "role.granted"
    title = "Role granted"


@event
class RoleRemoved(_Role):
    """A role was taken from someone."""

    type = "role.removed"
    title = "Role removed"


@event
class DemoLoaded(Event):
    """The invented demonstration company was loaded."""

    type = "demo.loaded"
    title = "Demonstration loaded"

    people: int
