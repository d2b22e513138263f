"""Publishing: turning durable entries into tiles and a signed checkpoint."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from countermark.errors import LogError
from countermark.tlog.checkpoint import Checkpoint, sign_checkpoint
from countermark.tlog.durable import disk_error, replace_file, sync_folder
from countermark.tlog.note import NoteSigner
from countermark.tlog.tiles import Tile, TileBuilder, TileStore

CHECKPOINT = "checkpoint"
"""Name of the file below the log's folder."""

_BREATH_ENTRIES = 32
_BREATH_S = 50e-6
# Hashing holds the interpreter's lock, which the writer or the event loop would wait for up to 5 ms at a time (the switch
# interval). Letting go every 32 entries, about 0.1 ms of work, takes the p99 of 256 submitters from about 20 ms to under
# 10 (bench/durable_append.py) and changes no setting of the process that the log runs in.


class Publisher:
    """Makes tiles and checkpoints of what the writer has made durable.

    INVARIANT: a checkpoint covers durable entries only, and its tiles are durable before it is.

    Args:
        folder: The log's folder.
        builder: The tree over the entries that were durable at the start.
        checkpoint: The checkpoint on disk, and its size; size -1 where there is none.
    """

    def __init__(
        self,
        folder: Path,
        *,
        origin: str,
        key: NoteSigner,
        builder: TileBuilder,
        checkpoint: tuple[bytes, int],
    ) -> None:
        self._folder = folder
        self._store = TileStore(folder)
        self._origin = origin
        self._key = key
        self._builder = builder
        self._checkpoint, self._published = checkpoint
        self._full: list[Tile] = []
        self._failed: str | None = None
        self._batches: deque[Sequence[bytes]] = deque()  # durable, not yet in `_builder`; its ends are atomic
        self._lock = threading.Lock()  # guards all but `_batches`; held while files are written

    def add(self, entries: Sequence[bytes]) -> None:
        """Take durable entries over from the writer; quick, the hashing is done later."""
        self._batches.append(entries)

    def root(self) -> bytes:
        """Root over all entries that were added."""
        with self._lock:
            self._absorb()
            return self._builder.root()

    def publish(self, *, gently: bool = False) -> bytes:
        """Write tiles and checkpoint of all entries that were added; returns the checkpoint.

        Args:
            gently: Pause between entries, so that hashing does not delay other threads.

        Raises:
            LogError: The disk refused, now or before: after a failed sync nothing on disk can be relied on.
        """
        with self._lock:
            if self._failed is not None:
                raise LogError(self._failed)
            self._absorb(gently=gently)
            if self._builder.size == self._published:
                return self._checkpoint
            try:
                return self._write()
            except OSError as error:
                failure = disk_error("publishing a checkpoint", error)
                self._failed = str(failure)
                raise failure from error

    def _absorb(self, *, gently: bool = False) -> None:
        while self._batches:
            for entry in self._batches.popleft():
                self._builder.add(entry)
                if gently and self._builder.size % _BREATH_ENTRIES == 0:
                    time.sleep(_BREATH_S)
        self._full += self._builder.take_full()

    def _write(self) -> bytes:
        self._store.write((*self._full, *self._builder.partial()))
        size = self._builder.size
        signed = sign_checkpoint(
            Checkpoint(origin=self._origin, size=size, root=self._builder.root()), self._key
        )
        replace_file(self._folder / CHECKPOINT, signed)
        sync_folder(self._folder)
        self._checkpoint, self._published = signed, size
        for tile in self._full:
            self._store.drop_partial(tile)
        self._full = []
        return signed
