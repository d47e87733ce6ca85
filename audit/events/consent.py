"""What the ledger can say about what people decide. Pure."""

from datetime import date, datetime
from uuid import UUID

from audit.event import Event, event, sealed


@event
class _Consent(Event):
    own = True

    purpose: str
    notice_version: int
    language: str | None = sealed(default=None)
    position: int | None = sealed(default=None)


@event
class ConsentRequested(_Consent):
    """A person was shown a notice and asked for an answer."""

    type = "consent.requested"
    title = "Consent requested"


@event
class NoticeAcknowledged(_Consent):
    """A person confirmed having received a notice; that is not consent."""

    type = "notice.acknowledged"
    title = "Notice acknowledged"


@event
class NoticeWaived(_Consent):
    """A person agreed to a shorter notice period, where the law lets them; that is not consent."""

    type = "notice.waived"
    title = "Shorter notice agreed to"

    told_on: date | None = sealed(default=None)


@event
class NoticeWaiverWithdrawn(_Consent):
    """A person took back that they agreed to a shorter notice period, or their yes ended."""

    type = "notice.waiver_withdrawn"
    title = "Shorter notice taken back"


@event
class ConsentGiven(_Consent):
    """A person agreed; the sealed part says to which signals in which apps, pair by pair."""

    type = "consent.given"
    title = "Consent given"

    signals: tuple[str, ...]
    apps: tuple[str, ...]
    pairs: int
    scope: tuple[str, ...] | None = sealed(default=None)
    valid_until: datetime | date | None = sealed(default=None)
    receipt: UUID | None = sealed(default=None)


@event
class ConsentRefused(_Consent):
    """A person said no."""

    type = "consent.refused"
    title = "Consent refused"


@event
class ConsentDeferred(_Consent):
    """A person answered: not now. Nothing is captured."""

    type = "consent.deferred"
    title = "Answer deferred"

    ask_again: datetime | date | None = sealed(default=None)


@event
class ConsentWithdrawn(_Consent):
    """A person took back a consent; no signals and apps named means all of it."""

    type = "consent.withdrawn"
    title = "Consent withdrawn"

    signals: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    scope: tuple[str, ...] | None = sealed(default=None)


@event
class ConsentRevoked(_Consent):
    """A consent was ended by someone other than the person."""

    type = "consent.revoked"
    title = "Consent revoked"

    reason: str
    note: str | None = sealed(default=None)


@event
class ConsentInvalidated(_Consent):
    """A consent turned out never to have been valid."""

    type = "consent.invalidated"
    title = "Consent invalidated"

    reason: str
    note: str | None = sealed(default=None)


@event
class ConsentExpired(_Consent):
    """A consent ended because its time was over or its notice was replaced."""

    type = "consent.expired"
    title = "Consent expired"

    reason: str


@event
class CapturePaused(Event):
    """Capture was paused, for a person or for everybody, at once."""

    type = "capture.paused"
    title = "Capture paused"
    own = True

    scope: str
    purpose: str | None = None
    until: datetime | None = sealed(default=None)
    note: str | None = sealed(default=None)


@event
class CaptureResumed(Event):
    """A pause ended."""

    type = "capture.resumed"
    title = "Capture resumed"
    own = True

    scope: str
    purpose: str | None = None


@event
class CaptureStruck(Event):
    """A person had what was captured in an interval forgotten, whatever it was."""

    type = "capture.struck"
    title = "Capture forgotten"
    own = True

    strike: UUID = sealed()
    struck_from: datetime = sealed()
    struck_until: datetime = sealed()


@event
class ReceiptDownloaded(Event):
    """A person fetched the receipt of a decision."""

    type = "receipt.downloaded"
    title = "Receipt downloaded"
    own = True

    format: str
    receipt: UUID | None = sealed(default=None)
