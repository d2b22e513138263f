"""Who vouches for a statement, at which level, and until when.

A statement file holds the statement's envelope and, line by line, the envelopes of countersignatures about it:

    (1) the first envelope is signed by persons who have a role in the trust root
    (2) it is in force
    (3) a role of theirs may make this predicate about this subject, and enough of its persons signed
    (4) each further envelope is checked in the same way; it counts when its party is a counterpart of a maker's party
    (5) the level: OPERATOR, or COUNTERSIGNED where one counterpart counts

What is wrong with (1) to (3) is an error. A countersignature that doesn't count only leaves the level as it is, and
`ignored` says why: nobody can lower a statement by adding lines to its file.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from countermark.attestation.envelope import (
    IN_TOTO,
    MAX_LINES,
    Envelope,
    parse_envelope,
    read_lines,
    verify_envelope,
)
from countermark.attestation.keys import PublicKey
from countermark.attestation.statement import (
    COUNTERSIGNATURE,
    Instrument,
    Statement,
    Subject,
    Validity,
    parse_statement,
)
from countermark.attestation.trust_root import TrustRoot
from countermark.clock import format_time
from countermark.errors import (
    CountermarkError,
    ExpiredError,
    LifetimeError,
    MalformedError,
    NotYetValidError,
    PayloadTypeError,
    QuorumError,
    RoleError,
    TooLargeError,
)
from countermark.facts import Level

DEFAULT_SKEW_S: Final = 60
MAX_FILE_SIGNATURES: Final = 128
"""Signatures in one statement file: each may have to be tried with every key of the trust root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One person's signature that counts, in one role, and how that statement says its maker knows."""

    party: str
    role: str
    person: str | None
    keyid: str
    basis: str
    interest: str

    def __str__(self) -> str:
        """`party/role (person): basis, interest`, as pages and reports write it."""
        return f"{self.party}/{self.role} ({self.person or 'unnamed'}): {self.basis}, {self.interest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStatement:
    """A statement that somebody vouches for.

    Attributes:
        kind: The predicate's short name.
        sha256: Of the payload: the statement's name.
        level: OPERATOR (one party's word) or COUNTERSIGNED (also a counterpart's).
        makers: Who made it, one for each person and role with the right to.
        countersigners: Of counterparts only; the newest countersignature of each party.
        validity: Ends with the earliest end of the statement, the countersignatures that count, the makers' rights.
        ignored: Why lines of the file did not count.
        stands_until: Until then the same file verifies to the same result.
    """

    kind: str
    subject: Subject
    predicate: Mapping[str, Any] = field(hash=False)
    sha256: str
    level: Level
    makers: tuple[Signer, ...]
    countersigners: tuple[Signer, ...]
    seq: int
    validity: Validity
    instrument: Instrument | None
    ignored: tuple[str, ...]
    stands_until: datetime
    statement: Statement

    @property
    def descriptor(self) -> Mapping[str, Any]:
        """The stable identity of what it is about."""
        return self.statement.descriptor

    @property
    def parties(self) -> frozenset[str]:
        """Everybody whose word it is, makers and countersigners."""
        return frozenset(signer.party for signer in (*self.makers, *self.countersigners))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vouched:
    """One envelope after steps 1 to 3."""

    statement: Statement
    signers: tuple[Signer, ...]
    until: datetime

    def parties(self) -> frozenset[str]:
        return frozenset(signer.party for signer in self.signers)


def _signed_statement(envelope: Envelope, root: TrustRoot) -> tuple[Statement, frozenset[PublicKey]]:
    if envelope.payload_type != IN_TOTO:
        raise PayloadTypeError(f"expected payload type `{IN_TOTO}`, got `{envelope.payload_type[:80]}`")
    keys = verify_envelope(envelope, root.person_keys)
    return parse_statement(envelope.payload), keys


def _role_signers(
    statement: Statement, role: str, keys: frozenset[PublicKey], root: TrustRoot
) -> dict[str, Signer]:
    """Person to signer, for the persons of `role` who signed; two keys of one person are one."""
    found: dict[str, Signer] = {}
    for key in sorted(keys, key=lambda key: key.keyid):
        person = root.person_of_key(key)
        if person is not None and person in root.role(role).persons:
            found.setdefault(
                person,
                Signer(
                    party=root.party_of_role(role),
                    role=role,
                    person=person,
                    keyid=key.keyid,
                    basis=str(statement.basis),
                    interest=str(statement.interest),
                ),
            )
    return found


def _vouch(statement: Statement, keys: frozenset[PublicKey], root: TrustRoot, now: datetime) -> _Vouched:
    """Step 3: which signers had the right to make `statement`, and until when they have it.

    Raises:
        RoleError: None of their roles may make it.
        ExpiredError: One could, and its right has ended.
        QuorumError: One may, and too few of its persons signed.
    """
    kind, name = statement.predicate_type, statement.subject.name
    signers: list[Signer] = []
    ends: list[datetime] = []
    refused: CountermarkError | None = None
    for role in sorted(frozenset[str]().union(*(root.roles_of_key(key) for key in keys))):
        rights = root.rights(role, kind, name)
        if not rights:
            continue
        if not root.may_make(role, kind, name, now):
            last = max(item.until for item in rights if item.until is not None)
            refused = refused or ExpiredError(
                f"expected role `{role}` to have the right to `{kind}`, it ended {format_time(last)}"
            )
            continue
        found = _role_signers(statement, role, keys, root)
        needed = root.role(role).threshold
        if len(found) < needed:
            refused = QuorumError(f"expected {needed} persons of role `{role}`, got {len(found)}")
            continue
        signers.extend(found[person] for person in sorted(found))
        # a right without a date lasts as long as the statement
        ends.append(max(item.until or statement.validity.valid_until for item in rights))
    if not signers:
        raise refused or RoleError(f"expected signers whose role may make `{kind}` about `{name[:80]}`")
    return _Vouched(
        statement=statement, signers=tuple(signers), until=min(statement.validity.valid_until, *ends)
    )


def _parse_lines(
    lines: Sequence[bytes] | bytes,
) -> tuple[Envelope, list[Envelope | CountermarkError]]:
    """The statement's envelope, and those after it or why a line is none."""
    data = read_lines(lines) if isinstance(lines, bytes) else lines
    if not data:
        raise MalformedError("expected a statement file with at least one envelope")
    if len(data) > MAX_LINES:
        raise TooLargeError(f"expected at most {MAX_LINES} envelopes, got {len(data)}")
    first = parse_envelope(data[0])
    others: list[Envelope | CountermarkError] = []
    count = len(first.signatures)
    for line in data[1:]:
        try:
            envelope = parse_envelope(line)
        except MalformedError as error:
            others.append(error)
            continue
        count += len(envelope.signatures)
        if count > MAX_FILE_SIGNATURES:
            raise TooLargeError(f"expected at most {MAX_FILE_SIGNATURES} signatures in a statement file")
        others.append(envelope)
    return first, others


def _check_countersignature(statement: Statement, about: Statement) -> None:
    if statement.predicate_type != COUNTERSIGNATURE:
        raise PayloadTypeError(f"expected predicate `{COUNTERSIGNATURE}`, got `{statement.predicate_type}`")
    if statement.content:
        raise MalformedError("expected a countersignature without fields of its own")
    if statement.descriptor != {"statement": about.sha256}:
        raise RoleError(f"expected a countersignature of `{about.sha256}`, got one of another statement")
    if statement.subject.name != about.subject.name:
        raise RoleError(
            f"expected the subject name `{about.subject.name[:80]}`, got `{statement.subject.name[:80]}`"
        )


def _countersignatures(
    lines: Sequence[Envelope | CountermarkError],
    made: _Vouched,
    root: TrustRoot,
    now: datetime,
    skew_s: int,
    longest_s: int | None,
) -> tuple[list[_Vouched], list[str], list[datetime]]:
    """Step 4: the newest countersignature of each counterpart, why others don't count, and when that may change."""
    about = made.statement
    allowed = {
        other
        for party in made.parties()
        for other in root.counterparts(party, about.predicate_type, about.subject.name)
        if other != party
    }
    newest: dict[str, _Vouched] = {}
    ignored: list[str] = []
    changes: list[datetime] = []
    for number, line in enumerate(lines, start=2):
        try:
            if isinstance(line, CountermarkError):
                raise line
            statement, keys = _signed_statement(line, root)
            _check_countersignature(statement, about)
            lives = statement.validity.valid_until - statement.validity.valid_from
            if longest_s is not None and lives > timedelta(seconds=longest_s):
                raise LifetimeError(f"expected a countersignature that lives at most {longest_s} s")
            try:
                statement.validity.check_validity(now, skew_s)
            except NotYetValidError:
                changes.append(statement.validity.valid_from - timedelta(seconds=skew_s))
                raise
            vouched = _vouch(statement, keys, root, now)
            counting = vouched.parties() & allowed
            if not counting:
                named = ", ".join(f"`{party}`" for party in sorted(vouched.parties()))
                raise RoleError(f"expected a counterpart of the maker, got {named}")
        except CountermarkError as error:
            ignored.append(f"line {number}: {error}")
            continue
        for party in counting:
            before = newest.get(party)
            if before is None or (vouched.statement.seq, vouched.until) > (
                before.statement.seq,
                before.until,
            ):
                newest[party] = _Vouched(
                    statement=statement,
                    signers=tuple(signer for signer in vouched.signers if signer.party == party),
                    until=vouched.until,
                )
    return [newest[party] for party in sorted(newest)], ignored, changes


def verify_statement(
    lines: Sequence[bytes] | bytes,
    root: TrustRoot,
    *,
    now: datetime,
    skew_s: int = DEFAULT_SKEW_S,
    countersignature_life_s: int | None = None,
) -> VerifiedStatement:
    """Check who vouches for a statement.

    Args:
        lines: A statement file, or its envelopes: the statement's first, then countersignatures.
        skew_s: How far ahead of ours a maker's clock may run, in seconds.
        countersignature_life_s: A countersignature that was made to live longer doesn't count. None: no bound.

    Raises:
        QuorumError: No trusted person signed these bytes, or fewer of a role than it needs.
        RoleError: Who signed may not make this predicate about this subject.
        ExpiredError: The time of the statement, of the right to make it or of the trust root has passed.
        NotYetValidError: The statement's time has not come.
        PayloadTypeError: Not an in-toto statement of ours, or a countersignature stands first.
        MalformedError: Anything else that is no statement file.
    """
    # a gateway holds its root for long; what a lapsed one vouches for is worth nothing
    root.validity.check_validity(now, 0)
    first, others = _parse_lines(lines)
    statement, keys = _signed_statement(first, root)  # (1)
    if statement.predicate_type == COUNTERSIGNATURE:
        raise PayloadTypeError("expected the statement before its countersignatures")
    statement.validity.check_validity(now, skew_s)  # (2)
    made = _vouch(statement, keys, root, now)  # (3)
    counting, ignored, changes = _countersignatures(
        others, made, root, now, skew_s, countersignature_life_s
    )  # (4)
    if counting and root.one_sided:
        # the one side wrote its counterpart into the root by itself
        ignored.append("countersignatures: expected a trust root of two sides, got a one-sided one")
        counting = []
    until = min(made.until, *(item.until for item in counting), root.validity.valid_until)
    return VerifiedStatement(
        kind=statement.predicate_type,
        subject=statement.subject,
        predicate=statement.predicate,
        sha256=statement.sha256,
        level=Level.COUNTERSIGNED if counting else Level.OPERATOR,  # (5)
        makers=made.signers,
        countersigners=tuple(signer for item in counting for signer in item.signers),
        seq=statement.seq,
        validity=Validity(valid_from=statement.validity.valid_from, valid_until=until),
        instrument=statement.instrument,
        ignored=tuple(ignored),
        stands_until=min([until, *changes]),
        statement=statement,
    )


@dataclass(frozen=True, slots=True)
class _Remembered:
    result: VerifiedStatement
    verified_at: datetime


def _digest(lines: Sequence[bytes] | bytes) -> bytes:
    if isinstance(lines, bytes):
        return hashlib.sha256(b"file\n" + lines).digest()
    hasher = hashlib.sha256(b"lines\n")
    for line in lines:  # with its length: ["ab"] is not ["a", "b"]
        hasher.update(b"%d\n" % len(line) + line)
    return hasher.digest()


class StatementCache:
    """Remembers what `verify_statement` returned, so that a second look costs a hash and a comparison.

    The key is everything that the result depends on: the bytes of all envelopes (a signature stripped or a line added
    makes another key), the trust root and the skew. A result is used from the moment it was verified at until it may
    change; errors are not remembered.
    """

    def __init__(self, max_entries: int = 4096) -> None:
        self._max_entries = max_entries
        self._entries: OrderedDict[tuple[bytes, str, int], _Remembered] = OrderedDict()
        self._lock = threading.Lock()  # guards _entries

    def __len__(self) -> int:
        return len(self._entries)

    def verify(
        self, lines: Sequence[bytes] | bytes, root: TrustRoot, *, now: datetime, skew_s: int = DEFAULT_SKEW_S
    ) -> VerifiedStatement:
        """Like `verify_statement`, same result, same errors."""
        key = (_digest(lines), root.digest, skew_s)
        with self._lock:
            known = self._entries.get(key)
            if known is not None:
                if known.verified_at <= now < known.result.stands_until:
                    self._entries.move_to_end(key)
                    return known.result
                del self._entries[key]
        result = verify_statement(lines, root, now=now, skew_s=skew_s)
        with self._lock:
            self._entries[key] = _Remembered(result, now)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)
        return result
