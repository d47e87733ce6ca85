"""How the rules of several jurisdictions combine: of each value the most protective one. Pure.

Combining is idempotent, commutative, associative and monotone: naming a jurisdiction twice, in
another order or in other groups changes nothing, and adding one never loosens anything.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import reduce
from typing import Any, Final, NamedTuple

from consent.policy.types import NeverSignal, Right, Signal

AnySignal = Signal | NeverSignal


class Rank(NamedTuple):
    """A word with its place in an order that the rule pack defines; a higher place is stricter."""

    place: int
    word: str


class Extension(NamedTuple):
    """By how much an answer to a rights request may be late; months only if the law counts them."""

    days: int
    months: int


class Answer(NamedTuple):
    """How long one law gives for the answer to a rights request."""

    days: int
    months: int
    """Calendar months of the legal text; 0 where the law counts days."""
    extension: Extension
    clock_stops_from: date
    """From this day a pause for clarification stops the clock; `date.max` where it never does."""
    clock_stops_for: frozenset[Right]
    """For requests by these rights alone."""


class Floor(NamedTuple):
    """A minimum period for something other than training data; it never extends training use."""

    days: int
    scope: str
    since: date


class Keeping(NamedTuple):
    """How long proof is kept, and how strong a basis asks for it (a place in the pack's order)."""

    months: int
    basis: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What one jurisdiction, or several together, ask for. `None`: no law read here sets it."""

    codes: frozenset[str]
    default: Rank
    legal_floor: Rank
    legal_basis_allowed: frozenset[str]
    """Upward closed: whatever accepts a weaker basis accepts every stronger one too."""
    consent_sufficient: bool
    adm_allowed: bool
    export_allowed: bool
    notice_waivable: bool
    """True also where there is no notice period, since nothing stands in a waiver's way."""
    acknowledgement_required: bool
    posting_required: bool
    gates: frozenset[str]
    gate_lead_days: frozenset[tuple[str, int]]
    notice_days: int
    reprompt_cooldown_months: int
    reconsent_months: int | None
    record_keeping: Keeping | None
    risk_assessment_keep_months: int | None
    prohibited_signals: frozenset[AnySignal]
    restricted_signals: frozenset[AnySignal]
    retention_cap_days: int | None
    biometric_retention_cap_days: int | None
    delete_after_purpose_days: int | None
    retention_floors: frozenset[Floor]
    dsar_days: int | None
    dsar_period_months: int | None
    dsar_extension: Extension | None
    dsar_ack_days: int | None
    dsar_ack_business_days: int | None
    answers: frozenset[Answer]
    complaint_ack_days: int | None
    limit_spi_business_days: int | None
    policy_copy_days: int | None
    erasure_days: int | None
    withdrawal_effect_days: int | None
    confidence: Rank
    """Here a higher place is surer, and the least sure row counts."""
    needs_counsel: frozenset[str]
    """Codes whose confidence is too low to be used before counsel has signed them off."""

    def lead_days(self, gate: str) -> int:
        """Return how many days must pass after the gate was closed before capture may start."""
        return dict(self.gate_lead_days).get(gate, 0)

    def floors_above(self, cap_days: int) -> frozenset[Floor]:
        """Return the minimum periods that collide with a cap.

        Such a collision is for people to resolve: keep the scoped minimum apart, train on nothing.
        """
        return frozenset(floor for floor in self.retention_floors if floor.days > cap_days)

    def floors_on(self, on: date) -> frozenset[Floor]:
        """Return the minimum periods in force on a day; one that is still to come has no effect."""
        return frozenset(floor for floor in self.retention_floors if floor.since <= on)


def _least(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else min(a, b)


def _most(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else max(a, b)


def _both(a: Any, b: Any) -> Any:
    return a & b


def _either(a: Any, b: Any) -> Any:
    return a | b


def _longest_lead(a: Any, b: Any) -> Any:
    longest: dict[str, int] = dict(a)
    for gate, days in b:
        longest[gate] = max(days, longest.get(gate, 0))
    return frozenset(longest.items())


JOINS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "codes": _either,
    "default": _most,
    "legal_floor": _most,
    "legal_basis_allowed": _both,
    "consent_sufficient": _both,
    "adm_allowed": _both,
    "export_allowed": _both,
    "notice_waivable": _both,
    "acknowledgement_required": _either,
    "posting_required": _either,
    "gates": _either,
    "gate_lead_days": _longest_lead,
    "notice_days": _most,
    "reprompt_cooldown_months": _most,
    "reconsent_months": _least,
    "record_keeping": _most,
    "risk_assessment_keep_months": _most,
    "prohibited_signals": _either,
    "restricted_signals": _either,
    "retention_cap_days": _least,
    "biometric_retention_cap_days": _least,
    "delete_after_purpose_days": _least,
    "retention_floors": _either,
    "dsar_days": _least,
    "dsar_period_months": _least,
    "dsar_extension": _least,
    "dsar_ack_days": _least,
    "dsar_ack_business_days": _least,
    "answers": _either,
    "complaint_ack_days": _least,
    "limit_spi_business_days": _least,
    "policy_copy_days": _least,
    "erasure_days": _least,
    "withdrawal_effect_days": _least,
    "confidence": _least,
    "needs_counsel": _either,
}


def join(a: Bounds, b: Bounds) -> Bounds:
    """Return bounds at least as strict as either, and no stricter than both together."""
    joined = {name: how(getattr(a, name), getattr(b, name)) for name, how in JOINS.items()}
    # What is prohibited is no longer "restricted": no override may lift it.
    joined["restricted_signals"] -= joined["prohibited_signals"]
    return Bounds(**joined)


def combine(several: Iterable[Bounds]) -> Bounds | None:
    """Join any number of bounds. No bounds at all give `None`, which permits nothing."""
    found = tuple(several)
    return reduce(join, found) if found else None


def tightened(before: Bounds, after: Bounds) -> tuple[str, ...]:
    """Name the fields that a new rule pack made stricter; a consent under them must be looked at.

    Nothing is named where the new pack is as strict as the old one, or looser.
    """
    both = join(before, after)
    law = (field.name for field in fields(Bounds) if field.name not in NOT_STRICTNESS)
    return tuple(name for name in law if getattr(both, name) != getattr(before, name))


NOT_STRICTNESS: Final = frozenset({"codes", "answers", "confidence", "needs_counsel"})


def looser(parent: Bounds, child: Bounds) -> tuple[str, ...]:
    """Name the single-valued fields where a child says less than its parent already demands.

    Lists such as gates add to the parent's, so a child need not repeat them.
    """
    both = join(parent, replace(child, codes=parent.codes))
    names = (name for name in JOINS if name not in ADDING and name not in NOT_STRICTNESS)
    return tuple(name for name in names if getattr(both, name) != getattr(child, name))


ADDING: Final = frozenset(
    {
        "codes",
        "gates",
        "gate_lead_days",
        "prohibited_signals",
        "restricted_signals",
        "retention_floors",
        "answers",
    }
)
