"""Works agreements as caps: recorded, replaced, and ended by their own last day."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import Agreement
from consent.services.cohorts import refresh_cohorts


@transaction.atomic
def record_agreement(
    *,
    agreement: Agreement,
    actor: Actor,
    at: datetime | None = None,
    imported: bool = False,
) -> Agreement:
    """Store a works agreement as caps; from its first day nobody can publish beyond it.

    From that day on the one it `replaces` says nothing any more. After its last day nothing it
    covers runs, until another one replaces it.
    """
    agreement.save(force_insert=True)
    ledger.append(
        events.AgreementRecorded(
            agreement=agreement.code,
            kind="works_agreement",
            jurisdiction=agreement.jurisdictions[0],
            digest=agreement.document_sha256,
            valid_from=agreement.valid_from,
            valid_until=agreement.valid_until,
            parties=agreement.parties,
        ),
        actor=actor,
        covers=[agreement],
        event_time=at,
        imported=imported,
    )
    refresh_cohorts(at=at or timezone.now())
    return agreement
