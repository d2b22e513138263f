"""Holding the tiles of a log against its entries, in one pass: what recovery and offline verification share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from countermark.errors import LogError, TamperedError
from countermark.tlog.durable import disk_error
from countermark.tlog.tiles import ENTRIES, WIDTH, Tile, TileBuilder, TileStore
from countermark.tlog.tree import hash_leaf


class TileAudit:
    """Compares each tile on disk with the one that the entries make.

    The listing of tiles is taken at the start, before the entries are read: a tile is only made of durable entries, so
    in a log that is being written the entries read later always cover the tiles listed earlier.

    Args:
        folder: The log's folder.
        published: Size of the checkpoint, whose tiles must all be there.
        sizes: Other sizes to note the root at.
        bundles: Compare entry bundles too, not only hashes.

    Attributes:
        builder: The tree so far.
        roots: Root hash by size, for `published` and `sizes`.
        leaf: The first entry whose stored leaf hash is another, and the tile that holds it.
        damaged: The first tile whose content differs, and the first entry under the difference.
        excess: What a tile says that was made of more entries than there are.
        missing: Tiles that aren't there: those that `published` needs, and full ones behind it.
        compared: Number of tile files that were compared.
    """

    def __init__(
        self, folder: Path, *, published: int, sizes: Iterable[int] = (), bundles: bool = True
    ) -> None:
        self._store = TileStore(folder)
        self._published = published
        self._sizes = {published, *sizes}
        self._bundles = bundles
        try:
            self._listing = self._store.listing()
        except OSError as error:
            raise disk_error("listing tiles", error) from error
        self._seen: set[tuple[int, int]] = set()
        self.builder = TileBuilder()
        self.roots: dict[int, bytes] = {}
        self.leaf: tuple[int, str] | None = None
        self.damaged: tuple[str, int] | None = None
        self.excess: str | None = None
        self.missing: list[Tile] = []
        self.compared = 0
        self._note_size()

    def add(self, entries: Sequence[bytes]) -> None:
        """Take the next entries into account.

        Raises:
            LogError: A tile can't be read.
        """
        for entry in entries:
            self.builder.add(entry)
            if self.builder.size in self._sizes:
                self._note_size()
        for tile in self.builder.take_full():
            self._compare(tile)

    def finish(self) -> None:
        """Compare the tiles at the right edge, once all entries were added.

        Raises:
            LogError: A tile can't be read.
        """
        for tile in self.builder.partial():
            self._compare(tile)
        for (level, index), widths in sorted(self._listing.items()):
            if (level, index) not in self._seen:
                self._note_excess(level, index, max(widths))

    def check_tiles(self) -> None:
        """Refuse tiles that aren't those of the entries; call it when the entries' root was found to be right.

        Raises:
            TamperedError: Names the tile and the first entry under the difference.
        """
        if self.excess is not None:
            raise TamperedError(self.excess)
        if self.damaged is not None:
            tile, entry = self.damaged
            raise TamperedError(
                f"tile `{tile}` was changed: from entry {entry} on it isn't what the entries make"
            )

    def check_missing(self) -> None:
        """Refuse a log that lacks tiles of its checkpoint.

        Raises:
            TamperedError: Names the first that isn't there.
        """
        for tile in self.missing:
            # looked for once more: a full tile may have taken a partial one's place while the folders were listed
            if tile.stop <= self._published and not self._store.exists(tile):
                raise TamperedError(f"tile `{tile.path}` is missing")

    def first_changed(self) -> int | None:
        """The first entry added so far that isn't the published one, by the stored leaf hashes."""
        if self.leaf is not None:
            return self.leaf[0]
        for tile in self.builder.partial():
            if tile.level == ENTRIES:
                return self.blame(tile.entry_at(0), [part[2:] for part in tile.parts])
        return None

    def blame(self, first_index: int, entries: Sequence[bytes]) -> int | None:
        """The first of `entries` that isn't the published one, by the stored leaf hashes (a `segment.Blame`)."""
        for index, entry in enumerate(entries, first_index):
            widths = self._listing.get((0, index // WIDTH), set())
            stored = self._store.leaf_hash(index, widths)
            if stored is not None and stored != hash_leaf(entry):
                return index
        return None

    def _note_size(self) -> None:
        size = self.builder.size
        if size not in self._sizes:
            return
        self.roots[size] = self.builder.root()
        if size == self._published:
            for tile in self.builder.partial():
                widths = self._listing.get((tile.level, tile.index), set())
                if not widths & {tile.width, WIDTH}:
                    self.missing.append(tile)

    def _compare(self, tile: Tile) -> None:
        key = (tile.level, tile.index)
        widths = self._listing.get(key, set())
        self._seen.add(key)
        if tile.width == WIDTH and WIDTH not in widths:
            self.missing.append(tile)
        for width in sorted(widths):
            if width > tile.width:
                self._note_excess(tile.level, tile.index, width)
            elif self._bundles or tile.level != ENTRIES:
                self._compare_file(tile, width)

    def _note_excess(self, level: int, index: int, width: int) -> None:
        claimed = Tile(level=level, index=index, parts=(b"",) * width)
        if self.excess is None:
            size = self.builder.size
            self.excess = (
                f"tile `{claimed.path}` was made of {claimed.stop} entries, the segments hold {size}"
            )

    def _compare_file(self, tile: Tile, width: int) -> None:
        shown = Tile(level=tile.level, index=tile.index, parts=tile.parts[:width])
        try:
            data = self._store.read_file(shown)
        except OSError as error:
            raise disk_error(f"reading tile `{shown.path}`", error) from error
        if data is None:
            if self._store.exists(shown):
                return  # a writer has just replaced the partial tile by the full one
            raise LogError(f"tile `{shown.path}` vanished while it was read")
        self.compared += 1
        if data == shown.data:
            return
        part = shown.first_difference(data)
        entry = shown.entry_at(width if part is None else part)
        if tile.level == 0 and (self.leaf is None or entry < self.leaf[0]):
            self.leaf = (entry, shown.path)
        if self.damaged is None:
            self.damaged = (shown.path, entry)
