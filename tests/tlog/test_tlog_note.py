"""Signed notes and checkpoints, with the specification's own examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.errors import CheckpointError, KeyTypeError, MalformedError, SignatureError, TooLargeError
from countermark.tlog.checkpoint import (
    Checkpoint,
    parse_body,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from countermark.tlog.note import (
    MAX_NOTE_BYTES,
    NoteSigner,
    decode_base64,
    encode_base64,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)

ORIGIN = "halden.example/gateway-1"
KEY = NoteSigner.from_seed(ORIGIN, bytes(range(32)))
OTHER = NoteSigner.from_seed("brightwater.example/witness", bytes(range(1, 33)))
# golang.org/x/mod/sumdb/note, example_test.go
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()


def test_a_note_made_by_the_go_implementation_opens() -> None:
    """The note and key of the origin implementation's documentation verify, and its vkey is written back the same."""
    key = parse_vkey(GO_VKEY)
    assert key.vkey == GO_VKEY
    assert open_note(GO_NOTE, [key]).signers == (key,)


def test_what_is_signed_opens() -> None:
    """open(sign(text)) gives the text and every known signer."""
    data = sign_note("one\n\ntwo\n", KEY, OTHER)
    note = open_note(data, [KEY.key, OTHER.key])
    assert note.text == "one\n\ntwo\n"
    assert note.signers == (KEY.key, OTHER.key)


def test_unknown_keys_are_ignored() -> None:
    """A line of a key that the reader does not know neither helps nor harms."""
    data = sign_note("text\n", KEY, OTHER)
    assert open_note(data, [KEY.key]).signers == (KEY.key,)
    forged = data + "— unknown AAAAAAAA\n".encode()
    assert open_note(forged, [KEY.key]).signers == (KEY.key,)
    with pytest.raises(SignatureError, match="got none"):
        open_note(sign_note("text\n", OTHER), [KEY.key])


def test_a_key_with_the_same_name_is_another_key() -> None:
    """Name and id together find a key: a namesake's signature is ignored, and does not count."""
    namesake = NoteSigner.from_seed(ORIGIN, bytes(32))
    with pytest.raises(SignatureError, match="known key"):
        open_note(sign_note("text\n", namesake), [KEY.key])


def test_a_bad_signature_of_a_known_key_refuses_the_note() -> None:
    """One good signature does not save a note on which another known key's fails."""
    good = sign_note("text\n", KEY)
    bad = f"— {OTHER.name} {encode_base64(OTHER.key.key_id + bytes(64))}\n".encode()
    with pytest.raises(SignatureError, match="brightwater"):
        open_note(good + bad, [KEY.key, OTHER.key])
    assert open_note(good + bad, [KEY.key]).signers == (KEY.key,)


@given(st.data())
def test_any_flipped_bit_of_a_note_is_refused(data: st.DataObject) -> None:
    """Whatever bit changes, in text or signature, the note does not open."""
    signed = bytearray(sign_note("halden\n7\n", KEY))
    bit = data.draw(st.integers(0, 8 * len(signed) - 1))
    signed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((MalformedError, SignatureError)):
        open_note(bytes(signed), [KEY.key])


MALFORMED_NOTES = {
    "no empty line": b"text\n",
    "no signature": b"text\n\n",
    "no newline at the end": sign_note("text\n", KEY)[:-1],
    "a control character": sign_note("text\n", KEY).replace(b"text", b"te\tt"),
    "a carriage return": sign_note("text\n", KEY).replace(b"text\n", b"text\r\n"),
    "a byte that isn't UTF-8": sign_note("text\n", KEY).replace(b"text", b"te\xfft"),
    "a hyphen for the dash": sign_note("text\n", KEY).replace("—".encode(), b"-"),
    "a name with a plus": b"text\n\n" + "— a+b AAAAAAAA\n".encode(),
    "two spaces": b"text\n\n" + "— a  AAAAAAAA\n".encode(),
    "base64 without padding": b"text\n\n" + "— a AAAAAAA\n".encode(),
    "base64 with bits left over": b"text\n\n" + "— a AAAAAB==\n".encode(),
    "url-safe base64": b"text\n\n" + "— a __________8=\n".encode(),
    "only a key id": b"text\n\n" + "— a AAAAAA==\n".encode(),
}


@pytest.mark.parametrize("data", MALFORMED_NOTES.values(), ids=MALFORMED_NOTES.keys())
def test_malformed_notes_are_refused(data: bytes) -> None:
    """A note has one spelling."""
    with pytest.raises(MalformedError):
        parse_note(data)


def test_limits() -> None:
    """At least 16 signatures are read, and no unbounded note."""
    signers = [NoteSigner.from_seed(f"k{number}", bytes([number]) * 32) for number in range(1, 65)]
    assert len(open_note(sign_note("text\n", *signers), [each.key for each in signers]).signers) == 64
    with pytest.raises(TooLargeError):
        parse_note(sign_note("text\n", *signers, KEY))
    with pytest.raises(TooLargeError):
        parse_note(bytes(MAX_NOTE_BYTES + 1))


BAD_VKEYS = {
    "another id": (KEY.vkey.replace(KEY.key.key_id.hex(), "00000000"), MalformedError),
    "two parts": ("name+00000000", MalformedError),
    "no name": (KEY.vkey.removeprefix(ORIGIN), MalformedError),
    "a short key": (f"{ORIGIN}+00000000+AQID", MalformedError),
    "a witness's key": (f"{ORIGIN}+00000000+{encode_base64(bytes([4]) + KEY.public)}", KeyTypeError),
    "an empty key": (f"{ORIGIN}+00000000+", KeyTypeError),
}


@pytest.mark.parametrize(("text", "error"), BAD_VKEYS.values(), ids=BAD_VKEYS.keys())
def test_bad_vkeys_are_refused(text: str, error: type[Exception]) -> None:
    """A vkey that doesn't fit its own id, or of another kind, is no key."""
    with pytest.raises(error):
        parse_vkey(text)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\u00a0b", "a\nb"])
def test_a_signer_has_a_name_that_a_note_can_carry(name: str) -> None:
    """Names have no spaces of any kind and no plus."""
    with pytest.raises(MalformedError):
        NoteSigner.generate(name)


@given(
    st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1),
    st.integers(0, (1 << 63) - 1),
    st.binary(min_size=32, max_size=32),
)
def test_checkpoints_survive_a_round_trip(origin: str, size: int, root: bytes) -> None:
    """verify ∘ sign == parse ∘ sign == id."""
    made = Checkpoint(origin=origin, size=size, root=root)
    signed = sign_checkpoint(made, KEY)
    assert parse_checkpoint(signed) == made
    assert verify_checkpoint(signed, keys=[KEY.key], origin=origin) == made


ROOT_LINE = encode_base64(bytes(32))
BAD_BODIES = {
    "two lines": f"{ORIGIN}\n1\n",
    "an empty origin": f"\n1\n{ROOT_LINE}\n",
    "a leading zero": f"{ORIGIN}\n01\n{ROOT_LINE}\n",
    "a negative size": f"{ORIGIN}\n-1\n{ROOT_LINE}\n",
    "a size in other digits": f"{ORIGIN}\n\u0661\n{ROOT_LINE}\n",
    "a size over 63 bits": f"{ORIGIN}\n{1 << 63}\n{ROOT_LINE}\n",
    "a size of five thousand digits": f"{ORIGIN}\n{'1' * 5000}\n{ROOT_LINE}\n",
    "a short root": f"{ORIGIN}\n1\nAAAA\n",
    "an empty extension line": f"{ORIGIN}\n1\n{ROOT_LINE}\n\nmore\n",
    "no newline at the end": f"{ORIGIN}\n1\n{ROOT_LINE}",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_malformed_checkpoints_are_refused(body: str) -> None:
    """Origin, size and root each have one spelling."""
    with pytest.raises(MalformedError):
        parse_body(body)


def test_a_checkpoint_is_trusted_by_key_and_origin() -> None:
    """The wrong key, the wrong log and no checkpoint at all are one kind of error."""
    made = Checkpoint(origin=ORIGIN, size=3, root=bytes(32), extensions=("more",))
    signed = sign_checkpoint(made, KEY)
    assert verify_checkpoint(signed, keys=[KEY.key]) == made
    for keys, origin, data in (
        ([OTHER.key], ORIGIN, signed),
        ([], ORIGIN, signed),
        ([KEY.key], "halden.example/gateway-2", signed),
        ([KEY.key], ORIGIN, sign_note("no checkpoint\n", KEY)),
        ([KEY.key], ORIGIN, b""),
    ):
        with pytest.raises(CheckpointError):
            verify_checkpoint(data, keys=keys, origin=origin)


def test_an_origin_of_two_lines_is_not_signed() -> None:
    """An origin can't smuggle a size and a root in."""
    with pytest.raises(MalformedError):
        sign_checkpoint(Checkpoint(origin="a\n5", size=1, root=bytes(32)), KEY)


@given(st.binary(max_size=40))
def test_base64_has_one_spelling(data: bytes) -> None:
    """decode ∘ encode == id, and no other text decodes to the same."""
    text = encode_base64(data)
    assert decode_base64(text) == data
    for other in (text + "\n", " " + text, text.rstrip("=") + "==="):
        if other != text:
            with pytest.raises(MalformedError):
                decode_base64(other)
