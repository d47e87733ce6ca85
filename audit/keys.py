"""Finding the key that seals an entry's detail: one for each person, one a month for the rest.

A key is remembered in this process once the transaction that read or made it has committed, so an
append usually needs no look-up. What is remembered is only a guess: the append itself checks that
the key is there, and a key destroyed meanwhile seals nothing (see protection.py).
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction

from audit import seal

_REMEMBER: Final = 4096


@dataclass(frozen=True)
class Key:
    """A row of sealing keys; `key` is None once it was destroyed."""

    id: UUID
    key: bytes | None


@dataclass(frozen=True)
class Owner:
    """Whose details a key seals: a person's, or those of one month's entries about nobody."""

    ref: UUID | None
    month: str

    @classmethod
    def of(cls, subject: UUID | None, at: datetime) -> "Owner":
        """Return the owner for an entry."""
        return cls(subject, "" if subject else at.strftime("%Y-%m"))

    @property
    def label(self) -> str:
        """Return what the wrapped key is bound to."""
        return f"ref:{self.ref}" if self.ref else f"month:{self.month}"


class _Memory:
    """The keys last used, bounded, shared by the threads of this process."""

    def __init__(self) -> None:
        self._keys: OrderedDict[Owner, Key] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, owner: Owner) -> Key | None:
        with self._lock:
            if key := self._keys.get(owner):
                self._keys.move_to_end(owner)
            return key

    def put(self, owner: Owner, key: Key) -> None:
        with self._lock:
            self._keys[owner] = key
            self._keys.move_to_end(owner)
            while len(self._keys) > _REMEMBER:
                self._keys.popitem(last=False)

    def forget(self, owner: Owner) -> None:
        with self._lock:
            self._keys.pop(owner, None)


_memory = _Memory()


def key_for(owner: Owner) -> Key:
    """Return the key for an owner, made if there is none yet."""
    if remembered := _memory.get(owner):
        return remembered
    key = _find(owner) or _make(owner)
    # Only on commit: a key made in a transaction that rolls back was never there.
    transaction.on_commit(lambda: _memory.put(owner, key))
    return key


def keys_for(owners: Sequence[Owner]) -> list[Key]:
    """Return the key for each owner; those nobody remembers are looked up together."""
    unknown = {owner.ref: owner for owner in owners if owner.ref and not _memory.get(owner)}
    if len(unknown) > 1:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT ON (ref) ref, id, wrapped FROM audit_sealkey WHERE ref = ANY(%s) "
                "ORDER BY ref, created_at, id",
                [list(unknown)],
            )
            for ref, key_id, wrapped in cursor.fetchall():
                owner = unknown[ref]
                key = Key(key_id, open_key(bytes(wrapped), owner) if wrapped is not None else None)
                _memory.put(owner, key)  # read, not made: it was there before this transaction
    return [key_for(owner) for owner in owners]


def forget(owner: Owner) -> None:
    """Drop a remembered key that turned out not to be in this database."""
    _memory.forget(owner)


def open_key(wrapped: bytes, owner: Owner) -> bytes:
    """Return the key inside a row."""
    return seal.unwrap(settings.SAYSO_SEAL_KEK, wrapped, owner=owner.label)


def _find(owner: Owner) -> Key | None:
    # Several keys for one month may exist: two transactions at once each make one, so that
    # neither waits for the other to commit.
    where, value = ("ref = %s", owner.ref) if owner.ref else ("month = %s", owner.month)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, wrapped FROM audit_sealkey WHERE {where} "  # noqa: S608  constants
            "ORDER BY created_at, id LIMIT 1",
            [value],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    key_id, wrapped = row
    return Key(key_id, open_key(bytes(wrapped), owner) if wrapped is not None else None)


def _make(owner: Owner) -> Key:
    made = Key(uuid4(), seal.new_key())
    wrapped = seal.wrap(settings.SAYSO_SEAL_KEK, made.key or b"", owner=owner.label)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_sealkey (id, ref, month, wrapped) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (ref) DO NOTHING",
            [made.id, owner.ref, owner.month, wrapped],
        )
        if cursor.rowcount:
            return made
    # Another transaction made this person's key and committed first.
    if found := _find(owner):
        return found
    raise RuntimeError("a person's key was made and taken away at once")
