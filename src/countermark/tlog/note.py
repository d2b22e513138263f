"""Signed notes: text that one or more named keys have signed, one line each.

    — halden.example/gateway-1 <base64 of key id (4 bytes) and signature>

A key travels as a *vkey*, `name+hexkeyid+base64(type || public key)`. Only plain Ed25519 (type 0x01) is read here.
Lines of keys that the reader does not know are ignored, so that logs can rotate keys and witnesses can cosign; a line
of a known key that does not verify refuses the whole note.

Source: C2SP signed-note v1.0.0.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from countermark.errors import Base64Error, KeyTypeError, MalformedError, SignatureError, TooLargeError

ED25519 = 0x01
MAX_NOTE_BYTES = 1 << 19
"""Room for 64 signatures of 5 kB, the size of post-quantum ones."""
MAX_SIGNATURES = 64
"""C2SP asks readers for at least 16."""
_DASH = "\u2014 "


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """The public half of a key that signs notes.

    Attributes:
        name: Without spaces or `+`; a log's key is named like its origin.
        public: Ed25519 public key, 32 bytes.
    """

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """Four bytes that, with the name, find the key. A hint, short enough to be collided on purpose."""
        return sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """The text form that is handed to verifiers."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([ED25519]) + self.public)}"

    def verify(self, signature: bytes, text: bytes) -> None:
        """Check one signature over `text`.

        Raises:
            SignatureError: It is not this key's signature over this text.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError) as error:
            raise SignatureError(f"expected a signature of `{self.name}` that verifies") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSigner:
    """A key that signs notes. `sign` is a function, so that the key may lie in any key store.

    With `attestation`: `NoteSigner(name=origin, public=key.public.public, sign=key.sign)`, for an Ed25519 key.
    """

    name: str
    public: bytes
    sign: Callable[[bytes], bytes] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a name that could not be written into a note."""
        _check_name(self.name)

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> NoteSigner:
        """The signer of a raw Ed25519 private key of 32 bytes."""
        key = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(name=name, public=key.public_key().public_bytes_raw(), sign=key.sign)

    @classmethod
    def generate(cls, name: str) -> NoteSigner:
        """A fresh key that is kept nowhere, for tests and trials."""
        key = Ed25519PrivateKey.generate()
        return cls(name=name, public=key.public_key().public_bytes_raw(), sign=key.sign)

    @property
    def key(self) -> NoteKey:
        """The public half."""
        return NoteKey(name=self.name, public=self.public)

    @property
    def vkey(self) -> str:
        """The public half as text."""
        return self.key.vkey


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line. Says nothing until it was verified."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note as it was read; `signers` are the known keys that verified, empty where none was asked for.

    Attributes:
        text: Ends in a newline.
        signatures: All lines, also those of unknown keys.
    """

    text: str
    signatures: tuple[NoteSignature, ...]
    signers: tuple[NoteKey, ...] = ()


def parse_vkey(text: str) -> NoteKey:
    """Read a vkey.

    Raises:
        MalformedError: Not `name+keyid+base64`, or the id is not that of name and key.
        KeyTypeError: A key of another type than Ed25519 (0x01).
    """
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise MalformedError(f"expected a vkey like `name+keyid+base64`, got `{text[:80]}`")
    name, key_id, encoded = parts
    _check_name(name)
    blob = decode_base64(encoded)
    if not blob or blob[0] != ED25519:
        kind = f"0x{blob[0]:02x}" if blob else "none"
        raise KeyTypeError(f"expected an Ed25519 vkey (type 0x01), got type `{kind}` for `{name}`")
    if len(blob) != 33:
        raise MalformedError(f"expected a public key of 32 bytes, got {len(blob) - 1} for `{name}`")
    key = NoteKey(name=name, public=blob[1:])
    if key.key_id.hex() != key_id:
        raise MalformedError(f"expected key id `{key.key_id.hex()}` for `{name}`, got `{key_id[:20]}`")
    return key


def sign_note(text: str, *signers: NoteSigner) -> bytes:
    """Sign `text`, which ends in a newline, with each of `signers`.

    Raises:
        MalformedError: The text can't stand in a note.
    """
    _check_text(text)
    data = text.encode()
    lines = [
        f"{_DASH}{signer.name} {encode_base64(signer.key.key_id + signer.sign(data))}\n" for signer in signers
    ]
    return (text + "\n" + "".join(lines)).encode()


def parse_note(data: bytes) -> Note:
    """Take a note apart without verifying anything.

    Raises:
        TooLargeError: Over `MAX_NOTE_BYTES` or `MAX_SIGNATURES`.
        MalformedError: Not a note.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise TooLargeError(f"expected a note of at most {MAX_NOTE_BYTES} bytes, got {len(data)}")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"expected UTF-8 in a note, got a byte that isn't at {error.start}") from error
    # C2SP signed-note: the text ends at the *last* empty line
    cut = whole.rfind("\n\n")
    if cut < 0:
        raise MalformedError("expected an empty line between a note's text and its signatures")
    text, block = whole[: cut + 1], whole[cut + 2 :]
    _check_text(text)
    if not block.endswith("\n"):
        raise MalformedError("expected a newline after a note's last signature")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise TooLargeError(f"expected at most {MAX_SIGNATURES} signatures on a note, got {len(lines)}")
    return Note(text=text, signatures=tuple(_parse_line(line) for line in lines))


def open_note(data: bytes, keys: Iterable[NoteKey]) -> Note:
    """Read a note that at least one of `keys` has signed.

    Raises:
        MalformedError: Not a note.
        SignatureError: A known key's signature does not verify, or no known key has signed.
    """
    note = parse_note(data)
    known = {(key.name, key.key_id): key for key in keys}
    text = note.text.encode()
    signers: list[NoteKey] = []
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        key.verify(line.signature, text)
        if key not in signers:
            signers.append(key)
    if not signers:
        names = ", ".join(f"`{name}`" for name, _ in known) or "none"
        raise SignatureError(f"expected a signature of a known key ({names}), got none")
    return Note(text=note.text, signatures=note.signatures, signers=tuple(signers))


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Read standard base64; each value has one spelling.

    Raises:
        Base64Error: Another alphabet, missing padding, or bits left over.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise Base64Error(f"expected standard base64, got `{text[:60]}`") from error
    if encode_base64(data) != text:  # b64decode accepts non-zero bits in the last character
        raise Base64Error(f"expected canonical base64, got `{text[:60]}`")
    return data


def _parse_line(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise MalformedError(f"expected a signature line like `— name base64`, got `{line[:80]}`")
    _check_name(name)
    blob = decode_base64(encoded)
    if len(blob) < 5:
        raise MalformedError(f"expected a key id and a signature, got {len(blob)} bytes for `{name}`")
    return NoteSignature(name=name, key_id=blob[:4], signature=blob[4:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(each.isspace() or ord(each) < 0x20 for each in name):
        raise MalformedError(f"expected a key name without spaces and `+`, got `{name[:80]}`")


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise MalformedError("expected a note's text to end in a newline")
    if any(ord(each) < 0x20 and each != "\n" for each in text):
        raise MalformedError("expected a note without control characters")
