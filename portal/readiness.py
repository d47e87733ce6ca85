"""Readiness in words, with groups too small to speak of hidden: for the page and the command."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from django.conf import settings
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent.policy.reasons import TITLES
from consent.policy.rulebook import Rulebook
from consent.selectors.readiness import (
    NO_NOTICE,
    NO_PLACE,
    NOTHING_LISTED,
    Blocker,
    Group,
    PurposeReadiness,
)
from consent.suppression import suppress
from portal.pages.dates import day_in_words
from portal.pages.placenames import name_of_place
from portal.pages.rulewords import gate_title
from portal.templatetags.words import signal_name

PROHIBITED: Final = "jurisdiction_prohibited"
"""The one thing in the way that no paper and no day takes away."""

WAITS: Final[Mapping[str, str | Promise]] = {
    NO_PLACE: gettext_lazy("a work location"),
    NO_NOTICE: gettext_lazy("a published notice"),
    NOTHING_LISTED: gettext_lazy("an app that may be asked for"),
    "kill_switch": gettext_lazy("the release of a kill switch"),
    "unknown_jurisdiction": gettext_lazy("rules that are known and reviewed"),
    PROHIBITED: gettext_lazy("nothing: the rules there permit no recording"),
    "counsel_signoff_missing": gettext_lazy("counsel's signature"),
    "never_category": gettext_lazy("an app that may be captured at all"),
    "app_category_unknown": gettext_lazy("somebody to say what kind of app it is"),
    "counterparty_unconsented": gettext_lazy("a way to leave other people's words out"),
    "fact_unknown": gettext_lazy("a fact that nobody recorded"),
}
"""What people wait for, by the code of what is in the way."""


@dataclass(frozen=True)
class Row:
    """People of the same places, as the page shows them; people None: too few to speak of."""

    places: str
    jurisdictions: tuple[str, ...]
    people: int | None
    blockers: tuple[Blocker, ...]
    waits: tuple[str, ...]
    asked_from: date | None

    @property
    def may_be_asked(self) -> bool:
        """Say whether nothing but their own answer is in the way."""
        return not self.blockers


@dataclass(frozen=True)
class Shown:
    """One purpose in words."""

    purpose: str
    title: str
    people: int | None
    rows: tuple[Row, ...]
    sentence: str


def shown(found: PurposeReadiness, rulebook: Rulebook) -> Shown:
    """Return one purpose without any figure about fewer people than may be spoken of."""
    groups = found.groups
    line = suppress([group.people for group in groups], smallest=settings.SMALLEST_GROUP)
    rows = [_row(group, count, rulebook) for group, count in zip(groups, line.cells, strict=True)]
    # By what is shown, not by what is hidden: the order must not tell either.
    rows.sort(key=lambda row: (not row.may_be_asked, row.people is None, -(row.people or 0)))
    return Shown(found.purpose, found.title, line.total, tuple(rows), _sentence(rows))


def as_json(purposes: Iterable[Shown]) -> list[dict[str, Any]]:
    """Return what is shown ready for JSON; a hidden figure is null."""
    return [
        {
            "purpose": each.purpose,
            "title": each.title,
            "summary": each.sentence,
            "people": each.people,
            "groups": [
                {
                    "jurisdictions": list(row.jurisdictions),
                    "people": row.people,
                    "may_be_asked": row.may_be_asked,
                    "from": row.asked_from.isoformat() if row.asked_from else None,
                    "waits_for": [
                        {
                            "code": blocker.code,
                            "detail": blocker.detail,
                            "jurisdictions": list(blocker.jurisdictions),
                        }
                        for blocker in row.blockers
                    ],
                }
                for row in each.rows
            ],
        }
        for each in purposes
    ]


def grouped(count: int) -> str:
    """Return a count with its thousands apart, as 3,100."""
    return number_format(count, use_l10n=True, force_grouping=True)


def _row(group: Group, count: int | None, rulebook: Rulebook) -> Row:
    names = [name_of_place(code, rulebook) for code in group.jurisdictions]
    return Row(
        places=" + ".join(names) or _("No work location"),
        jurisdictions=group.jurisdictions,
        people=count,
        blockers=group.blockers,
        waits=tuple(dict.fromkeys(_wait(blocker, rulebook) for blocker in group.blockers)),
        asked_from=group.asked_from,
    )


def _wait(blocker: Blocker, rulebook: Rulebook) -> str:
    match blocker.code:
        case "gates_open":
            return gate_title(blocker.detail, rulebook)
        case "notice_period_running":
            return _("the end of the notice period")
        case "agreement_does_not_cover":
            return _("agreement %(code)s to cover it") % {"code": blocker.detail}
        case "signal_prohibited" | "signal_restricted_no_override":
            name = signal_name(blocker.detail)
            return _("an exception for: %(signal)s") % {"signal": name}
        case code:
            return str(WAITS.get(code, TITLES.get(code, code)))


def _sentence(rows: Iterable[Row]) -> str:
    """Return the whole in one sentence: "3,100 may be asked; Germany 2,400 await: ..."."""
    rows = list(rows)
    ready = [row for row in rows if row.may_be_asked]
    asked = sum(row.people or 0 for row in ready)
    first = _("%(n)s may be asked") % {"n": grouped(asked)}
    if any(row.people is None for row in ready):
        first = _("%(n)s and some more may be asked") % {"n": grouped(asked)}
    if ready and not asked:
        first = _("only groups too small to show may be asked")
    if not ready:
        first = _nobody(rows)
    parts = [first, *(_part(row) for row in rows if not row.may_be_asked and row.people)]
    small = [row for row in rows if not row.may_be_asked and row.people is None]
    if small and len(parts) == 1 and not ready:
        # Nothing is shown that they would wait beside, so what is awaited is said of them alone.
        what = {"what": ", ".join(dict.fromkeys(wait for row in small for wait in row.waits))}
        parts.append(_("groups too small to show await: %(what)s") % what)
    elif small:
        parts.append(_("groups too small to show wait as well"))
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _nobody(rows: Iterable[Row]) -> str:
    """Say whether there is nobody, nobody ever under these rules, or nobody before something."""
    blockers = [{blocker.code for blocker in row.blockers} for row in rows]
    if not blockers:
        return _("nobody is counted here")
    if all(PROHIBITED in codes for codes in blockers):
        return _("nobody may be asked")
    return _("nobody may be asked yet")


def _part(row: Row) -> str:
    count = grouped(row.people or 0)
    if not row.jurisdictions:
        return _("%(n)s have no work location") % {"n": count}
    if row.asked_from:
        day = _("from %(day)s") % {"day": day_in_words(row.asked_from)}
        return f"{row.places} {count}: {day}"
    what = {"places": row.places, "n": count, "what": ", ".join(row.waits)}
    return _("%(places)s %(n)s await: %(what)s") % what
