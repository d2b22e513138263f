"""`countersignature`: another party vouches for a statement, and says how that party knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from countermark.evidence.predicates.fields import SHA256_HEX, Common, Fields, read_common, read_descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Countersignature:
    """Another party's word for a statement; `common.basis` says how that party knows.

    Attributes:
        statement: SHA-256 (64 hex digits) of the payload of the statement that is vouched for.
    """

    common: Common
    statement: str


def parse_countersignature(predicate: Mapping[str, object]) -> Countersignature:
    """Read the predicate of a countersignature.

    Raises:
        MalformedError: Not what `spec/predicates/countersignature.schema.json` says; the message names the field.
    """
    fields = Fields(predicate, "countersignature")
    statement, _ = read_descriptor(fields, key="statement", pattern=SHA256_HEX)
    countersignature = Countersignature(common=read_common(fields), statement=statement)
    fields.done()
    return countersignature
