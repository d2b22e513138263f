"""Key files as people hand them round: `NAME.pem` stays where it was made, `NAME.pub.json` may go anywhere."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any, Final

from countermark.attestation.keys import PrivateKey, PublicKey
from countermark.cli.signing import read_file, write_new
from countermark.errors import MalformedError, SettingsError
from countermark.strictjson import parse_object

PUBLIC_ENDING: Final = ".pub.json"
MAX_PUBLIC_BYTES: Final = 16 << 10


def public_file(private: Path) -> Path:
    """Where the public half of a private key's file lies: beside it."""
    return private.with_name(private.name.removesuffix(".pem") + PUBLIC_ENDING)


def encode_public(name: str, key: PublicKey) -> bytes:
    """A public key with a name that people know it by, and its id."""
    return json.dumps({"name": name, "keyid": key.keyid, "key": key.to_dict()}, indent=1).encode() + b"\n"


def read_public(path: Path) -> PublicKey:
    """Read a public key: what `keys new` wrote, securesystemslib's own form, or the public half of a private key.

    Raises:
        SettingsError: No such file, or a private key that others can read.
        MalformedError: Not a public key, or its id is another key's.
        KeyTypeError: A key of another type.
    """
    if path.name.endswith(".pem"):
        return PrivateKey.load(path).public
    data = read_file(path)
    try:
        document = parse_object(data, max_bytes=MAX_PUBLIC_BYTES)
        key = PublicKey.from_dict(document.get("key", document))
    except MalformedError as error:
        raise MalformedError(f"expected a public key in `{path}`: {error}") from error
    if document.get("keyid", key.keyid) != key.keyid:
        raise MalformedError(f"expected the key id `{key.keyid}` in `{path}`, got another one")
    return key


def new_key(path: Path, name: str, *, keytype: str = "ed25519") -> PrivateKey:
    """Make a key: the private half to `path` (0600), the public half beside it. Overwrites neither.

    Raises:
        SettingsError: The public file exists or can't be written.
        StoreError: The private file does.
    """
    public = public_file(path)
    if public.exists():
        raise SettingsError(f"expected no file `{public}`: a key is never overwritten")
    key = PrivateKey.generate(keytype)
    path.parent.mkdir(parents=True, exist_ok=True)
    key.save(path)
    write_new(public, encode_public(name, key.public))
    return key


def new_secret(path: Path) -> None:
    """Write 32 random bytes as hex digits to a new file of mode 0600.

    Raises:
        SettingsError: The file exists, or can't be written.
    """
    write_private(path, secrets.token_bytes(32).hex() + "\n")


def write_private(path: Path, text: str) -> None:
    """Write a secret to a new file that only its owner can read.

    Raises:
        SettingsError: The file exists, or can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text)
    except FileExistsError as error:
        raise SettingsError(f"expected no file `{path}`: a secret is never overwritten") from error
    except OSError as error:
        raise SettingsError(f"expected to write `{path}`: {error.strerror}") from error


def public_document(key: PublicKey) -> dict[str, Any]:
    """What `keys show --json` says of a public key."""
    return {"keyid": key.keyid, "type": key.keytype, "key": key.to_dict()}
