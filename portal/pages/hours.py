"""The organisation's own working hours, and those of agreements: outside of them nothing is on."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from consent import selectors
from consent.policy.hours import WorkingHours
from consent.selectors.settings import EVERYBODY, SITE
from portal.models import Role
from portal.pages.agreements import known_agreements, state_of
from portal.pages.changes.values import place_name
from portal.pages.crumbs import crumb
from portal.pages.hourwords import decided
from portal.people import for_area, roles_of


@for_area("registry")
@require_safe
def hours(request: HttpRequest) -> HttpResponse:
    """List whom which hours bind, and who decided them; an officer can propose others."""
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    new = reverse("change-new", args=["hours.change"])
    context = {
        "title": _("Working hours"),
        "lead": _(
            "Outside of these hours nothing is recorded. Where several reach a person, all of them"
            " must be on."
        ),
        "caption": _("Working hours"),
        "empty": _("No hours bind recording."),
        "add_url": new if officer else "",
        "add": _("Set working hours"),
        "crumbs": [crumb("privacy")] if officer else [],
        "columns": [{"label": _("For whom")}, {"label": _("Hours")}, {"label": _("Decided by")}],
        "rows": [*_own(new if officer else ""), *_agreed()],
    }
    return render(request, "pages/table.html", context)


def _own(change_url: str) -> Iterator[list[dict[str, Any]]]:
    for whom, bound in selectors.working_hours().items():
        query = urlencode(_prefilled(whom, bound))
        yield [
            {"text": _whom(whom), "url": f"{change_url}?{query}" if change_url else ""},
            {"text": decided(bound)},
            {"text": _("the organisation")},
        ]


def _agreed() -> Iterator[list[dict[str, Any]]]:
    """Yield the hours of agreements in force."""
    now, known = timezone.now(), known_agreements()
    for agreement in known.rows:
        if agreement.working_hours and state_of(agreement, known, now) == "in_force":
            places = ", ".join(map(place_name, agreement.jurisdictions))
            sites = ", ".join(agreement.sites)
            yield [
                {"text": f"{places}: {sites}" if sites else places},
                {"text": decided(WorkingHours.read(agreement.working_hours))},
                {"text": agreement.code, "url": reverse("agreement", args=[agreement.code])},
            ]


def _whom(whom: str) -> str:
    if whom == EVERYBODY:
        return _("Everybody")
    if whom.startswith(SITE):
        return _("Site %(site)s") % {"site": whom.removeprefix(SITE)}
    return place_name(whom)


def _prefilled(whom: str, bound: WorkingHours) -> dict[str, str]:
    """Return what the form for other hours begins with."""
    site = whom.removeprefix(SITE) if whom.startswith(SITE) else ""
    return {
        "place": EVERYBODY if site else whom,
        "site": site,
        "hours": "\n".join(bound.lines),
        "zone": bound.zone or "",
        **({"closed_on_holidays": "1"} if bound.closed_on_holidays else {}),
    }
