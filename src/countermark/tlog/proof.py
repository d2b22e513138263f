"""Inclusion and consistency proofs: made from subtree hashes, verified from nothing but hashes.

Source: RFC 9162, sections 2.1.3 and 2.1.4.
"""

from __future__ import annotations

from collections.abc import Sequence

from countermark.errors import ProofError
from countermark.tlog.tree import EMPTY_ROOT, HASH_BYTES, Subtree, hash_leaf, hash_node, split_point


def make_inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The sibling hashes that lead from leaf `index` to the root of the first `size` leaves, lowest level first.

    Raises:
        ProofError: There is no leaf `index` among `size`.

    Source: RFC 9162, section 2.1.3.1.
    """
    if not 0 <= index < size:
        raise ProofError(f"expected an index below the size {size}, got {index}")
    siblings: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + split_point(stop - start)
        if index < middle:
            siblings.append(subtree(middle, stop))
            stop = middle
        else:
            siblings.append(subtree(start, middle))
            start = middle
    return siblings[::-1]


def make_consistency_proof(old_size: int, new_size: int, subtree: Subtree) -> list[bytes]:
    """The hashes that show the first `old_size` leaves to be a prefix of the first `new_size`.

    Raises:
        ProofError: `old_size` is larger than `new_size`, or negative.

    Source: RFC 9162, section 2.1.4.1.
    """
    if not 0 <= old_size <= new_size:
        raise ProofError(f"expected an old size of at most {new_size}, got {old_size}")
    if old_size in (0, new_size):
        return []
    hashes: list[bytes] = []
    start, stop = 0, new_size
    while stop != old_size:
        middle = start + split_point(stop - start)
        if old_size <= middle:
            hashes.append(subtree(middle, stop))
            stop = middle
        else:
            hashes.append(subtree(start, middle))
            start = middle
    if start > 0:  # the verifier holds the old root itself only where the old tree is one full subtree
        hashes.append(subtree(start, stop))
    return hashes[::-1]


def verify_inclusion(entry: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `entry` is number `index` of the `size` entries under `root`.

    Args:
        entry: The entry's bytes, not its hash.
        index: Counted from 0; `0 <= index < size`.
        size: Tree size of the checkpoint that `root` comes from.
        proof: Sibling hashes, 32 bytes each, lowest level first.
        root: Root hash from a verified checkpoint, 32 bytes.

    Raises:
        ProofError: The proof does not lead to `root`.

    Source: RFC 9162, section 2.1.3.2.
    """
    verify_leaf_inclusion(hash_leaf(entry), index=index, size=size, proof=proof, root=root)


def verify_leaf_inclusion(
    leaf_hash: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Like `verify_inclusion`, for who holds the leaf's hash only. Such a hash must come from hashing an entry.

    Raises:
        ProofError: The proof does not lead to `root`.
    """
    _check_hashes((*proof, leaf_hash, root))
    if not 0 <= index < size:
        raise ProofError(f"expected an index below the size {size}, got {index}")
    node, last, made = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofError(f"expected fewer hashes for index {index} of {size}, got {len(proof)}")
        if node & 1 or node == last:
            made = hash_node(sibling, made)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            made = hash_node(made, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise ProofError(f"expected more hashes for index {index} of {size}, got {len(proof)}")
    if made != root:
        raise ProofError(f"expected root `{root.hex()}`, the proof for index {index} leads to `{made.hex()}`")


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree under `old_root` is a prefix of the one under `new_root`.

    Args:
        old_size: Size of the tree that was seen before.
        old_root: Its root hash, 32 bytes.
        new_size: Size of the tree that is presented now.
        new_root: Its root hash, 32 bytes.
        proof: Hashes of 32 bytes, as `make_consistency_proof` makes them.

    Raises:
        ProofError: The proof does not lead to both roots, or the tree shrank.

    Source: RFC 9162, section 2.1.4.2.
    """
    _check_hashes((*proof, old_root, new_root))
    if not 0 <= old_size <= new_size:
        raise ProofError(f"expected at least the earlier size {old_size}, got size {new_size}")
    if old_size in (0, new_size):
        if proof:
            raise ProofError(f"expected no hashes from size {old_size} to {new_size}, got {len(proof)}")
        known = EMPTY_ROOT if old_size == 0 else new_root
        if old_root != known:
            raise ProofError(f"expected root `{known.hex()}` at size {old_size}, got `{old_root.hex()}`")
        if new_size == 0 and new_root != EMPTY_ROOT:
            raise ProofError(f"expected root `{EMPTY_ROOT.hex()}` at size 0, got `{new_root.hex()}`")
        return
    # RFC 9162 puts the old root before the path where the old tree is one full subtree of the new one
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not path:
        raise ProofError(f"expected more hashes from size {old_size} to {new_size}, got none")
    old_made, new_made = _walk_consistency(old_size, new_size, path)
    if old_made != old_root:
        raise ProofError(f"expected root `{old_root.hex()}` at size {old_size}, got `{old_made.hex()}`")
    if new_made != new_root:
        raise ProofError(f"expected root `{new_root.hex()}` at size {new_size}, got `{new_made.hex()}`")


def _walk_consistency(old_size: int, new_size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that the path leads to (RFC 9162, section 2.1.4.2, steps 3 to 6)."""
    old_node, last = old_size - 1, new_size - 1
    while old_node & 1:
        old_node >>= 1
        last >>= 1
    old_made = new_made = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError(f"expected fewer hashes from size {old_size} to {new_size}, got {len(path)}")
        if old_node & 1 or old_node == last:
            old_made = hash_node(sibling, old_made)
            new_made = hash_node(sibling, new_made)
            while not old_node & 1 and old_node:
                old_node >>= 1
                last >>= 1
        else:
            new_made = hash_node(new_made, sibling)
        old_node >>= 1
        last >>= 1
    if last:
        raise ProofError(f"expected more hashes from size {old_size} to {new_size}, got {len(path)}")
    return old_made, new_made


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for each in hashes:
        if len(each) != HASH_BYTES:
            raise ProofError(f"expected hashes of {HASH_BYTES} bytes, got one of {len(each)}")
