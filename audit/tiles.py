"""Where the tree's hashes lie: tiles 256 wide, as C2SP tlog-tiles names and fills them. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from audit.tree import HASH_SIZE, Subtree, complete_root, fold

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
MAX_ENTRY: Final = 0xFFFF

ReadTile = Callable[[int, int], bytes]
"""(level, index) -> the bytes of a tile, full or as wide as it is by now."""

Position = tuple[int, int]
"""(level, index) of a tile."""


def hashes_of(data: bytes) -> list[bytes]:
    """Cut a tile's bytes into its hashes."""
    if len(data) % HASH_SIZE:
        raise ValueError("a tile holds whole hashes")
    return [data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)]


def edge(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, index, width) of each partial tile at the right of a tree of `size` leaves.

    Where a level ends with a full tile its width is 0: the next hash opens a new tile.
    """
    level = 0
    while count := size >> (TILE_HEIGHT * level):
        yield level, count // TILE_WIDTH, count % TILE_WIDTH
        level += 1


def tiles_of(size: int) -> Iterator[tuple[int, int, int]]:
    """Yield (level, index, width) of every tile of a tree of `size` leaves."""
    for level, last, width in edge(size):
        yield from ((level, index, TILE_WIDTH) for index in range(last))
        if width:
            yield level, last, width


class TiledEdge:
    """The partial tiles at the right of the tree: appends leaves, tells the root, notes changes."""

    def __init__(self, size: int = 0, rows: Sequence[Sequence[bytes]] = ()) -> None:
        self.size = size
        self._rows = [list(row) for row in rows]
        self._changed: dict[Position, bytes] = {}
        if [len(row) for row in self._rows] != [width for _, _, width in edge(size)]:
            raise ValueError("the tiles at the edge do not fit a tree of that size")

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash; each tile that fills up hands its root to the level above."""
        value, level, count = leaf, 0, self.size
        while True:
            if level == len(self._rows):
                self._rows.append([])
            row = self._rows[level]
            row.append(value)
            self._changed[level, count // TILE_WIDTH] = b"".join(row)
            if len(row) < TILE_WIDTH:
                break
            value, level, count = complete_root(row), level + 1, count // TILE_WIDTH
            row.clear()
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        parts = [part for row in reversed(self._rows) for part in _complete_parts(row)]
        return fold(parts)

    def take_changed(self) -> dict[Position, bytes]:
        """Return the tiles that grew since the last call, each with its bytes by now."""
        changed, self._changed = self._changed, {}
        return changed


def _complete_parts(row: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the roots of the complete subtrees that a partial tile holds, largest first."""
    start = 0
    while start < len(row):
        width = 1 << ((len(row) - start).bit_length() - 1)
        yield complete_root(row[start : start + width])
        start += width


def subtrees(read_tile: ReadTile) -> Subtree:
    """Return a reader of complete subtrees, for proofs, on top of a reader of tiles."""

    def subtree(height: int, index: int) -> bytes:
        level, inner = divmod(height, TILE_HEIGHT)
        first = index << inner
        tile, offset = divmod(first, TILE_WIDTH)
        row = hashes_of(read_tile(level, tile))[offset : offset + (1 << inner)]
        if len(row) != 1 << inner:
            raise ValueError("a tile is narrower than the tree needs it to be")
        return complete_root(row)

    return subtree


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """Return the path under which a tile is published."""
    return f"tile/{level}/{_number(index)}{_partial(width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path under which a bundle of entries is published."""
    return f"tile/entries/{_number(index)}{_partial(width)}"


def bundle(entries: Iterable[bytes]) -> bytes:
    """Return the bytes of a bundle: each entry behind its length."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise ValueError("an entry is longer than a bundle can hold")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def _number(index: int) -> str:
    """Write a tile's number in groups of three digits, all but the last marked with an x."""
    index, rest = divmod(index, 1000)
    text = f"{rest:03d}"
    while index:
        index, rest = divmod(index, 1000)
        text = f"x{rest:03d}/{text}"
    return text


def _partial(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"
