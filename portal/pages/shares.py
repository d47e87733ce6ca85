"""Sharing one's own half of an explanation, ending that, and seeing who looked."""

from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from consent import services
from consent.exceptions import ConsentError
from consent.models import App, ExplanationShare, Subject
from consent.policy.types import Signal
from consent.selectors.explain import Explanation
from consent.selectors.shares import standing_shares
from portal.explaining import Look, looks_at
from portal.pages.dates import day_in_words
from portal.pages.groundwords import moment
from portal.pages.words import refused
from portal.people import subject_of
from portal.templatetags.words import signal_name

RECENT: Final = 20
TERMS: Final = (1, 7, 30)
WHO: Final[dict[str, Promise]] = {
    "staff": gettext_lazy("The privacy team or an auditor"),
    "system": gettext_lazy("Somebody at the server"),
}


class ShareForm(forms.Form):
    """Which answer the person shares, and for how long."""

    app = forms.SlugField(max_length=60, widget=forms.HiddenInput)
    signal = forms.ChoiceField(
        choices=[(signal.value, signal.value) for signal in Signal], widget=forms.HiddenInput
    )
    day = forms.DateField(widget=forms.HiddenInput)
    days = forms.TypedChoiceField(
        label=gettext_lazy("For how long"),
        choices=lambda: [(days, _term(days)) for days in TERMS],
        coerce=int,
    )

    @classmethod
    def about(cls, found: Explanation) -> "ShareForm":
        """Return the form for the answer just given."""
        day = found.at.astimezone(UTC).date()
        return cls(initial={"app": found.app, "signal": found.signal.value, "day": day})


@login_required
@require_POST
def share(request: HttpRequest) -> HttpResponse:
    """Share one answer with the privacy team and auditors, until its time is over."""
    subject, form = subject_of(request), ShareForm(request.POST)
    said = form.cleaned_data if form.is_valid() else {}
    app = App.objects.filter(code=said["app"]).first() if said else None
    if app is None:
        messages.error(request, _("Ask first, then share the answer. Nothing was shared."))
        return redirect("you-explain")
    try:
        shared = services.share_explanation(
            subject=subject,
            app=app,
            signal=Signal(said["signal"]),
            day=said["day"],
            days=said["days"],
        )
    except ConsentError as refusal:
        messages.error(request, refused(refusal))
    else:
        until = moment(shared.until)
        messages.success(
            request, _("Shared until %(until)s. You can stop it here.") % {"until": until}
        )
    return redirect("you-explain")


@login_required
@require_POST
def stop_sharing(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """End one of one's own shares at once."""
    if services.end_share(subject=subject_of(request), uuid=uuid) is None:
        raise Http404
    messages.success(request, _("It is no longer shared."))
    return redirect("you-explain")


def shares_of(subject: Subject, at: datetime) -> list[dict[str, Any]]:
    """Return what the person shares now, each with the way to stop it."""
    return [
        {**_about(each), "stop_url": reverse("you-stop-sharing", args=[each.uuid])}
        for each in standing_shares(at).filter(subject=subject)
    ]


def shared_with_staff(at: datetime) -> list[dict[str, Any]]:
    """Return what people share now, each as the question that it answers.

    A question is posted with an instant of the day; today's is the present one, so none is named.
    """
    return [
        {
            **_about(each),
            "ref": each.subject.ref,
            "app_code": each.app.code,
            "signal_code": each.signal,
            "at": _instant(each.day, at),
        }
        for each in standing_shares(at)
    ]


def looks_of(
    subject: Subject, *, before: datetime | None = None, most: int = RECENT
) -> list[dict[str, Any]]:
    """Return who asked why about the person, newest first."""
    return [
        {"at": look.at, "who": WHO.get(look.actor_kind, look.actor_kind), "text": look_words(look)}
        for look in looks_at(subject, before=before, limit=most)
    ]


def look_words(look: Look) -> str:
    """Return what was asked and what was shown, in one sentence."""
    said = look.detail
    about = _("one decision")
    if "app" in said:
        app = App.objects.filter(code=said["app"]).values_list("name", flat=True).first()
        about = f"{signal_name(said['signal'])}, {app or said['app']}"
    if look.whole:
        return _("Asked about %(what)s, and saw the whole answer: you shared it.") % {"what": about}
    return _("Asked about %(what)s, and saw only what is the same for everybody.") % {"what": about}


def _term(days: int) -> str:
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


def _about(each: ExplanationShare) -> dict[str, Any]:
    return {
        "app": each.app.name,
        "signal": signal_name(each.signal),
        "day": day_in_words(each.day),
        "until": each.until,
    }


def _instant(day: date, now: datetime) -> str:
    return "" if day == now.astimezone(UTC).date() else f"{day.isoformat()}T12:00"
