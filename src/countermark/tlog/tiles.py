"""Tiles: the tree and the entries as files that never change, for readers who want proofs.

    tile/<level>/<index>          256 hashes of one level; level 0 are leaf hashes
    tile/entries/<index>          256 entries, each after its length in 2 bytes
    ....p/<width>                 the same, not full: as far as a checkpoint reached

Source: C2SP tlog-tiles v0.1.0.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from countermark.errors import MalformedError
from countermark.tlog.durable import TEMPORARY, make_folder, replace_file, sync_folder
from countermark.tlog.segment import split_body
from countermark.tlog.tree import HASH_BYTES, fold_peaks, hash_leaf, hash_row

WIDTH = 256
"""Hashes or entries in a full tile."""
ENTRIES = -1
"""The level of entry bundles, which lie beside level 0."""
FOLDER = "tile"


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Where a tile lies below the log's folder: `tile/0/x001/x234/067.p/12` for index 1234067, width 12."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    name = "/".join(groups)
    kind = "entries" if level == ENTRIES else str(level)
    return f"{FOLDER}/{kind}/{name}" if width == WIDTH else f"{FOLDER}/{kind}/{name}.p/{width}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One tile, full or not.

    Attributes:
        level: 0 for leaf hashes, `ENTRIES` for entries.
        index: Counted from 0 within the level.
        parts: At most 256 hashes, or entries with their lengths.
    """

    level: int
    index: int
    parts: tuple[bytes, ...]

    @property
    def width(self) -> int:
        """Number of parts; 256 is full."""
        return len(self.parts)

    @property
    def data(self) -> bytes:
        """The file's content."""
        return b"".join(self.parts)

    @property
    def path(self) -> str:
        """Where it lies below the log's folder."""
        return tile_path(self.level, self.index, self.width)

    def entry_at(self, part: int) -> int:
        """Number of the first entry that part `part` stands for."""
        height = max(self.level, 0)
        return (self.index * WIDTH + part) << (8 * height)

    @property
    def stop(self) -> int:
        """Number of the entry after the last one under this tile."""
        return self.entry_at(self.width)

    def first_difference(self, data: bytes) -> int | None:
        """The first part in which a file's content differs, or None; a file may hold fewer parts, not more."""
        try:
            found = split_body(data) if self.level == ENTRIES else _split_hashes(data)
        except MalformedError:
            return self._first_byte_difference(data)
        own = [part[2:] for part in self.parts] if self.level == ENTRIES else self.parts
        for at, part in enumerate(found):
            if at >= len(own) or part != own[at]:
                return at
        return None

    def _first_byte_difference(self, data: bytes) -> int:
        start = 0
        for at, part in enumerate(self.parts):
            if data[start : start + len(part)] != part:
                return at
            start += len(part)
        return self.width


def _split_hashes(data: bytes) -> tuple[bytes, ...]:
    if len(data) % HASH_BYTES:
        raise MalformedError(f"expected hashes of {HASH_BYTES} bytes, got {len(data)} bytes")
    return tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))


class TileBuilder:
    """Grows all tiles of a tree, entry by entry, and keeps only the right edge.

    Attributes:
        size: Entries so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._bundle: list[bytes] = []
        self._levels: list[list[bytes]] = [[]]
        self._full: list[Tile] = []

    def add(self, entry: bytes) -> None:
        """Add the next entry."""
        self._bundle.append(len(entry).to_bytes(2, "big") + entry)
        self._levels[0].append(hash_leaf(entry))
        self.size += 1
        if len(self._bundle) == WIDTH:
            self._close_tiles()

    def _close_tiles(self) -> None:
        index = self.size // WIDTH - 1
        self._full.append(Tile(level=ENTRIES, index=index, parts=tuple(self._bundle)))
        self._bundle = []
        level = 0
        while len(self._levels[level]) == WIDTH:
            tile = Tile(level=level, index=index, parts=tuple(self._levels[level]))
            self._full.append(tile)
            self._levels[level] = []
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(hash_row(tile.parts))
            index //= WIDTH

    def take_full(self) -> list[Tile]:
        """The tiles that have become full since the last call, in order of their last entry."""
        full, self._full = self._full, []
        return full

    def partial(self) -> list[Tile]:
        """The tiles that are not full, none of them empty."""
        tiles = []
        if self._bundle:
            tiles.append(Tile(level=ENTRIES, index=self.size // WIDTH, parts=tuple(self._bundle)))
        for level, hashes in enumerate(self._levels):
            if hashes:
                index = self.size >> (8 * (level + 1))
                tiles.append(Tile(level=level, index=index, parts=tuple(hashes)))
        return tiles

    def root(self) -> bytes:
        """Root over all entries so far."""
        peaks: list[bytes] = []
        for hashes in reversed(self._levels):
            start = 0
            for bit in range(7, -1, -1):
                if len(hashes) >> bit & 1:
                    peaks.append(hash_row(hashes[start : start + (1 << bit)]))
                    start += 1 << bit
        return fold_peaks(peaks)


class TileStore:
    """The tiles of one log, as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, tiles: Iterable[Tile]) -> None:
        """Write tiles; each is whole or absent, and all are durable on return.

        Raises:
            OSError: The disk is full, or failed.
        """
        touched: set[Path] = set()
        for tile in tiles:
            path = self._folder / tile.path
            if path.parent not in touched:
                make_folder(path.parent)
                touched.add(path.parent)
            replace_file(path, tile.data)
        for folder in touched:
            sync_folder(folder)

    def read(self, level: int, index: int, width: int = WIDTH) -> bytes | None:
        """A tile's content; the full tile's where that has replaced a partial one; None where neither is.

        Raises:
            OSError: It can't be read.
        """
        for path in dict.fromkeys((tile_path(level, index, width), tile_path(level, index))):
            try:
                return (self._folder / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None

    def read_file(self, tile: Tile) -> bytes | None:
        """The content of exactly this file; None where it isn't there.

        Raises:
            OSError: It can't be read.
        """
        try:
            return (self._folder / tile.path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def exists(self, tile: Tile) -> bool:
        """Whether the tile, or the full one that has replaced it, is there."""
        full = self._folder / tile_path(tile.level, tile.index)
        return (self._folder / tile.path).is_file() or full.is_file()

    def drop_partial(self, tile: Tile) -> None:
        """Remove the partial forms of a full tile (C2SP tlog-tiles allows it once the full one is there)."""
        folder = self._folder / (tile_path(tile.level, tile.index) + ".p")
        shutil.rmtree(folder, ignore_errors=True)

    def listing(self) -> dict[tuple[int, int], set[int]]:
        """The widths that exist, by level and index. Files with other names are passed over."""
        found: dict[tuple[int, int], set[int]] = {}
        root = self._folder / FOLDER
        for path in _files(root):
            key = _parse_path(path.relative_to(root).parts)
            if key is not None:
                found.setdefault(key[:2], set()).add(key[2])
        return found

    def leaf_hash(self, index: int, widths: Iterable[int]) -> bytes | None:
        """The stored hash of entry `index`, from whichever of `widths` of its tile has it."""
        tile, part = divmod(index, WIDTH)
        for width in sorted(widths, reverse=True):
            data = self.read(0, tile, width) if width > part else None
            if data is not None and len(data) >= (part + 1) * HASH_BYTES:
                return data[part * HASH_BYTES : (part + 1) * HASH_BYTES]
        return None


def _files(root: Path) -> Iterator[Path]:
    """All files below `root`; folders may vanish meanwhile, when a full tile replaces partial ones."""

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for folder, _, names in os.walk(root, onerror=refuse):
        yield from (Path(folder, name) for name in names if not name.endswith(TEMPORARY))


def _parse_path(parts: tuple[str, ...]) -> tuple[int, int, int] | None:
    """(level, index, width) of a path below `tile/`, or None where it is no tile's."""
    if len(parts) < 2:
        return None
    kind, *groups = parts
    width = WIDTH
    if len(groups) > 1 and groups[-2].endswith(".p"):
        if not groups[-1].isdigit():
            return None
        width = int(groups.pop())
        groups[-1] = groups[-1].removesuffix(".p")
    digits = "".join(group.removeprefix("x") for group in groups)
    if not digits.isdigit() or not (kind == "entries" or kind.isdigit()):
        return None
    level = ENTRIES if kind == "entries" else int(kind)
    found = (level, int(digits), width)
    return found if tile_path(*found) == "/".join((FOLDER, *parts)) and 0 < width <= WIDTH else None
