"""Bounds and decisions as plain tables, ready for JSON; keys as in a jurisdiction file. Pure."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from consent.policy.bounds import AnySignal, Bounds
from consent.policy.evaluate import Decision
from consent.policy.reasons import explain
from consent.policy.rows import ALWAYS, Row
from consent.policy.rulebook import Law, Rulebook
from consent.policy.schema import ALL_SIGNALS, EVIDENCE, Meta


def plain(value: Any) -> Any:
    """Turn days, sets and tuples into what JSON knows."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(item) for item in value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


def describe_bounds(law: Law, bounds: Bounds, rulebook: Rulebook) -> dict[str, Any]:
    """Return joined bounds under the keys of a jurisdiction's row, and `notice_waivable`.

    Where a rule may not be applied that day, or all of them together accept no legal basis, the
    default is the strictest there is.
    """
    rows = [rulebook.rows[code] for code in sorted(bounds.codes)]
    meta = rulebook.meta
    table = {
        "code": [row.code for row in rows],
        "parent": sorted({row.parent for row in rows if row.parent}),
        "regimes": [regime for row in rows for regime in row.regimes],
        "legal_basis_allowed": [b for b in meta.order_basis if b in bounds.legal_basis_allowed],
        "legal_floor": bounds.legal_floor.word,
        "default": (
            rulebook.strictest_default if law.gaps or law.prohibited else bounds.default
        ).word,
        "consent_sufficient": bounds.consent_sufficient,
        "gates": bounds.gates,
        "gate_lead_days": dict(sorted(bounds.gate_lead_days)),
        "notice_days": bounds.notice_days,
        "notice_waivable_by_employee": bounds.notice_waivable and bounds.notice_days > 0,
        "notice_waivable": bounds.notice_waivable,
        "acknowledgement_required": bounds.acknowledgement_required,
        "posting_required": bounds.posting_required,
        "policy_copy_days": bounds.policy_copy_days,
        "prohibited_signals": _in_order(bounds.prohibited_signals),
        "restricted_signals": _in_order(bounds.restricted_signals),
        "adm_allowed": bounds.adm_allowed,
        "export_allowed": bounds.export_allowed,
        "confidence": bounds.confidence.word,
        "effective_from": _latest(rows),
        "citations": [
            {"jurisdiction": row.code, "ref": c.ref, "v": EVIDENCE[c.evidence]}
            for row in rows
            for c in row.citations
        ],
    }
    return plain(table | _periods(bounds, meta) | _notes(rows))  # type: ignore[no-any-return]


def _periods(bounds: Bounds, meta: Meta) -> dict[str, Any]:
    floors = sorted(bounds.retention_floors, reverse=True)
    keeping = bounds.record_keeping
    extension = bounds.dsar_extension
    return {
        "retention_cap_days": bounds.retention_cap_days,
        "biometric_retention_cap_days": bounds.biometric_retention_cap_days,
        "delete_after_purpose_days": bounds.delete_after_purpose_days,
        "retention_floor_days": max((floor.days for floor in floors), default=None),
        "retention_floor_scope": "; ".join(floor.scope for floor in floors) or None,
        "retention_floor_from": min((floor.since for floor in floors), default=None),
        "dsar_days": bounds.dsar_days,
        "dsar_period": _period(bounds.dsar_period_months),
        "dsar_extension_days": extension.days if extension else None,
        "dsar_extension_period": _period(extension.months) if extension else None,
        "dsar_ack_days": bounds.dsar_ack_days,
        "dsar_ack_business_days": bounds.dsar_ack_business_days,
        "complaint_ack_days": bounds.complaint_ack_days,
        "limit_spi_business_days": bounds.limit_spi_business_days,
        "erasure_days": bounds.erasure_days,
        "withdrawal_effect_days": bounds.withdrawal_effect_days,
        "reconsent_months": bounds.reconsent_months,
        "reprompt_cooldown_months": bounds.reprompt_cooldown_months,
        "record_keeping_months": keeping.months if keeping else None,
        "record_keeping_basis": (
            meta.order_record_keeping_basis[keeping.basis] if keeping else None
        ),
        "risk_assessment_keep_months": bounds.risk_assessment_keep_months,
    }


def _notes(rows: Iterable[Row]) -> dict[str, str | None]:
    found: dict[str, list[str]] = {}
    for key in ("dsar_basis", "retention_note", "retention_guidance_note"):
        found[key] = [text for row in rows for name, text in row.notes if name == key]
    return {key: "; ".join(texts) or None for key, texts in found.items()}


def _in_order(signals: Iterable[AnySignal]) -> list[str]:
    found = set(signals)
    return [name for name, signal in ALL_SIGNALS.items() if signal in found]


def _period(months: int | None) -> str | None:
    return f"P{months}M" if months else None


def _latest(rows: Iterable[Row]) -> date | None:
    return max((row.effective_from for row in rows if row.effective_from > ALWAYS), default=None)


def describe_decision(decision: Decision, rulebook: Rulebook) -> dict[str, Any]:
    """Return a decision with every reason, and each reason explained."""
    explained = [explain(reason, rulebook) for reason in decision.reasons]
    return {
        "decision": "allow" if decision.permitted else "deny",
        "permitted": decision.permitted,
        "reasons": list(decision.codes),
        "explanations": [
            {
                "code": each.code,
                "title": each.title,
                "rule": each.rule,
                "jurisdictions": list(each.jurisdictions),
                "citations": [
                    {"jurisdiction": c.jurisdiction, "ref": c.ref, "v": EVIDENCE[c.evidence]}
                    for c in each.citations
                ],
                "params": plain(each.params),
            }
            for each in explained
        ],
        "retention_days": decision.retention_days,
        "pack_version": decision.pack_version,
        "pack_digest": rulebook.digest,
    }
