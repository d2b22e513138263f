"""Merkle tree hashing: leaves, nodes, the root of a list, and a frontier that grows one leaf at a time.

Source: RFC 6962, section 2.1 (the same as RFC 9162, section 2.1.1, with SHA-256).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves."""

Subtree = Callable[[int, int], bytes]
"""`subtree(start, stop)` is the hash over the leaves `start <= i < stop`, where `start < stop`."""


def hash_leaf(entry: bytes) -> bytes:
    """Hash of a leaf; the first byte keeps a leaf from being passed off as a node."""
    return sha256(b"\x00" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Hash of the node above `left` and `right`."""
    return sha256(b"\x01" + left + right).digest()


def split_point(count: int) -> int:
    """The largest power of two below `count`, for `count >= 2`: where a tree parts into left and right."""
    return 1 << ((count - 1).bit_length() - 1)


def hash_row(hashes: Sequence[bytes]) -> bytes:
    """Root over `hashes`, which are leaf hashes, or hashes of full subtrees of one height.

    Joins pairs row by row; an odd last hash moves up unchanged, which is the same tree as splitting at the largest
    power of two (a property test holds the two definitions together).
    """
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        joined = [
            sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)
        ]
        if len(row) % 2:
            joined.append(row[-1])
        row = joined
    return row[0]


def tree_root(entries: Iterable[bytes]) -> bytes:
    """Root of the tree whose leaves are `entries`."""
    return hash_row([hash_leaf(entry) for entry in entries])


def subtree_of(leaf_hashes: Sequence[bytes]) -> Subtree:
    """The `Subtree` of leaf hashes that are all in memory."""
    return lambda start, stop: hash_row(leaf_hashes[start:stop])


class Frontier:
    """The right edge of a growing tree: one hash for each full subtree, so at most 64 hashes whatever the size.

    Attributes:
        size: Leaves so far.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # INVARIANT: one for each 1 bit of `size`, the largest subtree first

    def append(self, leaf_hash: bytes) -> None:
        """Add the next leaf."""
        carry = leaf_hash
        size = self.size
        while size & 1:
            carry = sha256(b"\x01" + self._peaks.pop() + carry).digest()
            size >>= 1
        self._peaks.append(carry)
        self.size += 1

    def root(self) -> bytes:
        """Root over all leaves so far."""
        return fold_peaks(self._peaks)


def fold_peaks(peaks: Sequence[bytes]) -> bytes:
    """Root of the tree whose full subtrees, the largest first, have these hashes."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = hash_node(peak, root)
    return root
