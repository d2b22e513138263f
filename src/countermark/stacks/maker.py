"""Signs what the parties of a generated deployment sign, step by step; each step is what one of them does alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from countermark.app import KEY_DIGEST, KEY_GATEWAY, KEY_HOLD, SELECTOR_KEYS
from countermark.attestation.envelope import encode_envelope, encode_lines, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import make_countersignature, make_statement
from countermark.attestation.trust_root import make_trust_root
from countermark.errors import MalformedError
from countermark.evidence.predicates.reading import parse_predicate
from countermark.evidence.selectors import SelectorKeys
from countermark.oversight.sealing import HoldKey
from countermark.policy.approval import make_bundle_approval
from countermark.policy.bundle import load_bundle
from countermark.stacks.cast import (
    ASKERS,
    GATEWAY,
    PEOPLE,
    POLICY,
    RECORDS,
    SELECTOR_KEY_ID,
    SIDES,
    root_content,
)

LIFE = timedelta(days=28)
"""How long what is signed here lives: within every lifetime of the shipped bundles."""
ROOT_LIFE = timedelta(days=365)
BEFORE = timedelta(minutes=1)
"""So long before now it begins, so that a clock that runs behind doesn't refuse it."""

Secret = Callable[[str], bytes]
"""32 bytes by name: derived from a seed, or the machine's random source whatever the name."""


def secret_file(path: Path, text: str) -> None:
    """Write a secret that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")


def approve_bundle(
    bundle: Path, file: Path, sides: Mapping[str, PrivateKey], *, begins: datetime, ends: datetime
) -> str:
    """Every side signs a bundle's digest; returns it.

    Raises:
        BundleError: The bundle may not be put in force.
    """
    loaded = load_bundle(bundle)
    approval = make_bundle_approval(loaded, seq=1, valid_from=begins, valid_until=ends)
    file.write_bytes(encode_lines([sign_envelope(approval.payload, key) for key in sides.values()]))
    return loaded.digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a maker writes.

    Attributes:
        people: Keys of persons and sides.
        keys: The gateway's own secrets, as its working folder has them.
        statements: What is on file.
        credentials: What the workloads' holders have.
    """

    people: Path
    keys: Path
    statements: Path
    credentials: Path


class Maker:
    """Everybody who signs before a gateway starts, with their keys.

    Attributes:
        people, sides: Who has which key.
    """

    def __init__(self, places: Places, *, secret: Secret, begins: datetime, ends: datetime) -> None:
        self.places = places
        self.begins = begins
        self.ends = ends
        self.people: dict[str, PrivateKey] = {}
        self.sides: dict[str, PrivateKey] = {}
        self._secret = secret

    def new_key(self, name: str, path: Path) -> PrivateKey:
        """Make the key of `name`, and write it where its owner has it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        key = PrivateKey.from_seed(self._secret(name))
        key.save(path)
        return key

    def make_keys(self) -> None:
        """Keys of people, sides and the gateway, and the gateway's other secrets."""
        for person in PEOPLE:
            self.people[person] = self.new_key(f"person/{person}", self.places.people / f"{person}.pem")
        for side in SIDES:
            self.sides[side] = self.new_key(f"side/{side}", self.places.people / f"{side}-side.pem")
        keys = self.places.keys
        keys.mkdir(parents=True, exist_ok=True)
        keys.chmod(0o700)
        self._gateway_key = self.new_key(f"gateway/{GATEWAY}", keys / KEY_GATEWAY)
        HoldKey(secret=self._secret("hold")).save(keys / KEY_HOLD)
        secret_file(keys / KEY_DIGEST, self._secret("digest").hex())
        selector_key = self._secret(f"{SELECTOR_KEYS}/{SELECTOR_KEY_ID}")
        secret_file(keys / SELECTOR_KEYS / SELECTOR_KEY_ID, selector_key.hex())
        self._selectors = SelectorKeys({SELECTOR_KEY_ID: selector_key})

    def make_root(self, name: str, file: Path, *, checks_permit: bool = False) -> None:
        """The sides sign who everybody is."""
        content = root_content(
            {person: key.public for person, key in self.people.items()},
            {side: key.public for side, key in self.sides.items()},
            self._gateway_key.public,
            checks_permit=checks_permit,
        )
        root = make_trust_root(
            name, content, valid_from=self.begins, valid_until=self.begins + BEFORE + ROOT_LIFE
        )
        file.write_bytes(encode_envelope(sign_envelope(root.payload, *self.sides.values())))

    def approve(self, bundle: Path, file: Path) -> str:
        """The sides put a bundle in force; returns its digest."""
        return approve_bundle(bundle, file, self.sides, begins=self.begins, ends=self.ends)

    def put(
        self,
        kind: str,
        name: str,
        descriptor: Mapping[str, Any],
        content: Mapping[str, Any],
        *,
        countersigned: str | None = "document-seen",
        instrument: Mapping[str, Any] | None = None,
        folder: Path | None = None,
    ) -> str:
        """Northmark's records office makes a statement; Halden's policy officer countersigns it, saying how he knows.

        Args:
            countersigned: How he knows; None where he doesn't sign.
            folder: Where it is put on file, if not with the others.

        Returns:
            The payload's digest.

        Raises:
            MalformedError: No gateway would read it: what it says is not what its schema says.
        """
        statement = make_statement(
            kind,
            name,
            descriptor,
            content,
            seq=1,
            valid_from=self.begins,
            valid_until=self.ends,
            basis="inspected",
            interest="party",
            instrument=instrument,
        )
        try:
            parse_predicate(kind, statement.predicate)
        except MalformedError as error:
            raise MalformedError(f"`{kind}` of `{name}`: {error}") from error
        lines = [sign_envelope(statement.payload, self.people[RECORDS])]
        if countersigned is not None:
            counter = make_countersignature(
                statement,
                seq=1,
                valid_from=self.begins,
                valid_until=self.ends,
                basis=countersigned,
                interest="none",
            )
            lines.append(sign_envelope(counter.payload, self.people[POLICY]))
        place = self.places.statements if folder is None else folder
        (place / f"{statement.sha256}.jsonl").write_bytes(encode_lines(lines))
        return statement.sha256

    def api_key(self, workload: str, *, folder: Path | None = None) -> str:
        """An API key for a workload, with the statement that says so; returns the key."""
        short = workload.partition("/")[2]
        key = f"cm-{short}-{self._secret(f'api-key/{workload}').hex()[:32]}"
        secret_file(self.places.credentials / f"{short}.key", key)
        content = {"kind": "api-key", "sha256": hashlib.sha256(key.encode()).hexdigest()}
        self._credential(workload, content, folder)
        return key

    def signing_key(self, workload: str, *, folder: Path | None = None) -> PrivateKey:
        """A key that a workload signs its requests with, with the statement that says so."""
        short = workload.partition("/")[2]
        key = self.new_key(f"workload/{workload}", self.places.credentials / f"{short}.pem")
        self._credential(workload, {"kind": "key", "public": key.public.to_dict()}, folder)
        return key

    def _credential(self, workload: str, content: Mapping[str, Any], folder: Path | None) -> None:
        whole = {"workload": workload, "holders": list(ASKERS), "may_explain": True, **content}
        name = f"{workload.partition('/')[2]}-1"
        self.put("credential", workload, {"credential": name}, whole, countersigned=None, folder=folder)

    def keyed(self, selectors: Sequence[str]) -> dict[str, Any]:
        """Persons as an order names them: by keyed digest."""
        digests = [self._selectors.digest(selector)[SELECTOR_KEY_ID] for selector in selectors]
        return {"key_id": SELECTOR_KEY_ID, "hmac_sha256": digests}
