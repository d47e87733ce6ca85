"""The rule pack: one reviewed file per jurisdiction, read strictly, and combined on demand. Pure.

What is missing, out of date or unreadable is a gap. Gaps come back beside the bounds, never
instead of a refusal: whoever asks must deny while there is one.
"""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from consent.policy.bounds import AnySignal, Bounds, Rank, combine, join
from consent.policy.rows import (
    ALWAYS,
    NEVER,
    Row,
    check_against_parent,
    check_provable,
    read_row,
)
from consent.policy.schema import (
    ADDED_LATER,
    GATE_READERS,
    META_ADDED_LATER,
    META_READERS,
    GateText,
    Meta,
    RulebookError,
    read_keys,
)
from consent.policy.types import CONTENT_SIGNALS, NeverSignal, Signal

FOLDER: Final = Path(__file__).parent / "jurisdictions"
META: Final = "meta.toml"
GATES: Final = "gates.toml"
SHARED: Final = (META, GATES)
"""The files without which no row can be judged."""
REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Gap:
    """A jurisdiction whose rules cannot be applied on that day, and why: capture is denied."""

    code: str
    why: str
    """missing, unreadable, not_in_force, ended or review_overdue"""
    since: date | None = None


NOWHERE: Final = Gap("", "missing")
"""No jurisdiction was named at all; a person must work somewhere."""


@dataclass(frozen=True, slots=True)
class Law:
    """All that applies to a set of jurisdictions on one day."""

    bounds: Bounds | None
    gaps: tuple[Gap, ...]
    prohibited: bool
    """The joined rules permit nothing at all, whatever the person wants."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rulebook:
    """The rule pack in memory. `problems` names what could not be read; those places deny."""

    meta: Meta
    rows: Mapping[str, Row]
    gates: Mapping[str, GateText]
    digest: str
    problems: tuple[RulebookError, ...] = ()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """What the files say, by file name: what the rows were made from."""
    _laws: dict[tuple[frozenset[str], date], Law] = field(default_factory=dict, repr=False)

    @property
    def version(self) -> str:
        """Return the version of the pack, which every consent and every answer carries."""
        return self.meta.pack_version

    def law(self, codes: Iterable[str], on: date) -> Law:
        """Return what these jurisdictions, and their parents, ask for together on a day.

        No code at all is a gap like an unknown one.
        """
        key = (frozenset(codes), on)
        known = self._laws.get(key)
        if known is None:
            if len(self._laws) >= REMEMBERED:
                self._laws.clear()
            known = self._laws[key] = self._law(*key)
        return known

    def _law(self, codes: frozenset[str], on: date) -> Law:
        rows = [found for code in sorted(codes) if (found := self.effective(code, on))]
        bounds = combine(rows)
        gaps = [gap for code in sorted(codes) for gap in self._gaps(code, on)]
        if not codes:
            gaps = [NOWHERE]
        return Law(bounds, tuple(dict.fromkeys(gaps)), bounds is None or self.prohibits(bounds))

    def prohibits(self, bounds: Bounds) -> bool:
        """Say whether these bounds permit nothing at all."""
        return bounds.default == self.strictest_default or not bounds.legal_basis_allowed

    @property
    def strictest_default(self) -> Rank:
        """Return the strictest word of the order of defaults."""
        order = self.meta.order_default
        return Rank(len(order) - 1, order[-1])

    def lineage(self, code: str) -> tuple[Row, ...]:
        """Return the row of a code and then those of its parents; nothing for an unknown code."""
        found: list[Row] = []
        while row := self.rows.get(code):
            found.append(row)
            code = row.parent or ""
        return tuple(found)

    def effective(self, code: str, on: date) -> Bounds | None:
        """Return what a code asks for on a day, its parents' rules included.

        A row that is not yet in force adds nothing to its parents' rules. Nor does one that has
        ended, but whoever asks for it is told of a gap: what replaced it is not known.
        """
        bounds: Bounds | None = None
        for row in reversed(self.lineage(code)):
            if not row.in_force(on):
                continue
            own = row.bounds_on(on)
            bounds = own if bounds is None else row.over(join(bounds, own), own)
        return bounds

    def behind(self, bounds: Bounds | None, asks: Callable[[Bounds], bool]) -> tuple[str, ...]:
        """Name the jurisdictions among these bounds whose own rule asks for something."""
        codes = sorted(bounds.codes) if bounds else ()
        return tuple(code for code in codes if asks(self.rows[code].own))

    def _gaps(self, code: str, on: date) -> list[Gap]:
        lineage = self.lineage(code)
        if not lineage:
            unreadable = any(problem.file.startswith(f"{code}.toml") for problem in self.problems)
            return [Gap(code, "unreadable" if unreadable else "missing")]
        # Rules that ended were replaced by others, which nobody has read: the parents' alone would
        # permit more than either.
        gaps = [Gap(row.code, "ended", row.effective_until) for row in lineage if row.ended(on)]
        if not gaps and not any(row.in_force(on) for row in lineage):
            gaps.append(Gap(code, "not_in_force", lineage[0].effective_from))
        grace = timedelta(days=self.meta.review_grace_days)
        gaps += [
            Gap(row.code, "review_overdue", row.review_by)
            for row in lineage
            if row.in_force(on) and on > row.review_by + grace
        ]
        return gaps

    def turning_days(self, codes: Iterable[str]) -> frozenset[date]:
        """Return the days on which the rules of these codes change by themselves."""
        days: set[date] = set()
        grace = timedelta(days=self.meta.review_grace_days + 1)
        for code in codes:
            for row in self.lineage(code):
                days |= {row.effective_from, row.effective_until, row.review_by + grace}
                days |= {floor.since for floor in row.own.retention_floors}
                days.add(row.complaint_ack_from)
        return frozenset(days - {ALWAYS, NEVER})

    def guidance_days(self, signal: AnySignal) -> int:
        """Return our own guidance for how long a signal may be kept; unknown is not at all."""
        return dict(self.meta.retention_guidance_days).get(signal, 0)


def read_rulebook(folder: Path = FOLDER) -> Rulebook:
    """Read a rule pack, leaving out every jurisdiction whose file, or parent's file, is at fault.

    Only a broken `meta.toml` or `gates.toml` raises, since no row can be judged without them.
    """
    tables: dict[str, Mapping[str, Any]] = {name: _read_toml(folder / name) for name in SHARED}
    unreadable: list[RulebookError] = []
    for file in sorted(folder.glob("*.toml")):
        if file.name in SHARED:
            continue
        try:
            tables[file.name] = _read_toml(file)
        except RulebookError as problem:
            unreadable.append(problem)
    return rulebook_of_tables(tables, unreadable)


def rulebook_of_tables(
    tables: Mapping[str, Mapping[str, Any]],
    unreadable: Iterable[RulebookError] = (),
    *,
    kept: bool = False,
) -> Rulebook:
    """Return the rule pack that these tables, by file name, make up; faults as in read_rulebook.

    `kept`: they were read once before, perhaps by a version that knew fewer keys.
    """
    for name in SHARED:
        if name not in tables:
            raise RulebookError(name, "", "this file is missing")
    meta = _read_meta({**META_ADDED_LATER, **tables[META]} if kept else tables[META])
    gates = _read_gates(tables[GATES])
    rows: dict[str, Row] = {}
    problems = list(unreadable)
    for name, table in tables.items():
        if name in SHARED:
            continue
        try:
            row = read_row({**ADDED_LATER, **table} if kept else table, name, meta, gates)
            if not kept:
                check_provable(row)
        except RulebookError as problem:
            problems.append(problem)
        else:
            # No row counts for longer than the pack it came in.
            rows[row.code] = replace(row, review_by=min(row.review_by, meta.review_by))
    rows, orphaned = _with_sound_parents(rows)
    return Rulebook(
        meta=meta,
        rows=rows,
        gates=gates,
        digest=_digest(tables),
        problems=(*problems, *orphaned),
        tables=tables,
    )


@lru_cache(maxsize=8)
def load_rulebook(folder: Path = FOLDER) -> Rulebook:
    """Return the rule pack, read once; raise at the first fault of any file."""
    rulebook = read_rulebook(folder)
    if rulebook.problems:
        raise rulebook.problems[0]
    return rulebook


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RulebookError(file.name, "", "this file is missing") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise RulebookError(file.name, "", f"cannot be read: {problem}") from None


def _read_meta(table: Mapping[str, Any]) -> Meta:
    meta = Meta(**read_keys(table, META_READERS, META))
    if meta.content_signals != CONTENT_SIGNALS:
        raise RulebookError(META, "content_signals", "differ from the signals the program knows")
    if meta.always_prohibited != frozenset(NeverSignal):
        raise RulebookError(META, "always_prohibited", "differ from the program's list")
    guided = {name for name, _ in meta.retention_guidance_days}
    if odd := guided ^ {signal.value for signal in Signal}:
        names = ", ".join(sorted(odd))
        raise RulebookError(META, "retention_guidance_days", f"must name each signal once: {names}")
    if unranked := set(meta.order_default) - set(meta.order_floor):
        raise RulebookError(META, "order_floor", f"lacks '{min(unranked)}'")
    for key, word, order in (
        ("lowest_default", meta.lowest_default, meta.order_default),
        ("unknown_jurisdiction", meta.unknown_jurisdiction, meta.order_default[-1:]),
        (
            "lowest_confidence_without_counsel",
            meta.lowest_confidence_without_counsel,
            meta.order_confidence,
        ),
    ):
        if word not in order:
            raise RulebookError(META, key, f"must be one of: {', '.join(order)}")
    return meta


def _read_gates(table: Mapping[str, Any]) -> dict[str, GateText]:
    gates = {}
    for name, words in table.items():
        if not isinstance(words, dict):
            raise RulebookError(GATES, name, "must be a table with a title")
        gates[name] = GateText(**read_keys(words, GATE_READERS, f"{GATES}, {name}"))
    return gates


def _with_sound_parents(rows: dict[str, Row]) -> tuple[dict[str, Row], list[RulebookError]]:
    """Drop rows whose parent is unknown, looser than allowed, or part of a circle."""
    sound: dict[str, Row] = {}
    waiting = dict(rows)
    problems: list[RulebookError] = []
    while ready := [r for r in waiting.values() if r.parent is None or r.parent in sound]:
        for row in ready:
            del waiting[row.code]
            try:
                check_against_parent(row, sound.get(row.parent or ""))
            except RulebookError as problem:
                problems.append(problem)
            else:
                sound[row.code] = row
    for row in waiting.values():
        why = f"the parent '{row.parent}' is not a jurisdiction that could be read"
        problems.append(RulebookError(row.file, "parent", why))
    return sound, problems


def _digest(tables: Mapping[str, Any]) -> str:
    """Hash what the pack says, not how: comments and line ends do not count.

    Nor does a key that came later and says what its absence meant: a pack keeps its digest.
    """
    meant = {name: as_meant(table) for name, table in tables.items()}
    canonical = json.dumps(meant, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def as_meant(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table without the keys that came later and say what their absence meant."""
    return {key: said for key, said in table.items() if ADDED_LATER.get(key, ...) != said}


def with_rows(rulebook: Rulebook, rows: Mapping[str, Row]) -> Rulebook:
    """Return a copy of a rulebook with other rows; for tests and for "what if" pages."""
    return replace(rulebook, rows=rows, _laws={})
