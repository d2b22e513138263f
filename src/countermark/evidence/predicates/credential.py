"""`credential`: which workload an API key or a public key stands for, and which persons hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from countermark.attestation.keys import PublicKey
from countermark.errors import KeyTypeError, MalformedError
from countermark.evidence.predicates.fields import (
    IDENTITY,
    PERSON,
    SHA256_HEX,
    WORKLOAD,
    Common,
    Fields,
    read_common,
    read_descriptor,
)

KINDS: Final = ("api-key", "key")
MAX_HOLDERS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What lets a caller be recognised as a workload.

    Attributes:
        name: Stable name of the credential; a newer statement about the same name replaces its secret.
        workload: `party/name`, the one workload that it stands for.
        sha256: Of the API key's UTF-8 bytes (64 hex digits); None for a key.
        public: The key that signs each request; None for an API key.
        holders: Persons who hold it: they ask, so they never approve what is asked with it.
        may_explain: Its holders may see which evidence is missing.
    """

    common: Common
    name: str
    workload: str
    sha256: str | None
    public: PublicKey | None
    holders: tuple[str, ...]
    may_explain: bool


def parse_credential(predicate: Mapping[str, object]) -> Credential:
    """Read the predicate of a credential statement.

    Raises:
        MalformedError: Not what `spec/predicates/credential.schema.json` says; the message names the field.
        KeyTypeError: A public key of a type that isn't accepted.
    """
    fields = Fields(predicate, "credential")
    name, _ = read_descriptor(fields, key="credential", pattern=IDENTITY)
    common = read_common(fields)
    workload = fields.text("workload", WORKLOAD)
    sha256, public = None, None
    if fields.choice("kind", KINDS) == "api-key":
        sha256 = fields.text("sha256", SHA256_HEX)
    else:
        try:
            public = PublicKey.from_dict(fields.take("public"))
        except KeyTypeError:
            raise
        except MalformedError as error:
            raise MalformedError(f"`credential.public`: {error}") from error
    credential = Credential(
        common=common,
        name=name,
        workload=workload,
        sha256=sha256,
        public=public,
        holders=fields.texts("holders", PERSON, least=1, most=MAX_HOLDERS),
        may_explain=fields.flag("may_explain"),
    )
    fields.done()
    return credential
