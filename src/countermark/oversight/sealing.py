"""Held content is encrypted at rest, with a key that is never in the database.

A stolen or backed-up `state.sqlite` shows that something was held, for whom and on which clauses, and not what it
said. AES-256-GCM with a random nonce; hold id and action digest are bound in, so that one hold's content cannot be
put under another's.

Source: NIST SP 800-38D (random 96-bit nonces: fewer than 2^32 holds per key).
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from countermark.errors import SealError, SettingsError

_VERSION = b"\x01"
_NONCE_BYTES = 12
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldKey:
    """The key that held content is sealed with: `keys/hold.key`, 64 hex digits and a newline, mode 0600."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise SettingsError(f"expected a hold key of {_KEY_BYTES} bytes, got {len(self.secret)}")

    @classmethod
    def generate(cls) -> HoldKey:
        """Make a new key from the system's random source."""
        return cls(secret=secrets.token_bytes(_KEY_BYTES))

    @classmethod
    def load(cls, path: Path) -> HoldKey:
        """Read a key file.

        Raises:
            SettingsError: Missing, readable by group or others, or not a key.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"expected a hold key in `{path}`: {error}") from error
        if mode & 0o077:
            raise SettingsError(f"expected mode 0600 of `{path}`, got {mode:04o}: chmod 600 it")
        try:
            return cls(secret=bytes.fromhex(text.strip()))
        except ValueError as error:
            raise SettingsError(f"expected 64 hex digits in `{path}`") from error

    def save(self, path: Path) -> None:
        """Write the key to a new file of mode 0600.

        Raises:
            SettingsError: The file exists (overwriting it would lose what is held) or cannot be written.
        """
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(self.secret.hex() + "\n")
        except OSError as error:
            raise SettingsError(f"expected to write a new hold key to `{path}`: {error}") from error


def _bound(hold_id: str, action_digest: str) -> bytes:
    return f"countermark hold v1\n{hold_id}\n{action_digest}\n".encode()


def seal(plain: bytes, *, key: HoldKey, hold_id: str, action_digest: str) -> bytes:
    """Encrypt the content of one hold: version byte, nonce, ciphertext with tag."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _VERSION + nonce + AESGCM(key.secret).encrypt(nonce, plain, _bound(hold_id, action_digest))


def unseal(sealed: bytes, *, key: HoldKey, hold_id: str, action_digest: str) -> bytes:
    """Decrypt what `seal` made for the same hold.

    Raises:
        SealError: Another key, another hold, another version, or changed bytes.
    """
    if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_BYTES + 16:
        raise SealError(f"expected sealed content of version 1 for hold `{hold_id}`")
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return AESGCM(key.secret).decrypt(nonce, body, _bound(hold_id, action_digest))
    except InvalidTag as error:
        raise SealError(
            f"expected the key that hold `{hold_id}` was sealed with, and its bytes unchanged"
        ) from error
