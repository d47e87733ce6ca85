"""How long somebody's notice period still runs, and whether they may agree to less."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

from consent.models import Subject
from consent.policy.evaluate import notice_over
from consent.policy.facts import PersonFacts, day
from consent.policy.reasons import Explanation, Reason, ReasonCode, explain
from consent.policy.rulebook import Rulebook
from consent.rules import rulebook_of
from consent.selectors.decisions import questions, standings_for
from consent.selectors.documents import said_by


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A notice period that runs."""

    told_on: date
    """Its first day."""
    over: date
    """The first day on which recording may begin by itself."""
    days: int
    waivable: bool
    """Whether every place that asks for a period lets the person agree to less."""
    waived: bool
    """Whether the person agreed to less, and it counts."""
    law: Explanation
    """The places that ask for the period, and where it is written."""


def waiting(subject: Subject, *, at: datetime) -> dict[str, Waiting]:
    """Return purpose -> the notice period that runs for this person, by the places they are in.

    A purpose is not in it where none runs, or where no recording could begin after it: the place
    is unknown, or forbids it all.
    """
    (standing,) = standings_for([subject], at=at, agents=[None])
    rules = rulebook_of(said_by(standing.cohort_policy).get("rulebook"))
    return {
        asked.code: _strictest(found)
        for asked in questions(standing, rules, at=at)
        if (found := list(_running(asked.persons, rules)))
    }


def _strictest(found: list[Waiting]) -> Waiting:
    """Return one of those for each day that it is now in the places: what one asks for is asked."""
    return replace(
        max(found, key=lambda one: one.over),
        told_on=max(one.told_on for one in found),
        waivable=all(one.waivable for one in found),
        waived=all(one.waived for one in found),
    )


def _running(persons: tuple[PersonFacts, ...], rules: Rulebook) -> Iterator[Waiting]:
    for person in persons:
        law = rules.law(person.jurisdictions, person.today)
        if law.bounds is None or law.gaps or law.prohibited or person.notice_on is None:
            continue
        over = notice_over(replace(person, notice_waived=False), law.bounds)
        if over and over > person.today:
            codes = rules.behind(law.bounds, lambda own: own.notice_days > 0)
            yield Waiting(
                told_on=day(person.notice_on),
                over=over,
                days=law.bounds.notice_days,
                waivable=law.bounds.notice_waivable,
                waived=bool(person.notice_waived) and law.bounds.notice_waivable,
                law=explain(Reason(ReasonCode.NOTICE_PERIOD_RUNNING, "", codes), rules),
            )
