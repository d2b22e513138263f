"""Drafting a statement: whose, about what, which number, until when; signed, checked, and put on file.

A signer trusts this command and their own copy of the trust root. What was signed is verified before it goes anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from countermark.attestation.charter import Person
from countermark.attestation.envelope import encode_lines, parse_envelope, read_lines, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import Statement, descriptor_sha256, make_statement, parse_statement
from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import VerifiedStatement, verify_statement
from countermark.cli.client import connect
from countermark.cli.signing import Signatory, load_root, signatory
from countermark.cli.working_folder import PEOPLE
from countermark.clock import format_time, parse_time
from countermark.config import SETTINGS_FILE
from countermark.errors import CountermarkError, LifetimeError, MalformedError, SettingsError, TrustError
from countermark.evidence.predicates.reading import PARSERS
from countermark.facts import Level
from countermark.policy.bundle import load_bundle
from countermark.store.statement_folder import StatementFolder

DEFAULT_DAYS: Final[Mapping[str, int]] = {
    "credential": 90,
    "deployment": 180,
    "purpose": 90,
    "legal-basis": 30,
    "engagement": 14,
    "oversight": 90,
    "status": 1,
    "countersignature": 90,
}
"""How long a statement lives where nobody says it: short, since nothing is ever revoked. The bundle may allow less."""
KEY_VARIABLE: Final = "COUNTERMARK_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a statement is made for: the trust root to go by, and what is known of bundle and file.

    Attributes:
        folder: The gateway's working folder; also where no such folder is, and then nothing is known of it.
        lifetimes: Of the bundle in `folder`; None where there is none at hand.
        files: Statements on file, by digest; None where that isn't known here.
    """

    folder: Path
    root: TrustRoot
    lifetimes: Mapping[str, int] | None
    files: Mapping[str, bytes] | None

    @property
    def is_gateway(self) -> bool:
        """Whether `folder` is a working folder."""
        return (self.folder / SETTINGS_FILE).is_file()


def place_of(folder: Path, trust_root: Path | None) -> Place:
    """Read what is at hand.

    Raises:
        SettingsError: No trust root.
        TrustError: It is not in force.
        PolicyError: A bundle that can't be read.
    """
    root = load_root(folder, trust_root)
    known = (folder / SETTINGS_FILE).is_file()
    return Place(
        folder=folder,
        root=root,
        lifetimes=load_bundle(folder / "bundle").lifetimes if known else None,
        files=StatementFolder(folder / "statements").read_all() if known else None,
    )


def signatories(place: Place, keys: Sequence[Path]) -> tuple[Signatory, ...]:
    """Who signs: the keys that were named, else $COUNTERMARK_KEY, else the one person's key in `people/`.

    Raises:
        SettingsError: No key, or several and nobody said which; or one that can't be read.
        TrustError: A key of nobody that the trust root knows.
    """
    named = list(keys) or ([Path(os.environ[KEY_VARIABLE])] if os.environ.get(KEY_VARIABLE) else [])
    if named:
        return tuple(signatory(place.root, path) for path in named)
    found: list[Signatory] = []
    for path in sorted((place.folder / PEOPLE).glob("*.pem")):
        try:
            found.append(signatory(place.root, path))
        except TrustError:  # a side's key, or a former one
            continue
    if len(found) != 1:
        which = ", ".join(str(each.file) for each in found) or f"none in {place.folder / PEOPLE}"
        raise SettingsError(f"expected --key, the private key of whoever signs (found: {which})")
    return tuple(found)


def full_workload(name: str, person: Person) -> str:
    """`party/name` for a name that may leave its party out: then it is the signer's."""
    return name if "/" in name else f"{person.party}/{name}"


def next_seq(place: Place, kind: str, descriptor: Mapping[str, Any], now: datetime) -> int:
    """One more than the highest number on file about the same subject; where that isn't known, the time."""
    if place.files is None:
        return int(now.timestamp())
    return max((each.seq for each in same_subject(place.files.values(), kind, descriptor)), default=0) + 1


def same_subject(files: Iterable[bytes], kind: str, descriptor: Mapping[str, Any]) -> list[Statement]:
    """Statements on file of one kind about one subject, verified or not, oldest number first."""
    wanted = descriptor_sha256(descriptor)
    found: list[Statement] = []
    for data in files:
        try:
            statement = parse_statement(parse_envelope(read_lines(data)[0]).payload)
        except (CountermarkError, IndexError):
            continue
        if statement.predicate_type == kind and statement.subject.sha256 == wanted:
            found.append(statement)
    return sorted(found, key=lambda each: each.seq)


def lifetime(
    place: Place, kind: str, *, now: datetime, begins: str | None, until: str | None, days: int | None
) -> tuple[datetime, datetime]:
    """From when and until when a statement holds; within what the bundle allows.

    Raises:
        MalformedError: A time that can't be read, both an end and days, or an end before the beginning.
        LifetimeError: Longer than the bundle allows.
    """
    if until is not None and days is not None:
        raise MalformedError("expected --until or --days, got both")
    start = parse_time(begins) if begins is not None else now
    longest = (place.lifetimes or {}).get(kind)
    if until is not None:
        end = parse_time(until)
    elif days is not None:
        end = start + timedelta(days=days)
    else:
        seconds = DEFAULT_DAYS[kind] * 86400
        end = start + timedelta(seconds=seconds if longest is None else min(seconds, longest))
    if end <= max(start, now):
        raise MalformedError(f"expected an end that is still to come, got {format_time(end)}")
    if longest is not None and end - start > timedelta(seconds=longest):
        raise LifetimeError(
            f"expected a `{kind}` that lives at most {longest / 86400:g} days, as the bundle says, "
            f"got {(end - start).total_seconds() / 86400:g}"
        )
    return start, end


def draft(
    place: Place,
    kind: str,
    *,
    name: str,
    descriptor: Mapping[str, Any],
    content: Mapping[str, Any],
    basis: str,
    interest: str,
    holds: tuple[datetime, datetime],
    instrument: Mapping[str, Any] | None,
    now: datetime,
) -> Statement:
    """Make the statement, and read it as a gateway would.

    Raises:
        MalformedError: A field that its schema refuses; the message names it.
    """
    statement = make_statement(
        kind,
        name,
        descriptor,
        content,
        seq=next_seq(place, kind, descriptor, now),
        valid_from=holds[0],
        valid_until=holds[1],
        basis=basis,
        interest=interest,
        instrument=instrument,
    )
    PARSERS[kind](statement.predicate)
    return statement


def sign(place: Place, statement: Statement, signers: Sequence[Signatory]) -> bytes:
    """Sign, and verify what was signed; returns the statement's file.

    Raises:
        TrustError: The trust root gives none of the signers the right to say this; nothing is written.
    """
    envelope = sign_envelope(statement.payload, *(signer.key for signer in signers))
    data = encode_lines([envelope])
    # a statement may begin later: what is checked is who may say it
    verify_statement(data, place.root, now=statement.validity.valid_from)
    return data


def file_at(
    place: Place, data: bytes, *, url: str | None, key: PrivateKey | None
) -> tuple[Mapping[str, Any], str]:
    """Put a statement on file, at the gateway that runs or in its folder; returns the gateway's answer and where.

    Raises:
        CountermarkError: It doesn't verify there, or the gateway can't be reached.
    """
    with connect(place.folder, url=url, key=key) as client:
        return client.call("POST", "statements", data), client.where


def lacks(root: TrustRoot, statement: VerifiedStatement) -> tuple[str, ...]:
    """Parties whose countersignature would raise a statement's level; empty where none would."""
    if statement.level >= Level.COUNTERSIGNED:
        return ()
    makers = {signer.party for signer in statement.makers}
    return tuple(
        sorted(
            other
            for party in makers
            for other in root.counterparts(party, statement.kind, statement.subject.name)
            if other not in makers
        )
    )


def level_words(root: TrustRoot, statement: VerifiedStatement) -> str:
    """The level that a statement has, and what it still lacks."""
    makers = ", ".join(sorted({signer.party for signer in statement.makers}))
    if statement.level >= Level.COUNTERSIGNED:
        counter = ", ".join(str(each) for each in statement.countersigners)
        return f"countersigned: the word of {makers}, vouched for by {counter}"
    if root.one_sided:
        return f"operator: the word of {makers} alone; the trust root is one-sided, so nothing rises above it"
    others = lacks(root, statement)
    if not others:
        return (
            f"operator: the word of {makers}; the charter names nobody whose countersignature would raise it"
        )
    named = " or ".join(others)
    return (
        f"operator: the word of {makers}; {named}'s countersignature would make it countersigned: "
        f"countermark evidence request {others[0]} {statement.kind}:{statement.subject.name} --out request.md"
    )
