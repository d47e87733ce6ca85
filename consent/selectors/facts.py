"""The dated facts about a person, and the cohort that they call for on a day."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from consent.digests import digest
from consent.models import Cohort, Subject, SubjectFact


def cohort_facts(subject: Subject, *, at: datetime) -> dict[str, list[str]]:
    """Return the facts that this subject shares with others.

    Nobody without a work location can be allowed anything: no jurisdiction comes back, and an
    empty list denies. Where they work is said only where other places apply as well: by its clock
    working hours go.
    """
    today = at.date()
    facts = SubjectFact.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=today),
        subject=subject,
        valid_from__lte=today,
    )
    kinds = {fact.kind for fact in facts}
    jurisdictions = {f.value for f in facts if f.kind in SubjectFact.JURISDICTION_KINDS}
    if SubjectFact.Kind.WORK_LOCATION not in kinds:
        jurisdictions = set()
    sites = {f.value for f in facts if f.kind == SubjectFact.Kind.SITE}
    shared = {"jurisdictions": sorted(jurisdictions), "sites": sorted(sites)}
    works_in = {f.value for f in facts if f.kind == SubjectFact.Kind.WORK_LOCATION}
    return shared | ({"works_in": sorted(works_in)} if works_in < jurisdictions else {})


def next_turn(subject: Subject, *, at: datetime) -> date | None:
    """Return the next day on which a fact begins or ends; None when none is known to."""
    return next_turns([subject.pk], at=at).get(subject.pk)


def next_turns(subjects: Collection[int], *, at: datetime) -> dict[int, date]:
    """Return for each subject the next day on which a fact begins or ends, where one is known."""
    today = at.date()
    rows = SubjectFact.objects.filter(
        Q(valid_from__gt=today) | Q(valid_until__gt=today), subject__in=subjects
    )
    found: dict[int, date] = {}
    for subject, *days in rows.values_list("subject_id", "valid_from", "valid_until"):
        for day in days:
            if day and day > today:
                found[subject] = min(day, found.get(subject, day))
    return found


def cohort_of(subject: Subject, *, at: datetime) -> Cohort | None:
    """Return the cohort in which the subject's facts put them at `at`, were it ahead or now.

    None, which denies everything, where nobody was in such a cohort yet: until the subject is
    placed there, nothing is known of what it shares.
    """
    if not has_turned(subject, at=at):
        return subject.cohort
    return Cohort.objects.filter(digest=digest(cohort_facts(subject, at=at))).first()


def cohort_key_of(subject: Subject, *, at: datetime) -> int | None:
    """Return the key of that cohort, which for nearly everybody is at hand."""
    if not has_turned(subject, at=at):
        return subject.cohort_id
    cohort = cohort_of(subject, at=at)
    return cohort.pk if cohort else None


def still_here() -> QuerySet[Subject]:
    """Return everybody who is of the organisation now; a departure ahead changes nothing yet."""
    return Subject.objects.exclude(departed_at__lte=Now())


def members_of(units: Collection[str], *, on: date) -> QuerySet[SubjectFact, int]:
    """Return the numbers of who is of one of these units on a day, whether or not they left."""
    facts = SubjectFact.objects.filter(
        Q(valid_until__isnull=True) | Q(valid_until__gt=on),
        kind=SubjectFact.Kind.UNIT,
        value__in=units,
        valid_from__lte=on,
    )
    return facts.values_list("subject_id", flat=True)


def has_departed(subject: Subject) -> bool:
    """Return whether the person has left the organisation, by the database and its clock."""
    return Subject.objects.filter(pk=subject.pk, departed_at__lte=Now()).exists()


def has_turned(subject: Subject, *, at: datetime) -> bool:
    """Return whether a day has come on which the subject's facts call for another look."""
    return subject.turns_on is not None and subject.turns_on <= at.date()


def midnight(day: date) -> datetime:
    """Return the instant at which a day begins; days are counted in UTC."""
    return datetime.combine(day, time.min, tzinfo=UTC)
