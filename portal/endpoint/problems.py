"""Refusals of the policy endpoint as problem details (RFC 9457)."""

import json
from functools import lru_cache

from portal.api.errors import CONTENT_TYPE, problem
from portal.endpoint.answer import GUARDS, Answer, Refusal


def delivered(said: Answer | Refusal) -> Answer:
    """Return an answer as it is, and a refusal as the problem it stands for."""
    if isinstance(said, Answer):
        return said
    return _rendered(said)


@lru_cache(maxsize=64)
def _rendered(refusal: Refusal) -> Answer:
    document = problem(
        status_code=refusal.status,
        code=refusal.code,
        detail=refusal.detail,
        next_step=refusal.next_step,
    )
    body = json.dumps(document, separators=(",", ":")).encode()
    headers = [
        (b"content-type", CONTENT_TYPE.encode("ascii")),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"private, no-store"),
        *GUARDS,
    ]
    if refusal.retry_after:
        headers.append((b"retry-after", b"%d" % refusal.retry_after))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Answer(refusal.status, headers, body)
