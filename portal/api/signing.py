"""Policies as compact JWS (RFC 7515, EdDSA by RFC 8037), and the key set that verifies them."""

import base64
import hashlib
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from consent.digests import canonical

POLICY_TYPE = "policy+jwt"


def sign_policy(payload: bytes) -> str:
    """Return a document's bytes as a signed policy; agents apply nothing that does not verify."""
    head = _encode(canonical({"alg": "EdDSA", "kid": key_id(), "typ": POLICY_TYPE}))
    body = _encode(payload)
    signature = _encode(_key().sign(f"{head}.{body}".encode("ascii")))
    return f"{head}.{body}.{signature}"


def key_set() -> dict[str, Any]:
    """Return the JWK set (RFC 7517) with the public halves of the keys in use."""
    return {
        "keys": [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "kid": key_id(),
                "x": _encode(_key().public_key().public_bytes_raw()),
                "use": "sig",
                "alg": "EdDSA",
            }
        ]
    }


@lru_cache(maxsize=1)
def key_id() -> str:
    """Return the key's id: the start of the SHA-256 of its public half."""
    return hashlib.sha256(_key().public_key().public_bytes_raw()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _key() -> Ed25519PrivateKey:
    key = load_pem_private_key(settings.SAYSO_POLICY_KEY, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("policy-signing.pem does not hold an Ed25519 key")
    return key


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
