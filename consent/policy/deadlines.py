"""Statutory periods, exact to the day: months are calendar months, weekends move nothing. Pure."""

from calendar import monthrange
from collections.abc import Callable, Collection, Iterable
from datetime import date, timedelta
from functools import partial
from typing import Final

from consent.policy.bounds import Answer, Bounds, Extension
from consent.policy.holidays import is_business_day
from consent.policy.rulebook import Rulebook
from consent.policy.types import Right

BusinessDay = Callable[[date], bool]
Pause = tuple[date, date]
"""From the day the clock stopped until the day it went on; the last day is not part of it."""


ANSWERED: Final = frozenset(
    {Right.ACCESS, Right.RECTIFICATION, Right.RESTRICTION, Right.PORTABILITY, Right.OBJECTION}
)
"""Rights whose answer has the general period of rights requests, and no other."""

EXTENDABLE: Final = ANSWERED | {Right.ERASURE}
"""Rights whose period the law lets an employer extend; every other period ends when it ends."""


class UnknownJurisdictionError(LookupError):
    """A jurisdiction without rules: no period can be worked out for it."""


def add_months(start: date, months: int) -> date:
    """Add calendar months; the 31st of a month that has no 31st is its last day."""
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    return date(year, month, min(start.day, monthrange(year, month)[1]))


def add_business_days(start: date, days: int, counts: BusinessDay) -> date:
    """Return the last of a number of business days after a day, which itself does not count."""
    end = start
    while days:
        end += timedelta(days=1)
        days -= counts(end)
    return end


def due(
    right: Right,
    jurisdictions: Iterable[str],
    received: date,
    rulebook: Rulebook,
    *,
    extended: bool = False,
    pauses: Collection[Pause] = (),
) -> date | None:
    """Return the day by which a request must be answered, the earliest that any rule asks for.

    `None` where no law read here gives the right. A due date on a weekend stays there; business
    days are those of the place whose rule counts in them. Erasure has its own days and is a rights
    request as well: whichever ends first. Pauses count only under a law that lets a request for
    clarification stop the clock.
    """
    bounds = _bounds(jurisdictions, received, rulebook)
    if right in ANSWERED:
        return _answer_due(bounds.answers, received, pauses, extended=extended, asked=right)
    if right is Right.ERASURE:
        erasure = _for_erasure(bounds, rulebook)
        return _answer_due(erasure, received, (), extended=extended, asked=right)
    if right is Right.ACKNOWLEDGEMENT:
        return acknowledge_by(bounds, received, rulebook)
    if right is Right.LIMIT_SENSITIVE:
        return _business_days_end(bounds, rulebook, received, lambda o: o.limit_spi_business_days)
    days = {
        Right.COMPLAINT: bounds.complaint_ack_days,
        Right.POLICY_COPY: bounds.policy_copy_days,
        Right.WITHDRAWAL: bounds.withdrawal_effect_days,
    }[right]
    return None if days is None else received + timedelta(days=days)


def pausable(jurisdictions: Iterable[str], received: date, rulebook: Rulebook) -> frozenset[Right]:
    """Return the rights whose clock a question to the person stops, by some law of these places.

    Erasure is never among them: a rule's own days for it run on, so a pause could only mislead.
    """
    answers = _bounds(jurisdictions, received, rulebook).answers
    return ANSWERED & {
        right
        for one in answers
        if received >= one.clock_stops_from
        for right in one.clock_stops_for
    }


def idle_pauses(
    right: Right,
    jurisdictions: Iterable[str],
    received: date,
    rulebook: Rulebook,
    *,
    extended: bool = False,
    pauses: Collection[Pause] = (),
) -> dict[Pause, str]:
    """Return which of the pauses move nothing, each with the reason in words."""
    codes = tuple(jurisdictions)

    def end(stops: Collection[Pause]) -> date | None:
        return due(right, codes, received, rulebook, extended=extended, pauses=stops)

    last = end(pauses)
    return {
        pause: _why_idle(pause, received, last)
        for pause in pauses
        if end([other for other in pauses if other != pause]) == last
    }


def _why_idle(pause: Pause, received: date, last: date | None) -> str:
    if pause[0] == pause[1]:
        return "it has no day"
    if pause[1] <= received:
        return "it is over before the request came"
    if last and pause[0] >= last:
        return f"it begins on {last}, the last day, or later, when the period is over"
    return "the period that ends first is one that no question to the person stops"


def acknowledge_by(bounds: Bounds, received: date, rulebook: Rulebook) -> date | None:
    """Return the day by which receipt must be confirmed; `None` where no law asks for it."""
    days = bounds.dsar_ack_days
    plain = None if days is None else received + timedelta(days=days)
    counted = _business_days_end(bounds, rulebook, received, lambda o: o.dsar_ack_business_days)
    return min((end for end in (plain, counted) if end), default=None)


def _for_erasure(bounds: Bounds, rulebook: Rulebook) -> frozenset[Answer]:
    """Return the periods of a request to erase: the rules' own days, and the general ones.

    The general ones only of laws that know a period for erasure: no right is made up.
    """
    if bounds.erasure_days is None:
        return frozenset()
    laws = [rulebook.rows[code].own for code in bounds.codes]
    general = bounds.answers & frozenset(
        answer for own in laws if own.erasure_days is not None for answer in own.answers
    )
    extension = min((answer.extension for answer in general), default=Extension(0, 0))
    return general | {Answer(bounds.erasure_days, 0, extension, date.max, frozenset())}


def _business_days_end(
    bounds: Bounds, rulebook: Rulebook, received: date, period: Callable[[Bounds], int | None]
) -> date | None:
    """Return the earliest end of a period that rules give in business days, each by its calendar.

    By each rule's own place: a holiday of one country gives nobody in another one more time.
    """
    ends = [
        add_business_days(received, days, partial(is_business_day, code))
        for code in bounds.codes
        if (days := period(rulebook.rows[code].own)) is not None
    ]
    return min(ends, default=None)


def _bounds(jurisdictions: Iterable[str], on: date, rulebook: Rulebook) -> Bounds:
    """Return the joined rules; a review that is overdue ends permissions, not duties."""
    law = rulebook.law(jurisdictions, on)
    unknown = [gap.code for gap in law.gaps if gap.why != "review_overdue"]
    if law.bounds is None or unknown:
        names = ", ".join(sorted(filter(None, unknown))) or "no jurisdiction was named"
        raise UnknownJurisdictionError(f"No rules are known for: {names}.")
    return law.bounds


def _answer_due(
    answers: Iterable[Answer],
    received: date,
    pauses: Collection[Pause],
    *,
    extended: bool,
    asked: Right,
) -> date | None:
    """Take the earliest end over all laws; extended, by the shortest extension of any of them."""
    ends: list[date] = []
    answers = tuple(answers)
    for answer in answers:
        stands = received >= answer.clock_stops_from and asked in answer.clock_stops_for
        stops = pauses if stands else ()
        ends += [
            _with_pauses(received, _end(received, answer, other), stops)
            for other in (answers if extended else (None,))
        ]
    return min(ends, default=None)


def _end(received: date, answer: Answer, extends: Answer | None) -> date:
    """Count months from receipt as months, so that one month and two more are three."""
    if extends is None:
        months, days = answer.months, 0 if answer.months else answer.days
    else:
        extension = extends.extension
        months = answer.months + extension.months
        days = (0 if answer.months else answer.days) + (0 if extension.months else extension.days)
    return add_months(received, months) + timedelta(days=days)


def _with_pauses(received: date, end: date, pauses: Collection[Pause]) -> date:
    """Move the end of a running period by the days it stood still, each day once.

    Only what lies within the period counts: no day before the receipt, and no pause that begins
    when the period is over.
    """
    counted_until = received
    for start, until in sorted(pauses):
        if start >= end:
            break
        end += timedelta(days=max((until - max(start, counted_until)).days, 0))
        counted_until = max(counted_until, until)
    return end
