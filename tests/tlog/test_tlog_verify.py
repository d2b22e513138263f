"""Offline verification: whatever was changed in a published log is found and named."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import CheckpointError, LogError, TamperedError
from countermark.tlog.checkpoint import Checkpoint, sign_checkpoint
from countermark.tlog.note import NoteSigner
from countermark.tlog.segment import encode_record, first_chain, parse_header, segment_paths, split_body
from countermark.tlog.tiles import TileBuilder, TileStore
from countermark.tlog.tree import hash_leaf, tree_root
from countermark.tlog.verify import LogReport, verify_log
from countermark.tlog.writer import LogWriter

ORIGIN = "halden.example/gateway-1"
KEY = NoteSigner.from_seed(ORIGIN, bytes(range(32)))
SIZES = (100, 300, 561)  # a checkpoint is published at each
ENTRIES = [b"entry %d " % index + bytes([index % 251]) * (index % 30) for index in range(SIZES[-1])]


def make_log(folder: Path, entries: list[bytes] = ENTRIES, key: NoteSigner = KEY) -> dict[int, bytes]:
    """A published log in several segments, with partial tiles of earlier checkpoints; returns the checkpoints."""
    checkpoints: dict[int, bytes] = {}
    with LogWriter(folder, origin=ORIGIN, key=key, segment_bytes=8192, publish_interval_s=1e6) as log:
        for start, stop in zip((0, *SIZES), SIZES, strict=False):
            for at in range(start, stop, 20):  # batches of at most 20
                for future in [log.submit(entry) for entry in entries[at : min(at + 20, stop)]]:
                    future.result(30)
            checkpoints[stop] = log.publish_checkpoint()
    return checkpoints


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, bytes]]:
    folder = tmp_path_factory.mktemp("verify") / "log"
    return folder, make_log(folder)


@pytest.fixture
def copy(made: tuple[Path, dict[int, bytes]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "log"))


def verify(folder: Path, against: bytes | None = None) -> LogReport:
    return verify_log(folder, vkeys=[KEY.vkey], against=against)


def test_an_untouched_log_verifies(made: tuple[Path, dict[int, bytes]]) -> None:
    """The report has size and root, and says one-sided unless something came from elsewhere."""
    folder, checkpoints = made
    report = verify(folder)
    assert (report.origin, report.size, report.root) == (ORIGIN, len(ENTRIES), tree_root(ENTRIES))
    assert (report.unpublished, report.torn_bytes) == (0, 0)
    assert report.one_sided
    assert report.segments > 2
    for size, checkpoint in checkpoints.items():
        report = verify(folder, checkpoint)
        assert not report.one_sided
        assert report.against_size == size


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_any_flipped_bit_is_found(made: tuple[Path, dict[int, bytes]], data: st.DataObject) -> None:
    """In segments, tiles, bundles or checkpoint, whatever bit is flipped: verification fails."""
    files = sorted(path for path in made[0].rglob("*") if path.is_file() and path.stat().st_size)
    path = data.draw(st.sampled_from(files), label="file")
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1), label="bit")
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    path.write_bytes(flipped)
    try:
        with pytest.raises((TamperedError, CheckpointError)):
            verify(made[0])
    finally:
        path.write_bytes(whole)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_that_is_cut_or_gone_is_found(
    made: tuple[Path, dict[int, bytes]], data: st.DataObject
) -> None:
    """Segments, tiles that the checkpoint needs, and the checkpoint: each must be there, and whole."""
    needed = [path for path in sorted(made[0].rglob("*")) if path.is_file() and path.stat().st_size]
    needed = [path for path in needed if path.parent.suffix != ".p" or path.name in ("49", "2")]
    path = data.draw(st.sampled_from(needed), label="file")
    whole = path.read_bytes()
    size = data.draw(st.integers(-1, len(whole) - 1), label="size")
    path.unlink()
    if size >= 0:
        path.write_bytes(whole[:size])
    try:
        with pytest.raises((TamperedError, CheckpointError)):
            verify(made[0])
    finally:
        path.write_bytes(whole)


def flip_in_entry(folder: Path, index: int) -> None:
    """Change a byte of an entry in its segment, and nothing else."""
    for path in segment_paths(folder):
        data = path.read_bytes()
        at = data.find(ENTRIES[index])
        if at >= 0:
            path.write_bytes(data[:at] + b"E" + data[at + 1 :])
            return
    raise AssertionError("no such entry")


def rewrite_segments(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> list[bytes]:
    """What somebody does who knows the format: change entries, and make every CRC and chain value right again."""
    chain, index, all_entries = first_chain(ORIGIN), 0, []
    for path in segment_paths(folder):
        data = path.read_bytes()
        header, at = parse_header(data, path.name)
        out = type(header)(
            marker=header.marker, first_index=header.first_index, chain=chain, origin=ORIGIN
        ).encode()
        while at < len(data):
            count = int.from_bytes(data[at + 16 : at + 20], "big")
            length = int.from_bytes(data[at + 20 : at + 24], "big")
            entries = list(split_body(data[at + 56 : at + 56 + length], count))
            entries = change(entries)
            record = encode_record(header.marker, index, entries, chain)
            chain = sha256(record).digest()
            out += record
            index += len(entries)
            all_entries += entries
            at += 56 + length + 4
        path.write_bytes(out)
    return all_entries


def replace(index: int, by: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda entries: [by if entry == ENTRIES[index] else entry for entry in entries]


def write_tiles(folder: Path, entries: list[bytes]) -> None:
    shutil.rmtree(folder / "tile")
    builder = TileBuilder()
    for entry in entries:
        builder.add(entry)
    TileStore(folder).write((*builder.take_full(), *builder.partial()))


@pytest.mark.parametrize("index", [0, 17, 255, 256, 400, 560])
def test_an_edited_entry_is_named(copy: Path, index: int) -> None:
    """A byte changed in one entry: the error has the entry's number, though the segment only knows its batch."""
    flip_in_entry(copy, index)
    with pytest.raises(TamperedError, match=rf"entry {index} differs from the one that was published"):
        verify(copy)


@pytest.mark.parametrize("index", [0, 17, 255, 256, 400, 560])
def test_an_entry_edited_with_care_is_named(copy: Path, index: int) -> None:
    """With CRC and chain made right again, the stored leaf hashes still name the entry, on opening too."""
    rewrite_segments(copy, replace(index, b"nothing happened"))
    says = rf"entry {index} differs from the one that was published: its hash is not the one in `tile/0/"
    with pytest.raises(TamperedError, match=says):
        verify(copy)
    with pytest.raises(TamperedError, match=says):
        LogWriter(copy, origin=ORIGIN, key=KEY, segment_bytes=8192)


def test_entries_rewritten_with_their_tiles_miss_the_signed_root(copy: Path) -> None:
    """Who can't sign can't rewrite: the root is another."""
    write_tiles(copy, rewrite_segments(copy, replace(17, b"nothing happened")))
    with pytest.raises(TamperedError, match="segments and tiles agree, so both were rewritten"):
        verify(copy)


def test_a_log_rewritten_by_its_own_signer_needs_a_second_sight(
    copy: Path, made: tuple[Path, dict[int, bytes]]
) -> None:
    """The runner can rewrite and sign again. Alone that verifies, marked one-sided; a kept checkpoint finds it."""
    entries = rewrite_segments(copy, replace(150, b"nothing happened"))
    write_tiles(copy, entries)
    checkpoint = Checkpoint(origin=ORIGIN, size=len(entries), root=tree_root(entries))
    (copy / "checkpoint").write_bytes(sign_checkpoint(checkpoint, KEY))
    assert verify(copy).one_sided
    assert verify(copy, made[1][100]).size == len(ENTRIES)  # entry 150 came later
    for size in (300, 561):
        with pytest.raises(TamperedError, match=f"the log was rewritten: the first {size} entries"):
            verify(copy, made[1][size])


def test_a_log_set_back_is_found_by_a_kept_checkpoint(
    tmp_path: Path, made: tuple[Path, dict[int, bytes]]
) -> None:
    """A shorter log, whole in itself, is refused by who saw a longer one."""
    with LogWriter(tmp_path / "log", origin=ORIGIN, key=KEY, publish_interval_s=1e6) as log:
        for future in [log.submit(entry) for entry in ENTRIES[:300]]:
            future.result(30)
    assert verify(tmp_path / "log", made[1][300]).size == 300
    with pytest.raises(TamperedError, match="the log was cut: the checkpoint kept elsewhere signs 561"):
        verify(tmp_path / "log", made[1][561])


def test_an_old_checkpoint_beside_new_tiles_is_found(copy: Path, made: tuple[Path, dict[int, bytes]]) -> None:
    """Segments set back with their checkpoint, the tiles forgotten: a tile says that there were more entries."""
    shutil.rmtree(copy / "segments")
    with LogWriter(copy.parent / "short", origin=ORIGIN, key=KEY, segment_bytes=8192) as log:
        for future in [log.submit(entry) for entry in ENTRIES[:300]]:
            future.result(30)
    shutil.copytree(copy.parent / "short" / "segments", copy / "segments")
    (copy / "checkpoint").write_bytes(made[1][300])
    with pytest.raises(TamperedError, match=r"was made of \d+ entries, the segments hold 300"):
        verify(copy)


def test_a_changed_bundle_is_told_from_a_changed_entry(copy: Path) -> None:
    """Where the segments match the signed root, it is the bundle that was changed, and from which entry on."""
    path = copy / "tile" / "entries" / "001"
    data = path.read_bytes()
    at = data.find(ENTRIES[300])
    path.write_bytes(data[:at] + b"E" + data[at + 1 :])
    with pytest.raises(TamperedError, match="tile `tile/entries/001` was changed: from entry 300 on"):
        verify(copy)


def test_a_missing_tile_is_named(copy: Path) -> None:
    """A tile that the checkpoint needs and that isn't there."""
    (copy / "tile" / "1" / "000.p" / "2").unlink()
    with pytest.raises(TamperedError, match=r"tile `tile/1/000\.p/2` is missing"):
        verify(copy)


def test_entries_of_another_log_do_not_pass(copy: Path, tmp_path: Path) -> None:
    """Segments carry the log's name in header and chain."""
    with LogWriter(tmp_path / "other", origin="halden.example/other", key=KEY, publish_interval_s=1e6) as log:
        log.submit(b"entry").result(30)
    shutil.rmtree(copy / "segments")
    shutil.copytree(tmp_path / "other" / "segments", copy / "segments")
    with pytest.raises(TamperedError):
        verify(copy)


def test_trust_comes_from_the_caller(made: tuple[Path, dict[int, bytes]], tmp_path: Path) -> None:
    """Another key, origin or kept checkpoint of another log is refused; so is a folder without a log."""
    other = NoteSigner.generate(ORIGIN)
    with pytest.raises(CheckpointError):
        verify_log(made[0], vkeys=[other.vkey])
    with pytest.raises(CheckpointError):
        verify_log(made[0], vkeys=[KEY.vkey], origin="halden.example/other")
    foreign = sign_checkpoint(Checkpoint(origin="halden.example/other", size=1, root=hash_leaf(b"x")), KEY)
    with pytest.raises(CheckpointError, match="expected a checkpoint of"):
        verify(made[0], foreign)
    with pytest.raises(CheckpointError, match="found no checkpoint"):
        verify(tmp_path)


def test_unpublished_and_torn_entries_are_counted(tmp_path: Path) -> None:
    """Whole entries behind the checkpoint are counted, and so are the bytes of a batch that isn't whole."""
    with LogWriter(
        tmp_path / "log", origin=ORIGIN, key=KEY, segment_bytes=8192, publish_interval_s=1e6
    ) as log:
        for number in range(5):
            log.submit(b"entry").result(30)
            if number == 2:
                log.publish_checkpoint()
        shutil.copytree(tmp_path / "log", tmp_path / "copy")
    report = verify(tmp_path / "copy")
    assert (report.size, report.unpublished, report.torn_bytes) == (3, 2, 0)
    (path,) = segment_paths(tmp_path / "copy")
    data = bytearray(path.read_bytes())
    data[len(data.rstrip(b"\x00")) - 1] ^= 1
    path.write_bytes(data)
    report = verify(tmp_path / "copy")
    assert (report.size, report.unpublished) == (3, 1)
    assert report.torn_bytes > 0


def test_a_log_verifies_while_it_is_written(tmp_path: Path) -> None:
    """An auditor needs no pause: no false alarm beside a writer that rolls segments and replaces tiles."""
    stop = threading.Event()
    failures: list[LogError] = []
    kept: list[bytes] = []

    def audit() -> None:
        while not stop.is_set():
            try:
                report = verify_log(tmp_path / "log", vkeys=[KEY.vkey], against=kept[-1] if kept else None)
                assert report.size >= 0
                kept.append((tmp_path / "log" / "checkpoint").read_bytes())
            except LogError as error:
                failures.append(error)

    options = {"segment_bytes": 1 << 15, "publish_interval_s": 0.001}
    with LogWriter(tmp_path / "log", origin=ORIGIN, key=KEY, **options) as log:  # type: ignore[arg-type]
        thread = threading.Thread(target=audit)
        thread.start()
        for number in range(120):
            for future in [log.submit(b"entry %d" % number) for _ in range(25)]:
                future.result(30)
        stop.set()
        thread.join()
    assert failures == []
    assert kept
    assert not verify(tmp_path / "log", kept[-1]).one_sided


def test_a_long_verification_says_how_far_it_is(made: tuple[Path, dict[int, bytes]]) -> None:
    """Progress rises to the published size, and never beyond."""
    told: list[tuple[int, int]] = []
    verify_log(made[0], vkeys=[KEY.vkey], progress=lambda done, whole: told.append((done, whole)))
    assert told == sorted(told)
    assert {whole for _, whole in told} == {SIZES[-1]}
    assert told[-1] == (SIZES[-1], SIZES[-1])
