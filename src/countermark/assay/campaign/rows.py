"""The rows of a campaign: one for each try and task on each stack, appended as they happen, so that a stop loses nothing.

A row is the unit of resuming. It is JSON on a line of its own (spec/assay-rows.md).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from countermark.assay.campaign.door import Passed
from countermark.errors import CampaignError


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRow:
    """What happened to one try, or to one task.

    Attributes:
        scenario: Id of the goal or task; with `@n` behind it where it is the same use at another scale.
        strategy: Empty for a task.
        attempt: Name of the try; empty for a task.
        passed: The worst of its requests: a try comes through when all of them do.
        clauses: That decided where it was stopped or held.
        decision: Id of the last decision; empty where nobody decided.
        why: For reading: what the stack said, short; no content of the request.
        sha256: Of the request's bytes (of the first one).
    """

    stack: str
    scenario: str
    strategy: str
    attempt: str
    passed: Passed
    clauses: tuple[str, ...] = ()
    decision: str = ""
    why: str = ""
    sha256: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a row is about: no two of one campaign share it."""
        return self.stack, self.scenario, self.strategy, self.attempt

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")) + "\n"


def parse_row(line: str) -> CampaignRow:
    """Read one line.

    Raises:
        CampaignError: Not a row.
    """
    try:
        raw: dict[str, Any] = json.loads(line)
        return CampaignRow(**{**raw, "passed": Passed(raw["passed"]), "clauses": tuple(raw["clauses"])})
    except (ValueError, TypeError, KeyError) as error:
        raise CampaignError(f"expected a row of a campaign, got `{line[:60].strip()}`") from error


def read_rows(path: Path) -> Iterator[CampaignRow]:
    """The rows of a campaign; a last line that was cut off by a stop is left out.

    Raises:
        CampaignError: A line in the middle is not a row.
    """
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                return
            yield parse_row(line)


class RowFile:
    """The rows of a campaign on disk: what is there already is not measured again.

    Each row is flushed as it is written; one that a stop has cut off is removed when the file is opened again.

    Raises:
        CampaignError: A line in the middle is not a row, or the disk refused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # guards file and rows: stacks run side by side in threads
        self._rows = {row.key: row for row in read_rows(path)}
        try:
            self._cut()
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise CampaignError(f"expected to write rows to `{path}`: {error.strerror}") from error

    def _cut(self) -> None:
        if not self._path.exists():
            return
        data = self._path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole != len(data):
            with self._path.open("r+b") as file:
                file.truncate(whole)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def rows(self) -> tuple[CampaignRow, ...]:
        """All rows, in the order of their keys: the order in which they happened says nothing."""
        return tuple(self._rows[key] for key in sorted(self._rows))

    def append(self, row: CampaignRow) -> None:
        """Write one row."""
        with self._lock:
            if row.key in self._rows:
                raise CampaignError(f"expected each row once, got `{' / '.join(row.key)}` again")
            try:
                self._file.write(row.to_line())
                self._file.flush()
            except OSError as error:
                raise CampaignError(f"expected to write rows to `{self._path}`: {error.strerror}") from error
            self._rows[row.key] = row

    def close(self) -> None:
        """Close the file; the rows can still be read."""
        self._file.close()
