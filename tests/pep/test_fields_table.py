"""`spec/fields.md` is generated from the tables, and current."""

from __future__ import annotations

import re
from pathlib import Path

from countermark.pep.fields_table import TABLES, render

SPEC = Path(__file__).parents[2] / "spec" / "fields.md"


def test_the_spec_of_fields_is_current() -> None:
    """Generate it anew with `python -m countermark.pep.fields_table > spec/fields.md`."""
    assert SPEC.read_text() == render()


def test_each_line_names_a_kind_and_references_say_what_to_do() -> None:
    """No line is empty, and whoever meets a reference reads a way out."""
    rows = re.findall(r"^\| `([^`]+)` \| (\w+) \| (.*) \|$", render(), re.MULTILINE)
    assert len(rows) > 300
    assert {kind for _, kind, _ in rows} >= {"content", "inert", "opaque", "reference", "as"}
    assert all(len(says) > 20 for _, kind, says in rows if kind == "reference")
    assert len(TABLES) == 6
