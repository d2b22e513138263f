"""`legal-basis`: an order about persons, named by keyed selectors, or a consent about a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from countermark.errors import MalformedError
from countermark.evidence.predicates.fields import (
    IDENTITY,
    KEY_ID,
    SHA256_HEX,
    WORKLOAD,
    Common,
    Fields,
    read_common,
    read_descriptor,
)
from countermark.evidence.predicates.purpose import OPERATIONS

TYPES: Final = ("order", "consent")
MAX_WORKLOADS: Final = 256
MAX_SELECTORS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalBasis:
    """What makes it lawful to process these persons, or this data set.

    Attributes:
        type: `order` or `consent`.
        identity: Its number in the register it comes from (`17/3`).
        party: Party whose register that is; empty where the descriptor doesn't say. Its workloads are then all of it.
        workloads: `party/name` of those that may lean on it.
        key_id: Which selector key the digests were made with; empty where there are none.
        selectors: HMAC-SHA256 (64 hex digits) of each person or account (`evidence.selectors`).
        may_derive: Operations on persons that it covers.
        data_set: Name of the set that a consent is about; empty for an order.
    """

    common: Common
    type: str
    identity: str
    party: str
    workloads: tuple[str, ...]
    key_id: str
    selectors: frozenset[str]
    may_derive: tuple[str, ...]
    data_set: str


def parse_legal_basis(predicate: Mapping[str, object]) -> LegalBasis:
    """Read the predicate of a legal-basis statement.

    Raises:
        MalformedError: Not what `spec/predicates/legal-basis.schema.json` says, or a workload of another party than
            the descriptor's; the message names the field.
    """
    fields = Fields(predicate, "legal-basis")
    kind = fields.choice("type", TYPES)
    identity, party = read_descriptor(fields, key=kind, pattern=IDENTITY, party_allowed=True)
    key_id = ""
    digests: tuple[str, ...] = ()
    if kind == "order" or fields.has("selectors"):
        selectors = fields.record("selectors")
        key_id = selectors.text("key_id", KEY_ID)
        digests = selectors.texts("hmac_sha256", SHA256_HEX, least=1, most=MAX_SELECTORS)
        selectors.done()
    basis = LegalBasis(
        common=read_common(fields),
        type=kind,
        identity=identity,
        party=party,
        workloads=read_workloads(fields, party),
        key_id=key_id,
        selectors=frozenset(digests),
        may_derive=fields.choices("may_derive", OPERATIONS, least=1),
        data_set=fields.text("data_set", IDENTITY) if kind == "consent" else "",
    )
    fields.done()
    return basis


def read_workloads(fields: Fields, party: str) -> tuple[str, ...]:
    """Read the workloads that may lean on a statement; all of `party` where its descriptor names one.

    Raises:
        MalformedError: None, too many, another form, or a workload of another party.
    """
    workloads = fields.texts("workloads", WORKLOAD, least=1, most=MAX_WORKLOADS)
    for workload in workloads:
        if party and workload.partition("/")[0] != party:
            raise MalformedError(
                f"expected `{fields.name('workloads')}` of party `{party}`, got `{workload}`"
            )
    return workloads
