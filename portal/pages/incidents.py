"""Incidents: whether some wait to be looked into, what to do about them, and what was found."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from portal import figures
from portal.pages.crumbs import crumb
from portal.people import for_area, staff_ref
from retention.exceptions import RetentionError
from retention.models import IncidentReview
from retention.services import look_into_incidents, open_incidents, settled

FINDINGS: Final[dict[str, str | Promise]] = {
    IncidentReview.Finding.RESTORED: gettext_lazy("A backup was put back"),
    IncidentReview.Finding.MENDED: gettext_lazy("A program was mended or replaced"),
    IncidentReview.Finding.REMOVED: gettext_lazy("A program is no longer used"),
    IncidentReview.Finding.UNEXPLAINED: gettext_lazy("No cause was found"),
}
SHOWN: Final = 30


class LookForm(forms.Form):
    """What was found of all incidents before the hour that the page told of."""

    through = forms.DateTimeField(widget=forms.HiddenInput)
    finding = forms.ChoiceField(
        label=gettext_lazy("What was it?"), choices=list(FINDINGS.items()), widget=forms.RadioSelect
    )


@for_area("privacy")
@require_http_methods(["GET", "HEAD", "POST"])
def incidents(request: HttpRequest) -> HttpResponse:
    """Tell whether incidents wait to be looked into, and record that somebody did."""
    hour = settled()
    if request.method != "POST":
        return _page(request, LookForm(initial={"through": hour.isoformat()}), hour)
    said = request.POST.copy()
    form = LookForm(said)
    if not form.is_valid():
        said["through"] = hour.isoformat()  # what is shown again is what is told now
        return _page(request, form, hour, status=422)
    try:
        _look(form.cleaned_data, staff_ref(request))
    except RetentionError as refusal:
        messages.error(request, f"{refusal.detail} {refusal.next_step}")
        return redirect("privacy-incidents")
    messages.success(request, _("Recorded. It stands in the ledger."))
    return redirect("privacy-incidents")


def _look(said: dict[str, Any], by: UUID) -> None:
    finding = IncidentReview.Finding(said["finding"])
    look_into_incidents(through=said["through"], finding=finding, by=by)


def _page(request: HttpRequest, form: LookForm, hour: datetime, status: int = 200) -> HttpResponse:
    waiting = open_incidents(before=hour)
    reviews = IncidentReview.objects.order_by("-through", "-pk")[:SHOWN]
    context = {
        "waits": waiting.exists(),
        "of": figures.of_how_many(waiting, of="agent__subject"),
        "form": form,
        "through": hour,
        "reviews": [
            {"at": review.recorded_at, "finding": FINDINGS[review.finding]} for review in reviews
        ],
        "crumbs": [crumb("privacy")],
    }
    return render(request, "privacy/incidents.html", context, status=status)
