"""Properties of envelopes, statements and levels, over generated cases. Named in tests/PROPERTIES.md."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attestation_world import KEYS, NOW, countersigned, file_of, purpose, the_root
from hypothesis import example, given, settings
from hypothesis import strategies as st

from countermark.attestation.envelope import (
    Envelope,
    Signature,
    decode_base64,
    encode_envelope,
    pae,
    parse_envelope,
    read_lines,
    sign_envelope,
    signers_of,
    verify_envelope,
)
from countermark.attestation.statement import make_statement, parse_statement
from countermark.attestation.verify import VerifiedStatement, verify_statement
from countermark.errors import CountermarkError, MalformedError, QuorumError
from countermark.facts import Level

TRUSTED = tuple(key.public for name, key in KEYS.items() if name != "stranger")
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ENVELOPES = st.builds(
    Envelope,
    payload=st.binary(max_size=200),
    payload_type=TEXT,
    signatures=st.lists(st.builds(Signature, keyid=TEXT, sig=st.binary(max_size=80)), max_size=5).map(tuple),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(ENVELOPES)
@settings(deadline=None)
def test_reading_undoes_writing_an_envelope(envelope: Envelope) -> None:
    """parse ∘ encode == id, and what was written is one line."""
    data = encode_envelope(envelope)
    assert parse_envelope(data) == envelope
    assert b"\n" not in data


@given(st.binary(max_size=100), st.booleans())
@settings(deadline=None)
def test_base64_has_one_spelling_in_each_alphabet(data: bytes, url_safe: bool) -> None:
    """decode ∘ encode == id in both alphabets, and every text that decodes is the encoding of its bytes."""
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    assert decode_base64(text) == data


@given(st.text("Aa/+-_=9\n", max_size=12))
@settings(deadline=None)
def test_every_text_that_decodes_is_an_encoding(text: str) -> None:
    """encode(decode(t)) == t or its URL-safe form, for all t that are accepted."""
    try:
        data = decode_base64(text)
    except MalformedError:
        return
    assert text in {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}


@given(TEXT, st.binary(max_size=60), TEXT, st.binary(max_size=60))
@example("a", b"1 b", "a 1", b"b")
@settings(deadline=None)
def test_no_two_pairs_of_type_and_body_are_signed_as_the_same_bytes(
    kind: str, body: bytes, other_kind: str, other_body: bytes
) -> None:
    """pae is injective."""
    assert (pae(kind, body) == pae(other_kind, other_body)) == ((kind, body) == (other_kind, other_body))


@given(
    descriptor=st.dictionaries(TEXT, JSON, min_size=1, max_size=3),
    content=st.dictionaries(TEXT.map("x{}".format), JSON, max_size=3),
    seq=st.integers(0, 2**53 - 1),
    start_s=st.integers(0, 2**34),
    life_s=st.integers(1, 10**9),
)
@settings(deadline=None)
def test_reading_undoes_making_a_statement(
    descriptor: dict[str, Any], content: dict[str, Any], seq: int, start_s: int, life_s: int
) -> None:
    """parse ∘ make gives the content, the descriptor and the number that went in."""
    start = datetime.fromtimestamp(start_s, UTC)
    made = make_statement(
        "purpose",
        "northmark/office",
        descriptor,
        content,
        seq=seq,
        valid_from=start,
        valid_until=start + timedelta(seconds=life_s),
        basis="word",
        interest="none",
    )
    assert parse_statement(made.payload) == made
    assert (made.content, made.descriptor, made.seq) == (content, descriptor, seq)


@pytest.mark.parametrize("name", ["ben", "ben-2"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_one_flipped_bit_of_payload_type_or_signature_is_refused(name: str, data: st.DataObject) -> None:
    """verify(flip(e)) raises, for each bit of what is signed and of the signature, for both key types."""
    signed = sign_envelope(purpose().payload, KEYS[name])
    part = data.draw(st.sampled_from(["payload", "payload_type", "sig"]))
    sig = signed.signatures[0].sig
    old = {"payload": signed.payload, "payload_type": signed.payload_type.encode(), "sig": sig}[part]
    bit = data.draw(st.integers(0, len(old) * 8 - 1 - (part == "payload_type")))
    flipped = bytearray(old)
    if part == "payload_type":
        flipped[bit // 8] ^= 1 << bit % 7  # stays ASCII
        forged = replace(signed, payload_type=flipped.decode())
    elif part == "payload":
        flipped[bit // 8] ^= 1 << bit % 8
        forged = replace(signed, payload=bytes(flipped))
    else:
        flipped[bit // 8] ^= 1 << bit % 8
        forged = replace(
            signed, signatures=(Signature(keyid=signed.signatures[0].keyid, sig=bytes(flipped)),)
        )
    with pytest.raises(QuorumError):
        verify_envelope(forged, TRUSTED)


@given(st.integers(0, 4095), st.integers(0, 7))
@settings(max_examples=300, deadline=None)
def test_a_file_with_one_flipped_bit_is_refused_or_says_the_same(position: int, bit: int) -> None:
    """No bit of the file can raise or change a statement: what still verifies (a key id, a line break) is the same."""
    statement = purpose()
    lines = file_of((statement, "ben"), (countersigned(statement), "ada"))
    whole = verify_statement(lines, the_root(), now=NOW)
    spoiled = bytearray(lines)
    spoiled[position % len(lines)] ^= 1 << bit
    try:
        found = verify_statement(bytes(spoiled), the_root(), now=NOW)
    except CountermarkError:
        return
    assert (found.sha256, found.predicate, found.makers) == (whole.sha256, whole.predicate, whole.makers)
    assert found.level <= whole.level
    assert set(found.countersigners) <= set(whole.countersigners)


NAMES = st.lists(st.sampled_from(["ada", "ben", "ben-2", "cem", "dua", "stranger"]), max_size=5)


@given(NAMES, st.randoms(use_true_random=False), NAMES)
@settings(max_examples=60, deadline=None)
def test_signatures_permuted_duplicated_or_relabelled_make_no_more_signers(
    names: list[str], random: Any, labels: list[str]
) -> None:
    """|signers(e)| is the number of distinct trusted keys that signed, in any order, number and labelling."""
    signed = sign_envelope(b"x", *(KEYS[name] for name in names))
    once = signers_of(signed, TRUSTED)
    assert once == {KEYS[name].public for name in names} - {KEYS["stranger"].public}
    many = [*signed.signatures, *signed.signatures]
    for label, sig in zip(labels, signed.signatures, strict=False):
        many.append(Signature(keyid=KEYS[label].public.keyid, sig=sig.sig))
    random.shuffle(many)
    keys = [*TRUSTED, *TRUSTED]
    random.shuffle(keys)
    assert signers_of(replace(signed, signatures=tuple(many)), keys) == once


COUNTERSIGNERS = ("ada", "dua", "cem", "fay", "ben", "stranger")


def with_lines(chosen: list[str], order: Any = None) -> VerifiedStatement:
    statement = purpose()
    lines = read_lines(
        file_of(
            (statement, "ben"),
            *((countersigned(statement, seq=number), name) for number, name in enumerate(chosen)),
        )
    )
    rest = lines[1:]
    if order is not None:
        order.shuffle(rest)
    return verify_statement([lines[0], *rest], the_root(), now=NOW)


@given(st.lists(st.sampled_from(COUNTERSIGNERS), max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_level_depends_on_which_parties_countersigned_and_on_nothing_else(
    chosen: list[str], random: Any
) -> None:
    """COUNTERSIGNED iff some counterpart's person signed; order and number of lines are of no matter."""
    made = with_lines(chosen)
    counts = bool({"ada", "dua"} & set(chosen))
    assert made.level is (Level.COUNTERSIGNED if counts else Level.OPERATOR)
    assert {signer.party for signer in made.countersigners} == ({"halden"} if counts else set())
    shuffled = with_lines(chosen, random)
    assert (shuffled.level, shuffled.countersigners, shuffled.validity) == (
        made.level,
        made.countersigners,
        made.validity,
    )


@given(st.lists(st.sampled_from(COUNTERSIGNERS), max_size=4), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_leaving_a_line_out_never_raises_the_level(chosen: list[str], index: int) -> None:
    """Omission safety for statement files: fewer lines, no higher level."""
    fewer = chosen[:index] + chosen[index + 1 :]
    assert with_lines(fewer).level <= with_lines(chosen).level


@given(st.integers(0, 90 * 86400))
@settings(max_examples=80, deadline=None)
def test_a_result_holds_until_it_says_and_not_longer(after_s: int) -> None:
    """Within `stands_until` the result is the same; at `valid_until` it has changed or is refused."""
    statement = purpose()
    lines = file_of((statement, "ben"), (countersigned(statement), "ada"))
    now = NOW + timedelta(seconds=after_s)
    first = verify_statement(lines, the_root(), now=NOW)
    try:
        later = verify_statement(lines, the_root(), now=now)
    except CountermarkError:
        assert now >= first.validity.valid_until
        return
    assert (later == first) == (now < first.stands_until)
    assert now < later.validity.valid_until


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_bytes_that_nobody_made_are_a_typed_error(data: bytes) -> None:
    """No input raises anything outside the tree of errors.py."""
    with pytest.raises(CountermarkError):
        verify_statement(data, the_root(), now=NOW)
