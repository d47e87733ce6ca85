"""Tiles hold the tree's own hashes, at the places and under the names C2SP gives them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import tiles, tree

SIZE = 70_000  # three levels
TREE = tree.MemoryTree(tree.leaf_hash(b"%d" % i) for i in range(SIZE))


def expected(level: int, index: int, width: int) -> bytes:
    first = index * tiles.TILE_WIDTH
    return b"".join(TREE.subtree(8 * level, first + i) for i in range(width))


def stored_for(size: int) -> dict[tiles.Position, bytes]:
    return {(level, i): expected(level, i, width) for level, i, width in tiles.tiles_of(size)}


ALL = stored_for(SIZE)


@pytest.mark.parametrize(
    ("index", "width", "path"),
    [
        (0, 256, "tile/3/000"),
        (5, 256, "tile/3/005"),
        (1234067, 256, "tile/3/x001/x234/067"),
        (273, 112, "tile/3/273.p/112"),
        (1000, 1, "tile/3/x001/000.p/1"),
    ],
)
def test_paths_are_those_of_the_specification(index: int, width: int, path: str) -> None:
    assert tiles.tile_path(3, index, width) == path
    assert tiles.entries_path(index, width) == path.replace("tile/3", "tile/entries")


def test_a_bundle_puts_two_bytes_of_length_before_each_entry() -> None:
    assert tiles.bundle([b"ab", b"", b"c" * 300]) == b"\0\2ab\0\0\1\x2c" + b"c" * 300
    with pytest.raises(ValueError, match="longer"):
        tiles.bundle([b"x" * 65_536])


def test_growing_leaf_by_leaf_fills_the_tiles() -> None:
    edge, stored = tiles.TiledEdge(), {}
    for index in range(SIZE):
        edge.append(TREE.subtree(0, index))
        if index % 1009 == 0 or index in {255, 256, 65_535, 65_536}:
            stored |= edge.take_changed()
            assert edge.root() == TREE.root(index + 1)
    stored |= edge.take_changed()

    assert stored == ALL
    assert edge.root() == TREE.root()


@settings(deadline=None)
@given(st.integers(0, SIZE - 1), st.integers(1, 600))
def test_going_on_from_stored_tiles_at_any_size(size: int, more: int) -> None:
    rows = [
        tiles.hashes_of(expected(level, index, width)) for level, index, width in tiles.edge(size)
    ]
    edge = tiles.TiledEdge(size, rows)
    assert edge.root() == TREE.root(size)

    end = min(size + more, SIZE)
    for index in range(size, end):
        edge.append(TREE.subtree(0, index))

    assert edge.root() == TREE.root(end)
    after = stored_for(end)
    for position, data in edge.take_changed().items():
        assert after[position] == data


@given(st.integers(1, SIZE), st.data())
def test_proofs_come_out_of_tiles(size: int, data: st.DataObject) -> None:
    subtree = tiles.subtrees(lambda level, index: ALL[level, index])
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))

    proof = tree.inclusion_proof(index, size, subtree)
    assert tree.verify_inclusion(TREE.subtree(0, index), index, size, proof, TREE.root(size))
    consistency = tree.consistency_proof(old, size, subtree)
    assert tree.verify_consistency(old, size, consistency, TREE.root(old), TREE.root(size))


def test_an_edge_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        tiles.TiledEdge(3, [[bytes(32)] * 2])
    with pytest.raises(ValueError, match="whole hashes"):
        tiles.hashes_of(bytes(33))
    narrow = tiles.subtrees(lambda *_: bytes(32))
    with pytest.raises(ValueError, match="narrower"):
        narrow(1, 0)
