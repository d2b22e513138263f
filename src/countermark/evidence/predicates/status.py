"""`status`: the issuer's fresh word that one statement of his still holds. No `revoked` exists that could be hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from countermark.evidence.predicates.fields import SHA256_HEX, Common, Fields, read_common, read_descriptor


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A statement is still good.

    Attributes:
        statement: SHA-256 (64 hex digits) of the payload of the statement that this is about.
    """

    common: Common
    statement: str


def parse_status(predicate: Mapping[str, object]) -> Status:
    """Read the predicate of a status statement.

    Raises:
        MalformedError: Not what `spec/predicates/status.schema.json` says; the message names the field.
    """
    fields = Fields(predicate, "status")
    statement, _ = read_descriptor(fields, key="statement", pattern=SHA256_HEX)
    status = Status(common=read_common(fields), statement=statement)
    fields.choice("status", ("good",))
    fields.done()
    return status
