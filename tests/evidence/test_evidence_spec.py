"""The examples in `spec/predicates.md` are predicates, and its tables name facts that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from countermark.attestation.statement import COMMON_FIELDS
from countermark.evidence.appraise import FACT_NAMES
from countermark.evidence.predicates.reading import PARSERS, parse_predicate

SPEC = Path(__file__).parents[2] / "spec"
TEXT = (SPEC / "predicates.md").read_text()
SECTIONS = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def test_every_predicate_has_a_section_and_a_tie() -> None:
    """spec/predicates.md has one section, and spec/ties.md at least one row, for each predicate of this part."""
    assert SECTIONS.keys() == PARSERS.keys()
    ties = (SPEC / "ties.md").read_text()
    assert [kind for kind in PARSERS if f"\n| `{kind}`" not in ties] == []


@pytest.mark.parametrize("kind", sorted(PARSERS))
def test_examples_parse(kind: str) -> None:
    """Each example is accepted by the parser of its section, and comes before the section's rules."""
    examples = re.findall(r"```json\n(.*?)```", SECTIONS[kind], re.DOTALL)
    assert examples
    for example in examples:
        parse_predicate(kind, json.loads(example))
    assert SECTIONS[kind].index("```json") < SECTIONS[kind].index("\n- ")


def test_tables_name_every_fact() -> None:
    """Each fact that appraisal makes of statements stands in a table or rule of its predicate, and no other does."""
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", "".join(SECTIONS.values()), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} | {"review", "decides"}
    assert named == FACT_NAMES - {"binding", "bulk_persons"}


def test_the_shared_fields_are_those_of_attestation() -> None:
    """The first example names exactly the fields that every statement has."""
    (example,) = re.findall(r"## Fields that every.*?```json\n(.*?)```", TEXT, re.DOTALL)
    assert json.loads(example).keys() == COMMON_FIELDS
