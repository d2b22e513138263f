"""Offline verification of a whole log from its files: for auditors, who trust a vkey and what they kept themselves.

The steps, as `spec/log.md` numbers them:
    (1) the checkpoint is signed by a trusted key
    (2) each record of each segment is whole and follows the one before
    (3) the entries have the root that is signed
    (4) the tiles are those of the entries, none missing, none of more entries
    (5) a checkpoint that somebody else kept is a prefix of this log
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from countermark.errors import CheckpointError, TamperedError
from countermark.tlog.audit import TileAudit
from countermark.tlog.checkpoint import Checkpoint, verify_checkpoint
from countermark.tlog.note import NoteKey, parse_vkey
from countermark.tlog.recovery import check_root, read_checkpoint_file, scan_entries
from countermark.tlog.segment import LogScan, segment_paths


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What was found to be true of a log.

    Attributes:
        origin: The log's name.
        size: Entries under the checkpoint.
        root: Their root hash.
        unpublished: Whole entries behind the checkpoint; nobody has signed them yet.
        torn_bytes: Bytes of a batch behind them that is not whole: cut by a crash, or being written right now.
        segments: Number of segment files.
        tiles: Number of tile files that were compared.
        against_size: Size of the checkpoint that somebody else kept; None where none was given.
    """

    origin: str
    size: int
    root: bytes
    unpublished: int
    torn_bytes: int
    segments: int
    tiles: int
    against_size: int | None

    @property
    def one_sided(self) -> bool:
        """Nothing was compared that its runner couldn't have rewritten: this proves nothing against the runner."""
        return self.against_size is None


def verify_log(
    folder: Path,
    *,
    vkeys: Iterable[str],
    against: bytes | None = None,
    origin: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _whole: None,
) -> LogReport:
    """Recompute a log from its files and compare everything that is stored twice.

    Args:
        folder: The log's folder, or a copy of it; may be of a log that is being written.
        vkeys: Keys of the log, from a source that is not the log.
        against: A signed checkpoint that somebody else kept, of the same log and earlier.
        origin: The log's name; None accepts any that the keys sign under.
        progress: Called with how many entries were read, and of how many.

    Returns:
        What was verified; says by `one_sided` whether anything came from elsewhere.

    Raises:
        TamperedError: Entries, tiles or segments don't match what was signed; names the first entry that differs, where
            that can be told.
        CheckpointError: A checkpoint is missing, malformed, of another log, or not signed by any of `vkeys`.
        LogError: A file can't be read.
    """
    keys = [parse_vkey(vkey) for vkey in vkeys]
    # (1) read first: entries and tiles that are read later can only be more
    checkpoint = _checkpoint(folder, keys, origin)
    kept = _kept(against, keys, checkpoint)
    # (2) every record, as it feeds the tree
    audit = TileAudit(folder, published=checkpoint.size, sizes=() if kept is None else (kept.size,))
    scan = LogScan(folder, blame=audit.blame)
    scan_entries(audit, scan, progress=lambda done: progress(min(done, checkpoint.size), checkpoint.size))
    audit.finish()
    if scan.origin is not None and scan.origin != checkpoint.origin:
        raise TamperedError(f"expected segments of `{checkpoint.origin}`, got those of `{scan.origin}`")
    # (5) said before (3): that a signed past was replaced is the graver finding, and a rewritten log may pass (3)
    if kept is not None and kept.size in audit.roots and audit.roots[kept.size] != kept.root:
        changed = (
            "" if audit.leaf is None else f"; entry {audit.leaf[0]} is the first that differs from the tiles"
        )
        raise TamperedError(
            f"the log was rewritten: the first {kept.size} entries don't have the root "
            f"`{kept.root.hex()}` of the checkpoint kept elsewhere, but `{audit.roots[kept.size].hex()}`{changed}"
        )
    # (3) what the whole is about
    check_root(audit, checkpoint, scan.torn)
    # (4) tiles last: only under the right root is it clear that they, not the entries, were changed
    audit.check_tiles()
    audit.check_missing()
    return LogReport(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        unpublished=audit.builder.size - checkpoint.size,
        torn_bytes=0 if scan.torn is None else scan.torn.size,
        segments=len(segment_paths(folder)),
        tiles=audit.compared,
        against_size=None if kept is None else kept.size,
    )


def _checkpoint(folder: Path, keys: list[NoteKey], origin: str | None) -> Checkpoint:
    signed = read_checkpoint_file(folder)
    if signed is None:
        raise CheckpointError(f"expected a log in `{folder}`, found no checkpoint there")
    return verify_checkpoint(signed, keys=keys, origin=origin)


def _kept(against: bytes | None, keys: list[NoteKey], checkpoint: Checkpoint) -> Checkpoint | None:
    """The checkpoint that somebody else kept, held against the one on disk by size."""
    if against is None:
        return None
    kept = verify_checkpoint(against, keys=keys, origin=checkpoint.origin)
    if kept.size > checkpoint.size:
        raise TamperedError(
            f"the log was cut: the checkpoint kept elsewhere signs {kept.size} entries, the log's own {checkpoint.size}"
        )
    return kept
