"""How far a required step of a place is: the document that closes it, and from when it counts.

By the same reckoning as decisions: days, lead times, and the agreements whose own document it is.
For whoever is in the place; an agreement for some sites closes the step for the people there alone.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from consent.models import GateEvidence
from consent.policy.clocks import days_at
from consent.policy.gates import Span, covered_since, gate_opens
from consent.policy.rulebook import Rulebook
from consent.selectors.agreements import Agreements, People
from consent.selectors.shared import spans_of


@dataclass(frozen=True, slots=True)
class Step:
    """One gate of a place, of one purpose."""

    closing: GateEvidence | None
    """What closes it today, be it only until a lead time is over; None: it is open."""
    opens: date | None
    """The first day on which it lets recording through; None where nothing closes it."""
    done: bool
    agreements: tuple[str, ...]
    """The agreements whose own document it is: it counts for those whom they bind."""


def step_at(
    evidence: Iterable[GateEvidence],
    place: str,
    gate: str,
    *,
    people_in: Collection[str],
    known: Agreements,
    rules: Rulebook,
    at: datetime,
) -> Step:
    """Return how far a gate of a place is at an instant, by the evidence that was not taken back.

    `people_in` are the places where there are people; those beneath the place count as of it. Where
    it is two days at once, what one of them leaves open is open.
    """
    beneath = [code for code in people_in if place in {row.code for row in rules.lineage(code)}]
    people = People.of({place, *beneath}, [s for row in known.rows for s in row.sites], rules)
    about = [one for one in evidence if (one.jurisdiction, one.gate) == (place, gate)]
    spans = {one: _spans(one, people, known) for one in about}
    days = days_at([place], at)
    begun = [covered_since({s for own in spans.values() for s in own}, day) for day in days]
    closing = next((one for one in about if _covers(spans[one], days[-1])), None)
    if closing is None or None in begun:
        return Step(None, None, done=False, agreements=())
    opens = [_opens(gate, place, since, day, rules) for since, day in zip(begun, days, strict=True)]
    return Step(
        closing,
        max(opens),
        done=all(first <= day for first, day in zip(opens, days, strict=True)),
        agreements=tuple(
            row.code for row in known.rows if row.document_sha256 == closing.document_sha256
        ),
    )


def _spans(one: GateEvidence, people: People, known: Agreements) -> Sequence[Span]:
    """Return the days on which a document counts; that of agreements only while they bind."""
    windows = known.windows(one.document_sha256, one.jurisdiction, people)
    if windows == []:
        return ()
    item = {"from": one.valid_from.isoformat(), "until": _text(one.valid_until)}
    if windows is None:
        return tuple(spans_of(item))
    within = [[_text(since), _text(until)] for since, until in windows]
    return tuple(spans_of({**item, "within": within}))


def _covers(spans: Iterable[Span], day: date) -> bool:
    return covered_since(spans, day) is not None


def _opens(gate: str, place: str, since: date | None, day: date, rules: Rulebook) -> date:
    bounds = rules.law([place], day).bounds
    begun = since or day
    return gate_opens(gate, begun, bounds) if bounds else begun


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
