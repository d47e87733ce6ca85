"""The tree as it lies in the database: its signed head, its right edge, its tiles."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections

from audit import tiles, tree
from audit.errors import LedgerDamagedError

HEAD = "SELECT size, root, chain, note, record_note, recorded_at FROM audit_checkpoint "


@dataclass(frozen=True)
class Head:
    """A signed checkpoint, with the signed head of the record chain at the same size."""

    size: int
    root: bytes
    chain: bytes
    note: str
    record_note: str
    recorded_at: datetime


class StoredTree:
    """Reads the tree through one database alias; remembers full tiles while it lives."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._tiles: dict[tiles.Position, bytes] = {}

    def head(self, size: int | None = None) -> Head | None:
        """Return the newest checkpoint, or the one at a given size; None where there is none."""
        which, values = ("WHERE size = %s", [size]) if size is not None else ("", [])
        with connections[self._using].cursor() as cursor:
            cursor.execute(f"{HEAD}{which} ORDER BY size DESC LIMIT 1", values)
            row = cursor.fetchone()
        return head_of(row) if row else None

    def vkey(self) -> str | None:
        """Return the public key the ledger is signed by; None before the first start."""
        with connections[self._using].cursor() as cursor:
            cursor.execute("SELECT vkey FROM audit_ledgerkey ORDER BY id DESC LIMIT 1")
            row = cursor.fetchone()
        return row[0] if row else None

    def read_tile(self, level: int, index: int) -> bytes:
        """Return a tile as wide as it is by now; a missing one means damage."""
        if known := self._tiles.get((level, index)):
            return known
        with connections[self._using].cursor() as cursor:
            cursor.execute(
                "SELECT data FROM audit_tile WHERE level = %s AND index = %s", [level, index]
            )
            row = cursor.fetchone()
        if row is None:
            raise LedgerDamagedError(f"tile {level}/{index} of the tree is missing")
        data = bytes(row[0])
        if len(data) == tiles.TILE_WIDTH * tree.HASH_SIZE:
            self._tiles[level, index] = data
        return data

    def subtree(self, height: int, index: int) -> bytes:
        """Return the hash of a complete subtree."""
        try:
            return tiles.subtrees(self.read_tile)(height, index)
        except ValueError as error:
            raise LedgerDamagedError(str(error)) from error

    def root(self, size: int) -> bytes:
        """Return the root over the first `size` leaves."""
        return tree.range_root(0, size, self.subtree)

    def edge(self, size: int) -> tiles.TiledEdge:
        """Return the right edge of the tree of `size` leaves, ready to grow."""
        rows = []
        for level, index, width in tiles.edge(size):
            row = tiles.hashes_of(self.read_tile(level, index)) if width else []
            if len(row) != width:
                raise LedgerDamagedError(f"tile {level}/{index} is narrower than what was signed")
            rows.append(row)
        return tiles.TiledEdge(size, rows)


def head_of(row: tuple[Any, ...]) -> Head:
    """Return a row selected by HEAD as a value."""
    size, root, chain, note, record_note, recorded_at = row
    return Head(size, bytes(root), bytes(chain), note, record_note, recorded_at)
