"""What the tests of agents' keys and tokens share: keys of both kinds, and proofs by them."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

from tests import factories

PORTAL = "http://127.0.0.1:8000"
ENROL, ROTATE, CHANGE = "agent-proof+jwt", "agent-rotation+jwt", "agent-key+jwt"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class Ed25519:
    """A key of the one kind."""

    kind: str = "ed25519"
    alg: str = "EdDSA"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        return self.key.sign(data)


@dataclass
class P256:
    """A key of the other kind."""

    kind: str = "p-256"
    alg: str = "ES256"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


Key = Ed25519 | P256


def proof(key: Key, secret: str, typ: str, **claims: Any) -> str:
    """A proof of possession; `alg` and the claims may differ from what they should be."""
    head = {"alg": claims.pop("alg", key.alg), "typ": typ}
    said = {
        "aud": PORTAL,
        "ath": b64(hashlib.sha256(secret.encode()).digest()),
        "iat": int(time.time()),
        "jti": token_hex(8),
        **claims,
    }
    signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(said).encode())}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


@dataclass
class Machine:
    """An enrolled agent with a key that the test holds."""

    agent: Any
    token: str
    key: Key

    def rotate(self, token: str | None = None, **differs: Any) -> Any:
        old = token or self.token
        said = differs.pop("said", None) or proof(self.key, old, ROTATE, **differs)
        return Client().post(
            "/api/v1/agents/token",
            {"proof": said},
            content_type="application/json",
            headers={"Authorization": f"Bearer {old}"},
        )

    def name_key(self, new: Key, old: Key | None = None, **differs: Any) -> Any:
        """Ask for another key of the agent's, proven by the old one and by itself."""
        public = b64(new.public)
        secret = f"{self.token}.{public}"
        body = {
            "public_key": public,
            "key_kind": new.kind,
            "proof": proof(old or self.key, secret, CHANGE),
            "new_proof": proof(new, secret, CHANGE),
            **differs,
        }
        return Client().post(
            "/api/v1/agents/key",
            body,
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.token}"},
        )

    def new_token(self, token: str | None = None) -> str:
        answer = self.rotate(token)
        assert answer.status_code == 201, answer.content
        given: str = answer.json()["token"]
        return given


def machine_of(subject: Any, key: Key | None = None) -> Machine:
    """A machine of the subject, enrolled with the key."""
    from consent.models import Agent
    from portal.api.tokens import new_token, token_hash
    from portal.models import AgentToken

    key = key or Ed25519()
    agent = factories.make_agent(subject, public_key=key.public, key_kind=Agent.KeyKind(key.kind))
    token = new_token()
    AgentToken.objects.create(agent=agent, sha256=token_hash(token))
    return Machine(agent, token, key)


def poll(token: str, etag: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    if etag:
        headers["If-None-Match"] = etag
    return Client().get("/api/v1/policy", headers=headers)


def code_of(answer: Any) -> tuple[int, str]:
    """Status and stable code of a refusal."""
    return answer.status_code, answer.json()["code"]
