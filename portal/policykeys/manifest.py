"""Key manifests: which keys an installation's root vouches for, and which it revoked. Pure.

A compact JWS (RFC 7515, EdDSA) by the root key. The root's public half travels in its header;
whoever reads it knows the root by its thumbprint (RFC 7638), learnt elsewhere.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

TYPE: Final = "sayso-keys+jwt"
FORMAT: Final = 1
LONGEST_DAYS: Final = 800
LARGEST: Final = 2**53 - 1


class ManifestRefused(Exception):
    """A manifest or a request for one cannot be used; `code` says why, the message to people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class VouchedKey:
    """One key for signing policies, and between which seconds it may have signed one."""

    kid: str
    public: bytes
    not_before: int
    not_after: int | None = None

    def signs(self, at: float) -> bool:
        """Return whether it may sign at an instant; half-open, as all intervals."""
        return self.not_before <= at and (self.not_after is None or at < self.not_after)

    def as_jwk(self) -> dict[str, Any]:
        """Return it as a JWK (RFC 8037), with its time as `nbf` and `exp`."""
        found: dict[str, Any] = {
            "kty": "OKP",
            "crv": "Ed25519",
            "kid": self.kid,
            "x": encode(self.public),
            "use": "sig",
            "alg": "EdDSA",
            "nbf": self.not_before,
        }
        return found if self.not_after is None else {**found, "exp": self.not_after}

    @classmethod
    def parse(cls, entry: object) -> Self:
        """Return the key that an entry of `keys` describes."""
        if not isinstance(entry, dict) or entry.get("kty") != "OKP" or entry.get("alg") != "EdDSA":
            raise _malformed("keys")
        ends = _number(entry, "exp") if "exp" in entry else None
        public = decode(_text(entry, "x"))
        if len(public) != 32:
            raise _malformed("keys")
        return cls(_text(entry, "kid"), public, _number(entry, "nbf"), ends)


@dataclass(frozen=True, slots=True)
class Request:
    """What the root is asked to vouch for."""

    issuer: str
    version: int
    epoch: int
    """Versions of policies count anew from this second on; 0 as long as that was never needed."""
    keys: tuple[VouchedKey, ...]
    revoked: tuple[str, ...]
    root: str = ""
    """The thumbprint of the root that is asked, where there is one yet."""

    def as_json(self) -> dict[str, Any]:
        """Return it as the file that is carried to the root."""
        return {"v": FORMAT, **self.claims(), "root": self.root}

    def claims(self) -> dict[str, Any]:
        """Return what a manifest says beside its own time."""
        return {
            "iss": self.issuer,
            "version": self.version,
            "epoch": self.epoch,
            "keys": [key.as_jwk() for key in self.keys],
            "revoked": list(self.revoked),
        }

    @classmethod
    def parse(cls, said: object) -> Self:
        """Return the request; ManifestRefused for what is none."""
        if not isinstance(said, dict) or said.get("v") != FORMAT:
            raise ManifestRefused("manifest_malformed", "this is no request for a key manifest")
        return cls(**_claims(said), root=str(said.get("root", "")))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest whose signature fits the root it names."""

    root: str
    """The thumbprint of the key that signed it; whether that is the right one is for others."""
    issuer: str
    version: int
    issued_at: int
    expires_at: int
    epoch: int
    keys: tuple[VouchedKey, ...]
    revoked: tuple[str, ...]

    def usable(self) -> tuple[VouchedKey, ...]:
        """Return the keys that are not revoked."""
        return tuple(key for key in self.keys if key.kid not in self.revoked)

    def signer(self, at: float) -> VouchedKey | None:
        """Return the key that signs at an instant: the newest whose time has come, if any."""
        begun = [key for key in self.usable() if key.signs(at)] if at < self.expires_at else []
        return max(begun, key=lambda key: (key.not_before, key.kid), default=None)


def thumbprint(public: bytes) -> str:
    """Return how people and machines name a root: the thumbprint of its key (RFC 7638)."""
    return encode(hashlib.sha256(_plain(_jwk(public))).digest())


def sign(request: Request, root: Ed25519PrivateKey, *, at: int, seconds: int) -> str:
    """Return the manifest that a request asks for, good for so many seconds from `at`."""
    public = root.public_key().public_bytes_raw()
    head = {"alg": "EdDSA", "typ": TYPE, "kid": thumbprint(public), "jwk": _jwk(public)}
    body = {"v": FORMAT, **request.claims(), "iat": at, "exp": at + seconds}
    signed = f"{encode(_plain(head))}.{encode(_plain(body))}"
    return f"{signed}.{encode(root.sign(signed.encode('ascii')))}"


def opened(token: str) -> Manifest:
    """Return what a manifest says, once its signature fits the root in its header."""
    try:
        head, body, signature = token.strip().split(".")
        public = _root_of(_object(head))
        Ed25519PublicKey.from_public_bytes(public).verify(
            decode(signature), f"{head}.{body}".encode("ascii")
        )
        said = _object(body)
    except InvalidSignature as error:
        raise ManifestRefused("manifest_signature_bad", "its signature does not fit") from error
    except (ValueError, KeyError, TypeError) as error:
        raise _malformed("form") from error
    if said.get("v") != FORMAT:
        raise _malformed("v")
    return Manifest(
        root=thumbprint(public),
        issued_at=_number(said, "iat"),
        expires_at=_number(said, "exp"),
        **_claims(said),
    )


def encode(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return the bytes; ValueError for what is no base64url."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("no base64url") from error


def _root_of(head: Mapping[str, Any]) -> bytes:
    jwk = head["jwk"]
    public = decode(jwk["x"])
    sound = head["alg"] == "EdDSA" and head["typ"] == TYPE and jwk == _jwk(public)
    if not sound or head["kid"] != thumbprint(public) or "crit" in head:
        raise ValueError("another header")
    return public


def _claims(said: Mapping[str, Any]) -> dict[str, Any]:
    keys, revoked = said.get("keys"), said.get("revoked")
    if not isinstance(keys, list) or not isinstance(revoked, list):
        raise _malformed("keys")
    if not all(isinstance(kid, str) for kid in revoked):
        raise _malformed("revoked")
    listed = tuple(VouchedKey.parse(entry) for entry in keys)
    if len({key.kid for key in listed}) != len(listed):
        raise _malformed("keys")
    return {
        "issuer": _text(said, "iss"),
        "version": _number(said, "version"),
        "epoch": _number(said, "epoch"),
        "keys": listed,
        "revoked": tuple(revoked),
    }


def _jwk(public: bytes) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": encode(public)}


def _plain(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _object(part: str) -> dict[str, Any]:
    found = json.loads(decode(part))
    if not isinstance(found, dict):
        raise TypeError("no JSON object")
    return found


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise _malformed(name)
    return value


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise _malformed(name)
    return value


def _malformed(name: str) -> ManifestRefused:
    return ManifestRefused("manifest_malformed", f"its {name} cannot be read")
