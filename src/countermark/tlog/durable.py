"""Writing files so that they are whole or absent after a crash, and errors that say what the disk refused."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from countermark.errors import LogError

TEMPORARY = ".tmp"
"""Suffix of files that were not finished; readers pass over them and the writer removes them."""


def disk_error(doing: str, error: OSError) -> LogError:
    """A `LogError` for what the operating system refused (full disk, input/output error, no permission)."""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    return LogError(f"{doing} failed: {reason} (`{errno.errorcode.get(error.errno or 0, 'unknown')}`)")


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write all of `data` at `offset`; `pwrite` may take less than it was given.

    Raises:
        OSError: The disk is full, or failed.
    """
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, offset)
        view = view[done:]
        offset += done


def sync_folder(folder: Path) -> None:
    """Make names in `folder` durable: a new or renamed file is found after a crash only after this.

    Raises:
        OSError: The disk failed.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Create `folder` and what is above it, durably.

    Raises:
        OSError: The disk is full, or failed.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path`: a reader, now or after a crash, finds the old file or the new one, never a part.

    The name is durable only after `sync_folder(path.parent)`, so that many files of one folder can share it.

    Raises:
        OSError: The disk is full, or failed.
    """
    temporary = path.with_name(path.name + TEMPORARY)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.rename(path)
