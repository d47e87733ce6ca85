"""Reading the ledger, for the audit page and for receipts. Who reads records that they did."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from django.db import connections
from django.db.models import F, QuerySet

from audit import keys, seal, tree
from audit.body import Actor, ActorKind, commit_actor, commit_detail, commit_subject
from audit.events import CATALOGUE
from audit.models import Entry
from audit.note import encode
from audit.stored import StoredTree

READER: Final = "reader"

Opening = Literal["open", "erased", "damaged", "closed"]
"""Whether the sealed part can be read, is gone, does not fit its leaf, or is not for others."""


@dataclass(frozen=True)
class EntryRow:
    """An entry as a line of the audit page; `index` is None until it is signed."""

    id: int
    index: int | None
    type: str
    title: str
    recorded_at: datetime
    event_time: datetime | None
    imported: bool
    actor_kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class EntryDetail:
    """An entry with all that can still be known about it."""

    row: EntryRow
    body: dict[str, Any]
    leaf_hash: bytes
    opening: Opening
    subject_ref: UUID | None
    actor_ref: str | None
    detail: dict[str, Any]
    covers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TreeState:
    """How far the ledger is signed, and how much waits; size 0 means nothing is signed yet."""

    size: int
    root: str
    vkey: str
    signed_at: datetime | None
    checkpoint: str
    pending: int
    waiting_since: datetime | None


@dataclass(frozen=True)
class InclusionProof:
    """That one leaf is in the signed tree; checkable by anyone who has the public key."""

    index: int
    size: int
    leaf: bytes
    hashes: tuple[bytes, ...]
    checkpoint: str

    @property
    def text(self) -> str:
        """Return the proof as a file of the form C2SP tlog-proof."""
        lines = "".join(f"{encode(value)}\n" for value in self.hashes)
        return f"c2sp.org/tlog-proof@v1\nindex {self.index}\n{lines}\n{self.checkpoint}"


def search(
    *,
    type: str | None = None,  # noqa: A002  the field's own name
    among: Collection[str] | None = None,
    besides: Collection[str] | None = None,
    actor_kind: ActorKind | None = None,
    subject_ref: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[EntryRow]:
    """Return the newest entries that match, newest first; `before` continues a longer list.

    `among` and `besides` name types to choose from, and types to leave out. An erased person
    matches nothing: the entries are there, and nobody can tell whose they are.
    """
    found = _entries()
    if type:
        found = found.filter(type=type)
    if among is not None:
        found = found.filter(type__in=sorted(among))
    if besides is not None:
        found = found.exclude(type__in=sorted(besides))
    if actor_kind:
        found = found.filter(private__actor_kind=actor_kind)
    if subject_ref:
        found = found.filter(private__subject_ref=subject_ref)
    if since:
        found = found.filter(recorded_at__gte=since)
    if until:
        found = found.filter(recorded_at__lt=until)
    if before is not None:
        found = found.filter(id__lt=before)
    return [_row(entry) for entry in found.order_by("-id")[:limit]]


def entry_detail(entry_id: int) -> EntryDetail | None:
    """Return one entry, opened as far as that is still possible; None if there is none."""
    entry = _entries().select_related("private", "private__key").filter(pk=entry_id).first()
    if entry is None:
        return None
    body = json.loads(bytes(entry.body))
    private = getattr(entry, "private", None)
    opening, detail = _open(entry, body, private)
    return EntryDetail(
        row=_row(entry),
        body=body,
        leaf_hash=bytes(entry.leaf_hash),
        opening=opening,
        subject_ref=private.subject_ref if private else None,
        actor_ref=private.actor_ref if private else None,
        detail=detail,
        covers=tuple(entry.coverage_set.values_list("table_name", "row_pk").order_by("id")),
    )


def entries_covering(table: str, pk: object, *, limit: int = 50) -> list[EntryRow]:
    """Return the entries that account for one row, newest first."""
    found = _entries().filter(coverage__table_name=table, coverage__row_pk=str(pk))
    return [_row(entry) for entry in found.order_by("-id")[:limit]]


def tree_state() -> TreeState:
    """Return how far the ledger is signed."""
    stored = StoredTree(READER)
    head = stored.head()
    with connections[READER].cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(e.recorded_at) FROM audit_pending p "
            "JOIN audit_entry e ON e.id = p.entry_id"
        )
        pending, waiting_since = cursor.fetchone()
    return TreeState(
        size=head.size if head else 0,
        root=encode(head.root if head else tree.EMPTY_ROOT),
        vkey=stored.vkey() or "",
        signed_at=head.recorded_at if head else None,
        checkpoint=head.note if head else "",
        pending=pending,
        waiting_since=waiting_since,
    )


def inclusion_proof(entry_id: int) -> InclusionProof | None:
    """Return the proof that an entry is in the newest signed tree; None until it is signed."""
    entry = _entries().filter(pk=entry_id).first()
    stored = StoredTree(READER)
    head = stored.head()
    index = _index_of(entry) if entry else None
    if entry is None or head is None or index is None or index >= head.size:
        return None
    hashes = tree.inclusion_proof(index, head.size, stored.subtree)
    return InclusionProof(index, head.size, bytes(entry.leaf_hash), tuple(hashes), head.note)


def _entries() -> QuerySet[Entry]:
    return Entry.objects.using(READER).annotate(leaf_index=F("leaf__index"))


def _index_of(entry: Entry) -> int | None:
    index: int | None = getattr(entry, "leaf_index", None)
    return index


def _row(entry: Entry) -> EntryRow:
    body = json.loads(bytes(entry.body))
    kind = CATALOGUE.get(entry.type)
    return EntryRow(
        id=entry.pk,
        index=_index_of(entry),
        type=entry.type,
        title=kind.title if kind else entry.type,
        recorded_at=entry.recorded_at,
        event_time=entry.event_time,
        imported=entry.imported,
        actor_kind=body["actor"]["kind"],
        data=body["data"],
    )


def _open(entry: Entry, body: dict[str, Any], private: Any) -> tuple[Opening, dict[str, Any]]:
    """Decrypt the sealed part and hold all of it against the commitments in the leaf."""
    if private is None or private.sealed is None or private.key is None:
        return "erased", {}
    if private.key.wrapped is None:
        return "erased", {}
    try:
        key = keys.open_key(
            bytes(private.key.wrapped), keys.Owner(private.key.ref, private.key.month)
        )
        plain = seal.unseal(key, bytes(private.sealed), place=bytes(entry.leaf_hash))
        salt, detail = plain[: seal.SALT_SIZE], plain[seal.SALT_SIZE :]
        fits = commit_detail(salt, detail) == body["detail"] and _refs_fit(body, private)
    except seal.SealError:
        return "damaged", {}
    return ("open" if fits else "damaged"), json.loads(detail)


def _refs_fit(body: dict[str, Any], private: Any) -> bool:
    """Say whether person and actor beside the leaf are those the leaf commits to."""
    if private.actor_ref is not None:
        actor = Actor(private.actor_kind, private.actor_ref)
        if commit_actor(bytes(private.actor_salt or b""), actor) != body["actor"]["commit"]:
            return False
    if private.subject_ref is None:
        return body["subject"] is None
    salt = bytes(private.subject_salt or b"")
    return bool(commit_subject(salt, private.subject_ref) == body["subject"])
