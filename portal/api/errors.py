"""One error shape for the whole API: RFC 9457 problem details, a stable code, a next step."""

import logging
from collections.abc import Mapping
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.views import defaults
from rest_framework import exceptions, status
from rest_framework.response import Response

logger = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"

TITLES = {
    400: "The request cannot be read",
    401: "Unknown token",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "In conflict with what stands",
    410: "Gone",
    413: "Too large",
    415: "Unsupported media type",
    422: "Refused",
    429: "Too many requests",
    431: "Headers too large",
    500: "Something went wrong here",
    503: "Not available now",
}
NEXT_STEPS = {
    400: "Compare the request with the schema at /api/schema/.",
    401: "Stop capture at once, then enrol again.",
    403: "Stop capture at once. The person it belongs to can enrol the machine again.",
    404: "Check the address.",
    405: "Use one of the methods in the Allow header.",
    415: "Send application/json.",
    429: "Wait as long as Retry-After says.",
}


class Problem(exceptions.APIException):
    """A refusal with its own code, next step and further members; raised anywhere in the API."""

    def __init__(
        self, *, status_code: int, code: str, detail: str, next_step: str, **members: Any
    ) -> None:
        super().__init__(detail=detail, code=code)
        self.status_code = status_code
        self.code = code
        self.next_step = next_step
        self.members = members


def unknown_token(detail: str) -> Problem:
    """Return the refusal of a caller that nobody vouches for; it ends capture at once."""
    return Problem(status_code=401, code="token_unknown", detail=detail, next_step=NEXT_STEPS[401])


def problem(
    *, status_code: int, code: str, detail: str, next_step: str, members: Mapping[str, Any] = {}
) -> dict[str, Any]:
    """Return the members of one problem document."""
    return {
        "type": f"{reverse('docs-page', args=['reference/errors'])}#{code}",
        "title": TITLES.get(status_code, "Something went wrong"),
        "status": status_code,
        "detail": detail,
        "code": code,
        "next_step": next_step,
        **members,
    }


def problem_response(raised: Problem) -> JsonResponse:
    """Return a problem as Django answers it: for views that are not DRF's."""
    document = problem(
        status_code=raised.status_code,
        code=raised.code,
        detail=str(raised.detail),
        next_step=raised.next_step,
        members=raised.members,
    )
    return JsonResponse(document, status=raised.status_code, content_type=CONTENT_TYPE)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer what nobody expected: the API in its own shape, a browser with a page."""
    if not request.path.startswith("/api/"):
        return defaults.server_error(request)
    return problem_response(
        Problem(
            status_code=500,
            code="server_error",
            detail="The portal failed at this request; its log says where.",
            next_step="Keep to the lease you have; ask again later, and tell who runs the portal.",
        )
    )


def problem_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Turn any expected exception into problem details; None lets an unexpected one fail loudly."""
    from rest_framework.views import set_rollback  # the views import this module's users

    if isinstance(error, OperationalError | InterfaceError):
        error = Problem(
            status_code=503,
            code="database_unavailable",
            detail="The database cannot be reached, so nothing that allows can be said.",
            next_step="Keep to the lease you have and ask again later.",
        )
        error.wait = 10  # type: ignore[attr-defined]
        logger.error("database_unavailable")
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    code, members = _code_and_members(error)
    document = problem(
        status_code=error.status_code,
        code=code,
        detail=_sentence(error),
        next_step=getattr(error, "next_step", NEXT_STEPS.get(error.status_code, "Try again.")),
        members=members,
    )
    response = Response(document, status=error.status_code, content_type=CONTENT_TYPE)
    if wait := getattr(error, "wait", None):
        response["Retry-After"] = str(int(wait))
    if error.status_code == status.HTTP_401_UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _code_and_members(error: exceptions.APIException) -> tuple[str, dict[str, Any]]:
    if isinstance(error, Problem):
        return error.code, error.members
    if isinstance(error, exceptions.ValidationError):
        return "invalid_request", {"errors": error.detail}
    return str(error.default_code), {}


def _sentence(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "Some members of the request are missing or wrong; see errors."
    return str(error.detail)
