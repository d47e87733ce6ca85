"""Entries of the ledger in words: who acted, and what an entry tells under which name."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from consent.models import App, Purpose
from consent.rules import rulebook
from portal.pages.changes.kinds import title_of
from portal.pages.changes.values import place_name
from portal.pages.rulewords import gate_title
from portal.personfacts import KINDS
from portal.templatetags.words import plain, signal_name

NO_REFERENCE: Final = _("This is no reference: one has 36 characters. Copy it whole.")
ACTORS: Final[Mapping[str, str | Promise]] = {
    "subject": _("The person themselves"),
    "staff": _("Somebody for the organisation"),
    "agent": _("A machine"),
    "works_council": _("The works council"),
    "system": _("The portal by itself"),
}
SHORT: Final = 12
"""So many characters of a digest tell it from others in a list; the entry's page has all."""
DIGEST: Final = 64


def actor_words(kind: str) -> str | Promise:
    """Return who acted; a kind without words stands as it is."""
    return ACTORS.get(kind, plain(kind))


class Telling:
    """Turns what entries tell into words; the names it needs are looked up once for all of them."""

    def __init__(self) -> None:
        self._purposes = dict(Purpose.objects.values_list("code", "title"))
        self._apps = dict(App.objects.values_list("code", "name"))
        self._by_name: Mapping[str, Callable[[str], str]] = {
            "purpose": lambda code: self._purposes.get(code, code),
            "app": lambda code: self._apps.get(code, code),
            "apps": lambda code: self._apps.get(code, code),
            "signal": lambda code: str(signal_name(code)),
            "signals": lambda code: str(signal_name(code)),
            "jurisdiction": place_name,
            "jurisdictions": place_name,
            "gate": lambda code: gate_title(code, rulebook()),
            "kind": lambda code: str(KINDS.get(code) or title_of(code)),
            "reason": plain,
            "cause": plain,
            "category": plain,
            "role": plain,
            "by_role": plain,
        }

    def line(self, data: Mapping[str, Any]) -> str:
        """Return all of it in one line for a list, digests cut short."""
        told = (
            f"{plain(name)}: {_cut(self.text(name, value))}"
            for name, value in data.items()
            if value
        )
        return " · ".join(told)

    def facts(self, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return each thing with its name, as a definition list has them; digests in full."""
        return [self._fact(name, value) for name, value in data.items()]

    def text(self, name: str, value: Any) -> str:
        """Return one value in words; what has none stands as it is."""
        if isinstance(value, list | tuple):
            return ", ".join(self.text(name, item) for item in value)
        words = self._by_name.get(name, str)
        return words(value) if isinstance(value, str) else str(value)

    def _fact(self, name: str, value: Any) -> dict[str, Any]:
        text = self.text(name, value)
        return {"label": plain(name), "code" if _is_digest(text) else "text": text}


def _is_digest(text: str) -> bool:
    return len(text) == DIGEST and set(text) <= set("0123456789abcdef")


def _cut(text: str) -> str:
    return f"{text[:SHORT]}…" if _is_digest(text) else text
