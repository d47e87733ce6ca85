"""Middleware: security headers on every answer, and a clear page while PostgreSQL is away."""

import logging
from collections.abc import Callable
from math import ceil
from typing import Final

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin

logger = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
RETRY_AFTER_SECONDS = "10"


class SecurityHeaders:
    """Put a strict Content-Security-Policy on every answer, errors included (OWASP ASVS 3.4)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.setdefault("X-Frame-Options", "DENY")
        response.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if not response.has_header("Cache-Control"):
            # Pages show one person's decisions: no shared or later reader may find them in a cache.
            response["Cache-Control"] = "private, no-store"
        return response


STAFF: Final = (
    "/privacy/",
    "/audit/",
    "/council/",
    "/releases/",
    "/manager/",
    "/stop/",
    "/docs/",
    "/api/",
    "/status",
    "/.well-known/",
    "/log/",
)
"""What is written in one language only."""


class StaffPagesInOneLanguage:
    """Keep the pages of staff, the documentation and the API in the language they are written in.

    Only what employees read is translated. A page that said `lang="de"` over English sentences
    would be read out wrongly, and an answer of the API must not depend on a browser's header.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_of_staff(request.path):
            translation.activate(settings.LANGUAGE_CODE)
            request.LANGUAGE_CODE = settings.LANGUAGE_CODE
        return self.get_response(request)


def is_of_staff(path: str) -> bool:
    """Say whether an address belongs to what is written in one language only."""
    return path.startswith(STAFF)


class ButtonsAreNoPages:
    """Say in words that the address of a button was opened as a page.

    Whoever presses a button without being signed in is led back to its address once they are, and
    would see the browser's own error there: as if it had been done, or as if all were broken.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not isinstance(response, HttpResponseNotAllowed) or request.path.startswith("/api/"):
            return response
        page = render(request, "405.html", status=response.status_code)
        page["Allow"] = response["Allow"]
        return page


class AnswerWithoutDatabase(MiddlewareMixin):
    """Say plainly that the database is away; leases lapse by themselves meanwhile."""

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return 503 for a lost database, in the caller's own form; None for all else."""
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        logger.error("database_unavailable")
        if request.path.startswith("/api/"):
            response: HttpResponse = JsonResponse(
                {
                    "type": "about:blank",
                    "title": "The database cannot be reached",
                    "status": 503,
                    "code": "database_unavailable",
                    "next_step": "Keep to the lease you have and ask again later.",
                },
                status=503,
                content_type="application/problem+json",
            )
        else:
            response = render(
                None,
                "503.html",
                {"lease_minutes": ceil(settings.POLICY_LEASE_SECONDS / 60)},
                status=503,
            )
        response["Retry-After"] = RETRY_AFTER_SECONDS
        return response
