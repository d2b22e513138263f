"""The examples of spec/attestation.md and spec/trust-root.md are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from attestation_world import countersigned, purpose

from countermark import errors
from countermark.attestation.charter import CONTENT_FIELDS
from countermark.attestation.statement import COMMON_FIELDS, Basis, parse_statement

SPEC = Path(__file__).parents[2] / "spec"


def examples(name: str) -> list[Any]:
    """The JSON blocks of a file that hold one value."""
    found = re.findall(r"```json\n(.*?)```", (SPEC / name).read_text(), re.DOTALL)
    return [json.loads(text) for text in found if "\n{" not in text.strip()]


def test_the_example_statements_are_those_of_the_vector() -> None:
    """What the spec shows is, value for value, what the vector `countersigned` signs."""
    shown = examples("attestation.md")
    made = [purpose(), countersigned(purpose())]
    assert shown == [json.loads(item.payload) for item in made]
    for value in shown:
        parse_statement(json.dumps(value).encode())


def test_every_common_field_basis_and_error_stands_in_the_spec() -> None:
    """A field, word or error class that the code knows is explained."""
    text = (SPEC / "attestation.md").read_text()
    for word in (*COMMON_FIELDS, *(str(item) for item in Basis)):
        assert f"`{word}`" in text, word
    for name in set(re.findall(r"\b[A-Z]\w+Error\b", text)):
        assert issubclass(getattr(errors, name), errors.CountermarkError)


@pytest.mark.parametrize("field", sorted(CONTENT_FIELDS))
def test_every_field_of_a_trust_root_stands_in_its_example_and_table(field: str) -> None:
    """The example is whole, and each field has its row."""
    (example,) = examples("trust-root.md")
    assert set(example) == CONTENT_FIELDS
    assert f"| `{field}` |" in (SPEC / "trust-root.md").read_text()
