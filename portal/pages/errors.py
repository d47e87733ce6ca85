"""Error pages: what happened, and what to do next; they need no database."""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views import defaults

from portal.toolarge import limits


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was too old or came from elsewhere: nothing was stored."""
    return render(request, "403_csrf.html", status=403)


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The request cannot be read; where only a text in it is too long, the page says just that."""
    if isinstance(exception, RequestDataTooBig):
        return render(None, "413.html", limits(), status=413)
    return defaults.bad_request(request, exception)


def not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The page belongs to another role: said in the reader's language, whatever the page's own.

    Pages of staff are English, and who is turned away from one is not of that staff.
    """
    language = translation.get_language_from_request(request)
    with translation.override(language):
        page = render(request, "403.html", status=403)
    page["Content-Language"] = language
    return page
