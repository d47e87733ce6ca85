"""The ring of keys as a process knows it. Which key signs at an instant is pure."""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.utils import timezone

from audit import seal
from portal.policykeys.models import PolicyKey

REMEMBERED: Final = 5.0
"""How long a process goes on with what it read, in seconds. Far below the time that a new key is
published before it signs, so no process is ever late."""


@dataclass(frozen=True)
class Member:
    """One key: what is published of it, when it signs, and its private half where it may."""

    kid: str
    public: bytes
    use_from: datetime | None
    drop_at: datetime | None
    private: Ed25519PrivateKey | None

    def is_published(self, at: datetime) -> bool:
        """Return whether agents can find it at `at`."""
        return self.drop_at is None or at < self.drop_at


def signer(ring: Iterable[Member], at: datetime) -> Member:
    """Return the key that signs at `at`: the newest whose time has come. There always is one."""
    begun = [m for m in ring if m.private and (m.use_from is None or m.use_from <= at)]
    return max(begun, key=lambda m: (m.use_from is not None, m.use_from or at))


def ring() -> Sequence[Member]:
    """Return the keys, read anew from PostgreSQL every few seconds."""
    return _read(int(time.monotonic() / REMEMBERED))


def forget() -> None:
    """Read anew at the next question: something was changed by this very process."""
    _read.cache_clear()


def signing_key() -> tuple[str, Ed25519PrivateKey]:
    """Return the id and the private half of the key that signs now."""
    member = signer(ring(), timezone.now())
    if member.private is None:
        raise LookupError("no key signs")
    return member.kid, member.private


def key_id(public: bytes) -> str:
    """Return a key's id: the start of the SHA-256 of its public half."""
    return hashlib.sha256(public).hexdigest()[:16]


def place_of(kid: str) -> str:
    """Return for which key a private half is sealed, so that none passes for another."""
    return f"policy-key:{kid}"


@lru_cache(maxsize=1)
def _read(_when: int) -> Sequence[Member]:
    first = founding()
    rows = {row.kid: row for row in PolicyKey.objects.all()}
    known = rows.pop(first.kid, None)
    members = [_replace(first, known.drop_at) if known else first]
    return [*members, *(_member(row) for row in rows.values())]


@lru_cache(maxsize=1)
def founding() -> Member:
    """Return the key that the installation began with."""
    key = load_pem_private_key(settings.SAYSO_POLICY_KEY, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("policy-signing.pem does not hold an Ed25519 key")
    public = key.public_key().public_bytes_raw()
    return Member(key_id(public), public, None, None, key)


def _replace(member: Member, drop_at: datetime | None) -> Member:
    return Member(member.kid, member.public, None, drop_at, member.private)


def _member(row: PolicyKey) -> Member:
    private = None
    if row.sealed is not None:
        raw = seal.unwrap(settings.SAYSO_SEAL_KEK, bytes(row.sealed), owner=place_of(row.kid))
        private = Ed25519PrivateKey.from_private_bytes(raw)
    return Member(row.kid, bytes(row.public), row.use_from, row.drop_at, private)
