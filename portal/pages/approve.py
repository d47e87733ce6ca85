"""The page on which a person lets a machine in: allauth's, with the form's own token demanded."""

from allauth.idp.oidc.views import device_authorization
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase


@login_required
def approve_machine(request: HttpRequest) -> HttpResponseBase:
    """Show the code, and take the person's Approve or Deny (RFC 8628 section 3.3).

    allauth exempts its view from CSRF protection; this one is not exempt, so that no other site
    can let a machine in through the person's browser.
    """
    return device_authorization(request)
