"""A person lets in a machine that waits for them, which IT enrolled with a ticket."""

import time
from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.endpoint.limits import Buckets
from portal.fleet import groups, machines
from portal.fleet.machines import MachineElsewhere, MachineUnknown
from portal.fleet.models import EnrolmentTicket
from portal.pages.codes import OF_DEVICE, CodeForm, as_shown, refused, to_page
from portal.people import subject_of, user_of

GUESSES: Final = 20
_buckets = Buckets(GUESSES)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def approve_machine(request: HttpRequest) -> HttpResponse:
    """Show the machine behind a code, and take the person's Approve or Deny."""
    data = request.POST if request.method == "POST" else request.GET
    if "code" not in data:
        return _show(request, CodeForm())
    code = as_shown(data["code"])
    if len(code) == OF_DEVICE:
        return to_page("approve-machine", code)
    # By the person: codes are not to be guessed, and a whole office may share one address.
    if code and _buckets.take(user_of(request).ref.bytes, time.monotonic()):
        error = _("Too many codes in a short time. Wait a minute.")
        return _show(request, refused(data, error), status=429)
    return _look_up(request, data, code)


def _look_up(request: HttpRequest, data: QueryDict, code: str) -> HttpResponse:
    try:
        machine = machines.waiting(code)
        match request.POST.get("action"):
            case "confirm":
                machines.approve_machine(subject=subject_of(request), code=code)
                messages.success(request, _("The machine is yours. It asks for its policy now."))
                return redirect("you-machines")
            case "deny":
                machines.decline_machine(code=code)
                messages.success(request, _("Denied. The machine records nothing."))
                return redirect("you-machines")
            case _:
                pass  # the page itself
    except MachineUnknown:
        return _show(request, refused(data), status=404)
    except MachineElsewhere as refusal:
        form = refused(data, _meant_for_others(refusal.ticket))
        return _show(request, form, status=403, elsewhere=True)
    context = {"code": code, "machine": machine}
    return render(request, "you/approve_machine.html", context)


def _meant_for_others(ticket: EnrolmentTicket) -> str:
    """Say whom the machine was meant for, and where the person sees why it is not them."""
    if ticket.cohort is None:
        words = {"site": ticket.site}
        text = _("This machine was meant for people of the site %(site)s.") % words
    else:
        words = {"group": groups.words(ticket.cohort)}
        text = _("This machine was meant for people of another group: %(group)s.") % words
    todo = _("Compare what is recorded about you, or ask whoever gave it to you.")
    return f"{text} {todo}"


def _show(
    request: HttpRequest, form: CodeForm, *, status: int = 200, elsewhere: bool = False
) -> HttpResponse:
    context = {"form": form, "elsewhere": elsewhere}
    return render(request, "you/approve_machine.html", context, status=status)
