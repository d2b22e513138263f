"""The statements on file: verified once, then known until they expire.

`StatementsOnFile` turns files (in-toto bundles: a statement's envelope, then countersignatures about it) into verified
statements under one trust root, and finds those that can bear on a workload. Where the files live is a `StatementStore`'s
affair.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from countermark.attestation.envelope import parse_envelope
from countermark.attestation.statement import COUNTERSIGNATURE, parse_statement
from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import VerifiedStatement, verify_statement
from countermark.errors import (
    CountermarkError,
    LifetimeError,
    MalformedError,
    NotYetValidError,
    TooLargeError,
    TrustError,
)
from countermark.evidence.standing import about_workloads

MAX_FILE_BYTES = 1 << 20
MAX_LINES = 64
_IGNORED = re.compile(r"line (\d+): (.*)", re.DOTALL)
"""How `VerifiedStatement.ignored` names a line. That a root of one side counts none names no line: they are kept for the
root of two that may follow."""


class StatementStore(Protocol):
    """Keeps statements' files. `put` is atomic and durable when it returns; a name is a payload's SHA-256 in hex."""

    def read_all(self) -> Mapping[str, bytes]:
        """Every file, by payload digest."""
        ...

    def put(self, sha256: str, data: bytes) -> None:
        """Write or replace one file."""
        ...

    def remove(self, sha256: str) -> None:
        """Take one file off; nothing happens where there is none."""
        ...

    def keep(self, target: Path, data: bytes) -> None:
        """Keep a copy under its own name, once, durably: a replay will need it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """One file as read at some time: verified, or why it says nothing now."""

    sha256: str
    file_sha256: str
    data: bytes
    statement: VerifiedStatement | None
    error: str | None
    retry_at: datetime | None
    """When to look again: it may begin to be valid, or lose a countersignature. None: never."""


def split_lines(data: bytes) -> tuple[bytes, ...]:
    """The envelopes of an in-toto bundle (JSON Lines), without empty lines.

    Raises:
        TooLargeError: Over 1 MiB or 64 lines.
        MalformedError: No line at all.
    """
    if len(data) > MAX_FILE_BYTES:
        raise TooLargeError(f"expected a statement's file of at most {MAX_FILE_BYTES} bytes, got {len(data)}")
    lines = tuple(line for line in data.split(b"\n") if line.strip())
    if len(lines) > MAX_LINES:
        raise TooLargeError(f"expected at most {MAX_LINES} envelopes in one file, got {len(lines)}")
    if not lines:
        raise MalformedError("expected at least one envelope, got an empty file")
    return lines


def payload_sha256(data: bytes) -> str:
    """Digest of the payload that a file is about: that of its first envelope."""
    return hashlib.sha256(parse_envelope(split_lines(data)[0]).payload).hexdigest()


def _payload(line: bytes) -> bytes | None:
    try:
        return parse_envelope(line).payload
    except MalformedError:
        return None


def check_lifetime(statement: VerifiedStatement, lifetimes: Mapping[str, int]) -> None:
    """Refuse a statement that was made to live longer than the bundle allows for its predicate.

    Raises:
        LifetimeError: Too long a life; nothing can be held back for longer than the sides agreed.
    """
    longest_s = lifetimes.get(statement.kind)
    made = statement.statement.validity
    if longest_s is not None and made.valid_until - made.valid_from > timedelta(seconds=longest_s):
        raise LifetimeError(
            f"expected a `{statement.kind}` that lives at most {longest_s} s, as the bundle says"
        )


def _begins(data: bytes, *, skew_s: int) -> datetime:
    """When a statement that is not yet valid begins to be: to the second, so that a replay sees it begin there too."""
    statement = parse_statement(parse_envelope(split_lines(data)[0]).payload)
    return statement.validity.valid_from - timedelta(seconds=skew_s)


def verify_file(
    data: bytes, root: TrustRoot, *, now: datetime, skew_s: int, lifetimes: Mapping[str, int]
) -> Filed:
    """Verify one file; a statement that fails is kept with the reason, so that `explain` can say it."""
    file_sha256 = hashlib.sha256(data).hexdigest()
    sha256 = ""
    try:
        sha256 = payload_sha256(data)
        statement = verify_statement(
            split_lines(data),
            root,
            now=now,
            skew_s=skew_s,
            countersignature_life_s=lifetimes.get(COUNTERSIGNATURE),
        )
        check_lifetime(statement, lifetimes)
    except NotYetValidError as error:
        return Filed(
            sha256=sha256,
            file_sha256=file_sha256,
            data=data,
            statement=None,
            error=str(error),
            retry_at=_begins(data, skew_s=skew_s),
        )
    except CountermarkError as error:
        return Filed(
            sha256=sha256, file_sha256=file_sha256, data=data, statement=None, error=str(error), retry_at=None
        )
    return Filed(
        sha256=sha256,
        file_sha256=file_sha256,
        data=data,
        statement=statement,
        error=None,
        retry_at=statement.stands_until,
    )


CREDENTIAL_KINDS = frozenset({"credential", "status"})
"""Kinds of statement that who a caller is rests on."""


def _kinds(filed: Filed) -> Collection[str]:
    """The kind of a file; what waits for its time may be of any."""
    return CREDENTIAL_KINDS if filed.statement is None else (filed.statement.kind,)


class StatementsOnFile:
    """Verified statements under one trust root.

    Attributes:
        version: Rises with every change of what is in force.
        credentials_version: Rises where that can bear on who a caller is: credentials, and statuses of anything.
    """

    def __init__(
        self,
        files: Iterable[bytes],
        root: TrustRoot,
        *,
        now: datetime,
        skew_s: int,
        lifetimes: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._root = root
        self._skew_s = skew_s
        self._lifetimes = lifetimes
        self._filed: dict[str, Filed] = {}
        self._by_workload: Mapping[str, tuple[VerifiedStatement, ...]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._retry_at: datetime | None = None
        self.version = 0
        self.credentials_version = 0
        for data in files:
            filed = self._verify(data, now)
            self._filed[filed.sha256 or filed.file_sha256] = filed
        self._index(CREDENTIAL_KINDS)

    def _verify(self, data: bytes, now: datetime) -> Filed:
        return verify_file(data, self._root, now=now, skew_s=self._skew_s, lifetimes=self._lifetimes)

    def _index(self, kinds: Collection[str]) -> None:
        """Sort anew after statements of `kinds` came, went or changed."""
        self._by_workload = about_workloads(
            (filed.statement for filed in self._filed.values() if filed.statement is not None), self._names
        )
        retries = [filed.retry_at for filed in self._filed.values() if filed.retry_at is not None]
        self._retry_at = min(retries, default=None)
        self.version += 1
        if not CREDENTIAL_KINDS.isdisjoint(kinds):
            self.credentials_version += 1

    def check(self, data: bytes, *, now: datetime) -> Filed:
        """What a file would be on file, merged with what is there about the same payload; nothing is changed.

        Raises:
            CountermarkError: It does not verify now. (Not yet valid is accepted: it waits.)
        """
        known = self._filed.get(payload_sha256(data))
        lines = split_lines(data)
        on_file = split_lines(known.data) if known else lines[:1]
        kept, dropped = self._counting(on_file, lines, now)
        if known and not set(kept) - set(on_file):
            if dropped:
                raise TrustError(f"expected a countersignature that counts: {dropped[0]}")
            filed = known
        else:
            filed = self._verify(b"\n".join(kept) + b"\n", now)
        if filed.statement is None:
            # say why, with the typed error; what isn't valid yet has to be good once it is
            check_lifetime(self._verify_from_its_time(kept, now), self._lifetimes)
        elif dropped:  # who brought them learns of it
            filed = replace(filed, statement=replace(filed.statement, ignored=tuple(dropped)))
        return filed

    def _counting(
        self, on_file: Sequence[bytes], lines: Sequence[bytes], now: datetime
    ) -> tuple[tuple[bytes, ...], list[str]]:
        """A file's lines with those of `lines` that count, and why others don't.

        There is room for so many lines, and who has a statement may bring some: what vouches for nothing, or is known in
        another spelling, is left out, so that it never takes the place of one that counts.
        """
        candidates = [*on_file[1:], *(line for line in lines if line not in on_file)]
        found = self._verify_from_its_time((on_file[0], *candidates), now)
        ignored = {int(said[1]): said[2] for each in found.ignored if (said := _IGNORED.fullmatch(each))}
        kept, payloads, dropped = [on_file[0]], {_payload(on_file[0])}, []
        for number, line in enumerate(candidates, start=2):
            payload = _payload(line)
            if payload in payloads:
                continue
            if number not in ignored:
                payloads.add(payload)
                kept.append(line)
            elif number > len(on_file):
                dropped.append(ignored[number])
        return tuple(kept), dropped

    def _verify_from_its_time(self, lines: Sequence[bytes], now: datetime) -> VerifiedStatement:
        starts = parse_statement(parse_envelope(lines[0]).payload).validity.valid_from
        return verify_statement(
            lines,
            self._root,
            now=max(now, starts),
            skew_s=self._skew_s,
            countersignature_life_s=self._lifetimes.get(COUNTERSIGNATURE),
        )

    def take(self, filed: Filed) -> None:
        """Put on file what `check` returned."""
        self._filed[filed.sha256] = filed
        self._index(_kinds(filed))

    def remove(self, sha256: str) -> bool:
        """Take a statement off file; False where it isn't there."""
        gone = self._filed.pop(sha256, None)
        if gone is None:
            return False
        self._names.pop(sha256, None)
        self._index(_kinds(gone))
        return True

    def refresh(self, now: datetime) -> None:
        """Look again at statements whose time may have come or gone."""
        if self._retry_at is None or now < self._retry_at:
            return
        for key, filed in list(self._filed.items()):
            if filed.retry_at is not None and filed.retry_at <= now:
                self._filed[key] = self._verify(filed.data, now)
        self._index(CREDENTIAL_KINDS)

    def about(self, workload: str) -> tuple[VerifiedStatement, ...]:
        """Everything that can bear on a workload, in no particular order."""
        return self._by_workload.get(workload, ()) + self._by_workload.get("", ())

    def of_kind(self, kind: str) -> tuple[VerifiedStatement, ...]:
        """Every verified statement of one predicate."""
        return tuple(
            filed.statement
            for filed in self._filed.values()
            if filed.statement is not None and filed.statement.kind == kind
        )

    def get(self, sha256: str) -> Filed | None:
        """One file, verified or not."""
        return self._filed.get(sha256)

    def all(self) -> tuple[Filed, ...]:
        """Every file, verified or not, sorted by digest."""
        return tuple(self._filed[key] for key in sorted(self._filed))
