"""Since when people are under rules that ask for a notice period: it runs from that day as well.

A purpose may have been announced for years; who comes under such rules today was not told in time.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime

from consent.models import CohortPolicy, SubjectFact
from consent.policy.rulebook import Rulebook
from consent.rules import rulebook_of
from consent.selectors.documents import said_by

Span = tuple[date, date | None]

Under = tuple[Collection[str], Rulebook]
"""Somebody's jurisdictions, and the rules that hold there."""


def arrivals(people: Mapping[int, Under], *, on: date) -> dict[int, date]:
    """Return for each subject the last day on which they came under rules with a notice period.

    Who is under none is left out. A stay without a gap is one stay, whichever facts say so; where
    no fact tells since when, it is since that very day.
    """
    asked = {
        subject: codes
        for subject, (jurisdictions, rules) in people.items()
        if (codes := with_notice_period(jurisdictions, rules))
    }
    if not asked:
        return {}
    stays: dict[int, dict[str, list[Span]]] = {subject: {} for subject in asked}
    rows = SubjectFact.objects.filter(
        subject__in=asked, kind__in=SubjectFact.JURISDICTION_KINDS, valid_from__lte=on
    )
    for subject, place, since, until in rows.values_list(
        "subject_id", "value", "valid_from", "valid_until"
    ):
        for row in people[subject][1].lineage(place):
            stays[subject].setdefault(row.code, []).append((since, until))
    return {
        subject: max(_since(stays[subject].get(code, ()), on) for code in codes)
        for subject, codes in asked.items()
    }


def arrivals_in(people: Mapping[int, CohortPolicy | None], *, at: datetime) -> dict[int, date]:
    """Return since when subjects are under rules with a notice period, by what they share."""
    shared = {subject: said_by(policy) for subject, policy in people.items()}
    return arrivals(
        {
            subject: (document["jurisdictions"], rulebook_of(document.get("rulebook")))
            for subject, document in shared.items()
        },
        on=at.date(),
    )


def with_notice_period(jurisdictions: Iterable[str], rules: Rulebook) -> frozenset[str]:
    """Return the places, of these and those above them, whose own rules ask for such a period."""
    return frozenset(
        row.code for code in jurisdictions for row in rules.lineage(code) if row.own.notice_days > 0
    )


def longest_notice(jurisdictions: Iterable[str], rules: Rulebook) -> int:
    """Return the most days that any of these places, or one above them, asks for."""
    rows = (row for code in jurisdictions for row in rules.lineage(code))
    return max((row.own.notice_days for row in rows), default=0)


def _since(stays: Iterable[Span], on: date) -> date:
    """Return the first day of the stay without a gap that lasts on a day."""
    known = tuple(stays)
    first = min((begun for begun, end in known if end is None or end > on), default=on)
    while longer := [begun for begun, end in known if begun < first and (not end or end >= first)]:
        first = min(longer)
    return first
