"""The Merkle tree against published vectors, RFC 6962's own recursion, and properties."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import tree

# Inputs, roots and proofs of the reference tree in Certificate Transparency's own tests.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
NODE_96 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
NODE_5F = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
NODE_6B = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
NODE_BC = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
NODE_CA = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
NODE_0E = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
PATHS = [
    (0, 1, []),
    (0, 8, [NODE_96, NODE_5F, NODE_6B]),
    (5, 8, [NODE_BC, NODE_CA, ROOTS[3]]),
    (2, 3, [ROOTS[1]]),
    (1, 5, [ROOTS[0], NODE_5F, NODE_BC]),
]
PROOFS = [
    (1, 1, []),
    (1, 8, [NODE_96, NODE_5F, NODE_6B]),
    (6, 8, [NODE_0E, NODE_CA, ROOTS[3]]),
    (2, 5, [NODE_5F, NODE_BC]),
]

REFERENCE = tree.MemoryTree(map(tree.leaf_hash, INPUTS))


def made(size: int) -> tree.MemoryTree:
    return tree.MemoryTree(tree.leaf_hash(b"%d" % i) for i in range(size))


LARGE = made(1100)
sizes = st.integers(0, 1100)


def recursive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, to the letter."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = recursive_root(leaves[:split]), recursive_root(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def test_published_roots() -> None:
    assert [REFERENCE.root(n + 1).hex() for n in range(8)] == ROOTS
    assert REFERENCE.root(0) == hashlib.sha256(b"").digest()


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_published_inclusion_proofs(index: int, size: int, path: list[str]) -> None:
    proof = tree.inclusion_proof(index, size, REFERENCE.subtree)

    assert [value.hex() for value in proof] == path
    leaf, root = tree.leaf_hash(INPUTS[index]), bytes.fromhex(ROOTS[size - 1])
    assert tree.verify_inclusion(leaf, index, size, proof, root)


@pytest.mark.parametrize(("old", "new", "path"), PROOFS)
def test_published_consistency_proofs(old: int, new: int, path: list[str]) -> None:
    proof = tree.consistency_proof(old, new, REFERENCE.subtree)

    assert [value.hex() for value in proof] == path
    roots = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1])
    assert tree.verify_consistency(old, new, proof, *roots)


@given(sizes)
def test_three_ways_to_the_same_root(size: int) -> None:
    leaves = [LARGE.subtree(0, index) for index in range(size)]
    frontier = tree.Frontier()
    for leaf in leaves:
        frontier.append(leaf)

    assert LARGE.root(size) == frontier.root() == recursive_root(leaves)


@given(st.integers(1, 1100), st.data())
def test_inclusion_holds_here_and_nowhere_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = tree.inclusion_proof(index, size, LARGE.subtree)
    leaf, root = LARGE.subtree(0, index), LARGE.root(size)

    assert tree.verify_inclusion(leaf, index, size, proof, root)
    assert len(proof) <= 11
    other = data.draw(st.integers(0, size))
    if other != index:
        assert not tree.verify_inclusion(leaf, other, size, proof, root)
    assert not tree.verify_inclusion(leaf, index, size, [*proof, leaf], root)
    assert not tree.verify_inclusion(leaf, index, 2 * size, proof, root)
    assert not tree.verify_inclusion(tree.leaf_hash(b"forged"), index, size, proof, root)
    for place in range(len(proof)):
        forged = [*proof[:place], bytes(32), *proof[place + 1 :]]
        assert not tree.verify_inclusion(leaf, index, size, forged, root)
        assert not tree.verify_inclusion(leaf, index, size, proof[:place], root)


@given(sizes, sizes)
def test_consistency_holds_for_beginnings_only(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof = tree.consistency_proof(old, new, LARGE.subtree)
    roots = LARGE.root(old), LARGE.root(new)

    assert tree.verify_consistency(old, new, proof, *roots)
    if old != new:
        assert not tree.verify_consistency(old, new, proof, bytes(32), roots[1])
        assert not tree.verify_consistency(old, new, [*proof, bytes(32)], *roots)
        assert not tree.verify_consistency(new, old, proof, *roots[::-1])
    if 0 < old < new:
        assert not tree.verify_consistency(old, new, proof, roots[0], bytes(32))
        assert not tree.verify_consistency(old, new, [], *roots)
        assert not tree.verify_consistency(old, new, proof[:-1], *roots)
        for place in range(len(proof)):
            forged = [*proof[:place], bytes(32), *proof[place + 1 :]]
            assert not tree.verify_consistency(old, new, forged, *roots)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        tree.inclusion_proof(index, size, LARGE.subtree)
    assert not tree.verify_inclusion(bytes(32), index, size, [], bytes(32))


def test_no_proof_that_a_tree_shrank() -> None:
    with pytest.raises(ValueError, match="does not shrink"):
        tree.consistency_proof(3, 2, LARGE.subtree)


def test_only_powers_of_two_are_complete() -> None:
    for hashes in ([], [bytes(32)] * 3):
        with pytest.raises(ValueError, match="power of two"):
            tree.complete_root(hashes)
