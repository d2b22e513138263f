"""Statements on file as files: `statements/<payload sha256>.jsonl`, written beside and renamed, so never half there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from countermark.errors import StoreError
from countermark.tlog.durable import make_folder, sync_folder

_NAME = re.compile(r"[0-9a-f]{64}\.jsonl")


class StatementFolder:
    """Implements `pdp.on_file.StatementStore` in a folder that people may also copy files into by hand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read_all(self) -> Mapping[str, bytes]:
        """Every `*.jsonl` in the folder, whatever its name, by name without the ending."""
        try:
            if not self._folder.is_dir():
                return {}
            return {path.stem: path.read_bytes() for path in sorted(self._folder.glob("*.jsonl"))}
        except OSError as error:
            raise StoreError(
                f"expected to read the statements in `{self._folder}`: {error.strerror}"
            ) from error

    def put(self, sha256: str, data: bytes) -> None:
        """Write one file durably: fsync, rename, fsync of the folder."""
        target = self._folder / f"{sha256}.jsonl"
        if not _NAME.fullmatch(target.name):
            raise StoreError(f"expected a payload digest of 64 hex digits, got `{sha256[:80]}`")
        try:
            write_durably(target, data)
        except OSError as error:
            raise StoreError(f"expected to write `{target}`: {error.strerror}") from error

    def remove(self, sha256: str) -> None:
        """Take one file off."""
        try:
            (self._folder / f"{sha256}.jsonl").unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"expected to remove `{sha256}.jsonl`: {error.strerror}") from error

    def keep(self, target: Path, data: bytes) -> None:
        """Keep a copy for replay, once."""
        try:
            if not target.exists():
                write_durably(target, data)
        except OSError as error:
            raise StoreError(f"expected to write `{target}`: {error.strerror}") from error


def write_durably(target: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` to `target` so that after a crash there is the old file or the new one, never a part.

    Two processes may write the same file at once (a command and a gateway): each goes by a temporary name of its own.

    Raises:
        OSError: The disk is full, or failed.
    """
    make_folder(target.parent)
    beside = target.with_name(f".{target.name}.{os.getpid()}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(target)
    sync_folder(target.parent)
