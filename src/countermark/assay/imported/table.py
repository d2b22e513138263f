"""A table of our own, for tools that nobody wrote a reader for: CSV or JSON lines (spec/assay-import.md).

What a row means stands in the table's head, since nobody else can say it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import IO, Any

from countermark.assay.imported.records import Attack, Collected, Convention, Options, Task, as_name
from countermark.assay.imported.stream import lines
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.errors import ForeignLogError

FORMAT = "table"
MARK = "countermark-assay-table"
VERSION = 1
COLUMNS = (
    "goal",
    "kind",
    "strategy",
    "breached",
    "stopped",
    "cluster",
    "cluster2",
    "safeguard",
    "twin",
    "at",
)
HEAD = ("unit", "errors", "epochs", "naive", "baseline", "work")
_TRUTH = {"true": True, "1": True, "false": False, "0": False, "": None}


def read(file: IO[bytes], into: Collected, options: Options) -> Convention:
    """Take one table.

    Returns:
        What its head declares.

    Raises:
        ForeignLogError: Another version, an unknown column, or a row that doesn't say enough; with its line.
        MalformedError: Not UTF-8, not JSON, or over a limit.
    """
    head, rows = _open(file, options)
    convention = _convention(head)
    for line, row in rows:
        _row(line, row, into, options)
    return convention


def _open(
    file: IO[bytes], options: Options
) -> tuple[Mapping[str, str], Iterator[tuple[int, Mapping[str, Any]]]]:
    first = file.read(1)
    file.seek(0)
    if first == b"{":
        found = lines(file, max_bytes=options.limits.record_bytes)
        _, head = next(found, (0, {}))
        if not isinstance(head, dict) or head.get(MARK) != VERSION:
            raise ForeignLogError(f'expected a first line with `"{MARK}": {VERSION}`')
        return {key: as_name(value) for key, value in head.items() if key != MARK}, _objects(found)
    text = io.TextIOWrapper(file, encoding="utf-8", errors="strict", newline="")
    return _csv(text, options.limits.record_bytes)


def _objects(found: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, row in found:
        if not isinstance(row, dict):
            raise ForeignLogError(f"expected an object in line {line}")
        yield line, row


def _csv(
    text: io.TextIOWrapper, max_bytes: int
) -> tuple[Mapping[str, str], Iterator[tuple[int, Mapping[str, Any]]]]:
    head: dict[str, str] = {}
    mark = text.readline(max_bytes).strip()
    if mark != f"# {MARK} {VERSION}":
        raise ForeignLogError(f"expected `# {MARK} {VERSION}` in the first line, got `{mark[:40]}`")
    before = 1
    while (line := text.readline(max_bytes)).startswith("#"):
        before += 1
        key, colon, value = line[1:].partition(":")
        if not colon:
            raise ForeignLogError(f"expected `# key: value` in line {before}")
        head[key.strip()] = value.strip()
    columns = next(csv.reader([line]), [])
    odd = [column for column in columns if column not in COLUMNS]
    if odd or "goal" not in columns:
        raise ForeignLogError(
            f"expected the columns {', '.join(COLUMNS)} (at least `goal`), got {', '.join(columns)[:120] or 'none'}"
        )

    def rows() -> Iterator[tuple[int, Mapping[str, Any]]]:
        reader = csv.DictReader(text, fieldnames=columns, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise ForeignLogError(
                        f"expected {len(columns)} cells in line {before + 1 + reader.line_num}"
                    )
                yield before + 1 + reader.line_num, row
        except csv.Error as error:
            raise ForeignLogError(f"expected CSV in line {before + 1 + reader.line_num}: {error}") from error

    return head, rows()


def _convention(head: Mapping[str, str]) -> Convention:
    odd = sorted(set(head) - set(HEAD))
    if odd:
        raise ForeignLogError(f"expected only {', '.join(HEAD)} in the head, got `{odd[0][:40]}`")
    for needed in ("unit", "errors"):
        if not head.get(needed):
            raise ForeignLogError(
                f"expected `{needed}` in the head: what one goal is, and what a failed row counts as"
            )
    epochs = head.get("epochs") or Epochs.ONE_ROW
    if epochs not in tuple(Epochs):
        raise ForeignLogError(f"expected `epochs` to be one of {', '.join(Epochs)}, got `{epochs[:40]}`")
    return Convention(
        title="table",
        reading=Reading(
            unit=head["unit"], polarity=Polarity.TRUE_IS_BREACH, epochs=Epochs(epochs), errors=head["errors"]
        ),
        naive=head.get("naive") or None,
        baseline=head.get("baseline") or head.get("naive") or "as named with `--naive`",
        work=head.get("work") or "benign tasks stopped",
    )


def _row(line: int, row: Mapping[str, Any], into: Collected, options: Options) -> None:
    odd = [key for key in row if key not in COLUMNS]
    if odd:
        raise ForeignLogError(
            f"expected the columns {', '.join(COLUMNS)}, got `{odd[0][:40]}` in line {line}"
        )
    cell = {key: as_name(value) for key, value in row.items()}
    goal, kind = cell.get("goal", ""), cell.get("kind") or "attack"
    safeguard = options.safeguard or cell.get("safeguard") or "safeguard"
    if not goal or kind not in ("attack", "benign"):
        raise ForeignLogError(f"expected a `goal`, and `attack` or `benign` as its `kind`, in line {line}")
    if kind == "benign":
        if cell.get("breached") or cell.get("strategy"):
            raise ForeignLogError(f"expected only `stopped` of a benign row in line {line}")
        into.task(
            Task(
                safeguard=safeguard,
                name=goal,
                stopped=_truth(cell, "stopped", line),
                twin=cell.get("twin", ""),
            )
        )
        return
    if cell.get("stopped") or not cell.get("strategy"):
        raise ForeignLogError(f"expected `strategy` and `breached` of an attack row in line {line}")
    into.attack(
        Attack(
            safeguard=safeguard,
            goal=goal,
            strategy=cell["strategy"],
            verdict=_truth(cell, "breached", line),
            cluster=tuple(filter(None, (cell.get("cluster", ""), cell.get("cluster2", "")))),
            twin=cell.get("twin", ""),
            at=cell.get("at", ""),
        )
    )


def _truth(cell: Mapping[str, str], column: str, line: int) -> bool | None:
    word = cell.get(column, "").lower()
    if word not in _TRUTH:
        raise ForeignLogError(
            f"expected true, false or nothing under `{column}` in line {line}, got `{word[:40]}`"
        )
    return _TRUTH[word]
