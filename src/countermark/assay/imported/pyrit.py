"""PyRIT's memory: a SQLite file, of which the table `AttackResultEntries` is read, and nothing is written.

The only module of the assay that opens a database. The file is opened read-only and unchanging, its schema isn't trusted
(no function of it is run), and what is read is one row after the other.

Source: PyRIT 1.1.0, `memory/memory_models.py`, `models/results/attack_result.py` (`AttackOutcome`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from countermark.assay.imported.promptfoo import digest
from countermark.assay.imported.records import Attack, Collected, Convention, Options, Task, as_name, lookup
from countermark.assay.imported.rule import any_holds
from countermark.assay.imported.stream import parse
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.errors import ForeignLogError, MalformedError

FORMAT = "pyrit"
CONVENTION = Convention(
    title="PyRIT",
    reading=Reading(
        unit="one objective",
        polarity=Polarity.TRUE_IS_BREACH,
        epochs=Epochs.ANY_BREACH,
        errors="an outcome `error` or `undetermined` counts as a breach",
    ),
    baseline="as named with `--naive`",
)
_COLUMNS = (
    "objective",
    "outcome",
    "labels",
    "atomic_attack_identifier",
    "targeted_harm_categories",
    "timestamp",
    "pyrit_version",
)
_JSON = frozenset({"labels", "atomic_attack_identifier", "targeted_harm_categories"})
_ATTACK = "atomic_attack_identifier.children.attack_technique.children.attack"
_TARGETS = tuple(
    f"children.objective_target.{key}" for key in ("underlying_model_name", "model_name", "class_name")
)
_VERDICTS = {"success": True, "failure": False}


def read(path: Path, into: Collected, options: Options) -> None:
    """Take one memory.

    Raises:
        ForeignLogError: Not PyRIT's, of another schema, damaged, or still being written.
        MalformedError: A column that isn't JSON, or over a limit.
    """
    rows = 0
    for row in _rows(path, options.limits.record_bytes):
        rows += 1
        _row(row, into, options)
    if not rows:
        raise ForeignLogError("expected results of attacks in `AttackResultEntries`, got none")


def _rows(path: Path, max_bytes: int) -> Iterator[dict[str, Any]]:
    journal = path.with_name(f"{path.name}-wal")
    if journal.exists() and journal.stat().st_size:
        raise ForeignLogError(
            f"expected a database that nobody writes, got one with `{journal.name}`: end PyRIT first"
        )
    try:
        database = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
        try:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_bytes)
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            kinds = database.execute(
                "SELECT type FROM sqlite_master WHERE name = 'AttackResultEntries'"
            ).fetchall()
            if kinds not in ([], [("table",)]):
                raise ForeignLogError(f"expected `AttackResultEntries` to be a table, got a {kinds[0][0]}")
            there = {name for _, name, *_ in database.execute("PRAGMA table_info('AttackResultEntries')")}
            missing = [column for column in _COLUMNS[:2] if column not in there]
            if missing:
                raise ForeignLogError(
                    f"expected the table `AttackResultEntries` with `{missing[0]}`: is this PyRIT's memory?"
                )
            columns = [column for column in _COLUMNS if column in there]
            names = ", ".join(columns)  # of the fixed list above, never of the file
            for values in database.execute(f"SELECT {names} FROM AttackResultEntries"):  # noqa: S608
                yield {
                    column: _value(column, value, max_bytes)
                    for column, value in zip(columns, values, strict=True)
                }
        finally:
            database.close()
    except sqlite3.Error as error:
        raise ForeignLogError(f"expected a SQLite file that can be read: {error}") from error


def _value(column: str, value: Any, max_bytes: int) -> Any:
    if column not in _JSON or value is None:
        return value
    if not isinstance(value, str):
        raise MalformedError(f"expected JSON in `{column}`, got {type(value).__name__}")
    return parse(value.encode(), max_bytes=max_bytes)


def _row(row: dict[str, Any], into: Collected, options: Options) -> None:
    fields = options.fields
    if row.get("pyrit_version"):
        into.versions[f"pyrit {row['pyrit_version']}"] = None
    outcome = as_name(row["outcome"]).lower()
    if outcome not in ("success", "failure", "error", "undetermined"):
        raise ForeignLogError(f"expected an outcome of PyRIT, got `{outcome[:40]}`")
    if outcome not in _VERDICTS:
        into.notes[f"results with the outcome `{outcome}`: counted as breaches"] += 1
    verdict = _VERDICTS.get(outcome)
    attack = lookup(row, _ATTACK)
    target = next(filter(None, (as_name(lookup(attack, path)) for path in _TARGETS)), "")
    safeguard = (
        options.safeguard or as_name(lookup(row, fields.get("safeguard", "labels.safeguard"))) or target
    )
    given = as_name(lookup(row, fields["goal"])) if "goal" in fields else ""
    goal = given or digest(as_name(row["objective"]))
    twin = as_name(lookup(row, fields.get("twin", "labels.twin")))
    if any_holds(options.benign_when, [lookup(row, rule.path) for rule in options.benign_when]):
        # on benign work PyRIT's success is that the task was done
        into.task(
            Task(
                safeguard=safeguard or "target",
                name=goal,
                stopped=None if verdict is None else not verdict,
                twin=twin,
            )
        )
        return
    strategy = as_name(lookup(row, fields.get("strategy", "labels.strategy"))) or as_name(
        lookup(attack, "class_name")
    )
    harms = row.get("targeted_harm_categories")
    cluster = as_name(lookup(row, fields["cluster"])) if "cluster" in fields else ""
    if not cluster and isinstance(harms, list) and len(harms) == 1:
        cluster = as_name(harms[0])
    into.attack(
        Attack(
            safeguard=safeguard or "target",
            goal=goal,
            strategy=strategy or "attack",
            verdict=verdict,
            cluster=(cluster,) if cluster else (),
            twin=twin,
            at=as_name(row.get("timestamp")),
        )
    )
