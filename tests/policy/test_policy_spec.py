"""The examples in spec/ are what the code reads."""

from __future__ import annotations

import textwrap
from pathlib import Path

from countermark.policy.bundle import load_bundle
from countermark.policy.clause import parse_clause

SPEC = Path(__file__).parents[2] / "spec"


def example(page: str, start: str) -> str:
    """The indented block of `page` that begins with `start`."""
    lines = (SPEC / page).read_text().split("\n")
    first = lines.index(f"    {start}")
    last = first
    while last < len(lines) and (not lines[last].strip() or lines[last].startswith("    ")):
        last += 1
    return textwrap.dedent("\n".join(lines[first:last])).strip("\n") + "\n"


CLAUSE = """+++
id = "C-1"
title = "Office work"
red_line = false
needs = []
+++

Office work.

```cedar
@id("C-1")
permit (principal, action, resource)
when { context.countersigned.purpose == Purpose::"office" };
```

## Examples

| case | action | facts | approvals | outcome | clauses |
| --- | --- | --- | --- | --- | --- |
"""


def test_the_clause_of_the_specification_is_a_clause() -> None:
    """With its instrument, its policy and both examples."""
    clause = parse_clause(example("clause.md", "+++").encode(), file="clauses/RL-4.md")
    assert clause.instrument is not None
    assert [len(clause.policies), len(clause.examples)] == [1, 2]
    assert clause.notes == "Anything that helps the reader. Optional."


def test_the_bundle_of_the_specification_is_a_bundle(tmp_path: Path) -> None:
    """Beside a clause of the id that it observes, it loads."""
    (tmp_path / "clauses").mkdir()
    (tmp_path / "bundle.toml").write_text(example("bundle.md", 'name = "red-lines"'))
    (tmp_path / "clauses" / "C-1.md").write_text(CLAUSE)
    bundle = load_bundle(tmp_path)
    assert [one.clauses for one in bundle.observe] == [("C-1",)]
