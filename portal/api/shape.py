"""Middleware: whatever goes wrong at an address of the API is said in the API's own form.

Django says by pages what goes wrong before or beside a view: an unknown address, a method, a host.
Programs ask here, and read problem details (RFC 9457), or OAuth's errors (RFC 6749 section 5.2)
where they enrol.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Final

from django.core.exceptions import BadRequest, DisallowedHost, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from portal.api.authentication import as_problem
from portal.api.errors import Problem, problem_response
from portal.endpoint.hosts import HOST_REFUSED

API: Final = "/api/"
OAUTH: Final = "/identity/o/api/"
KEPT: Final = ("Allow", "Retry-After", "WWW-Authenticate")
"""Headers of an answer that stay when its body changes."""


class ErrorsInTheirForm:
    """Answers programs in their form, and refuses what no database can hold."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer; pages are left as they are."""
        if request.path.startswith(API):
            return self._api(request)
        if request.path.startswith(OAUTH):
            return self._oauth(request)
        return self.get_response(request)

    def _api(self, request: HttpRequest) -> HttpResponse:
        if not _is_ours(request):
            return problem_response(as_problem(HOST_REFUSED))
        response = self.get_response(request)
        if response.status_code < 400 or "json" in response.get("Content-Type", ""):
            return response
        return _with_headers(response, problem_response(_said_by(response.status_code)))

    def _oauth(self, request: HttpRequest) -> HttpResponse:
        if not _is_ours(request):
            return _oauth_error(400, "The portal has another address.")
        if not _is_clean(request):
            return _oauth_error(400, "The request cannot be read, or contains NUL.")
        response = self.get_response(request)
        if response.status_code < 400 or "json" in response.get("Content-Type", ""):
            return response
        return _with_headers(response, _oauth_error(response.status_code, "It cannot be done."))


def _said_by(status: int) -> Problem:
    """Return the problem that a status alone stands for."""
    if status == 404:
        return Problem(
            status_code=404,
            code="not_found",
            detail="Nothing is at this address.",
            next_step="Check the address.",
        )
    if status == 405:
        return Problem(
            status_code=405,
            code="method_not_allowed",
            detail="The address does not know this method.",
            next_step="Use one of the methods in the Allow header.",
        )
    refused = Problem(
        status_code=400,
        code="request_refused",
        detail="The request cannot be read.",
        next_step="Compare the request with the schema at /api/schema/.",
    )
    refused.status_code = status
    return refused


def _with_headers(response: HttpResponse, said: HttpResponse) -> HttpResponse:
    for name in KEPT:
        if name in response:
            said[name] = response[name]
    return said


def _oauth_error(status: int, description: str) -> JsonResponse:
    error = "invalid_request" if status < 500 else "server_error"
    return JsonResponse(
        {"error": error, "error_description": description},
        status=status,
        headers={"Cache-Control": "no-store"},
    )


def _is_ours(request: HttpRequest) -> bool:
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _is_clean(request: HttpRequest) -> bool:
    """Return whether the form, the query and the client's own name can be read, and hold no NUL."""
    try:
        said = (request.GET, request.POST)
    except (BadRequest, MultiPartParserError, SuspiciousOperation, UnreadablePostError):
        return False
    return not any(map(_has_nul, said)) and b"\0" not in _basic(request)


def _has_nul(said: QueryDict) -> bool:
    return any("\0" in text for name, values in said.lists() for text in (name, *values))


def _basic(request: HttpRequest) -> bytes:
    """Return what HTTP's Basic credentials say; nothing where there are none that can be read."""
    scheme, _, coded = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(coded)
    except (binascii.Error, ValueError):
        return b""
