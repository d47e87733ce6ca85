"""allauth's device flow where ours differs: a form's token is demanded, questions are counted."""

import time
from functools import lru_cache
from typing import Final

from allauth.core.internal.httpkit import get_client_ip
from allauth.idp.oidc.views import device_authorization, device_code
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from portal.endpoint.limits import Buckets
from portal.pages.codes import OF_FLEET, CodeForm, as_shown, refused, to_page

CODE_PAGE: Final = "idp/oidc/device_authorization_code_form.html"


@csrf_exempt  # a machine asks, no browser
@require_POST
def start(request: HttpRequest) -> HttpResponseBase:
    """Give a machine its two codes (RFC 8628 section 3.2).

    Anybody may ask, and each time something is written: so it is counted by the address, widely
    enough for an office that enrols all its machines from one.
    """
    address = get_client_ip(request) or ""
    if pause := buckets().take(address.encode(), time.monotonic()):
        return JsonResponse({"error": "slow_down"}, status=429, headers={"Retry-After": str(pause)})
    return device_code(request)


@lru_cache(maxsize=1)
def buckets() -> Buckets:
    """Return the one set of buckets of this process, by addresses."""
    return Buckets(settings.DEVICE_CODES_PER_ADDRESS)


@login_required
def approve_machine(request: HttpRequest) -> HttpResponseBase:
    """Show the code, and take the person's Approve or Deny (RFC 8628 section 3.3).

    allauth exempts its view from CSRF protection; this one is not exempt, so that no other site
    can let a machine in through the person's browser. What no machine can show is not looked up,
    and the code of a machine that came by a ticket is looked up where those wait.
    """
    data = request.POST if "code" in request.POST else request.GET
    if "code" not in data:
        return render(request, CODE_PAGE, {"form": CodeForm()})
    typed = data["code"]
    code = as_shown(typed)
    if not code:
        return render(request, CODE_PAGE, {"form": refused(data)})
    if len(code) == OF_FLEET:
        return to_page("you-approve-machine", code)
    if request.GET.get("code") != code:
        return to_page("approve-machine", code)
    return device_authorization(request)
