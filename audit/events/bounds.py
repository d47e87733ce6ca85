"""What the ledger can say about what is asked, and within which bounds. Pure."""

from datetime import date
from uuid import UUID

from audit.event import Event, event, sealed


@event
class PurposePublished(Event):
    """A purpose, with the signals and apps it asks for, was published."""

    type = "purpose.published"
    title = "Purpose published"

    purpose: str
    version: int
    digest: str


@event
class PurposeChanged(Event):
    """How long a purpose keeps what is captured, or another of its terms, was changed."""

    type = "purpose.changed"
    title = "Purpose changed"

    purpose: str
    fields: tuple[str, ...]
    digest: str


@event
class NoticePublished(Event):
    """The notice that people read before they answer was published in a new version."""

    type = "notice.published"
    title = "Notice published"

    purpose: str
    notice_version: int
    languages: tuple[str, ...]
    digest: str


@event
class AppListed(Event):
    """An app became known, with its category and the marks by which an agent recognises it."""

    type = "app.listed"
    title = "App listed"

    app: str
    category: str
    digest: str | None = None


@event
class AppChanged(Event):
    """What is known of an app changed: its category, its marks, whose data it shows."""

    type = "app.changed"
    title = "App changed"

    app: str
    category: str
    fields: tuple[str, ...]
    digest: str | None = None


@event
class AppReported(Event):
    """Somebody reported that an app shows what must never be captured; it was blocked at once."""

    type = "app.reported"
    title = "App reported and blocked"

    app: str


@event
class AppUnblocked(Event):
    """Two approvers and the works council found a report about an app to be mistaken."""

    type = "app.unblocked"
    title = "App unblocked"

    app: str


@event
class AllowlistChanged(Event):
    """It changed whether a purpose may ask for an app at all."""

    type = "allowlist.changed"
    title = "Allowlist changed"

    app: str
    allowed: bool
    purpose: str | None = None
    signals: tuple[str, ...] = ()


@event
class AgreementRecorded(Event):
    """An agreement, such as one with a works council, was recorded."""

    type = "agreement.recorded"
    title = "Agreement recorded"

    agreement: str
    kind: str
    jurisdiction: str
    digest: str
    valid_from: date | None = None
    valid_until: date | None = None
    parties: str | None = sealed(default=None)


@event
class GateClosed(Event):
    """A step that must come first, such as an impact assessment, was recorded as done."""

    type = "gate.closed"
    title = "Required step done"

    gate: str
    purpose: str | None = None
    jurisdiction: str | None = None
    evidence_digest: str | None = None
    note: str | None = sealed(default=None)


@event
class GateReopened(Event):
    """Evidence was taken back: the step it stood for counts as not done."""

    type = "gate.reopened"
    title = "Required step open again"

    gate: str
    purpose: str | None = None
    jurisdiction: str | None = None


@event
class OverrideGranted(Event):
    """The signed exception that a law asks for was recorded for one signal, until a day."""

    type = "override.granted"
    title = "Exception granted"

    jurisdiction: str
    purpose: str
    signal: str
    evidence_digest: str
    valid_from: date
    valid_until: date


@event
class OverrideRevoked(Event):
    """An exception for one signal was taken back: the law's restriction counts again."""

    type = "override.revoked"
    title = "Exception taken back"

    jurisdiction: str
    purpose: str
    signal: str


@event
class RulesAdopted(Event):
    """The organisation adopted the rules of jurisdictions in a version of the rule pack."""

    type = "rules.adopted"
    title = "Rules adopted"

    pack_version: str
    jurisdictions: tuple[str, ...]
    digest: str


@event
class RetentionConflictRaised(Event):
    """A law asks to keep something for longer than a purpose may keep recordings: people decide."""

    type = "conflict.raised"
    title = "Minimum period above a cap"

    jurisdictions: tuple[str, ...]
    purpose: str
    floor_days: int
    cap_days: int


@event
class RetentionConflictEnded(Event):
    """A minimum period is above that cap no longer, or nobody is concerned any more."""

    type = "conflict.ended"
    title = "Minimum period above a cap no longer"

    jurisdictions: tuple[str, ...]
    purpose: str
    floor_days: int
    cap_days: int


@event
class SettingChanged(Event):
    """A setting of the whole organisation was changed."""

    type = "setting.changed"
    title = "Setting changed"

    key: str
    digest: str


@event
class CouncilSeatGiven(Event):
    """Somebody speaks for the works council of a unit from now on."""

    type = "council.seat_given"
    title = "Council seat given"

    to: UUID = sealed()
    unit: str | None = sealed(default=None)


@event
class CouncilSeatEnded(Event):
    """Somebody no longer speaks for the works council of a unit."""

    type = "council.seat_ended"
    title = "Council seat ended"

    to: UUID = sealed()
    unit: str | None = sealed(default=None)


@event
class KillSwitchPulled(Event):
    """One person stopped capture for a purpose, or for everything; it took effect at once."""

    type = "kill_switch.pulled"
    title = "Kill switch pulled"

    scope: str
    by_role: str
    reason: str
    purpose: str | None = None


@event
class KillSwitchReleaseAgreed(Event):
    """A first privacy officer agreed to release a kill switch; a second one is needed."""

    type = "kill_switch.release_agreed"
    title = "Release agreed by one"

    scope: str
    purpose: str | None = None


@event
class KillSwitchReleased(Event):
    """Two privacy officers released a kill switch; people's earlier answers count again."""

    type = "kill_switch.released"
    title = "Kill switch released"

    scope: str
    purpose: str | None = None
