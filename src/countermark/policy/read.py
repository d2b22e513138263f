"""`policy read`: the Cedar of a clause turned back into controlled English, to stand beside its sentence.

The English is made from the typed rule and the list of facts alone, never from the sentence: where the two say
different things, the Cedar is what decides.
"""

from __future__ import annotations

from collections.abc import Sequence

from countermark.policy.bundle import Bundle
from countermark.policy.clause import Clause
from countermark.policy.dialect import (
    AllOf,
    AnyOf,
    Approved,
    Bounded,
    Condition,
    Expr,
    IsAction,
    Leaf,
    Rule,
)
from countermark.policy.factlist import ACTIONS, FactList

_SAID = {
    "claimed": "the caller says that",
    "operator": "by at least one party's word,",
    "countersigned": "as countersigned,",
    "observed": "as seen by a gateway that the charter names,",
    "signal": "by the classifier that the bundle names,",
}
_OPS = {"<": "fewer than {}", "<=": "at most {}", ">": "more than {}", ">=": "at least {}"}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def listed(words: Sequence[str], joint: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"


def _say_leaf(leaf: Leaf, facts: FactList) -> str:
    if isinstance(leaf, IsAction):
        return f"the action is to {leaf.action}"
    if isinstance(leaf, Approved):
        persons = "1 person" if leaf.n == 1 else f"{leaf.n} persons"
        return f"at least {persons} in the role of {leaf.role.replace('_', ' ')} approved exactly this"
    said = _SAID[leaf.view]
    fact = facts.fact(leaf.name)
    if isinstance(leaf, Bounded):
        return f"{said} {fact.say(_OPS[leaf.op].format(leaf.n))}"
    if any(value in fact.reads for value in leaf.values):
        return f"{said} {listed([fact.say(value) for value in leaf.values])}"
    return f"{said} {fact.say(listed(leaf.values))}"


def _say_expr(expr: Expr, facts: FactList, depth: int) -> list[str]:
    """Lines; the first goes on the line that introduces it."""
    if not isinstance(expr, AllOf | AnyOf):
        return [_say_leaf(expr, facts)]
    lead = "all of these hold:" if isinstance(expr, AllOf) else "at least one of these holds:"
    lines = [lead]
    for number, part in enumerate(expr.parts):
        mark = f"({_LETTERS[number % 26]})" if depth % 2 == 0 else f"({number + 1})"
        first, *rest = _say_expr(part, facts, depth + 1)
        lines.append(f"  {mark} {first}")
        lines.extend(f"  {line}" for line in rest)
    return lines


def _say_condition(condition: Condition, facts: FactList) -> list[str]:
    word = "if" if condition.kind == "when" else "unless"
    first, *rest = _say_expr(condition.expr, facts, 0)
    comma = (
        "," if first.startswith(("as ", "by ")) else ""
    )  # "unless, as countersigned, the purpose is office"
    return [f"{word}{comma} {first}", *rest]


def read_rule_aloud(rule: Rule, facts: FactList) -> str:
    """One policy in controlled English."""
    verbs = listed(rule.actions or ACTIONS)
    effect = "permitted" if rule.effect == "permit" else "forbidden"
    lines = [f"It is {effect} to {verbs}"]
    for number, condition in enumerate(rule.conditions):
        first, *rest = _say_condition(condition, facts)
        joint = ", and" if number else ","
        if rest or number:
            lines[-1] += joint
            lines += [first, *rest]
        else:
            lines[-1] += f"{joint} {first}"
    return "\n".join(lines) + "."


def read_clause(bundle: Bundle, clause: Clause) -> str:
    """All policies of a clause in controlled English, one paragraph each.

    Raises:
        DialectError: A policy is not in the dialect.
    """
    return "\n\n".join(read_rule_aloud(bundle.rule(policy), bundle.facts) for policy in clause.policies)


def read_bundle(bundle: Bundle) -> str:
    """The whole bundle: each clause's title and sentence, what its Cedar says, and how the clauses work together."""
    parts = [
        f"Bundle {bundle.name}, version {bundle.version} ({bundle.digest}).",
        "A use is permitted where some clause permits it and none forbids it. What is unknown or in conflict never "
        "helps: a condition holds only where its value is known.",
    ]
    for clause in bundle.clauses:
        kind = "red line" if clause.red_line else "clause"
        leans = ""
        if clause.instrument is not None:
            who = listed(clause.instrument.changed_by, "and")
            leans = f"\n\nLeans on {clause.instrument.name}, which {who} can change alone."
        heading = f"{clause.id} ({kind}): {clause.title}"
        parts.append(
            f"{heading}\n{'=' * len(heading)}\n\n{clause.sentence}\n\nIts Cedar says:\n\n"
            f"{read_clause(bundle, clause)}{leans}"
        )
    return "\n\n".join(parts) + "\n"
