"""The private halves of policy keys: the first one's file, and the sealed ones of all others."""

import hashlib
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings

from audit import seal
from portal.policykeys.models import PolicyKey


class Founding(NamedTuple):
    """The key that the installation began with, a file of its own."""

    kid: str
    public: bytes
    private: Ed25519PrivateKey


@lru_cache(maxsize=1)
def founding() -> Founding:
    """Return the key that the installation began with."""
    key = load_pem_private_key(settings.SAYSO_POLICY_KEY, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("policy-signing.pem does not hold an Ed25519 key")
    public = key.public_key().public_bytes_raw()
    return Founding(key_id(public), public, key)


def private_of(row: PolicyKey) -> Ed25519PrivateKey | None:
    """Return a key's private half; None where it was erased, or lies in a file."""
    if row.sealed is None:
        return None
    raw = seal.unwrap(settings.SAYSO_SEAL_KEK, bytes(row.sealed), owner=place_of(row.kid))
    return Ed25519PrivateKey.from_private_bytes(raw)


def sealed(kid: str, private: Ed25519PrivateKey) -> bytes:
    """Return a private half as it is stored."""
    raw = private.private_bytes_raw()
    return seal.wrap(settings.SAYSO_SEAL_KEK, raw, owner=place_of(kid))


def key_id(public: bytes) -> str:
    """Return a key's id: the start of the SHA-256 of its public half."""
    return hashlib.sha256(public).hexdigest()[:16]


def place_of(kid: str) -> str:
    """Return for which key a private half is sealed, so that none passes for another."""
    return f"policy-key:{kid}"
