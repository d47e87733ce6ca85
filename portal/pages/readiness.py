"""Readiness: who may be asked on a day, and who waits for what; groups, never one person.

The privacy team sees everybody's; who has a seat in a council that of the seat's units.
"""

from datetime import UTC, date, datetime, time
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from consent.policy.factsfile import YEARS
from consent.rules import rulebook
from consent.selectors.readiness import readiness as who_is_ready
from portal.models import Role
from portal.pages.changes.views import seats_of
from portal.pages.crumbs import crumb
from portal.pages.dates import day_in_words
from portal.people import for_area, roles_of
from portal.readiness import Row, shown


class DayForm(forms.Form):
    """Which day to look at; today where none is named."""

    at = forms.DateField(
        label=gettext_lazy("Day"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def clean_at(self) -> date | None:
        """Refuse a day of another age."""
        day: date | None = self.cleaned_data["at"]
        if day and day.year not in YEARS:
            raise forms.ValidationError(_("This day is too long ago, or too far away."))
        return day


@for_area("privacy/readiness")
@require_safe
def readiness(request: HttpRequest) -> HttpResponse:
    """Show, per purpose, how many may be asked and what the others wait for."""
    form = DayForm(request.GET or None)
    chosen = form.cleaned_data["at"] if form.is_bound and form.is_valid() else None
    units = None if Role.PRIVACY_OFFICER in roles_of(request) else seats_of(request)
    found = who_is_ready(instant_of(chosen), units)
    pack = rulebook()
    purposes = [shown(each, pack) for each in found.purposes]
    context = {
        "form": form,
        "purposes": [
            {
                "title": each.title,
                "sentence": each.sentence,
                "rows": [_cells(row) for row in each.rows],
            }
            for each in purposes
        ],
        "columns": [
            {"label": _("Place")},
            {"label": _("People"), "num": True},
            {"label": _("May be asked")},
            {"label": _("Waits for")},
        ],
        "at": found.at,
        "smallest_group": settings.SMALLEST_GROUP,
        "units": units,
        "crumbs": [crumb("privacy" if units is None else "council")],
    }
    return render(request, "privacy/readiness.html", context, status=422 if form.errors else 200)


def instant_of(day: date | None) -> datetime:
    """Return an instant of a day, or now where it is today or none was named.

    At noon in UTC it is that day in every place that rules are known of.
    """
    now = timezone.now()
    if day is None or day == now.date():
        return now
    return datetime.combine(day, time(12), tzinfo=UTC)


def _cells(row: Row) -> list[dict[str, Any]]:
    people = {"text": row.people} if row.people is not None else {"text": _("not shown")}
    waits: dict[str, Any] = {"listed": row.waits} if len(row.waits) > 1 else {"text": ""}
    if len(row.waits) == 1:
        waits = {"text": row.waits[0]}
    return [{"text": row.places}, people, _when(row), waits]


def _when(row: Row) -> dict[str, str]:
    if row.may_be_asked:
        return {"text": _("yes"), "state": "yes", "tone": "good"}
    if row.asked_from:
        day = day_in_words(row.asked_from)
        return {"text": _("from %(day)s") % {"day": day}, "state": "waiting", "tone": "wait"}
    return {"text": _("not yet"), "state": "no", "tone": "off"}
