"""Envelopes: strict base64, limits, and k of n over distinct public keys."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from attestation_world import KEYS

from countermark.attestation.envelope import (
    Envelope,
    Signature,
    add_signature,
    decode_base64,
    encode_envelope,
    pae,
    parse_envelope,
    read_lines,
    sign_envelope,
    verify_envelope,
)
from countermark.errors import (
    Base64Error,
    CountermarkError,
    DuplicateKeyError,
    MalformedError,
    QuorumError,
    TooLargeError,
)

BASE64 = {
    "AA==": b"\0",
    "AAA=": b"\0\0",
    "": b"",
    "+/+/": b"\xfb\xff\xbf",
    "-_-_": b"\xfb\xff\xbf",
}


@pytest.mark.parametrize("text", BASE64)
def test_both_alphabets_are_read(text: str) -> None:
    """DSSE: verifiers MUST accept either."""
    assert decode_base64(text) == BASE64[text]


@pytest.mark.parametrize(
    "text",
    ["AA", "AAA", "A", "AB==", "AAB=", "+-+/", "_/AA", "AA=A", "A===", "====", "AA==AA==", "AA\n==", " AAA", "AAAé",
     "AA==\n", "AA\u0661="],
)  # fmt: skip
def test_any_other_spelling_is_refused(text: str) -> None:
    """No missing padding, spare bits, mixed alphabets, white space or foreign characters."""
    with pytest.raises(Base64Error):
        decode_base64(text)


def test_the_signed_bytes_count_bytes_and_not_characters() -> None:
    """PAE lengths are those of the UTF-8 bytes."""
    assert pae("tÿpe", b"") == b"DSSEv1 5 t\xc3\xbfpe 0 "


def envelope(**changes: Any) -> bytes:
    value = {"payload": "AA==", "payloadType": "t", "signatures": [{"sig": ""}], **changes}
    return json.dumps({name: item for name, item in value.items() if item is not ...}).encode()


BAD: dict[str, tuple[bytes, type[CountermarkError]]] = {
    "no JSON": (b"payload", MalformedError),
    "a list": (b"[]", MalformedError),
    "two values": (envelope() + envelope(), MalformedError),
    "no payload": (envelope(payload=...), MalformedError),
    "no payload type": (envelope(payloadType=...), MalformedError),
    "no signatures": (envelope(signatures=...), MalformedError),
    "payload that is no text": (envelope(payload=1), MalformedError),
    "payload type that is no text": (envelope(payloadType=None), MalformedError),
    "signatures that are no list": (envelope(signatures={}), MalformedError),
    "signature that is no object": (envelope(signatures=["x"]), MalformedError),
    "signature without `sig`": (envelope(signatures=[{"keyid": "x"}]), MalformedError),
    "key id that is no text": (envelope(signatures=[{"keyid": None, "sig": ""}]), MalformedError),
    "payload in no base64": (envelope(payload="A"), Base64Error),
    "33 signatures": (envelope(signatures=[{"sig": ""}] * 33), TooLargeError),
    "a signature over its limit": (
        envelope(signatures=[{"sig": base64.b64encode(b"x" * 1025).decode()}]),
        TooLargeError,
    ),
    "a key id over its limit": (envelope(signatures=[{"keyid": "x" * 256, "sig": ""}]), TooLargeError),
    "a payload type over its limit": (envelope(payloadType="x" * 256), TooLargeError),
    "over 1 MiB": (envelope(payload="A" * (1 << 20)), TooLargeError),
    "a key twice": (b'{"payload":"","payload":"","payloadType":"t","signatures":[]}', DuplicateKeyError),
    "a key twice in a signature": (
        b'{"payload":"","payloadType":"t","signatures":[{"sig":"","sig":""}]}',
        DuplicateKeyError,
    ),
    "nested too deep": (envelope(note=json.loads("[" * 80 + "]" * 80)), TooLargeError),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_envelope_is_a_typed_error(case: str) -> None:
    """Every way to be malformed has its class."""
    data, error = BAD[case]
    with pytest.raises(error) as caught:
        parse_envelope(data)
    assert type(caught.value) is error


def test_a_signature_may_be_empty_and_then_nobody_made_it() -> None:
    """DSSE: `sig` is required even if empty."""
    parsed = parse_envelope(envelope())
    assert parsed.signatures == (Signature(keyid="", sig=b""),)
    with pytest.raises(QuorumError):
        verify_envelope(parsed, [KEYS["ada"].public, KEYS["dua"].public])


def test_more_signers_than_needed_are_all_named() -> None:
    """The result is the whole set of trusted signers, not the first k."""
    signed = sign_envelope(b"x", KEYS["ada"], KEYS["dua"], KEYS["stranger"])
    trusted = [KEYS[name].public for name in ("ada", "ben", "dua")]
    assert verify_envelope(signed, trusted, 1) == {KEYS["ada"].public, KEYS["dua"].public}
    assert verify_envelope(signed, trusted * 3, 2) == {KEYS["ada"].public, KEYS["dua"].public}
    with pytest.raises(QuorumError, match="3 trusted keys, got 2"):
        verify_envelope(signed, trusted, 3)


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_below_one_is_no_threshold(threshold: int) -> None:
    """Zero of n would be reached by an unsigned envelope."""
    with pytest.raises(QuorumError):
        verify_envelope(sign_envelope(b"x"), [KEYS["ada"].public], threshold)


def test_one_key_counts_once_however_often_and_under_whichever_id_it_signs() -> None:
    """P-256 gives a key many valid signatures of the same bytes; they are one signer."""
    key = KEYS["dua"]
    data = pae("t", b"x")
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    assert not isinstance(key._key, type(KEYS["ada"]._key))
    many = [key._key.sign(data, ECDSA(SHA256())) for _ in range(5)]  # type: ignore[call-arg]
    assert len(set(many)) == 5
    spread = Envelope(
        payload=b"x",
        payload_type="t",
        signatures=tuple(
            Signature(keyid=KEYS[name].public.keyid, sig=sig) for name, sig in zip(KEYS, many, strict=False)
        ),
    )
    trusted = [item.public for item in KEYS.values()]
    assert verify_envelope(spread, trusted) == {key.public}
    with pytest.raises(QuorumError):
        verify_envelope(spread, trusted, 2)


def test_signing_twice_with_one_key_changes_nothing() -> None:
    """`add_signature` adds a signer or leaves the envelope as it is."""
    once = sign_envelope(b"x", KEYS["ada"])
    assert add_signature(once, KEYS["ada"]) is once
    twice = add_signature(once, KEYS["dua"])
    assert len(twice.signatures) == 2
    assert add_signature(twice, KEYS["dua"]) is twice


def test_a_full_envelope_takes_no_more_signatures() -> None:
    """32 is the limit for writers too."""
    full = Envelope(payload=b"x", payload_type="t", signatures=(Signature(keyid="", sig=b""),) * 32)
    parse_envelope(encode_envelope(full))
    with pytest.raises(TooLargeError):
        add_signature(full, KEYS["ada"])


def test_a_statement_file_is_read_line_by_line() -> None:
    """Empty lines and CR LF don't matter; too much does."""
    assert read_lines(b"a\n\n b\r\n") == [b"a", b" b"]
    assert read_lines(b"") == []
    with pytest.raises(TooLargeError):
        read_lines(b"x\n" * 65)
    with pytest.raises(TooLargeError):
        read_lines(b"x" * ((4 << 20) + 1))
