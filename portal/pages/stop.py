"""The kill switch: one person stops capture for a purpose or for everything; two release it."""

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from consent import selectors, services
from consent.exceptions import ConsentError
from consent.models import KillSwitch, Purpose
from portal.models import Role
from portal.people import AREAS, for_area, roles_of, staff_ref

REASONS: Final[dict[str, str | Promise]] = {
    "incident": gettext_lazy("An incident, or the suspicion of one"),
    "wrong_data": gettext_lazy("More is recorded than was said"),
    "legal": gettext_lazy("A legal doubt or an order of an authority"),
    "dispute": gettext_lazy("A labour dispute"),
    "other": gettext_lazy("Another reason"),
}
EVERYTHING: Final = ""


class PullForm(forms.Form):
    """What to stop, and why; the reason never delays anything."""

    scope = forms.ChoiceField(label=gettext_lazy("Stop recording for"), required=False)
    reason = forms.ChoiceField(
        label=gettext_lazy("Reason"), choices=list(REASONS.items()), required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scope = self.fields["scope"]
        if isinstance(scope, forms.ChoiceField):
            purposes = Purpose.objects.filter(published_at__isnull=False)
            scope.choices = [
                (EVERYTHING, _("Everything")),
                *((purpose.code, purpose.title) for purpose in purposes),
            ]


@for_area("stop")
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show what is stopped, and let it be stopped or released."""
    return _show(request, PullForm())


@for_area("stop")
@require_POST
def pull(request: HttpRequest) -> HttpResponse:
    """Stop at once; a repeat changes nothing. A reason that is missing counts as another one."""
    form = PullForm(request.POST)
    if not form.is_valid():
        return _show(request, form, status=422)
    code = form.cleaned_data["scope"]
    role = min(roles_of(request) & AREAS["stop"])
    services.pull_kill_switch(
        purpose=Purpose.objects.get(code=code) if code else None,
        by=staff_ref(request),
        role=role,
        reason=form.cleaned_data["reason"] or "other",
    )
    messages.success(request, _("Stopped. Machines learn of it at their next request."))
    return redirect("stop")


@for_area("privacy")
@require_POST
def release(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """Agree to release a switch; the second officer's agreement releases it."""
    try:
        switch = services.release_kill_switch(switch=uuid, officer=staff_ref(request))
    except KillSwitch.DoesNotExist as unknown:
        raise Http404 from unknown
    except ConsentError as refusal:
        messages.error(request, f"{refusal.detail} {refusal.next_step}")
        return redirect("stop")
    if switch.released_at:
        messages.success(request, _("Released. What people chose before counts again."))
    else:
        messages.info(request, _("Your agreement is recorded. A second privacy officer is needed."))
    return redirect("stop")


def _show(request: HttpRequest, form: PullForm, status: int = 200) -> HttpResponse:
    switches = KillSwitch.objects.filter(released_at__isnull=True).select_related("purpose")
    officer = Role.PRIVACY_OFFICER in roles_of(request)
    context = {
        "form": form,
        "switches": [_told(switch, request, officer=officer) for switch in switches],
        "officer": officer,
    }
    return render(request, "privacy/stop.html", context, status=status)


def _told(switch: KillSwitch, request: HttpRequest, *, officer: bool) -> dict[str, Any]:
    said = set(switch.releases.values_list("officer", flat=True))
    agreed = selectors.release_agreements(switch)
    # Two count, and it still stands: one of them was no officer when the other agreed.
    is_complete = len(agreed) >= services.NEEDED_TO_RELEASE
    mine = staff_ref(request) in agreed
    may = officer and (is_complete or not mine)
    role = Role(switch.pulled_as).label if switch.pulled_as in Role.values else switch.pulled_as
    return {
        "name": switch.purpose.title if switch.purpose else _("Everything"),
        "by": role,
        "at": switch.pulled_at,
        "reason": REASONS.get(switch.reason, switch.reason),
        "agreed": len(agreed),
        "complete": is_complete,
        "lapsed": len(said - agreed),
        "mine": mine,
        "release_url": reverse("stop-release", args=[switch.uuid]) if may else "",
    }
