"""The vectors of spec/vectors/attestation: current, and all held by this implementation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from make_attestation_vectors import VECTORS, vectors

from countermark import errors
from countermark.attestation.envelope import pae, parse_envelope
from countermark.attestation.keys import ECDSA_P256, PublicKey
from countermark.attestation.trust_root import parse_trust_root, verify_successor
from countermark.attestation.verify import verify_statement
from countermark.clock import format_time, parse_time

CASES = sorted(path.name for path in VECTORS.iterdir() if path.is_dir())


def run(case: str, expected: dict[str, Any]) -> dict[str, Any]:
    """What this implementation finds, in the words of expect.json."""
    folder = VECTORS / case
    now = parse_time(expected["now"])
    root_data = (folder / "trust-root.json").read_bytes()
    if expected["operation"] == "parse_trust_root":
        root = parse_trust_root(root_data, now=now)
        return {"level": None, "sides": sorted(root.sides), "version": root.version}
    root = parse_trust_root(root_data, now=root_time(root_data))
    if expected["operation"] == "verify_successor":
        new = verify_successor(root, (folder / "input.json").read_bytes(), now)
        return {"level": None, "version": new.version}
    made = verify_statement((folder / "input.jsonl").read_bytes(), root, now=now, skew_s=expected["skew_s"])
    return {
        "level": made.level.word,
        "makers": [signer.person for signer in made.makers],
        "countersigners": [signer.person for signer in made.countersigners],
        "valid_until": format_time(made.validity.valid_until),
        "ignored": len(made.ignored),
    }


def root_time(data: bytes) -> Any:
    """A time at which the root is in force: a gateway read it then, and holds it."""
    return parse_time(json.loads(parse_envelope(data).payload)["predicate"]["valid_from"])


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("dsse_")])
def test_a_vector_holds(case: str) -> None:
    """Each case gives the level or exactly the error that its expect.json says; `_fail` marks the errors."""
    expected = json.loads((VECTORS / case / "expect.json").read_bytes())
    assert case.endswith("_fail") == ("error" in expected)
    if "error" in expected:
        with pytest.raises(errors.CountermarkError) as caught:
            run(case, expected)
        assert type(caught.value).__name__ == expected["error"]
    else:
        found = run(case, expected)
        assert found == {name: expected[name] for name in found}


def test_the_published_example_holds() -> None:
    """DSSE's "hello world": our PAE is theirs, and the published signature is over it."""
    folder = VECTORS / "dsse_hello_world"
    expected = json.loads((folder / "expect.json").read_bytes())
    envelope = parse_envelope((folder / "input.json").read_bytes())
    signed = pae(envelope.payload_type, envelope.payload)
    assert signed == expected["pae"].encode()
    key = PublicKey(ECDSA_P256, bytes.fromhex("04" + expected["p256_x"] + expected["p256_y"]))
    raw = envelope.signatures[0].sig
    key.verify(encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")), signed)
    with pytest.raises(errors.SignatureError):
        key.verify(raw, signed)  # ours are DER


def test_the_vectors_are_current() -> None:
    """What lies in spec/ is what make_attestation_vectors.py writes, byte for byte, and nothing more."""
    wanted = vectors()
    found = {path.relative_to(VECTORS).as_posix(): path.read_bytes() for path in VECTORS.glob("*/*")}
    assert sorted(found) == sorted(wanted)
    assert [name for name in wanted if found[name] != wanted[name]] == []


def test_every_typed_error_of_this_part_has_a_vector() -> None:
    """A verifier of another's making meets each error class at least once."""
    named = {json.loads((VECTORS / case / "expect.json").read_bytes()).get("error") for case in CASES} - {
        None
    }
    assert named == {
        "Base64Error",
        "DuplicateKeyError",
        "ExpiredError",
        "KeyTypeError",
        "MalformedError",
        "NotYetValidError",
        "PayloadTypeError",
        "QuorumError",
        "RoleError",
        "SubjectError",
        "TooLargeError",
        "TrustError",
    }
