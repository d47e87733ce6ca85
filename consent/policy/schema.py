"""The keys of a jurisdiction file and of the pack's own file: all required, no others. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from consent.policy.bounds import AnySignal, Rank
from consent.policy.types import NeverSignal, Right, Signal

NONE: Final = "none"
"""TOML has no null: this word says that the law read here sets nothing."""

EVIDENCE: Final = {"seen": "S", "partly": "P", "memory": "M"}
ALL_SIGNALS: Final[Mapping[str, AnySignal]] = {s.value: s for s in (*Signal, *NeverSignal)}
STATUSES: Final = ("in_force", "pending")


class RulebookError(ValueError):
    """A file of the rule pack that may not be used, with the file and the key at fault."""

    def __init__(self, file: str, key: str, problem: str) -> None:
        """Keep where the fault is, so that a page can point to it."""
        super().__init__(f"{file}: {key}: {problem}" if key else f"{file}: {problem}")
        self.file = file
        self.key = key


Reader = Callable[[Any], Any]


def text(value: Any) -> str:
    """Read a line of words."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text in quotes")
    return value


def whole(value: Any) -> int:
    """Read a count of days or months; never negative, and `true` is not a number."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("must be a whole number, 0 or more")
    return value


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false, without quotes")  # noqa: TRY004
    return value


def calendar_day(value: Any) -> date:
    """Read a day, written as 2026-11-22 without quotes."""
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError("must be a date such as 2026-11-22, without quotes")  # noqa: TRY004
    return value


def months(value: Any) -> int:
    """Read an ISO 8601 period of whole months, such as P1M."""
    found = re.fullmatch(r"P([1-9][0-9]?)M", value) if isinstance(value, str) else None
    if not found:
        raise ValueError('must be a period of months such as "P1M"')
    return int(found[1])


def texts(value: Any) -> tuple[str, ...]:
    """Read a list of texts, each once."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValueError("must be a list of texts in quotes")
    if len(set(value)) != len(value):
        raise ValueError("names something twice")
    return tuple(value)


def signals(value: Any) -> frozenset[AnySignal]:
    """Read a list of signals from the closed list."""
    return frozenset(_signal(name) for name in texts(value))


def _signal(name: str) -> AnySignal:
    if name not in ALL_SIGNALS:
        raise ValueError(f"'{name}' is not a signal")
    return ALL_SIGNALS[name]


def rights(value: Any) -> frozenset[Right]:
    """Read a list of rights, each by its own word."""
    names = texts(value)
    if wrong := [name for name in names if name not in set(Right)]:
        raise ValueError(f"'{wrong[0]}' is not a right")
    return frozenset(map(Right, names))


def days_by_name(value: Any) -> frozenset[tuple[str, int]]:
    """Read a table of names with a number of days each."""
    if not isinstance(value, dict):
        raise ValueError("must be a table of names and days")  # noqa: TRY004
    return frozenset((name, whole(days)) for name, days in value.items())


def or_none(reader: Reader) -> Reader:
    """Let "none" stand for nothing."""
    return lambda value: None if value == NONE else reader(value)


def one_of(order: tuple[str, ...]) -> Callable[[Any], Rank]:
    """Read one word of an order; its place says how strict it is."""

    def read(value: Any) -> Rank:
        if value not in order:
            raise ValueError(f"must be one of: {', '.join(order)}")
        return Rank(order.index(value), value)

    return read


def read_keys(table: Mapping[str, Any], readers: Mapping[str, Reader], file: str) -> dict[str, Any]:
    """Read every key of a table, or say which one is missing, unknown or of the wrong kind."""
    for key in readers:
        if key not in table:
            raise RulebookError(file, key, "this key is required")
    for key in table:
        if key not in readers:
            raise RulebookError(file, key, "this key is not known")
    values = {}
    for key, reader in readers.items():
        try:
            values[key] = reader(table[key])
        except RulebookError:
            raise
        except ValueError as problem:
            raise RulebookError(file, key, str(problem)) from None
    return values


def read_list(
    value: Any, readers: Mapping[str, Reader], file: str, key: str
) -> list[dict[str, Any]]:
    """Read a list of tables, each with the same required keys."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RulebookError(file, key, f"must be a list of tables, each headed [[{key}]]")
    return [
        read_keys(item, readers, f"{file}, {key} {number}")
        for number, item in enumerate(value, start=1)
    ]


@dataclass(frozen=True, slots=True)
class Citation:
    """One source, and how much of it was read: seen, partly, or memory."""

    jurisdiction: str
    ref: str
    evidence: str


@dataclass(frozen=True, slots=True)
class GateText:
    """What a gate asks for, in words for people; law and its condition as the pack has them."""

    title: str
    evidence: str
    condition: str | None
    """When the gate may be closed as not applicable with a stated reason; `None`: never."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Meta:
    """What holds for the whole pack."""

    pack_version: str
    as_of: date
    review_by: date
    review_grace_days: int
    exception_months: int
    """How long a signed exception for a restricted signal may last."""
    always_prohibited: frozenset[AnySignal]
    content_signals: frozenset[AnySignal]
    biometric_signals: frozenset[AnySignal]
    order_default: tuple[str, ...]
    order_floor: tuple[str, ...]
    order_basis: tuple[str, ...]
    order_confidence: tuple[str, ...]
    order_record_keeping_basis: tuple[str, ...]
    lowest_confidence_without_counsel: str
    lowest_default: str
    unknown_jurisdiction: str
    deidentified_dataset_days: int
    retention_guidance_days: frozenset[tuple[str, int]]


META_READERS: Final[Mapping[str, Reader]] = {
    "pack_version": text,
    "as_of": calendar_day,
    "review_by": calendar_day,
    "review_grace_days": whole,
    "exception_months": whole,
    "always_prohibited": signals,
    "content_signals": signals,
    "biometric_signals": signals,
    "order_default": texts,
    "order_floor": texts,
    "order_basis": texts,
    "order_confidence": texts,
    "order_record_keeping_basis": texts,
    "lowest_confidence_without_counsel": text,
    "lowest_default": text,
    "unknown_jurisdiction": text,
    "deidentified_dataset_days": whole,
    "retention_guidance_days": days_by_name,
}

GATE_READERS: Final[Mapping[str, Reader]] = {
    "title": text,
    "evidence": text,
    "condition": or_none(text),
}

CITATION_READERS: Final[Mapping[str, Reader]] = {"ref": text, "evidence": one_of(tuple(EVIDENCE))}

OVERRIDE_READERS: Final[Mapping[str, Reader]] = {
    "key": text,
    "override_reason": text,
    "citation": text,
    "sign_offs": texts,
}


ADDED_LATER: Final[Mapping[str, Any]] = {
    "complaint_ack_from": NONE,
    "posting_gate": NONE,
    "dsar_clock_stops_for": [],
}
"""Keys of a jurisdiction's file that older texts lack, and what it means that they do.

A text adopted or recorded before the key came still counts as it was meant. Shipped files must have
every key: there a line that is missing was forgotten.
"""

META_ADDED_LATER: Final[Mapping[str, Any]] = {"exception_months": 1200}
"""The same of the pack's own file: older texts set no such limit."""


def row_readers(meta: Meta, file: str) -> dict[str, Reader]:
    """Return the reader of every key that a jurisdiction file must have."""
    return {
        "code": text,
        "name": text,
        "parent": or_none(text),
        "regimes": texts,
        "confidence": one_of(meta.order_confidence),
        "status": one_of(STATUSES),
        "effective_from": or_none(calendar_day),
        "effective_until": or_none(calendar_day),
        "as_of": calendar_day,
        "review_by": calendar_day,
        "legal_floor": one_of(meta.order_floor),
        "default": one_of(meta.order_default),
        "legal_basis_allowed": texts,
        "consent_sufficient": flag,
        "adm_allowed": flag,
        "export_allowed": flag,
        "gates": texts,
        "gate_lead_days": days_by_name,
        "notice_days": whole,
        "notice_waivable_by_employee": flag,
        "acknowledgement_required": flag,
        "posting_required": flag,
        "posting_gate": or_none(text),
        "policy_copy_days": or_none(whole),
        "prohibited_signals": signals,
        "restricted_signals": signals,
        "retention_cap_days": or_none(whole),
        "biometric_retention_cap_days": or_none(whole),
        "delete_after_purpose_days": or_none(whole),
        "retention_floor_days": or_none(whole),
        "retention_floor_scope": or_none(text),
        "retention_floor_from": or_none(calendar_day),
        "retention_note": or_none(text),
        "retention_guidance_note": or_none(text),
        "dsar_days": or_none(whole),
        "dsar_period": or_none(months),
        "dsar_extension_days": or_none(whole),
        "dsar_extension_period": or_none(months),
        "dsar_ack_days": or_none(whole),
        "dsar_ack_business_days": or_none(whole),
        "dsar_clock_stops_from": or_none(calendar_day),
        "dsar_clock_stops_for": rights,
        "dsar_basis": or_none(text),
        "erasure_days": or_none(whole),
        "withdrawal_effect_days": or_none(whole),
        "limit_spi_business_days": or_none(whole),
        "complaint_ack_days": or_none(whole),
        "complaint_ack_from": or_none(calendar_day),
        "reconsent_months": whole,
        "reprompt_cooldown_months": whole,
        "record_keeping_months": or_none(whole),
        "record_keeping_basis": or_none(one_of(meta.order_record_keeping_basis)),
        "risk_assessment_keep_months": or_none(whole),
        "overrides": lambda value: read_list(value, OVERRIDE_READERS, file, "overrides"),
        "citations": lambda value: read_list(value, CITATION_READERS, file, "citations"),
    }
