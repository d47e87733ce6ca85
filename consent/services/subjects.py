"""Who there is, and the dated facts about them that decide which law applies."""

from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent.models import PersonalPolicy, Subject, SubjectFact
from consent.services.cohorts import place_in_cohort


@transaction.atomic
def record_subject(
    *,
    language: str,
    facts: dict[str, str],
    since: date,
    source: str,
    actor: Actor,
    event_time: datetime | None = None,
    imported: bool = False,
) -> Subject:
    """Return a new subject with their first facts (kind -> value); nothing is allowed yet."""
    subject = Subject.objects.create(language=language)
    PersonalPolicy.objects.create(subject=subject)
    rows = SubjectFact.objects.bulk_create(
        SubjectFact(subject=subject, kind=kind, value=value, valid_from=since, source=source)
        for kind, value in facts.items()
    )
    ledger.append(
        events.SubjectRecorded(source=source),
        actor=actor,
        subject=subject.ref,
        covers=[subject, *rows],
        event_time=event_time,
        imported=imported,
    )
    place_in_cohort(subject, at=event_time or timezone.now(), actor=actor)
    return subject
