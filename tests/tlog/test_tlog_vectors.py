"""The published vectors are what the generator writes, and our implementation passes them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from countermark.errors import CheckpointError, LogError
from countermark.tlog.checkpoint import verify_checkpoint
from countermark.tlog.note import parse_vkey
from countermark.tlog.proof import verify_consistency, verify_inclusion
from countermark.tlog.receipt import verify_receipt
from countermark.tlog.segment import FOLDER, LogScan
from countermark.tlog.tiles import ENTRIES, tile_path
from countermark.tlog.tree import hash_leaf, tree_root

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "tlog"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tlog_vectors_generate", VECTORS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = generator()


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def unhex(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in hashes]


@pytest.mark.parametrize("name", GENERATE.VECTORS)
def test_vectors_are_current(name: str) -> None:
    """Each file is what `generate.py` writes."""
    assert (VECTORS / name).read_text(encoding="utf-8") == GENERATE.render(name)


def test_no_vector_is_forgotten() -> None:
    """Every file in the folder is generated."""
    assert {path.name for path in VECTORS.glob("*.json")} == set(GENERATE.VECTORS)


def test_tree() -> None:
    """Leaf hashes and the well-known roots."""
    data = load("tree.json")
    inputs = unhex(data["inputs"])
    assert [hash_leaf(each).hex() for each in inputs] == data["leaf_hashes"]
    assert [tree_root(inputs[:size]).hex() for size in range(9)] == data["roots_by_size"]


def check_inclusion(case: dict[str, Any]) -> None:
    verify_inclusion(
        bytes.fromhex(case["entry"]),
        index=case["index"],
        size=case["size"],
        proof=unhex(case["proof"]),
        root=bytes.fromhex(case["root"]),
    )


def check_consistency(case: dict[str, Any]) -> None:
    verify_consistency(
        old_size=case["old_size"],
        old_root=bytes.fromhex(case["old_root"]),
        new_size=case["new_size"],
        new_root=bytes.fromhex(case["new_root"]),
        proof=unhex(case["proof"]),
    )


def test_good_proofs_are_accepted() -> None:
    """Every inclusion and consistency case."""
    for case in load("inclusion.json"):
        check_inclusion(case)
    for case in load("consistency.json"):
        check_consistency(case)


@pytest.mark.parametrize("case", load("inclusion_fail.json"), ids=lambda case: case["case"])
def test_bad_inclusion_proofs_are_refused(case: dict[str, Any]) -> None:
    """Each for the reason that its name says."""
    with pytest.raises(LogError):
        check_inclusion(case)


@pytest.mark.parametrize("case", load("consistency_fail.json"), ids=lambda case: case["case"])
def test_bad_consistency_proofs_are_refused(case: dict[str, Any]) -> None:
    """Each for the reason that its name says."""
    with pytest.raises(LogError):
        check_consistency(case)


def test_checkpoints_and_receipt() -> None:
    """Good checkpoints have this size and root; the receipt is for this entry."""
    data = load("checkpoint.json")
    keys = [parse_vkey(data["vkey"])]
    for case in data["cases"]:
        found = verify_checkpoint(case["note"].encode(), keys=keys, origin=data["origin"])
        assert (found.size, found.root.hex()) == (case["size"], case["root"])
    receipt = data["receipt"]
    index, _ = verify_receipt(receipt["receipt"].encode(), bytes.fromhex(receipt["entry"]), keys=keys)
    assert index == receipt["index"]


@pytest.mark.parametrize("case", load("checkpoint_fail.json")["cases"], ids=lambda case: case["case"])
def test_bad_checkpoints_are_refused(case: dict[str, str]) -> None:
    """Each for the reason that its name says."""
    data = load("checkpoint_fail.json")
    with pytest.raises(CheckpointError):
        verify_checkpoint(case["note"].encode(), keys=[parse_vkey(data["vkey"])], origin=data["origin"])


def test_segment(tmp_path: Path) -> None:
    """The records give these entries, and tiles lie where the vector says."""
    data = load("segment.json")
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / data["name"]).write_bytes(b"".join(unhex([data["header"], *data["records"]])))
    scan = LogScan(tmp_path)
    entries = [entry for record in scan for entry in record.entries]
    assert [entry.decode() for entry in entries] == data["entries"]
    assert (scan.origin, scan.chain.hex(), scan.torn) == (data["origin"], data["chain"], None)
    assert tree_root(entries).hex() == data["root"]
    for tile in data["tile_paths"]:
        level = ENTRIES if tile["level"] == "entries" else tile["level"]
        assert tile_path(level, tile["index"], tile["width"]) == tile["path"]
