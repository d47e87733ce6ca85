"""A key to which anybody can make signatures is no key: it proves nothing (RFC 8032)."""

from __future__ import annotations

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings

from portal.api import proofs
from portal.api.errors import Problem

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ZERO = (0, 1)
Point = tuple[int, int]


def plus(p: Point, q: Point) -> Point:
    """Addition on edwards25519, from its definition and nothing of ours."""
    (x1, y1), (x2, y2) = p, q
    k = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P,
    )


def root(square: int) -> int:
    found = pow(square, (P + 3) // 8, P)
    if (found * found - square) % P:
        found = found * pow(2, (P - 1) // 4, P) % P
    assert (found * found - square) % P == 0
    return found


def point(y: int) -> Point:
    return root((y * y - 1) * pow(D * y * y + 1, -1, P) % P), y


def order(p: Point) -> int:
    q, n = p, 1
    while q != ZERO and n < 16:
        q, n = plus(q, p), n + 1
    return n


SPELLINGS = sorted(
    (spelt | sign << 255).to_bytes(32, "little")
    for y in proofs.SMALL
    for spelt in (y, y + P)
    if spelt < 2**255
    for sign in (0, 1)
)


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged() -> str:
    """A proof that nobody signed: R is the identity, S is 0."""
    claims = {
        "aud": settings.PUBLIC_URL,
        "iat": int(time.time()),
        "ath": proofs.bound_to("secret"),
        "jti": "1",
    }
    parts = ({"alg": "EdDSA", "typ": proofs.ENROL}, claims)
    signed = ".".join(encode(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{encode((1).to_bytes(32, 'little') + bytes(32))}"


def test_the_points_listed_are_all_of_small_order() -> None:
    orders = sorted(order(point(y)) for y in proofs.SMALL)

    assert orders == [1, 2, 4, 8, 8]  # with their negatives: 1 + 1 + 2 + 4, and there are no more


def test_the_library_lets_a_forgery_by_such_a_key_pass() -> None:
    """Why it is looked at: without that, this would be a proof."""
    identity = Ed25519PublicKey.from_public_bytes((1).to_bytes(32, "little"))
    signed, _, signature = forged().rpartition(".")

    identity.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode())


@pytest.mark.parametrize("key", SPELLINGS, ids=bytes.hex)
def test_no_proof_by_such_a_key_is_believed(key: bytes) -> None:
    with pytest.raises(Problem) as refused:
        proofs.checked_key(
            kind=proofs.KeyKind.ED25519, public_key=encode(key), proof=forged(), secret="secret"
        )

    assert refused.value.code == "proof_invalid"
