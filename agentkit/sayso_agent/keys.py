"""The agent's own key, Ed25519 or P-256, and the proofs that it makes. Pure but for randomness."""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from sayso_agent.jws import b64url

Key: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey

ED25519: Final = "ed25519"
P256: Final = "p-256"
KINDS: Final = (ED25519, P256)
ENROL: Final = "agent-proof+jwt"
ROTATE: Final = "agent-rotation+jwt"
CHANGE: Final = "agent-key+jwt"


def new_key(kind: str) -> Key:
    """Return a new key of one of KINDS."""
    return ec.generate_private_key(ec.SECP256R1()) if kind == P256 else Ed25519PrivateKey.generate()


def kind_of(key: Key) -> str:
    """Return which of KINDS a key is of."""
    return ED25519 if isinstance(key, Ed25519PrivateKey) else P256


def public_bytes(key: Key) -> bytes:
    """Return the public half: 32 bytes, or the uncompressed point of P-256."""
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key().public_bytes_raw()
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def to_pem(key: Key) -> bytes:
    """Return the key as it is kept, in a file that only we can read."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def from_pem(pem: bytes) -> Key:
    """Return the key; ValueError for what is none of ours."""
    key = load_pem_private_key(pem, password=None)
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("a key of another kind")


def prove(key: Key, *, portal: str, secret: str, typ: str) -> str:
    """Return a proof that we hold the key, good for one portal, one secret and some minutes."""
    head = {"alg": "EdDSA" if kind_of(key) == ED25519 else "ES256", "typ": typ}
    claims = {
        "aud": portal,
        "ath": b64url(hashlib.sha256(secret.encode()).digest()),
        "iat": int(time.time()),
        "jti": secrets.token_hex(16),
    }
    signed = f"{_part(head)}.{_part(claims)}"
    return f"{signed}.{b64url(_sign(key, signed.encode('ascii')))}"


def _part(value: Mapping[str, object]) -> str:
    return b64url(json.dumps(value, separators=(",", ":")).encode())


def _sign(key: Key, data: bytes) -> bytes:
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(data)
    # RFC 7518 section 3.4 wants the two numbers side by side, not ASN.1.
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
