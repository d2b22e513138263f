"""The vectors in `spec/vectors/evidence/` are current, and say what our code says, read from the files alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from make_evidence_vectors import FOLDER, read_observation, vectors, written
from possession_world import Nonces

from countermark.attestation.keys import PublicKey
from countermark.attestation.trust_root import parse_trust_root
from countermark.attestation.verify import verify_statement
from countermark.clock import parse_time
from countermark.errors import CredentialError
from countermark.evidence.appraise import appraise
from countermark.evidence.possession import verify_possession

INPUTS: Mapping[str, Path] = {path.parent.name: path for path in sorted(FOLDER.glob("*/input.json"))}
APPRAISED = [name for name in INPUTS if not name.startswith("possession")]
PROVED = [name for name in INPUTS if name.startswith("possession")]


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_vectors_are_current() -> None:
    """The files are exactly those that the generator writes."""
    found = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.glob("*/*.json")}
    assert found == vectors(), "run `python tests/evidence/make_evidence_vectors.py`"


@pytest.mark.parametrize("name", APPRAISED)
def test_appraisal(name: str) -> None:
    """From trust root, statement files and observation of the file follow the facts of the file."""
    case = _load(INPUTS[name])
    root = parse_trust_root(case["trust_root"].encode(), now=parse_time(case["now"]))
    statements = [
        verify_statement(text.encode(), root, now=parse_time(case["verified_at"]))
        for text in case["statements"]
    ]
    appraisal = appraise(
        statements,
        read_observation(case["observation"]),
        root=root,
        now=parse_time(case["now"]),
        skew_s=case["skew_s"],
    )
    assert written(appraisal) == _load(INPUTS[name].with_name("facts.json"))


@pytest.mark.parametrize("name", PROVED)
def test_possession(name: str) -> None:
    """A signed request verifies, once; those whose name ends in `_fail` don't."""
    case = _load(INPUTS[name])
    request = case["request"]

    def verify() -> None:
        verify_possession(
            method=request["method"],
            target_uri=request["target_uri"],
            headers=request["headers"],
            body_sha256=hashlib.sha256(request["body"].encode()).hexdigest(),
            public_key=PublicKey.from_dict(case["key"]),
            nonces=Nonces(),
            now=parse_time(case["now"]),
            skew_s=case["skew_s"],
        )

    if name.endswith("_fail"):
        with pytest.raises(CredentialError):
            verify()
    else:
        verify()


def test_every_case_has_its_sentence() -> None:
    """Each case says in one sentence what it shows."""
    assert len(APPRAISED) > 15
    assert len(PROVED) > 5
    assert all(_load(path)["claim"] for path in INPUTS.values())
