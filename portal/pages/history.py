"""What a person decided and did, and who asked about them: their history, a page at a time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from consent.models import ConsentEvent, NoticeWaiver, Pause, Strike, Subject
from consent.policy.types import ConsentState
from portal.pages.noticetext import purpose_in_words
from portal.pages.shares import looks_of
from portal.people import subject_of
from portal.templatetags.words import colon, state_name

PAGE: Final = 50
FETCHED: Final = 2 * PAGE
"""How much of each kind is read for a page: more than one shows, for what shares an instant."""

EVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Before this lies everything, whatever the clocks of web server and database say."""

AGREED: Final = gettext_lazy("you agreed to a shorter notice")
AGREED_NO_MORE: Final = gettext_lazy("your agreement to a shorter notice ended")

Event = dict[str, Any]


@login_required
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Show the newest events, or those before the instant that the link to older ones names."""
    given = request.GET.get("before", "")
    before = _instant(given)
    events, older = page_of(subject_of(request), before=before or EVER)
    pager = {"newest_url": reverse("you-history")} if before else {}
    if older:
        pager["older_url"] = f"?{urlencode({'before': older.isoformat()})}"
    return render(request, "you/history.html", {"events": events, "pager": pager})


def page_of(subject: Subject, *, before: datetime) -> tuple[list[Event], datetime | None]:
    """Return the newest events before an instant, and the one before which older events lie.

    What shares an instant stays on one page: the next begins before it, and would lose the rest.
    """
    found = [
        *decisions_of(subject, before=before, most=FETCHED),
        *_waivers(subject, before),
        *_strikes(subject, before),
        *_pauses(subject, before),
        *({**look, "by": look["who"]} for look in looks_of(subject, before=before, most=FETCHED)),
    ]
    found.sort(key=lambda event: event["at"], reverse=True)
    if len(found) <= PAGE:
        return found, None
    last: datetime = found[PAGE - 1]["at"]
    shown = [event for event in found if event["at"] >= last]
    return shown, last if len(shown) < len(found) else None


def decisions_of(subject: Subject, *, before: datetime, most: int) -> list[Event]:
    """Return the newest decisions before an instant, newest first."""
    rows = ConsentEvent.objects.filter(subject=subject, event_time__lt=before)
    rows = rows.select_related("purpose", "notice").prefetch_related("notice__texts")
    rows = rows.order_by("-event_time", "-position")
    return [_decision(row) for row in rows[:most]]


def _decision(event: ConsentEvent) -> Event:
    receipt = reverse("you-receipt", args=[event.uuid])
    name, _what_for = purpose_in_words(event.purpose, event.notice)
    return {
        "at": event.event_time,
        "text": f"{colon(name)} {state_name(event.state)}",
        "by": _("The organisation") if event.state == ConsentState.REVOKED else _("You"),
        "notice": _("Notice, version %(version)d") % {"version": event.notice.version},
        "notice_url": reverse("you-notice", args=[event.notice.uuid]),
        "receipt_url": receipt,
    }


def _waivers(subject: Subject, before: datetime) -> Iterator[Event]:
    """Yield where the person agreed to a shorter notice, and where that ended, be it with a yes."""
    rows = NoticeWaiver.objects.filter(subject=subject, event_time__lt=before)
    rows = rows.select_related("notice__purpose").prefetch_related("notice__texts")
    rows = rows.order_by("-event_time", "-pk")
    for row in rows[:FETCHED]:
        said = AGREED if row.agreed else AGREED_NO_MORE
        name, _what_for = purpose_in_words(row.notice.purpose, row.notice)
        yield {
            "at": row.event_time,
            "text": f"{colon(name)} {said}",
            "by": _("You") if row.agreed else "",
            "notice": _("Notice, version %(version)d") % {"version": row.notice.version},
            "notice_url": reverse("you-notice", args=[row.notice.uuid]),
        }


def _strikes(subject: Subject, before: datetime) -> Iterator[Event]:
    rows = Strike.objects.filter(subject=subject, recorded_at__lt=before).select_related("agent")
    for strike in rows.order_by("-recorded_at")[:FETCHED]:
        minutes = round((strike.struck_until - strike.struck_from).total_seconds() / 60)
        text = ngettext(
            "You had %(minutes)d minute forgotten", "You had %(minutes)d minutes forgotten", minutes
        )
        name = strike.agent.name if strike.agent else ""
        yield {
            "at": strike.recorded_at,
            "text": text % {"minutes": minutes},
            "by": _("On the machine %(name)s") % {"name": name} if name else _("In the browser"),
            "since": strike.struck_from,
            "until": strike.struck_until,
        }


def _pauses(subject: Subject, before: datetime) -> Iterator[Event]:
    """Yield where each pause began and ended; whatever ended before began before as well."""
    rows = Pause.objects.filter(subject=subject, started_at__lt=before).order_by("-started_at")
    for pause in rows[:FETCHED]:
        yield {"at": pause.started_at, "text": _("You paused everything"), "by": _("You")}
        if pause.ended_at and pause.ended_at < before:
            yield {"at": pause.ended_at, "text": _("You resumed"), "by": _("You")}


def _instant(given: str) -> datetime | None:
    """Read the instant in an address; what is none, or none of ours, counts as not given."""
    try:
        at = parse_datetime(given)
        return at and (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None
