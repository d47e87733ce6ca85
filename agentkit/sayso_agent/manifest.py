"""Which keys may sign our policies: what the portal's root vouches for, and nothing else. Pure.

The root is known by its thumbprint (RFC 7638), learnt when we enrolled and never again. A manifest
is a JWS by that key; older ones than the newest ever seen are refused, and so are those that ended.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sayso_agent.errors import PolicyRefusedError
from sayso_agent.jws import KeySet, b64url, b64url_decode, header_of, verify_by

TYPE: Final = "sayso-keys+jwt"
MAX_KEYS: Final = 64
_LARGEST: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class VouchedKey:
    """A key, and between which seconds it may have signed a policy."""

    public: bytes
    not_before: int
    not_after: int | None


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a manifest is held against: what we learnt at enrolment, and the newest ever seen."""

    root: str
    issuer: str
    version: int = 0
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest by our root."""

    version: int
    issued_at: int
    expires_at: int
    epoch: int
    keys: Mapping[str, VouchedKey]
    revoked: frozenset[str]

    @classmethod
    def accept(cls, token: str, pinned: Pinned, *, wall: float) -> Self:
        """Return the manifest; PolicyRefusedError for any doubt at all."""
        said = _signed_by(token, pinned.root)
        if said.get("v") != 1 or isinstance(said.get("v"), bool):
            raise _refused("malformed", "only manifests of v 1 are known")
        if said.get("iss") != pinned.issuer:
            raise _refused("issuer_wrong", "the key manifest is from another portal")
        found = cls(
            version=_number(said, "version"),
            issued_at=_number(said, "iat"),
            expires_at=_number(said, "exp"),
            epoch=_number(said, "epoch"),
            keys=_keys(said.get("keys")),
            revoked=_kids(said.get("revoked")),
        )
        if found.version < pinned.version or found.epoch < pinned.epoch:
            raise _refused("version_old", "an older key manifest than one seen before")
        if wall >= found.expires_at:
            raise _refused("expired", "the key manifest has ended")
        return found

    def knows(self, kid: str, wall: float) -> bool:
        """Return whether it can answer for a key now: it counts, and lists or revokes it."""
        return wall < self.expires_at and (kid in self.keys or kid in self.revoked)

    def keys_for(self, kid: str, wall: float) -> KeySet:
        """Return the one key of this id; PolicyRefusedError where nothing may be signed by it."""
        if wall >= self.expires_at:
            raise _refused("expired", "the key manifest has ended")
        if kid in self.revoked:
            raise PolicyRefusedError("policy_key_revoked", "its key was revoked")
        if kid not in self.keys:
            raise PolicyRefusedError("policy_key_unknown", "no key of the manifest signed this")
        return KeySet({kid: self.keys[kid].public})

    def check_time(self, kid: str, issued_at: int, wall: float) -> None:
        """Raise PolicyRefusedError for a policy from outside its key's time, or its epoch."""
        key = self.keys[kid]
        if issued_at < key.not_before or (key.not_after is not None and wall >= key.not_after):
            raise PolicyRefusedError("policy_key_ended", "its key may not sign at this time")
        if issued_at < self.epoch:
            raise PolicyRefusedError("policy_version_old", "from before versions counted anew")

    def usable(self) -> dict[str, bytes]:
        """Return the public halves of the keys that are not revoked."""
        return {kid: key.public for kid, key in self.keys.items() if kid not in self.revoked}


def thumbprint(public: bytes) -> str:
    """Return the thumbprint of an Ed25519 key (RFC 7638)."""
    plain = json.dumps(_jwk(public), separators=(",", ":"), sort_keys=True)
    return b64url(hashlib.sha256(plain.encode()).digest())


def _signed_by(token: str, root: str) -> Mapping[str, Any]:
    """Return the payload of a manifest whose header brings the very key we pinned."""
    jwk = header_of(token, typ=TYPE).get("jwk")
    try:
        public = b64url_decode(jwk["x"]) if isinstance(jwk, dict) else b""
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _refused("malformed", "the key manifest brings no root") from error
    if len(public) != 32 or jwk != _jwk(public):
        raise _refused("malformed", "the key manifest brings no root")
    if thumbprint(public) != root:
        raise _refused("root_wrong", "the key manifest is signed by another root than ours")
    return verify_by(token, public)


def _keys(listed: object) -> dict[str, VouchedKey]:
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_KEYS:
        raise _refused("malformed", "the key manifest's keys cannot be read")
    found = {}
    for entry in listed:
        one = KeySet.parse({"keys": [entry]}).keys
        if len(one) != 1:
            raise _refused("malformed", "a key of the manifest cannot be read")
        kid, public = next(iter(one.items()))
        ends = _number(entry, "exp") if "exp" in entry else None
        found[kid] = VouchedKey(public, _number(entry, "nbf"), ends)
    if len(found) != len(listed):
        raise _refused("malformed", "a key of the manifest is listed twice")
    return found


def _kids(listed: object) -> frozenset[str]:
    if not isinstance(listed, list) or not all(isinstance(kid, str) for kid in listed):
        raise _refused("malformed", "what the key manifest revokes cannot be read")
    return frozenset(listed)


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise _refused("malformed", f"the key manifest's {name} cannot be read")
    return value


def _jwk(public: bytes) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": b64url(public)}


def _refused(what: str, message: str) -> PolicyRefusedError:
    return PolicyRefusedError(f"manifest_{what}", message)
