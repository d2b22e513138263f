"""Keys: Ed25519 and ECDSA P-256, identified by their public bytes.

A key verifies signatures of its own type only; nothing in a signature chooses the algorithm. Key ids are those of
securesystemslib, so that its tools verify what we sign; they are a hint, and equality of keys is equality of bytes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from countermark.errors import KeyTypeError, MalformedError, SettingsError, SignatureError, StoreError

ED25519: Final = "ed25519"
ECDSA_P256: Final = "ecdsa"
SCHEMES: Final[Mapping[str, str]] = {ED25519: "ed25519", ECDSA_P256: "ecdsa-sha2-nistp256"}
"""Key type to signature scheme, in securesystemslib's words: one scheme per type, so there is nothing to choose."""

MAX_KEY_FILE_BYTES: Final = 4096

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
# ordinate of the points of order 8: its square y^2 solves 2 y^2 = 1 - d y^4
_Y8 = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
# Ordinates of all points whose order divides 8; under such a key everybody can make signatures.
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _check_ed25519_point(public: bytes) -> None:
    """Refuse what is not the canonical encoding of a curve point of large order.

    OpenSSL takes any 32 bytes as a key, and verifies some signatures under small-order ones for every message.

    Source: RFC 8032, section 5.1.3.
    """
    y = int.from_bytes(public, "little") & ((1 << 255) - 1)
    if y >= _P:
        raise MalformedError("expected a canonical ed25519 key, got an ordinate over the field's prime")
    if y in _SMALL_ORDER_Y:
        raise MalformedError("expected an ed25519 key of large order, got one that anybody can sign for")
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(x_squared, (_P - 1) // 2, _P) != 1:
        raise MalformedError("expected an ed25519 key, got bytes that are no point of the curve")


@lru_cache(maxsize=4096)
def _load_public(keytype: str, public: bytes) -> Ed25519PublicKey | EllipticCurvePublicKey:
    if keytype == ED25519:
        if len(public) != 32:
            raise MalformedError(f"expected an ed25519 key of 32 bytes, got {len(public)}")
        _check_ed25519_point(public)
        return Ed25519PublicKey.from_public_bytes(public)
    if keytype == ECDSA_P256:
        if len(public) != 65 or public[0] != 4:
            raise MalformedError("expected a P-256 key as an uncompressed point of 65 bytes")
        try:
            return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), public)
        except ValueError as error:
            raise MalformedError("expected a P-256 key, got bytes that are no point of the curve") from error
    raise KeyTypeError(f"expected a key of type `{ED25519}` or `{ECDSA_P256}`, got `{keytype[:40]}`")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that is known to be well-formed.

    Attributes:
        keytype: `ed25519` or `ecdsa` (P-256 with SHA-256).
        public: Ed25519: the 32 bytes of RFC 8032. P-256: the uncompressed point, 65 bytes.

    Raises:
        KeyTypeError: Another type.
        MalformedError: Not a point of the curve, not its one encoding, or (Ed25519) of small order.
    """

    keytype: str
    public: bytes

    def __post_init__(self) -> None:
        _load_public(self.keytype, self.public)

    @property
    def keyid(self) -> str:
        """SHA-256 (64 hex digits) of the canonical JSON of type, scheme and key: securesystemslib's default id."""
        return _keyid(self.keytype, self.public)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check that this key made `signature` over `data`.

        Args:
            signature: Ed25519: 64 bytes. P-256: DER of the two integers (not their raw concatenation).

        Raises:
            SignatureError: It did not.
        """
        key = _load_public(self.keytype, self.public)
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, data)
            else:
                key.verify(signature, data, ECDSA(SHA256()))
        except InvalidSignature as error:
            raise SignatureError(f"expected a signature of key `{self.keyid[:16]}`") from error

    def to_dict(self) -> dict[str, Any]:
        """The form that securesystemslib, in-toto and TUF write: `{keytype, scheme, keyval: {public}}`."""
        return {
            "keytype": self.keytype,
            "scheme": SCHEMES[self.keytype],
            "keyval": {"public": _public_text(self.keytype, self.public)},
        }

    @staticmethod
    def from_dict(value: object) -> PublicKey:
        """Read what `to_dict` writes, in exactly that spelling.

        Raises:
            KeyTypeError: A type or scheme that is not accepted here.
            MalformedError: Unknown fields, another spelling of the key, or no key at all.
        """
        if not isinstance(value, Mapping) or set(value) != {"keytype", "scheme", "keyval"}:
            raise MalformedError("expected a key with exactly `keytype`, `scheme` and `keyval`")
        keytype, keyval = value["keytype"], value["keyval"]
        if not isinstance(keytype, str) or keytype not in SCHEMES or SCHEMES[keytype] != value["scheme"]:
            raise KeyTypeError(
                "expected a key of type and scheme `ed25519`/`ed25519` or `ecdsa`/`ecdsa-sha2-nistp256`, "
                f"got `{str(keytype)[:40]}`/`{str(value['scheme'])[:40]}`"
            )
        if (
            not isinstance(keyval, Mapping)
            or set(keyval) != {"public"}
            or not isinstance(keyval["public"], str)
        ):
            raise MalformedError("expected `keyval` with exactly `public`, a text")
        key = PublicKey(keytype, _public_bytes(keytype, keyval["public"]))
        if _public_text(key.keytype, key.public) != keyval["public"]:  # one key, one spelling, one key id
            raise MalformedError(
                "expected the key in its one spelling (lower-case hex, or PEM in 64 columns)"
            )
        return key


def _public_text(keytype: str, public: bytes) -> str:
    if keytype == ED25519:
        return public.hex()
    pem = _load_public(keytype, public).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode("ascii")


def _public_bytes(keytype: str, text: str) -> bytes:
    if keytype == ED25519:
        try:
            return bytes.fromhex(text)
        except ValueError as error:
            raise MalformedError("expected an ed25519 key as 64 hex digits") from error
    try:
        key = load_pem_public_key(text.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError("expected a P-256 key in PEM (`BEGIN PUBLIC KEY`)") from error
    return _from_crypto(key).public


def _from_crypto(key: object) -> PublicKey:
    if isinstance(key, Ed25519PublicKey):
        return PublicKey(ED25519, key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return PublicKey(ECDSA_P256, key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    raise KeyTypeError(f"expected an ed25519 or P-256 key, got {type(key).__name__}")


@lru_cache(maxsize=4096)
def _keyid(keytype: str, public: bytes) -> str:
    # securesystemslib hashes OLPC canonical JSON: keys sorted, no whitespace, line breaks of a PEM stand as they are
    text = _public_text(keytype, public)
    spelled = f'{{"keytype":"{keytype}","keyval":{{"public":"{text}"}},"scheme":"{SCHEMES[keytype]}"}}'
    return hashlib.sha256(spelled.encode("ascii")).hexdigest()


class PrivateKey:
    """A signing key. Its `repr` shows the id of its public half only."""

    __slots__ = ("_key", "public")

    public: PublicKey

    def __init__(self, key: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = _from_crypto(key.public_key())

    def __repr__(self) -> str:
        return f"PrivateKey(keyid={self.public.keyid[:16]}…)"

    @staticmethod
    def generate(keytype: str = ED25519) -> PrivateKey:
        """Make a new key from the machine's random source.

        Raises:
            KeyTypeError: Neither `ed25519` nor `ecdsa`.
        """
        return PrivateKey.from_seed(os.urandom(32), keytype)

    @staticmethod
    def from_seed(seed: bytes, keytype: str = ED25519) -> PrivateKey:
        """Make the key that belongs to a secret of 32 bytes; the same seed always gives the same key.

        Raises:
            KeyTypeError: Neither `ed25519` nor `ecdsa`.
            MalformedError: Not 32 bytes.
        """
        if len(seed) != 32:
            raise MalformedError(f"expected a seed of 32 bytes, got {len(seed)}")
        if keytype == ED25519:
            return PrivateKey(Ed25519PrivateKey.from_private_bytes(seed))
        if keytype == ECDSA_P256:
            # 512 bits reduced: the scalar's bias is below 2^-256 (FIPS 186-5, A.2.1)
            scalar = int.from_bytes(hashlib.sha512(b"countermark P-256 seed\n" + seed).digest(), "big")
            return PrivateKey(derive_private_key(scalar % (_P256_ORDER - 1) + 1, SECP256R1()))
        raise KeyTypeError(f"expected a key of type `{ED25519}` or `{ECDSA_P256}`, got `{keytype[:40]}`")

    def sign(self, data: bytes) -> bytes:
        """Sign `data`: 64 bytes for Ed25519, DER for P-256 (deterministic where the library can: RFC 6979)."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(data)
        try:
            return self._key.sign(data, ECDSA(SHA256(), deterministic_signing=True))
        except UnsupportedAlgorithm:
            return self._key.sign(data, ECDSA(SHA256()))

    def save(self, path: Path) -> None:
        """Write the key as PEM (PKCS #8), readable by its owner alone.

        Raises:
            StoreError: The file exists (a key is never overwritten), or can't be written.
        """
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError as error:
            raise StoreError(f"expected no file `{path}`: a key is never overwritten") from error
        except OSError as error:
            raise StoreError(f"expected to write the key `{path}`: {error.strerror}") from error

    @staticmethod
    def load(path: Path) -> PrivateKey:
        """Read a key that `save` wrote.

        Raises:
            SettingsError: No such file, or others than its owner may read it.
            MalformedError: Not an unencrypted private key in PEM.
            KeyTypeError: A key of another type.
        """
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode  # of the file that is read, not of the name
                if stat.S_IMODE(mode) & 0o077:
                    raise SettingsError(
                        f"expected mode 0600 on the key `{path}`, got {stat.S_IMODE(mode):04o}: "
                        f"run `chmod 600 {path}`"
                    )
                pem = file.read(MAX_KEY_FILE_BYTES + 1)
        except OSError as error:
            raise SettingsError(f"expected a readable key file `{path}`: {error.strerror}") from error
        try:
            if len(pem) > MAX_KEY_FILE_BYTES:
                raise ValueError("too large")
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise MalformedError(f"expected an unencrypted private key in PEM in `{path}`") from error
        if not isinstance(key, Ed25519PrivateKey | EllipticCurvePrivateKey):
            raise KeyTypeError(f"expected an ed25519 or P-256 key in `{path}`, got {type(key).__name__}")
        return PrivateKey(key)
