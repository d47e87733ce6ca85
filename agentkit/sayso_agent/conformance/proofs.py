"""What the kit's portal signs beside policies, and how it checks agents' proofs. Pure."""

import hashlib
import json
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sayso_agent.jws import b64url, b64url_decode, sign
from sayso_agent.manifest import TYPE, thumbprint


def listed(kid: str, key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return a key as a manifest lists it, good from the beginning of time."""
    kind = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA"}
    return {**kind, "kid": kid, "x": b64url(key.public_key().public_bytes_raw()), "nbf": 0}


def vouched(root: Ed25519PrivateKey, now: float, *, typ: str = TYPE, **said: Any) -> str:
    """Return a key manifest by a root, good for a day from `now` unless it says otherwise."""
    public = root.public_key().public_bytes_raw()
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": b64url(public)}
    usual = {"v": 1, "iat": int(now), "exp": int(now) + 86_400, "epoch": 0, "revoked": []}
    head: dict[str, Any] = {"typ": typ, "kid": thumbprint(public), "jwk": jwk}
    return sign({**usual, **said}, root, **head)


def proves(proof: str, key: bytes, *, portal: str, secret: str, typ: str) -> bool:
    """Return whether a proof is by the key, for the portal, about the secret, and fresh."""
    if len(key) != 32:
        return False
    head, claims, signature = proof.split(".")
    try:
        public = Ed25519PublicKey.from_public_bytes(key)
        public.verify(b64url_decode(signature), f"{head}.{claims}".encode())
    except InvalidSignature:
        return False
    said = json.loads(b64url_decode(claims))
    return bool(
        json.loads(b64url_decode(head)) == {"alg": "EdDSA", "typ": typ}
        and said["aud"] == portal
        and said["ath"] == b64url(hashlib.sha256(secret.encode()).digest())
        and abs(said["iat"] - time.time()) < 60
    )
