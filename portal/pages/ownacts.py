"""What a person did about capture beside deciding: what they had forgotten, when they paused."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from consent.models import Pause, Strike, Subject


def acts_of(subject: Subject, *, most: int) -> list[dict[str, Any]]:
    """Return the newest strikes and pauses, as the page of history shows them; in no order."""
    strikes = Strike.objects.filter(subject=subject).select_related("agent").order_by("-pk")
    pauses = Pause.objects.filter(subject=subject).order_by("-pk")
    return [
        *map(_struck, strikes[:most]),
        *(act for pause in pauses[:most] for act in _paused(pause)),
    ]


def _struck(strike: Strike) -> dict[str, Any]:
    minutes = round((strike.struck_until - strike.struck_from).total_seconds() / 60)
    text = ngettext(
        "You had %(minutes)d minute forgotten", "You had %(minutes)d minutes forgotten", minutes
    )
    on = _("On the machine %(name)s") % {"name": strike.agent.name} if strike.agent else ""
    return {
        "at": strike.recorded_at,
        "text": text % {"minutes": minutes},
        "by": on or _("In the browser"),
        "since": strike.struck_from,
        "until": strike.struck_until,
    }


def _paused(pause: Pause) -> Iterator[dict[str, Any]]:
    yield {"at": pause.started_at, "text": _("You paused everything"), "by": _("You")}
    if pause.ended_at:
        yield {"at": pause.ended_at, "text": _("You resumed"), "by": _("You")}
