"""A proposal in sentences: what it is about, what differs, its effect, and who is missing."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from consent.models import Proposal
from consent.notices import REQUIRED_SECTIONS
from consent.policy.reasons import TITLES
from consent.selectors.impact import Blocked, Impact, Line
from consent.selectors.outcomes import NO_LONGER
from consent.selectors.proposals import DiffRow, Missing
from consent.services.wayback import WayBack
from portal.pages.changes.values import in_words, place_name, purpose_name
from portal.pages.dates import day_in_words
from portal.readiness import grouped
from portal.templatetags.words import SIGNALS, language_name, plain

EFFECTS: Final[dict[str, str | Promise]] = {
    "lose": gettext_lazy("among %(count)s people, whoever said yes loses it"),
    "gain": gettext_lazy("among %(count)s people, whoever said yes before gains it"),
    "shorter": gettext_lazy("among %(count)s people it is kept more shortly"),
    "longer": gettext_lazy("among %(count)s people it is kept longer"),
    "asked": gettext_lazy("%(count)s people may be asked for it"),
    "unasked": gettext_lazy("%(count)s people may no longer be asked for it"),
}
VOTES: Final[dict[str, str | Promise]] = {
    "approve": gettext_lazy("approved"),
    "reject": gettext_lazy("did not approve"),
    "veto": gettext_lazy("vetoed"),
}
HEADINGS: Final = dict(REQUIRED_SECTIONS)
CALLED: Final[dict[str, str | Promise]] = {
    "codes": gettext_lazy("Places"),
    "council_units": gettext_lazy("Units whose council is asked"),
    "counterparties": gettext_lazy("Where the other people are"),
    "data_of": gettext_lazy("Shows data of"),
    "earlier": gettext_lazy("The rules of before"),
    "gates": gettext_lazy("Required steps"),
    "jurisdictions": gettext_lazy("Places"),
    "key": gettext_lazy("Setting"),
    "matchers": gettext_lazy("How agents recognise it"),
    "override": gettext_lazy("Exception"),
    "suspected": gettext_lazy("What it shows"),
    "whom": gettext_lazy("For whom"),
}
"""What is called otherwise than by its key, as the forms call it; a page may not ask for it."""
ABOUT: Final = ("purpose", "app", "jurisdiction", "code", "key", "whom")


INSTEAD: Final[dict[str, tuple[str | Promise, str | Promise]]] = {
    "notice.publish": (
        gettext_lazy("Retiring the purpose acts at once: nobody is asked, nothing is recorded."),
        gettext_lazy("Retire the purpose"),
    ),
    "rules.adopt": (
        gettext_lazy("Where no rules are adopted nothing is permitted. That acts at once."),
        gettext_lazy("Adopt them no longer"),
    ),
    "agreement.record": (
        gettext_lazy("The caps of before can come on top. That only narrows, so it acts at once."),
        gettext_lazy("Let the caps of before bind again"),
    ),
}
"""What narrows where nothing leads back, by the kind of the change: a sentence and a button."""


def no_way_back(kind: str, back: WayBack) -> dict[str, Any]:
    """Return why nothing leads back from such a change, and what narrows instead, if anything."""
    text, label = INSTEAD[kind] if back.change else ("", "")
    return {"why": back.why, "text": text, "label": label}


def about(proposal: Proposal) -> str:
    """Return what a proposal is about: what it names, without its text."""
    payload = proposal.payload
    named = [in_words(key, payload[key]) for key in ABOUT if isinstance(payload.get(key), str)]
    named += [place_name(place) for place, _gate in payload.get("gates", [])]
    named += [place_name(code) for code in payload.get("codes", [])]
    return ", ".join(dict.fromkeys(named))


def difference(rows: list[DiffRow]) -> list[dict[str, Any]]:
    """Return label, before and after of each thing that differs; of lists what comes and goes."""
    return [
        {
            "label": label(row.field),
            "before": in_words(row.field, row.before),
            "after": in_words(row.field, row.after),
            "added": in_words(row.field, row.added),
            "removed": in_words(row.field, row.removed),
        }
        for row in rows
    ]


def label(field: str) -> str:
    """Return what a field is called; a section of a notice by its heading and its language."""
    match field.split("."):
        case [*_path, "texts", language, "sections", code]:
            words = {"language": language_name(language), "section": HEADINGS.get(code, code)}
            return _("Notice in %(language)s: %(section)s") % words
        case [*_path, "retention_days"]:
            return _("Kept at most, in days")
        case ["shipped"]:
            return _("As the program came with it")
        case [*_path, key] if key in CALLED:
            return str(CALLED[key])
        case path:
            return plain(": ".join(path))


def effect(impact: Impact | None) -> list[str]:
    """Return what a change does to people, in sentences; where people are too few, no number."""
    if impact is None:
        return []
    found = [_together(impact)] if impact.lose != 0 or impact.gain != 0 else []
    for line in impact.lines:
        parts = list(_parts(line))
        if parts:
            signal = SIGNALS.get(line.signal, line.signal)
            purpose = purpose_name(line.purpose)
            found.append(f"{purpose}, {signal}: {'; '.join(parts)}.")
    if impact.hours != 0:
        found.append(
            _("Other working hours hold for %(count)s people.") % {"count": _count(impact.hours)}
        )
    if impact.anew != 0:
        words = _(
            "Among %(count)s people, whoever said yes is asked anew; until they answer, nothing"
            " of theirs is recorded for it."
        )
        found.append(words % {"count": _count(impact.anew)})
    found += _blocked(impact.blocked)
    for site in impact.unknown:
        found.append(
            _("Site %(site)s binds nobody today: nobody's facts name it.") % {"site": site}
        )
    if impact.ahead:
        begins = day_in_words(impact.ahead)
        found.append(
            _("This is what it does at once and on %(day)s, when it begins.") % {"day": begins}
        )
    return found


def _blocked(found: Iterable[Blocked]) -> Iterator[str]:
    """Yield what a change does not do, and why; one sentence for all places where it is alike."""
    alike: dict[Blocked, list[str]] = {}
    for one in sorted(found, key=lambda one: one.few):
        alike.setdefault(replace(one, jurisdictions=(), few=False), []).append(_together_in(one))
    for one, places in alike.items():
        yield _not_done(one) + " " + _("There: %(places)s.") % {"places": "; ".join(places)}


def _not_done(one: Blocked) -> str:
    purpose, code = purpose_name(one.purpose), one.agreement
    if one.reason == NO_LONGER:
        said = {"purpose": purpose, "code": code}
        return _("%(purpose)s is kept no longer, by agreement %(code)s.") % said
    by = code and _("Agreement %(code)s does not allow it") % {"code": code}
    named = [purpose, *(str(SIGNALS.get(signal, signal)) for signal in one.signals)]
    return _("%(what)s: still denied. %(why)s.") % {
        "what": ", ".join(named),
        "why": by or TITLES.get(one.reason, one.reason).rstrip("."),
    }


def _together_in(one: Blocked) -> str:
    """Return the place, or all that concern the same people: somebody may live elsewhere."""
    if one.few:
        return _("places of fewer than %(count)d people") % {"count": settings.SMALLEST_GROUP}
    if not one.jurisdictions:
        return _("people of whom no place is known")
    first, *others = map(place_name, one.jurisdictions)
    if not others:
        return first
    return _("%(place)s with %(others)s") % {"place": first, "others": ", ".join(others)}


def missing(lack: Missing) -> list[str]:
    """Return whose agreement a proposal lacks."""
    found = []
    if lack.approvals:
        found.append(
            ngettext(
                "%(count)d privacy officer other than the author",
                "%(count)d privacy officers other than the author",
                lack.approvals,
            )
            % {"count": lack.approvals}
        )
    found += [council_of(unit) for unit in lack.units]
    return found


def council_of(unit: str) -> str:
    """Return what the council of a unit is called."""
    return _("The works council of %(unit)s") % {"unit": unit}


def lapsed(unit: str) -> str:
    """Return why a yes counts no more, of a unit's council or of an officer."""
    if unit:
        return _("The seat has ended since, so this counts no more.")
    return _("Who said it is no privacy officer any more, so this does not count.")


def _count(people: int | None) -> str:
    return _("(not shown)") if people is None else grouped(people)


def _together(impact: Impact) -> str:
    told = {"lose": _count(impact.lose), "gain": _count(impact.gain)}
    if impact.gain == 0:
        said = _("In all: among %(lose)s people whoever said yes loses something; nobody gains.")
    elif impact.lose == 0:
        said = _("In all: among %(gain)s people whoever said yes gains something; nobody loses.")
    else:
        said = _(
            "In all: among %(lose)s people whoever said yes loses something, among %(gain)s gains."
        )
    return said % told


def _parts(line: Line) -> Iterator[str]:
    for name, words in EFFECTS.items():
        if (count := getattr(line, name)) != 0:
            yield str(words) % {"count": _count(count)}
