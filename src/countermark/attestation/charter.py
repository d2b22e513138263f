"""Records of a trust root, and the strict reading of its content: unknown fields and loose ends are errors.

Everything that a signer of a trust root can get wrong without noticing is refused here: a reference that leads
nowhere, a threshold that nobody can reach, one key in two hands, a party that would be its own counterpart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from countermark.attestation.keys import PublicKey
from countermark.clock import parse_time
from countermark.errors import CountermarkError, MalformedError

MAX_RECORDS: Final = 1024
"""Keys, persons, roles and so on: each at most that many."""

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,63}", re.ASCII)
_ROLE = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)  # clauses read `context.approvals.<role>`
_PREDICATE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)

CONTENT_DEFAULTS: Final[Mapping[str, Any]] = {
    "persons": {},
    "roles": {},
    "counterparts": [],
    "status_required": [],
    "gateways": {},
    "observers": [],
    "upstream_key_held_by": [],
    "upstream_checks_permit": False,
}
"""What `make_trust_root` writes where the content is silent; a document itself must have every field."""
CONTENT_FIELDS: Final = frozenset({"version", "parties", "keys", "sides", *CONTENT_DEFAULTS})


def matches(subjects: Iterable[str], name: str) -> bool:
    """Whether `name` is one of `subjects`: exact names, or prefixes with `*` at their end."""
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern for pattern in subjects
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A human with keys; belongs to one party."""

    name: str
    party: str
    title: str
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A party whose quorum a bundle and a trust root need: `threshold` of `keys`."""

    party: str
    threshold: int
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Makes:
    """A right to make statements: one predicate, about subjects whose name matches, until a date if one is given."""

    predicate: str
    subjects: tuple[str, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """`threshold` of `persons`, all of one party, may make what `makes` lists."""

    name: str
    party: str
    persons: tuple[str, ...]
    threshold: int
    makes: tuple[Makes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterpartRule:
    """Whose countersignature raises `party`'s statements of `predicate` about `subjects`."""

    party: str
    predicate: str
    subjects: tuple[str, ...]
    counterparts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway's signing key, and the party that runs it."""

    name: str
    runner: str
    key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """The content of a trust root, with every reference resolved. See spec/trust-root.md for each field."""

    version: int
    parties: Mapping[str, str]
    """Party to its title."""
    keys: Mapping[str, PublicKey]
    persons: Mapping[str, Person]
    sides: Mapping[str, Side]
    roles: Mapping[str, Role]
    counterpart_rules: tuple[CounterpartRule, ...]
    status_required: Mapping[str, int]
    """Predicate to the greatest age of its `status: good`, in seconds."""
    gateways: Mapping[str, Gateway]
    observers: frozenset[str]
    """Runners whose gateways' sight counts as observed."""
    upstream_key_held_by: tuple[str, ...]
    """Who can go round any gateway, because they hold the upstream's key."""
    upstream_checks_permit: bool
    """Whether `countermark.upstream` stands before the model and refuses what carries no PERMIT."""


class _Reader:
    """Reads parts of one content, knowing the parties and keys that the others may refer to."""

    def __init__(self, parties: Mapping[str, str], keys: Mapping[str, PublicKey]) -> None:
        self.parties = parties
        self.keys = keys

    def party(self, value: object, where: str) -> str:
        if not isinstance(value, str) or value not in self.parties:
            raise MalformedError(f"expected a party of `parties` in `{where}`, got `{str(value)[:60]}`")
        return value

    def party_list(self, value: object, where: str) -> tuple[str, ...]:
        return tuple(self.party(item, where) for item in _texts(value, where))

    def key(self, value: object, where: str) -> PublicKey:
        if not isinstance(value, str) or value not in self.keys:
            raise MalformedError(f"expected a key id of `keys` in `{where}`, got `{str(value)[:60]}`")
        return self.keys[value]

    def key_list(self, value: object, where: str) -> tuple[PublicKey, ...]:
        found = tuple(self.key(item, where) for item in _texts(value, where))
        if not found:
            raise MalformedError(f"expected at least one key in `{where}`")
        return found

    def person(self, name: str, value: object) -> Person:
        where = f"persons.{name}"
        fields = _fields(value, where, {"party", "title", "keys"})
        return Person(
            name=name,
            party=self.party(fields["party"], f"{where}.party"),
            title=_title(fields["title"], f"{where}.title"),
            keys=self.key_list(fields["keys"], f"{where}.keys"),
        )

    def side(self, name: str, value: object) -> Side:
        where = f"sides.{name}"
        fields = _fields(value, where, {"threshold", "keys"})
        keys = self.key_list(fields["keys"], f"{where}.keys")
        return Side(
            party=self.party(name, "sides"),
            threshold=_threshold(fields["threshold"], len(keys), where),
            keys=keys,
        )

    def role(self, name: str, value: object, persons: Mapping[str, Person]) -> Role:
        where = f"roles.{name}"
        fields = _fields(value, where, {"party", "persons", "threshold", "makes"})
        party = self.party(fields["party"], f"{where}.party")
        members = _texts(fields["persons"], f"{where}.persons")
        for member in members:
            if member not in persons:
                raise MalformedError(
                    f"expected a person of `persons` in `{where}.persons`, got `{member[:60]}`"
                )
            if persons[member].party != party:
                raise MalformedError(
                    f"expected persons of party `{party}` in `{where}`, "
                    f"got `{member}` of party `{persons[member].party}`"
                )
        return Role(
            name=name,
            party=party,
            persons=members,
            threshold=_threshold(fields["threshold"], len(members), where),
            makes=tuple(_makes(item, f"{where}.makes") for item in _list(fields["makes"], f"{where}.makes")),
        )

    def counterpart_rule(self, value: object) -> CounterpartRule:
        where = "counterparts"
        fields = _fields(value, where, {"party", "predicate", "subjects", "counterparts"})
        party = self.party(fields["party"], f"{where}.party")
        others = self.party_list(fields["counterparts"], f"{where}.counterparts")
        if party in others:
            raise MalformedError(f"expected counterparts of opposed interest, got `{party}` as its own")
        return CounterpartRule(
            party=party,
            predicate=_predicate(fields["predicate"], where),
            subjects=_patterns(fields["subjects"], where),
            counterparts=others,
        )

    def gateway(self, name: str, value: object) -> Gateway:
        where = f"gateways.{name}"
        fields = _fields(value, where, {"runner", "key"})
        return Gateway(
            name=name,
            runner=self.party(fields["runner"], f"{where}.runner"),
            key=self.key(fields["key"], f"{where}.key"),
        )


def _fields(
    value: object, where: str, required: set[str] | frozenset[str], optional: Iterable[str] = ()
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedError(f"expected `{where}` to be an object")
    missing = required - set(value)
    if missing:
        raise MalformedError(f"expected the field `{min(missing)}` in `{where}`")
    unknown = set(value) - required - set(optional)
    if unknown:
        raise MalformedError(f"expected only known fields in `{where}`, got `{min(unknown)[:60]}`")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_RECORDS:
        raise MalformedError(f"expected `{where}` to be a list of at most {MAX_RECORDS}")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    items = _list(value, where)
    for item in items:
        if not isinstance(item, str):
            raise MalformedError(f"expected `{where}` to be a list of texts")
    if len(set(items)) != len(items):
        raise MalformedError(f"expected each entry of `{where}` once")
    return tuple(items)


def _records(value: object, where: str, form: re.Pattern[str] = _NAME) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > MAX_RECORDS:
        raise MalformedError(f"expected `{where}` to be an object of at most {MAX_RECORDS} records")
    for name in value:
        if not form.fullmatch(name):
            raise MalformedError(f"expected names in `{where}` like `{form.pattern}`, got `{name[:60]}`")
    return value


def _integer(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 2**53 - 1:
        raise MalformedError(f"expected `{where}` to be an integer of at least 1")
    return value


def _threshold(value: object, available: int, where: str) -> int:
    threshold = _integer(value, f"{where}.threshold")
    if threshold > available:
        raise MalformedError(
            f"expected a threshold in `{where}` that can be reached, got {threshold} of {available}"
        )
    return threshold


def _title(value: object, where: str) -> str:
    if not isinstance(value, str) or len(value) > 255 or not value.isprintable():
        raise MalformedError(f"expected `{where}` to be a text of at most 255 characters on one line")
    return value


def _predicate(value: object, where: str) -> str:
    if not isinstance(value, str) or not _PREDICATE.fullmatch(value):
        raise MalformedError(
            f"expected a short predicate name like `purpose` in `{where}`, got `{str(value)[:60]}`"
        )
    return value


def _patterns(value: object, where: str) -> tuple[str, ...]:
    patterns = _texts(value, f"{where}.subjects")
    if not patterns:
        raise MalformedError(f"expected at least one subject pattern in `{where}`")
    for pattern in patterns:
        if not pattern or "*" in pattern[:-1]:
            raise MalformedError(
                f"expected subjects in `{where}` with `*` at their end only, got `{pattern[:60]}`"
            )
    return patterns


def _makes(value: object, where: str) -> Makes:
    fields = _fields(value, where, {"predicate", "subjects"}, {"until"})
    until = None
    if "until" in fields:
        if not isinstance(fields["until"], str):
            raise MalformedError(f"expected `{where}.until` as a time like `2026-05-03T10:00:00Z`")
        until = parse_time(fields["until"])
    return Makes(
        predicate=_predicate(fields["predicate"], where),
        subjects=_patterns(fields["subjects"], where),
        until=until,
    )


def _keys(value: object) -> dict[str, PublicKey]:
    if not isinstance(value, dict) or len(value) > MAX_RECORDS:
        raise MalformedError(f"expected `keys` to be an object of at most {MAX_RECORDS} records")
    found: dict[str, PublicKey] = {}
    for keyid, item in value.items():
        try:
            key = PublicKey.from_dict(item)
        except CountermarkError as error:
            raise type(error)(f"in `keys.{keyid[:60]}`: {error}") from error
        if key.keyid != keyid:
            raise MalformedError(f"expected the computed key id `{key.keyid}`, got `{keyid[:64]}`")
        found[keyid] = key
    if len(set(found.values())) != len(found):
        raise MalformedError("expected each public key under one key id")
    return found


def _status_required(value: object) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in _list(value, "status_required"):
        fields = _fields(item, "status_required", {"predicate", "max_age_s"})
        predicate = _predicate(fields["predicate"], "status_required")
        if predicate in found:
            raise MalformedError(
                f"expected each predicate once in `status_required`, got `{predicate}` twice"
            )
        found[predicate] = _integer(fields["max_age_s"], "status_required.max_age_s")
    return found


def _check_hands(charter: Charter) -> None:
    """Refuse a key in two hands: two persons, two parties, two gateways, or a human's and a machine's.

    A person's key may also be one of the keys of that person's side: it is the same hand.
    """
    person_of: dict[PublicKey, Person] = {}
    side_of: dict[PublicKey, str] = {}
    gateway_of: dict[PublicKey, str] = {}
    for person in charter.persons.values():
        for key in person.keys:
            if key in person_of:
                raise MalformedError(
                    f"expected a key of one person, got one of `{person_of[key].name}` and `{person.name}`"
                )
            person_of[key] = person
    for side in charter.sides.values():
        holders: set[str] = set()
        for key in side.keys:
            if key in side_of:
                raise MalformedError(
                    f"expected a key of one side, got one of `{side_of[key]}` and `{side.party}`"
                )
            side_of[key] = side.party
            holder = person_of.get(key)
            if holder is None:
                continue
            if holder.party != side.party:
                raise MalformedError(
                    f"expected keys of party `{side.party}` in its side, got one of `{holder.name}`"
                )
            if holder.name in holders:
                raise MalformedError(
                    f"expected one key of each person in side `{side.party}`, got two of `{holder.name}`"
                )
            holders.add(holder.name)
    for gateway in charter.gateways.values():
        if gateway.key in gateway_of or gateway.key in person_of or gateway.key in side_of:
            raise MalformedError(f"expected a key of its own for gateway `{gateway.name}`")
        gateway_of[gateway.key] = gateway.name


def read_charter(content: object) -> Charter:
    """Read the content of a trust root.

    Raises:
        MalformedError: A field is missing, unknown or of the wrong form, a reference does not resolve, a threshold
            can't be reached, a key is in two hands, or a party is its own counterpart.
        KeyTypeError: A key of another type than Ed25519 and P-256.
    """
    fields = _fields(content, "trust root", CONTENT_FIELDS)
    parties = {
        name: _title(_fields(item, f"parties.{name}", {"title"})["title"], f"parties.{name}.title")
        for name, item in _records(fields["parties"], "parties").items()
    }
    reader = _Reader(parties, _keys(fields["keys"]))
    persons = {
        name: reader.person(name, item) for name, item in _records(fields["persons"], "persons").items()
    }
    sides = {name: reader.side(name, item) for name, item in _records(fields["sides"], "sides").items()}
    if not sides:
        raise MalformedError("expected at least one side")
    roles = {
        name: reader.role(name, item, persons)
        for name, item in _records(fields["roles"], "roles", _ROLE).items()
    }
    checks = fields["upstream_checks_permit"]
    if not isinstance(checks, bool):
        raise MalformedError("expected `upstream_checks_permit` to be true or false")
    charter = Charter(
        version=_integer(fields["version"], "version"),
        parties=parties,
        keys=reader.keys,
        persons=persons,
        sides=sides,
        roles=roles,
        counterpart_rules=tuple(
            reader.counterpart_rule(item) for item in _list(fields["counterparts"], "counterparts")
        ),
        status_required=_status_required(fields["status_required"]),
        gateways={
            name: reader.gateway(name, item)
            for name, item in _records(fields["gateways"], "gateways").items()
        },
        observers=frozenset(reader.party_list(fields["observers"], "observers")),
        upstream_key_held_by=reader.party_list(fields["upstream_key_held_by"], "upstream_key_held_by"),
        upstream_checks_permit=checks,
    )
    _check_hands(charter)
    return charter
