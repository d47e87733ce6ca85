"""Four eyes: one person proposes a change, others decide; what tightens acts at once.

What only takes away takes effect with its proposal and is looked at afterwards, so that nothing
delays a stop. What widens waits for every vote it needs. The database refuses what skips one.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.digests import digest
from consent.models import Proposal
from consent.selectors.proposals import standing_revert
from consent.services.bringing import brought_by
from consent.services.changes import Change, read_change, refuse_beyond, units_asked
from consent.services.changes.kind import Standing
from consent.services.cohorts import refresh_once
from consent.services.refused import in_words
from consent.services.rehearsal import REFUSED_BY_DATABASE, rehearse
from consent.services.room import last_revision, outgrown
from consent.services.wayback import way_back

LOCK: Final = 7_215_004
"""The advisory lock that lets one change at a time be made, so that `before` is what stands."""

State = Proposal.State


@in_words
@transaction.atomic
def propose(
    *,
    kind: str,
    payload: dict[str, Any],
    proposed_by: UUID,
    effective_at: datetime | None = None,
) -> Proposal:
    """Return a proposal: made at once where it only tightens, else waiting for its votes.

    Raises ChangeUnfit naming the key at fault, NeverCapturable, BeyondAgreement naming the
    agreement, CouncilUnknown, or the refusal of the service that would make the change.
    """
    return _propose(kind, payload, proposed_by, effective_at=effective_at)


@in_words
@transaction.atomic
def revert_proposal(*, proposal: UUID, by: UUID, instead: bool = False) -> Proposal:
    """Return a new proposal back to what stood before; the one that is there on a repeat.

    With `instead`, where no change leads back, one that narrows as far as can be had. Raises
    NotInEffect where nothing was changed, and CannotRevert where there is no such change.
    """
    original = Proposal.objects.select_for_update().get(uuid=proposal)
    if original.applied_at is None:
        raise exceptions.NotInEffect
    if standing := standing_revert(original):
        return standing
    back = way_back(original)
    if back.change is None or not (back.exact or instead):
        raise exceptions.CannotRevert(back.why)
    return _propose(*back.change, by, reverts=original)


@in_words
@transaction.atomic
def withdraw_proposal(*, proposal: UUID, by: UUID) -> Proposal:
    """Take one's own proposal back before it takes effect; a repeat returns it as it stands.

    Raises NotAuthor, ProposalDecided, or AlreadyInEffect for what must be reverted instead.
    """
    standing = Proposal.objects.select_for_update().get(uuid=proposal)
    if standing.proposed_by != by:
        raise exceptions.NotAuthor
    if standing.state == State.WITHDRAWN:
        return standing
    if standing.applied_at is not None:
        raise exceptions.AlreadyInEffect
    if standing.state not in {State.OPEN, State.APPROVED}:
        raise exceptions.ProposalDecided
    standing.state = State.WITHDRAWN
    standing.decided_by, standing.decided_at = by, timezone.now()
    standing.save(update_fields=["state", "decided_by", "decided_at"])
    ledger.append(
        events.ProposalWithdrawn(
            kind=standing.kind, digest=standing.payload_sha256, proposal=standing.uuid
        ),
        actor=Actor.staff(by),
        covers=[standing],
    )
    return standing


def carry_out(proposal: Proposal, *, actor: Actor) -> None:
    """Make an approved change, or say why it failed; the caller holds the proposal's row lock.

    Checked again: the payload's hash, what stood, agreements and councils of today, and that the
    change led exactly where those who decided were told that it would.
    """
    one_change_at_a_time()
    if reason := _make(proposal):
        fail(proposal, reason, actor=actor)
        return
    proposal.applied_at = timezone.now()
    proposal.state = State.APPLIED
    proposal.save(update_fields=["applied_at", "state", "decided_by", "decided_at"])
    _say_applied(proposal, actor)


def fail(proposal: Proposal, reason: str, *, actor: Actor) -> None:
    """Say that an approved change was not made, and why; the caller holds the row lock."""
    proposal.state = State.FAILED
    proposal.failure, proposal.failed_at = reason, timezone.now()
    proposal.save(update_fields=["state", "failure", "failed_at", "decided_by", "decided_at"])
    ledger.append(
        events.ProposalFailed(
            kind=proposal.kind,
            digest=proposal.payload_sha256,
            proposal=proposal.uuid,
            reason=reason,
        ),
        actor=actor,
        covers=[proposal],
    )


def one_change_at_a_time() -> None:
    """Wait for whoever makes a change now; held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _propose(
    kind: str,
    payload: dict[str, Any],
    author: UUID,
    *,
    effective_at: datetime | None = None,
    reverts: Proposal | None = None,
) -> Proposal:
    change = read_change(kind, payload)
    one_change_at_a_time()
    rehearsal = rehearse(change, author=author)
    # Believed only where the rehearsal shows it, too: nothing that widens slips by as a tightening.
    tightens = change.tightens() and not rehearsal.impact.widens
    if not tightens:
        refuse_beyond(change)
    proposal = Proposal.objects.create(
        kind=kind,
        payload=payload,
        payload_sha256=digest(payload),
        before=rehearsal.before,
        after=rehearsal.after,
        impact=rehearsal.impact.document(),
        tightens=tightens,
        approvals_needed=1 if tightens else change.approvals(),
        council_units=[] if tightens else units_asked(change),
        effective_at=_hour(effective_at, tightens=tightens),
        reverts=reverts,
        proposed_by=author,
    )
    ledger.append(
        events.ProposalMade(kind=kind, digest=proposal.payload_sha256, proposal=proposal.uuid),
        actor=Actor.staff(author),
        covers=[proposal],
    )
    if tightens:
        _act_at_once(proposal, change)
    return proposal


def _hour(effective_at: datetime | None, *, tightens: bool) -> datetime | None:
    """Return from when on it may take effect; None where that is as soon as it is decided."""
    if effective_at is None:
        return None
    if timezone.is_naive(effective_at):
        raise exceptions.ChangeUnfit("effective_at: must say in which time zone it is")
    if effective_at <= timezone.now():
        return None
    if tightens:
        raise exceptions.ChangeUnfit("effective_at: what only tightens acts at once")
    return effective_at


def _act_at_once(proposal: Proposal, change: Change) -> None:
    actor = Actor.staff(proposal.proposed_by)
    with refresh_once(), brought_by(proposal):
        change.apply(actor=actor)
    proposal.applied_at = timezone.now()
    proposal.save(update_fields=["applied_at"])
    _say_applied(proposal, actor)


def _make(proposal: Proposal) -> str | None:
    """Make the change and return None, or make nothing and return the reason as a code."""
    try:
        with transaction.atomic():
            _make_checked(proposal)
    except _Refused as refusal:
        return refusal.reason
    except exceptions.ConsentError as refusal:
        return refusal.code
    except REFUSED_BY_DATABASE:
        return "refused_by_database"
    return None


def _make_checked(proposal: Proposal) -> None:
    if digest(proposal.payload) != proposal.payload_sha256:
        raise _Refused("payload_altered")
    change = read_change(proposal.kind, proposal.payload)
    if not _stands(change, proposal, proposal.before):
        raise _Refused("before_changed")
    change.check()
    refuse_beyond(change)
    if not set(units_asked(change)) <= set(proposal.council_units):
        raise _Refused("council_not_asked")
    if change.approvals() > proposal.approvals_needed:
        raise _Refused("approval_missing")
    revision = last_revision()
    with refresh_once(), brought_by(proposal):
        change.apply(actor=Actor.staff(proposal.proposed_by))
    if not _stands(change, proposal, proposal.after):
        raise _Refused("after_differs")
    # Each of two may have fitted when it was proposed, and both together do not.
    if outgrown(since=revision, at=timezone.now()):
        raise _Refused("policy_too_large")


def _stands(change: Change, proposal: Proposal, told: Standing | None) -> bool:
    return digest(change.standing_as(told or {}, at=proposal.proposed_at)) == digest(told)


class _Refused(Exception):
    """A reason, not an error: it undoes the savepoint."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _say_applied(proposal: Proposal, actor: Actor) -> None:
    ledger.append(
        events.ProposalApplied(
            kind=proposal.kind,
            digest=proposal.payload_sha256,
            proposal=proposal.uuid,
            tightens=proposal.tightens,
        ),
        actor=actor,
        covers=[proposal],
    )
