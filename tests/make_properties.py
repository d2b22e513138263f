"""Writes `tests/PROPERTIES.md`: every property in the tests, with its statement, from the tests themselves.

    python tests/make_properties.py

`tests/test_properties.py` checks that the table is current.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE / "PROPERTIES.md"
HEAD = """\
# Properties

What holds for every input that Hypothesis could think of, one row each: the name, the statement (as an equation where it is
one), and where it is tested. Written by `tests/make_properties.py` from the tests' own docstrings; `tests/test_properties.py`
checks that it is current.

## Where the promises are held

The promises of `docs/design`, over drawn bundles, statements and ties. Outcomes are ordered DENY < HOLD < PERMIT; F are the
facts after appraisal, C claims, S statements, A approvals. All in `pdp/test_pdp_promises.py`.

| promise | equation | test |
| --- | --- | --- |
"""
PROMISES = (
    ("claim safety", "decide(F + C) <= decide(F with every claim unknown)", "claim_safety"),
    ("omission safety, facts", "decide(F with others unknown) <= decide(F)", "omission_safety_over_facts"),
    (
        "omission safety, statements",
        "decide(S - s) <= decide(S), where s agrees with S",
        "omission_safety_over_statements",
    ),
    (
        "assurance monotonicity, statements",
        "decide(S with a countersignature less) <= decide(S)",
        "assurance_monotonicity_over_countersignatures",
    ),
    (
        "assurance monotonicity, ties",
        "decide(runner whom nobody named) <= decide(named runner)",
        "assurance_monotonicity_over_ties",
    ),
    ("approval monotonicity", "decide(A - a) <= decide(A)", "approval_monotonicity"),
    (
        "where statements disagree",
        "decide(F) == decide(F with conflicts unknown)",
        "conflict_is_worth_no_more_than_unknown",
    ),
    (
        "where statements disagree",
        "conflicts(S) <= conflicts(S + s)",
        "adding_a_statement_never_removes_a_conflict",
    ),
    ("determinism", "decide(x) == decide(x)", "decide_is_deterministic"),
    ("determinism", "memo.decide(x) == decide(x)", "the_memo_is_the_decision"),
    (
        "observe",
        "observe(d) => no red line in d, in time; counts as PERMIT",
        "observe_is_never_a_red_line_and_expires",
    ),
    (
        "prompt with release",
        "enforced(both) <= min(enforced(prompt), enforced(release))",
        "a_prompt_is_worth_no_more_than_its_parts",
    ),
)
TAIL = """
`test_the_cases_reach_every_outcome` shows that these are not empty: permits under the red lines, permits that fall with one
countersignature, holds, conflicts and claims that restrict are all drawn. What the promises leave out stands in `docs/design`.

## All properties
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property test."""

    part: str
    file: str
    test: str
    statement: str

    @property
    def name(self) -> str:
        """The test's name in words."""
        return self.test.removeprefix("test_").replace("_", " ")


def properties() -> Iterator[Property]:
    """Every test that Hypothesis gives its input, by file."""
    for path in sorted(HERE.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith(
                "test"
            ):
                continue
            if any("given(" in ast.unparse(decorator) for decorator in node.decorator_list):
                file = path.relative_to(HERE).as_posix()
                yield Property(
                    part=file.partition("/")[0] if "/" in file else path.stem.removeprefix("test_"),
                    file=file,
                    test=node.name,
                    statement=" ".join((ast.get_docstring(node) or "").split()),
                )


def table() -> str:
    """The whole file."""
    lines = [HEAD.rstrip()]
    lines += [f"| {promise} | {equation} | `test_{test}` |" for promise, equation, test in PROMISES]
    lines.append(TAIL.rstrip())
    part = ""
    for each in properties():
        if each.part != part:
            part = each.part
            lines += ["", f"### {part}", "", "| name | statement | test |", "| --- | --- | --- |"]
        statement = each.statement.replace("|", "\\|")
        lines.append(f"| {each.name} | {statement} | `{each.file}` |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())
