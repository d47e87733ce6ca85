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

# One statement for all entries, so that they cost one round trip and are planned once. It writes
# nothing of an entry whose key, which may be remembered from before, is not in this database.
# Numbers are given in the order in which rows come to be inserted: by it entries are told apart.
_APPEND: Final = """
WITH given AS (
  SELECT g.*, row_number() OVER (ORDER BY g.place) AS nth FROM unnest(
    %(type)s::text[], %(body)s::bytea[], %(event_time)s::timestamptz[], %(imported)s::bool[],
    %(actor_kind)s::text[], %(actor_ref)s::text[], %(actor_salt)s::bytea[], %(subject)s::uuid[],
    %(subject_salt)s::bytea[], %(sealed)s::bytea[], %(key)s::uuid[]
  ) WITH ORDINALITY AS g (type, body, event_time, imported, actor_kind, actor_ref, actor_salt,
    subject, subject_salt, sealed, key, place)
  WHERE EXISTS (SELECT FROM audit_sealkey k WHERE k.id = g.key)
), e AS (
  INSERT INTO audit_entry (type, body, event_time, imported)
  SELECT type, body, event_time, imported FROM given ORDER BY place RETURNING id
), numbered AS (
  SELECT n.id, given.* FROM given
  JOIN (SELECT id, row_number() OVER (ORDER BY id) AS nth FROM e) AS n USING (nth)
), c AS (
  INSERT INTO audit_coverage (entry_id, table_name, row_pk)
  SELECT n.id, covered.name, covered.pk FROM numbered AS n
  JOIN unnest(%(covering)s::bigint[], %(tables)s::text[], %(pks)s::text[])
    WITH ORDINALITY AS covered (place, name, pk, nth) ON covered.place = n.place
  ORDER BY covered.nth
), p AS (
  INSERT INTO audit_private
    (entry_id, actor_kind, actor_ref, actor_salt, subject_ref, subject_salt, sealed, key_id)
  SELECT id, actor_kind, actor_ref, actor_salt, subject, subject_salt, sealed, key FROM numbered
)
SELECT place, id FROM numbered
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
    if not entries:
        return []
    keys = keys_for([Owner.of(entry.subject, now) for entry in entries])
    numbers = _write(entries, keys, now)
    for place, entry in enumerate(entries):
        if numbers[place] is None:
            # Remembered from a database that was since replaced; look, and write once more.
            owner = Owner.of(entry.subject, now)
            forget(owner)
            numbers[place] = _write([entry], [key_for(owner)], now)[0]
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
    sealed = None if key.key is None else seal.seal(key.key, draft.detail, place=draft.place)
    return {
        "type": draft.type,
        "body": draft.body,
        "event_time": entry.event_time,
        "imported": entry.imported,
        "actor_kind": entry.actor.kind,
        "actor_ref": entry.actor.ref,
        "actor_salt": draft.actor_salt,
        "subject": entry.subject,
        "subject_salt": draft.subject_salt,
        "sealed": sealed,
        "key": key.id,
    }


def _write(entries: Sequence[Entry], keys: Sequence[Key], now: datetime) -> list[int | None]:
    """Write each entry whose key is there; return their numbers, None for one that was not."""
    values = [_values(entry, key, now) for entry, key in zip(entries, keys, strict=True)]
    covers = [
        (place, *_row_of(cover))
        for place, entry in enumerate(entries, start=1)
        for cover in entry.covers
    ]
    found: list[int | None] = [None] * len(entries)
    with connection.cursor() as cursor:
        cursor.execute(
            _APPEND,
            {
                **{name: [each[name] for each in values] for name in values[0]},
                "covering": [place for place, _, _ in covers],
                "tables": [table for _, table, _ in covers],
                "pks": [pk for _, _, pk in covers],
            },
        )
        for place, number in cursor.fetchall():
            found[place - 1] = number
    return found


def _row_of(cover: Cover) -> tuple[str, str]:
    if isinstance(cover, models.Model):
        table, pk = cover._meta.db_table, cover.pk  # noqa: SLF001  Django's public secret
    else:
        table, pk = cover
    if pk is None:
        raise NothingToCoverError(f"a row of {table} has no key: cover it before it is deleted")
    return table, str(pk)
