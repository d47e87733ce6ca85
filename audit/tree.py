"""The Merkle tree of RFC 6962: hashes, roots, proofs and the growing right edge. Pure."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

Subtree = Callable[[int, int], bytes]
"""(height, index) -> hash of the complete subtree over leaves index * 2**height and on."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf; the prefix keeps a leaf from passing for an inner node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(parts: Sequence[bytes]) -> bytes:
    """Join the hashes of complete subtrees, largest (leftmost) first, into one root."""
    if not parts:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(parts))


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over 2^n neighbouring hashes of one height."""
    row = list(hashes)
    if not row or len(row) & (len(row) - 1):
        raise ValueError("only a power of two of hashes has a complete root")
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield (height, index) of the complete subtrees that make up [start, end), left to right.

    `start` must be aligned as RFC 6962 splits: to a power of two not below the length.
    """
    while start < end:
        height = (end - start).bit_length() - 1
        yield height, start >> height
        start += 1 << height


def range_root(start: int, end: int, subtree: Subtree) -> bytes:
    """Return MTH(D[start:end]) of RFC 6962; the empty range has the empty root."""
    return fold([subtree(height, index) for height, index in pieces(start, end)])


def _split(length: int) -> int:
    """Return the largest power of two below `length`."""
    return 1 << ((length - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of `size` leaves, lowest hash first."""
    if not 0 <= index < size:
        raise ValueError("no such leaf in a tree of that size")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(range_root(middle, end, subtree))
            end = middle
        else:
            proof.append(range_root(start, middle, subtree))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return the proof that the tree of `old` leaves is the beginning of that of `new` leaves."""
    if not 0 <= old <= new:
        raise ValueError("a tree does not shrink")
    if old in {0, new}:
        return []
    proof: list[bytes] = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(range_root(middle, end, subtree))
            end = middle
        else:
            proof.append(range_root(start, middle, subtree))
            start = middle
    if start:
        proof.append(range_root(start, end, subtree))
    return proof[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Iterable[bytes], root: bytes
) -> bool:
    """Say whether `proof` shows `leaf` at `index` of the tree of this size and root (RFC 9162)."""
    if not 0 <= index < size:
        return False
    here, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            value = node_hash(sibling, value)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and value == root


def verify_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> bool:
    """Say whether `proof` shows that the new tree only added leaves to the old one (RFC 9162)."""
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if old > new or old < 0 or not proof:
        return False
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    left = right = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            left, right = node_hash(sibling, left), node_hash(sibling, right)
            while here and not here & 1:
                here, last = here >> 1, last >> 1
        else:
            right = node_hash(right, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and left == old_root and right == new_root


class Frontier:
    """The right edge alone: enough to append leaves and to tell the root, in O(log n) memory."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right."""
        value, size = leaf, self.size
        while size & 1:
            value, size = node_hash(self._edge.pop(), value), size >> 1
        self._edge.append(value)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        return fold(self._edge)


class MemoryTree:
    """All complete subtrees in memory; for tests and for trees that fit there."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._rows: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """Return how many leaves there are."""
        return len(self._rows[0])

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right."""
        self._rows[0].append(leaf)
        height = 0
        while len(self._rows[height]) % 2 == 0:
            if height + 1 == len(self._rows):
                self._rows.append([])
            left, right = self._rows[height][-2:]
            self._rows[height + 1].append(node_hash(left, right))
            height += 1

    def subtree(self, height: int, index: int) -> bytes:
        """Return the hash of one complete subtree."""
        return self._rows[height][index]

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves, by default over all."""
        return range_root(0, self.size if size is None else size, self.subtree)
