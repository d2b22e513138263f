"""Our envelopes under securesystemslib, and its envelopes under ours: two implementations that share no code."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from attestation_world import KEYS, purpose
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from countermark.attestation.envelope import (
    IN_TOTO,
    encode_envelope,
    pae,
    parse_envelope,
    sign_envelope,
    verify_envelope,
)
from countermark.attestation.keys import PrivateKey, PublicKey

BOTH = pytest.mark.parametrize("name", ["ada", "dua"])


def their_key(key: PublicKey, keyid: str | None = None) -> Any:
    return SSlibKey.from_dict(keyid or key.keyid, copy.deepcopy(key.to_dict()))


def as_theirs(data: bytes) -> Any:
    return TheirEnvelope.from_dict(json.loads(data))


def their_signer(key: PrivateKey) -> Any:
    return CryptoSigner(key._key)


@BOTH
def test_they_verify_what_we_sign(name: str) -> None:
    """Envelope, key id and both key types are those of securesystemslib."""
    key = KEYS[name].public
    data = encode_envelope(sign_envelope(purpose().payload, KEYS[name]))
    assert set(as_theirs(data).verify([their_key(key)], 1)) == {key.keyid}


@BOTH
def test_we_verify_what_they_sign(name: str) -> None:
    """An envelope that securesystemslib wrote reads and verifies here, over the same bytes."""
    theirs = TheirEnvelope(purpose().payload, IN_TOTO, {})
    theirs.sign(their_signer(KEYS[name]))
    ours = parse_envelope(json.dumps(theirs.to_dict()).encode())
    assert theirs.pae() == pae(ours.payload_type, ours.payload)
    assert verify_envelope(ours, [KEYS[name].public]) == {KEYS[name].public}


def test_two_signers_of_two_types_verify_on_both_sides() -> None:
    """k of n across key types."""
    names = ("ada", "dua")
    data = encode_envelope(sign_envelope(purpose().payload, *(KEYS[name] for name in names)))
    keys = [KEYS[name].public for name in names]
    assert len(as_theirs(data).verify([their_key(key) for key in keys], 2)) == 2
    assert verify_envelope(parse_envelope(data), keys, 2) == set(keys)


@BOTH
def test_keys_have_the_same_form_and_id_on_both_sides(name: str) -> None:
    """`to_dict` and `keyid` are securesystemslib's defaults."""
    theirs = SSlibKey.from_crypto(KEYS[name]._key.public_key())
    assert theirs.keyid == KEYS[name].public.keyid
    assert theirs.to_dict() == KEYS[name].public.to_dict()
    assert PublicKey.from_dict(theirs.to_dict()) == KEYS[name].public


def test_one_key_under_two_ids_fools_them_and_not_us() -> None:
    """securesystemslib counts key ids: a key listed twice reaches a threshold of two there. Here it never does."""
    data = json.loads(encode_envelope(sign_envelope(purpose().payload, KEYS["ada"])))
    data["signatures"] = [{**data["signatures"][0], "keyid": keyid} for keyid in ("one", "two")]
    listed_twice = [their_key(KEYS["ada"].public, keyid) for keyid in ("one", "two")]
    assert len(TheirEnvelope.from_dict(copy.deepcopy(data)).verify(listed_twice, 2)) == 2
    ours = parse_envelope(json.dumps(data).encode())
    assert len(verify_envelope(ours, [KEYS["ada"].public, KEYS["ada"].public])) == 1


def test_a_signature_without_its_key_id_is_lost_on_them_and_not_on_us() -> None:
    """securesystemslib needs the key id; DSSE and we take it as a hint. So we always write it."""
    data = json.loads(encode_envelope(sign_envelope(purpose().payload, KEYS["ada"])))
    other = copy.deepcopy(data)
    other["signatures"][0]["keyid"] = "other"
    with pytest.raises(VerificationError):
        TheirEnvelope.from_dict(copy.deepcopy(other)).verify([their_key(KEYS["ada"].public)], 1)
    del data["signatures"][0]["keyid"]
    with pytest.raises(KeyError):
        TheirEnvelope.from_dict(copy.deepcopy(data))
    for value in (other, data):
        assert verify_envelope(parse_envelope(json.dumps(value).encode()), [KEYS["ada"].public])


def test_their_reader_changes_what_it_reads() -> None:
    """`from_dict` empties the signatures of the object that it is given: hand it a copy."""
    data = json.loads(encode_envelope(sign_envelope(purpose().payload, KEYS["ada"])))
    TheirEnvelope.from_dict(data)
    assert data["signatures"] == [{}]
