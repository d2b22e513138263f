"""The trust root: who may say what, with which keys, whose countersignature counts, and who runs the gateways.

It stands outside the bundle that it verifies and is signed by every side that it names, each with its own k of n. Its
part that names sides, counterparts and runners is the parties' charter. The strict reading of its content is in
`charter.py`; here are its lookups, its quorum and its succession.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from countermark.attestation.charter import (
    CONTENT_DEFAULTS,
    Charter,
    CounterpartRule,
    Gateway,
    Makes,
    Person,
    Role,
    Side,
    matches,
    read_charter,
)
from countermark.attestation.envelope import IN_TOTO, Envelope, parse_envelope, signers_of
from countermark.attestation.keys import PublicKey
from countermark.attestation.statement import Statement, Validity, make_statement, parse_statement
from countermark.errors import MalformedError, PayloadTypeError, QuorumError, RoleError, TrustError
from countermark.facts import Level

TRUST_ROOT: Final = "trust-root"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRoot:
    """A trust root with its lookups. Trusted where `parse_trust_root` returned it; a draft from `draft_trust_root`.

    Attributes:
        name: Stays the same over all versions.
        digest: SHA-256 of the statement's payload, 64 hex digits.
    """

    name: str
    digest: str
    validity: Validity
    statement: Statement
    charter: Charter
    _person_of: Mapping[PublicKey, str] = field(repr=False)
    _roles_of: Mapping[str, frozenset[str]] = field(repr=False)

    @property
    def version(self) -> int:
        """Rises with each successor."""
        return self.charter.version

    @property
    def parties(self) -> Mapping[str, str]:
        """Party to title."""
        return self.charter.parties

    @property
    def keys(self) -> Mapping[str, PublicKey]:
        """Key id to key, of all holders."""
        return self.charter.keys

    @property
    def persons(self) -> Mapping[str, Person]:
        """Name to person."""
        return self.charter.persons

    @property
    def sides(self) -> Mapping[str, Side]:
        """Party to its quorum for bundles and trust roots."""
        return self.charter.sides

    @property
    def roles(self) -> Mapping[str, Role]:
        """Name to role."""
        return self.charter.roles

    @property
    def counterpart_rules(self) -> tuple[CounterpartRule, ...]:
        """Whose countersignature counts for what."""
        return self.charter.counterpart_rules

    @property
    def gateways(self) -> Mapping[str, Gateway]:
        """Name to gateway."""
        return self.charter.gateways

    @property
    def observers(self) -> frozenset[str]:
        """Runners whose sight counts as observed (but see `runner_level`)."""
        return self.charter.observers

    @property
    def upstream_key_held_by(self) -> tuple[str, ...]:
        """Parties that can go round any gateway."""
        return self.charter.upstream_key_held_by

    @property
    def upstream_checks_permit(self) -> bool:
        """Whether the model's server refuses what carries no PERMIT."""
        return self.charter.upstream_checks_permit

    @property
    def one_sided(self) -> bool:
        """Only one side signs: it could write any counterpart or runner into it, so nothing rises above OPERATOR."""
        return len(self.charter.sides) == 1

    @property
    def person_keys(self) -> Iterable[PublicKey]:
        """The keys that statements may be signed with."""
        return self._person_of.keys()

    def role(self, name: str) -> Role:
        """Raises RoleError where there is no such role."""
        if name not in self.charter.roles:
            raise RoleError(f"expected a role of the trust root, got `{name[:60]}`")
        return self.charter.roles[name]

    def party_of_role(self, role: str) -> str:
        """The one party that the role belongs to. Raises RoleError where there is no such role."""
        return self.role(role).party

    def persons_of_role(self, role: str) -> frozenset[str]:
        """Names of the persons who hold the role. Raises RoleError where there is no such role."""
        return frozenset(self.role(role).persons)

    def person_of_key(self, key: PublicKey) -> str | None:
        """Name of the person who holds `key`, if one does."""
        return self._person_of.get(key)

    def roles_of_key(self, key: PublicKey) -> frozenset[str]:
        """Names of the roles of the person who holds `key`."""
        return self._roles_of.get(self._person_of.get(key, ""), frozenset())

    def rights(self, role: str, predicate: str, subject_name: str) -> tuple[Makes, ...]:
        """The role's rights to make `predicate` about `subject_name`, also those whose date has passed."""
        return tuple(
            item
            for item in self.role(role).makes
            if item.predicate == predicate and matches(item.subjects, subject_name)
        )

    def may_make(self, role: str, predicate: str, subject_name: str, now: datetime) -> bool:
        """Whether the role has a right to make this statement that is in force at `now`."""
        return any(
            item.until is None or now < item.until for item in self.rights(role, predicate, subject_name)
        )

    def counterparts(self, party: str, predicate: str, subject_name: str) -> frozenset[str]:
        """Whose countersignature raises `party`'s statement of `predicate` about `subject_name` to countersigned."""
        return frozenset(
            other
            for rule in self.charter.counterpart_rules
            if rule.party == party and rule.predicate == predicate and matches(rule.subjects, subject_name)
            for other in rule.counterparts
        )

    def gateway_key(self, gateway: str) -> PublicKey:
        """The gateway's signing key. Raises RoleError where the trust root doesn't name it."""
        return self._gateway(gateway).key

    def runner_of(self, gateway: str) -> str:
        """The party that runs the gateway. Raises RoleError where the trust root doesn't name it."""
        return self._gateway(gateway).runner

    def runner_level(self, gateway: str) -> Level:
        """What the gateway's own sight counts as: OBSERVED where its runner is an observer, else OPERATOR.

        Raises:
            RoleError: The trust root doesn't name the gateway.
        """
        named = self._gateway(gateway).runner in self.charter.observers
        return Level.OBSERVED if named and not self.one_sided else Level.OPERATOR

    def _gateway(self, name: str) -> Gateway:
        if name not in self.charter.gateways:
            raise RoleError(f"expected a gateway of the trust root, got `{name[:60]}`")
        return self.charter.gateways[name]

    def status_max_age_s(self, predicate: str) -> int | None:
        """How old the `status: good` of such a statement may be, in seconds; None where it needs none."""
        return self.charter.status_required.get(predicate)


def draft_trust_root(statement: Statement) -> TrustRoot:
    """Read a trust root that nobody vouches for yet: to show it, or to see who has to sign it still.

    Raises:
        PayloadTypeError: Another predicate.
        MalformedError: As for `read_charter`; or `seq` isn't the version, or the descriptor isn't the name's.
    """
    if statement.predicate_type != TRUST_ROOT:
        raise PayloadTypeError(f"expected predicate `{TRUST_ROOT}`, got `{statement.predicate_type}`")
    if statement.descriptor != {"trust_root": statement.subject.name}:
        raise MalformedError(
            "expected the descriptor of a trust root to be `trust_root` with the subject's name"
        )
    charter = read_charter(statement.content)
    if charter.version != statement.seq:
        raise MalformedError(f"expected `seq` to be the version {charter.version}, got {statement.seq}")
    roles_of: dict[str, set[str]] = {}
    for role in charter.roles.values():
        for person in role.persons:
            roles_of.setdefault(person, set()).add(role.name)
    return TrustRoot(
        name=statement.subject.name,
        digest=statement.sha256,
        validity=statement.validity,
        statement=statement,
        charter=charter,
        _person_of={key: person.name for person in charter.persons.values() for key in person.keys},
        _roles_of={person: frozenset(roles) for person, roles in roles_of.items()},
    )


def verify_sides(envelope: Envelope, sides: Iterable[Side]) -> Mapping[str, frozenset[PublicKey]]:
    """Check that every side of `sides` signed `envelope`, each with its own k of n.

    Returns:
        Party to its keys that signed.

    Raises:
        QuorumError: A side's signatures are missing; the message names each one.
    """
    signed = {side.party: signers_of(envelope, side.keys) for side in sides}
    missing = [
        f"`{side.party}` ({len(signed[side.party])} of {side.threshold})"
        for side in sides
        if len(signed[side.party]) < side.threshold
    ]
    if missing or not signed:
        raise QuorumError(f"expected the quorum of every side, missing {', '.join(missing) or 'all'}")
    return signed


def _parse(data: bytes) -> tuple[Envelope, TrustRoot]:
    envelope = parse_envelope(data)
    if envelope.payload_type != IN_TOTO:
        raise PayloadTypeError(f"expected payload type `{IN_TOTO}`, got `{envelope.payload_type[:80]}`")
    return envelope, draft_trust_root(parse_statement(envelope.payload))


def parse_trust_root(data: bytes, *, now: datetime) -> TrustRoot:
    """Read a trust root and check that it is in force: signed by every side that it names, and not lapsed.

    Whoever calls this takes `data` from a place that they trust (a file that they put there): a trust root vouches
    for itself only in that its sides agree. A newer one is taken over with `verify_successor`.

    Raises:
        QuorumError: A side's signatures are missing.
        ExpiredError: Its time has passed.
        NotYetValidError: Its time has not come.
        MalformedError: Not an envelope, a statement, or a sound trust root.
    """
    envelope, root = _parse(data)
    verify_sides(envelope, root.sides.values())
    # no skew: which skew is allowed stands in the bundle, and the bundle is verified by this
    root.validity.check_validity(now, skew_s=0)
    return root


def verify_successor(old: TrustRoot, data: bytes, now: datetime) -> TrustRoot:
    """Check that `data` may take the place of `old`: signed by every side of the old one *and* of the new one.

    The old one's own time may have passed; a lapsed root is renewed by the same sides as any other.

    Raises:
        QuorumError: A side, old or new, has not signed.
        TrustError: Another trust root's name, or no higher version.
        MalformedError: As for `parse_trust_root`, like ExpiredError and NotYetValidError.
    """
    new = parse_trust_root(data, now=now)
    if new.name != old.name:
        raise TrustError(f"expected a successor of trust root `{old.name}`, got one of `{new.name}`")
    if new.version <= old.version:
        raise TrustError(f"expected a version over {old.version}, got {new.version}")
    verify_sides(parse_envelope(data), old.sides.values())
    return new


def make_trust_root(
    name: str, content: Mapping[str, Any], *, valid_from: datetime, valid_until: datetime
) -> Statement:
    """Make a trust root that every side can sign. Fields of `CONTENT_DEFAULTS` that `content` leaves out are added.

    Raises:
        MalformedError: A content that `parse_trust_root` would refuse.
    """
    version = content.get("version")
    if not isinstance(version, int):
        raise MalformedError("expected `version` to be an integer of at least 1")
    statement = make_statement(
        TRUST_ROOT,
        name,
        {"trust_root": name},
        {**CONTENT_DEFAULTS, **content},
        seq=version,
        valid_from=valid_from,
        valid_until=valid_until,
        basis="word",
        interest="party",
    )
    draft_trust_root(statement)
    return statement
