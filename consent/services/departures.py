"""Leaving the organisation: a dated fact that ends every consent, and cuts the person's machines.

From that very instant the policy endpoint refuses their machines and nothing is handed in. What
follows is written in the transaction that records it or, where it was known ahead, by the workers
once it has come; the refusal waits for neither.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions, selectors
from consent.models import Agent, Departure, Subject
from consent.policy.types import ConsentState
from consent.services.agents import cut_off
from consent.services.decisions import revoke_consent
from consent.services.personal import bump_personal_revision

REASON = "person_departed"


@transaction.atomic
def record_departure(
    *, subject: Subject, left_at: datetime, source: str, actor: Actor
) -> Departure:
    """Record from when on somebody is no longer of the organisation; the instant may lie ahead.

    Where it has come, every yes is revoked and its deletions are owed at once. A repeat returns
    what stands. Raises DepartureUnclear where another instant is recorded.
    """
    locked = Subject.objects.select_for_update().get(pk=subject.pk)
    standing = locked.departures.filter(ended_at__isnull=True).first()
    if standing and standing.left_at == left_at:
        return standing
    if standing:
        raise exceptions.DepartureUnclear
    departure = Departure.objects.create(subject=locked, left_at=left_at, source=source)
    subject.departed_at = locked.departed_at = left_at
    locked.save(update_fields=["departed_at"])
    bump_personal_revision(locked)
    ledger.append(
        events.SubjectDeparted(source=source, left_at=left_at),
        actor=actor,
        subject=locked.ref,
        covers=[departure],
    )
    if left_at <= timezone.now():
        _settle(departure, locked, actor=actor)
    return departure


@transaction.atomic
def record_return(*, subject: Subject, source: str, actor: Actor) -> Departure | None:
    """Record that somebody came back, or did not leave after all; None where they are here.

    What was ended stays ended: they are asked anew, and the machines of then are cut for good.
    """
    locked = Subject.objects.select_for_update().get(pk=subject.pk)
    # Before the machines, in the order in which issuing locks: else the two could deadlock.
    bump_personal_revision(locked)
    departure = locked.departures.select_for_update().filter(ended_at__isnull=True).first()
    if departure is None:
        return None
    now = timezone.now()
    if departure.settled_at is None and departure.left_at <= now:
        _settle(departure, locked, actor=actor)
    departure.ended_at = now
    departure.save(update_fields=["ended_at"])
    subject.departed_at = locked.departed_at = None
    locked.save(update_fields=["departed_at"])
    ledger.append(
        events.SubjectReturned(source=source), actor=actor, subject=locked.ref, covers=[departure]
    )
    if departure.settled_at:
        for agent in Agent.objects.select_for_update().filter(subject=locked).order_by("pk"):
            cut_off(agent, reason=REASON, actor=actor)
    return departure


def settle_departures(*, at: datetime, limit: int = 100) -> int:
    """Do what follows from departures whose instant has come, at most `limit`; return how many."""
    due = Departure.objects.filter(
        settled_at__isnull=True, ended_at__isnull=True, left_at__lte=at
    ).order_by("left_at", "pk")
    return sum(_settle_one(pk) for pk in due.values_list("pk", flat=True)[:limit])


@transaction.atomic
def _settle_one(pk: int) -> bool:
    subject = Departure.objects.get(pk=pk).subject_id
    locked = Subject.objects.select_for_update().get(pk=subject)
    departure = Departure.objects.select_for_update().get(pk=pk)
    if departure.settled_at or departure.ended_at:
        return False  # somebody else was quicker
    _settle(departure, locked, actor=Actor.system("departures"))
    return True


def _settle(departure: Departure, locked: Subject, *, actor: Actor) -> None:
    """End every yes of the person, whose row is locked; retention owes the deletions."""
    standing = selectors.standing_consents(locked)
    given = [code for code, event in standing.items() if event.state == ConsentState.GIVEN]
    for code in sorted(given):
        revoke_consent(subject=locked, purpose=code, reason=REASON, actor=actor)
    departure.settled_at = timezone.now()
    departure.save(update_fields=["settled_at"])
    bump_personal_revision(locked)
    ledger.append(
        events.DepartureSettled(consents=len(given)),
        actor=actor,
        subject=locked.ref,
        covers=[departure],
    )
