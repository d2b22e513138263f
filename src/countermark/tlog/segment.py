"""Segments: the files that hold the entries, in the order in which they became durable.

A segment is a header and records; a record is one batch, made durable by one `fdatasync`:

    header  magic 8 | marker 8 | first index 8 | chain 32 | length 2, origin | crc 4
    record  marker 8 | first index 8 | entries 4 | body length 4 | chain 32 | body | crc 4
    body    for each entry: length 2, bytes             (numbers big-endian, crc = CRC-32 of all that precedes)

`chain` is the SHA-256 of the whole record before (of the origin, before the first), so no record can be taken out or
put in unseen. The marker is random for each segment: bytes in an entry cannot pass for a record. A record that fails
its CRC with nothing valid after it is a torn tail (nobody was answered for it); with something valid after it, it is
damage.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from countermark.errors import LogError, MalformedError, TamperedError
from countermark.tlog.durable import TEMPORARY, disk_error, sync_folder, write_all

SEGMENT_BYTES = 64 << 20
MIN_SEGMENT_BYTES = 4096
MAGIC = b"CMSEG\x00\x01\n"
FOLDER = "segments"
_FIXED = struct.Struct(">8s8sQ32sH")
_RECORD = struct.Struct(">8sQII32s")
_CRC = struct.Struct(">I")
_ZERO_AHEAD = 256 << 10
_NAME = re.compile(r"[0-9]{16}\.seg")

Blame = Callable[[int, Sequence[bytes]], int | None]
"""`blame(first_index, entries)` tells which entry of a broken record isn't what was published, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    """How a segment begins.

    Attributes:
        marker: 8 random bytes that begin each record of this segment.
        first_index: Number of the first entry in it.
        chain: SHA-256 of the last record of the segment before.
        origin: The log's, as on its checkpoints.
    """

    marker: bytes
    first_index: int
    chain: bytes
    origin: str

    def encode(self) -> bytes:
        """The header's bytes."""
        origin = self.origin.encode()
        fixed = _FIXED.pack(MAGIC, self.marker, self.first_index, self.chain, len(origin))
        return fixed + origin + _CRC.pack(zlib.crc32(fixed + origin))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One batch of entries.

    Attributes:
        first_index: Number of the first entry.
        entries: At least one.
        end: Offset after the record in its file.
        chain: SHA-256 of the record, for the next one to name.
    """

    first_index: int
    entries: tuple[bytes, ...]
    end: int
    chain: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TornTail:
    """Bytes after the last whole record: what a crash left of a batch that nobody was answered for.

    Attributes:
        path: The segment.
        offset: Where it begins.
        size: Bytes up to the last one that isn't zero.
        entries: What can still be read of it as entries; empty where nothing can.
    """

    path: Path
    offset: int
    size: int
    entries: tuple[bytes, ...]


def first_chain(origin: str) -> bytes:
    """What the first record of a log names as the one before it, so that logs can't be mixed."""
    return sha256(b"countermark segments v1\n" + origin.encode() + b"\n").digest()


def encode_record(marker: bytes, first_index: int, entries: Sequence[bytes], chain: bytes) -> bytes:
    """The bytes of one batch."""
    body = b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])
    head = _RECORD.pack(marker, first_index, len(entries), len(body), chain) + body
    return head + _CRC.pack(zlib.crc32(head))


def record_bytes(entries: int, payload: int) -> int:
    """Size of a record of so many entries that have `payload` bytes together."""
    return _RECORD.size + 2 * entries + payload + _CRC.size


def split_body(body: bytes, count: int | None = None) -> tuple[bytes, ...]:
    """Take length-prefixed entries apart (also the form of C2SP entry bundles).

    Raises:
        MalformedError: Cut, empty entries, or not `count` of them.
    """
    entries: list[bytes] = []
    at, end = 0, len(body)
    while at < end:
        size = int.from_bytes(body[at : at + 2], "big")
        stop = at + 2 + size
        if size == 0 or stop > end:
            raise MalformedError(f"expected a whole entry at byte {at}, got a length of {size}")
        entries.append(body[at + 2 : stop])
        at = stop
    if count is not None and len(entries) != count:
        raise MalformedError(f"expected {count} entries, got {len(entries)}")
    return tuple(entries)


def segment_paths(folder: Path) -> list[Path]:
    """The segments of the log in `folder`, in order."""
    found = folder / FOLDER
    if not found.is_dir():
        return []
    return sorted(path for path in found.iterdir() if _NAME.fullmatch(path.name))


def parse_header(data: bytes, name: str) -> tuple[SegmentHeader, int]:
    """The header at the start of `data`, and the offset after it.

    Raises:
        TamperedError: It isn't one; a segment gets its name only once its header is durable.
    """
    if len(data) < _FIXED.size or data[:8] != MAGIC:
        raise TamperedError(f"segment `{name}`: expected a segment header")
    _, marker, first_index, chain, length = _FIXED.unpack_from(data)
    end = _FIXED.size + length
    if len(data) < end + _CRC.size or _CRC.unpack_from(data, end)[0] != zlib.crc32(data[:end]):
        raise TamperedError(f"segment `{name}`: its header was changed")
    origin = data[_FIXED.size : end].decode(errors="replace")
    if name != f"{first_index:016d}.seg":
        raise TamperedError(f"segment `{name}`: expected the name `{first_index:016d}.seg`, by its header")
    return SegmentHeader(marker=marker, first_index=first_index, chain=chain, origin=origin), end + _CRC.size


def _whole_at(data: bytes, offset: int, marker: bytes) -> tuple[int, int, bytes, bytes, int] | None:
    """(first index, count, chain, body, end) of the record at `offset`, or None where there is no whole one."""
    if offset + _RECORD.size + _CRC.size > len(data):
        return None
    found, first_index, count, length, chain = _RECORD.unpack_from(data, offset)
    body_at = offset + _RECORD.size
    stop = body_at + length
    if found != marker or count == 0 or stop + _CRC.size > len(data):
        return None
    if _CRC.unpack_from(data, stop)[0] != zlib.crc32(memoryview(data)[offset:stop]):
        return None
    return first_index, count, chain, data[body_at:stop], stop + _CRC.size


def _readable_at(data: bytes, offset: int, marker: bytes, first_index: int) -> tuple[bytes, ...]:
    """The entries that can still be read of a broken record, to tell which of them was changed."""
    if offset + _RECORD.size > len(data):
        return ()
    found, first, _, length, _ = _RECORD.unpack_from(data, offset)
    if found != marker or first != first_index:
        return ()
    body = data[offset + _RECORD.size : offset + _RECORD.size + length]
    entries: list[bytes] = []
    at = 0
    while at + 2 < len(body):
        size = int.from_bytes(body[at : at + 2], "big")
        if size == 0 or at + 2 + size > len(body):
            break
        entries.append(body[at + 2 : at + 2 + size])
        at += 2 + size
    return tuple(entries)


class LogScan:
    """One pass over all segments of a log, in order, that believes nothing it can check.

    Iterate to get the records; after that, or where the pass stopped, the attributes tell how far it came. A log that
    is being written can be read: what is not whole at its end counts as torn.

    Args:
        folder: The log's folder.
        blame: Asked for the entries of a broken record, to name the one that was changed.

    Attributes:
        origin: From the first segment; None before.
        size: Entries so far.
        chain: SHA-256 of the last record.
        last: Path, header and end offset of the last segment; None where there is none.
        torn: What stands after the last record.
    """

    def __init__(self, folder: Path, *, blame: Blame | None = None) -> None:
        self._folder = folder
        self._blame = blame
        self.origin: str | None = None
        self.size = 0
        self.chain = b""
        self.last: tuple[Path, SegmentHeader, int] | None = None
        self.torn: TornTail | None = None

    def __iter__(self) -> Iterator[Record]:
        """Yield the records.

        Raises:
            TamperedError: Damage that a crash can't have made.
            LogError: A segment can't be read.
        """
        paths = segment_paths(self._folder)
        for path in paths:
            try:
                data = path.read_bytes()
            except OSError as error:
                raise disk_error(f"reading segment `{path.name}`", error) from error
            yield from self._segment(path, data, last=path == paths[-1])

    def _segment(self, path: Path, data: bytes, *, last: bool) -> Iterator[Record]:
        header, at = parse_header(data, path.name)
        if self.origin is None:
            self.origin = header.origin
            self.chain = first_chain(header.origin)
        if header.origin != self.origin:
            raise TamperedError(f"segment `{path.name}`: expected log `{self.origin}`, got `{header.origin}`")
        if header.first_index != self.size:
            raise TamperedError(f"expected a segment that begins with entry {self.size}, got `{path.name}`")
        if header.chain != self.chain:
            raise TamperedError(f"segment `{path.name}` doesn't follow the record before entry {self.size}")
        while (found := _whole_at(data, at, header.marker)) is not None:
            record = self._check(found, data[at : found[4]], path.name)
            at = record.end
            self.size += len(record.entries)
            self.chain = record.chain
            self.last = (path, header, at)
            yield record
        self.last = (path, header, at)
        rest = len(data) if not last else len(data.rstrip(b"\x00"))
        if rest > at:
            self._broken(path, data, at, rest, header, last=last)

    def _check(self, found: tuple[int, int, bytes, bytes, int], raw: bytes, name: str) -> Record:
        first_index, count, chain, body, end = found
        if first_index != self.size:
            raise TamperedError(
                f"segment `{name}`: expected entry {self.size}, got a record that begins at {first_index}"
            )
        try:
            entries = split_body(body, count)
        except MalformedError as error:
            raise TamperedError(
                f"segment `{name}`: the record of entry {first_index} was changed: {error}"
            ) from error
        if chain != self.chain:
            raise TamperedError(
                f"segment `{name}`: the record that begins with entry {first_index} doesn't follow the one before it, "
                f"so a record up to entry {first_index + count - 1} was rewritten"
            )
        return Record(first_index=first_index, entries=entries, end=end, chain=sha256(raw).digest())

    def _broken(
        self, path: Path, data: bytes, at: int, rest: int, header: SegmentHeader, *, last: bool
    ) -> None:
        """Bytes at `at` are no record: a torn tail, or damage."""
        entries = _readable_at(data, at, header.marker, self.size)
        after = self._next_whole(data, at + 1, header.marker)
        if last and after is None:
            self.torn = TornTail(path=path, offset=at, size=rest - at, entries=entries)
            return
        blamed = self._blame(self.size, entries) if self._blame is not None and entries else None
        if blamed is not None:
            what = f"entry {blamed} differs from the one that was published"
        else:
            what = f"the record that begins with entry {self.size} was changed"
        follows = "more segments follow" if after is None else f"whole records follow, from entry {after}"
        raise TamperedError(f"{what} (segment `{path.name}`, byte {at}; {follows}, so no crash has cut it)")

    @staticmethod
    def _next_whole(data: bytes, start: int, marker: bytes) -> int | None:
        """First index of the next whole record from `start`, if any."""
        at = data.find(marker, start)
        while at >= 0:
            found = _whole_at(data, at, marker)
            if found is not None:
                return found[0]
            at = data.find(marker, at + 1)
        return None


class SegmentWriter:
    """The segment that is being written. Not for two threads at once."""

    def __init__(self, path: Path, header: SegmentHeader, fd: int, *, end: int, capacity: int) -> None:
        self.path = path
        self._header = header
        self._fd = fd
        self._end = end
        self._capacity = capacity
        self._zeroed = end

    @classmethod
    def create(
        cls, folder: Path, *, origin: str, first_index: int, chain: bytes, capacity: int, record: int
    ) -> SegmentWriter:
        """Make a segment whose name, header and room are durable.

        Args:
            folder: The log's.
            origin: The log's.
            first_index: Number of the first entry that it will hold.
            chain: Of the last record of the segment before.
            capacity: Bytes to reserve; more where the first record needs more.
            record: Size of that record.

        Raises:
            LogError: No room, or the disk failed; nothing is left behind then.
        """
        header = SegmentHeader(marker=os.urandom(8), first_index=first_index, chain=chain, origin=origin)
        head = header.encode()
        capacity = max(capacity, len(head) + record)
        path = folder / FOLDER / f"{first_index:016d}.seg"
        temporary = path.with_name(path.name + TEMPORARY)
        fd = -1
        try:
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
            os.posix_fallocate(fd, 0, capacity)
            write_all(fd, head, 0)
            os.fsync(fd)
            temporary.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            temporary.unlink(missing_ok=True)
            raise disk_error(f"making a segment of {capacity} bytes (`{path.name}`)", error) from error
        return cls(path, header, fd, end=len(head), capacity=capacity)

    @classmethod
    def resume(cls, path: Path, header: SegmentHeader, *, end: int, capacity: int) -> SegmentWriter:
        """Go on with the last segment after a restart; what stands behind `end` is cut.

        Raises:
            LogError: No room, or the disk failed.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            os.ftruncate(fd, end)
            os.posix_fallocate(fd, 0, max(capacity, end))
            os.fsync(fd)
        except OSError as error:
            raise disk_error(
                f"opening segment `{path.name}` with room for {capacity} bytes", error
            ) from error
        return cls(path, header, fd, end=end, capacity=max(capacity, end))

    def has_room(self, size: int) -> bool:
        """Whether a record of `size` bytes fits."""
        return self._end + size <= self._capacity

    def append(self, first_index: int, entries: Sequence[bytes], chain: bytes) -> bytes:
        """Write one record and make it durable; returns its chain value.

        Raises:
            OSError: The disk is full or failed. Whether the record is durable is not known then: nothing may be
                written after it, and the call must not be repeated.
        """
        data = encode_record(self._header.marker, first_index, entries, chain)
        stop = self._end + len(data)
        if stop > self._zeroed and self._zeroed < self._capacity:
            # Overwriting written blocks needs no journal commit of the file system, so fdatasync takes 40 % less time
            # than on blocks that are only reserved (bench/durable_append.py); zeroing in pieces keeps each batch quick.
            start = max(self._zeroed, self._end)
            ahead = min(max(_ZERO_AHEAD, stop - start), self._capacity - start)
            write_all(self._fd, bytes(ahead), start)
            self._zeroed = start + ahead
        write_all(self._fd, data, self._end)
        os.fdatasync(self._fd)
        self._end = stop
        return sha256(data).digest()

    def seal(self) -> None:
        """Cut the room that was not used, and close: every byte of a finished segment means something.

        Raises:
            LogError: The disk failed.
        """
        try:
            os.ftruncate(self._fd, self._end)
            os.fsync(self._fd)
        except OSError as error:
            raise disk_error(f"sealing segment `{self.path.name}`", error) from error
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without writing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def check_segment_bytes(size: int) -> int:
    """The room for a segment.

    Raises:
        LogError: Too small to hold a header and a record.
    """
    if size < MIN_SEGMENT_BYTES:
        raise LogError(f"expected segments of at least {MIN_SEGMENT_BYTES} bytes, got {size}")
    return size
