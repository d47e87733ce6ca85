"""Policies that no agent may obey, each wrong in one way, and all of them would allow a click."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sayso_agent.conformance.portal import FakePortal
from sayso_agent.jws import b64url, sign

Made = Callable[[FakePortal], bytes]
Payload = dict[str, Any]

MATCHER: Final = {"platform": "web", "kind": "telepathy", "value": "x"}


def changed(**changes: Any) -> Made:
    """Return a document that is signed properly and says this."""
    return lambda portal: portal.signed({**portal.payload(), **changes})


def without(name: str) -> Made:
    """Return a document that is signed properly and lacks a part."""

    def made(portal: FakePortal) -> bytes:
        payload = portal.payload()
        del payload[name]
        return portal.signed(payload)

    return made


def later(change: Callable[[FakePortal], Payload]) -> Made:
    """Return a document whose change depends on the portal's state."""
    return lambda portal: portal.signed({**portal.payload(), **change(portal)})


def header(**changes: Any) -> Made:
    """Return a document with another header, signed by the right key over it."""
    return lambda portal: portal.signed(portal.payload(), key=None, **changes)


def signed_by_another(portal: FakePortal) -> bytes:
    """Return a document that names the portal's key and is signed by another one."""
    head = {"kid": portal.kid, "typ": "policy+jwt"}
    return sign(portal.payload(), Ed25519PrivateKey.generate(), **head).encode()


def signed_by_nobody(portal: FakePortal) -> bytes:
    """Return a document of `alg` none."""
    return _unsigned(portal, "none") + b"."


def signed_by_a_shared_secret(portal: FakePortal) -> bytes:
    """Return a document whose HMAC key is the public key that everybody has."""
    text = _unsigned(portal, "HS256")
    secret = portal.key.public_key().public_bytes_raw()
    return text + b"." + b64url(hmac.digest(secret, text, hashlib.sha256)).encode()


def tampered(portal: FakePortal) -> bytes:
    """Return a document that was changed after it was signed."""
    denying = {**portal.payload(), "allow": []}
    head, _, signature = portal.signed(denying).split(b".")
    return b".".join([head, b64url(json.dumps(portal.payload()).encode()).encode(), signature])


def oversized(portal: FakePortal) -> bytes:
    """Return a document of more than a megabyte."""
    return portal.signed({**portal.payload(), "padding": "x" * 1_200_000})


def _unsigned(portal: FakePortal, alg: str) -> bytes:
    head = {"alg": alg, "kid": portal.kid, "typ": "policy+jwt"}
    parts = (json.dumps(part).encode() for part in (head, portal.payload()))
    return ".".join(b64url(part) for part in parts).encode()


def said_twice(portal: FakePortal) -> bytes:
    """Return a document that says twice what is allowed: two readers take two meanings."""
    payload = portal.payload()
    body = f'{json.dumps(payload)[:-1]}, "allow": {json.dumps(payload["allow"])}}}'
    head = json.dumps({"alg": "EdDSA", "kid": portal.kid, "typ": "policy+jwt"})
    signed = f"{b64url(head.encode())}.{b64url(body.encode())}".encode()
    return signed + b"." + b64url(portal.key.sign(signed)).encode()


def _never(portal: FakePortal) -> Payload:
    return {"never": {**portal.policy["never"], "matchers": [MATCHER]}}


def _hour_ago(portal: FakePortal) -> Payload:
    issued = int(portal.now()) - 3600
    return {"iat": issued, "lease_until": issued + 900}


def _long(portal: FakePortal) -> Payload:
    now = int(portal.now())
    return {"iat": now - 25 * 3600, "lease_until": now + 3600}


def _hours_of_later_times(portal: FakePortal) -> Payload:
    now = int(portal.now())
    hours = {"purpose": "train-agents", "from": now - 3600, "until": now + 3600}
    return {"schedule": [{**hours, "only_on": "even days"}]}


def _ended(portal: FakePortal) -> Payload:
    return {"iat": int(portal.now()) - 10, "lease_until": int(portal.now()) - 5}


BAD: Final[Mapping[str, tuple[str, Made]]] = {
    "signature": ("a signature by another key under the right name", signed_by_another),
    "tampered": ("a document changed after it was signed", tampered),
    "alg_none": ("a document that nobody signed", signed_by_nobody),
    "alg_shared": ("an HMAC under the public key", signed_by_a_shared_secret),
    "key_unknown": ("a key that the portal does not list", header(kid="k-unknown")),
    "type": ("a token of another kind", header(typ="JWT")),
    "audience": ("a policy for another agent", changed(aud="another")),
    "issuer": ("a policy of another portal", changed(iss="https://elsewhere.example")),
    "expired": ("a lease that has ended already", later(_ended)),
    "clock_back": ("a newer version from an hour ago: the portal's clock went back",
                   later(_hour_ago)),
    "critical": ("a header that asks for what nobody knows",
                 header(crit=["later"], later="yes")),
    "said_twice": ("a member that is there twice", said_twice),
    "lease_long": ("a lease of more than a day, of which a day is over", later(_long)),
    "hours_unknown": ("working hours that say more than anybody knows",
                      later(_hours_of_later_times)),
    "format": ("a format of later times", changed(v=2)),
    "default_allow": ("a default that allows",
                      changed(default={"decision": "allow", "reasons": ["x"]})),
    "never_matcher": ("a mark in `never` that nobody knows", later(_never)),
    "never_missing": ("no `never` at all", without("never")),
    "version_missing": ("no version", without("version")),
    "lease_missing": ("no end of the lease", without("lease_until")),
    "strike_unreadable": ("a strike without an end", changed(strikes=[{"from": 1}])),
    "unmasked": ("what to do without masking: allow",
                 changed(redaction={"profiles": {}, "without": "allow"})),
    "oversized": ("more than a megabyte", oversized),
    "garbage": ("no policy at all", lambda _portal: b"<html>sign in</html>"),
}  # fmt: skip
"""Name to what it is and how it is made. All of these must be refused while nothing is allowed."""
