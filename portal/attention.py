"""What will need somebody soon, in words, each with the page where it can be seen to."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from consent.policy.rulebook import Rulebook
from consent.rules import rulebook
from consent.selectors.attention import Attention, Matter, Severity, attention
from consent.services.room import LARGEST, crowding
from portal.pages.changes import failures
from portal.pages.changes.kinds import title_of
from portal.pages.changes.values import place_name, purpose_name
from portal.pages.dates import day_in_words
from portal.pages.rulewords import gate_title
from portal.templatetags.words import signal_name

TONES: Final[Mapping[Severity, str]] = {
    Severity.NOW: "bad",
    Severity.SOON: "warn",
    Severity.LATER: "info",
}


def coming(at: datetime, units: Collection[str] | None = None) -> list[dict[str, Any]]:
    """Return what needs somebody, most urgent first: a text, a tag with its tone, and a page.

    With `units` what is about their people's places alone, for whoever speaks for their councils.
    """
    pack = rulebook()
    return [
        {
            "text": SENTENCES[one.matter](one, pack),
            "count": _when(one.left),
            "tone": TONES[one.severity],
            "url": _page(one),
        }
        for one in matters(at, units)
    ]


def matters(at: datetime, units: Collection[str] | None = None) -> list[Attention]:
    """Return what needs somebody, most urgent first; with `units` as `coming` has it."""
    return [*(crowding(at) if units is None else ()), *attention(at, units)]


def _page(one: Attention) -> str:
    match one.matter:
        case Matter.REVIEW if len(one.codes) == 1:
            return reverse("rules-place", args=[one.codes[0]])
        case Matter.REVIEW:
            return reverse("rules-list")
        case Matter.AGREEMENT:
            return reverse("agreements")
        case Matter.FLOOR_ABOVE_CAP:
            return reverse("rules-place", args=[one.codes[0]])
        case Matter.ADOPTION:
            return reverse("change-new", args=["rules.adopt"])
        case Matter.ROOM:
            return reverse("change-new", args=["allowlist.change"])
        case Matter.FAILED:
            return reverse("change", args=[one.codes[0]])
        case Matter.EVIDENCE | Matter.EXCEPTION | Matter.COUNSEL:
            return reverse("gates")


def _when(left: int | None) -> str:
    if left is None:
        return _("open")
    if left <= 0:
        return _("over")
    return ngettext("%(n)d day", "%(n)d days", left) % {"n": left}


def _review(one: Attention, pack: Rulebook) -> str:
    """Say until when the rules count without a review, too: the first day on which they deny."""
    words = {"places": _places(one), "day": _day(one)}
    if one.due:
        grace = timedelta(days=pack.meta.review_grace_days + 1)
        words["ends"] = day_in_words(one.due + grace)
    return (
        _(
            "The rules of %(places)s must be reviewed by %(day)s;"
            " from %(ends)s on they permit nothing without it"
        )
        % words
    )


def _agreement(one: Attention, _pack: Rulebook) -> str:
    words = {"code": one.codes[0], "day": _day(one)}
    return _("Agreement %(code)s ends on %(day)s, and nothing replaces it") % words


def _evidence(one: Attention, pack: Rulebook) -> str:
    words = {"gate": gate_title(one.codes[0], pack), "place": place_name(one.jurisdictions[0])}
    words |= {"purpose": purpose_name(one.purpose), "day": _day(one)}
    return _("%(gate)s (%(place)s, %(purpose)s): the evidence lapses on %(day)s") % words


def _exception(one: Attention, _pack: Rulebook) -> str:
    words = {"signal": signal_name(one.codes[0]), "place": place_name(one.jurisdictions[0])}
    words |= {"purpose": purpose_name(one.purpose), "day": _day(one)}
    return _("The exception for %(signal)s (%(place)s, %(purpose)s) ends on %(day)s") % words


def _floor(one: Attention, _pack: Rulebook) -> str:
    words = {
        "place": place_name(one.codes[0]),
        "purpose": purpose_name(one.purpose),
        "days": one.days,
        "cap": one.cap_days,
    }
    return (
        _(
            "%(place)s asks to keep something for %(days)s days; %(purpose)s may keep"
            " recordings for %(cap)s at most: keep that apart, and train on nothing of it"
        )
        % words
    )


def _counsel(one: Attention, _pack: Rulebook) -> str:
    words = {"place": place_name(one.jurisdictions[0]), "purpose": purpose_name(one.purpose)}
    return _("Counsel has not signed off the rules of %(place)s for %(purpose)s") % words


def _adoption(one: Attention, _pack: Rulebook) -> str:
    words = {"codes": _places(one)}
    return _("Shipped rules wait to be adopted: %(codes)s") % words


def _room(one: Attention, _pack: Rulebook) -> str:
    words = {"size": -(-(one.bytes or 0) // 1024), "most": LARGEST // 1024}
    return (
        _(
            "Policies have become longer than machines read (%(size)s of %(most)s KiB):"
            " those machines record nothing until a purpose asks for fewer apps"
        )
        % words
    )


def _failed(one: Attention, _pack: Rulebook) -> str:
    _uuid, kind, failure = one.codes
    words = {"change": title_of(kind), "why": failures.why(failure)}
    return _("%(change)s: agreed to, and not made. %(why)s Propose it anew") % words


def _places(one: Attention) -> str:
    return ", ".join(place_name(code) for code in one.codes)


def _day(one: Attention) -> str:
    return day_in_words(one.due) if one.due else ""


SENTENCES: Final[Mapping[Matter, Callable[[Attention, Rulebook], str]]] = {
    Matter.REVIEW: _review,
    Matter.AGREEMENT: _agreement,
    Matter.EVIDENCE: _evidence,
    Matter.EXCEPTION: _exception,
    Matter.FLOOR_ABOVE_CAP: _floor,
    Matter.COUNSEL: _counsel,
    Matter.ADOPTION: _adoption,
    Matter.ROOM: _room,
    Matter.FAILED: _failed,
}
