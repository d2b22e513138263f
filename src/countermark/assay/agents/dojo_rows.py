"""What happened in each run of AgentDojo: one line of JSON for each pair and strategy, and for each benign task.

Lines are appended as runs end, so that a stop loses nothing; the first line says what was run (spec/assay-agentdojo.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from countermark.errors import CampaignError

FORMAT: Final = "countermark-assay-agentdojo"
VERSION: Final = 1
NO_GATE: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DojoRow:
    """One run.

    Attributes:
        gate: Layers joined by `+`, or a gateway's name; empty where there was none.
        injection_task, strategy: Empty for benign work.
        seen: The agent was shown the injected text.
        utility: AgentDojo's judge says that the user's task was done; None under attack, where it isn't asked.
        reached: AgentDojo's judge says that the injection's goal was reached; None where a gate failed.
        denied, held, hidden: Calls that were denied, calls that wait for people, results that were not shown.
        because: Clauses or layers that were against something, each once.
    """

    gate: str
    suite: str
    user_task: str
    injection_task: str = ""
    strategy: str = ""
    seen: bool = False
    utility: bool | None = None
    reached: bool | None = False
    denied: int = 0
    held: int = 0
    hidden: int = 0
    because: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What a row is about: no two of one file share it."""
        return self.gate, self.suite, self.user_task, self.injection_task, self.strategy

    @property
    def benign(self) -> bool:
        """Whether this is work without an attack."""
        return not self.injection_task

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":")) + "\n"


def parse_row(line: str) -> DojoRow:
    """Read one line.

    Raises:
        CampaignError: Not a row.
    """
    try:
        raw: dict[str, Any] = json.loads(line)
        return DojoRow(**{**raw, "because": tuple(raw["because"])})
    except (ValueError, TypeError, KeyError) as error:
        raise CampaignError(f"expected a row of an AgentDojo run, got `{line[:60].strip()}`") from error


class DojoFile:
    """The rows of a run; in a file where there is one, so that what is there already is not run again."""

    def __init__(self, path: Path | None, about: Mapping[str, Any]) -> None:
        """Open the file, or begin it.

        Args:
            about: What was run: versions and strategies. A file that was begun with others is not gone on with.

        Raises:
            CampaignError: It was begun with something else, or can't be read or written.
        """
        self._rows: dict[tuple[str, ...], DojoRow] = {}
        self._file = None
        if path is None:
            return
        head = json.dumps({"format": FORMAT, "version": VERSION, **about}, separators=(",", ":")) + "\n"
        try:
            data = path.read_bytes() if path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]  # a line that a stop cut off goes
            lines = whole.decode("utf-8").splitlines()
            if lines and lines[0] + "\n" != head:
                raise CampaignError(
                    f"expected `{path.name}` to be begun by the same run, got another first line: take a new file"
                )
            for line in lines[1:]:
                row = parse_row(line)
                self._rows[row.key] = row
            self._file = path.open("a", encoding="utf-8")
            self._file.truncate(len(whole))
            if not whole:
                self._file.write(head)
                self._file.flush()
        except (OSError, UnicodeDecodeError) as error:
            raise CampaignError(f"expected to keep rows in `{path}`: {error}") from error

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    @property
    def rows(self) -> tuple[DojoRow, ...]:
        """All rows, in the order in which they were run."""
        return tuple(self._rows.values())

    def append(self, row: DojoRow) -> None:
        """Keep one row.

        Raises:
            CampaignError: There is one already, or the disk refused.
        """
        if row.key in self._rows:
            raise CampaignError(f"expected each row once, got `{' / '.join(row.key)}` again")
        self._rows[row.key] = row
        if self._file is None:
            return
        try:
            self._file.write(row.to_line())
            self._file.flush()
        except OSError as error:
            raise CampaignError(f"expected to keep a row: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; the rows can still be read."""
        if self._file is not None:
            self._file.close()


def gates_of(rows: Iterable[DojoRow]) -> tuple[str, ...]:
    """Gates in the order in which they were run."""
    return tuple(dict.fromkeys(row.gate for row in rows))
