"""What a starting gateway learns from its own log: the log is the authority, everything else is an index of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from countermark.clock import parse_time
from countermark.tlog.entry import parse_entry

_MARKS = (b'"approvals":', b'"kind":"filed"', b'"kind":"removed"')
"""Only entries that hold one of these change what is rebuilt; the rest are passed by without being parsed."""


@dataclass(slots=True)
class Recovered:
    """What the entries of a log come to.

    Attributes:
        consumed: `(approval id, entry index)` of every approval that a decision consumed.
        filed: Statements on file by payload digest, with the digest of the whole file.
        filed_at: Number of the last entry that changed what is on file.
        last_at: Time of the last entry; `now` never runs behind it.
        entries: How many there were.
    """

    consumed: list[tuple[str, int]] = field(default_factory=list)
    filed: dict[str, str] = field(default_factory=dict)
    filed_at: int = 0
    last_at: datetime | None = None
    entries: int = 0


def recover(entries: Iterable[tuple[int, bytes]]) -> Recovered:
    """Read a log from its first entry.

    Raises:
        MalformedError: An entry that this version could not have written.
    """
    found = Recovered()
    last: bytes | None = None
    for index, data in entries:
        last = data
        found.entries += 1
        if not any(mark in data for mark in _MARKS):
            continue
        entry = parse_entry(data)
        kind = entry["kind"]
        if kind == "decision":
            found.consumed.extend((approval, index) for approval in entry.get("approvals", ()))
        elif kind == "filed":
            found.filed[entry["statement"]] = entry["file"]
            found.filed_at = index
        elif kind == "removed":
            found.filed.pop(entry["statement"], None)
            found.filed_at = index
    if last is not None:
        found.last_at = parse_time(parse_entry(last)["at"])
    return found
