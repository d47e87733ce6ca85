"""The page for somebody whose browser sent a form larger than anything here takes; no database."""

from io import BytesIO
from typing import Final

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.template.loader import render_to_string
from django.utils import translation

from portal.endpoint.answer import GUARDS, Answer
from portal.endpoint.asgi import Scope
from portal.http import CONTENT_SECURITY_POLICY, is_of_staff

MEGABYTE: Final = 1_000_000
DOCUMENT: Final = 52_000_000
"""What a form with a document may have, of somebody who is signed in: 50 MB, and the form."""


def asks_for_a_page(scope: Scope) -> bool:
    """Say whether a person waits for the answer; programs do not ask for HTML."""
    return b"text/html" in dict(scope["headers"]).get(b"accept", b"")


def limits() -> dict[str, int]:
    """Return how many megabytes a form and a document may have, as the page tells."""
    form = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    return {"form": form // MEGABYTE, "document": (DOCUMENT - form) // MEGABYTE}


def page(scope: Scope) -> Answer:
    """Return the page, in the reader's language."""
    language = settings.LANGUAGE_CODE
    if not is_of_staff(scope["path"]):
        language = translation.get_language_from_request(ASGIRequest(scope, BytesIO()))
    with translation.override(language):
        content = render_to_string("413.html", limits()).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", b"%d" % len(content)),
        (b"content-language", language.encode("ascii")),
        (b"cache-control", b"private, no-store"),
        *((name, value) for name, value in GUARDS if name != b"content-security-policy"),
        (b"content-security-policy", CONTENT_SECURITY_POLICY.encode("ascii")),
    ]
    return Answer(413, headers, content)
