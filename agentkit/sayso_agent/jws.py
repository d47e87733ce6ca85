"""Compact JWS with Ed25519 and nothing else: no algorithm is ever taken from the token. Pure."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from sayso_agent.errors import PolicyRefusedError, UnexpectedAnswerError

MAX_TOKEN: Final = 256 * 1024
MAX_KEYS: Final = 32


def b64url(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """Return the bytes; ValueError for anything but the one canonical spelling."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
    if b64url(data) != text:
        raise ValueError("not canonical base64url")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key given twice: two readers could take two meanings from one signature."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def strict_json(data: bytes) -> Any:
    """Return the JSON value; ValueError for repeated keys, NaN, bad UTF-8 or endless nesting."""
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_constant)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def sign(payload: Mapping[str, Any], key: Ed25519PrivateKey, **header: Any) -> str:
    """Return a compact JWS over the payload; `header` adds to `alg`."""
    head = json.dumps({"alg": "EdDSA", **header}, separators=(",", ":")).encode()
    body = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode()
    signed = f"{b64url(head)}.{b64url(body)}"
    return f"{signed}.{b64url(key.sign(signed.encode('ascii')))}"


@dataclass(frozen=True, slots=True)
class KeySet:
    """The portal's verification keys by key id."""

    keys: Mapping[str, bytes]

    @classmethod
    def parse(cls, document: object) -> Self:
        """Return the Ed25519 signing keys of a JWKS; keys of other kinds are left out."""
        listed = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(listed, list) or len(listed) > MAX_KEYS:
            raise UnexpectedAnswerError("keys_malformed", "the portal's key list cannot be read")
        found = {}
        for entry in listed:
            if not isinstance(entry, dict) or not _is_ed25519(entry):
                continue
            try:
                raw = b64url_decode(entry["x"])
            except ValueError:
                continue
            if len(raw) == 32:
                found[entry["kid"]] = raw
        return cls(found)


def _is_ed25519(entry: Mapping[str, Any]) -> bool:
    return (
        entry.get("kty") == "OKP"
        and entry.get("crv") == "Ed25519"
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", "EdDSA") == "EdDSA"
        and isinstance(entry.get("kid"), str)
        and isinstance(entry.get("x"), str)
    )


def key_id(token: str, *, typ: str) -> str:
    """Return the key id a token names, once its header is of the one kind we accept."""
    kid = header_of(token, typ=typ).get("kid")
    if not isinstance(kid, str):
        raise PolicyRefusedError("policy_key_unknown", "the header names no key")
    return kid


def header_of(token: str, *, typ: str) -> Mapping[str, Any]:
    """Return a token's header, once it is of the one kind we accept."""
    if len(token) > MAX_TOKEN or not token.isascii() or token.count(".") != 2:
        raise PolicyRefusedError("policy_malformed", "this is not a signed policy")
    try:
        header = strict_json(b64url_decode(token.split(".", maxsplit=1)[0]))
    except ValueError as error:
        raise PolicyRefusedError("policy_malformed", "the header cannot be read") from error
    if not isinstance(header, dict) or header.get("alg") != "EdDSA" or header.get("typ") != typ:
        raise PolicyRefusedError("policy_algorithm_bad", f"only EdDSA and {typ} are accepted")
    if "crit" in header or "b64" in header:
        raise PolicyRefusedError("policy_algorithm_bad", "the header asks for what we do not know")
    return header


def verify(token: str, keys: KeySet, *, typ: str) -> dict[str, Any]:
    """Return the payload of a token that one of `keys` signed; else PolicyRefusedError."""
    kid = key_id(token, typ=typ)
    if kid not in keys.keys:
        raise PolicyRefusedError("policy_key_unknown", "no listed key signed this")
    return verify_by(token, keys.keys[kid])


def verify_by(token: str, public: bytes) -> dict[str, Any]:
    """Return the payload of a token, whose header was looked at, where this key signed it."""
    signed, _, signature = token.rpartition(".")
    try:
        key = Ed25519PublicKey.from_public_bytes(public)
        key.verify(b64url_decode(signature), signed.encode("ascii"))
    except (InvalidSignature, ValueError) as error:
        raise PolicyRefusedError("policy_signature_bad", "the signature does not fit") from error
    try:
        payload = strict_json(b64url_decode(signed.split(".")[1]))
    except ValueError as error:
        raise PolicyRefusedError("policy_malformed", "the payload cannot be read") from error
    if not isinstance(payload, dict):
        raise PolicyRefusedError("policy_malformed", "the payload is not an object")
    return payload
