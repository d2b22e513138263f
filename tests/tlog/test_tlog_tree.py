"""Hashing, against the roots that every implementation of RFC 6962 knows, and proofs made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.errors import ProofError
from countermark.tlog.proof import (
    make_consistency_proof,
    make_inclusion_proof,
    verify_consistency,
    verify_inclusion,
    verify_leaf_inclusion,
)
from countermark.tlog.tiles import TileBuilder
from countermark.tlog.tree import (
    EMPTY_ROOT,
    Frontier,
    hash_leaf,
    hash_node,
    split_point,
    subtree_of,
    tree_root,
)

CT_INPUTS = [
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
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def recursive_root(entries: list[bytes]) -> bytes:
    """The definition of RFC 6962, section 2.1, word for word."""
    if not entries:
        return EMPTY_ROOT
    if len(entries) == 1:
        return hash_leaf(entries[0])
    middle = split_point(len(entries))
    return hash_node(recursive_root(entries[:middle]), recursive_root(entries[middle:]))


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    """The eight well-known inputs have the well-known root at each size."""
    assert tree_root(CT_INPUTS[:size]).hex() == CT_ROOTS[size]


@given(st.lists(st.binary(min_size=1, max_size=4), max_size=80))
def test_four_ways_to_a_root_agree(entries: list[bytes]) -> None:
    """root(frontier) == root(tiles) == root(rows) == the recursive definition, at every size."""
    frontier, builder = Frontier(), TileBuilder()
    for count, entry in enumerate(entries, 1):
        frontier.append(hash_leaf(entry))
        builder.add(entry)
        assert frontier.size == builder.size == count
    expected = recursive_root(entries)
    assert frontier.root() == expected
    assert builder.root() == expected
    assert tree_root(entries) == expected


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 65535, 65536, 65537, 65792])
def test_tiles_and_frontier_agree_at_the_borders_of_tiles(size: int) -> None:
    """The tile builder's root is the frontier's where tiles fill up, on two levels at once too."""
    frontier, builder = Frontier(), TileBuilder()
    for index in range(size):
        entry = index.to_bytes(3, "big")
        frontier.append(hash_leaf(entry))
        builder.add(entry)
        builder.take_full()
    assert builder.root() == frontier.root()


def entries_of(size: int) -> list[bytes]:
    return [b"entry %d" % index for index in range(size)]


@given(st.integers(1, 300), st.data())
def test_an_inclusion_proof_that_is_made_verifies(size: int, data: st.DataObject) -> None:
    """verify(make(i, n)) == ok for every i < n."""
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    hashes = [hash_leaf(entry) for entry in entries]
    proof = make_inclusion_proof(index, size, subtree_of(hashes))
    verify_inclusion(entries[index], index=index, size=size, proof=proof, root=tree_root(entries))


def mutate(hashes: list[bytes], data: st.DataObject) -> list[bytes]:
    """Another list of hashes: a bit flipped, one taken out, put in, or swapped."""
    how = data.draw(st.sampled_from(["flip", "add", "front", "drop", "cut"] if hashes else ["add"]))
    extra = data.draw(st.binary(min_size=32, max_size=32))
    at = data.draw(st.integers(0, max(len(hashes) - 1, 0)))
    if how == "add":
        return [*hashes, extra]
    if how == "front":
        return [extra, *hashes]
    if how == "drop":
        return hashes[:at] + hashes[at + 1 :]
    if how == "cut":
        return [*hashes[:at], hashes[at][:-1], *hashes[at + 1 :]]
    bit = data.draw(st.integers(0, 255))
    flipped = bytearray(hashes[at])
    flipped[bit // 8] ^= 1 << bit % 8
    return [*hashes[:at], bytes(flipped), *hashes[at + 1 :]]


@given(st.integers(1, 300), st.data())
def test_a_mutated_inclusion_proof_does_not_verify(size: int, data: st.DataObject) -> None:
    """Another entry, index, root or list of hashes is refused; nothing but `ProofError` is raised."""
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    root = tree_root(entries)
    proof = make_inclusion_proof(index, size, subtree_of([hash_leaf(entry) for entry in entries]))
    with pytest.raises(ProofError):
        verify_inclusion(entries[index], index=index, size=size, proof=mutate(proof, data), root=root)
    with pytest.raises(ProofError):
        verify_inclusion(entries[index] + b"x", index=index, size=size, proof=proof, root=root)
    with pytest.raises(ProofError):
        verify_inclusion(entries[index], index=index, size=size, proof=proof, root=hash_leaf(root))
    other = data.draw(st.integers(-1, size).filter(lambda each: each != index))
    with pytest.raises(ProofError):
        verify_inclusion(entries[index], index=other, size=size, proof=proof, root=root)


def test_a_node_cannot_be_passed_off_as_an_entry() -> None:
    """The bytes below a node, given as an entry one level up, do not lead to the root."""
    entries = entries_of(4)
    hashes = [hash_leaf(entry) for entry in entries]
    node_as_entry = hashes[0] + hashes[1]
    with pytest.raises(ProofError):
        verify_inclusion(
            node_as_entry, index=0, size=2, proof=[hash_node(hashes[2], hashes[3])], root=tree_root(entries)
        )


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_consistency_proof_that_is_made_verifies(one: int, two: int) -> None:
    """verify(make(m, n)) == ok for every m <= n; a proof for a tree that shrank can't even be made."""
    old, new = sorted((one, two))
    entries = entries_of(new)
    subtree = subtree_of([hash_leaf(entry) for entry in entries])
    proof = make_consistency_proof(old, new, subtree)
    verify_consistency(
        old_size=old,
        old_root=tree_root(entries[:old]),
        new_size=new,
        new_root=tree_root(entries),
        proof=proof,
    )
    if old < new:
        with pytest.raises(ProofError):
            make_consistency_proof(new, old, subtree)


@given(st.integers(0, 200), st.integers(0, 200), st.data())
def test_a_mutated_consistency_proof_does_not_verify(one: int, two: int, data: st.DataObject) -> None:
    """Other hashes, another old or new root, or swapped sizes are refused."""
    old, new = sorted((one, two))
    entries = entries_of(new)
    old_root, new_root = tree_root(entries[:old]), tree_root(entries)
    proof = make_consistency_proof(old, new, subtree_of([hash_leaf(entry) for entry in entries]))
    with pytest.raises(ProofError):
        verify_consistency(
            old_size=old, old_root=old_root, new_size=new, new_root=new_root, proof=mutate(proof, data)
        )
    with pytest.raises(ProofError):
        verify_consistency(
            old_size=old, old_root=hash_leaf(old_root), new_size=new, new_root=new_root, proof=proof
        )
    if old > 0:  # from an empty tree anything follows
        with pytest.raises(ProofError):
            verify_consistency(
                old_size=old, old_root=old_root, new_size=new, new_root=hash_leaf(new_root), proof=proof
            )
    if old != new:
        with pytest.raises(ProofError):
            verify_consistency(old_size=new, old_root=new_root, new_size=old, new_root=old_root, proof=proof)


def test_a_rewritten_past_has_no_consistency_proof() -> None:
    """The proof of the new tree does not carry over an old root with another entry in it."""
    entries = entries_of(20)
    rewritten = [*entries[:5], b"other", *entries[6:]]
    subtree = subtree_of([hash_leaf(entry) for entry in rewritten])
    with pytest.raises(ProofError, match="at size 12"):
        verify_consistency(
            old_size=12,
            old_root=tree_root(entries[:12]),
            new_size=20,
            new_root=tree_root(rewritten),
            proof=make_consistency_proof(12, 20, subtree),
        )


def test_a_proof_for_a_leaf_outside_is_not_made() -> None:
    """Index and size are checked before anything is hashed."""
    for index in (-1, 3):
        with pytest.raises(ProofError, match="index below the size 3"):
            make_inclusion_proof(index, 3, subtree_of([b""] * 3))
        with pytest.raises(ProofError):
            verify_leaf_inclusion(bytes(32), index=index, size=3, proof=[], root=bytes(32))
