"""Facts with what no longer matters left out: whoever is told apart only by that is alike. Pure.

The day of a yes matters until it is reached and from when it is too old; that of a notice until its
period is over. Between them any such day gives the same answers, so that what follows for one
person is what follows for thousands.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from consent.policy.bounds import Bounds
from consent.policy.evaluate import consent_ends, notice_over
from consent.policy.facts import PersonFacts, day_at, is_later
from consent.policy.rulebook import Rulebook
from consent.policy.types import ConsentState


def settled(
    person: PersonFacts, places: Iterable[frozenset[str]], rulebook: Rulebook
) -> PersonFacts:
    """Return facts that `evaluate_many` answers alike, where only these sets of places join.

    They are about the same moment only: when an answer changes by itself, `next_change` has to be
    asked about the person as they are.
    """
    laws = (rulebook.law(codes, person.today).bounds for codes in places)
    bounds = [one for one in laws if one]
    found: dict[str, object] = {}
    if person.consent is not ConsentState.GIVEN:
        found["consent_given_on"] = None
    elif _yes_counts(person, bounds):
        found["consent_given_on"] = person.today
    if _notice_over(person, bounds):
        found |= {"notice_on": date.min, "notice_waived": False}
    return replace(person, **found) if found else person  # type: ignore[arg-type]


def _yes_counts(person: PersonFacts, bounds: list[Bounds]) -> bool:
    """Say whether a yes has been given and is not too old anywhere, nor would be if given today."""
    given = person.consent_given_on
    if given is None or is_later(given, person.at):
        return False
    days = (day_at(given, person.at), person.today)
    ends = (consent_ends(one, law) for one in days for law in bounds)
    return all(end is None or person.today < end for end in ends)


def _notice_over(person: PersonFacts, bounds: list[Bounds]) -> bool:
    """Say whether the notice was given and its period has ended everywhere, or was waived."""
    if person.notice_on is None or is_later(person.notice_on, person.at):
        return False
    overs = (notice_over(person, law) for law in bounds)
    return all(over is None or over <= person.today for over in overs)
