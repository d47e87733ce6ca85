"""The account page that we keep ourselves: the address somebody signs in with."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@login_required
@require_safe
def email(request: HttpRequest, key: str = "") -> HttpResponse:
    """Show the address; it cannot be changed or confirmed here.

    Facts about people are loaded under this address. Whoever could change their own could take over
    one that is meant for somebody else.
    """
    return render(request, "account/email.html")
