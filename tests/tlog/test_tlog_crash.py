"""Crashes and full disks, with real processes: what was answered is there afterwards, or the log says why not."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tlog_crash_child as child

from countermark.tlog.reader import LogReader
from countermark.tlog.verify import verify_log
from countermark.tlog.writer import LogWriter

CHILD = Path(child.__file__)


def reopened(folder: Path) -> int:
    """Open the log after a crash and check all of it; returns its size."""
    with LogWriter(folder, origin=child.ORIGIN, key=child.KEY, segment_bytes=1 << 15) as log:
        size = log.size
    assert [entry for _, entry in LogReader(folder)] == [child.entry_of(index) for index in range(size)]
    assert verify_log(folder, vkeys=[child.KEY.vkey]).size == size
    return size


def kill_while_it_appends(folder: Path, start: int, acknowledged: int) -> int:
    """Let a process append, kill it after some answers; returns how many entries it said were durable."""
    with subprocess.Popen(
        [sys.executable, str(CHILD), "run", str(folder), str(start)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        answered = start
        for line in process.stdout:
            if int(line) == start + acknowledged:
                process.send_signal(signal.SIGKILL)
            if line.endswith(b"\n"):
                answered = int(line) + 1
    assert process.returncode == -signal.SIGKILL
    return answered


def test_a_killed_process_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    """kill -9 at any moment, three times over one log: every acknowledged entry is there, in order, and verifies."""
    size = 0
    for round_number in range(3):
        answered = kill_while_it_appends(tmp_path / "log", size, acknowledged=150 + 100 * round_number)
        size = reopened(tmp_path / "log")
        assert size >= answered


@pytest.mark.slow
def test_a_process_killed_many_times_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    """The same, forty times at random moments."""
    chance = random.Random(7)
    size = 0
    for _ in range(40):
        answered = kill_while_it_appends(tmp_path / "log", size, acknowledged=chance.randrange(1, 900))
        size = reopened(tmp_path / "log")
        assert size >= answered


def die_at(folder: Path, call: int) -> bool:
    """Crash at a given call and check the log; returns whether there was such a call."""
    ended = subprocess.run(
        [sys.executable, str(CHILD), "die", str(folder), str(call)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode in (0, child.DIED), ended.stderr.decode()
    answered = len(ended.stdout.splitlines())
    size = reopened(folder)
    assert answered <= size <= answered + 1
    return ended.returncode == child.DIED


def test_a_crash_at_some_disk_calls_loses_nothing(tmp_path: Path) -> None:
    """Dying before, or half-way through, a change to the disk leaves a log that opens with all that was answered."""
    for call in (1, 4, 9, 12, 15, 18, 21, 40, 47, 55, 63):
        die_at(tmp_path / str(call), call)


@pytest.mark.slow
def test_a_crash_at_every_disk_call_loses_nothing(tmp_path: Path) -> None:
    """The same at each of the calls, one after the other, until there is none left to die at."""
    call = 1
    while die_at(tmp_path / str(call), call):
        shutil.rmtree(tmp_path / str(call))
        call += 1
    assert call > 150


@contextlib.contextmanager
def small_disk(folder: Path, *, mount: bool) -> Iterator[int | None]:
    """A file system of 1 MiB at `folder`; where none can be had, the largest file that a child may write."""
    folder.mkdir()
    mounted = mount and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
        == 0
    )
    try:
        yield None if mounted else 40000  # a bundle of 256 entries needs more
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True, capture_output=True)


@pytest.mark.parametrize("mount", [True, False], ids=["a small disk", "a limit on file size"])
def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path, mount: bool) -> None:
    """Where no room is left the error names it, the log stops, and all that was answered can be read and moved."""
    with small_disk(tmp_path / "disk", mount=mount) as file_limit:

        def limit() -> None:
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

        folder = tmp_path / "disk" / "log"
        ended = subprocess.run(
            [sys.executable, str(CHILD), "run", str(folder), "0"],
            capture_output=True,
            timeout=60,
            check=False,
            preexec_fn=limit,
        )
        error = ended.stderr.decode()
        assert ended.returncode == 1
        assert "the log has failed and takes no entries until it is opened anew" in error
        assert ("ENOSPC" if file_limit is None else "EFBIG") in error
        assert "Traceback" not in error
        answered = len(ended.stdout.splitlines())
        assert answered > 200
        there = list(LogReader(folder).entries(unpublished=True))
        assert there[:answered] == [(index, child.entry_of(index)) for index in range(answered)]
        shutil.copytree(folder, tmp_path / "larger")
    assert reopened(tmp_path / "larger") >= answered


def test_a_segment_that_may_not_be_made_is_said(tmp_path: Path) -> None:
    """A segment that may not be made is an error that names its size, not a crash of the process."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))

    ended = subprocess.run(
        [sys.executable, str(CHILD), "run", str(tmp_path / "log"), "0"],
        capture_output=True,
        timeout=60,
        check=False,
        preexec_fn=limit,
    )
    assert ended.returncode == 1
    assert b"making a segment of 32768 bytes" in ended.stderr
    assert b"EFBIG" in ended.stderr
    assert not ended.stdout
    assert list((tmp_path / "log" / "segments").iterdir()) == []
