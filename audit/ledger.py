"""The one door into the ledger: append an entry, in the transaction of what it tells of."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, models
from django.utils import timezone

from audit import seal
from audit.body import Actor, compose
from audit.errors import NothingToCoverError, OutsideTransactionError
from audit.event import Event
from audit.events import LedgerDetailDestroyed
from audit.keys import Key, Owner, forget, key_for, keys_for

__all__ = ["Actor", "Entry", "append", "append_all", "destroy_detail"]

Cover = models.Model | tuple[str, object]
"""A row an entry accounts for: an instance, or (table, key) where none is at hand."""

# One statement, so that an append costs one round trip. It writes nothing where the key, which
# may be remembered from before, is not in this database.
_APPEND: Final = """
WITH k AS (
  SELECT id FROM audit_sealkey WHERE id = %(key)s
), e AS (
  INSERT INTO audit_entry (type, body, event_time, imported)
  SELECT %(type)s, %(body)s, %(event_time)s, %(imported)s FROM k RETURNING id
), c AS (
  INSERT INTO audit_coverage (entry_id, table_name, row_pk)
  SELECT e.id, t, p FROM e, unnest(%(tables)s::text[], %(pks)s::text[]) AS covered (t, p)
), p AS (
  INSERT INTO audit_private
    (entry_id, actor_kind, actor_ref, actor_salt, subject_ref, subject_salt, sealed, key_id)
  SELECT id, %(actor_kind)s, %(actor_ref)s, %(actor_salt)s, %(subject)s::uuid,
    %(subject_salt)s::bytea, %(sealed)s::bytea, %(key)s FROM e
)
SELECT id FROM e
"""


def append(
    event: Event,
    *,
    actor: Actor,
    subject: UUID | None = None,
    covers: Iterable[Cover] = (),
    event_time: datetime | None = None,
    imported: bool = False,
) -> int:
    """Write an entry and return its number; it stands if and only if the transaction commits.

    Nobody waits for anybody here: the entry gets its place in the tree later, by the sequencer.
    `covers` names the rows that the database will demand an entry for at commit.
    """
    entry = Entry(event, actor, subject, list(covers), event_time, imported=imported)
    return append_all([entry])[0]


@dataclass(frozen=True)
class Entry:
    """An entry to be written, as `append` takes it."""

    event: Event
    actor: Actor
    subject: UUID | None = None
    covers: Collection[Cover] = ()
    event_time: datetime | None = None
    imported: bool = False


def append_all(entries: Sequence[Entry]) -> list[int]:
    """Write entries as `append` does, all in one go; return their numbers in the same order."""
    if not connection.in_atomic_block:
        types = {entry.event.type for entry in entries}
        raise OutsideTransactionError(f"{types} was to be recorded outside a transaction")
    now = timezone.now()
    keys = keys_for([Owner.of(entry.subject, now) for entry in entries])
    numbers = _write([_values(entry, key, now) for entry, key in zip(entries, keys, strict=True)])
    for place, entry in enumerate(entries):
        if numbers[place] is None:
            # Remembered from a database that was since replaced; look, and write once more.
            owner = Owner.of(entry.subject, now)
            forget(owner)
            numbers[place] = _write([_values(entry, key_for(owner), now)])[0]
    written = [number for number in numbers if number is not None]
    if len(written) < len(entries):
        raise RuntimeError("the key of an entry vanished while it was written")
    return written


def destroy_detail(subject: UUID, *, reason: str, actor: Actor) -> int:
    """Destroy what lies sealed beside a person's entries; return how many entries that were.

    The entries and every proof about them stay, and nobody can tell any more whom they are about.
    Entries written about this person later keep no detail either. Doing it twice is harmless.
    """
    if not connection.in_atomic_block:
        raise OutsideTransactionError("details are destroyed together with the entry that says so")
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, entries FROM audit_destroy_detail(%s)", [subject])
        key, entries = cursor.fetchone()
    append(
        LedgerDetailDestroyed(reason=reason, entries=entries),
        actor=actor,
        covers=[("audit_sealkey", key)],
    )
    return int(entries)


def _values(entry: Entry, key: Key, now: datetime) -> dict[str, Any]:
    draft = compose(entry.event, actor=entry.actor, subject=entry.subject, at=now)
    rows = [_row_of(cover) for cover in entry.covers]
    sealed = None if key.key is None else seal.seal(key.key, draft.detail, place=draft.place)
    return {
        "type": draft.type,
        "body": draft.body,
        "event_time": entry.event_time,
        "imported": entry.imported,
        "tables": [table for table, _ in rows],
        "pks": [pk for _, pk in rows],
        "actor_kind": entry.actor.kind,
        "actor_ref": entry.actor.ref,
        "actor_salt": draft.actor_salt,
        "subject": entry.subject,
        "subject_salt": draft.subject_salt,
        "key": key.id,
        "sealed": sealed,
    }


def _write(entries: Sequence[dict[str, Any]]) -> list[int | None]:
    """Write each entry whose key is there; return their numbers, None for one that was not."""
    with connection.cursor() as cursor:
        if len(entries) == 1:
            cursor.execute(_APPEND, entries[0])
            return [row[0] if (row := cursor.fetchone()) else None]
        found: list[int | None] = []
        # psycopg sends them all before it waits for the first answer.
        cursor.cursor.executemany(_APPEND, entries, returning=True)
        for _ in entries:
            found.append(row[0] if (row := cursor.cursor.fetchone()) else None)
            cursor.cursor.nextset()
        return found


def _row_of(cover: Cover) -> tuple[str, str]:
    if isinstance(cover, models.Model):
        table, pk = cover._meta.db_table, cover.pk  # noqa: SLF001  Django's public secret
    else:
        table, pk = cover
    if pk is None:
        raise NothingToCoverError(f"a row of {table} has no key: cover it before it is deleted")
    return table, str(pk)
