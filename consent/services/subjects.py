"""Who there is, and the dated facts about them that decide which law applies."""

from datetime import date, datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from audit import events, ledger
from audit.ledger import Actor
from consent import exceptions
from consent.models import PersonalPolicy, Subject, SubjectFact
from consent.services.cohorts import place_if_turned, place_in_cohort
from consent.services.locks import one_change_at_a_time
from consent.services.personal import bump_personal_revision


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
        SubjectFact(
            subject=subject,
            kind=kind,
            value=value,
            valid_from=since,
            source=source,
            event_time=event_time if imported else None,
        )
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
    place_in_cohort(subject, at=event_time or timezone.now())
    return subject


@transaction.atomic
def record_fact(
    *,
    subject: Subject,
    kind: str,
    value: str,
    valid_from: date,
    source: str,
    actor: Actor,
    valid_until: date | None = None,
    at: datetime | None = None,
    imported: bool = False,
) -> SubjectFact:
    """Record where somebody works, lives or travels, from a day on; the rules follow at once.

    Of all kinds but travel and device location one fact holds at a time: the standing one ends
    the day the new one begins, and the new one ends where a later one was recorded already.
    A repeat returns the fact that stands. Raises FactUnclear; then nothing changed.
    """
    if kind not in SubjectFact.Kind.values or not value.strip():
        raise exceptions.FactUnclear
    one_change_at_a_time()
    if not imported:
        place_if_turned(subject, at=at or timezone.now())
    locked = Subject.objects.select_for_update().get(pk=subject.pk)
    others = SubjectFact.objects.filter(subject=locked, kind=kind)
    if kind not in SubjectFact.SEVERAL_AT_ONCE:
        valid_until = _before_the_next(others, valid_from, valid_until)
    if valid_until is not None and valid_until <= valid_from:
        raise exceptions.FactUnclear
    same = others.filter(value=value, valid_from=valid_from, valid_until=valid_until)
    if standing := same.first():
        return standing
    known = at if imported else None
    ended = [] if kind in SubjectFact.SEVERAL_AT_ONCE else _end_standing(others, valid_from, known)
    fact = SubjectFact.objects.create(
        subject=locked,
        kind=kind,
        value=value,
        valid_from=valid_from,
        valid_until=valid_until,
        source=source,
        event_time=known,
    )
    for row in ended:
        _say_ended(row, actor, at=at, imported=imported)
    ledger.append(
        events.SubjectFactRecorded(
            kind=kind, value=value, valid_from=valid_from, valid_until=valid_until, source=source
        ),
        actor=actor,
        subject=locked.ref,
        covers=[fact],
        event_time=at,
        imported=imported,
    )
    _follow(subject, locked, at=at)
    return fact


@transaction.atomic
def end_fact(
    *, fact: SubjectFact, valid_until: date, actor: Actor, at: datetime | None = None
) -> SubjectFact:
    """Let a fact hold until a day, and not on it; ended on its first day it never held.

    What it ended itself when it was recorded stays ended: whoever stays after all needs a new fact.
    A repeat returns what stands. Raises FactUnclear for a day before its first, FactEnded where
    it ended earlier already: nothing makes a fact longer.
    """
    one_change_at_a_time()
    place_if_turned(fact.subject, at=at or timezone.now())
    subject = Subject.objects.select_for_update().get(pk=fact.subject_id)
    fact = SubjectFact.objects.select_for_update().get(pk=fact.pk)
    if fact.valid_until == valid_until:
        return fact
    if valid_until < fact.valid_from:
        raise exceptions.FactUnclear
    if fact.valid_until is not None and fact.valid_until < valid_until:
        raise exceptions.FactEnded
    _end(fact, valid_until, known=None)
    _say_ended(fact, actor, at=at, imported=False)
    _follow(subject, subject, at=at)
    return fact


def _before_the_next(
    others: QuerySet[SubjectFact], valid_from: date, valid_until: date | None
) -> date | None:
    """Return when the new fact ends: where a later one of its kind begins, if that is earlier."""
    later = others.filter(valid_from__gt=valid_from).exclude(valid_until=F("valid_from"))
    begins = later.order_by("valid_from").values_list("valid_from", flat=True).first()
    days = [day for day in (valid_until, begins) if day]
    return min(days, default=None)


def _end_standing(
    others: QuerySet[SubjectFact], day: date, known: datetime | None
) -> list[SubjectFact]:
    """End what holds on a day; what only began on it never held."""
    standing = others.filter(valid_from__lte=day).filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=day)
    )
    rows = list(standing.select_for_update())
    for row in rows:
        _end(row, day, known=known)
    return rows


def _end(fact: SubjectFact, day: date, *, known: datetime | None) -> None:
    """Let it end on a day, and say since when that is known: now, or of imports since then."""
    fact.valid_until, fact.end_recorded_at = day, known or Now()
    fact.save(update_fields=["valid_until", "end_recorded_at"])
    fact.refresh_from_db(fields=["end_recorded_at"])


def _say_ended(fact: SubjectFact, actor: Actor, *, at: datetime | None, imported: bool) -> None:
    ledger.append(
        events.SubjectFactEnded(kind=fact.kind, valid_until=fact.valid_until),
        actor=actor,
        subject=fact.subject.ref,
        covers=[fact],
        event_time=at,
        imported=imported,
    )


def _follow(subject: Subject, locked: Subject, *, at: datetime | None) -> None:
    """Let the rules that apply follow the facts, in the caller's object as well.

    Even where they stay the same, a lease may have to end earlier: on the day a fact turns.
    """
    place_in_cohort(locked, at=at or timezone.now())
    bump_personal_revision(locked)
    subject.cohort, subject.turns_at = locked.cohort, locked.turns_at
