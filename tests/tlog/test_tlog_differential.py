"""Two implementations that are not ours read our logs, and agree with ours on what is true and what is not."""

from __future__ import annotations

from pathlib import Path

import metamorphic_log
import pytest
import tlog_scales.reader
import tlog_scales.signing
import tlog_scales.tlog
from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales.backend import LocalBackend

from countermark.errors import ProofError
from countermark.tlog.checkpoint import verify_checkpoint
from countermark.tlog.note import NoteSigner
from countermark.tlog.proof import (
    make_consistency_proof,
    make_inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from countermark.tlog.reader import LogReader
from countermark.tlog.receipt import parse_receipt
from countermark.tlog.tree import hash_leaf, subtree_of, tree_root
from countermark.tlog.writer import LogWriter

ORIGIN = "halden.example/gateway-1"
KEY = NoteSigner.from_seed(ORIGIN, bytes(range(32)))


def make_log(folder: Path, size: int) -> list[bytes]:
    entries = [b"entry %d" % index for index in range(size)]
    with LogWriter(folder, origin=ORIGIN, key=KEY, publish_interval_s=1e6) as log:
        for future in [log.submit(entry) for entry in entries]:
            future.result(60)
    return entries


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 300, 66000])
def test_tlog_scales_reads_our_tiles(tmp_path: Path, size: int) -> None:
    """tlog-scales recomputes our root from our tiles, finds our entries, and verifies our signature."""
    entries = make_log(tmp_path / "log", size)
    reader = tlog_scales.reader.TilesReader(LocalBackend(tmp_path / "log"))
    checkpoint = reader.get_checkpoint()
    assert checkpoint.size == size
    assert reader.calculate_root_hash() == checkpoint.root_hash == tree_root(entries)
    checkpoint.verify(tlog_scales.signing.Vkey.from_string(KEY.vkey))
    for index in {0, size // 2, size - 1} & set(range(size)):
        assert reader.get_entry(index) == entries[index]
        theirs = reader.get_inclusion_proof(index, size)
        assert list(theirs.node_hashes) == LogReader(tmp_path / "log").inclusion_proof(index)
    for old in {1, size // 2, size} & set(range(1, size + 1)):
        theirs = reader.get_consistency_proof(old, size)
        assert list(theirs.node_hashes) == LogReader(tmp_path / "log").consistency_proof(old)


@pytest.mark.parametrize("size", [1, 2, 257, 1000])
def test_metamorphic_log_verifies_our_log(tmp_path: Path, size: int) -> None:
    """metamorphic-log verifies checkpoint, receipts and consistency, and refuses a wrong index."""
    entries = make_log(tmp_path / "log", size)
    reader = LogReader(tmp_path / "log")
    note = reader.signed_checkpoint.decode()
    head = metamorphic_log.checkpoint_verify(note, [KEY.vkey])
    assert (head.origin, head.size, head.root) == (ORIGIN, size, tree_root(entries))
    with pytest.raises(metamorphic_log.VerifyError):
        metamorphic_log.checkpoint_verify(note, [NoteSigner.generate(ORIGIN).vkey])
    for index in {0, size // 2, size - 1}:
        receipt = parse_receipt(reader.tlog_proof(index))
        text, leaf = receipt.checkpoint.decode(), hash_leaf(entries[index])
        metamorphic_log.checkpoint_verify_inclusion(text, [KEY.vkey], index, leaf, list(receipt.proof))
        with pytest.raises(metamorphic_log.VerifyError):
            metamorphic_log.checkpoint_verify_inclusion(
                text, [KEY.vkey], index + 1, leaf, list(receipt.proof)
            )
    for old in {1, size // 2, size} - {0}:
        proof = reader.consistency_proof(old)
        metamorphic_log.verify_consistency(old, size, proof, tree_root(entries[:old]), head.root)


def test_checkpoints_signed_by_tlog_scales_verify_here() -> None:
    """The other way round: a checkpoint that tlog-scales signed is accepted, with its key's vkey as they write it."""
    signer = tlog_scales.signing.PlainEd25519Signer(ORIGIN, bytes(range(32)))
    assert signer.vkey.serialize() == KEY.vkey
    made = tlog_scales.tlog.Checkpoint.make_signed(ORIGIN, 7, bytes(range(32)), [signer])
    found = verify_checkpoint(made.serialize().encode(), keys=[KEY.key], origin=ORIGIN)
    assert (found.size, found.root) == (7, bytes(range(32)))


def agrees(ours: bool, call: object, *arguments: object) -> None:
    try:
        call(*arguments)  # type: ignore[operator]
        theirs = True
    except metamorphic_log.VerifyError:
        theirs = False
    assert ours == theirs


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_verdict_on_any_inclusion_proof_is_the_same(data: st.DataObject) -> None:
    """For right and wrong index, size, and hashes left out or repeated, metamorphic-log and ours agree."""
    size = data.draw(st.integers(1, 40))
    index = data.draw(st.integers(0, size - 1))
    entries = [b"entry %d" % number for number in range(size)]
    root = tree_root(entries)
    proof = make_inclusion_proof(index, size, subtree_of([hash_leaf(entry) for entry in entries]))
    shown_index = data.draw(st.sampled_from([index, index + 1, index ^ 1, 0, size - 1]))
    shown_size = data.draw(st.sampled_from([size, size + 1, max(size - 1, 0), 2 * size]))
    keep = data.draw(st.integers(0, len(proof)))
    shown = data.draw(st.sampled_from([proof, proof, proof[:keep], proof + proof[:1], proof[::-1]]))
    try:
        verify_inclusion(entries[index], index=shown_index, size=shown_size, proof=shown, root=root)
        ours = True
    except ProofError:
        ours = False
    leaf = hash_leaf(entries[index])
    agrees(ours, metamorphic_log.verify_inclusion, shown_index, shown_size, leaf, shown, root)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_verdict_on_any_consistency_proof_is_the_same(data: st.DataObject) -> None:
    """For right and wrong sizes, and hashes left out or repeated, metamorphic-log and ours agree."""
    new = data.draw(st.integers(1, 40))
    old = data.draw(st.integers(1, new))
    entries = [b"entry %d" % number for number in range(new)]
    old_root, new_root = tree_root(entries[:old]), tree_root(entries)
    proof = make_consistency_proof(old, new, subtree_of([hash_leaf(entry) for entry in entries]))
    shown_old = data.draw(st.sampled_from([old, old + 1, max(old - 1, 1)]))
    shown_new = data.draw(st.sampled_from([new, new + 1, max(new - 1, 1)]))
    keep = data.draw(st.integers(0, len(proof)))
    shown = data.draw(st.sampled_from([proof, proof, proof[:keep], proof + proof[:1], proof[::-1]]))
    try:
        verify_consistency(
            old_size=shown_old, old_root=old_root, new_size=shown_new, new_root=new_root, proof=shown
        )
        ours = True
    except ProofError:
        ours = False
    agrees(ours, metamorphic_log.verify_consistency, shown_old, shown_new, shown, old_root, new_root)
