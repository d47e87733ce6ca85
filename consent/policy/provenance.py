"""Which place set each of the combined values, so that a page can name it beside its sources. Pure.

A place set a value where its own rule says it: the same number, or the same entry of a list. What
no place asks for has nobody behind it.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

from consent.policy.bounds import Bounds
from consent.policy.rulebook import Law, Rulebook

Codes = tuple[str, ...]

LISTS: Final = ("gates", "prohibited_signals", "restricted_signals")
"""Keys whose entries each have their own places behind them."""

FLAGS: Final[Mapping[str, bool]] = {
    "consent_sufficient": False,
    "adm_allowed": False,
    "export_allowed": False,
    "notice_waivable": False,
    "acknowledgement_required": True,
    "posting_required": True,
}
"""Keys that are a yes or a no, and the answer that counts where any place gives it."""

VALUES: Final[Mapping[str, str]] = {
    "legal_floor": "legal_floor",
    "default": "default",
    "legal_basis_allowed": "legal_basis_allowed",
    "notice_days": "notice_days",
    "policy_copy_days": "policy_copy_days",
    "retention_cap_days": "retention_cap_days",
    "biometric_retention_cap_days": "biometric_retention_cap_days",
    "delete_after_purpose_days": "delete_after_purpose_days",
    "dsar_days": "dsar_days",
    "dsar_period": "dsar_period_months",
    "dsar_extension_days": "dsar_extension",
    "dsar_ack_days": "dsar_ack_days",
    "dsar_ack_business_days": "dsar_ack_business_days",
    "erasure_days": "erasure_days",
    "withdrawal_effect_days": "withdrawal_effect_days",
    "limit_spi_business_days": "limit_spi_business_days",
    "complaint_ack_days": "complaint_ack_days",
    "reconsent_months": "reconsent_months",
    "reprompt_cooldown_months": "reprompt_cooldown_months",
    "record_keeping_months": "record_keeping",
    "risk_assessment_keep_months": "risk_assessment_keep_months",
    "confidence": "confidence",
}
"""Keys that are one value, and their names in `Bounds`."""

NOTHING: Final = (None, 0)


def set_by(law: Law, rulebook: Rulebook, on: date) -> dict[str, Codes]:
    """Return key -> the places whose own rule is what counts; none behind it, no places."""
    bounds = law.bounds
    if bounds is None:
        return {}
    own = _own(bounds, rulebook, on)
    found: dict[str, Codes] = {}
    for key, name in VALUES.items():
        value = getattr(bounds, name)
        found[key] = () if value in NOTHING else _whose(own, name, value)
    for key, strict in FLAGS.items():
        strictest = getattr(bounds, key) is strict
        found[key] = _whose(own, key, strict) if strictest else ()
    for key in LISTS:
        wanted = getattr(bounds, key)
        found[key] = tuple(code for code, b in own.items() if getattr(b, key) & wanted)
    floors = bounds.retention_floors
    found["retention_floor_days"] = tuple(c for c, b in own.items() if b.retention_floors & floors)
    return found


def entries_set_by(law: Law, rulebook: Rulebook, key: str, on: date) -> dict[str, Codes]:
    """Return entry -> the places that ask for it, in one of the lists of `LISTS`."""
    if law.bounds is None:
        return {}
    own = _own(law.bounds, rulebook, on)
    return {
        str(entry): tuple(code for code, bounds in own.items() if entry in getattr(bounds, key))
        for entry in sorted(getattr(law.bounds, key))
    }


def _own(bounds: Bounds, rulebook: Rulebook, on: date) -> dict[str, Bounds]:
    """Return what each place behind the bounds says by itself, in the order of their codes."""
    return {code: rulebook.rows[code].bounds_on(on) for code in sorted(bounds.codes)}


def _whose(own: Mapping[str, Bounds], name: str, value: object) -> Codes:
    return tuple(code for code, bounds in own.items() if getattr(bounds, name) == value)
