"""Signed exceptions: the one way past a rule that restricts a signal, for a while."""

from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.models import OverrideRevocation, Purpose, SignalOverride
from consent.policy.deadlines import add_months
from consent.policy.types import Signal
from consent.rules import rulebook
from consent.services.bringing import bringing
from consent.services.cohorts import refresh_cohorts
from consent.services.locks import locked_purpose


@transaction.atomic
def grant_override(
    *,
    purpose: Purpose,
    jurisdiction: str,
    signal: Signal,
    reason: str,
    document_title: str,
    document_sha256: str,
    valid_from: date,
    valid_until: date,
    actor: Actor,
    at: datetime | None = None,
) -> SignalOverride:
    """Record the signed exception that a place's law asks for; it ends by itself.

    It lifts the restriction in the place it names, for the rule of the place or of one above it.
    Raises OverrideUnfounded where nothing is restricted, so also for what is prohibited, and
    OverrideTerm where it is over already or longer than the rule pack lets one last.
    """
    refuse_term(valid_from, valid_until, today=timezone.now().date())
    lineage = rulebook().lineage(jurisdiction)
    restricted = any(signal in row.own.restricted_signals for row in lineage)
    if not restricted or any(signal in row.own.prohibited_signals for row in lineage):
        raise exceptions.OverrideUnfounded
    override = SignalOverride.objects.create(
        purpose=purpose,
        jurisdiction=jurisdiction,
        signal=signal.value,
        reason=reason,
        document_title=document_title,
        document_sha256=document_sha256,
        valid_from=valid_from,
        valid_until=valid_until,
        proposal=bringing(),
    )
    ledger.append(
        events.OverrideGranted(
            jurisdiction=jurisdiction,
            purpose=purpose.code,
            signal=signal.value,
            evidence_digest=document_sha256,
            valid_from=valid_from,
            valid_until=valid_until,
        ),
        actor=actor,
        covers=[override],
        event_time=at,
    )
    refresh_cohorts(at=at or timezone.now())
    return override


def refuse_term(valid_from: date, valid_until: date, *, today: date) -> None:
    """Raise OverrideTerm for an end that is no longer to come, or a term beyond the longest."""
    months = rulebook().meta.exception_months
    if valid_until <= today:
        raise exceptions.OverrideTerm(f"valid_until: {valid_until} is not in the future.")
    if valid_until > add_months(valid_from, months):
        raise exceptions.OverrideTerm(f"valid_until: an exception lasts {months} months at most.")


@transaction.atomic
def revoke_override(
    *, override: SignalOverride, actor: Actor, at: datetime | None = None
) -> OverrideRevocation:
    """Take an exception back before it lapses: the restriction counts again at once.

    A repeat returns what stands. Raises ApproverUnknown where it is no person who does it.
    """
    if actor.kind == "system":
        raise exceptions.ApproverUnknown
    # Two may take the same one back at once: serialise, so that one revocation stands.
    locked_purpose(override.purpose_id)
    if standing := OverrideRevocation.objects.filter(override=override).first():
        return standing
    revocation = OverrideRevocation.objects.create(override=override, revoked_by=UUID(actor.ref))
    ledger.append(
        events.OverrideRevoked(
            jurisdiction=override.jurisdiction,
            purpose=override.purpose.code,
            signal=override.signal,
        ),
        actor=actor,
        covers=[revocation],
        event_time=at,
    )
    refresh_cohorts(at=at or timezone.now())
    return revocation
