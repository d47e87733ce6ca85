"""Gates: which are closed for every place that asks for them, and from which day on. Pure.

Evidence speaks for one place. What was assessed in one country closes nothing in another, whether
the person works there or somebody whose words are seen.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from consent.policy.bounds import Bounds
from consent.policy.facts import Evidence, PersonFacts, day, day_at, is_later
from consent.policy.rulebook import Rulebook

Span = tuple[date, date | None]
Closed = tuple[date, date]
"""Since when a gate is closed, and the first day on which it lets capture through."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One gate that a rule asks for on behalf of a place."""

    gate: str
    rule: str
    """The place whose own rule asks: the one that applies, or one above it."""
    opens: date | None
    """The first day on which it lets capture through; None while nothing closes it."""
    closed_on: date | None
    """The day, or the instant, from which on it is closed."""

    def is_open(self, at: date) -> bool:
        """Say whether it stands in the way, be it only until a lead time is over."""
        if self.opens is None or self.closed_on is None:
            return True
        return self.opens > day(at) or is_later(self.closed_on, at)


def asked_gates(
    person: PersonFacts, codes: Iterable[str], bounds: Bounds, rulebook: Rulebook
) -> Iterator[Asked]:
    """Yield each gate that these places ask for, once for every place and rule that asks.

    Evidence for the place, or for the one above it whose rule asks, closes it. A rule that is not
    in force asks for nothing, and where every gate counts as closed nothing is asked.
    """
    if isinstance(person.gates, str):
        return
    closings = _Closings(person.gates, person.at, bounds)
    for code in sorted(codes):
        for row in rulebook.lineage(code):
            for gate in row.own.gates & bounds.gates if row.code in bounds.codes else ():
                closed_on, opens = closings.of(gate, row.code, code) or (None, None)
                yield Asked(gate, row.code, opens, closed_on)


class _Closings:
    """Since when a gate is closed for a place: by its evidence, or wherever it is asked for."""

    def __init__(
        self, gates: Mapping[str, date] | frozenset[Evidence], at: date, bounds: Bounds
    ) -> None:
        self.everywhere = gates if isinstance(gates, Mapping) else {}
        self.at = at
        self.bounds = bounds
        self.papers: dict[tuple[str, str], list[Evidence]] = {}
        for paper in () if isinstance(gates, Mapping) else gates:
            self.papers.setdefault((paper.jurisdiction, paper.gate), []).append(paper)

    def of(self, gate: str, *places: str) -> Closed | None:
        if gate in self.everywhere:
            since = self.everywhere[gate]
            return since, gate_opens(gate, day_at(since, self.at), self.bounds)
        papers = [paper for place in set(places) for paper in self.papers.get((place, gate), ())]
        return closed_by(papers, gate, day(self.at), self.bounds)


def closed_by(
    papers: Collection[Evidence], gate: str, today: date, bounds: Bounds
) -> Closed | None:
    """Return since when papers close a gate, and the first day on which it lets capture through.

    None where none of them counts today. A lead time runs after what was done: a paper that says
    why the gate does not apply has none, nor do its days count as days since it was done.
    """
    found = []
    for nothing_done in (False, True):
        spans = {(p.valid_from, p.valid_until) for p in papers if p.not_applicable is nothing_done}
        if since := covered_since(spans, today):
            found.append((since, since if nothing_done else gate_opens(gate, since, bounds)))
    return min(found, key=lambda closed: closed[1], default=None)


def gate_opens(gate: str, closed_on: date, bounds: Bounds) -> date:
    """Return the first day on which a gate closed on a day lets capture through."""
    return day(closed_on) + timedelta(days=bounds.lead_days(gate))


def covered_since(spans: Iterable[Span], today: date) -> date | None:
    """Return since when half-open spans cover every day up to `today`; None if not today.

    Evidence renewed before it lapses closes its gate without a break, so no lead time runs anew.
    """
    begun: date | None = None
    reach: date = date.min
    for since, until in sorted(spans, key=lambda span: span[0]):
        if since > today:
            break
        if begun is None or since > reach:
            begun, reach = since, date.min
        reach = max(reach, until or date.max)
    return begun if today < reach else None
