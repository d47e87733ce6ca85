"""Error pages: what happened, and what to do next; they need no database."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was too old or came from elsewhere: nothing was stored."""
    return render(request, "403_csrf.html", status=403)
