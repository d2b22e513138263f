"""Packed logs: a zip whose members are packed with Zstandard (method 93), read member by member and never to disk."""

from __future__ import annotations

import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from countermark.assay.imported.records import Limits
from countermark.errors import ExtraError, ForeignLogError, TooLargeError

try:  # from Python 3.14 on the standard library unpacks these
    from backports import zstd
    from backports.zstd import zipfile as zstd_zipfile

    _ZSTD: tuple[type[Exception], ...] = (zstd.ZstdError, zstd_zipfile.BadZipFile)
    _OPENER: Any = zstd_zipfile
except ImportError:
    _ZSTD = ()
    _OPENER = None
_DAMAGED: tuple[type[Exception], ...] = (
    *_ZSTD, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, struct.error,
)  # fmt: skip
"""What a zip raises that is cut off, damaged, encrypted or packed in a way that nobody here unpacks."""


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip that may be packed with Zstandard.

    Raises:
        ExtraError: The package that unpacks it is not installed.
        ForeignLogError: Not a zip.
    """
    opener = zipfile if sys.version_info >= (3, 14) else _OPENER
    if opener is None:
        raise ExtraError(
            "expected the package `backports.zstd`, which unpacks `.eval` logs: pip install 'countermark[assay]', or convert "
            "the log with `inspect log convert --to json`"
        )
    try:
        opened: zipfile.ZipFile = opener.ZipFile(path)
    except _DAMAGED as error:
        raise ForeignLogError(f"expected a zip: {error}: was the log cut off?") from error
    return opened


def members(
    archive: zipfile.ZipFile, wanted: Callable[[str], bool], limits: Limits
) -> Iterator[tuple[str, bytes]]:
    """The members that are wanted, one by one. Names are compared, never used as paths.

    Raises:
        TooLargeError: One of them, or all together, unpack to more than the limits; whatever the zip says of its sizes.
        ForeignLogError: A member that is twice there, can't be unpacked or is damaged.
    """
    whole = 0
    seen: set[str] = set()
    for info in archive.infolist():
        if not wanted(info.filename):
            continue
        if info.filename in seen:
            raise ForeignLogError(f"expected each member once, got `{info.filename[:80]}` twice")
        seen.add(info.filename)
        try:
            with archive.open(info) as member:
                data = member.read(limits.record_bytes + 1)
        except _DAMAGED as error:
            raise ForeignLogError(f"expected to unpack `{info.filename[:80]}`: {error}") from error
        whole += len(data)
        if len(data) > limits.record_bytes:
            raise TooLargeError(
                f"expected at most {limits.record_bytes:,} bytes in `{info.filename[:80]}`, got more: see `--max-record-mb`"
            )
        if whole > limits.unpacked_bytes:
            raise TooLargeError(f"expected a log of at most {limits.unpacked_bytes:,} bytes, unpacked")
        yield info.filename, data
