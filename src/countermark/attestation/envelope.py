"""The envelope around everything that is signed: DSSE, with k-of-n over distinct public keys.

A key id is a hint that may save work. A signature with a wrong key id, or with none, counts all the same when a
trusted key made it; and two signatures count as two only when two different public keys made them.

Source: secure-systems-lab/dsse, protocol.md and envelope.md v1.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from countermark.attestation.canonical import canonical_json
from countermark.attestation.keys import PrivateKey, PublicKey
from countermark.errors import Base64Error, MalformedError, QuorumError, SignatureError, TooLargeError
from countermark.strictjson import parse_object

IN_TOTO: Final = "application/vnd.in-toto+json"
MAX_ENVELOPE_BYTES: Final = 1 << 20
MAX_SIGNATURES: Final = 32
MAX_SIGNATURE_BYTES: Final = 1024
MAX_NAME_BYTES: Final = 255
"""Bound of payload types and key ids."""
MAX_LINES: Final = 64
"""Envelopes in one statement file."""
MAX_FILE_BYTES: Final = 4 << 20

_STANDARD = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]*={0,2}", re.ASCII)


def decode_base64(text: str) -> bytes:
    """Read base64 in the standard or the URL-safe alphabet, padded, never both alphabets in one text.

    Raises:
        Base64Error: A foreign character, missing padding, mixed alphabets, or bits set after the last byte: there is
            one spelling of each byte string in each alphabet.

    Source: RFC 4648, sections 3.5, 4 and 5; DSSE protocol.md: "verifiers MUST accept either".
    """
    if len(text) % 4 != 0:
        raise Base64Error("expected base64 padded to a multiple of 4 characters")
    if _STANDARD.fullmatch(text):
        altchars = b"+/"
    elif _URL_SAFE.fullmatch(text):
        altchars = b"-_"
    else:
        raise Base64Error("expected base64 in one alphabet, standard or URL-safe")
    try:
        data = base64.b64decode(text, altchars, validate=True)
    except binascii.Error as error:
        raise Base64Error("expected base64 with its padding at the end") from error
    if base64.b64encode(data, altchars).decode("ascii") != text:
        raise Base64Error("expected base64 whose last character carries no spare bits")
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature of an envelope.

    Attributes:
        keyid: Whose it claims to be; empty where it doesn't say. Never used to decide anything.
        sig: The signature's bytes.
    """

    keyid: str
    sig: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload and who signed it. Nothing in it is trusted before `verify_envelope`."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


def pae(payload_type: str, body: bytes) -> bytes:
    """The bytes that are signed: type and body, each with its length before it.

    Source: DSSE protocol.md, "Signature Definition" (Pre-Authentication Encoding).
    """
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"expected `{what}` to be a text")
    return value


def _short_text(value: object, what: str) -> str:
    text = _text(value, what)
    if len(text.encode()) > MAX_NAME_BYTES:
        raise TooLargeError(f"expected `{what}` of at most {MAX_NAME_BYTES} bytes")
    return text


def _signature(value: object) -> Signature:
    if not isinstance(value, dict) or "sig" not in value:
        raise MalformedError("expected each signature to be an object with `sig`")
    sig = decode_base64(_text(value["sig"], "sig"))
    if len(sig) > MAX_SIGNATURE_BYTES:
        raise TooLargeError(f"expected a signature of at most {MAX_SIGNATURE_BYTES} bytes, got {len(sig)}")
    return Signature(keyid=_short_text(value.get("keyid", ""), "keyid"), sig=sig)


def parse_envelope(data: bytes, *, max_bytes: int = MAX_ENVELOPE_BYTES) -> Envelope:
    """Read one envelope. Fields that DSSE doesn't name are ignored, as it demands.

    Raises:
        TooLargeError: Over `max_bytes`, over 32 signatures, or a signature, type or key id over its limit.
        Base64Error: Payload or signature in no accepted spelling.
        MalformedError: Anything else that is no envelope (DuplicateKeyError where a key stands twice).
    """
    value = parse_object(data, max_bytes=max_bytes)
    for field in ("payload", "payloadType", "signatures"):
        if field not in value:
            raise MalformedError(f"expected an envelope with `{field}`")
    signatures = value["signatures"]
    if not isinstance(signatures, list):
        raise MalformedError("expected `signatures` to be a list")
    if len(signatures) > MAX_SIGNATURES:
        raise TooLargeError(f"expected at most {MAX_SIGNATURES} signatures, got {len(signatures)}")
    return Envelope(
        payload=decode_base64(_text(value["payload"], "payload")),
        payload_type=_short_text(value["payloadType"], "payloadType"),
        signatures=tuple(_signature(item) for item in signatures),
    )


def encode_envelope(envelope: Envelope) -> bytes:
    """Write an envelope as one line of canonical JSON, without a line break; standard base64."""
    return canonical_json(
        {
            "payload": base64.b64encode(envelope.payload).decode("ascii"),
            "payloadType": envelope.payload_type,
            "signatures": [
                # DSSE: an unset key id and an empty one are the same; we leave it out
                ({"keyid": item.keyid} if item.keyid else {})
                | {"sig": base64.b64encode(item.sig).decode("ascii")}
                for item in envelope.signatures
            ],
        }
    )


def sign_envelope(payload: bytes, *keys: PrivateKey, payload_type: str = IN_TOTO) -> Envelope:
    """Wrap `payload` with one signature of each key."""
    envelope = Envelope(payload=payload, payload_type=payload_type, signatures=())
    for key in keys:
        envelope = add_signature(envelope, key)
    return envelope


def add_signature(envelope: Envelope, key: PrivateKey) -> Envelope:
    """Sign `envelope` with one more key; unchanged where that key has signed it already.

    Raises:
        TooLargeError: It has 32 signatures already.
    """
    if key.public in signers_of(envelope, [key.public]):
        return envelope
    if len(envelope.signatures) >= MAX_SIGNATURES:
        raise TooLargeError(f"expected at most {MAX_SIGNATURES} signatures")
    made = Signature(keyid=key.public.keyid, sig=key.sign(pae(envelope.payload_type, envelope.payload)))
    return replace(envelope, signatures=(*envelope.signatures, made))


def signers_of(envelope: Envelope, keys: Iterable[PublicKey]) -> frozenset[PublicKey]:
    """Which of `keys` have signed `envelope`; signatures that none of them made are passed over."""
    signed = pae(envelope.payload_type, envelope.payload)
    waiting = dict.fromkeys(keys)  # distinct public keys, in a fixed order
    found: set[PublicKey] = set()
    for signature in dict.fromkeys(envelope.signatures):
        # the hint first: then an honest envelope costs one verification per signature
        for key in sorted(waiting, key=lambda key: key.keyid != signature.keyid):
            try:
                key.verify(signature.sig, signed)
            except SignatureError:
                continue
            found.add(key)
            del waiting[key]
            break
    return frozenset(found)


def verify_envelope(
    envelope: Envelope, keys: Iterable[PublicKey], threshold: int = 1
) -> frozenset[PublicKey]:
    """Check that at least `threshold` distinct keys of `keys` signed `envelope`.

    Returns:
        All keys of `keys` that signed it, also those over the threshold.

    Raises:
        QuorumError: Fewer did, or the threshold is below 1.
    """
    if threshold < 1:
        raise QuorumError(f"expected a threshold of at least 1, got {threshold}")
    found = signers_of(envelope, keys)
    if len(found) < threshold:
        raise QuorumError(f"expected signatures of {threshold} trusted keys, got {len(found)}")
    return found


def read_lines(data: bytes) -> list[bytes]:
    """The envelopes of a statement file (JSON Lines); empty lines are left out.

    Raises:
        TooLargeError: Over 4 MiB, or over 64 envelopes.

    Source: in-toto attestation, bundle.md.
    """
    if len(data) > MAX_FILE_BYTES:
        raise TooLargeError(f"expected a statement file of at most {MAX_FILE_BYTES} bytes, got {len(data)}")
    lines = [line for line in data.replace(b"\r\n", b"\n").split(b"\n") if line.strip()]
    if len(lines) > MAX_LINES:
        raise TooLargeError(f"expected at most {MAX_LINES} envelopes in a file, got {len(lines)}")
    return lines


def encode_lines(envelopes: Sequence[Envelope]) -> bytes:
    """Write a statement file: one envelope a line, the statement first, then the countersignatures about it."""
    return b"".join(encode_envelope(envelope) + b"\n" for envelope in envelopes)
