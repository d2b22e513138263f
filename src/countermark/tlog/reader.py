"""Reading a log from its folder, without writing; also while another process writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from countermark.errors import CheckpointError, LogError, MalformedError, ProofError, TamperedError
from countermark.tlog.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from countermark.tlog.durable import disk_error
from countermark.tlog.note import NoteKey
from countermark.tlog.proof import make_consistency_proof, make_inclusion_proof, verify_leaf_inclusion
from countermark.tlog.receipt import Receipt
from countermark.tlog.recovery import read_checkpoint_file
from countermark.tlog.segment import LogScan, split_body
from countermark.tlog.tiles import ENTRIES, WIDTH, TileStore, tile_path
from countermark.tlog.tree import HASH_BYTES, hash_leaf, hash_node, hash_row, split_point

_CACHED_TILES = 256
"""8 KiB each; a proof reads at most two tiles of each level."""


class LogReader:
    """What is published in a log's folder.

    The checkpoint is read once, when the reader is made; `refresh` reads it again. Everything else is answered for that
    checkpoint, and every proof is checked against it before it is handed out.

    Args:
        folder: The log's folder.
        keys: Verify the checkpoint with these; without them it is believed, which is right for who owns the folder.

    Raises:
        CheckpointError: There is no checkpoint, it can't be read, or none of `keys` has signed it.
    """

    def __init__(self, folder: Path, *, keys: Sequence[NoteKey] = ()) -> None:
        self._folder = folder
        self._keys = tuple(keys)
        self._store = TileStore(folder)
        self._tile = lru_cache(maxsize=_CACHED_TILES)(self._read_hashes)
        self.refresh()

    def refresh(self) -> None:
        """Read the checkpoint again.

        Raises:
            CheckpointError: As for the constructor; the reader goes on with the one it had.
        """
        signed = read_checkpoint_file(self._folder)
        if signed is None:
            raise CheckpointError(f"expected a log in `{self._folder}`, found no checkpoint there")
        try:
            found = verify_checkpoint(signed, keys=self._keys) if self._keys else parse_checkpoint(signed)
        except MalformedError as error:
            raise CheckpointError(f"checkpoint in `{self._folder}` can't be read: {error}") from error
        self._signed, self._checkpoint = signed, found

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that answers are given for."""
        return self._checkpoint

    @property
    def signed_checkpoint(self) -> bytes:
        """The same, as the signed note."""
        return self._signed

    @property
    def size(self) -> int:
        """Number of published entries."""
        return self._checkpoint.size

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """All published entries with their numbers, in order."""
        return self.entries()

    def entries(
        self, start: int = 0, stop: int | None = None, *, unpublished: bool = False
    ) -> Iterator[tuple[int, bytes]]:
        """Entries `start <= index < stop` with their numbers, read from the segments and their chain.

        Args:
            start: Where to begin.
            stop: Where to end; None is the end of the log.
            unpublished: Go on behind the checkpoint. What is read there need not be durable yet, nor final.

        Raises:
            TamperedError: A segment was changed, or holds fewer entries than are published.
            LogError: A segment can't be read.
        """
        limit = self.size if stop is None and not unpublished else stop
        if limit is not None and not unpublished:
            limit = min(limit, self.size)
        scan = LogScan(self._folder)
        for record in scan:
            for index, entry in enumerate(record.entries, record.first_index):
                if limit is not None and index >= limit:
                    return
                if index >= start:
                    yield index, entry
        if scan.size < self.size:
            raise TamperedError(f"the checkpoint signs {self.size} entries, the segments hold {scan.size}")

    def entry(self, index: int) -> bytes:
        """Published entry `index`, from its bundle.

        Raises:
            LogError: There is no such entry.
            TamperedError: The bundle is missing, or isn't what the tree says.
        """
        self._check_index(index)
        number, part = divmod(index, WIDTH)
        width = min(WIDTH, self.size - number * WIDTH)
        path = tile_path(ENTRIES, number, width)
        try:
            data = self._store.read(ENTRIES, number, width)
        except OSError as error:
            raise disk_error(f"reading tile `{path}`", error) from error
        if data is None:
            raise TamperedError(f"tile `{path}` is missing")
        try:
            entries = split_body(data)
        except MalformedError as error:
            raise TamperedError(f"tile `{path}` was changed: {error}") from error
        if part >= len(entries) or hash_leaf(entries[part]) != self._leaf_hash(index):
            raise TamperedError(f"entry {index} in tile `{path}` isn't the one in the tree")
        return entries[part]

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Sibling hashes that lead from entry `index` to the checkpoint's root, lowest level first.

        Raises:
            LogError: There is no such entry.
            TamperedError: The tiles don't lead to the root that was signed.
        """
        self._check_index(index)
        proof = make_inclusion_proof(index, self.size, self._subtree)
        try:
            verify_leaf_inclusion(
                self._leaf_hash(index), index=index, size=self.size, proof=proof, root=self._checkpoint.root
            )
        except ProofError as error:
            raise TamperedError(f"the tiles don't lead to the signed root: {error}") from error
        return proof

    def consistency_proof(self, old_size: int) -> list[bytes]:
        """Hashes that show the first `old_size` entries to be a prefix of the published ones.

        Raises:
            ProofError: `old_size` is more than are published.
            TamperedError: A tile is missing or changed.
        """
        return make_consistency_proof(old_size, self.size, self._subtree)

    def tlog_proof(self, index: int) -> bytes:
        """A receipt for entry `index`, in the form of c2sp.org/tlog-proof@v1.

        Raises:
            LogError: There is no such published entry.
            TamperedError: The tiles don't lead to the root that was signed.
        """
        proof = self.inclusion_proof(index)
        return Receipt(index=index, proof=tuple(proof), checkpoint=self._signed).encode()

    def _check_index(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise LogError(f"expected an entry below the published size {self.size}, got {index}")

    def _leaf_hash(self, index: int) -> bytes:
        return self._subtree(index, index + 1)

    def _subtree(self, start: int, stop: int) -> bytes:
        """Hash over the leaves `start <= i < stop`, from the tiles."""
        count = stop - start
        if count & (count - 1):
            middle = start + split_point(count)
            return hash_node(self._subtree(start, middle), self._subtree(middle, stop))
        # a full subtree of height h is made of 2^(h mod 8) hashes of one tile of level h div 8
        level, low = divmod(count.bit_length() - 1, 8)
        number, part = divmod(start >> (8 * level), WIDTH)
        width = min(WIDTH, (self.size >> (8 * level)) - number * WIDTH)
        return hash_row(self._tile(level, number, width)[part : part + (1 << low)])

    def _read_hashes(self, level: int, index: int, width: int) -> tuple[bytes, ...]:
        path = tile_path(level, index, width)
        try:
            data = self._store.read(level, index, width)
        except OSError as error:
            raise disk_error(f"reading tile `{path}`", error) from error
        if data is None:
            raise TamperedError(f"tile `{path}` is missing")
        if len(data) < width * HASH_BYTES:
            raise TamperedError(f"tile `{path}`: expected {width} hashes, got {len(data)} bytes")
        return tuple(data[at : at + HASH_BYTES] for at in range(0, width * HASH_BYTES, HASH_BYTES))
