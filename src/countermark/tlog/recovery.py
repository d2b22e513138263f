"""Opening a log that exists: what the segments hold is believed only as far as the signed checkpoint agrees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from countermark.errors import CheckpointError, TamperedError
from countermark.tlog.audit import TileAudit
from countermark.tlog.checkpoint import Checkpoint, verify_checkpoint
from countermark.tlog.durable import TEMPORARY, disk_error
from countermark.tlog.note import NoteKey
from countermark.tlog.publish import CHECKPOINT
from countermark.tlog.segment import FOLDER, LogScan, SegmentHeader, TornTail
from countermark.tlog.tiles import WIDTH, TileBuilder, TileStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Where a log stands after its files were read.

    Attributes:
        builder: The tree over all entries.
        chain: SHA-256 of the last record.
        last: Path, header and end of the last segment; None in a new log.
        torn: What a crash left of a batch that nobody was answered for; the writer cuts it.
        checkpoint: The signed checkpoint and its size; size -1 in a new log.
    """

    builder: TileBuilder
    chain: bytes
    last: tuple[Path, SegmentHeader, int] | None
    torn: TornTail | None
    checkpoint: tuple[bytes, int]


def read_checkpoint_file(folder: Path) -> bytes | None:
    """The checkpoint's bytes, or None where there is none.

    Raises:
        LogError: It can't be read.
    """
    try:
        return (folder / CHECKPOINT).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise disk_error("reading the checkpoint", error) from error


def check_root(audit: TileAudit, checkpoint: Checkpoint, torn: TornTail | None) -> None:
    """Hold the entries that were read against a signed checkpoint.

    Raises:
        TamperedError: Fewer entries than were signed, or another root; names the first entry that differs, where the
            stored leaf hashes tell.
    """
    size = audit.builder.size
    if size < checkpoint.size:
        message = f"the checkpoint signs {checkpoint.size} entries, the segments hold {size}"
        if torn is not None:
            blamed = audit.blame(size, torn.entries)
            if blamed is not None:
                message += f": entry {blamed} differs from the one that was published"
            else:
                message += f": the record that begins with entry {size} is not whole"
            message += f" (segment `{torn.path.name}`, byte {torn.offset})"
        raise TamperedError(message)
    root = audit.roots[checkpoint.size]
    if root == checkpoint.root:
        return
    if audit.leaf is not None and audit.leaf[0] < checkpoint.size:
        entry, tile = audit.leaf
        raise TamperedError(
            f"entry {entry} differs from the one that was published: its hash is not the one in `{tile}`, "
            f"and the root at size {checkpoint.size} is not the signed one"
        )
    raise TamperedError(
        f"expected root `{checkpoint.root.hex()}` at size {checkpoint.size} as signed, the entries give "
        f"`{root.hex()}`; segments and tiles agree, so both were rewritten"
    )


def scan_entries(
    audit: TileAudit, scan: LogScan, *, progress: Callable[[int], None] = lambda _done: None
) -> None:
    """Read all segments into `audit`; when the pass stops at damage, name an entry that differs before it.

    Args:
        progress: Called with the number of entries read so far.

    Raises:
        TamperedError: Damage that a crash can't have made.
        LogError: A file can't be read.
    """
    try:
        for record in scan:
            audit.add(record.entries)
            progress(audit.builder.size)
    except TamperedError as error:
        first = audit.first_changed()
        if first is not None:
            raise TamperedError(f"entry {first} differs from the one that was published ({error})") from error
        raise


def recover(folder: Path, *, origin: str, keys: Sequence[NoteKey]) -> Recovered:
    """Read a log's files, and refuse what can't be believed. Writes only tiles that are missing.

    Raises:
        TamperedError: Segments, tiles and checkpoint don't match.
        CheckpointError: The checkpoint is not signed by any of `keys`, or is another log's.
        LogError: A file can't be read or written.
    """
    signed = read_checkpoint_file(folder)
    checkpoint = None if signed is None else verify_checkpoint(signed, keys=keys, origin=origin)
    audit = TileAudit(folder, published=-1 if checkpoint is None else checkpoint.size, bundles=False)
    scan = LogScan(folder, blame=audit.blame)
    scan_entries(audit, scan)
    if scan.origin is not None and scan.origin != origin:
        raise CheckpointError(f"expected segments of `{origin}`, got those of `{scan.origin}`")
    audit.finish()
    if checkpoint is not None:
        check_root(audit, checkpoint, scan.torn)
    elif scan.last is not None:
        # the first checkpoint, of no entries, is durable before the first segment is made
        raise TamperedError("there are segments and no checkpoint: the checkpoint was removed")
    audit.check_tiles()
    try:
        store = TileStore(folder)
        store.write(audit.missing)
        for tile in audit.missing:
            if tile.width == WIDTH:
                store.drop_partial(tile)
        for path in (folder / FOLDER).glob("*" + TEMPORARY):
            path.unlink()
    except OSError as error:
        raise disk_error("repairing the log's folder", error) from error
    size = -1 if checkpoint is None else checkpoint.size
    return Recovered(
        builder=audit.builder,
        chain=scan.chain,
        last=scan.last,
        torn=scan.torn,
        checkpoint=(signed or b"", size),
    )
