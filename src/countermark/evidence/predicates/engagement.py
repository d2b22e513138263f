"""`engagement`: authorised security testing: which addresses, for which workloads, from when until when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from countermark.errors import MalformedError
from countermark.evidence.predicates.fields import IDENTITY, Common, Fields, read_common, read_descriptor
from countermark.evidence.predicates.legal_basis import read_workloads

RANGE: Final = re.compile(r"[0-9a-f.:]{2,45}/[0-9]{1,3}", re.ASCII)
NAME: Final = re.compile(
    r"(?:\*\.)?(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
    re.ASCII,
)
"""A host name in lower case, of at least two labels; `*.` before it stands for everything below it."""
MAX_RANGES: Final = 1024
MAX_NAMES: Final = 1024
# Nobody can authorise the testing of a whole registry's space: a range that wide is a slip or a trick.
SHORTEST_PREFIX: Final = {4: 8, 6: 16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """Which addresses may be tested.

    Attributes:
        identity: Its number (`E-9`).
        party: Party whose register that is; empty where the descriptor doesn't say.
        workloads: `party/name` of those that may lean on it.
        ranges: Networks, host bits zero.
        names: Host names, some with `*.` before them.
    """

    common: Common
    identity: str
    party: str
    workloads: tuple[str, ...]
    ranges: tuple[IPv4Network | IPv6Network, ...]
    names: tuple[str, ...]


def parse_engagement(predicate: Mapping[str, object]) -> Engagement:
    """Read the predicate of an engagement statement.

    Raises:
        MalformedError: Not what `spec/predicates/engagement.schema.json` says, a range with host bits or wider than
            /8 (IPv4) or /16 (IPv6), or neither ranges nor names; the message names the field.
    """
    fields = Fields(predicate, "engagement")
    identity, party = read_descriptor(fields, key="engagement", pattern=IDENTITY, party_allowed=True)
    engagement = Engagement(
        common=read_common(fields),
        identity=identity,
        party=party,
        workloads=read_workloads(fields, party),
        ranges=tuple(_range(text) for text in fields.texts("ranges", RANGE, least=0, most=MAX_RANGES)),
        names=fields.texts("names", NAME, least=0, most=MAX_NAMES),
    )
    fields.done()
    if not engagement.ranges and not engagement.names:
        raise MalformedError("expected `engagement.ranges` or `engagement.names` to name an address")
    return engagement


def _range(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise MalformedError(
            f"expected `engagement.ranges` of networks with host bits zero, got `{text}`"
        ) from error
    if str(network) != text:
        raise MalformedError(f"expected `engagement.ranges` in their one spelling `{network}`, got `{text}`")
    if network.prefixlen < SHORTEST_PREFIX[network.version]:
        raise MalformedError(
            f"expected `engagement.ranges` of /{SHORTEST_PREFIX[network.version]} or narrower, got `{text}`"
        )
    return network
