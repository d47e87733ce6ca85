"""allauth's device flow where ours differs: a form's token is demanded, questions are counted."""

import re
import time
from functools import lru_cache
from typing import Final

from allauth.core.internal.httpkit import get_client_ip
from allauth.idp.oidc.views import device_authorization, device_code
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from portal.accounts import NO_SUCH_CODE
from portal.endpoint.limits import Buckets

CODE: Final = re.compile(r"[0-9A-Za-z -]{1,32}")


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
    can let a machine in through the person's browser. What no machine can show is not looked up.
    """
    code = (request.POST.get("code") or request.GET.get("code", "")).strip()
    if code and not CODE.fullmatch(code):
        messages.error(request, NO_SUCH_CODE)
        return redirect(request.path)
    return device_authorization(request)
