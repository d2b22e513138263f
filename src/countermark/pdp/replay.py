"""Replay: every decision of a log, taken again from the statements that were on file, not from what the log says of them.

    (1) `start`               the terms: trust root and bundle from the archive, and whether the sides stood behind it
    (2) `filed`, `removed`    what was on file; a decision names the last of these that was in use
    (3) `suspension`          the brakes
    (4) `decision`            appraised anew on the recorded observation, relations to orders counted anew from the
                              recorded digests, approvals counted anew from what people signed; then decided

What a replay can't see is the content: that the observation is what was really sent is the gateway's word, and so is why
it denied what it could not read. A denial that rests on such an error is checked to be a denial.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from countermark.attestation.envelope import read_lines
from countermark.attestation.trust_root import TrustRoot, verify_successor
from countermark.clock import format_time, parse_time
from countermark.errors import CountermarkError, MalformedError, TamperedError
from countermark.pdp.archive import Archive
from countermark.pdp.on_file import StatementsOnFile, verify_file
from countermark.pdp.redecide import InUse, Mismatch, Redecided, redecide
from countermark.pdp.suspensions import Suspensions, verify_taken
from countermark.pdp.terms import Terms, make_terms
from countermark.policy.approval import LIFTED, bundle_in_force, verify_suspension
from countermark.tlog.entry import parse_entry

Progress = Callable[[int, int], None]
"""Called with the entries done and the whole of them."""

_REBUILD: Final = 16
"""From so many changes on, what is on file is read anew in one go."""
LATEST: Final = timedelta(seconds=60)
"""How long after its entry a change of what is on file has to be in use: else a gateway could go on with older words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """What a replay came to.

    Attributes:
        outcomes: Decisions by recorded outcome.
        on_error: Denials that rest on something that only the gateway saw; checked to be denials.
        reproduced: Decisions without any mismatch.
    """

    entries: int
    decisions: int
    reproduced: int
    on_error: int
    outcomes: Mapping[str, int]
    mismatches: tuple[Mismatch, ...]


def replay(
    entries: Iterable[tuple[int, bytes]],
    archive: Archive,
    *,
    whole: int,
    digest_key: bytes | None = None,
    progress: Progress = lambda _done, _whole: None,
) -> ReplayReport:
    """Take every decision of a log again.

    Args:
        entries: Number and bytes, from the first on; verify the log before (`tlog.verify`).
        whole: How many there are.
        digest_key: The gateway's key for digests, where it is at hand: approvals are then also tied to the action.

    Raises:
        TamperedError: A file that the log names is missing from the archive, or was edited.
        MalformedError: An entry that no gateway writes.
    """
    replayer = Replayer(archive, digest_key=digest_key)
    outcomes: Counter[str] = Counter()
    mismatches: list[Mismatch] = []
    done = reproduced = on_error = 0
    for index, data in entries:
        done = index + 1
        found = replayer.take(index, parse_entry(data))
        if found is not None:
            outcomes[str(found.entry["outcome"])] += 1
            reproduced += not found.mismatches
            on_error += found.on_error
        mismatches += replayer.findings()
        progress(done, whole)
    return ReplayReport(
        entries=done,
        decisions=sum(outcomes.values()),
        reproduced=reproduced,
        on_error=on_error,
        outcomes=dict(outcomes),
        mismatches=tuple(mismatches),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A statement put on file by an entry, or taken off (`data` None)."""

    index: int
    at: datetime
    name: str
    data: bytes | None


class Replayer:
    """Walks a log entry by entry. `take` each in order; `findings` gives, once, what did not fit."""

    def __init__(self, archive: Archive, *, digest_key: bytes | None = None) -> None:
        self._archive = archive
        self._digest_key = digest_key
        self._files: dict[str, bytes] = {}
        self._pending: list[_Change] = []  # in the log, and not in use yet
        self._in_use: InUse | None = None
        self._suspensions = Suspensions()
        self._consumed: dict[str, int] = {}
        self._last_at: datetime | None = None
        self._found: list[Mismatch] = []

    def findings(self) -> list[Mismatch]:
        """What did not fit since the last call."""
        found, self._found = self._found, []
        return found

    def take(self, index: int, entry: Mapping[str, Any]) -> Redecided | None:
        """Take the next entry into account; a decision is taken again and compared.

        Raises:
            TamperedError: A file that the entry names is missing from the archive, or was edited.
            MalformedError: An entry that no gateway writes.
        """
        try:
            return self._take(index, entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MalformedError(
                f"expected entry {index} as a gateway writes it, got another form ({error!r:.80})"
            ) from error

    def _take(self, index: int, entry: Mapping[str, Any]) -> Redecided | None:
        at = parse_time(entry["at"])
        if self._last_at is not None and at < self._last_at:
            self._note(index, entry, "time", format_time(at), f"not before {format_time(self._last_at)}")
        self._last_at = at
        kind = entry["kind"]
        if kind == "start":
            self._start(index, entry, at)
        elif kind == "filed":
            data = self._archive.statement(entry["file"])
            name = entry["statement"] or entry["file"]
            self._pending.append(_Change(index=index, at=at, name=name, data=data))
        elif kind == "removed":
            self._pending.append(_Change(index=index, at=at, name=entry["statement"], data=None))
        elif kind == "suspension":
            self._suspend(index, entry, at)
        elif kind == "decision":
            return self._decision(index, entry, at)
        return None

    def _note(
        self, index: int, entry: Mapping[str, Any], what: str, recorded: object, replayed: object
    ) -> None:
        self._found.append(
            Mismatch(
                index=index,
                decision=str(entry.get("id", "")),
                what=what,
                recorded=str(recorded),
                replayed=str(replayed),
            )
        )

    # (1) the terms

    def _start(self, index: int, entry: Mapping[str, Any], at: datetime) -> None:
        root = self._root(index, entry, at)
        bundle = self._archive.bundle(entry["bundle"])
        until: datetime | None = None
        why: str | None = None
        approval = self._archive.bundle_approval(entry["approval"])
        try:
            until = bundle_in_force(bundle.digest, read_lines(approval), root, at).valid_until
        except CountermarkError as error:
            why = f"the bundle is not in force: {error}"
        terms = make_terms(
            root, bundle, gateway=entry["gateway"], approved_until=until, not_in_force=why, approval=approval
        )
        if entry["runner_level"] != terms.runner_level.word:
            self._note(index, entry, "terms", entry["runner_level"], terms.runner_level.word)
        for change in self._pending:
            self._put(change)
        self._pending.clear()
        self._in_use = InUse(terms, self._read_all(terms, at), self._suspensions)

    def _root(self, index: int, entry: Mapping[str, Any], at: datetime) -> TrustRoot:
        digest = entry["trust_root"]
        old = self._in_use.terms.root if self._in_use is not None else None
        if old is not None and old.digest != digest:
            try:
                return verify_successor(old, self._archive.trust_root_file(digest), at)
            except CountermarkError as error:
                self._note(
                    index, entry, "trust root", digest[:16], f"no successor of the one before: {error}"
                )
        return self._archive.trust_root(digest, at)

    # (2) what is on file

    def _put(self, change: _Change) -> None:
        if change.data is None:
            self._files.pop(change.name, None)
        else:
            self._files[change.name] = change.data

    def _use(self, in_use: InUse, entry: Mapping[str, Any], index: int, now: datetime) -> None:
        """Bring what is on file to where it was for a decision, which names the last change that was in use."""
        upto = entry.get("on_file", 0)
        count = sum(1 for change in self._pending if change.index <= upto)
        changes, self._pending = self._pending[:count], self._pending[count:]
        if self._pending and now - self._pending[0].at > LATEST:
            late = self._pending[0]
            self._note(
                index, entry, "on file", f"entry {upto}", f"entry {late.index}, of {format_time(late.at)}"
            )
        for change in changes:
            self._put(change)
        if count >= _REBUILD:
            self._in_use = InUse(in_use.terms, self._read_all(in_use.terms, now), self._suspensions)
            return
        bundle = in_use.terms.bundle
        for change in changes:
            if change.data is None:
                in_use.statements.remove(change.name)
            else:
                in_use.statements.take(
                    verify_file(
                        change.data,
                        in_use.terms.root,
                        now=now,
                        skew_s=bundle.skew_s,
                        lifetimes=bundle.lifetimes,
                    )
                )

    def _read_all(self, terms: Terms, now: datetime) -> StatementsOnFile:
        return StatementsOnFile(
            self._files.values(),
            terms.root,
            now=now,
            skew_s=terms.bundle.skew_s,
            lifetimes=terms.bundle.lifetimes,
        )

    # (3) brakes

    def _suspend(self, index: int, entry: Mapping[str, Any], at: datetime) -> None:
        document = self._archive.suspension(entry["statement"])
        root = self._started(index).terms.root
        try:
            if entry["state"] == LIFTED:
                order, _ = verify_suspension(document, root, at)
                self._suspensions.lift(order.suspension_id)
            else:
                self._suspensions.take(verify_taken(document, root, at))
        except CountermarkError as error:
            self._note(index, entry, "suspension", f"{entry['suspension']} {entry['state']}", error)

    def _started(self, index: int) -> InUse:
        if self._in_use is None:
            raise TamperedError(f"expected a start before entry {index}: the beginning of the log is missing")
        return self._in_use

    # (4) decisions

    def _decision(self, index: int, entry: Mapping[str, Any], at: datetime) -> Redecided:
        before = len(self._found)
        self._use(self._started(index), entry, index, at)
        made = redecide(index, entry, at, self._started(index), self._archive, digest_key=self._digest_key)
        self._found += made.mismatches
        self._consume(index, entry)
        return replace(made, mismatches=tuple(self._found[before:]))

    def _consume(self, index: int, entry: Mapping[str, Any]) -> None:
        for approval in entry.get("approvals", ()):
            first = self._consumed.setdefault(approval, index)
            if first != index:
                self._note(index, entry, "approvals", approval[:16], f"used before, by entry {first}")
