"""The rules of a place, or of several together, in words that a lawyer and a council can read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from consent.policy.rulebook import Rulebook
from consent.policy.schema import Citation
from portal.pages.dates import day_in_words
from portal.templatetags.words import plain, signal_name

Words = str | Promise
Codes = tuple[str, ...]

WORDS: Final[Mapping[str, Words]] = {
    "none": gettext_lazy("nothing"),
    "notice": gettext_lazy("notice"),
    "opt_out": gettext_lazy("unless somebody objects"),
    "opt_in": gettext_lazy("only after a yes"),
    "prohibited": gettext_lazy("not at all"),
    "consent": gettext_lazy("consent"),
    "legitimate_interest": gettext_lazy("legitimate interest"),
    "collective_agreement_plus_consent": gettext_lazy("collective agreement and consent"),
    "guidance": gettext_lazy("guidance"),
    "statute": gettext_lazy("a statute"),
    "high": gettext_lazy("high"),
    "medium": gettext_lazy("medium"),
    "low": gettext_lazy("low"),
}
"""The words of the pack's orders."""

EVIDENCE: Final[Mapping[str, Words]] = {
    "seen": gettext_lazy("read"),
    "partly": gettext_lazy("read in part"),
    "memory": gettext_lazy("from memory"),
}
"""How much of a source was read."""

LABELS: Final[Mapping[str, Words]] = {
    "legal_floor": gettext_lazy("What the law itself allows"),
    "default": gettext_lazy("What this pack allows"),
    "legal_basis_allowed": gettext_lazy("Legal bases accepted"),
    "consent_sufficient": gettext_lazy("Consent carries the recording by itself"),
    "adm_allowed": gettext_lazy("May feed decisions about the person"),
    "export_allowed": gettext_lazy("May leave the country (for information)"),
    "gates": gettext_lazy("What must be done first"),
    "gate_lead_days": gettext_lazy("Waiting time after it is done"),
    "notice_days": gettext_lazy("Notice before the first recording"),
    "notice_waivable": gettext_lazy("The employee may agree to less notice"),
    "acknowledgement_required": gettext_lazy("The employee must confirm the notice"),
    "posting_required": gettext_lazy(
        "The notice must hang at the workplace (proof of it is asked for above)"
    ),
    "policy_copy_days": gettext_lazy("A copy of the policy within"),
    "prohibited_signals": gettext_lazy("Never recorded here"),
    "restricted_signals": gettext_lazy("Only with a signed exception"),
    "retention_cap_days": gettext_lazy("Kept at most"),
    "biometric_retention_cap_days": gettext_lazy("Biometric data kept at most"),
    "delete_after_purpose_days": gettext_lazy("Deleted after the purpose has ended, within"),
    "retention_floor_days": gettext_lazy("Minimum period, never for training"),
    "retention_floor_scope": gettext_lazy("What the minimum period is about"),
    "retention_floor_from": gettext_lazy("The minimum period counts from"),
    "retention_note": gettext_lazy("Note on retention"),
    "retention_guidance_note": gettext_lazy("Note on our guidance"),
    "dsar_days": gettext_lazy("Answer to a request, in days"),
    "dsar_period": gettext_lazy("Answer to a request, in the words of the law"),
    "dsar_extension_days": gettext_lazy("Extension, in days"),
    "dsar_extension_period": gettext_lazy("Extension, in the words of the law"),
    "dsar_ack_days": gettext_lazy("Receipt confirmed within"),
    "dsar_ack_business_days": gettext_lazy("Receipt confirmed within (business days)"),
    "dsar_basis": gettext_lazy("Where the right comes from"),
    "erasure_days": gettext_lazy("Erasure within"),
    "withdrawal_effect_days": gettext_lazy("A withdrawal takes effect within"),
    "limit_spi_business_days": gettext_lazy("Sensitive data limited within (business days)"),
    "complaint_ack_days": gettext_lazy("A complaint is answered within"),
    "reconsent_months": gettext_lazy("Asked anew after"),
    "reprompt_cooldown_months": gettext_lazy("Not asked again after a no for"),
    "record_keeping_months": gettext_lazy("Proof of the choices kept for"),
    "record_keeping_basis": gettext_lazy("Who asks for that"),
    "risk_assessment_keep_months": gettext_lazy("Risk assessment kept for"),
    "confidence": gettext_lazy("How sure we are"),
}
"""What each key of a jurisdiction's file is called on a page."""

SECTIONS: Final[tuple[tuple[Words, tuple[str, ...]], ...]] = (
    (
        gettext_lazy("What is allowed"),
        (
            "default",
            "legal_floor",
            "legal_basis_allowed",
            "consent_sufficient",
            "adm_allowed",
            "export_allowed",
        ),
    ),
    (
        gettext_lazy("Before anything is recorded"),
        (
            "gates",
            "gate_lead_days",
            "notice_days",
            "notice_waivable",
            "acknowledgement_required",
            "posting_required",
            "policy_copy_days",
        ),
    ),
    (gettext_lazy("Signals"), ("prohibited_signals", "restricted_signals")),
    (
        gettext_lazy("How long it may be kept"),
        (
            "retention_cap_days",
            "biometric_retention_cap_days",
            "delete_after_purpose_days",
            "retention_floor_days",
            "retention_floor_scope",
            "retention_floor_from",
            "retention_note",
            "retention_guidance_note",
        ),
    ),
    (
        gettext_lazy("Rights requests"),
        (
            "dsar_days",
            "dsar_period",
            "dsar_extension_days",
            "dsar_extension_period",
            "dsar_ack_days",
            "dsar_ack_business_days",
            "dsar_basis",
            "erasure_days",
            "withdrawal_effect_days",
            "limit_spi_business_days",
            "complaint_ack_days",
        ),
    ),
    (
        gettext_lazy("Consent and its proof"),
        (
            "reconsent_months",
            "reprompt_cooldown_months",
            "record_keeping_months",
            "record_keeping_basis",
            "risk_assessment_keep_months",
        ),
    ),
)
"""The keys in the order in which a page shows them."""

SIGNAL_LISTS: Final = ("prohibited_signals", "restricted_signals")


@dataclass(frozen=True)
class Value:
    """One rule as a page shows it: one text or several, and the places that ask for it."""

    key: str
    label: str
    text: str = ""
    listed: tuple[tuple[str, Codes], ...] = ()
    by: Codes = ()


@dataclass(frozen=True)
class Section:
    """Some rules under a heading."""

    title: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class SetBy:
    """The places behind the values: by key, and by key and entry for the lists."""

    keys: Mapping[str, Codes] = field(default_factory=dict)
    entries: Mapping[str, Mapping[str, Codes]] = field(default_factory=dict)


def sections(
    table: Mapping[str, Any],
    rulebook: Rulebook,
    by: SetBy,
    ahead: Mapping[str, date] = MappingProxyType({}),
) -> list[Section]:
    """Return what the table of `describe_bounds` says, in words; what no law sets is left out.

    A value whose day in `ahead` is still to come says so, and that nothing is asked for until then.
    """
    found = []
    idle = _idle(table)
    for title, keys in SECTIONS:
        values = tuple(
            _dated(_value(key, table[key], rulebook, by), ahead.get(key))
            for key in keys
            if key not in idle and table[key] is not None and table[key] != [] and table[key] != {}
        )
        if values:
            found.append(Section(str(title), values))
    return found


def _dated(value: Value, since: date | None) -> Value:
    if since is None:
        return value
    words = {"value": value.text, "day": day_in_words(since)}
    return replace(value, text=_("%(value)s, from %(day)s; until then nothing") % words)


def _idle(table: Mapping[str, Any]) -> set[str]:
    """Name the keys that say nothing beside another one: a period in months is what counts."""
    idle = set()
    if not table["notice_days"]:
        idle |= {"notice_waivable"}
    if table["dsar_period"]:
        idle |= {"dsar_days"}
    if table["dsar_extension_period"]:
        idle |= {"dsar_extension_days"}
    return idle


def _value(key: str, value: Any, rulebook: Rulebook, by: SetBy) -> Value:
    label = str(LABELS[key])
    if key == "gate_lead_days":
        waits = (f"{gate_title(gate, rulebook)}: {_days(days)}" for gate, days in value.items())
        return Value(key, label, listed=tuple((text, ()) for text in waits))
    if isinstance(value, list):
        entries = by.entries.get(key, {})
        listed = tuple(
            (entry_words(key, entry, rulebook), entries.get(entry, ())) for entry in value
        )
        return Value(key, label, listed=listed, by=() if entries else by.keys.get(key, ()))
    return Value(key, label, value_words(key, value), by=by.keys.get(key, ()))


def entry_words(key: str, entry: str, rulebook: Rulebook) -> str:
    """Return the words for one entry of a list: a gate, a signal or a legal basis."""
    if key == "gates":
        return gate_title(entry, rulebook)
    if key in SIGNAL_LISTS:
        return str(signal_name(entry))
    return str(WORDS.get(entry, plain(entry)))


def gate_title(gate: str, rulebook: Rulebook) -> str:
    """Return what a gate asks for; a gate without words is shown by its code.

    Those that the program came with have words in each of its languages.
    """
    return _(rulebook.gates[gate].title) if gate in rulebook.gates else plain(gate)


def value_words(key: str, value: Any) -> str:
    """Return one value in words: yes or no, days, months, or a word of the pack's orders."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return COUNTED.get(key.rpartition("_")[2], str)(value)
    if isinstance(value, str) and key.endswith("_period"):
        return _months(int(value.strip("PM")))
    if key == "retention_floor_scope":
        return plain(value)
    if key.endswith("_from"):
        return day_in_words(value)
    return str(WORDS.get(value, value))


def _days(count: int) -> str:
    if not count:
        return _("none")
    return ngettext("%(n)d day", "%(n)d days", count) % {"n": count}


def _months(count: int) -> str:
    return ngettext("%(n)d month", "%(n)d months", count) % {"n": count}


COUNTED: Final[Mapping[str, Callable[[int], str]]] = {"days": _days, "months": _months}


def sources(citations: Iterable[Citation]) -> list[dict[str, str]]:
    """Return sources as a page lists them: where, what, and how much of it was read."""
    return [
        {
            "place": citation.jurisdiction,
            "text": citation.ref,
            "grade": citation.evidence,
            "evidence": str(EVIDENCE[citation.evidence]),
        }
        for citation in citations
    ]
