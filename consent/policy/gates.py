"""Gates: which are closed for every place that asks for them, and from which day on. Pure.

Evidence speaks for one place. What was assessed in one country closes nothing in another, whether
the person works there or somebody whose words are seen.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from consent.policy.bounds import Bounds
from consent.policy.facts import Evidence, PersonFacts, day, day_at, is_later
from consent.policy.rulebook import Rulebook

Span = tuple[date, date | None]


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
    closings = _Closings(person.gates, person.today)
    for code in sorted(codes):
        for row in rulebook.lineage(code):
            for gate in row.own.gates & bounds.gates if row.code in bounds.codes else ():
                closed_on = closings.of(gate, row.code, code)
                begun = None if closed_on is None else day_at(closed_on, person.at)
                opens = None if begun is None else gate_opens(gate, begun, bounds)
                yield Asked(gate, row.code, opens, closed_on)


class _Closings:
    """Since when a gate is closed for a place: by its evidence, or wherever it is asked for."""

    def __init__(self, gates: Mapping[str, date] | frozenset[Evidence], today: date) -> None:
        self.everywhere = gates if isinstance(gates, Mapping) else {}
        self.today = today
        self.spans: dict[tuple[str, str], list[Span]] = {}
        for paper in () if isinstance(gates, Mapping) else gates:
            key = paper.jurisdiction, paper.gate
            self.spans.setdefault(key, []).append((paper.valid_from, paper.valid_until))

    def of(self, gate: str, *places: str) -> date | None:
        if gate in self.everywhere:
            return self.everywhere[gate]
        spans = {span for place in places for span in self.spans.get((place, gate), ())}
        return covered_since(spans, self.today)


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
