"""`/`: for a stranger what this is and what is decided about them; for everyone else their home."""

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from portal.models import Role, User
from portal.pages.capture import capture_of_nobody
from portal.people import roles_of

LOOPBACK = {"127.0.0.1", "::1"}
HOMES = (
    (Role.PRIVACY_OFFICER, "privacy-home"),
    (Role.WORKS_COUNCIL, "council-home"),
    (Role.ML_STEWARD, "releases-home"),
    (Role.AUDITOR, "audit-entries"),
    (Role.MANAGER, "manager-home"),
    (Role.OPERATOR, "status"),
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the landing page to a stranger, and send everyone else to the home of their role."""
    if not isinstance(request.user, User):
        return render(
            request,
            "pages/landing.html",
            {
                "capture": capture_of_nobody(),
                "login_url": reverse("account_login"),
                "demo_accounts": demo_accounts(request),
            },
        )
    roles = roles_of(request)
    for role, page in HOMES:
        if role in roles:
            return redirect(page)
    return redirect("you-home")


def demo_accounts(request: HttpRequest) -> list[dict[str, Any]]:
    """Return who may sign in to the demonstration company; nobody where it is not loaded.

    Only shown to somebody on this very machine.
    """
    if request.META.get("REMOTE_ADDR") not in LOOPBACK:
        return []
    try:
        demo = json.loads((settings.HOME / "demo-accounts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [
        {"role": account["label"], "email": account["email"], "password": demo["password"]}
        for account in demo["accounts"]
    ]
