"""How far a required step of a place is: the document that closes it, and from when it counts.

By the same reckoning as decisions: days, lead times, and the agreements whose own document it is.
For whoever is in the place; an agreement for some sites closes the step for the people there alone.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from consent.models import GateEvidence
from consent.policy.clocks import days_at
from consent.policy.facts import Evidence
from consent.policy.gates import Closed, closed_by, covered_since
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
    papers = {one: _papers(one, people, known) for one in about}
    every = [paper for own in papers.values() for paper in own]
    days = days_at([place], at)
    closed = [_closed(every, gate, place, day, rules) for day in days]
    closing = next((one for one in about if _counts(papers[one], days[-1])), None)
    opens = [found[1] for found in closed if found]
    if closing is None or len(opens) < len(days):
        return Step(None, None, done=False, agreements=())
    return Step(
        closing,
        max(opens),
        done=all(first <= day for first, day in zip(opens, days, strict=True)),
        agreements=tuple(
            row.code for row in known.rows if row.document_sha256 == closing.document_sha256
        ),
    )


def _papers(one: GateEvidence, people: People, known: Agreements) -> list[Evidence]:
    """Return a document for each time that it counts; that of agreements only while they bind."""
    windows = known.windows(one.document_sha256, one.jurisdiction, people)
    item: dict[str, Any] = {"from": one.valid_from.isoformat(), "until": _text(one.valid_until)}
    if windows is not None:
        item |= {"within": [[_text(since), _text(until)] for since, until in windows]}
    return [
        Evidence(
            jurisdiction=one.jurisdiction,
            gate=one.gate,
            valid_from=since,
            valid_until=until,
            not_applicable=bool(one.not_applicable_reason),
        )
        for since, until in spans_of(item)
    ]


def _counts(papers: Iterable[Evidence], day: date) -> bool:
    return any(covered_since([(p.valid_from, p.valid_until)], day) for p in papers)


def _closed(
    papers: Collection[Evidence], gate: str, place: str, day: date, rules: Rulebook
) -> Closed | None:
    if bounds := rules.law([place], day).bounds:
        return closed_by(papers, gate, day, bounds)
    # Where no rule is in force nothing says how long to wait; nothing is recorded there anyway.
    since = covered_since({(p.valid_from, p.valid_until) for p in papers}, day)
    return (since, since) if since else None


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None
