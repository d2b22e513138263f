"""What a reader takes from another tool's log: rows of attacks and of benign tasks, and what was noticed on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from countermark.assay.imported.rule import Rule
from countermark.assay.outcomes import Reading
from countermark.errors import ForeignLogError

FIELDS = ("goal", "strategy", "cluster", "safeguard", "twin", "at")
"""What `--field NAME=PATH` can point to."""
Decisions = tuple[tuple[str, bool], ...]
"""A layer and whether it stopped, in the order in which they were asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a log may take up.

    Attributes:
        record_bytes: One sample, run or row, unpacked.
        unpacked_bytes: One packed log, unpacked.
        files: In one folder, with its subfolders.
        rows: Over all logs.
    """

    record_bytes: int = 64 << 20
    unpacked_bytes: int = 64 << 30
    files: int = 1_000_000
    rows: int = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the log doesn't say and whoever imports it does.

    Attributes:
        breach_when: An attack row is a breach when any of these holds.
        stopped_when: A benign row was stopped when any of these holds; where empty, when it isn't what would be a breach.
        benign_when: A row is benign when any of these holds; where empty, the reader's own convention.
        fields: Where in a record the goal, the strategy, ... stand, by the names of `FIELDS`.
        safeguard: The name of what was attacked, where the log doesn't say or says it differently.
        detector: Of tools that run several judges: the one whose word counts.
    """

    breach_when: tuple[Rule, ...] = ()
    stopped_when: tuple[Rule, ...] = ()
    benign_when: tuple[Rule, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    safeguard: str = ""
    detector: str = ""
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attempt at a goal.

    Attributes:
        verdict: In the polarity that the reader declares; None where the row failed or nobody judged it.
        cluster: What the goal is related by; one or two names.
        twin: The pair that it is the misuse of; empty where it is none.
        at: When, as the tool writes it; only compared with others of the same tool.
        decisions: What layers decided by their own log.
    """

    safeguard: str
    goal: str
    strategy: str
    verdict: bool | None
    cluster: tuple[str, ...] = ()
    twin: str = ""
    at: str = ""
    decisions: Decisions = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One benign task. `twin`: the pair that it is the work of."""

    safeguard: str
    name: str
    stopped: bool | None
    twin: str = ""
    decisions: Decisions = ()


@dataclass(slots=True, kw_only=True)
class Collected:
    """All rows of one tool's logs, as they are read.

    Attributes:
        versions: Of the tool and its tasks, by what the logs say.
        values: How often each value of each score occurred: a polarity that was declared wrongly shows here.
        reached_alone: For goals that the tool also tried as plain tasks, whether they were reached then.
        notes: What was left out or filled in, and why; each once, with how often.
    """

    limits: Limits
    attacks: list[Attack] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    versions: dict[str, None] = field(default_factory=dict)
    values: Counter[str] = field(default_factory=Counter)
    reached_alone: dict[str, bool] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)

    def attack(self, row: Attack) -> None:
        """Keep an attack row.

        Raises:
            ForeignLogError: Over the limit of rows.
        """
        self.attacks.append(row)
        self._count()

    def task(self, row: Task) -> None:
        """Keep a benign row.

        Raises:
            ForeignLogError: Over the limit of rows.
        """
        self.tasks.append(row)
        self._count()

    def _count(self) -> None:
        if len(self.attacks) + len(self.tasks) > self.limits.rows:
            raise ForeignLogError(f"expected at most {self.limits.rows:,} rows, got more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """What a tool's logs mean, as far as the tool itself fixes it.

    Attributes:
        title: The tool, in words.
        naive: The strategy of an attacker who doesn't adapt, where the tool has a name for it.
        baseline: What that strategy is, in words.
        work: What counts as stopped work, in words; `claim`: whether that is the safeguard's own doing.
    """

    title: str
    reading: Reading
    naive: str | None = None
    baseline: str = ""
    work: str = "benign tasks stopped"
    claim: bool = True


def lookup(record: Any, path: str) -> Any:
    """What stands under a dotted path; None where nothing does. Keys may hold dots themselves."""
    if not isinstance(record, dict):
        return None
    if path in record:
        return record[path]
    for i, letter in enumerate(path):
        if letter == "." and isinstance(record.get(path[:i]), dict):
            found = lookup(record[path[:i]], path[i + 1 :])
            if found is not None:
                return found
    return None


def as_name(value: Any) -> str:
    """A value as a name: text as it is, numbers and truth values in their usual form; anything else is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value}" if isinstance(value, int | float) else ""
