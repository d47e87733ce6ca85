"""The other way into operations that people call too: whoever is signed in, by their session."""

from typing import Any

from rest_framework import exceptions
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request

from portal.api.errors import Problem


def signed_in(request: Request) -> tuple[Any, Any] | None:
    """Return the caller who is signed in; None when nobody is.

    A login needs the form token too, as on every page: raises Problem 403 without it.
    """
    try:
        return SessionAuthentication().authenticate(request)
    except exceptions.PermissionDenied as refusal:
        raise Problem(
            status_code=403,
            code="form_token_missing",
            detail="A request by login needs the token that stands in every form.",
            next_step="Send it in the header X-CSRFToken.",
        ) from refusal
