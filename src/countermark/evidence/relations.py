"""Relations between what a request contains and what a statement covers: all inside, or not. Cedar has no quantifier.

A relation names the statement that it was computed against, so that a log can show `24 of 25 outside order 17/3`
and a replay can use it without the content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

from countermark.errors import MalformedError
from countermark.evidence.predicates.engagement import Engagement
from countermark.evidence.predicates.fields import IDENTITY, KEY_ID, SHA256_HEX, Fields
from countermark.evidence.predicates.legal_basis import LegalBasis
from countermark.evidence.selectors import MAX_KEYS, SelectorsSeen

KINDS: Final = ("order", "engagement")
MAX_RECORDED_DIGESTS: Final = 256
"""Selectors of one request whose digests an entry names one by one (17 KB at 64 digits each; an entry has 64 KB)."""
_MAX_COUNT: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """How many of the selectors in one request lie outside one statement.

    Attributes:
        kind: `order` or `engagement`.
        identity: The order's or engagement's number, for people.
        statement: Digest of the statement's payload.
        seen: Distinct selectors that were parsed from the request.
        outside: How many of them the statement doesn't cover; None where the gateway can't tell, since it doesn't
            know the key that the statement's selectors were made with.
    """

    kind: str
    identity: str
    statement: str
    seen: int
    outside: int | None

    def __str__(self) -> str:
        if self.outside is None:
            return f"{self.kind} {self.identity}: selectors under a key that this gateway doesn't know"
        if self.outside:
            return f"{self.outside} of {self.seen} outside {self.kind} {self.identity}"
        return f"{self.kind} {self.identity} covers {self.seen} of {self.seen}"


def relate_order(basis: LegalBasis, statement: str, persons: SelectorsSeen) -> Relation:
    """Count the persons that an order doesn't name."""
    known = persons.digests.get(basis.key_id)
    return Relation(
        kind="order",
        identity=basis.identity,
        statement=statement,
        seen=persons.count,
        outside=None if known is None else len(known - basis.selectors),
    )


def relate_engagement(engagement: Engagement, statement: str, addresses: Iterable[str]) -> Relation:
    """Count the addresses that an engagement doesn't cover; what is no address at all lies outside."""
    distinct = set(addresses)
    return Relation(
        kind="engagement",
        identity=engagement.identity,
        statement=statement,
        seen=len(distinct),
        outside=sum(not covers(engagement, address) for address in distinct),
    )


def covers(engagement: Engagement, address: str) -> bool:
    """Whether an IP address, a network or a host name lies inside the engagement.

    A network is inside only where the whole of it is. `*.lab.example` covers every name below `lab.example`, not
    `lab.example` itself. An IPv4 address that is written inside IPv6 (`::ffff:10.4.0.1`) is that IPv4 address.
    """
    target = _network(address)
    if target is not None:
        return any(
            network.version == target.version and target.subnet_of(network)  # type: ignore[arg-type]
            for network in engagement.ranges
        )
    name = address.lower().removesuffix(".")
    return any(
        name.endswith(pattern[1:]) and _is_host_name(name) if pattern.startswith("*.") else name == pattern
        for pattern in engagement.names
    )


def _network(address: str) -> IPv4Network | IPv6Network | None:
    try:
        host: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        try:
            return ip_network(address, strict=False)
        except ValueError:
            return None
    if isinstance(host, IPv6Address):
        if host.scope_id is not None:
            return None  # a zone of one machine's own links is inside nobody's range
        if host.ipv4_mapped is not None:
            host = host.ipv4_mapped
    return ip_network(host)


def _is_host_name(name: str) -> bool:
    return len(name) <= 253 and all(
        0 < len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum() and label.isascii()
        for label in name.split(".")
    )


def relation_record(relation: Relation) -> dict[str, Any]:
    """Write a relation for a log entry; it holds no content."""
    return {
        "kind": relation.kind,
        "identity": relation.identity,
        "statement": relation.statement,
        "seen": relation.seen,
        "outside": relation.outside,
    }


def parse_relation(value: object) -> Relation:
    """Read what `relation_record` writes: `parse_relation(relation_record(r)) == r`.

    Raises:
        MalformedError: Another form, or more outside than were seen.
    """
    fields = Fields(value, "relation")
    outside = None
    if fields.take("outside") is not None:
        outside = fields.integer("outside", most=_MAX_COUNT)
    relation = Relation(
        kind=fields.choice("kind", KINDS),
        identity=fields.text("identity", IDENTITY),
        statement=fields.text("statement", SHA256_HEX),
        seen=fields.integer("seen", most=_MAX_COUNT),
        outside=outside,
    )
    fields.done()
    if outside is not None and outside > relation.seen:
        raise MalformedError(f"expected `relation.outside` of at most {relation.seen}, got {outside}")
    return relation


def seen_record(seen: SelectorsSeen) -> dict[str, Any]:
    """Write what was seen for a log entry: the count and, per key, the digests, or one digest over many of them.

    With the digests an auditor can recompute each order's relation from the statement alone; over 256 selectors he
    needs the content to do so, and `sha256` (over the sorted digests, one a line) then shows that it is the same.
    """
    keys: dict[str, Any] = {}
    for key_id, digests in sorted(seen.digests.items()):
        if seen.count <= MAX_RECORDED_DIGESTS:
            keys[key_id] = {"hmac_sha256": sorted(digests)}
        else:
            keys[key_id] = {"sha256": digest_of_digests(digests)}
    return {"seen": seen.count, "keys": keys}


def digest_of_digests(digests: Iterable[str]) -> str:
    """SHA-256 (64 hex digits) over the sorted digests, one a line."""
    return hashlib.sha256("".join(f"{digest}\n" for digest in sorted(digests)).encode("ascii")).hexdigest()


def parse_seen(value: object) -> SelectorsSeen:
    """Read what `seen_record` writes; keys whose digests are not named one by one are left out.

    Raises:
        MalformedError: Another form, or another number of digests than were seen.
    """
    fields = Fields(value, "seen")
    count = fields.integer("seen", most=_MAX_COUNT)
    found: dict[str, frozenset[str]] = {}
    for key_id, item in fields.items("keys", KEY_ID, most=MAX_KEYS).items():
        if item.has("sha256"):
            item.text("sha256", SHA256_HEX)
        else:
            found[key_id] = frozenset(
                item.texts("hmac_sha256", SHA256_HEX, least=0, most=MAX_RECORDED_DIGESTS)
            )
        item.done()
    fields.done()
    return SelectorsSeen(count=count, digests=found)


def by_statement(relations: Iterable[Relation]) -> Mapping[str, Relation]:
    """Index relations by the statement that they were computed against, as `Observation.recorded` wants them."""
    return {relation.statement: relation for relation in relations}
