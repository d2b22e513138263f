"""What a gateway's own log tells of those who approve: how many holds they decided, how, and how soon.

The log can't tell whether an approval was right: none of its holds is known to be misuse. So there is no hit rate here, and
a high share of approvals may be a rubber stamp or good requests. Plant cases to find out (`recorded.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from countermark.assay.rate import Rate, count_rate
from countermark.errors import MalformedError, NothingMeasuredError, ReviewError
from countermark.tlog.entry import parse_entry
from countermark.tlog.reader import LogReader

APPROVED, REFUSED, EXPIRED, WAITING = "approved", "refused", "expired", "waiting or replaced"
STATES = (APPROVED, REFUSED, EXPIRED, WAITING)


@dataclass(slots=True)
class _Hold:
    clauses: tuple[str, ...]
    opened: datetime
    state: str = WAITING
    closed: datetime | None = None

    def close(self, state: str, at: datetime) -> None:
        """Note the first thing that became of it."""
        if self.state == WAITING:
            self.state, self.closed = state, at


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLog:
    """What became of the holds of a log.

    Attributes:
        states: How many by `STATES`.
        approved: Of those that people decided, or let expire; None where that is none.
        seconds: From the hold to its permit, the median; it includes the wait for the caller to ask again.
        by_clause: States for each clause that held.
    """

    holds: int
    states: Mapping[str, int]
    approved: Rate | None
    seconds: float | None
    by_clause: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def to_document(self) -> Mapping[str, Any]:
        """For JSON."""
        return {
            "holds": self.holds,
            "states": dict(self.states),
            "approved": None if self.approved is None else self.approved.to_document(),
            "median_seconds_to_permit": self.seconds,
            "by_clause": {clause: dict(states) for clause, states in self.by_clause.items()},
            "hit_rate": None,
        }


def read_holds(folder: Path) -> HoldLog:
    """Read the holds of a log: a gateway's folder, or the log's own.

    Raises:
        CheckpointError: There is no log.
        ReviewError: An entry that this version can't read.
        NothingMeasuredError: Nothing was ever held.
    """
    inner = folder / "log"
    return count_holds(entry for _, entry in LogReader(inner if inner.is_dir() else folder))


def count_holds(entries: Iterable[bytes]) -> HoldLog:
    """The same from entries, in the order of the log.

    Raises:
        ReviewError: An entry that this version can't read.
        NothingMeasuredError: Nothing was ever held.
    """
    holds: dict[str, _Hold] = {}
    asked: dict[tuple[str, str], str] = {}  # the newest hold of an action
    for number, data in enumerate(entries):
        try:
            _take(parse_entry(data), holds, asked)
        except (MalformedError, KeyError, ValueError) as error:
            raise ReviewError(
                f"expected an entry that says what it is, got entry {number}: {error}"
            ) from error
    if not holds:
        raise NothingMeasuredError(
            "expected holds in the log, got none: nobody was asked to approve anything"
        )
    states = _states(holds.values())
    decided = sum(states[state] for state in (APPROVED, REFUSED, EXPIRED))
    waits = [
        (hold.closed - hold.opened).total_seconds()
        for hold in holds.values()
        if hold.state == APPROVED and hold.closed is not None
    ]
    clauses = sorted({clause for hold in holds.values() for clause in hold.clauses})
    return HoldLog(
        holds=len(holds),
        states=states,
        approved=count_rate(states[APPROVED], decided) if decided else None,
        seconds=median(waits) if waits else None,
        by_clause={
            clause: _states(hold for hold in holds.values() if clause in hold.clauses) for clause in clauses
        },
    )


def _take(entry: Mapping[str, Any], holds: dict[str, _Hold], asked: dict[tuple[str, str], str]) -> None:
    if entry["kind"] == "hold":
        if entry["hold"] in holds:
            state = {"refused": REFUSED, "expired": EXPIRED}.get(entry["state"])
            if state is not None:
                holds[entry["hold"]].close(state, datetime.fromisoformat(entry["at"]))
        return
    if entry["kind"] != "decision":
        return
    at, action = datetime.fromisoformat(entry["at"]), (entry["workload"], entry["action_digest"])
    if entry.get("hold"):
        holds.setdefault(entry["hold"], _Hold(clauses=tuple(entry["clauses"]), opened=at))
        asked[action] = entry["hold"]
    elif entry["outcome"] == "PERMIT" and entry.get("approvals") and action in asked:
        holds[asked[action]].close(APPROVED, at)


def _states(holds: Iterable[_Hold]) -> dict[str, int]:
    found = dict.fromkeys(STATES, 0)
    for hold in holds:
        found[hold.state] += 1
    return found
