"""A gateway's working folder, made: settings, secrets, bundle, and for one side alone everything that it signs.

Nothing is half there: the folder is made beside its place and put there whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from countermark.app import KEY_DIGEST, KEY_GATEWAY, KEY_HOLD, SELECTOR_KEYS
from countermark.attestation.envelope import encode_envelope, encode_lines, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.trust_root import TrustRoot, draft_trust_root, make_trust_root
from countermark.cli.key_files import new_key, new_secret
from countermark.cli.own_bundle import UPSTREAM, Names, duty_officer, role_stem, write_bundle
from countermark.config import SETTINGS_FILE, SETTINGS_TEMPLATE
from countermark.errors import SettingsError
from countermark.oversight.sealing import HoldKey
from countermark.policy.approval import make_bundle_approval
from countermark.policy.bundle import Bundle
from countermark.policy.shipped import shipped_bundle

ROOT_DAYS: Final = 365
APPROVAL_DAYS: Final = 90
"""A bundle is approved for this long at `init`; then its side looks at it again."""
PEOPLE: Final = "people"
"""Keys of people, where `init` made them. They belong on other machines; a gateway never reads them."""
EVIDENCE: Final = ("credential", "deployment", "purpose", "legal-basis", "engagement", "oversight", "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """How the gateway logs in to the model's server: one of both, or neither where it needs no key."""

    key_env: str | None
    key_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """One side that stands alone.

    Attributes:
        name: Of the trust root, for ever.
        party: The side; also the party that uses the model and runs the gateway.
        persons: The first keeps the records; each may make statements and, where they did not ask, approve.
    """

    name: str
    party: str
    persons: Sequence[str]
    names: Names
    gateway: str
    port: int
    upstream: Upstream


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, put at `folder` in one step when the block ends well, and gone when it doesn't.

    Raises:
        SettingsError: Something is at `folder` already, or it can't be made.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"expected no folder `{folder}`, or an empty one: nothing is overwritten")
    beside = folder.resolve().with_name(f".{folder.resolve().name}.new")
    try:
        beside.mkdir(parents=True)
    except OSError as error:
        raise SettingsError(f"expected to make the folder `{beside}`: {error.strerror}") from error
    try:
        yield beside
        beside.rename(folder.resolve())
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def write_settings(folder: Path, *, gateway: str, port: int, upstream: Upstream) -> None:
    """Write the commented settings, with the upstream's login where one is given."""
    text = SETTINGS_TEMPLATE.format(gateway=gateway, port=port)
    if upstream.key_env is not None:
        text += f'\n[upstreams.{UPSTREAM}]\nkey_env = "{upstream.key_env}"\n'
    elif upstream.key_file is not None:
        text += f"\n[upstreams.{UPSTREAM}]\nkey_file = {json.dumps(str(upstream.key_file.resolve()))}\n"
    (folder / SETTINGS_FILE).write_text(text)


def write_secrets(folder: Path, *, gateway: str, party: str) -> PrivateKey:
    """Make the gateway's own secrets in `keys/`; returns its signing key."""
    keys = folder / "keys"
    for each in (keys, keys / SELECTOR_KEYS, folder / "statements", folder / "log"):
        each.mkdir(parents=True, exist_ok=True)
    keys.chmod(0o700)
    key = new_key(keys / KEY_GATEWAY, gateway)
    HoldKey.generate().save(keys / KEY_HOLD)
    new_secret(keys / KEY_DIGEST)
    new_secret(keys / SELECTOR_KEYS / f"{party[:50]}-1")
    return key


def _alone_content(
    alone: Alone, gateway: PrivateKey, people: dict[str, PrivateKey], side: PrivateKey
) -> dict[str, Any]:
    party, subjects = alone.party, [f"{alone.party}/*"]
    keys = [gateway, side, *people.values()]
    roles = {
        f"{role_stem(party)}_records": [{"predicate": each, "subjects": subjects} for each in EVIDENCE],
        duty_officer(party): [{"predicate": "approval", "subjects": subjects}],
    }
    return {
        "version": 1,
        "parties": {party: {"title": party.capitalize()}},
        "keys": {key.public.keyid: key.public.to_dict() for key in keys},
        "persons": {
            name: {"party": party, "title": f"signs for {party.capitalize()}", "keys": [key.public.keyid]}
            for name, key in people.items()
        },
        "sides": {party: {"threshold": 1, "keys": [side.public.keyid]}},
        "roles": {
            role: {"party": party, "persons": list(people), "threshold": 1, "makes": makes}
            for role, makes in roles.items()
        },
        "gateways": {alone.gateway: {"runner": party, "key": gateway.public.keyid}},
        "upstream_key_held_by": [party],
    }


def make_alone(folder: Path, alone: Alone, *, now: datetime) -> tuple[TrustRoot, Bundle]:
    """Make the working folder of one side that stands alone: everything in force, nothing above its own word.

    Raises:
        SettingsError: The folder isn't empty, or can't be written.
        MalformedError: A name that a trust root can't hold.
        BundleError: A name or address that a bundle can't hold.
    """
    with whole_folder(folder) as made:
        gateway = write_secrets(made, gateway=alone.gateway, party=alone.party)
        people = {name: new_key(made / PEOPLE / f"{name}.pem", name) for name in alone.persons}
        side_name = f"{alone.party}-side"
        side = new_key(made / PEOPLE / f"{side_name}.pem", side_name)
        (made / PEOPLE).chmod(0o700)
        statement = make_trust_root(
            alone.name,
            _alone_content(alone, gateway, people, side),
            valid_from=now,
            valid_until=now + timedelta(days=ROOT_DAYS),
        )
        signed = encode_envelope(sign_envelope(statement.payload, side))
        (made / "trust-root.json").write_bytes(signed)
        bundle = write_bundle(shipped_bundle("solo"), made / "bundle", alone.names, now=now)
        approval = make_bundle_approval(
            bundle,
            seq=int(now.timestamp()),
            valid_from=now,
            valid_until=now + timedelta(days=APPROVAL_DAYS),
        )
        (made / "bundle-approval.jsonl").write_bytes(encode_lines([sign_envelope(approval.payload, side)]))
        write_settings(made, gateway=alone.gateway, port=alone.port, upstream=alone.upstream)
    return draft_trust_root(statement), bundle
