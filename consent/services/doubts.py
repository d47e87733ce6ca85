"""Doubts: a person says that a fact about them is wrong, and the privacy team looks at it."""

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import FactDoubt, Subject, SubjectFact


@transaction.atomic
def doubt_fact(*, fact: SubjectFact, note: str = "") -> FactDoubt:
    """Record that the person the fact is about calls it wrong; the fact itself stays as it is.

    A repeat, before anybody has looked, returns the doubt that stands.
    """
    subject = Subject.objects.select_for_update().get(pk=fact.subject_id)
    if standing := fact.doubts.filter(settled_at__isnull=True).first():
        return standing
    doubt = FactDoubt.objects.create(fact=fact, note=note.strip())
    ledger.append(
        events.SubjectFactDoubted(kind=fact.kind),
        actor=Actor.subject(subject.ref),
        subject=subject.ref,
        covers=[doubt],
    )
    return doubt


@transaction.atomic
def settle_doubt(*, doubt: FactDoubt, outcome: FactDoubt.Outcome, by: UUID) -> FactDoubt:
    """Say how it ended: the fact was corrected, or it stands. A repeat changes nothing."""
    standing = FactDoubt.objects.select_for_update().get(pk=doubt.pk)
    if standing.settled_at:
        return standing
    standing.outcome, standing.settled_by = outcome, by
    standing.settled_at = timezone.now()
    standing.save(update_fields=["outcome", "settled_by", "settled_at"])
    ledger.append(
        events.SubjectFactDoubtSettled(kind=standing.fact.kind, outcome=standing.outcome),
        actor=Actor.staff(by),
        subject=standing.fact.subject.ref,
        covers=[standing],
    )
    return standing
