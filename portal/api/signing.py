"""Policies as compact JWS (RFC 7515, EdDSA by RFC 8037), and the key set that verifies them."""

import binascii
import logging
from functools import lru_cache
from typing import Any

from django.utils import timezone

from consent.digests import canonical
from consent.services.room import LARGEST
from portal.endpoint.answer import NO_KEY, Unavailable
from portal.policykeys import ring

logger = logging.getLogger(__name__)
POLICY_TYPE = "policy+jwt"


def sign_policy(payload: bytes, by: ring.Signs) -> bytes:
    """Return a document's bytes as a signed policy; agents apply nothing that does not verify.

    They believe no policy that was issued before its key began, so none is given to it to sign.
    One that is too large is sent all the same: to refuse it is to stop, which nothing else here
    would bring about as soon.
    """
    said = b"%b.%b" % (_head(by.kid), _encoded(payload))
    signed = b"%b.%b" % (said, _encoded(by.private.sign(said)))
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
                "x": _encoded(member.public).decode("ascii"),
                "use": "sig",
                "alg": "EdDSA",
            }
            for member in ring.ring()
            if member.is_published(now)
        ]
    }


@lru_cache(maxsize=8)
def _head(kid: str) -> bytes:
    return _encoded(canonical({"alg": "EdDSA", "kid": kid, "typ": POLICY_TYPE}))


def _encoded(raw: bytes) -> bytes:
    """Return base64url without padding (RFC 7515, section 2).

    By replacing: the two letters are rare in what encodes JSON, and to look for them costs a fifth
    of what it costs to translate every letter.
    """
    plain = binascii.b2a_base64(raw, newline=False)
    return plain.replace(b"+", b"-").replace(b"/", b"_").rstrip(b"=")
