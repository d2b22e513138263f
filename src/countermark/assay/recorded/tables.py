"""The tables that ship: found by name, checked against the manifest, read as rows of text."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from countermark.errors import TableError

_FOLDER: Traversable = files("countermark.assay.recorded")
Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a table comes from, and what it must be.

    Attributes:
        sha256: Of the CSV, uncompressed.
        repository: `owner/name`; empty for what this project made.
        holder: The notice that the licence asks to keep.
        changed: What was left out or replaced on the way here.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    rows: int
    columns: tuple[str, ...]
    repository: str
    commit: str
    path: str
    licence: str
    holder: str
    changed: str

    @property
    def cited(self) -> str:
        """`owner/name @ commit, licence`, short."""
        where = f"{self.repository} @ {self.commit[:7]}" if self.repository else "this project"
        return f"{where}, {self.licence}"


@cache
def origins() -> Mapping[str, Origin]:
    """Every table of the manifest, by name.

    Raises:
        TableError: The manifest isn't what its format says.
    """
    return parse_manifest(_FOLDER.joinpath("manifest.toml").read_text(encoding="utf-8"))


def parse_manifest(text: str) -> Mapping[str, Origin]:
    """Read a manifest (spec/assay-tables.md).

    Raises:
        TableError: Not TOML, another version, or a table with other keys.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"expected a manifest in TOML: {error}") from error
    if raw.get("version") != 1:
        raise TableError(f"expected a manifest of version 1, got `{raw.get('version')}`")
    expected = {field.name for field in fields(Origin)}
    found = {}
    for table in raw.get("table", []):
        if set(table) != expected:
            odd = ", ".join(sorted(set(table) ^ expected))
            raise TableError(
                f"expected the keys of a table, got `{table.get('name')}` with these too many or few: {odd}"
            )
        found[table["name"]] = Origin(**{**table, "columns": tuple(table["columns"])})
    return found


def load_table(name: str) -> tuple[Row, ...]:
    """The rows of a table that ships.

    Raises:
        TableError: No such table, or its bytes are not those of the manifest.
    """
    origin = origins().get(name)
    if origin is None:
        raise TableError(f"expected one of the tables {', '.join(origins())}, got `{name:.40}`")
    return parse_table(_FOLDER.joinpath(origin.file).read_bytes(), origin)


def parse_table(packed: bytes, origin: Origin) -> tuple[Row, ...]:
    """Unpack and check a table.

    Raises:
        TableError: Not what the manifest says, in bytes, columns or rows.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            data = file.read(origin.bytes + 1)  # never more than the manifest says, whatever it unpacks to
    except (OSError, EOFError) as error:
        raise TableError(f"expected `{origin.file}` to be a gzip file: {error}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != origin.sha256:
        raise TableError(f"expected `{origin.file}` to hash to {origin.sha256}, got {digest}")
    reader = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""))
    rows = tuple(reader)
    if tuple(reader.fieldnames or ()) != origin.columns or len(rows) != origin.rows:
        raise TableError(f"expected `{origin.file}` with the columns and {origin.rows} rows of the manifest")
    return rows
