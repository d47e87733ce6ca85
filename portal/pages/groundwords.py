"""The papers and records behind an answer, each in a sentence."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.policy.rulebook import Rulebook
from consent.selectors.grounds import Counts, Ground, Kind
from consent.selectors.hands import (
    APPROVED,
    ASKED,
    COUNCIL,
    OFFICER,
    RECORDED,
    STAFF,
    Hand,
)
from portal.pages.dates import day_in_words, instant_in_words
from portal.pages.rulewords import gate_title
from portal.templatetags.words import colon, plain, signal_name, state_name

COUNTS: Final[Mapping[Counts, str | Promise]] = {
    Counts.YES: "",
    Counts.NOT_YET: gettext_lazy("does not count yet"),
    Counts.NO_LONGER: gettext_lazy("does not count any more"),
    Counts.TAKEN_BACK: gettext_lazy("was taken back"),
}
"""Whether a paper counted on the day asked about; that it did needs no word."""


def grounds_in_words(found: Iterable[Ground], rulebook: Rulebook) -> list[dict[str, str]]:
    """Return each ground as a sentence, with the hash of its document where it has one."""
    return [
        {"text": f"{SENTENCES[ground.kind](ground, rulebook)}.", "sha256": ground.sha256}
        for ground in found
    ]


def moment(at: date | None) -> str:
    """Return a day, or an instant in UTC, in words."""
    if isinstance(at, datetime):
        return instant_in_words(at)
    return day_in_words(at) if at else ""


def _consent(ground: Ground, _pack: Rulebook) -> str:
    words = {
        "answer": state_name(ground.code),
        "at": moment(ground.since),
        "version": ground.version,
    }
    said = _("Answer: %(answer)s, %(at)s, on notice version %(version)s") % words
    return f"{said} ({_('imported')})" if ground.note else said


def _notice(ground: Ground, _pack: Rulebook) -> str:
    words = {"version": ground.version, "at": moment(ground.since)}
    return _("Notice version %(version)s, published %(at)s") % words


def _acknowledgement(ground: Ground, _pack: Rulebook) -> str:
    words = {"version": ground.version, "at": moment(ground.since)}
    return _("Notice version %(version)s, confirmed by the person %(at)s") % words


def _waiver(ground: Ground, _pack: Rulebook) -> str:
    words = {"version": ground.version, "at": moment(ground.since)}
    if ground.counts is Counts.YES:
        return (
            _("Shorter notice agreed to by the person %(at)s, notice version %(version)s") % words
        )
    return _("Agreement to a shorter notice ended %(at)s, notice version %(version)s") % words


def _evidence(ground: Ground, pack: Rulebook) -> str:
    what = f"{gate_title(ground.code, pack)} ({ground.jurisdiction})"
    document = f"“{ground.title}”"
    if ground.note:
        document = _("not applicable: %(why)s") % {"why": ground.note} + f", {document}"
    return f"{colon(what)} {document}, {_span(ground)}{_by(ground)}"


def _agreement(ground: Ground, _pack: Rulebook) -> str:
    words = {"code": ground.code, "title": ground.title}
    return _("Agreement %(code)s, %(title)s") % words + f", {_span(ground)}"


def _exception(ground: Ground, _pack: Rulebook) -> str:
    words = {"signal": signal_name(ground.code), "place": ground.jurisdiction}
    what = _("Exception for %(signal)s (%(place)s)") % words
    why = _(", because: %(reason)s") % {"reason": ground.note} if ground.note else ""
    return f"{colon(what)} “{ground.title}”, {_span(ground)}{why}{_by(ground)}"


def _pause(ground: Ground, _pack: Rulebook) -> str:
    return _("Paused by the person since %(at)s") % {"at": moment(ground.since)}


def _switch(ground: Ground, _pack: Rulebook) -> str:
    words = {"at": moment(ground.since), "reason": plain(ground.code)}
    if ground.note == "everything":
        return _("Everything stopped since %(at)s, reason: %(reason)s") % words
    return _("This purpose stopped since %(at)s, reason: %(reason)s") % words


def _app(ground: Ground, _pack: Rulebook) -> str:
    return _("Taken off the list, %(at)s") % {"at": moment(ground.since)}


def _agent(ground: Ground, _pack: Rulebook) -> str:
    return _("The machine was removed %(at)s") % {"at": moment(ground.since)}


def _departure(ground: Ground, _pack: Rulebook) -> str:
    return _("The person left the organisation %(at)s") % {"at": moment(ground.since)}


def _by(ground: Ground) -> str:
    """Return who had a part in a paper, after the rest of its sentence."""
    return f"; {hands_in_words(ground.hands)}" if ground.hands else ""


def hands_in_words(hands: Iterable[Hand]) -> str:
    """Return who asked for a paper and who agreed, by role and the beginning of the reference."""
    return ", ".join(
        str(DID[hand.did])
        % {"role": str(ROLES[hand.role]) % {"unit": hand.unit}, "ref": hand.ref[:8]}
        for hand in hands
    )


DID: Final[Mapping[str, str | Promise]] = {
    RECORDED: gettext_lazy("recorded by %(role)s %(ref)s"),
    ASKED: gettext_lazy("asked for by %(role)s %(ref)s"),
    APPROVED: gettext_lazy("approved by %(role)s %(ref)s"),
}
ROLES: Final[Mapping[str, str | Promise]] = {
    OFFICER: gettext_lazy("privacy officer"),
    COUNCIL: gettext_lazy("works council member (%(unit)s)"),
    STAFF: gettext_lazy("member of staff"),
}


def _span(ground: Ground) -> str:
    """Return from when until when a paper holds, and whether it counted."""
    words = {"since": moment(ground.since), "until": moment(ground.until)}
    if ground.until:
        said = _("from %(since)s until %(until)s") % words
    else:
        said = _("since %(since)s") % words
    counts = str(COUNTS[ground.counts]) if ground.counts else ""
    return f"{said}, {counts}" if counts else said


SENTENCES: Final[Mapping[Kind, Callable[[Ground, Rulebook], str]]] = {
    Kind.CONSENT: _consent,
    Kind.NOTICE: _notice,
    Kind.ACKNOWLEDGEMENT: _acknowledgement,
    Kind.WAIVER: _waiver,
    Kind.EVIDENCE: _evidence,
    Kind.AGREEMENT: _agreement,
    Kind.EXCEPTION: _exception,
    Kind.PAUSE: _pause,
    Kind.SWITCH: _switch,
    Kind.APP: _app,
    Kind.AGENT: _agent,
    Kind.DEPARTURE: _departure,
}
