"""Tickets for fleets: made, seen and ended; whose machine used one is nobody's business here."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from consent.models import Agent
from portal.api.tokens import token_hash
from portal.fleet import overview
from portal.fleet.ending import end_ticket, end_tickets
from portal.fleet.models import EnrolmentTicket, TicketSet
from portal.fleet.overview import SetTold, State, Use
from portal.fleet.sets import Handed, Made, RequestAnswered, RequestDiffers, make_tickets
from portal.models import Role
from portal.pages.crumbs import crumb
from portal.pages.dates import instant_in_words
from portal.pages.ticketform import TicketForm
from portal.people import actor_of, for_area, roles_of
from portal.templatetags.words import PLATFORMS

SETS: Final = 25
TICKETS: Final = 100
COPIES: Final = 50
KEY_DIGITS: Final = 16
"""Of the key's digest: enough to tell machines apart, and short enough to compare."""


@for_area("tickets")
@never_cache
@require_http_methods(["GET", "POST"])
def tickets(request: HttpRequest) -> HttpResponse:
    """List the sets and make one; its tickets are shown in this one answer only."""
    form = TicketForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = make_tickets(actor=actor_of(request), renews=False, **form.cleaned_data)
        except (RequestAnswered, RequestDiffers):
            messages.info(
                request,
                _("These tickets were made and shown already. End them if nobody has the list."),
            )
            return redirect("tickets")
        return _handed(request, made)
    before = request.GET.get("before", "")
    sets = TicketSet.objects.order_by("-pk")
    if before.isdecimal():
        sets = sets.filter(pk__lt=min(int(before), 2**62))
    page = list(sets[: SETS + 1])
    now = timezone.now()
    context = {
        "form": form,
        "sets": [_line(told) for told in overview.told(page[:SETS], now)],
        "pager": {"older_url": f"?before={page[SETS - 1].pk}"} if len(page) > SETS else {},
        "earlier": [_earlier(ticket, now) for ticket in overview.earlier()],
        "copies": _copies(),
        # That there may be a copy is always said; of how many machines, and since when, never:
        # that somebody has a machine is theirs to tell.
        "quarantined": Agent.objects.filter(standing=Agent.Standing.QUARANTINED).exists(),
        "crumbs": _crumbs(request),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "privacy/tickets.html", context, status=status)


@for_area("tickets")
@require_safe
def ticket_set(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Show what became of each ticket of a set."""
    found = get_object_or_404(TicketSet, uuid=uuid)
    after = request.GET.get("after", "")
    rows = found.tickets.order_by("number")
    if after.isdecimal():
        rows = rows.filter(number__gt=min(int(after), 2**31 - 1))
    page = list(rows[: TICKETS + 1])
    now, more = timezone.now(), len(page) > TICKETS
    (told,) = overview.told([found], now)
    context = {
        "told": _line(told),
        "columns": [
            {"label": _("Ticket"), "num": True},
            {"label": _("How it stands")},
            {"label": _("Used by")},
            {"label": ""},
        ],
        "rows": _rows(found, page[:TICKETS], now),
        "pager": {
            "is_forward": True,
            "newest_url": "?" if after else "",
            "older_url": f"?after={page[TICKETS - 1].number}" if more else "",
        },
        "crumbs": [*_crumbs(request), crumb("tickets")],
    }
    return render(request, "privacy/ticket_set.html", context)


@for_area("tickets")
@never_cache
@require_POST
def as_file(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Give the list that was just shown back as a file: it is kept nowhere, so the page sends it.

    What is no list of this set's tickets is refused.
    """
    found = get_object_or_404(TicketSet, uuid=uuid)
    lines = [row for row in csv.reader(io.StringIO(request.POST.get("tickets", ""))) if row]
    digests = {token_hash(row[-1].partition(".")[0]) for row in lines}
    known = found.tickets.filter(sha256__in=digests).count()
    if not lines or len(digests) != len(lines) or known != len(lines):
        return HttpResponseBadRequest(_("This is not the list of these tickets."))
    if request.POST.get("form") == "text":
        name, kind = f"tickets-{uuid}.txt", "text/plain"
        text = "".join(f"{row[-1]}\n" for row in lines)
    else:
        name, kind = f"tickets-{uuid}.csv", "text/csv"
        head = ["number", "serial", "ticket"] if len(lines[0]) > 2 else ["number", "ticket"]
        text = _csv([head, *lines])
    response = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@for_area("tickets")
@require_POST
def end_set(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """End the open tickets of a set."""
    try:
        ended = end_tickets(uuid=uuid, actor=actor_of(request))
    except TicketSet.DoesNotExist as unknown:
        raise Http404 from unknown
    words = ngettext("%(n)s ticket ended.", "%(n)s tickets ended.", ended)
    messages.success(request, words % {"n": ended})
    return redirect("tickets")


@for_area("tickets")
@require_POST
def end_one(request: HttpRequest, uuid: UUID, number: int) -> HttpResponse:
    """End one ticket."""
    try:
        end_ticket(uuid=uuid, number=number, actor=actor_of(request))
    except EnrolmentTicket.DoesNotExist as unknown:
        raise Http404 from unknown
    messages.success(request, _("Ended. A machine that still waited because of it is cut off."))
    return redirect("ticket-set", uuid=uuid)


def _handed(request: HttpRequest, made: Made) -> HttpResponse:
    (told,) = overview.told([made.ticket_set], timezone.now())
    context = {
        "told": _line(told),
        "listed": _csv([_columns(one) for one in made.handed]),
        "crumbs": [*_crumbs(request), crumb("tickets")],
    }
    return render(request, "privacy/tickets_made.html", context)


def _columns(one: Handed) -> list[str]:
    return [str(one.number), *([one.serial] if one.serial else []), one.ticket]


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _crumbs(request: HttpRequest) -> list[dict[str, str]]:
    return [crumb("privacy")] if Role.PRIVACY_OFFICER in roles_of(request) else []


def _line(told: SetTold) -> dict[str, Any]:
    uuid, states = told.ticket_set.uuid, told.states
    return {
        "label": told.ticket_set.label,
        "url": reverse("ticket-set", args=[uuid]),
        "file_url": reverse("ticket-file", args=[uuid]),
        "bound_to": told.bound_to,
        "total": told.total,
        "used": states[State.USED],
        "expired": states[State.EXPIRED],
        "ended": states[State.ENDED],
        "open": states[State.OPEN],
        "shown_again": told.shown_again,
        "last_used_at": told.last_used_at,
        "expires_at": told.expires_at,
        "end_url": reverse("tickets-end", args=[uuid]) if states[State.OPEN] else "",
    }


def _earlier(ticket: EnrolmentTicket, now: datetime) -> dict[str, Any]:
    return {
        "label": ticket.label,
        "bound_to": overview.bound_to(ticket),
        "used": ticket.used,
        "places": ticket.places,
        "last_used_at": ticket.last_used_at,
        "expires_at": ticket.expires_at,
        "is_over": bool(ticket.revoked_at) or ticket.expires_at <= now,
        "end_url": "" if ticket.revoked_at else reverse("tickets-end", args=[ticket.uuid]),
    }


def _copies() -> list[dict[str, str]]:
    """Return the tickets that two machines showed, until they are ended, the newest first."""
    shown = EnrolmentTicket.objects.filter(
        ticket_set__isnull=False, shown_again_at__isnull=False, revoked_at=None
    )
    words = _("%(label)s, ticket %(number)s")
    return [
        {
            "label": words % {"label": ticket_set.label, "number": number},
            "url": f"{reverse('ticket-set', args=[ticket_set.uuid])}?after={number - 1}",
        }
        for ticket in shown.select_related("ticket_set").order_by("-shown_again_at")[:COPIES]
        if (ticket_set := ticket.ticket_set) and (number := ticket.number)
    ]


def _rows(
    found: TicketSet, page: Sequence[EnrolmentTicket], now: datetime
) -> list[list[dict[str, Any]]]:
    uses = overview.uses(page)
    return [
        [
            {"text": str(ticket.number)},
            _state(ticket, now),
            {"listed": _used_by(ticket, uses.get(ticket.pk))} if ticket.used else {"text": ""},
            _way_out(found, ticket, now),
        ]
        for ticket in page
    ]


def _state(ticket: EnrolmentTicket, now: datetime) -> dict[str, str]:
    if ticket.shown_again_at and not ticket.revoked_at:
        return {"state": "used", "text": _("Shown again"), "tone": "warn"}
    match overview.state_of(ticket, now):
        case State.USED if ticket.revoked_at:
            return {"state": "used", "text": _("Used, then ended"), "tone": "off"}
        case State.USED:
            return {"state": "used", "text": _("Used"), "tone": "good"}
        case state:
            return {"state": state.value}


def _used_by(ticket: EnrolmentTicket, use: Use | None) -> list[str]:
    said = [instant_in_words(ticket.last_used_at)] if ticket.last_used_at else []
    if use:
        words = _("%(platform)s, key %(key)s")
        key = use.key_sha256[:KEY_DIGITS]
        said.append(words % {"platform": PLATFORMS.get(use.platform, use.platform), "key": key})
    if ticket.shown_again_at:
        at = instant_in_words(ticket.shown_again_at)
        said.append(_("Another machine showed it: %(at)s") % {"at": at})
    return said


def _way_out(found: TicketSet, ticket: EnrolmentTicket, now: datetime) -> dict[str, str]:
    if ticket.revoked_at or overview.state_of(ticket, now) is State.EXPIRED:
        return {"text": ""}
    return {
        "post": reverse("ticket-end", args=[found.uuid, ticket.number]),
        "text": _("End"),
        "spoken": _("ticket %(number)s") % {"number": ticket.number},
    }
