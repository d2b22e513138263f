"""The charter as people write it: a commented TOML file, from which a trust root is drafted for the sides to sign.

Keys are named by the files of their public halves, beside the charter; ids and cross-references are worked out here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from countermark.attestation.keys import PublicKey
from countermark.attestation.statement import Statement
from countermark.attestation.trust_root import make_trust_root
from countermark.cli.key_files import read_public
from countermark.cli.working_folder import ROOT_DAYS
from countermark.errors import MalformedError, SettingsError

CONTEXT: Final = ("deployment", "purpose", "legal-basis", "engagement", "oversight")
"""Predicates that the other side countersigns."""
_TABLES: Final = frozenset(
    {
        "name",
        "version",
        "valid_days",
        "parties",
        "sides",
        "persons",
        "roles",
        "counterparts",
        "status_required",
        "gateways",
        "observers",
        "upstream_key_held_by",
        "upstream_checks_permit",
        "bundle",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The charter's `[bundle]`: which shipped bundle to start from, and the names to put in."""

    source: str
    user: str
    other: str
    upstream: str
    models: tuple[str, ...]
    apis: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CharterFile:
    """A charter as it is written, before its keys are read."""

    path: Path
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the trust root, for ever."""
        return str(self.document["name"])

    @property
    def terms(self) -> Terms:
        """What `[bundle]` says.

        Raises:
            MalformedError: It isn't there, or a field of it is missing or of another kind.
        """
        table = self.document.get("bundle")
        if not isinstance(table, dict):
            raise MalformedError(f"expected a table `[bundle]` in `{self.path}`")
        texts, lists = ("from", "user", "other", "upstream"), ("models", "apis")
        for field in (*texts, *lists):
            value = table.get(field)
            good = (
                isinstance(value, str)
                if field in texts
                else isinstance(value, list) and value and all(isinstance(item, str) for item in value)
            )
            if not good:
                kind = "text" if field in texts else "list of texts"
                raise MalformedError(f"expected `bundle.{field}` in `{self.path}` as a {kind}")
        return Terms(
            source=table["from"],
            user=table["user"],
            other=table["other"],
            upstream=table["upstream"],
            models=tuple(table["models"]),
            apis=tuple(table["apis"]),
        )


def read_charter_file(path: Path) -> CharterFile:
    """Read a charter.

    Raises:
        SettingsError: It can't be read.
        MalformedError: Not TOML, or a field that a charter doesn't have.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"expected a charter in `{path}`: {error.strerror}; `countermark trust draft --charter {path}` writes an example"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MalformedError(f"expected TOML in `{path}`: {error}") from error
    unknown = sorted(set(document) - _TABLES)
    if unknown:
        raise MalformedError(f"expected only the fields of a charter in `{path}`, got `{unknown[0]}`")
    for field, kind in (("name", str), ("version", int), ("parties", dict), ("sides", dict)):
        if not isinstance(document.get(field), kind):
            raise MalformedError(f"expected `{field}` in `{path}`")
    return CharterFile(path=path, document=document)


class _Keys:
    """Reads key files named in a charter, and remembers what it read, by id."""

    def __init__(self, folder: Path, own: Mapping[str, PublicKey]) -> None:
        self._folder = folder
        self._own = own
        self.found: dict[str, PublicKey] = {}

    def id_of(self, value: object, where: str) -> str:
        if not isinstance(value, str):
            raise MalformedError(f"expected `{where}` to name the file of a public key")
        if where in self._own:
            key = self._own[where]
        else:
            try:
                key = read_public(self._folder / value)
            except SettingsError as error:
                raise SettingsError(f"in `{where}` of the charter: {error}") from error
        self.found[key.keyid] = key
        return key.keyid

    def ids(self, value: object, where: str) -> list[str]:
        if not isinstance(value, list):
            raise MalformedError(f"expected `{where}` to be a list of files of public keys")
        return [self.id_of(item, where) for item in value]


def _tables(document: Mapping[str, Any], field: str) -> dict[str, dict[str, Any]]:
    value = document.get(field, {})
    if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
        raise MalformedError(f"expected `[{field}.NAME]` tables in the charter")
    return value


def _records(document: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    value = document.get(field, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise MalformedError(f"expected `[[{field}]]` tables in the charter")
    return value


def _spread(records: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    """One record per predicate: people write lists of them."""
    made: list[dict[str, Any]] = []
    for record in records:
        predicates = record.get("predicates", [record["predicate"]] if "predicate" in record else None)
        if not isinstance(predicates, list):
            raise MalformedError(f"expected `predicates` in `{where}`, a list")
        rest = {name: value for name, value in record.items() if name not in ("predicates", "predicate")}
        made.extend({**rest, "predicate": predicate} for predicate in predicates)
    return made


def draft_root(
    charter: CharterFile, *, now: datetime, own_gateway: tuple[str, PublicKey] | None = None
) -> Statement:
    """Draft the trust root that a charter describes.

    Args:
        own_gateway: A gateway of the charter whose key is at hand, so that its file needn't be.

    Raises:
        SettingsError: A key's file can't be read.
        MalformedError: Something that no trust root may say; the message names the field.
    """
    document = charter.document
    own = {f"gateways.{own_gateway[0]}.key": own_gateway[1]} if own_gateway is not None else {}
    keys = _Keys(charter.path.parent, own)
    if own_gateway is not None and own_gateway[0] not in _tables(document, "gateways"):
        raise MalformedError(f"expected `[gateways.{own_gateway[0]}]` in `{charter.path}`")
    content: dict[str, Any] = {
        "version": document["version"],
        "parties": {name: {"title": title} for name, title in document["parties"].items()},
        "sides": {
            name: {
                "threshold": table.get("threshold", 1),
                "keys": keys.ids(table.get("keys"), f"sides.{name}.keys"),
            }
            for name, table in _tables(document, "sides").items()
        },
        "persons": {
            name: {
                "party": table.get("party"),
                "title": table.get("title", ""),
                "keys": keys.ids(table.get("keys"), f"persons.{name}.keys"),
            }
            for name, table in _tables(document, "persons").items()
        },
        "roles": {
            name: {
                "party": table.get("party"),
                "persons": table.get("persons"),
                "threshold": table.get("threshold", 1),
                "makes": _spread(_records(table, "makes"), f"roles.{name}.makes"),
            }
            for name, table in _tables(document, "roles").items()
        },
        "counterparts": _spread(_records(document, "counterparts"), "counterparts"),
        "status_required": _records(document, "status_required"),
        "gateways": {
            name: {
                "runner": table.get("runner"),
                "key": keys.id_of(table.get("key", ""), f"gateways.{name}.key"),
            }
            for name, table in _tables(document, "gateways").items()
        },
        "observers": document.get("observers", []),
        "upstream_key_held_by": document.get("upstream_key_held_by", []),
        "upstream_checks_permit": document.get("upstream_checks_permit", False),
    }
    content["keys"] = {keyid: key.to_dict() for keyid, key in keys.found.items()}
    days = document.get("valid_days", ROOT_DAYS)
    if not isinstance(days, int) or not 1 <= days <= 3660:
        raise MalformedError("expected `valid_days` in the charter from 1 to 3660")
    return make_trust_root(charter.name, content, valid_from=now, valid_until=now + timedelta(days=days))
