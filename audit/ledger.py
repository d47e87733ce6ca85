"""The one door into the ledger: append an entry, in the transaction of what it tells of."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection, models
from django.utils import timezone

from audit import seal
from audit.body import Actor, Draft, compose
from audit.errors import NothingToCoverError, OutsideTransactionError
from audit.event import Event
from audit.events import LedgerDetailDestroyed
from audit.keys import Key, Owner, forget, key_for

__all__ = ["Actor", "append", "destroy_detail"]

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
    if not connection.in_atomic_block:
        raise OutsideTransactionError(f"{event.type} was to be recorded outside a transaction")
    now = timezone.now()
    draft = compose(event, actor=actor, subject=subject, at=now)
    rows = [_row_of(cover) for cover in covers]
    owner = Owner.of(subject, now)
    values: dict[str, Any] = {
        "type": draft.type,
        "body": draft.body,
        "event_time": event_time,
        "imported": imported,
        "tables": [table for table, _ in rows],
        "pks": [pk for _, pk in rows],
        "actor_kind": actor.kind,
        "actor_ref": actor.ref,
        "actor_salt": draft.actor_salt,
        "subject": subject,
        "subject_salt": draft.subject_salt,
    }
    entry = _write(values, draft, key_for(owner))
    if entry is None:
        # Remembered from a database that was since replaced; look, and write once more.
        forget(owner)
        entry = _write(values, draft, key_for(owner))
    if entry is None:
        raise RuntimeError("the key of an entry vanished while it was written")
    return entry


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


def _write(values: dict[str, Any], draft: Draft, key: Key) -> int | None:
    sealed = None if key.key is None else seal.seal(key.key, draft.detail, place=draft.place)
    with connection.cursor() as cursor:
        cursor.execute(_APPEND, {**values, "key": key.id, "sealed": sealed})
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _row_of(cover: Cover) -> tuple[str, str]:
    if isinstance(cover, models.Model):
        table, pk = cover._meta.db_table, cover.pk  # noqa: SLF001  Django's public secret
    else:
        table, pk = cover
    if pk is None:
        raise NothingToCoverError(f"a row of {table} has no key: cover it before it is deleted")
    return table, str(pk)
