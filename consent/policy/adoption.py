"""Two rule packs in force at once: what was adopted, and what came with the program. Pure.

Until somebody adopts a shipped file that differs, the stricter of the two counts, value by value:
what it tightens acts at once, what it widens waits. A place that only one of them knows is a gap.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Final

from consent.policy.bounds import Bounds, combine, join, tightened
from consent.policy.rows import Row
from consent.policy.rulebook import GATES, META, Gap, Law, Rulebook, as_meant
from consent.policy.schema import Meta

NOT_ADOPTED: Final = "not_adopted"
DAY: Final = "$day"
"""JSON has no days: a table stores one as {"$day": "2026-11-22"}."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DoubleRulebook(Rulebook):
    """The stricter of an adopted and a shipped pack, asked like any other rulebook."""

    adopted: Rulebook
    shipped: Rulebook

    def _law(self, codes: frozenset[str], on: date) -> Law:
        old, new = self.adopted.law(codes, on), self.shipped.law(codes, on)
        known = [law for law in (old, new) if law.bounds]
        bounds = combine(law.bounds for law in known if law.bounds)
        gaps = (*(self._adopted_gap(gap) for gap in old.gaps), *new.gaps)
        if not _same_words(self.adopted.meta, self.shipped.meta):
            gaps += tuple(Gap(code, NOT_ADOPTED) for code in sorted(codes))
        strict = bounds is None or self.prohibits(bounds) or any(law.prohibited for law in known)
        return Law(bounds, tuple(dict.fromkeys(gaps)), strict)

    def _adopted_gap(self, gap: Gap) -> Gap:
        known = gap.code in self.shipped.rows and gap.code not in self.adopted.rows
        return replace(gap, why=NOT_ADOPTED) if known else gap

    def lineage(self, code: str) -> tuple[Row, ...]:
        """Return the rows of a code and of its parents in either pack."""
        found = (*self.shipped.lineage(code), *self.adopted.lineage(code))
        return tuple(self.rows[name] for name in dict.fromkeys(row.code for row in found))

    def effective(self, code: str, on: date) -> Bounds | None:
        """Return what a code asks for on a day in either pack."""
        packs = (self.adopted, self.shipped)
        return combine(bounds for pack in packs if (bounds := pack.effective(code, on)))

    def turning_days(self, codes: Iterable[str]) -> frozenset[date]:
        """Return the days on which the rules of these codes change by themselves in either."""
        codes = tuple(codes)
        return self.adopted.turning_days(codes) | self.shipped.turning_days(codes)


def stricter(adopted: Rulebook, shipped: Rulebook) -> Rulebook:
    """Return the rulebook in force while both count; the shipped one itself where they agree."""
    if adopted.digest == shipped.digest:
        return shipped
    return DoubleRulebook(
        meta=_strict_meta(adopted.meta, shipped.meta),
        rows=_merged(adopted.rows, shipped.rows),
        gates={**adopted.gates, **shipped.gates},
        digest=hashlib.sha256(f"{adopted.digest}+{shipped.digest}".encode()).hexdigest(),
        problems=(*shipped.problems, *adopted.problems),
        adopted=adopted,
        shipped=shipped,
    )


def packs_of(rulebook: Rulebook) -> tuple[Rulebook, ...]:
    """Return the packs that a rulebook is made of: one, or the adopted and the shipped one."""
    if isinstance(rulebook, DoubleRulebook):
        return rulebook.adopted, rulebook.shipped
    return (rulebook,)


def file_of(code: str) -> str:
    """Return the name of the file that holds a jurisdiction, `meta` or `gates`."""
    return f"{code}.toml"


def differing(adopted: Rulebook, shipped: Rulebook) -> tuple[str, ...]:
    """Name what somebody could adopt: sound shipped rules that are not those adopted."""
    codes = [*sorted(shipped.rows), *(name.removesuffix(".toml") for name in (META, GATES))]
    return tuple(
        code
        for code in codes
        if as_meant(shipped.tables[file_of(code)])
        != as_meant(adopted.tables.get(file_of(code), {}))
    )


def loosened(adopted: Rulebook, shipped: Rulebook, code: str) -> tuple[str, ...]:
    """Name what adopting the shipped row of a code would make looser; `everything` if it is new."""
    old, new = adopted.rows.get(code), shipped.rows[code]
    if old is None:
        return ("everything",)
    return tightened(new.own, old.own)


def may_lack_rules(rulebook: Rulebook, codes: Collection[str], on: date) -> frozenset[str]:
    """Name the places under one of these codes where none of the rules has begun by a day.

    Such a place is a gap, which denies, although each of its rules is in order by itself.
    """
    return frozenset(
        place
        for place in rulebook.rows
        if (lineage := rulebook.lineage(place))
        and any(row.code in codes for row in lineage)
        and not any(row.in_statute and row.effective_from <= on for row in lineage)
    )


def _merged(adopted: Mapping[str, Row], shipped: Mapping[str, Row]) -> dict[str, Row]:
    rows = {**adopted, **shipped}
    for code in adopted.keys() & shipped.keys():
        rows[code] = _strict_row(adopted[code], shipped[code])
    return rows


def _strict_row(old: Row, new: Row) -> Row:
    """Return one row for both, for naming rules and sources; the law itself comes from each."""
    return replace(
        new,
        own=join(old.own, new.own),
        in_statute=old.in_statute or new.in_statute,
        effective_from=min(old.effective_from, new.effective_from),
        effective_until=max(old.effective_until, new.effective_until),
        review_by=min(old.review_by, new.review_by),
        complaint_ack_from=min(old.complaint_ack_from, new.complaint_ack_from),
        citations=tuple(dict.fromkeys((*new.citations, *old.citations))),
    )


def _strict_meta(old: Meta, new: Meta) -> Meta:
    guidance = dict(old.retention_guidance_days)
    days = {name: min(count, guidance[name]) for name, count in new.retention_guidance_days}
    version = new.pack_version
    if old.pack_version != version:
        version = f"{old.pack_version}+{version}"
    return replace(
        new,
        pack_version=version,
        review_by=min(old.review_by, new.review_by),
        review_grace_days=min(old.review_grace_days, new.review_grace_days),
        exception_months=min(old.exception_months, new.exception_months),
        biometric_signals=old.biometric_signals | new.biometric_signals,
        deidentified_dataset_days=min(old.deidentified_dataset_days, new.deidentified_dataset_days),
        retention_guidance_days=frozenset(days.items()),
    )


def _same_words(old: Meta, new: Meta) -> bool:
    """Say whether a place in an order means the same in both; else nothing can be compared."""
    orders = [field.name for field in fields(Meta) if field.name.startswith("order_")]
    return all(getattr(old, name) == getattr(new, name) for name in orders)


def to_json(value: Any) -> Any:
    """Return a table of a file as JSON can hold it; `from_json` gives it back.

    What no sound file holds, such as an hour, becomes a text, so that it cannot keep the rest from
    being stored.
    """
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if type(value) is date:
        return {DAY: value.isoformat()}
    return value if isinstance(value, str | int) else str(value)


def from_json(value: Any) -> Any:
    """Return a table as it was read from its file."""
    if isinstance(value, dict) and set(value) == {DAY}:
        return date.fromisoformat(value[DAY])
    if isinstance(value, dict):
        return {key: from_json(item) for key, item in value.items()}
    return [from_json(item) for item in value] if isinstance(value, list) else value
