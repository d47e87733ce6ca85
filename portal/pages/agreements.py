"""Agreements with employees' representatives, as the caps that nobody can publish beyond."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from consent.models import Agreement
from consent.policy.clocks import days_at
from consent.policy.hours import WorkingHours
from consent.rules import rulebook
from consent.selectors.agreements import Agreements
from portal.models import Role
from portal.pages.changes.values import in_words
from portal.pages.crumbs import crumb
from portal.pages.hourwords import decided
from portal.people import for_area, roles_of
from portal.templatetags.words import SIGNALS


@for_area("registry")
@require_safe
def agreements(request: HttpRequest) -> HttpResponse:
    """List the agreements, those in force first."""
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    listed = sorted(listing(), key=lambda item: (item["state"] != "in_force", item["name"]))
    context = {
        "title": _("Agreements"),
        "lead": _(
            "One more agreement only narrows what is recorded. When it ends, so does recording."
        ),
        "caption": _("Agreements"),
        "empty": _("No agreement was recorded yet."),
        "add_url": reverse("change-new", args=["agreement.record"]) if officer else "",
        "add": _("Record an agreement"),
        "crumbs": [crumb("privacy")] if officer else [],
        "columns": [
            {"label": _("Agreement")},
            {"label": _("From")},
            {"label": _("Until")},
            {"label": _("State")},
        ],
        "rows": [
            [
                {"text": item["name"], "url": item["url"]},
                {"day": item["start"]},
                {"day": item["end"]} if item["end"] else {"text": _("open-ended")},
                {"state": item["state"]},
            ]
            for item in listed
        ],
    }
    return render(request, "pages/table.html", context)


@for_area("registry")
@require_safe
def agreement(request: HttpRequest, code: str) -> HttpResponse:
    """Show one agreement with all its caps."""
    found = Agreement.objects.filter(code=code).first()
    if found is None:
        raise Http404
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    query = urlencode({"replaces": found.code})
    return render(
        request,
        "privacy/agreement.html",
        {
            "agreement": found,
            "state": state_of(found, known_agreements(), timezone.now()),
            "facts": [*_facts(found), *_later(found)],
            "crumbs": [crumb("agreements")],
            "replace_url": f"{reverse('change-new', args=['agreement.record'])}?{query}"
            if officer
            else "",
        },
    )


def listing() -> list[dict[str, Any]]:
    """Return every agreement as the lists of pages show it."""
    now, known = timezone.now(), known_agreements()
    return [
        {
            "name": f"{agreement.code}: {agreement.title}",
            "text": agreement.parties,
            "start": agreement.valid_from,
            "end": agreement.valid_until,
            "state": state_of(agreement, known, now),
            "url": reverse("agreement", args=[agreement.code]),
        }
        for agreement in known.rows
    ]


def state_of(agreement: Agreement, known: Agreements, at: datetime) -> str:
    """Return how it stands: it has ended only once it is over, or binds nobody any more.

    Of two days that it is in its places, in force on both; replaced for some of its people alone,
    it is in force for the others.
    """
    days = days_at(agreement.jurisdictions, at)
    if agreement.valid_from > days[0]:
        return "waiting"
    replaced = not known.binds(agreement, None, days[-1])
    lapsed = agreement.valid_until is not None and agreement.valid_until <= days[-1]
    return "ended" if replaced or lapsed else "in_force"


def known_agreements() -> Agreements:
    """Return all agreements there are, and which came after which."""
    return Agreements(Agreement.objects.order_by("code"), rulebook())


def _later(agreement: Agreement) -> list[dict[str, Any]]:
    """Return by which agreement it is replaced, and for whom where that is not everybody."""
    later = Agreement.objects.filter(replaces=agreement).first()
    if later is None:
        return []
    whole = known_agreements().takes_over(later, agreement, None)
    label = _("Replaced by") if whole else _("Replaced for some of its people by")
    url = reverse("agreement", args=[later.code])
    return [{"label": label, "text": later.code, "url": url}]


def _facts(agreement: Agreement) -> list[dict[str, Any]]:
    every = _("all")
    names = [str(SIGNALS.get(signal, signal)) for signal in agreement.signals]
    days = agreement.retention_cap_days
    return [
        {"label": _("Places"), "text": in_words("jurisdictions", agreement.jurisdictions)},
        {"label": _("Sites"), "text": ", ".join(agreement.sites) or every},
        {"label": _("Purposes"), "text": in_words("purposes", agreement.purposes) or every},
        {"label": _("Apps"), "text": in_words("apps", agreement.apps) or every},
        {"label": _("Signals"), "text": ", ".join(names) or every},
        {
            "label": _("Kept at most"),
            "text": ngettext("%(n)d day", "%(n)d days", days) % {"n": days}
            if days
            else _("as the rules say"),
        },
        {
            "label": _("Working hours"),
            "text": decided(WorkingHours.read(agreement.working_hours))
            if agreement.working_hours
            else _("not named"),
        },
        {"label": _("From"), "day": agreement.valid_from},
        {"label": _("Until"), "day": agreement.valid_until}
        if agreement.valid_until
        else {"label": _("Until"), "text": _("open-ended")},
        {
            "label": _("Completes the agreements before it"),
            "state": "yes" if agreement.completes else "no",
        },
        {"label": _("Council may veto"), "state": "yes" if agreement.council_may_veto else "no"},
        {"label": _("Units asked"), "text": ", ".join(agreement.council_units) or _("none named")},
        {"label": _("Digest of the document"), "code": agreement.document_sha256},
    ]
