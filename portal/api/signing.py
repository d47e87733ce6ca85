"""Policies as compact JWS (RFC 7515, EdDSA by RFC 8037), and the key set that verifies them."""

import base64
import logging
from typing import Any, Final

from django.utils import timezone

from consent.digests import canonical
from portal.endpoint.answer import NO_KEY, Unavailable
from portal.policykeys import ring

logger = logging.getLogger(__name__)
POLICY_TYPE = "policy+jwt"
LARGEST: Final = 256 * 1024
"""What an agent reads of a policy at most, as it is sent; a larger one it refuses, and stops."""


def sign_policy(payload: bytes, by: ring.Signs) -> bytes:
    """Return a document's bytes as a signed policy; agents apply nothing that does not verify.

    They believe no policy that was issued before its key began, so none is given to it to sign.
    One that is too large is sent all the same: to refuse it is to stop, which nothing else here
    would bring about as soon.
    """
    head = _encode(canonical({"alg": "EdDSA", "kid": by.kid, "typ": POLICY_TYPE}))
    body = _encode(payload)
    signature = _encode(by.private.sign(f"{head}.{body}".encode("ascii")))
    signed = f"{head}.{body}.{signature}".encode("ascii")
    if len(signed) > LARGEST:
        logger.error("policy_too_large bytes=%d", len(signed))
    return signed


def signing_key() -> ring.Signs:
    """Return the key that signs now; raises Unavailable where the root vouches for none."""
    try:
        return ring.signs_now()
    except ring.NoKeySigns as error:
        raise Unavailable(NO_KEY) from error


def key_set() -> dict[str, Any]:
    """Return the JWK set (RFC 7517): the key that signs, those before it and the one to come."""
    now = timezone.now()
    return {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "kid": member.kid,
                "x": _encode(member.public),
                "use": "sig",
                "alg": "EdDSA",
            }
            for member in ring.ring()
            if member.is_published(now)
        ]
    }


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
