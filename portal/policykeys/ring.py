"""The ring of keys as a process knows it: those that the root vouches for. Who signs is pure."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from portal.policykeys import halves, standing
from portal.policykeys.models import PolicyKey

REMEMBERED: Final = 5.0
"""How long a process goes on with what it read, in seconds. Far below the time that a new key is
published before it signs, so no process is ever late."""


class NoKeySigns(LookupError):
    """No key that the root vouches for may sign now."""


@dataclass(frozen=True)
class Member:
    """One key: what is published of it, when it signs, and its private half where it may."""

    kid: str
    public: bytes
    use_from: datetime
    drop_at: datetime | None
    private: Ed25519PrivateKey | None

    def is_published(self, at: datetime) -> bool:
        """Return whether agents can find it at `at`."""
        return self.drop_at is None or at < self.drop_at


class Signs(NamedTuple):
    """The key that signs."""

    kid: str
    private: Ed25519PrivateKey
    since: datetime
    """When it began: nothing that it signs may have been issued earlier."""
    again: datetime
    """Policies issued earlier than this are not to be said again."""


class _Ring(NamedTuple):
    members: Sequence[Member]
    policies_since: datetime


def signer(ring: Iterable[Member], at: datetime) -> Member | None:
    """Return the key that signs at `at`: the newest whose time has come and not gone."""
    begun = [m for m in ring if m.private and m.use_from <= at and m.is_published(at)]
    return max(begun, key=lambda m: (m.use_from, m.kid), default=None)


def ring() -> Sequence[Member]:
    """Return the keys of the manifest that stands, read anew every few seconds at least."""
    return _ring().members


def forget() -> None:
    """Read anew at the next question: something was changed by this very process."""
    _read.cache_clear()


def signs_now() -> Signs:
    """Return the key that signs now; raises NoKeySigns."""
    found = _ring()
    member = signer(found.members, timezone.now())
    if member is None or member.private is None:
        raise NoKeySigns
    again = max(member.use_from, found.policies_since)
    return Signs(member.kid, member.private, member.use_from, again)


def _ring() -> _Ring:
    return _read(standing.newest_version(), int(time.monotonic() / REMEMBERED))


@lru_cache(maxsize=1)
def _read(_version: int, _when: int) -> _Ring:
    first = halves.founding()
    found = {row.kid: halves.private_of(row) for row in PolicyKey.objects.all()}
    found[first.kid] = first.private
    manifest = standing.current()
    # Before the first manifest is signed, what it will say.
    keys = standing.planned() if manifest is None else manifest.usable()
    ends = None if manifest is None else manifest.expires_at
    members = [
        Member(
            key.kid,
            key.public,
            datetime.fromtimestamp(key.not_before, UTC),
            _instant(min((end for end in (key.not_after, ends) if end is not None), default=None)),
            found.get(key.kid),
        )
        for key in keys
    ]
    return _Ring(members, standing.policies_since())


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
