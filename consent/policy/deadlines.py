"""Statutory periods, exact to the day: months are calendar months, weekends move nothing. Pure."""

from calendar import monthrange
from collections.abc import Callable, Collection, Iterable
from datetime import date, timedelta
from enum import StrEnum
from functools import partial
from typing import Final

from consent.policy.bounds import Answer, Bounds
from consent.policy.holidays import is_business_day
from consent.policy.rulebook import Rulebook

BusinessDay = Callable[[date], bool]
Pause = tuple[date, date]
"""From the day the clock stopped until the day it went on; the last day is not part of it."""


class Right(StrEnum):
    """What a person can ask for, and what has a statutory period."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    PORTABILITY = "portability"
    OBJECTION = "objection"
    LIMIT_SENSITIVE = "limit_sensitive"
    COMPLAINT = "complaint"
    POLICY_COPY = "policy_copy"
    WITHDRAWAL = "withdrawal"


ANSWERED: Final = frozenset(
    {Right.ACCESS, Right.RECTIFICATION, Right.RESTRICTION, Right.PORTABILITY, Right.OBJECTION}
)
"""Rights whose answer has the general period of rights requests."""


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
    days are those of the place whose rule counts in them. Pauses count only under a law that lets
    a request for clarification stop the clock.
    """
    bounds = _bounds(jurisdictions, received, rulebook)
    if right in ANSWERED:
        return _answer_due(bounds.answers, received, pauses, extended=extended)
    if right is Right.LIMIT_SENSITIVE:
        return _business_days_end(bounds, rulebook, received, lambda o: o.limit_spi_business_days)
    days = {
        Right.ERASURE: bounds.erasure_days,
        Right.COMPLAINT: bounds.complaint_ack_days,
        Right.POLICY_COPY: bounds.policy_copy_days,
        Right.WITHDRAWAL: bounds.withdrawal_effect_days,
    }[right]
    return None if days is None else received + timedelta(days=days)


def acknowledge_by(jurisdictions: Iterable[str], received: date, rulebook: Rulebook) -> date | None:
    """Return the day by which receipt must be confirmed; `None` where no law asks for it."""
    bounds = _bounds(jurisdictions, received, rulebook)
    days = bounds.dsar_ack_days
    plain = None if days is None else received + timedelta(days=days)
    counted = _business_days_end(bounds, rulebook, received, lambda o: o.dsar_ack_business_days)
    return min((end for end in (plain, counted) if end), default=None)


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
    answers: Iterable[Answer], received: date, pauses: Collection[Pause], *, extended: bool
) -> date | None:
    """Take the earliest end over all laws; extended, by the shortest extension of any of them."""
    ends = []
    answers = tuple(answers)
    for answer in answers:
        stopped = _days_stopped(pauses) if received >= answer.clock_stops_from else 0
        for other in answers if extended else (None,):
            end = _end(received, answer, other) + timedelta(days=stopped)
            ends.append(end)
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


def _days_stopped(pauses: Collection[Pause]) -> int:
    """Count the days in any pause, once each."""
    stopped: set[date] = set()
    for start, end in pauses:
        stopped |= {start + timedelta(days=n) for n in range((end - start).days)}
    return len(stopped)
