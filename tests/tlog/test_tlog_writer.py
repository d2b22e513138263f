"""The durable writer: restarts, torn tails, damage, failing disks."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countermark.errors import CheckpointError, LogError, TamperedError
from countermark.tlog.checkpoint import parse_checkpoint
from countermark.tlog.note import NoteSigner
from countermark.tlog.reader import LogReader
from countermark.tlog.segment import LogScan, encode_record, parse_header, segment_paths
from countermark.tlog.tree import tree_root
from countermark.tlog.writer import LogWriter

ORIGIN = "halden.example/gateway-1"
KEY = NoteSigner.from_seed(ORIGIN, bytes(range(32)))
NEVER_S = 1e6


def open_log(folder: Path, **changes: object) -> LogWriter:
    options: dict[str, object] = {
        "origin": ORIGIN,
        "key": KEY,
        "segment_bytes": 8192,
        "publish_interval_s": NEVER_S,
    }
    return LogWriter(folder, **(options | changes))  # type: ignore[arg-type]


def entry_of(index: int) -> bytes:
    return b"entry %d " % index + bytes([index % 251 + 1]) * (index % 40)


def crashed_copy(folder: Path, count: int, to: Path) -> Path:
    """A log of `count` records of one entry, as a crash leaves it: nothing published, last segment not sealed."""
    with open_log(folder) as log:
        for index in range(count):
            assert log.submit(entry_of(index)).result(30) == index
        shutil.copytree(folder, to)
    return to


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("crashed")
    return crashed_copy(base / "log", 40, base / "copy")


def record_ends(folder: Path) -> list[int]:
    return [record.end for record in LogScan(folder)]


def test_a_log_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Opening again gives the same size and root, whatever the number of segments, and numbers go on."""
    entries: list[bytes] = []
    for _ in range(4):
        with open_log(tmp_path / "log") as log:
            assert log.size == len(entries)
            assert log.root() == tree_root(entries)
            assert log.cut_bytes == 0
            futures = [log.submit(entry_of(len(entries) + number)) for number in range(301)]
            assert [future.result(30) for future in futures] == list(range(len(entries), len(entries) + 301))
            entries += [entry_of(len(entries) + number) for number in range(301)]
    assert len(segment_paths(tmp_path / "log")) > 3
    assert [entry for _, entry in LogReader(tmp_path / "log")] == entries


def test_an_entry_larger_than_a_segment_gets_one_that_holds_it(tmp_path: Path) -> None:
    """`segment_bytes` bounds no entry."""
    entries = [b"a" * 65535, b"b", b"c" * 65535]
    for entry in entries:
        with open_log(tmp_path / "log", segment_bytes=4096) as log:
            log.submit(entry).result(30)
    assert [entry for _, entry in LogReader(tmp_path / "log")] == entries


def test_a_batch_is_what_was_queued_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one sync runs, what is handed in waits and shares the next: three syncs for 1 + 1000 + 1 entries."""
    started, go_on = threading.Event(), threading.Event()
    syncs: list[int] = []
    real = os.fdatasync

    def slow_sync(fd: int) -> None:
        syncs.append(fd)
        started.set()
        if len(syncs) == 1:
            assert go_on.wait(30)
        real(fd)

    batches: list[tuple[int, int]] = []
    followed = threading.Semaphore(0)

    def follow(first: int, entries: Sequence[bytes]) -> None:
        batches.append((first, len(entries)))
        followed.release()

    with open_log(tmp_path / "log", segment_bytes=1 << 20, on_batch=follow) as log:
        monkeypatch.setattr(os, "fdatasync", slow_sync)
        first = log.submit(b"first")
        assert started.wait(30)
        rest = [log.submit(b"rest") for _ in range(1000)]
        assert not first.done()
        go_on.set()
        assert [future.result(30) for future in rest] == list(range(1, 1001))
        log.submit(b"last").result(30)
        for _ in range(3):
            assert followed.acquire(timeout=30)
    assert batches == [(0, 1), (1, 1000), (1001, 1)]
    assert len(syncs) == 3


def test_entries_are_published_without_being_asked(tmp_path: Path) -> None:
    """The publisher's thread makes a checkpoint that covers what was appended."""
    with open_log(tmp_path / "log", publish_interval_s=0.01) as log:
        assert parse_checkpoint((tmp_path / "log" / "checkpoint").read_bytes()).size == 0
        log.submit(b"entry").result(30)
        while parse_checkpoint((tmp_path / "log" / "checkpoint").read_bytes()).size == 0:
            threading.Event().wait(0.005)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_cut_segment_recovers_every_entry_up_to_the_cut(
    crashed: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut anywhere, by the end of the file, zeros or rubbish, exactly the records before the cut are there."""
    folder = tmp_path_factory.mktemp("cut") / "log"
    shutil.copytree(crashed, folder)
    ends = record_ends(folder)
    (path,) = segment_paths(folder)
    whole = path.read_bytes()
    header_end = ends[0] - (ends[1] - ends[0]) + (len(entry_of(1)) - len(entry_of(0)))
    at = data.draw(st.integers(header_end, ends[-1] + 50))
    how = data.draw(st.sampled_from(["end of file", "zeros", "rubbish"]))
    rest = {"end of file": b"", "zeros": bytes(len(whole) - at), "rubbish": b"\xa5" * 300}[how]
    path.write_bytes(whole[:at] + rest)
    kept = sum(end <= at for end in ends)
    with open_log(folder) as log:
        assert log.size == kept
        assert log.root() == tree_root([entry_of(index) for index in range(kept)])
        scan = LogScan(folder)
        assert sum(len(record.entries) for record in scan) == kept
        assert scan.torn is None  # the tail is cut on opening, not only written over later
        assert log.submit(b"after").result(30) == kept
    with open_log(folder) as log:
        assert log.size == kept + 1
    shutil.rmtree(folder)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_in_the_middle_is_no_torn_tail(crashed: Path, data: st.DataObject) -> None:
    """Any bit flipped before the last record is refused, since whole records follow; none is silently cut."""
    (path,) = segment_paths(crashed)
    whole = path.read_bytes()
    ends = record_ends(crashed)
    bit = data.draw(st.integers(0, 8 * ends[-2] - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bytes(flipped))
    try:
        with pytest.raises((TamperedError, CheckpointError)):
            open_log(crashed)
    finally:
        path.write_bytes(whole)


def test_a_record_put_in_place_of_another_is_found_by_its_chain(crashed: Path, tmp_path: Path) -> None:
    """A rewritten record with a right CRC, not published yet, is given away by the record behind it."""
    folder = Path(shutil.copytree(crashed, tmp_path / "log"))
    (path,) = segment_paths(folder)
    data = path.read_bytes()
    header, start = parse_header(data, path.name)
    ends = record_ends(folder)
    at = ends[4]
    forged = encode_record(
        header.marker, 5, [entry_of(5).replace(b"entry", b"other")], data[at + 24 : at + 56]
    )
    assert start < at
    assert len(forged) == ends[5] - at
    path.write_bytes(data[:at] + forged + data[ends[5] :])
    with pytest.raises(
        TamperedError, match=r"begins with entry 6 doesn't follow .* up to entry 6 was rewritten"
    ):
        open_log(folder)


def test_a_segment_put_in_place_of_another_is_found_by_its_chain(tmp_path: Path) -> None:
    """Unpublished entries of a log with the same name and numbers can't continue this one."""
    for name, first in (("one", b"a"), ("two", b"b")):
        with open_log(tmp_path / name) as log:
            log.submit(first * 8100).result(30)  # fills a segment
            log.submit(b"second").result(30)
            shutil.copytree(tmp_path / name, tmp_path / f"{name}-crashed")
    last = segment_paths(tmp_path / "two-crashed")[-1]
    shutil.copy(last, tmp_path / "one-crashed" / "segments" / last.name)
    with pytest.raises(TamperedError, match="doesn't follow the record before entry 1"):
        open_log(tmp_path / "one-crashed")


def test_bytes_in_an_entry_do_not_pass_for_a_record(tmp_path: Path) -> None:
    """A whole record hidden in the entry of a torn batch doesn't turn the tail into damage: markers are random."""
    hidden = b"".join(
        encode_record(marker, 2, [b"x"], bytes(32)) for marker in (b"CMSEG\x00\x01\n", bytes(8))
    )
    with open_log(tmp_path / "log") as log:
        for entry in (b"one", b"two", hidden):
            log.submit(entry).result(30)
        shutil.copytree(tmp_path / "log", tmp_path / "copy")
    (path,) = segment_paths(tmp_path / "copy")
    end = record_ends(tmp_path / "copy")[-1]
    path.write_bytes(path.read_bytes()[: end - 1])
    with open_log(tmp_path / "copy") as log:
        assert log.size == 2
        assert log.cut_bytes > 0


def remove(index: int) -> Callable[[Path], None]:
    return lambda folder: segment_paths(folder)[index].unlink()


def swap_two(folder: Path) -> None:
    first, second = segment_paths(folder)[1:3]
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


def lengthen(folder: Path) -> None:
    path = segment_paths(folder)[1]
    path.write_bytes(path.read_bytes() + bytes(10))


def cut_last(folder: Path) -> None:
    path = segment_paths(folder)[-1]
    path.write_bytes(path.read_bytes()[:-1])


def remove_all(folder: Path) -> None:
    shutil.rmtree(folder / "segments")


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "the first segment is gone": (remove(0), "begins with entry 0"),
    "a segment in the middle is gone": (remove(1), "begins with entry"),
    "the last segment is gone": (remove(-1), "signs 900 entries, the segments hold"),
    "all segments are gone": (remove_all, "signs 900 entries, the segments hold 0"),
    "two segments are swapped": (swap_two, "by its header"),
    "a finished segment is longer": (lengthen, "record that begins with entry .* more segments follow"),
    "the last segment is cut below the signed size": (
        cut_last,
        r"record that begins with entry \d+ is not whole",
    ),
    "the checkpoint is gone": (lambda folder: (folder / "checkpoint").unlink(), "checkpoint was removed"),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_log_does_not_open(tmp_path: Path, damage: Callable[[Path], None], says: str) -> None:
    """Each refusal says what is missing or changed, and a refused log is not locked and not written."""
    folder = tmp_path / "log"
    with open_log(folder) as log:
        for _ in range(45):
            for future in [log.submit(entry_of(number)) for number in range(20)]:
                future.result(30)
    damage(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for _ in range(2):
        with pytest.raises(TamperedError, match=says):
            open_log(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_log_of_another_origin_or_key_does_not_open(tmp_path: Path) -> None:
    """The folder keeps its name and key; a new key needs the word that the earlier one was good."""
    other = NoteSigner.from_seed(ORIGIN, bytes(32))
    with open_log(tmp_path / "log") as log:
        log.submit(b"entry").result(30)
    with pytest.raises(CheckpointError, match=r"expected a checkpoint of `halden\.example/other`"):
        open_log(tmp_path / "log", origin="halden.example/other")
    with pytest.raises(CheckpointError, match="signature of a known key"):
        open_log(tmp_path / "log", key=other)
    with open_log(tmp_path / "log", key=other, earlier_keys=[KEY.key]) as log:
        log.submit(b"entry").result(30)
    with open_log(tmp_path / "log", key=other) as log:
        assert log.size == 2


def test_missing_tiles_are_made_again(tmp_path: Path) -> None:
    """Tiles can be made from the segments, so a log without them opens and has them all."""
    with open_log(tmp_path / "log") as log:
        for future in [log.submit(entry_of(number)) for number in range(600)]:
            future.result(30)
    before = {path: path.read_bytes() for path in (tmp_path / "log" / "tile").rglob("*") if path.is_file()}
    shutil.rmtree(tmp_path / "log" / "tile")
    open_log(tmp_path / "log").close()
    assert {
        path: path.read_bytes() for path in (tmp_path / "log" / "tile").rglob("*") if path.is_file()
    } == before


def test_a_changed_tile_does_not_open(tmp_path: Path) -> None:
    """Where entries match the signed root, the tile is what was changed, and the message says so."""
    with open_log(tmp_path / "log") as log:
        for future in [log.submit(entry_of(number)) for number in range(300)]:
            future.result(30)
    path = tmp_path / "log" / "tile" / "0" / "000"
    data = bytearray(path.read_bytes())
    data[32 * 17] ^= 1
    path.write_bytes(data)
    with pytest.raises(TamperedError, match="tile `tile/0/000` was changed: from entry 17 on"):
        open_log(tmp_path / "log")


def test_two_processes_cannot_write_one_log(tmp_path: Path) -> None:
    """The second writer is refused, in this process and in another; after `close` the folder is free."""
    log = open_log(tmp_path / "log")
    with pytest.raises(LogError, match="being written by another process"):
        open_log(tmp_path / "log")
    program = (
        "import sys; from pathlib import Path\n"
        "from countermark.tlog.note import NoteSigner; from countermark.tlog.writer import LogWriter\n"
        f"LogWriter(Path(sys.argv[1]), origin={ORIGIN!r}, key=NoteSigner.generate({ORIGIN!r}))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "being written by another process" in ended.stderr
    log.close()
    open_log(tmp_path / "log").close()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
async def test_a_failed_sync_ends_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Its batch and everything later fails with a clear error; the sync is not tried again; what was answered stays."""
    log = open_log(tmp_path / "log")
    assert await log.append(b"answered") == 0
    calls: list[int] = []

    def broken(fd: int) -> None:
        calls.append(fd)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fdatasync", broken)
    waiting = await asyncio.gather(*(log.append(b"lost") for _ in range(5)), return_exceptions=True)
    assert all(isinstance(each, LogError) and errno.errorcode[code] in str(each) for each in waiting)
    assert len(calls) == 1
    monkeypatch.undo()
    for _ in range(2):
        with pytest.raises(LogError, match="has failed and takes no entries until it is opened anew"):
            await log.append(b"later")
    with pytest.raises(LogError):
        log.submit(b"later")
    assert log.size == 1
    log.close()
    with open_log(tmp_path / "log") as again:
        # whether a batch whose sync failed is there is not known; what was answered is
        assert again.size in range(1, 7)
        assert next(LogReader(tmp_path / "log").entries()) == (0, b"answered")


def test_a_failed_publication_ends_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that can't publish takes no more entries: nobody outside would see that it grows."""
    log = open_log(tmp_path / "log", publish_interval_s=0.001)

    def broken(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr(Path, "rename", broken)
    # the first segment is made by a rename too; append in a log that has one
    with pytest.raises(LogError, match="ENOSPC"):
        log.submit(b"entry").result(30)
    monkeypatch.undo()
    log.close()

    log = open_log(tmp_path / "log", publish_interval_s=NEVER_S)
    log.submit(b"entry").result(30)
    monkeypatch.setattr(Path, "rename", broken)
    with pytest.raises(LogError, match="publishing a checkpoint failed"):
        log.publish_checkpoint()
    monkeypatch.undo()
    with pytest.raises(LogError, match="publishing a checkpoint failed"):
        log.submit(b"later")
    log.close()
    assert open_log(tmp_path / "log").size == 1


def test_a_failing_follower_ends_the_log(tmp_path: Path) -> None:
    """An exception in `on_batch` fails later entries: an index behind the log must not have gaps."""

    def follow(first: int, entries: Sequence[bytes]) -> None:
        if first == 1:
            raise RuntimeError("index is full")

    with open_log(tmp_path / "log", on_batch=follow) as log:
        log.submit(b"one").result(30)
        log.submit(b"two").result(30)
        while log.failure is None:
            threading.Event().wait(0.001)
        with pytest.raises(LogError, match="entry 1: index is full"):
            log.submit(b"three")


def test_too_small_segments_are_refused(tmp_path: Path) -> None:
    """A size that can't hold a record is refused before anything is made."""
    with pytest.raises(LogError, match="at least 4096"):
        open_log(tmp_path / "log", segment_bytes=100)
    assert not (tmp_path / "log").exists()


async def test_one_wake_up_a_batch_and_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand waiting tasks are answered with as many wake-ups of the loop as there were batches."""
    loop = asyncio.get_running_loop()
    wakes: list[object] = []
    real = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *args: object, **options: object) -> object:
        wakes.append(callback)
        return real(callback, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    batches: list[int] = []
    with open_log(tmp_path / "log", on_batch=lambda first, entries: batches.append(first)) as log:
        await asyncio.gather(*(log.append(b"entry") for _ in range(1000)))
    assert len(wakes) == len(batches)
