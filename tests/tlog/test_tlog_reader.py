"""Readers and receipts: what is handed out leads to the signed root, or is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import CheckpointError, LogError, MalformedError, ProofError, TamperedError
from countermark.tlog.note import NoteSigner
from countermark.tlog.proof import verify_consistency, verify_inclusion
from countermark.tlog.reader import LogReader
from countermark.tlog.receipt import Receipt, parse_receipt, verify_receipt
from countermark.tlog.tree import tree_root
from countermark.tlog.writer import LogWriter

ORIGIN = "halden.example/gateway-1"
KEY = NoteSigner.from_seed(ORIGIN, bytes(range(32)))
ENTRIES = [b"entry %d" % index for index in range(66000)]  # two full levels of tiles, and a third begun


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reader") / "log"
    with LogWriter(made, origin=ORIGIN, key=KEY, segment_bytes=1 << 20, publish_interval_s=1e6) as log:
        for future in [log.submit(entry) for entry in ENTRIES]:
            future.result(60)
    return made


@pytest.fixture(scope="module")
def reader(folder: Path) -> LogReader:
    return LogReader(folder, keys=[KEY.key])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(ENTRIES) - 1))
def test_every_entry_has_a_receipt_that_verifies(reader: LogReader, index: int) -> None:
    """Entry, inclusion proof and receipt agree for any index; the receipt is about no other entry."""
    assert reader.entry(index) == ENTRIES[index]
    root = reader.checkpoint.root
    verify_inclusion(
        ENTRIES[index], index=index, size=reader.size, proof=reader.inclusion_proof(index), root=root
    )
    receipt = reader.tlog_proof(index)
    assert verify_receipt(receipt, ENTRIES[index], keys=[KEY.key], origin=ORIGIN) == (
        index,
        reader.checkpoint,
    )
    with pytest.raises(ProofError):
        verify_receipt(receipt, ENTRIES[index] + b"x", keys=[KEY.key])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(ENTRIES)))
def test_every_earlier_size_has_a_consistency_proof(reader: LogReader, size: int) -> None:
    """The tiles prove any earlier size to be a prefix."""
    verify_consistency(
        old_size=size,
        old_root=tree_root(ENTRIES[:size]),
        new_size=reader.size,
        new_root=reader.checkpoint.root,
        proof=reader.consistency_proof(size),
    )


def test_entries_are_read_in_order_and_in_parts(reader: LogReader) -> None:
    """Iteration gives every published entry with its number, from any start to any stop."""
    assert list(reader) == list(enumerate(ENTRIES))
    assert list(reader.entries(65535, 65538)) == [(index, ENTRIES[index]) for index in range(65535, 65538)]
    assert list(reader.entries(65999, 1 << 30)) == [(65999, ENTRIES[65999])]
    assert list(reader.entries(66000)) == []


@pytest.mark.parametrize("index", [-1, 66000, 1 << 40])
def test_what_is_not_published_is_refused(reader: LogReader, index: int) -> None:
    """An index outside gets a clear error from every question."""
    for ask in (reader.entry, reader.inclusion_proof, reader.tlog_proof):
        with pytest.raises(LogError, match="published size 66000"):
            ask(index)
    with pytest.raises(ProofError):
        reader.consistency_proof(66001)


def test_a_reader_sees_new_entries_after_refresh(tmp_path: Path) -> None:
    """A reader stays with its checkpoint while the log goes on, also when partial tiles were replaced."""
    with LogWriter(tmp_path / "log", origin=ORIGIN, key=KEY, publish_interval_s=1e6) as log:
        for future in [log.submit(entry) for entry in ENTRIES[:100]]:
            future.result(30)
        log.publish_checkpoint()
        reader = LogReader(tmp_path / "log", keys=[KEY.key])
        for future in [log.submit(entry) for entry in ENTRIES[100:600]]:
            future.result(30)
        log.publish_checkpoint()
        assert not (tmp_path / "log" / "tile" / "0" / "000.p").exists()
        assert reader.size == 100
        assert reader.entry(99) == ENTRIES[99]
        verify_receipt(reader.tlog_proof(7), ENTRIES[7], keys=[KEY.key])
        assert len(list(reader)) == 100
        log.submit(b"unpublished").result(30)
        assert [entry for _, entry in reader.entries(599, unpublished=True)] == [ENTRIES[599], b"unpublished"]
        reader.refresh()
        assert reader.size == 600
        verify_receipt(reader.tlog_proof(599), ENTRIES[599], keys=[KEY.key])


def test_an_empty_log_can_be_read(tmp_path: Path) -> None:
    """A new log has a signed checkpoint of no entries."""
    LogWriter(tmp_path / "log", origin=ORIGIN, key=KEY).close()
    reader = LogReader(tmp_path / "log", keys=[KEY.key])
    assert reader.size == 0
    assert list(reader) == []
    assert reader.consistency_proof(0) == []


def ask_all(folder: Path, index: int) -> None:
    reader = LogReader(folder)
    for each in (index, 511):
        reader.inclusion_proof(each)
        reader.entry(each)


def test_changed_tiles_are_refused_not_served(folder: Path, tmp_path: Path) -> None:
    """No proof and no entry leaves the reader that doesn't lead to the signed root."""
    copy = Path(shutil.copytree(folder, tmp_path / "log"))
    for name, index in (("tile/0/001", 300), ("tile/entries/001", 300), ("tile/1/000", 60000)):
        whole = (copy / name).read_bytes()
        for change in (whole[:-5], whole[:1500] + b"\xff" * 200 + whole[1700:]):
            (copy / name).write_bytes(change)
            with pytest.raises(TamperedError):
                ask_all(copy, index)
        (copy / name).unlink()
        with pytest.raises(TamperedError, match="is missing"):
            ask_all(copy, index)
        (copy / name).write_bytes(whole)


def test_a_log_without_or_with_a_foreign_checkpoint_is_refused(folder: Path, tmp_path: Path) -> None:
    """No checkpoint, a broken one, and one that the given keys did not sign."""
    with pytest.raises(CheckpointError, match="found no checkpoint"):
        LogReader(tmp_path)
    (tmp_path / "checkpoint").write_bytes(b"no note")
    with pytest.raises(CheckpointError, match="can't be read"):
        LogReader(tmp_path)
    with pytest.raises(CheckpointError, match="can't be trusted"):
        LogReader(folder, keys=[NoteSigner.generate(ORIGIN).key])


RECEIPT = Receipt(index=5, proof=(bytes(32), bytes(range(32))), checkpoint=b"origin\n1\n\nsignatures\n")


@given(
    st.integers(0, (1 << 63) - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.binary(max_size=50),
    st.binary(max_size=50),
)
def test_receipts_survive_a_round_trip(
    index: int, proof: list[bytes], checkpoint: bytes, extra: bytes
) -> None:
    """parse ∘ encode == id, whatever the checkpoint's bytes."""
    made = Receipt(index=index, proof=tuple(proof), checkpoint=checkpoint, extra=extra)
    assert parse_receipt(made.encode()) == made


BAD_RECEIPTS = {
    "another version": RECEIPT.encode().replace(b"@v1", b"@v2"),
    "no index": RECEIPT.encode().replace(b"index 5\n", b""),
    "a leading zero": RECEIPT.encode().replace(b"index 5", b"index 05"),
    "an index of five thousand digits": RECEIPT.encode().replace(b"index 5", b"index " + b"1" * 5000),
    "a short hash": RECEIPT.encode().replace(b"index 5\n", b"index 5\nAAAA\n"),
    "a hash that is no base64": RECEIPT.encode().replace(b"index 5\n", b"index 5\n*\n"),
    "no checkpoint": RECEIPT.encode().partition(b"\n\n")[0],
    "sixty-four hashes": Receipt(index=0, proof=(bytes(32),) * 64, checkpoint=b"").encode(),
    "bytes that aren't ASCII": RECEIPT.encode().replace(b"index", b"ind\xffx"),
    "nothing": b"",
}


@pytest.mark.parametrize("data", BAD_RECEIPTS.values(), ids=BAD_RECEIPTS.keys())
def test_malformed_receipts_are_refused(data: bytes) -> None:
    """A receipt has one spelling."""
    with pytest.raises(MalformedError):
        parse_receipt(data)
