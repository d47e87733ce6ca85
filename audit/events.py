"""The catalogue of all the ledger can say. Pure.

A field is public (it stands in the leaf for ever: codes, counts, days, digests of documents that
are the same for many people) or `sealed()` (it lies encrypted beside the leaf and goes with the
person). Whom an entry is about and who acted are arguments of `ledger.append`, never fields.
Docstrings are the glossary that the audit page shows.
"""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from audit.event import Event, UnfitEventError, event, sealed

# People and what is known about them


@event
class SubjectRecorded(Event):
    """A person became known to the portal, under a random reference."""

    type = "subject.recorded"
    title = "Person recorded"

    source: str


@event
class SubjectFactRecorded(Event):
    """A fact that the rules depend on, such as the place of work, was recorded for a person."""

    type = "subject.fact_recorded"
    title = "Fact recorded"

    kind: str
    value: str | None = sealed(default=None)
    valid_from: date | datetime | None = sealed(default=None)
    valid_until: date | datetime | None = sealed(default=None)
    source: str | None = sealed(default=None)


@event
class SubjectFactEnded(Event):
    """A fact recorded for a person ended: from that day on it decides nothing any more."""

    type = "subject.fact_ended"
    title = "Fact ended"

    kind: str
    valid_until: date | datetime | None = sealed(default=None)


@event
class SubjectDeparted(Event):
    """A person leaves the organisation; from then on nothing of theirs is recorded."""

    type = "subject.departed"
    title = "Person departed"

    source: str
    left_at: datetime = sealed()


@event
class SubjectReturned(Event):
    """A person came back to the organisation, or did not leave after all; they are asked anew."""

    type = "subject.returned"
    title = "Person returned"

    source: str


@event
class DepartureSettled(Event):
    """What follows from a departure was done: consents ended, deletions owed."""

    type = "subject.departure_settled"
    title = "Departure settled"
    own = True

    consents: int


@event
class SubjectFactsViewed(Event):
    """Somebody other than the person looked at the dated facts recorded about them."""

    type = "subject.facts_viewed"
    title = "Facts looked at"

    channel: str


@event
class SubjectFactDoubted(Event):
    """A person said that a fact recorded about them is wrong."""

    type = "subject.fact_doubted"
    title = "Fact doubted"

    kind: str


@event
class SubjectFactDoubtSettled(Event):
    """The privacy team looked at a doubt: the fact was corrected, or it stands."""

    type = "subject.fact_doubt_settled"
    title = "Doubt settled"

    kind: str
    outcome: str


@event
class ServiceTokenGiven(Event):
    """Another system of the organisation was given a token, for one kind of request."""

    type = "service_token.given"
    title = "Service token given"

    service: str
    scope: str


@event
class ServiceTokenRevoked(Event):
    """The token of another system was taken away; from then on it opens nothing."""

    type = "service_token.revoked"
    title = "Service token revoked"

    service: str
    scope: str


@event
class DecisionExplained(Event):
    """Somebody other than the person asked why a decision about them is what it is.

    `part` is `whole` where the person had shared their own half, else `shared`: what holds for
    everybody who stands where they stand.
    """

    type = "decision.explained"
    title = "Decision explained"

    channel: str
    part: str
    app: str | None = sealed(default=None)
    signal: str | None = sealed(default=None)
    about: datetime | None = sealed(default=None)


@event
class ExplanationShared(Event):
    """A person let the privacy team see their own half of one explanation, for some days."""

    type = "explanation.shared"
    title = "Explanation shared"

    days: int
    app: str | None = sealed(default=None)
    signal: str | None = sealed(default=None)
    day: date | None = sealed(default=None)


@event
class ExplanationShareEnded(Event):
    """A person ended the sharing of an explanation before its time."""

    type = "explanation.share_ended"
    title = "Sharing of an explanation ended"

    app: str | None = sealed(default=None)
    signal: str | None = sealed(default=None)
    day: date | None = sealed(default=None)


# What is asked, and within which bounds


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
    """An agreement, such as one with a works council, was recorded; it can only narrow."""

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


# Four eyes


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
    """An approved change could not take effect: what it starts from is not what stands now."""

    type = "proposal.failed"
    title = "Change could not take effect"

    reason: str


# Consent


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


# Agents, policies, batches


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
    """A ticket was made, with which machines may ask to be enrolled; persons approve them."""

    type = "ticket.made"
    title = "Ticket made"

    bound_to: str
    places: int
    ticket: UUID = sealed()


@event
class TicketUsed(Event):
    """A machine asked with a ticket and waits; it is denied everything until a person approves."""

    type = "ticket.used"
    title = "Ticket used"

    platform: str
    ticket: UUID = sealed()


@event
class TicketRevoked(Event):
    """A ticket was ended, and with it the machines that waited because of it."""

    type = "ticket.revoked"
    title = "Ticket revoked"

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
class BatchQuarantined(Event):
    """An incident: a batch was captured at a time for which its agent had no lease. Not let in."""

    type = "batch.quarantined"
    title = "Batch set apart"
    own = True

    reasons: tuple[str, ...]
    batch: UUID | None = sealed(default=None)
    agent: UUID | None = sealed(default=None)


# Deletion and holds


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


# Reading, reporting, running the portal


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


CATALOGUE: Final[dict[str, type[Event]]] = {
    kind.type: kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Event) and "type" in vars(kind)
}
"""Every event by its type, in the order of this file."""


def glossary() -> list[tuple[str, str, str]]:
    """Return (type, title, plain words) of every event, in the order of this file."""
    return [(kind.type, kind.title, (kind.__doc__ or "").strip()) for kind in CATALOGUE.values()]
