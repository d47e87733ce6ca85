"""Rules that somebody proposes to adopt, value by value, in the words of the pages of rules."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.policy.differences import KeyChange
from consent.policy.rows import fields_of
from consent.policy.rulebook import Rulebook
from consent.rules import rulebook
from consent.selectors.rules import TextChange
from portal.pages.changes.values import place_name
from portal.pages.dates import day_in_words
from portal.pages.rulewords import LABELS, entry_words, gate_title, value_words
from portal.templatetags.words import SIGNALS, plain, signal_name

FILES: Final[Mapping[str, str | Promise]] = {
    "meta": gettext_lazy("The whole rule pack"),
    "gates": gettext_lazy("The words for what must be done first"),
}
FILE_LABELS: Final[Mapping[str, str | Promise]] = {
    "always_prohibited": gettext_lazy("Never recorded, whatever the place"),
    "as_of": gettext_lazy("As of"),
    "biometric_signals": gettext_lazy("Signals that count as biometric data"),
    "citations": gettext_lazy("Sources"),
    "complaint_ack_from": gettext_lazy("A complaint is answered in time from"),
    "content_signals": gettext_lazy("Signals that show other people's words"),
    "deidentified_dataset_days": gettext_lazy("Data without names kept at most, in days"),
    "dsar_clock_stops_for": gettext_lazy("A question to the person stops the clock for"),
    "dsar_clock_stops_from": gettext_lazy("A question to the person stops the clock from"),
    "effective_from": gettext_lazy("In force from"),
    "effective_until": gettext_lazy("In force until"),
    "exception_months": gettext_lazy("A signed exception lasts at most"),
    "name": gettext_lazy("Name"),
    "overrides": gettext_lazy("Signed exceptions from the rules above"),
    "pack_version": gettext_lazy("Version"),
    "parent": gettext_lazy("The rules above it"),
    "posting_gate": gettext_lazy("The proof that the notice hangs at the workplace"),
    "regimes": gettext_lazy("Laws"),
    "retention_guidance_days": gettext_lazy("Kept at most by our own guidance, in days"),
    "review_by": gettext_lazy("To be reviewed by"),
    "review_grace_days": gettext_lazy("Days of grace after that"),
    "status": gettext_lazy("State of the law"),
}
"""What the keys are called that no page of rules shows; `LABELS` has the others."""


def difference(changes: Iterable[TextChange]) -> list[dict[str, Any]]:
    """Return each value that differs as a page lists it, after the digests of each text."""
    rules = rulebook()
    return [row for change in changes for row in _rows(change, rules)]


def _rows(change: TextChange, rules: Rulebook) -> list[dict[str, Any]]:
    place = str(FILES.get(change.code) or place_name(change.code))
    text = _("%(place)s: the whole text, by its SHA-256") % {"place": place}
    rows: list[dict[str, Any]] = [
        {"label": text, "before": change.before or "", "after": change.after or ""}
    ]
    if change.keys is None:
        gone = _("One of the two texts is not here any more; nobody can adopt it by this proposal.")
        rows[0]["note"] = gone
        return rows
    return rows + [
        {
            "label": _("%(place)s: %(key)s") % {"place": place, "key": key_label(key.key, rules)},
            "loosens": key.loosens,
            **_values(key, rules),
        }
        for key in change.keys
    ]


def key_label(key: str, rules: Rulebook) -> str:
    """Return what a key of a file is called; of gates, with the gate before it."""
    gate, _dot, name = key.rpartition(".")
    label = LABELS.get(name) or FILE_LABELS.get(name) or LABELS.get(fields_of(name)[0])
    said = str(label or plain(name))
    return f"{gate_title(gate, rules)}, {said}" if gate else said


def _values(change: KeyChange, rules: Rulebook) -> dict[str, str]:
    said = {
        "before": _words(change.key, change.before, rules),
        "after": _words(change.key, change.after, rules),
    }
    if not isinstance(change.before, list) or not isinstance(change.after, list):
        return said
    added = [item for item in change.after if item not in change.before]
    removed = [item for item in change.before if item not in change.after]
    lists = {
        "added": _words(change.key, added, rules),
        "removed": _words(change.key, removed, rules),
    }
    return lists if change.key in {"citations", "overrides"} else {**said, **lists}


def _words(key: str, value: Any, rules: Rulebook) -> str:
    """Return a value of a file in words; empty where the text says nothing there."""
    match value:
        case None | "none":
            return ""
        case date():
            return day_in_words(value)
        case list():
            return "; ".join(_entry(key, item, rules) for item in value)
        case dict():
            return "; ".join(f"{_named(key, name, rules)}: {item}" for name, item in value.items())
        case str() if key == "parent":
            return place_name(value)
        case str() if key == "posting_gate":
            return gate_title(value, rules)
        case _:
            return value_words(key, value)


def _named(key: str, name: str, rules: Rulebook) -> str:
    return gate_title(name, rules) if key == "gate_lead_days" else str(signal_name(name))


def _entry(key: str, item: Any, rules: Rulebook) -> str:
    if isinstance(item, dict):
        return str(item.get("ref") or item.get("override_reason") or item)
    if item in SIGNALS:
        return str(signal_name(item))
    return entry_words(key, item, rules)
