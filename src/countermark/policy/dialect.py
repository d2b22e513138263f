"""The dialect of Cedar that clauses are written in, as typed values of our own.

Cedar can say more than is safe here: it fails open in ways that strict validation passes. So this is an allow-list:
what `lint.read_rule` does not know is refused. Everything in the dialect is a positive formula over four kinds of
conditions, so it can be read aloud, mutated and lowered without meaning something else.

    is one of      context.countersigned.purpose == Purpose::"office"
                   [Purpose::"office", Purpose::"survey"].contains(context.countersigned.purpose)
    is bounded     context.countersigned.persons_at_most < 1000
    is approved    context.approvals.halden_reviewer >= 1
    is the action  action == Action::"call"
    all, any       && and ||
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cedarpy import pst

from countermark.policy.factlist import VIEWS, FactList

MOST_APPROVALS = 9
"""The largest count of approvals that a clause may ask for, and each role's number of people in `policy check`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Is:
    """The fact has one of these values. `listed`: written with `contains`."""

    view: str
    name: str
    values: tuple[str, ...]
    type: str
    listed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """The number is on the safe side of `n`; `op` is one of `< <= > >=`."""

    view: str
    name: str
    op: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """At least `n` persons of the role have approved exactly this action."""

    role: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IsAction:
    """The action is this one."""

    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """Every part holds."""

    parts: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Expr, ...]


Leaf = Is | Bounded | Approved | IsAction
Expr = Leaf | AllOf | AnyOf


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`when { … }` or `unless { … }`."""

    kind: str
    expr: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One policy in the dialect. `actions` empty: all of them."""

    id: str
    effect: str
    actions: tuple[str, ...]
    conditions: tuple[Condition, ...]


def leaves(expr: Expr) -> Iterator[Leaf]:
    """The conditions in `expr`, left to right."""
    if isinstance(expr, AllOf | AnyOf):
        for part in expr.parts:
            yield from leaves(part)
    else:
        yield expr


def walk(node: object) -> Iterator[pst.PstNode]:
    """Every typed node below `node`, itself included, whatever its kind."""
    if isinstance(node, pst.PstNode):
        yield node
        for name in getattr(node, "__dataclass_fields__", {}):
            yield from walk(getattr(node, name))
    elif isinstance(node, tuple):
        for child in node:
            yield from walk(child)


def views_read(node: pst.Template, facts: FactList) -> frozenset[str]:
    """The `view.name` paths that a policy reads, also outside the dialect; what is no fact is left out."""
    found: set[str] = set()
    for inner in walk(node):
        path = fact_path(inner)
        if path and path[0] in VIEWS and path[1] in facts.facts and path[0] in facts.facts[path[1]].views:
            found.add(".".join(path))
    return frozenset(found)


def approvals_read(node: pst.Template) -> Iterator[tuple[str, int]]:
    """Role and count of every `context.approvals.role >= n` in a policy."""
    for inner in walk(node):
        if (
            isinstance(inner, pst.BinaryOp)
            and inner.op == "greater_eq"
            and isinstance(inner.right, pst.LongLit)
        ):
            path = fact_path(inner.left)
            if path is not None and path[0] == "approvals":
                yield path[1], inner.right.value


def fact_path(node: object) -> tuple[str, str] | None:
    """`view` and `name` of `context.view.name`."""
    if isinstance(node, pst.GetAttr) and isinstance(node.base, pst.GetAttr):
        base = node.base.base
        if isinstance(base, pst.Var) and base.name == "context":
            return node.base.attr, node.attr
    return None


def write_expr(expr: Expr, *, inside_all: bool = False) -> str:
    """The Cedar text of an expression."""
    if isinstance(expr, AllOf):
        return " && ".join(write_expr(part, inside_all=True) for part in expr.parts)
    if isinstance(expr, AnyOf):
        text = " || ".join(write_expr(part) for part in expr.parts)
        return f"({text})" if inside_all else text
    if isinstance(expr, Is):
        values = [f'{expr.type}::"{value}"' for value in expr.values]
        path = f"context.{expr.view}.{expr.name}"
        if expr.listed or len(values) > 1:
            return f"[{', '.join(values)}].contains({path})"
        return f"{path} == {values[0]}"
    if isinstance(expr, Bounded):
        return f"context.{expr.view}.{expr.name} {expr.op} {expr.n}"
    if isinstance(expr, Approved):
        return f"context.approvals.{expr.role} >= {expr.n}"
    return f'action == Action::"{expr.action}"'


def write_rule(rule: Rule) -> str:
    """The Cedar text of a rule: `read_rule ∘ write_rule == id`."""
    names = [f'Action::"{action}"' for action in rule.actions]
    action = "action"
    if len(names) == 1:
        action = f"action == {names[0]}"
    elif names:
        action = f"action in [{', '.join(names)}]"
    conditions = "".join(f"\n{c.kind} {{ {write_expr(c.expr)} }}" for c in rule.conditions)
    return f'@id("{rule.id}")\n{rule.effect} (principal, {action}, resource){conditions};'
