"""What every place that holds captured bytes can do: one small protocol, and what it speaks of."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from retention.exceptions import BytesDoNotMatch, NothingThere

CHUNK = 1 << 16


@dataclass(frozen=True)
class Stored:
    """What a store was given to keep: where, how long in bytes, and its SHA-256 in hexadecimal."""

    key: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Evidence:
    """What verification found: the level reached (E1 to E3), how, and how many still remain."""

    level: str
    method: str
    remaining: int


@dataclass(frozen=True)
class Address:
    """Where exactly these bytes may be put by whoever is told, until when, with which headers."""

    url: str
    headers: Mapping[str, str]
    until: datetime


class Store(Protocol):
    """What every store can do; keys are ours, contents are opaque."""

    name: str
    technique: str
    """How it deletes, as a certificate says it."""

    def put(self, key: str, chunks: Iterable[bytes], *, size: int, sha256: str) -> None:
        """Keep the bytes durably, or raise BytesDoNotMatch and keep nothing."""

    def address(self, key: str, *, size: int, sha256: str) -> Address | None:
        """Return where exactly these bytes may be put; None where they come by the portal."""

    def delete(self, key: str) -> None:
        """Remove the bytes; absent already is success. Raises StoreFailed."""

    def verify_gone(self, items: Iterable[Stored], *, kept: Collection[str] = ()) -> Evidence:
        """Look for the items by another way than `delete` and say what remains.

        `kept` are the keys of other objects that may rightly hold the same bytes.
        """

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the bytes of a key; raises NothingThere when there are none."""

    def works(self) -> bool:
        """Return whether it can be asked at all."""


def checked(chunks: Iterable[bytes], *, size: int, sha256: str) -> Iterator[bytes]:
    """Yield the chunks; raises BytesDoNotMatch at the first byte too many, or at their end."""
    hasher, seen = hashlib.sha256(), 0
    for chunk in chunks:
        seen += len(chunk)
        if seen > size:
            raise BytesDoNotMatch
        hasher.update(chunk)
        yield chunk
    if seen != size or hasher.hexdigest() != sha256:
        raise BytesDoNotMatch


def holds(store: Store, key: str, *, size: int, sha256: str) -> bool | None:
    """Read what lies under a key and say whether it is exactly these bytes; None for nothing.

    Raises StoreFailed where that cannot be found out.
    """
    try:
        for _ in checked(store.read(key), size=size, sha256=sha256):
            pass
    except NothingThere:
        return None
    except BytesDoNotMatch:
        return False
    return True
