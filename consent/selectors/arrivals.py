"""Since when people are under rules that ask for a notice period: it runs from that day as well.

A purpose may have been announced for years; who comes under such rules today was not told in time.
Nor was who came earlier and was recorded only today: until then nobody knew that they had to be.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from consent.models import CohortPolicy, SubjectFact
from consent.policy.clocks import days_at
from consent.policy.rulebook import Rulebook
from consent.rules import rulebook_of
from consent.selectors.documents import clocked_by, said_by
from consent.selectors.facts import Held, read

Under = tuple[Collection[str], Rulebook]
"""Somebody's jurisdictions, and the rules that hold there."""


@dataclass(frozen=True, slots=True)
class Span:
    """Days, half-open, on which a fact puts somebody under some rules."""

    begun: date
    end: date | None


@dataclass(frozen=True, slots=True)
class Stay:
    """One fact: the days it is about, and those on which it held and was known to."""

    dated: Span
    known: Span


def arrivals(
    people: Mapping[int, Under],
    *,
    on: date,
    places: Collection[str],
    recorded_by: datetime | None = None,
    held: Mapping[int, Collection[Held]] | None = None,
) -> dict[int, date]:
    """Return for each subject the last day on which they came under rules with a notice period.

    Who is under none is left out. A stay without a gap is one stay, whichever facts say so; where
    no fact tells since when, it is since that very day. A fact that is dated back counts from the
    day it was recorded, by the clocks of `places`. With `recorded_by` nothing counts that was
    recorded only after it. `held`: the facts about each, where they are at hand.
    """
    asked = {
        subject: codes
        for subject, (jurisdictions, rules) in people.items()
        if (codes := with_notice_period(jurisdictions, rules))
    }
    if not asked:
        return {}
    stays: dict[int, dict[str, list[Stay]]] = {subject: {} for subject in asked}
    for subject, fact in _begun(asked, on) if held is None else _begun_of(held, asked, on):
        if stay := _stay(fact, places=places, recorded_by=recorded_by):
            for row in people[subject][1].lineage(fact.value):
                stays[subject].setdefault(row.code, []).append(stay)
    return {
        subject: max(told_since(stays[subject].get(code, ()), on) for code in codes)
        for subject, codes in asked.items()
    }


def _begun(subjects: Collection[int], on: date) -> Iterator[tuple[int, Held]]:
    """Yield the facts on record that put these subjects under some law on a day, or did before."""
    facts = SubjectFact.objects.filter(
        subject__among=subjects, kind__in=SubjectFact.JURISDICTION_KINDS, valid_from__lte=on
    )
    return read(facts)


def _begun_of(
    held: Mapping[int, Collection[Held]], subjects: Collection[int], on: date
) -> Iterator[tuple[int, Held]]:
    for subject in subjects:
        for fact in held[subject]:
            if fact.kind in SubjectFact.JURISDICTION_KINDS and fact.since <= on:
                yield subject, fact


def arrivals_in(
    people: Mapping[int, CohortPolicy | None],
    *,
    at: datetime,
    past: bool = False,
    held: Mapping[int, Collection[Held]] | None = None,
) -> dict[int, date]:
    """Return since when subjects are under rules with a notice period, by what they share.

    With `past` by what was recorded at that instant. `held`: as for `arrivals`.
    """
    shared = {subject: said_by(policy) for subject, policy in people.items()}
    by_places: dict[frozenset[str], dict[int, Under]] = {}
    for subject, document in shared.items():
        under = document["jurisdictions"], rulebook_of(document.get("rulebook"))
        by_places.setdefault(clocked_by(document), {})[subject] = under
    recorded_by = at if past else None
    return {
        subject: since
        for places, some in by_places.items()
        # What begins in one of the places has begun for this: the last day that it is there.
        for subject, since in arrivals(
            some, on=days_at(places, at)[-1], places=places, recorded_by=recorded_by, held=held
        ).items()
    }


def with_notice_period(jurisdictions: Iterable[str], rules: Rulebook) -> frozenset[str]:
    """Return the places, of these and those above them, whose own rules ask for such a period."""
    return frozenset(
        row.code for code in jurisdictions for row in rules.lineage(code) if row.own.notice_days > 0
    )


def longest_notice(jurisdictions: Iterable[str], rules: Rulebook) -> int:
    """Return the most days that any of these places, or one above them, asks for."""
    rows = (row for code in jurisdictions for row in rules.lineage(code))
    return max((row.own.notice_days for row in rows), default=0)


def _stay(fact: Held, *, places: Collection[str], recorded_by: datetime | None) -> Stay | None:
    """Return a fact's days; None where nobody knew of it by then.

    Whose end was recorded later than its day was known to go on until then.
    """
    begun, end, end_known = fact.since, fact.until, fact.end_known
    if recorded_by and fact.known > recorded_by:
        return None
    if recorded_by and end_known and end_known > recorded_by:
        end = end_known = None
    known_end = max(end, days_at(places, end_known)[-1]) if end and end_known else end
    known = max(begun, days_at(places, fact.known)[-1])
    return Stay(Span(begun, end), Span(known, known_end))


def told_since(stays: Iterable[Stay], on: date) -> date:
    """Return the first day of the stay that lasts on a day without a gap, and was known to.

    What is no part of the stay as it is dated fills no gap in what was known of it.
    """
    facts = tuple(stays)
    first = _first([one.dated for one in facts], on)
    within = (one for one in facts if one.dated.end is None or one.dated.end > first)
    return _first([one.known for one in within], on)


def _first(spans: Collection[Span], on: date) -> date:
    """Return the first day of the spans that reach a day without a gap; that day if none does."""
    lasting = [one for one in spans if one.begun <= on and (one.end is None or one.end > on)]
    if not lasting:
        return on
    first = min(one.begun for one in lasting)
    while longer := [
        one.begun for one in spans if one.begun < first and (not one.end or one.end >= first)
    ]:
        first = min(longer)
    return first
