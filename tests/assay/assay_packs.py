"""Packs for tests: the scaffold, signed; and authors' folders with what a test changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from countermark.assay.pack.scaffold import write_scaffold
from countermark.assay.pack.sealed import Pack, make_pack, read_pack
from countermark.assay.pack.source import read_source
from countermark.attestation.keys import PrivateKey

NOW = datetime(2026, 11, 1, tzinfo=UTC)
AUTHOR = "Brightwater Lab"


def scaffold(folder: Path) -> Path:
    """The folder that `pack new` writes."""
    write_scaffold(folder, author=AUTHOR)
    return folder


def change(file: Path, old: str, new: str) -> None:
    """Write something else into a file."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def signed(folder: Path, key: PrivateKey | None = None) -> tuple[Pack, bytes]:
    """The pack of a folder, and its truth."""
    data, truth = make_pack(read_source(folder), key or PrivateKey.generate(), now=NOW)
    return read_pack(data, now=NOW), truth


def document(pack: Pack) -> dict[str, Any]:
    """A pack's JSON, for tampering with."""
    raw: dict[str, Any] = json.loads(pack.data)
    return raw
