"""What an envelope holds: an in-toto Statement about exactly one subject, with the fields that all predicates share.

The subject's digest is that of the predicate's `descriptor`: the stable identity of the thing, so that a newer
statement about the same thing has the same subject. How the signer knows (`basis`) and whether the signer is party to
the deal (`interest`) stand in every statement; who countersigns makes a statement of its own, with its own.

Source: in-toto attestation framework, spec/v1/statement.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from countermark.attestation.canonical import canonical_json
from countermark.attestation.envelope import MAX_ENVELOPE_BYTES
from countermark.clock import format_time, parse_time
from countermark.errors import (
    ExpiredError,
    MalformedError,
    NotYetValidError,
    PayloadTypeError,
    SubjectError,
    TooLargeError,
)
from countermark.strictjson import parse_object

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
COUNTERSIGNATURE: Final = "countersignature"
COMMON_FIELDS: Final = frozenset(
    {"descriptor", "seq", "valid_from", "valid_until", "basis", "interest", "instrument"}
)
MAX_SEQ: Final = 2**53 - 1
"""The largest integer that canonical JSON can carry (RFC 8785, appendix D)."""
MAX_NAME_BYTES: Final = 255

_PREDICATE_TYPE = re.compile(r"urn:countermark:([a-z][a-z0-9]*(?:-[a-z0-9]+)*):v1", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Basis(StrEnum):
    """How the signer knows, weakest first."""

    WORD = "word"
    """Somebody said so."""
    DOCUMENT_SEEN = "document-seen"
    SYSTEM_QUERIED = "system-queried"
    INSPECTED = "inspected"
    """Looked at the thing itself."""
    MEASURED = "measured"


class Interest(StrEnum):
    """Whether the signer is party to the deal that the statement is about."""

    PARTY = "party"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a statement is about: its name, and SHA-256 (64 hex digits) of its descriptor's canonical JSON."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """In force from `valid_from` (inclusive) until `valid_until` (exclusive); aware UTC times."""

    valid_from: datetime
    valid_until: datetime

    def check_validity(self, now: datetime, skew_s: int = 60) -> None:
        """Check that `now` lies inside.

        Args:
            skew_s: How far ahead of ours the maker's clock may run, in seconds. It forgives the beginning only: an
                end that our clock has passed is past, or a skew would make every statement live longer.

        Raises:
            NotYetValidError: `now` is over `skew_s` before the beginning.
            ExpiredError: `now` is at or after the end.
        """
        if now >= self.valid_until:
            raise ExpiredError(
                f"expected a time before {format_time(self.valid_until)}, got {format_time(now)}"
            )
        if now + timedelta(seconds=skew_s) < self.valid_from:
            raise NotYetValidError(
                f"expected a time from {format_time(self.valid_from)}, got {format_time(now)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """The rule that a statement leans on (`name`), and the parties who can each change it alone."""

    name: str
    changed_by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A parsed statement. Says nothing about who vouches for it: that is `verify_statement`.

    Attributes:
        predicate_type: The short name, `purpose` for `urn:countermark:purpose:v1`.
        predicate: The whole predicate, common fields included. Not to be changed.
        payload: The bytes that it was parsed from, and that are signed.
        sha256: Of `payload`, 64 hex digits: how other statements, entries and callers name this one.
        descriptor: Stable identity of the thing; its digest is the subject's.
        seq: Rises with every newer statement of one signer set about one subject.
    """

    subject: Subject
    predicate_type: str
    predicate: Mapping[str, Any] = field(hash=False)
    payload: bytes
    sha256: str
    descriptor: Mapping[str, Any] = field(hash=False)
    seq: int
    validity: Validity
    basis: Basis
    interest: Interest
    instrument: Instrument | None

    @property
    def content(self) -> dict[str, Any]:
        """The predicate's own fields, without the common ones."""
        return {name: value for name, value in self.predicate.items() if name not in COMMON_FIELDS}


def descriptor_sha256(descriptor: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of `descriptor`, 64 hex digits: the digest of a subject."""
    return hashlib.sha256(canonical_json(dict(descriptor))).hexdigest()


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedError(f"expected `{what}` to be an object")
    return value


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise MalformedError(f"expected `{what}` to be a text that isn't empty")
    if len(value.encode()) > MAX_NAME_BYTES:
        raise TooLargeError(f"expected `{what}` of at most {MAX_NAME_BYTES} bytes")
    if not value.isprintable():
        raise MalformedError(f"expected `{what}` without control characters")
    return value


def _subject(value: object) -> Subject:
    if not isinstance(value, list) or len(value) != 1:
        raise MalformedError("expected `subject` to be a list of exactly one")
    item = _object(value[0], "subject")
    digest = _object(item.get("digest"), "subject.digest")
    # other algorithms are ignored: a set with a weak one would match by that one (in-toto digest_set.md)
    sha256 = digest.get("sha256")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise MalformedError("expected `subject.digest.sha256` as 64 lower-case hex digits")
    return Subject(name=_name(item.get("name"), "subject.name"), sha256=sha256)


def _validity(predicate: Mapping[str, Any]) -> Validity:
    times: list[datetime] = []
    for name in ("valid_from", "valid_until"):
        text = predicate.get(name)
        if not isinstance(text, str):
            raise MalformedError(f"expected `{name}` as a time like `2026-05-03T10:00:00Z`")
        times.append(parse_time(text))
    if times[0] >= times[1]:
        raise MalformedError("expected `valid_from` before `valid_until`")
    return Validity(valid_from=times[0], valid_until=times[1])


def _seq(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SEQ:
        raise MalformedError("expected `seq` as an integer from 0 to 2^53 - 1")
    return value


def _word(value: object, words: type[Basis] | type[Interest], what: str) -> str:
    if not isinstance(value, str) or value not in {str(word) for word in words}:
        known = ", ".join(f"`{word}`" for word in words)
        raise MalformedError(f"expected `{what}` to be one of {known}, got `{str(value)[:40]}`")
    return value


def _instrument(predicate: Mapping[str, Any]) -> Instrument | None:
    if "instrument" not in predicate:
        return None
    value = _object(predicate["instrument"], "instrument")
    if set(value) != {"name", "changed_by"} or not isinstance(value["changed_by"], list):
        raise MalformedError("expected `instrument` with exactly `name` and `changed_by`, a list of parties")
    parties = tuple(_name(party, "instrument.changed_by") for party in value["changed_by"])
    if len(set(parties)) != len(parties):
        raise MalformedError("expected each party once in `instrument.changed_by`")
    return Instrument(name=_name(value["name"], "instrument.name"), changed_by=parties)


def parse_statement(payload: bytes) -> Statement:
    """Read a statement from exactly the bytes that were signed.

    Fields that in-toto doesn't name are ignored in the statement; in the predicate they are left to the part that
    owns the predicate, and so are predicate types that only look like ours.

    Raises:
        PayloadTypeError: Not an in-toto v1 statement, or its predicate isn't `urn:countermark:<name>:v1`.
        SubjectError: The subject's digest is not that of the descriptor.
        MalformedError: Anything else that is not as spec/attestation.md says.
    """
    value = parse_object(payload, max_bytes=MAX_ENVELOPE_BYTES)
    if value.get("_type") != STATEMENT_TYPE:
        raise PayloadTypeError(f"expected `_type` `{STATEMENT_TYPE}`, got `{str(value.get('_type'))[:80]}`")
    kind = value.get("predicateType")
    found = _PREDICATE_TYPE.fullmatch(kind) if isinstance(kind, str) else None
    if found is None:
        raise PayloadTypeError(
            f"expected a predicate type `urn:countermark:<name>:v1`, got `{str(kind)[:80]}`"
        )
    subject = _subject(value.get("subject"))
    predicate = _object(value.get("predicate"), "predicate")
    descriptor = _object(predicate.get("descriptor"), "descriptor")
    if not descriptor:
        raise MalformedError("expected a `descriptor` that isn't empty")
    digest = descriptor_sha256(descriptor)
    if digest != subject.sha256:
        raise SubjectError(f"expected the descriptor's digest `{digest}`, got `{subject.sha256}`")
    return Statement(
        subject=subject,
        predicate_type=found[1],
        predicate=predicate,
        payload=payload,
        sha256=hashlib.sha256(payload).hexdigest(),
        descriptor=descriptor,
        seq=_seq(predicate.get("seq")),
        validity=_validity(predicate),
        basis=Basis(_word(predicate.get("basis"), Basis, "basis")),
        interest=Interest(_word(predicate.get("interest"), Interest, "interest")),
        instrument=_instrument(predicate),
    )


def make_statement(
    kind: str,
    name: str,
    descriptor: Mapping[str, Any],
    content: Mapping[str, Any],
    *,
    seq: int,
    valid_from: datetime,
    valid_until: datetime,
    basis: str,
    interest: str,
    instrument: Instrument | Mapping[str, Any] | None = None,
) -> Statement:
    """Make a statement; its payload is canonical JSON and what `sign_envelope` signs.

    Args:
        kind: Short name of the predicate, `purpose`.
        name: Name of the subject, which the trust root's patterns are matched with.
        content: The predicate's own fields.
        valid_from: Cut to the second, as is `valid_until`.

    Raises:
        MalformedError: A value that `parse_statement` would refuse, or `content` names a common field.
    """
    taken = COMMON_FIELDS & set(content)
    if taken:
        raise MalformedError(f"expected content without the common field `{min(taken)}`")
    predicate: dict[str, Any] = {
        **content,
        "descriptor": dict(descriptor),
        "seq": seq,
        "valid_from": format_time(valid_from),
        "valid_until": format_time(valid_until),
        "basis": basis,
        "interest": interest,
    }
    if isinstance(instrument, Instrument):
        predicate["instrument"] = {"name": instrument.name, "changed_by": list(instrument.changed_by)}
    elif instrument is not None:
        predicate["instrument"] = dict(instrument)
    payload = canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": descriptor_sha256(descriptor)}}],
            "predicateType": f"urn:countermark:{kind}:v1",
            "predicate": predicate,
        }
    )
    return parse_statement(payload)


def make_countersignature(
    statement: Statement,
    *,
    seq: int,
    valid_from: datetime,
    valid_until: datetime,
    basis: str,
    interest: str,
) -> Statement:
    """Make the statement that countersigns `statement`: about the same subject name, with a basis of its own.

    It names the payload's digest, so that it says yes to exactly those bytes and to no later version of them.
    """
    return make_statement(
        COUNTERSIGNATURE,
        statement.subject.name,
        {"statement": statement.sha256},
        {},
        seq=seq,
        valid_from=valid_from,
        valid_until=valid_until,
        basis=basis,
        interest=interest,
    )
