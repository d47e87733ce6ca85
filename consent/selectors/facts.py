"""The dated facts about a person, and the cohort that they call for on a day."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from consent.digests import digest
from consent.models import Cohort, Prepared, Subject, SubjectFact
from consent.policy.clocks import first_midnight, last_midnight

A_WHILE: Final = timedelta(days=2)
"""Longer than any day lasts on Earth, from its first midnight to its last."""


@dataclass(frozen=True, slots=True)
class Held:
    """A fact as it was recorded, and for which days."""

    kind: str
    value: str
    since: date
    until: date | None
    known: datetime
    """Since when it is known, or of imports was."""
    end_known: datetime | None
    """Likewise of its end; None where it has none, or it came with the fact."""

    def on(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day < self.until)


def cohort_facts(subject: Subject, *, at: datetime) -> dict[str, list[str]]:
    """Return the facts that this subject shares with others.

    Nobody without a work location can be allowed anything: no jurisdiction comes back, and an
    empty list denies. Where they work is said only where other places apply as well: by its clock
    working hours go. While a day has begun in one of the places before and after and not yet in
    all of them, the rules of both hold; a site of only one of them is told apart.
    """
    return facts_of(held_by([subject.pk])[subject.pk], at=at)


def facts_of(held: Collection[Held], *, at: datetime) -> dict[str, list[str]]:
    """Return the same of facts that are at hand."""
    found = [[fact for fact in held if fact.on(day)] for day in _days_of(held, at)]
    works_in = [_values(facts, [SubjectFact.Kind.WORK_LOCATION]) for facts in found]
    jurisdictions: set[str] = set()
    if all(works_in):
        jurisdictions = set().union(
            *(_values(facts, SubjectFact.JURISDICTION_KINDS) for facts in found)
        )
    sites = [_values(facts, [SubjectFact.Kind.SITE]) for facts in found]
    always, ever = set.intersection(*sites), set.union(*sites)
    shared = {"jurisdictions": sorted(jurisdictions), "sites": sorted(always)}
    if ever - always:
        shared["sites_of_one_day"] = sorted(ever - always)
    places = set().union(*works_in)
    return shared | ({"works_in": sorted(places)} if places < jurisdictions else {})


def next_turn(subject: Subject, *, at: datetime) -> datetime | None:
    """Return when a fact begins or ends next; None when none is known to."""
    return next_turn_of(held_by([subject.pk])[subject.pk], at=at)


def next_turn_of(held: Collection[Held], *, at: datetime) -> datetime | None:
    """Return the same of facts that are at hand.

    A day on which facts turn has two such instants where the places have two clocks: when it has
    begun in one of the places before and after, and when in all of them.
    """
    lately = (at - A_WHILE).date()
    coming = [day for day in _turns(held) if day > lately]
    return min((turn for day in coming for turn in _begins(held, day) if turn > at), default=None)


def held_by(subjects: Collection[int]) -> dict[int, list[Held]]:
    """Return the facts on record about each subject, whether or not their days have come."""
    found: dict[int, list[Held]] = {subject: [] for subject in subjects}
    for subject, held in _read(_FACTS.rows(subjects)):
        found[subject].append(held)
    return found


def read(facts: QuerySet[SubjectFact]) -> Iterator[tuple[int, Held]]:
    """Yield of each of these facts whom it is about, and what it says."""
    return _read(_columns(facts))


def _columns(facts: QuerySet[SubjectFact]) -> QuerySet[SubjectFact, tuple[Any, ...]]:
    return facts.values_list(
        "subject_id",
        "kind",
        "value",
        "valid_from",
        "valid_until",
        "event_time",
        "recorded_at",
        "end_recorded_at",
    )


_FACTS: Final = Prepared(lambda keys, _: _columns(SubjectFact.objects.filter(subject__among=keys)))


def _read(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Held]]:
    for subject, kind, value, since, until, happened, recorded, end_known in rows:
        yield subject, Held(kind, value, since, until, happened or recorded, end_known)


def _values(facts: Iterable[Held], kinds: Collection[str]) -> set[str]:
    return {fact.value for fact in facts if fact.kind in kinds}


def _turns(held: Iterable[Held]) -> list[date]:
    """Return the days on which anything begins or ends."""
    days = {day for fact in held for day in (fact.since, fact.until) if day}
    return sorted(days)


def _begins(held: Collection[Held], day: date) -> tuple[datetime, datetime]:
    """Return when a day has begun in one, and in all, of the places before and after."""
    before = day - timedelta(days=1)
    near = [fact for fact in held if fact.on(before) or fact.on(day)]
    places = _values(near, SubjectFact.JURISDICTION_KINDS)
    return first_midnight(places, day), last_midnight(places, day)


def _days_of(held: Collection[Held], at: datetime) -> list[date]:
    """Return the days whose facts count at an instant: more than one while one is beginning."""
    begun = [(day, *_begins(held, day)) for day in _turns(held)]
    newest = max((day for day, first, _ in begun if first <= at), default=date.min)
    # The day before the first that has not begun everywhere yet; a later one may have, elsewhere.
    ahead = min((day for day, _, last in begun if last > at), default=date.max)
    stable = max((day for day, _, _ in begun if day < ahead), default=date.min)
    return [stable, *(day for day, _, _ in begun if stable < day <= newest)]


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
    """Return whether the instant has come at which the subject's facts call for another look."""
    return subject.turns_at is not None and subject.turns_at <= at


def midnight(day: date) -> datetime:
    """Return the instant at which a day begins in UTC, by which figures and reports are counted."""
    return datetime.combine(day, time.min, tzinfo=UTC)
