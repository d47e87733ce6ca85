"""Gates: what must be done first, closed by evidence, and opened again when it is taken back.

Evidence closes its gate from its first day until its last; what lapses reopens by itself.
"""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.models import GateEvidence, GateReopening, Purpose
from consent.rules import rulebook
from consent.services.bringing import bringing
from consent.services.cohorts import refresh_cohorts
from consent.services.locks import locked_purpose


@transaction.atomic
def close_gate(
    *,
    purpose: Purpose,
    gates: Iterable[tuple[str, str]],
    document_title: str,
    document_sha256: str,
    valid_from: date,
    valid_until: date | None,
    actor: Actor,
    not_applicable_reason: str = "",
    at: datetime | None = None,
    imported: bool = False,
) -> list[GateEvidence]:
    """Close gates (jurisdiction, gate) of a purpose by one document; they reopen when it lapses.

    A gate whose condition does not hold is closed with the reason why it does not apply; raises
    GateAlwaysApplies where the rules name no condition.
    """
    gates = tuple(gates)
    if not_applicable_reason:
        refuse_inapplicable(gate for _, gate in gates)
    closed_by = _person(actor)
    rows = GateEvidence.objects.bulk_create(
        GateEvidence(
            purpose=purpose,
            jurisdiction=jurisdiction,
            gate=gate,
            document_title=document_title,
            document_sha256=document_sha256,
            not_applicable_reason=not_applicable_reason,
            closed_by=closed_by,
            proposal=bringing(),
            valid_from=valid_from,
            valid_until=valid_until,
        )
        for jurisdiction, gate in gates
    )
    for row in rows:
        ledger.append(
            events.GateClosed(
                gate=row.gate,
                purpose=purpose.code,
                jurisdiction=row.jurisdiction,
                evidence_digest=document_sha256,
            ),
            actor=actor,
            covers=[row],
            event_time=at,
            imported=imported,
        )
    refresh_cohorts(at=at or timezone.now())
    return rows


def refuse_inapplicable(gates: Iterable[str]) -> None:
    """Raise GateAlwaysApplies where one of these gates depends on no condition."""
    known = rulebook().gates
    for gate in gates:
        if gate not in known or known[gate].condition is None:
            title = known[gate].title if gate in known else gate
            raise exceptions.GateAlwaysApplies(
                f"“{title}” always applies: it cannot be recorded as not applicable."
            )


@transaction.atomic
def reopen_gate(
    *, evidence: GateEvidence, actor: Actor, at: datetime | None = None
) -> GateReopening:
    """Take evidence back before it lapses: its gate is open again at once.

    A repeat returns what stands. Other evidence for the same gate goes on counting.
    """
    reopened_by = _person(actor)
    # Two may take the same document back at once: serialise, so that one reopening stands.
    locked_purpose(evidence.purpose_id)
    if standing := GateReopening.objects.filter(evidence=evidence).first():
        return standing
    reopening = GateReopening.objects.create(evidence=evidence, reopened_by=reopened_by)
    ledger.append(
        events.GateReopened(
            gate=evidence.gate,
            purpose=evidence.purpose.code,
            jurisdiction=evidence.jurisdiction,
        ),
        actor=actor,
        covers=[reopening],
        event_time=at,
    )
    refresh_cohorts(at=at or timezone.now())
    return reopening


def _person(actor: Actor) -> UUID:
    """Return who stands for the evidence; raises ApproverUnknown where it is no person."""
    if actor.kind == "system":
        raise exceptions.ApproverUnknown
    return UUID(actor.ref)
