"""Entries that nobody waits for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from countermark.errors import LogError, MalformedError
from countermark.tlog.log import Log, MemoryLog
from countermark.tlog.note import NoteSigner
from countermark.tlog.reader import LogReader
from countermark.tlog.writer import LogWriter


def _writer(folder: Path) -> LogWriter:
    return LogWriter(
        folder,
        origin="halden.example/post",
        key=NoteSigner.generate("halden.example/post"),
        segment_bytes=1 << 16,
    )


def test_a_posted_entry_becomes_durable_alone(tmp_path: Path) -> None:
    """Where nothing else is appended, a posted entry is written by itself, soon."""
    with _writer(tmp_path) as log:
        log.post(b"alone")
        deadline = time.monotonic() + 10
        while log.size == 0 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert log.size == 1


async def test_posted_entries_keep_their_place_before_what_is_appended_later(tmp_path: Path) -> None:
    """An entry that is awaited takes those posted before it along, in order."""
    with _writer(tmp_path) as log:
        log.post(b"first")
        log.post(b"second")
        assert await log.append(b"third") == 2
        log.post(b"last")
    assert [entry for _, entry in LogReader(tmp_path).entries()] == [b"first", b"second", b"third", b"last"]


@pytest.mark.parametrize("kind", ["durable", "memory"])
def test_post_refuses_like_append(tmp_path: Path, kind: str) -> None:
    """Nothing, too much, and a closed log are refused at once."""
    log: Log = _writer(tmp_path) if kind == "durable" else MemoryLog()
    with pytest.raises(MalformedError):
        log.post(b"")
    with pytest.raises(MalformedError):
        log.post(b"x" * 65536)
    log.close()
    with pytest.raises(LogError):
        log.post(b"late")
