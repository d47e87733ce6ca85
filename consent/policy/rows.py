"""One jurisdiction's row: its file turned into values, and checked against its parent. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from consent.policy.bounds import (
    JOINS,
    Answer,
    Bounds,
    Extension,
    Floor,
    Keeping,
    looser,
)
from consent.policy.schema import Citation, GateText, Meta, RulebookError, read_keys, row_readers

ALWAYS: Final = date.min
NEVER: Final = date.max
SIGN_OFFS_NEEDED: Final = 2
FLOOR_KEYS: Final = ("days", "scope", "from")

FIELDS_OF_KEY: Final[Mapping[str, tuple[str, ...]]] = {
    "notice_waivable_by_employee": ("notice_waivable",),
    "record_keeping_months": ("record_keeping",),
    "retention_floor_days": ("retention_floors",),
    "dsar_days": ("dsar_days", "answers"),
    "dsar_period": ("dsar_period_months", "answers"),
    "dsar_extension_days": ("dsar_extension", "answers"),
    "dsar_extension_period": ("dsar_extension", "answers"),
}
"""The keys of a file whose value lives under another name in `Bounds`."""


def fields_of(key: str) -> tuple[str, ...]:
    """Return the names in `Bounds` that a key of a file decides."""
    return FIELDS_OF_KEY.get(key, (key,))


def key_of(name: str) -> str:
    """Return the key of a file that decides a name in `Bounds`."""
    return next((key for key, names in FIELDS_OF_KEY.items() if name in names), name)


@dataclass(frozen=True, slots=True)
class Override:
    """A reviewed exception to "a child may only tighten": cited, and signed by two people."""

    key: str
    override_reason: str
    citation: str
    sign_offs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One jurisdiction as its file has it."""

    file: str
    code: str
    name: str
    parent: str | None
    regimes: tuple[str, ...]
    in_statute: bool
    effective_from: date
    effective_until: date
    as_of: date
    review_by: date
    complaint_ack_from: date
    posting_gate: str | None
    """The gate whose evidence shows that the notice hangs where it must."""
    confidence: str
    own: Bounds
    """What this row alone asks for, its parents left aside."""
    notes: tuple[tuple[str, str], ...]
    overrides: tuple[Override, ...]
    citations: tuple[Citation, ...]

    def in_force(self, on: date) -> bool:
        """Say whether the row applies on a day; a pending one never does."""
        return self.in_statute and self.effective_from <= on < self.effective_until

    def ended(self, on: date) -> bool:
        """Say whether the row applied until a day that has come; a pending one never did."""
        return self.in_statute and on >= self.effective_until

    def bounds_on(self, on: date) -> Bounds:
        """Return the row's own bounds without what is still to come."""
        begun = on >= self.complaint_ack_from
        return replace(
            self.own,
            retention_floors=self.own.floors_on(on),
            complaint_ack_days=self.own.complaint_ack_days if begun else None,
        )

    def over(self, joined: Bounds, own: Bounds) -> Bounds:
        """Return the bounds joined with the parents', with the signed exceptions put back."""
        names = {name for override in self.overrides for name in fields_of(override.key)}
        return replace(joined, **{name: getattr(own, name) for name in names})


def read_row(table: Mapping[str, Any], file: str, meta: Meta, gates: Mapping[str, GateText]) -> Row:
    """Turn the table of a jurisdiction file into a row, or say what is wrong with it."""
    values = read_keys(table, row_readers(meta, file), file)
    _check_alone(values, file, meta, gates)
    code = values["code"]
    return Row(
        file=file,
        code=code,
        name=values["name"],
        parent=values["parent"],
        regimes=values["regimes"],
        in_statute=values["status"].place == 0,
        effective_from=values["effective_from"] or ALWAYS,
        effective_until=values["effective_until"] or NEVER,
        as_of=values["as_of"],
        review_by=values["review_by"],
        complaint_ack_from=values["complaint_ack_from"] or ALWAYS,
        posting_gate=values["posting_gate"],
        confidence=values["confidence"].word,
        own=_bounds(values, meta),
        notes=tuple(
            (key, values[key])
            for key in ("dsar_basis", "retention_note", "retention_guidance_note")
            if values[key]
        ),
        overrides=tuple(Override(**override) for override in values["overrides"]),
        citations=tuple(
            Citation(code, source["ref"], source["evidence"].word) for source in values["citations"]
        ),
    )


def _check_alone(
    values: Mapping[str, Any], file: str, meta: Meta, gates: Mapping[str, GateText]
) -> None:
    """Refuse what each key alone allows but the file as a whole may not say."""
    if file != f"{values['code']}.toml":
        raise RulebookError(file, "code", f"the file must be named {values['code']}.toml")
    if not values["citations"]:
        raise RulebookError(file, "citations", "at least one source is required")
    if unknown := set(values["legal_basis_allowed"]) - set(meta.order_basis):
        raise RulebookError(file, "legal_basis_allowed", f"'{min(unknown)}' is not a legal basis")
    if unknown := set(values["gates"]) - set(gates):
        raise RulebookError(file, "gates", f"'{min(unknown)}' is not described in gates.toml")
    if unknown := {name for name, _ in values["gate_lead_days"]} - set(values["gates"]):
        raise RulebookError(file, "gate_lead_days", f"'{min(unknown)}' is not a gate of this file")
    lowest = meta.order_default.index(meta.lowest_default)
    if values["default"].place < lowest:
        raise RulebookError(file, "default", f"must be at least {meta.lowest_default}")
    if meta.order_floor.index(values["default"].word) < values["legal_floor"].place:
        raise RulebookError(file, "default", "must be at least as strict as legal_floor")
    if (values["effective_from"] or ALWAYS) >= (values["effective_until"] or NEVER):
        raise RulebookError(file, "effective_until", "must be later than effective_from")
    if values["review_by"] < values["as_of"]:
        raise RulebookError(file, "review_by", "must not be earlier than as_of")
    if both := values["prohibited_signals"] & values["restricted_signals"]:
        raise RulebookError(file, "restricted_signals", f"'{min(both)}' is prohibited already")
    floor = [values[f"retention_floor_{key}"] is None for key in FLOOR_KEYS]
    if len(set(floor)) > 1:
        raise RulebookError(file, "retention_floor_days", "days, scope and from go together")
    if values["posting_gate"] and values["posting_gate"] not in values["gates"]:
        raise RulebookError(file, "posting_gate", "must be a gate of this file")
    if values["posting_gate"] and not values["posting_required"]:
        raise RulebookError(file, "posting_gate", "goes together with posting_required")
    if values["complaint_ack_from"] and values["complaint_ack_days"] is None:
        raise RulebookError(file, "complaint_ack_from", "goes together with complaint_ack_days")
    if (values["record_keeping_months"] is None) != (values["record_keeping_basis"] is None):
        raise RulebookError(file, "record_keeping_basis", "goes together with the months")
    for override in values["overrides"]:
        if len(override["sign_offs"]) < SIGN_OFFS_NEEDED:
            raise RulebookError(file, "overrides", "two different people must sign an override off")
        if any(name not in JOINS for name in fields_of(override["key"])):
            raise RulebookError(file, "overrides", f"'{override['key']}' cannot be overridden")


def _bounds(values: Mapping[str, Any], meta: Meta) -> Bounds:
    same = {name: values[name] for name in JOINS if name in values}
    surest = meta.order_confidence.index(meta.lowest_confidence_without_counsel)
    unsure = values["confidence"].place < surest
    months, basis = values["record_keeping_months"], values["record_keeping_basis"]
    extension = _extension(values)
    derived = {
        "codes": frozenset({values["code"]}),
        "legal_basis_allowed": _upward(values["legal_basis_allowed"], meta.order_basis),
        "gates": frozenset(values["gates"]),
        "notice_waivable": values["notice_waivable_by_employee"] or not values["notice_days"],
        "record_keeping": None if months is None else Keeping(months, basis.place),
        "retention_floors": _floors(values),
        "dsar_period_months": values["dsar_period"],
        "dsar_extension": extension,
        "answers": _answers(values, extension),
        "needs_counsel": frozenset({values["code"]} if unsure else ()),
    }
    return Bounds(**same | derived)


def _upward(bases: tuple[str, ...], order: tuple[str, ...]) -> frozenset[str]:
    """Close upwards: a law content with notice is content with consent as well."""
    weakest = min((order.index(basis) for basis in bases), default=len(order))
    return frozenset(order[weakest:])


def _floors(values: Mapping[str, Any]) -> frozenset[Floor]:
    if values["retention_floor_days"] is None:
        return frozenset()
    return frozenset({Floor(*(values[f"retention_floor_{key}"] for key in FLOOR_KEYS))})


def _extension(values: Mapping[str, Any]) -> Extension | None:
    """Return the extension; where there is a right of access but no extension, none is allowed."""
    if values["dsar_days"] is None and values["dsar_extension_days"] is None:
        return None
    return Extension(values["dsar_extension_days"] or 0, values["dsar_extension_period"] or 0)


def _answers(values: Mapping[str, Any], extension: Extension | None) -> frozenset[Answer]:
    if values["dsar_days"] is None or extension is None:
        return frozenset()
    stops = values["dsar_clock_stops_from"] or NEVER
    months, rights = values["dsar_period"] or 0, values["dsar_clock_stops_for"]
    return frozenset({Answer(values["dsar_days"], months, extension, stops, rights)})


def check_provable(row: Row) -> None:
    """Refuse a duty to post the notice that nothing would ever be asked to show."""
    if row.own.posting_required and row.posting_gate is None:
        raise RulebookError(row.file, "posting_gate", "must name the gate by which it is shown")


def check_against_parent(row: Row, parent: Row | None) -> None:
    """Refuse a child that says less than its parent, unless a signed override covers the key."""
    if parent is None:
        if row.overrides:
            raise RulebookError(row.file, "overrides", "there is no parent to differ from")
        return
    excused = {name for override in row.overrides for name in fields_of(override.key)}
    for name in looser(parent.own, row.own):
        if name not in excused:
            why = f"is looser than {parent.file}, which a child may not be"
            raise RulebookError(row.file, key_of(name), why)
    lifted = (parent.own.prohibited_signals & row.own.restricted_signals) - excused
    if lifted and "restricted_signals" not in excused:
        why = f"'{min(lifted)}' is prohibited in {parent.file}"
        raise RulebookError(row.file, "restricted_signals", why)
