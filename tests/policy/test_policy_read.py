"""The controlled English says what the Cedar says, and nothing that the sentence adds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from strategies import FACTS, HELPS

from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.dialect import AllOf, AnyOf, Condition, Expr, Is, Rule, leaves
from countermark.policy.read import listed, read_bundle, read_clause, read_rule_aloud

POLICIES = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="module")
def red_lines() -> Bundle:
    return load_bundle(POLICIES / "red-lines")


def test_a_red_line_is_read_aloud(red_lines: Bundle) -> None:
    """RL-2 in words: who may, when, with which approvals."""
    assert read_clause(red_lines, red_lines.clause("RL-2")) == (
        "It is forbidden to prompt, release or call,\n"
        "unless at least one of these holds:\n"
        "  (a) as countersigned, what is asked for cannot set off a physical effect\n"
        "  (b) all of these hold:\n"
        "    (1) as countersigned, what is asked for can set off a physical effect\n"
        "    (2) the action is to call\n"
        "    (3) as seen by a gateway that the charter names, the request carries a proof of the workload's key\n"
        "    (4) at least 1 person in the role of northmark commander approved exactly this\n"
        "    (5) at least 1 person in the role of halden reviewer approved exactly this."
    )


def test_a_claim_and_a_scope_are_read_aloud(red_lines: Bundle) -> None:
    """What the caller says is said to be the caller's word; a scope's actions are named."""
    assert "if the caller says that the request carries persons' data" in read_clause(
        red_lines, red_lines.clause("RL-1")
    )
    assert (
        "It is forbidden to call, unless, as countersigned, the deployment declares the tool."
        in read_clause(red_lines, red_lines.clause("RL-6"))
    )


def test_the_whole_bundle_stands_beside_its_sentences(red_lines: Bundle) -> None:
    """Every clause appears with its sentence, its Cedar in words and the instrument that it leans on."""
    text = read_bundle(red_lines)
    for clause in red_lines.clauses:
        assert clause.sentence in text
        assert read_clause(red_lines, clause) in text
    assert "which northmark can change alone" in text


@settings(max_examples=80, deadline=None)
@given(HELPS)
def test_nothing_is_left_out_of_the_reading(expr: Expr) -> None:
    """Each condition has its words, and two different conditions have different ones."""
    rule = Rule(id="RL-1", effect="forbid", actions=(), conditions=(Condition(kind="unless", expr=expr),))
    text = read_rule_aloud(rule, FACTS)
    for leaf in leaves(expr):
        alone = Rule(
            id="RL-1", effect="forbid", actions=(), conditions=(Condition(kind="unless", expr=leaf),)
        )
        words = read_rule_aloud(alone, FACTS).rstrip(".").partition("unless")[2].lstrip(", ")
        assert words in text
    count = sum(len(e.parts) for e in _junctions(expr))
    assert text.count("\n") == (count + 1 if count else 0)


def _junctions(expr: Expr) -> list[AllOf | AnyOf]:
    if isinstance(expr, AllOf | AnyOf):
        return [expr, *(inner for part in expr.parts for inner in _junctions(part))]
    return []


def test_views_are_told_apart() -> None:
    """The same fact heard at another level reads differently."""
    said = set()
    for view in ("operator", "countersigned"):
        leaf = Is(view=view, name="purpose", values=("office",), type="Purpose", listed=False)
        rule = Rule(id="P-1", effect="permit", actions=(), conditions=(Condition(kind="when", expr=leaf),))
        said.add(read_rule_aloud(rule, FACTS))
    assert len(said) == 2
    assert listed(["a", "b", "c"]) == "a, b or c"
