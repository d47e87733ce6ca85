"""Recomputes the whole ledger from what is stored, and names whatever does not fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connections

from audit import chain, protection
from audit.chain import Record
from audit.note import Checkpoint, NoteError, RecordHead, Verifier
from audit.stored import HEAD, Head, StoredTree, head_of
from audit.tiles import TILE_WIDTH, TiledEdge
from audit.tree import HASH_SIZE, leaf_hash

_SLICE: Final = 8 * TILE_WIDTH

_LEAVES: Final = """
SELECT l.index, l.chain, l.entry_id, e.type, e.body, e.leaf_hash, e.recorded_at, e.event_time,
  e.imported
FROM audit_leaf l LEFT JOIN audit_entry e ON e.id = l.entry_id
WHERE l.index >= %s AND l.index < %s ORDER BY l.index
"""
_LOST: Final = """
SELECT e.id FROM audit_entry e WHERE NOT EXISTS (SELECT FROM audit_leaf l WHERE l.entry_id = e.id)
  AND NOT EXISTS (SELECT FROM audit_pending p WHERE p.entry_id = e.id) ORDER BY e.id LIMIT 100
"""


@dataclass
class Findings:
    """What a verification saw; the ledger is sound if and only if there are no problems."""

    size: int = 0
    root: bytes = b""
    vkey: str = ""
    pending: int = 0
    checkpoints: int = 0
    problems: list[str] = field(default_factory=list)


def verify(using: str = "reader") -> Findings:
    """Hash every body, rebuild tree and record chain, and check every signed head against them."""
    stored = StoredTree(using)
    head, vkey = stored.head(), stored.vkey()
    findings = Findings(vkey=vkey or "")
    _check_protection(using, findings)
    _check_lost(using, findings)
    if head is None:
        return findings
    findings.size, findings.root = head.size, head.root
    _Pass(using, findings, _verifier(vkey, findings)).run(head.size)
    return findings


def _verifier(vkey: str | None, findings: Findings) -> Verifier | None:
    try:
        return Verifier.parse(vkey or "")
    except NoteError:
        findings.problems.append("the ledger's public key is missing or not a key")
        return None


def _check_protection(using: str, findings: Findings) -> None:
    awake = set(_rows(using, protection.AWAKE, []))
    findings.problems += [
        f"the trigger {name} on {table} is missing or switched off"
        for table, name in sorted(protection.EXPECTED - awake)
    ]


def _check_lost(using: str, findings: Findings) -> None:
    findings.pending = next(_rows(using, "SELECT count(*) FROM audit_pending", []))[0]
    findings.problems += [
        f"entry {entry} is neither in the tree nor waiting for it"
        for (entry,) in _rows(using, _LOST, [])
    ]


class _Pass:
    """One walk over all leaves, in slices, so that any size fits into memory.

    After a mismatch it goes on from what was signed, so that one altered entry is named alone.
    """

    def __init__(self, using: str, findings: Findings, verifier: Verifier | None) -> None:
        self._using = using
        self._findings = findings
        self._verifier = verifier
        self._edge = TiledEdge()
        # None where the link before is lost, so that the next one cannot be checked.
        self._link: bytes | None = chain.START

    def run(self, size: int) -> None:
        for start in range(0, size, _SLICE):
            end = min(start + _SLICE, size)
            hashes = self._stored_hashes(start, end)
            rows = {row[0]: row[1:] for row in _rows(self._using, _LEAVES, [start, end])}
            heads = {h.size: h for h in self._heads(start, end)}
            for index in range(start, end):
                self._leaf(index, rows.get(index), hashes.get(index))
                if at_size := heads.get(index + 1):
                    self._check_head(at_size)
            self._check_tiles()

    def _problem(self, text: str) -> None:
        self._findings.problems.append(text)

    def _leaf(self, index: int, row: tuple[Any, ...] | None, signed: bytes | None) -> None:
        if row is None:
            self._problem(f"leaf {index} is missing")
            self._edge.append(signed or bytes(HASH_SIZE))
            self._link = None
            return
        link, entry, type_, body, leaf, *record = row
        before, self._link = self._link, bytes(link)
        if body is None:
            self._problem(f"entry {entry} (leaf {index}) is missing")
            self._edge.append(signed or bytes(HASH_SIZE))
            return
        computed = leaf_hash(bytes(body))
        # The link was signed too, so it tells whether the text or the tile was changed.
        expected = before and chain.link(before, Record(index, entry, computed, *record))
        linked = expected in {None, self._link}
        in_tile = signed in {None, computed}
        self._edge.append(computed if linked or signed is None else signed)
        if linked and not in_tile:
            self._problem(f"entry {entry} (leaf {index}): its hash in the tree was changed")
        elif not in_tile or computed != bytes(leaf):
            self._problem(f"entry {entry} (leaf {index}): its text is not what was signed")
        elif not linked:
            self._problem(f"entry {entry} (leaf {index}): its number or a time of it was changed")
        elif f'"type":"{type_}"'.encode() not in bytes(body):
            self._problem(f"entry {entry} (leaf {index}): its type was changed")

    def _check_head(self, head: Head) -> None:
        self._findings.checkpoints += 1
        if head.root != self._edge.root():
            self._problem(f"checkpoint {head.size}: the tree has another root")
        if self._link not in {None, head.chain}:
            self._problem(f"checkpoint {head.size}: the record chain has another head")
        if self._verifier is None:
            return
        try:
            signed = Checkpoint.parse(self._verifier.open(head.note))
            records = RecordHead.parse(self._verifier.open(head.record_note))
        except NoteError as error:
            self._problem(f"checkpoint {head.size}: {error}")
            return
        name = self._verifier.name
        if signed != Checkpoint(name, head.size, head.root):
            self._problem(f"checkpoint {head.size}: another head was signed")
        if records != RecordHead(name, head.size, head.chain):
            self._problem(f"checkpoint {head.size}: another record chain was signed")

    def _check_tiles(self) -> None:
        """Compare the tiles that grew in this slice; stored ones may have grown further since."""
        for (level, index), expected in self._edge.take_changed().items():
            stored = self._tile(level, index)
            if stored is None:
                self._problem(f"tile {level}/{index} is missing")
            elif not stored.startswith(expected):
                self._problem(f"tile {level}/{index} does not hold the hashes below it")

    def _tile(self, level: int, index: int) -> bytes | None:
        query = "SELECT data FROM audit_tile WHERE level = %s AND index = %s"
        row = next(_rows(self._using, query, [level, index]), None)
        return bytes(row[0]) if row else None

    def _stored_hashes(self, start: int, end: int) -> dict[int, bytes]:
        query = "SELECT index, data FROM audit_tile WHERE level = 0 AND index BETWEEN %s AND %s"
        values = [start // TILE_WIDTH, (end - 1) // TILE_WIDTH]
        return {
            tile * TILE_WIDTH + place: bytes(data)[place * HASH_SIZE : (place + 1) * HASH_SIZE]
            for tile, data in _rows(self._using, query, values)
            for place in range(len(bytes(data)) // HASH_SIZE)
        }

    def _heads(self, start: int, end: int) -> Iterator[Head]:
        query = f"{HEAD} WHERE size > %s AND size <= %s ORDER BY size"
        return map(head_of, _rows(self._using, query, [start, end]))


def _rows(using: str, query: str, values: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    with connections[using].cursor() as cursor:
        cursor.execute(query, values)
        yield from cursor.fetchall()
