"""What stands in a proposal, in words: codes of signals, apps, purposes and places become names."""

from collections.abc import Callable
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.models import App, Purpose
from consent.rules import rulebook
from portal.pages.placenames import name_of_place
from portal.templatetags.words import plain, signal_name

SIGNAL_FIELDS: Final = frozenset({"signal", "signals", "add", "remove", "allow"})
PLAIN_FIELDS: Final = frozenset({"category", "data_of", "gate"})
SETTINGS: Final[dict[str, str | Promise]] = {
    "lease_seconds": gettext_lazy("How long a policy lives, in seconds"),
    "poll_seconds": gettext_lazy("How often machines ask, in seconds"),
    "embargo_seconds": gettext_lazy("How long machines wait with each event, in seconds"),
    "spool_seconds": gettext_lazy("How long machines keep what is not handed in"),
    "upload_bytes_per_second": gettext_lazy("How fast machines hand in, bytes a second"),
}
"""What the settings of the organisation are, by their keys."""


def in_words(field: str, value: Any) -> str:
    """Return a value, or a list of values, as a page says it; what has no name stands as it is."""
    match value:
        case None:
            return ""
        case bool():
            return _("yes") if value else _("no")
        case list() | tuple():
            return ", ".join(in_words(field, item) for item in value)
        case dict():
            return "; ".join(
                f"{plain(name)}: {in_words(name, item)}" for name, item in value.items() if item
            )
        case str():
            return _name(field)(value)
        case _:
            return str(value)


def place_name(code: str) -> str:
    """Return a place by its name, with its code for those who know it by that."""
    pack = rulebook()
    return f"{name_of_place(code, pack)} ({code})" if code in pack.rows else code


def app_name(code: str) -> str:
    """Return an app by its name."""
    return App.objects.filter(code=code).values_list("name", flat=True).first() or code


def purpose_name(code: str) -> str:
    """Return a purpose by its title."""
    return Purpose.objects.filter(code=code).values_list("title", flat=True).first() or code


def _name(field: str) -> Callable[[str], str]:
    last = field.rpartition(".")[2]
    if last in SIGNAL_FIELDS:
        return lambda code: str(signal_name(code))
    if last in PLAIN_FIELDS:
        return plain
    if last == "key":
        return lambda key: str(SETTINGS.get(key, key))
    if last in {"jurisdiction", "jurisdictions", "counterparties", "codes"}:
        return place_name
    if last in {"app", "apps"}:
        return app_name
    if last in {"purpose", "purposes"}:
        return purpose_name
    return str
