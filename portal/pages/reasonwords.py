"""Reasons as a page shows them: the sentence, what exactly, which rule, and its sources."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from consent.policy.describe import describe_bounds
from consent.policy.rows import Row
from consent.policy.rulebook import Law, Rulebook
from consent.policy.schema import EVIDENCE as LETTERS
from portal.pages.dates import day_in_words
from portal.pages.hourwords import opens
from portal.pages.placenames import name_of_place
from portal.pages.rulewords import EVIDENCE, LABELS, gate_title, value_words
from portal.templatetags.words import colon, plain

GRADES: Final = {letter: grade for grade, letter in LETTERS.items()}

WHY: Final[Mapping[str, str | Promise]] = {
    "missing": gettext_lazy("no rules are known"),
    "unreadable": gettext_lazy("its file cannot be read"),
    "not_in_force": gettext_lazy("its rules are not in force on that day"),
    "ended": gettext_lazy("its rules have ended, and none that replace them are known"),
    "review_overdue": gettext_lazy("its review is overdue"),
    "not_adopted": gettext_lazy("its rules came with the program and nobody has adopted them yet"),
}
"""Why the rules of a place cannot be applied."""


def reasons_in_words(
    explained: Iterable[Mapping[str, Any]], rulebook: Rulebook
) -> list[dict[str, Any]]:
    """Return explanations (as `decide` prints them) as a page lists them."""
    return [
        {
            "text": reason["title"],
            "code": reason["code"],
            "rule": rule_label(reason["rule"]),
            "places": places(reason["jurisdictions"], rulebook, reason["rule"]),
            "details": details(reason["params"], rulebook),
            "sources": [_source(citation) for citation in reason["citations"]],
        }
        for reason in explained
    ]


def rule_label(key: str | None) -> str:
    """Return what a key of a jurisdiction's file is called; nothing where no rule is behind it."""
    return str(LABELS.get(key, plain(key))) if key else ""


def places(
    codes: Iterable[str], rulebook: Rulebook, key: str | None = None
) -> list[dict[str, str]]:
    """Return places by name, each with the address of its rules, and what they say under a key."""
    return [
        {
            "code": code,
            "name": name_of_place(code, rulebook),
            "url": reverse("rules-place", args=[code]) if code in rulebook.rows else "",
            "value": _said(rulebook.rows[code], key, rulebook)
            if key and code in rulebook.rows
            else "",
        }
        for code in codes
    ]


def _said(row: Row, key: str, rulebook: Rulebook) -> str:
    """Return what one file says, where that is one value; lists stand in full on its own page."""
    said = describe_bounds(Law(row.own, (), prohibited=False), row.own, rulebook).get(key)
    return "" if said is None or isinstance(said, list) else value_words(key, said)


def details(params: Mapping[str, Any], rulebook: Rulebook) -> list[str]:
    """Return what a reason is about, a sentence each; what has no words is shown as it is."""
    found = []
    for name, value in params.items():
        if value is None or name == "signal":
            continue
        if name == "gates":
            found += [gate_title(gate, rulebook) for gate in value]
        elif name == "why":
            found += [_gap(code, why) for code, why in value]
        else:
            said = SENTENCES.get(name)
            found.append(said(value) if said else f"{colon(plain(name))} {value}")
    return found


def _gap(code: str, why: str) -> str:
    if not code:
        return _("No work location is known.")
    return f"{colon(code)} {WHY.get(why, why)}."


def _from(value: Any) -> str:
    return _("This alone passes on %(day)s.") % {"day": day_in_words(value)}


def _notice(value: Any) -> str:
    words = ngettext(
        "Notice must be given %(n)d day before.", "Notice must be given %(n)d days before.", value
    )
    return words % {"n": value}


def _ended(value: Any) -> str:
    return _("It counted until %(day)s.") % {"day": day_in_words(value)}


def _agreement(value: Any) -> str:
    return _("Agreement %(code)s.") % {"code": value}


def _opens(value: Any) -> str:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return _("They begin again: %(when)s.") % {"when": opens(at)}


def _hours(_value: Any) -> str:
    return _("By which clock they go is not known: the place has several, or no calendar.")


def _waivable(_value: Any) -> str:
    return _("There the person may agree to a shorter notice.")


SENTENCES: Final[Mapping[str, Callable[[Any], str]]] = {
    "allowed_from": _from,
    "days": _notice,
    "ended_on": _ended,
    "agreement": _agreement,
    "opens_at": _opens,
    "waivable": _waivable,
    "hours": _hours,
}
"""Further facts of a reason, each as a sentence."""


def _source(citation: Mapping[str, str]) -> dict[str, str]:
    grade = GRADES[citation["v"]]
    return {
        "place": citation["jurisdiction"],
        "text": citation["ref"],
        "grade": grade,
        "evidence": str(EVIDENCE[grade]),
    }
