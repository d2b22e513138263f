"""Who stands behind a bundle, and who has put a brake on: the predicates `bundle-approval` and `suspension`.

A bundle is in force while k of n keys of *every* side of the trust root stand behind its digest. Any side takes a
suspension alone, with one key; lifting it needs what granting needed. A brake is no guarantee: who runs the gateway can
leave it out, so nothing relies on it where an approval that lapses would do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from countermark.attestation.charter import Side
from countermark.attestation.envelope import IN_TOTO, Envelope, parse_envelope, signers_of
from countermark.attestation.keys import PublicKey
from countermark.attestation.statement import Statement, make_statement, parse_statement
from countermark.attestation.trust_root import TrustRoot, verify_sides
from countermark.errors import CountermarkError, MalformedError, PayloadTypeError, QuorumError
from countermark.policy.bundle import Bundle

BUNDLE_APPROVAL: Final = "bundle-approval"
SUSPENSION: Final = "suspension"
SCOPES: Final = ("all", "workload", "model", "purpose")
TAKEN: Final = "taken"
LIFTED: Final = "lifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleApproval:
    """What a side signs: that this bundle, by digest, is in force until a day."""

    bundle: str
    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A bundle that every side stands behind.

    Attributes:
        signed: Party to the ids of its keys that count.
        valid_until: From then on some side's quorum is no longer complete.
        ignored: Why other envelopes don't count, one line each.
    """

    bundle: str
    signed: Mapping[str, tuple[str, ...]]
    valid_until: datetime
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspensionOrder:
    """A brake that is taken or lifted. `target` is empty where `scope` is `all`."""

    suspension_id: str
    scope: str
    target: str
    state: str


def make_bundle_approval(
    bundle: Bundle, *, seq: int, valid_from: datetime, valid_until: datetime
) -> Statement:
    """The statement that a side signs to put `bundle` in force."""
    return make_statement(
        BUNDLE_APPROVAL,
        bundle.name,
        {"bundle": bundle.digest},
        {"name": bundle.name, "version": bundle.version},
        seq=seq,
        valid_from=valid_from,
        valid_until=valid_until,
        basis="document-seen",
        interest="party",
    )


def parse_bundle_approval(statement: Statement) -> BundleApproval:
    """Read the typed content.

    Raises:
        PayloadTypeError: Another predicate.
        MalformedError: Other fields than `name` and `version`, or a descriptor that names no digest.
    """
    if statement.predicate_type != BUNDLE_APPROVAL:
        raise PayloadTypeError(f"expected predicate `{BUNDLE_APPROVAL}`, got `{statement.predicate_type}`")
    digest = statement.descriptor.get("bundle")
    if set(statement.descriptor) != {"bundle"} or not isinstance(digest, str):
        raise MalformedError("expected the descriptor of a bundle approval to be `bundle` with a digest")
    content = statement.content
    name, version = content.get("name"), content.get("version")
    if set(content) != {"name", "version"} or not isinstance(name, str) or type(version) is not int:
        raise MalformedError("expected a bundle approval with exactly `name` and `version`")
    return BundleApproval(bundle=digest, name=name, version=version)


def bundle_in_force(
    bundle_digest: str, envelopes: Iterable[bytes], root: TrustRoot, now: datetime
) -> InForce:
    """Check that k of n of each side's keys approve the bundle of this digest.

    The sides may sign one envelope together or one each; a key counts once. One that can't be read, is about another
    bundle or is not in its time counts for nothing.

    Args:
        envelopes: Encoded envelopes, in any order (`attestation.envelope.read_lines` cuts a file).

    Raises:
        QuorumError: A side's quorum is missing; the message names each one and how many keys it has.
    """
    root.validity.check_validity(now, 0)
    until: dict[PublicKey, datetime] = {}
    ignored: list[str] = []
    side_keys = {key for side in root.sides.values() for key in side.keys}
    for number, data in enumerate(envelopes, start=1):
        try:
            envelope, statement = _read(data)
            approval = parse_bundle_approval(statement)
            if approval.bundle != bundle_digest:
                raise QuorumError(f"expected bundle `{bundle_digest}`, got `{approval.bundle:.64}`")
            statement.validity.check_validity(
                now, 0
            )  # the allowed skew stands in the bundle: not trusted yet
        except CountermarkError as error:
            ignored.append(f"envelope {number}: {error}")
            continue
        for key in signers_of(envelope, side_keys):
            until[key] = max(until.get(key, statement.validity.valid_until), statement.validity.valid_until)
    ends: list[datetime] = []
    missing: list[str] = []
    for side in root.sides.values():
        times = sorted((until[key] for key in side.keys if key in until), reverse=True)
        if len(times) < side.threshold:
            missing.append(f"`{side.party}` ({len(times)} of {side.threshold})")
        else:
            ends.append(times[side.threshold - 1])
    if missing or not ends:
        raise QuorumError(
            f"expected approvals of the bundle by every side, missing {', '.join(missing) or 'all'}"
        )
    return InForce(
        bundle=bundle_digest,
        signed={side.party: _signed(side, until) for side in root.sides.values()},
        valid_until=min(*ends, root.validity.valid_until),
        ignored=tuple(ignored),
    )


def _signed(side: Side, until: Mapping[PublicKey, datetime]) -> tuple[str, ...]:
    return tuple(sorted(key.keyid for key in side.keys if key in until))


def _read(data: bytes) -> tuple[Envelope, Statement]:
    envelope = parse_envelope(data)
    if envelope.payload_type != IN_TOTO:
        raise PayloadTypeError(f"expected payload type `{IN_TOTO}`, got `{envelope.payload_type:.80}`")
    return envelope, parse_statement(envelope.payload)


def make_suspension(
    suspension_id: str,
    *,
    scope: str,
    target: str,
    state: str,
    seq: int,
    valid_from: datetime,
    valid_until: datetime,
) -> Statement:
    """The statement that takes or lifts a brake; a side signs it with one key, every side's quorum lifts it."""
    statement = make_statement(
        SUSPENSION,
        suspension_id,
        {"suspension": suspension_id},
        {"scope": {scope: True if scope == "all" else target}, "state": state},
        seq=seq,
        valid_from=valid_from,
        valid_until=valid_until,
        basis="word",
        interest="party",
    )
    parse_suspension(statement)
    return statement


def parse_suspension(statement: Statement) -> SuspensionOrder:
    """Read the typed content.

    Raises:
        PayloadTypeError: Another predicate.
        MalformedError: Not one scope of `all`, `workload`, `model`, `purpose`, or not a state of `taken`, `lifted`.
    """
    if statement.predicate_type != SUSPENSION:
        raise PayloadTypeError(f"expected predicate `{SUSPENSION}`, got `{statement.predicate_type}`")
    name = statement.descriptor.get("suspension")
    if set(statement.descriptor) != {"suspension"} or not isinstance(name, str):
        raise MalformedError("expected the descriptor of a suspension to be `suspension` with its id")
    content = statement.content
    scope, state = content.get("scope"), content.get("state")
    if set(content) != {"scope", "state"} or state not in (TAKEN, LIFTED):
        raise MalformedError("expected a suspension with exactly `scope` and `state`, `taken` or `lifted`")
    if not isinstance(scope, dict) or len(scope) != 1 or next(iter(scope)) not in SCOPES:
        raise MalformedError("expected `scope` with one of `all`, `workload`, `model`, `purpose`")
    kind, target = next(iter(scope.items()))
    if (kind == "all" and target is not True) or (kind != "all" and not (isinstance(target, str) and target)):
        raise MalformedError(f"expected `scope.{kind}` to be {'true' if kind == 'all' else 'a name'}")
    return SuspensionOrder(
        suspension_id=name, scope=kind, target="" if kind == "all" else str(target), state=state
    )


def verify_suspension(data: bytes, root: TrustRoot, now: datetime) -> tuple[SuspensionOrder, frozenset[str]]:
    """Check who takes or lifts a brake.

    Returns:
        The order, and the sides that signed it: at least one where it is taken, every one where it is lifted.

    Raises:
        QuorumError: No side's key signed a brake that is taken, or a side's quorum is missing for lifting it.
        ExpiredError: Its time has passed; NotYetValidError: it has not come.
        MalformedError: Not a suspension.
    """
    envelope, statement = _read(data)
    order = parse_suspension(statement)
    statement.validity.check_validity(now)
    if order.state == LIFTED:
        return order, frozenset(verify_sides(envelope, root.sides.values()))
    # one key is enough: braking must not wait for a second person, and it can only restrict
    sides = frozenset(side.party for side in root.sides.values() if signers_of(envelope, side.keys))
    if not sides:
        raise QuorumError("expected the signature of a side's key, got none")
    return order, sides
