"""Proofs of possession: a short-lived JWS by an agent's own key, bound to one secret and to us.

An agent proves its key when it enrols and when it changes its token, never at each poll.
"""

import base64
import binascii
import hashlib
import time
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings

from consent.models import Agent
from portal import strictjson
from portal.api.errors import Problem

KeyKind = Agent.KeyKind

MAX_AGE_SECONDS: Final = 300
ENROL: Final = "agent-proof+jwt"
ROTATE: Final = "agent-rotation+jwt"
CHANGE: Final = "agent-key+jwt"
ALGORITHM: Final = {KeyKind.ED25519: "EdDSA", KeyKind.P256: "ES256"}
"""The kind of key says the algorithm; the header must repeat it and decides nothing."""
_P: Final = 2**255 - 19
_OF_ORDER_8: Final = 2707385501144840649318225287225658788936804267575313519463743609750303402022
"""The y of a point of edwards25519 of order 8; the other one's is its negative."""
SMALL: Final = frozenset({0, 1, _P - 1, _OF_ORDER_8, _P - _OF_ORDER_8})
"""The y of each point of small order. To such a key anybody can make a signature, over anything."""

FORM: Final = (
    "Compact; its header has `alg` (`EdDSA` for ed25519, `ES256` for p-256) and `typ`, its claims "
    "`aud` (the portal's `issuer`), `iat` (now, in Unix seconds), `jti` (at random) and `ath`: the "
    "SHA-256 of the bearer token of this very request, as base64url without padding."
)
KEY_FORM: Final = (
    "As base64url without padding: of ed25519 its 32 bytes, of p-256 the uncompressed point, "
    "65 bytes that begin with 4."
)
"""What the published schema says of the two."""


def checked_key(
    *, kind: KeyKind, public_key: str, proof: str, secret: str, typ: str = ENROL
) -> bytes:
    """Return the raw key where the proof is by it, for us, fresh, and about this secret."""
    try:
        raw = _decode(public_key)
    except ValueError as error:
        raise _invalid() from error
    check(proof, typ=typ, kind=kind, key=raw, secret=secret)
    return raw


def check(proof: str, *, typ: str, kind: KeyKind, key: bytes, secret: str) -> None:
    """Raise Problem 422 unless the proof is by the key, of the type, for us, fresh, about it."""
    try:
        head, body, signature = proof.split(".")
        _verify(kind, key, _decode(signature), f"{head}.{body}".encode("ascii"))
        header, claims = _object(head), _object(body)
        fresh = abs(time.time() - int(claims["iat"])) <= MAX_AGE_SECONDS
        sound = header["alg"] == ALGORITHM[kind] and header["typ"] == typ and "crit" not in header
        ours = claims["aud"] == settings.PUBLIC_URL and claims["ath"] == bound_to(secret)
    except (ValueError, KeyError, TypeError, OverflowError, InvalidSignature) as error:
        raise _invalid() from error
    if not (fresh and sound and ours):
        raise _invalid()


def identity(proof: str) -> bytes:
    """Return what a proof is known by once it is used: the SHA-256 of what was signed.

    Its signature is left out. Of ES256's there is a second one that is as good, and whoever saw a
    proof can make it without the key.
    """
    return hashlib.sha256(proof.rpartition(".")[0].encode("utf-8")).digest()


def bound_to(secret: str) -> str:
    """Return how a proof names the secret it is about, without saying it."""
    digest = hashlib.sha256(secret.encode("utf-8")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def thumbprint(key: bytes) -> str:
    """Return the SHA-256 of a raw key, as the ledger names it."""
    return hashlib.sha256(key).hexdigest()


def _verify(kind: KeyKind, key: bytes, signature: bytes, signed: bytes) -> None:
    if kind == KeyKind.ED25519:
        if int.from_bytes(key, "little") % 2**255 % _P in SMALL:
            raise ValueError("a key of small order proves nothing")
        Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
        return
    if len(signature) != 64:  # RFC 7518 section 3.4: the two numbers, 32 bytes each
        raise ValueError("no ES256 signature")
    if len(key) != 65 or key[0] != 4:
        raise ValueError("no uncompressed point of P-256")
    numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    public.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(SHA256()))


def _object(part: str) -> dict[str, Any]:
    found = strictjson.parse(_decode(part))
    if not isinstance(found, dict):
        raise TypeError("no JSON object")
    return found


def _decode(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error
    # One spelling for each value: padding, or bits that mean nothing, would be others.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != text.encode("ascii"):
        raise ValueError("no canonical base64url")
    return raw


def _invalid() -> Problem:
    return Problem(
        status_code=422,
        code="proof_invalid",
        detail="The proof of possession is not by this key, not for this portal, or too old.",
        next_step="Check the machine's clock and the portal's address, then try again.",
    )
