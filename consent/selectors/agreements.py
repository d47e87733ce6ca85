"""Whom agreements bind and until when: by place and site, and by what came after them.

One more agreement never permits what was denied without it, whenever it begins: where an agreement
says nothing of some people or a purpose, only one that stood before it or says that it completes
the others speaks for them. Those that say so, or replace another, wait for votes.

Asks the database nothing: agreements are given, and rules that say which place lies in which.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from consent.models import Agreement
from consent.policy.rulebook import Rulebook
from consent.selectors.places import with_those_above

Window = tuple[date, date | None]
"""From a day on, until another one."""


def site_key(name: str) -> str:
    """Return what two spellings of one site have in common: letter case and spaces tell nothing."""
    return " ".join(name.split()).casefold()


@dataclass(frozen=True)
class People:
    """Some people as an agreement sees them: their places, with those above, and their sites."""

    jurisdictions: frozenset[str]
    places: frozenset[str]
    sites: frozenset[str]

    @classmethod
    def of(cls, jurisdictions: Iterable[str], sites: Iterable[str], rules: Rulebook) -> Self:
        """Return the people of these places and sites."""
        codes = frozenset(jurisdictions)
        return cls(
            codes, frozenset(with_those_above(codes, rules)), frozenset(map(site_key, sites))
        )


class Agreements:
    """All the agreements there are, and which came after which."""

    def __init__(self, rows: Iterable[Agreement], rules: Rulebook) -> None:
        self.rows = tuple(rows)
        self._rules = rules
        self._later = {row.replaces_id: row for row in self.rows if row.replaces_id}
        self._by_key = {row.pk: row for row in self.rows}
        self._by_paper: dict[str, list[Agreement]] = {}
        for row in sorted(self.rows, key=lambda row: row.pk):
            papers = self._by_paper.setdefault(row.document_sha256, [])
            # By the document of another one nothing more is evidence unless somebody voted for it.
            if not papers or row.completes or row.replaces_id:
                papers.append(row)

    def about(self, people: People) -> list[Agreement]:
        """Return those that are about these people, whatever their purposes and days."""
        return [row for row in self.rows if is_about(row, people)]

    def at_other_sites(self, people: People) -> list[Agreement]:
        """Return those about the places of these people, but about sites where none of them is."""
        return [
            row
            for row in self.rows
            if not people.places.isdisjoint(row.jurisdictions) and not is_about(row, people)
        ]

    def ends(self, agreement: Agreement, people: People | None) -> date | None:
        """Return from which day on another agreement takes its place for these people.

        One for fewer places or sites takes it for the people there alone: the others stay bound.
        None for the people: for everybody whom it binds. None comes back where none is known to.
        """
        day, later = agreement.valid_from, self._later.get(agreement.pk)
        while later:
            day = max(day, later.valid_from)
            if self.takes_over(later, agreement, people):
                return day
            later = self._later.get(later.pk)
        return None

    def binds(self, agreement: Agreement, people: People | None, on: date) -> bool:
        """Say whether it has begun, and none that has begun took its place; over or not."""
        ends = self.ends(agreement, people)
        return agreement.valid_from <= on and (ends is None or on < ends)

    def lifts(self, speaking: Agreement, silent: Agreement) -> bool:
        """Say whether one may speak where another says nothing: it was first, or completes it.

        A replacement has the place of what it replaces, and speaks beside it.
        """
        return speaking.completes or self._first_of(speaking) <= self._first_of(silent)

    def _first_of(self, row: Agreement) -> int:
        """Return the key of the first agreement of the line in which this one replaces others."""
        while row.replaces_id:
            row = self._by_key[row.replaces_id]
        return row.pk

    def windows(self, paper: str, place: str, people: People) -> list[Window] | None:
        """Return when a document counts as evidence for a place; None: it is of no agreement.

        An agreement's own document says that it is agreed. So it counts while the agreement is in
        force, and for the people it binds; by the document of an earlier one, another agreement
        adds to that only as it replaces one or completes them. For a place of others, whose sites
        nobody knows, it must be about everybody there.
        """
        if paper not in self._by_paper:
            return None
        theirs = place in people.places
        return [
            (row.valid_from, min((day for day in days if day), default=None))
            for row in self._by_paper[paper]
            if (is_about(row, people) if theirs else not row.sites and self._within(place, row))
            for days in [(row.valid_until, self.ends(row, people if theirs else None))]
        ]

    def takes_over(self, later: Agreement, earlier: Agreement, people: People | None) -> bool:
        """Say whether one agreement is about all that another one is about, for these people."""
        codes = people.jurisdictions if people else earlier.jurisdictions
        if any(self._within(code, earlier) and not self._within(code, later) for code in codes):
            return False
        if not later.sites:
            return True
        sites = _sites(earlier)
        if people:
            sites = people.sites & sites if sites else people.sites
        # Who is at no site, or may be at any, is missed by an agreement that names some.
        return bool(sites or (people and earlier.sites)) and sites <= _sites(later)

    def _within(self, place: str, agreement: Agreement) -> bool:
        above = with_those_above({place}, self._rules)
        return not above.isdisjoint(agreement.jurisdictions)


def is_about(agreement: Agreement, people: People) -> bool:
    """Say whether an agreement is about people of these places, those above them, and sites."""
    if people.places.isdisjoint(agreement.jurisdictions):
        return False
    return not agreement.sites or not people.sites.isdisjoint(_sites(agreement))


def speaks_of(agreement: Agreement, purpose: str) -> bool:
    """Say whether an agreement covers a purpose, as one that names none covers all."""
    return not agreement.purposes or purpose in agreement.purposes


def by_speaking(
    agreements: Iterable[Agreement], purpose: str
) -> tuple[list[Agreement], list[Agreement]]:
    """Return the agreements that cover a purpose, and those that name others only."""
    found: Mapping[bool, list[Agreement]] = {True: [], False: []}
    for row in agreements:
        found[speaks_of(row, purpose)].append(row)
    return found[True], found[False]


def _sites(agreement: Agreement) -> frozenset[str]:
    return frozenset(map(site_key, agreement.sites))
