"""What a gateway's own log tells of those who approve: how many holds they decided, how, and how soon.

The log can't tell whether an approval was right: none of its holds is known to be misuse. So there is no hit rate here, and
a high share of approvals may be a rubber stamp or good requests. Plant cases to find out (`recorded.py`).

Who signed stands in the archive beside the log, in what the entries name by digest; it is read as it lies there
(`countermark log replay` verifies it). An approval that was never used up is in no entry, and so not here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from countermark.assay.rate import Rate, count_rate
from countermark.attestation.envelope import parse_envelope
from countermark.attestation.statement import Statement, parse_statement
from countermark.errors import MalformedError, NothingMeasuredError, ReviewError, TrustError
from countermark.tlog.entry import parse_entry
from countermark.tlog.reader import LogReader

APPROVED, REFUSED, EXPIRED, WAITING = "approved", "refused", "expired", "waiting or replaced"
_DIGEST = re.compile(r"[0-9a-f]{64}")
STATES = (APPROVED, REFUSED, EXPIRED, WAITING)


@dataclass(slots=True)
class _Hold:
    clauses: tuple[str, ...]
    opened: datetime
    state: str = WAITING
    closed: datetime | None = None
    signed: tuple[str, ...] = ()

    def close(self, state: str, at: datetime, signed: Sequence[str] = ()) -> None:
        """Note the first thing that became of it, and which signed words led to that, by digest."""
        if self.state == WAITING:
            self.state, self.closed, self.signed = state, at, tuple(signed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """What one person signed about holds.

    Attributes:
        seconds: From the hold to the signature, the median; whole seconds, by the signer's own clock.
        basis: How often he said that he knows in each way: `word` is the weakest.
    """

    approved: int
    refused: int
    seconds: float
    basis: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLog:
    """What became of the holds of a log.

    Attributes:
        states: How many by `STATES`.
        approved: Of those that people decided, or let expire; None where that is none.
        seconds: From the hold to its permit, the median; it includes the wait for the caller to ask again.
        by_clause: States for each clause that held.
        signers: By person; empty where there is no archive.
        unread: Signed words that the log names and the archive doesn't hold, or not as named.
    """

    holds: int
    states: Mapping[str, int]
    approved: Rate | None
    seconds: float | None
    by_clause: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    signers: Mapping[str, Signer] = field(default_factory=dict)
    unread: int = 0

    def to_document(self) -> Mapping[str, Any]:
        """For JSON."""
        return {
            "holds": self.holds,
            "states": dict(self.states),
            "approved": None if self.approved is None else self.approved.to_document(),
            "median_seconds_to_permit": self.seconds,
            "by_clause": {clause: dict(states) for clause, states in self.by_clause.items()},
            "signers": {
                person: {
                    "approved": each.approved,
                    "refused": each.refused,
                    "median_seconds_to_sign": each.seconds,
                    "basis": dict(each.basis),
                }
                for person, each in self.signers.items()
            },
            "unread": self.unread,
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
    log, beside = (inner, folder) if inner.is_dir() else (folder, folder.parent)
    archive = beside / "archive" / "approvals"
    return count_holds((entry for _, entry in LogReader(log)), archive=archive if archive.is_dir() else None)


def count_holds(entries: Iterable[bytes], *, archive: Path | None = None) -> HoldLog:
    """The same from entries, in the order of the log.

    Args:
        archive: The folder of what people signed, each file under its digest.

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
    signers, unread = _signers(holds.values(), archive) if archive is not None else ({}, 0)
    return HoldLog(
        holds=len(holds),
        signers=signers,
        unread=unread,
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
                signed = [entry["statement"]] if entry.get("statement") else []
                holds[entry["hold"]].close(state, datetime.fromisoformat(entry["at"]), signed)
        return
    if entry["kind"] != "decision":
        return
    at, action = datetime.fromisoformat(entry["at"]), (entry["workload"], entry["action_digest"])
    if entry.get("hold"):
        holds.setdefault(entry["hold"], _Hold(clauses=tuple(entry["clauses"]), opened=at))
        asked[action] = entry["hold"]
    elif entry["outcome"] == "PERMIT" and entry.get("approvals") and action in asked:
        holds[asked[action]].close(APPROVED, at, entry["approvals"])


def _states(holds: Iterable[_Hold]) -> dict[str, int]:
    found = dict.fromkeys(STATES, 0)
    for hold in holds:
        found[hold.state] += 1
    return found


def _signers(holds: Iterable[_Hold], archive: Path) -> tuple[dict[str, Signer], int]:
    said: dict[str, list[tuple[bool, float, str]]] = {}
    unread = 0
    for hold in holds:
        for digest in hold.signed:
            statement = _read(archive, digest)
            if statement is None or not isinstance(statement.predicate.get("person"), str):
                unread += 1
                continue
            waited = (statement.validity.valid_from - hold.opened).total_seconds()
            approves = statement.predicate.get("decision") == "approve"
            said.setdefault(statement.predicate["person"], []).append(
                (approves, max(0.0, waited), str(statement.basis))
            )
    return {
        person: Signer(
            approved=sum(approves for approves, _, _ in words),
            refused=sum(not approves for approves, _, _ in words),
            seconds=median(waited for _, waited, _ in words),
            basis=Counter(basis for _, _, basis in words),
        )
        for person, words in sorted(said.items())
    }, unread


def _read(archive: Path, digest: str) -> Statement | None:
    """What a person signed; None where it is missing, or isn't what the log names."""
    if not _DIGEST.fullmatch(digest):
        return None
    try:
        found = parse_statement(parse_envelope((archive / f"{digest}.json").read_bytes().strip()).payload)
    except (OSError, MalformedError, TrustError):
        return None
    return found if found.sha256 == digest else None
