"""Gives committed entries their place in the tree, and signs it; the only one that can.

Writers never wait: an entry becomes visible as pending when its transaction commits, in whatever
order that happens, and one sequencer at a time takes what is there. A batch is one transaction, so
a crash leaves either all of it or nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from django.db import connections, transaction

from audit import chain, protection, signing
from audit.chain import Record
from audit.errors import KeyUnusableError, LedgerDamagedError
from audit.note import Checkpoint, NoteError, RecordHead, Signer, Verifier
from audit.stored import Head, StoredTree
from audit.tiles import TiledEdge
from audit.tree import EMPTY_ROOT, leaf_hash

log = structlog.get_logger("audit.sequencer")

BATCH: Final = 1024
# Any constant will do, as long as nothing else in this database locks the same number.
_LOCK: Final = 0x5A_75_0D_E6

_PENDING: Final = """
SELECT p.entry_id, e.body, e.leaf_hash, e.recorded_at, e.event_time, e.imported
FROM audit_pending p LEFT JOIN audit_entry e ON e.id = p.entry_id ORDER BY p.entry_id LIMIT %s
"""
_ADD_LEAVES: Final = """
INSERT INTO audit_leaf (index, entry_id, chain)
SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[])
"""
_PUT_TILES: Final = """
INSERT INTO audit_tile (level, index, data)
SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[])
ON CONFLICT (level, index) DO UPDATE SET data = EXCLUDED.data
"""
_ADD_CHECKPOINT: Final = """
INSERT INTO audit_checkpoint (size, root, chain, note, record_note) VALUES (%s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Step:
    """What one step did: `busy` where another sequencer was at work."""

    entries: int = 0
    size: int = 0
    busy: bool = False


class Sequencer:
    """One sequencer; several may run, and only one acts at a time."""

    def __init__(self, *, key_file: Path, origin: str, using: str = "default") -> None:
        self._using = using
        self._memory = signing.Memory.beside(key_file)
        self._signer = self._open_signer(key_file, origin)
        self._check_protection()

    @property
    def vkey(self) -> str:
        """Return the public key that this sequencer's checkpoints verify under."""
        return self._signer.verifier.vkey

    def step(self, limit: int = BATCH) -> Step:
        """Sequence and sign up to `limit` pending entries; refuse if anything stored disagrees."""
        with transaction.atomic(using=self._using):
            if not self._alone():
                return Step(busy=True)
            stored = StoredTree(self._using)
            head = stored.head()
            edge = self._checked_edge(stored, head)
            records = self._take(limit, first=edge.size)
            if not records:
                return Step(size=edge.size)
            note = self._add(edge, head.chain if head else chain.START, records)
        # A crash here leaves the memory behind the database, which the next step accepts.
        self._memory.write(note)
        log.debug("ledger.sequenced", entries=len(records), size=edge.size)
        return Step(entries=len(records), size=edge.size)

    def _open_signer(self, key_file: Path, origin: str) -> Signer:
        vkey = StoredTree(self._using).vkey()
        if vkey is None:
            key = signing.load_key(key_file) if key_file.exists() else signing.make_key(key_file)
            signer = signing.signer_for(origin, key)
            self._register(signer.verifier)
            return signer
        if not key_file.exists():
            raise KeyUnusableError(
                f"this ledger is signed by {vkey}, and {key_file.name} is missing: put it back"
            )
        # The ledger keeps the name it was born with, whatever the portal's address is now.
        signer = signing.signer_for(Verifier.parse(vkey).name, signing.load_key(key_file))
        if signer.verifier.vkey != vkey:
            raise KeyUnusableError(
                f"this ledger is signed by {vkey}, and {key_file.name} holds another key"
            )
        return signer

    def _register(self, verifier: Verifier) -> None:
        with connections[self._using].cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_ledgerkey (vkey, origin) VALUES (%s, %s) "
                "ON CONFLICT (vkey) DO NOTHING",
                [verifier.vkey, verifier.name],
            )

    def _check_protection(self) -> None:
        with connections[self._using].cursor() as cursor:
            cursor.execute(protection.AWAKE)
            awake = set(cursor.fetchall())
        if missing := sorted(protection.EXPECTED - awake):
            names = ", ".join(f"{name} on {table}" for table, name in missing)
            raise LedgerDamagedError(f"unprotected ({names} missing): migrate first")

    def _alone(self) -> bool:
        with connections[self._using].cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            row = cursor.fetchone()
        return bool(row and row[0])

    def _checked_edge(self, stored: StoredTree, head: Head | None) -> TiledEdge:
        """Return the right edge, once head, signatures, tiles, leaves and memory agree."""
        edge = stored.edge(head.size if head else 0)
        root = head.root if head else EMPTY_ROOT
        if edge.root() != root:
            raise LedgerDamagedError("the stored tree does not have the root that was signed")
        if head:
            self._check_signatures(head)
        self._check_leaves(edge.size)
        if remembered := self._memory.read(self._signer.verifier):
            self._check_memory(stored, edge.size, root, remembered)
        return edge

    def _check_signatures(self, head: Head) -> None:
        origin = self._signer.name
        try:
            checkpoint = Checkpoint.parse(self._signer.verifier.open(head.note))
            records = RecordHead.parse(self._signer.verifier.open(head.record_note))
        except NoteError as error:
            raise LedgerDamagedError(f"the last checkpoint does not verify: {error}") from error
        if checkpoint != Checkpoint(origin, head.size, head.root):
            raise LedgerDamagedError("the last checkpoint differs from what was signed")
        if records != RecordHead(origin, head.size, head.chain):
            raise LedgerDamagedError("the head of the record chain differs from what was signed")

    def _check_leaves(self, size: int) -> None:
        with connections[self._using].cursor() as cursor:
            cursor.execute("SELECT coalesce(max(index) + 1, 0) FROM audit_leaf")
            row = cursor.fetchone()
        if row is None or row[0] != size:
            raise LedgerDamagedError("there are more or fewer leaves than were signed")

    def _check_memory(
        self, stored: StoredTree, size: int, root: bytes, remembered: Checkpoint
    ) -> None:
        if remembered.size > size:
            raise LedgerDamagedError(
                f"{remembered.size} entries were signed and the database has {size}: it was put "
                "back to an older state. Restore the newer one. Only if this is meant to be a new "
                f"ledger, give it a new key: move {self._memory.path.name} and the key file away"
            )
        known = root if remembered.size == size else stored.root(remembered.size)
        if known != remembered.root:
            raise LedgerDamagedError("the first entries are not those that were signed before")

    def _take(self, limit: int, *, first: int) -> Sequence[Record]:
        """Return what is pending as records; a body that no longer hashes right stops everything.

        Every body is hashed again here, by another machine than the one that stored the hash: one
        flipped bit that gets signed can never be mended (it ended a public log in 2022).
        """
        with connections[self._using].cursor() as cursor:
            cursor.execute(_PENDING, [limit])
            rows = cursor.fetchall()
        records = []
        for index, (entry, body, stored_hash, *rest) in enumerate(rows, start=first):
            if body is None:
                raise LedgerDamagedError(f"entry {entry} is pending and missing")
            if (leaf := leaf_hash(bytes(body))) != bytes(stored_hash):
                raise LedgerDamagedError(f"the body of entry {entry} does not have its stored hash")
            records.append(Record(index, entry, leaf, *rest))
        return records

    def _add(self, edge: TiledEdge, link: bytes, records: Sequence[Record]) -> str:
        """Store leaves, tiles and the signed head; return the checkpoint."""
        links = []
        for record in records:
            edge.append(record.leaf)
            links.append(link := chain.link(link, record))
        changed = edge.take_changed()
        entries = [record.entry for record in records]
        head = Checkpoint(self._signer.name, edge.size, edge.root())
        note = self._signer.sign(head.text)
        record_note = self._signer.sign(RecordHead(head.origin, head.size, link).text)
        with connections[self._using].cursor() as cursor:
            cursor.execute(_ADD_LEAVES, [[record.index for record in records], entries, links])
            cursor.execute(
                _PUT_TILES,
                [[p[0] for p in changed], [p[1] for p in changed], list(changed.values())],
            )
            cursor.execute("DELETE FROM audit_pending WHERE entry_id = ANY(%s)", [entries])
            cursor.execute(_ADD_CHECKPOINT, [head.size, head.root, link, note, record_note])
        return note
