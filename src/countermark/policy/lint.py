"""Refuses whatever is not in the dialect, and whatever stands where it would let less information raise an outcome.

Strict validation by Cedar is not enough: a `has` with a typo, `==` across types, an unregistered resource and an erring
forbid all pass it and fail open. The reader is an allow-list over cedarpy's typed nodes, so that new syntax of Cedar is
refused until somebody has thought about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cedarpy import pst

from countermark.errors import PolicyError
from countermark.facts import CONFLICT, MOST, UNKNOWN
from countermark.policy.clause import ClausePolicy
from countermark.policy.dialect import (
    MOST_APPROVALS,
    AllOf,
    AnyOf,
    Approved,
    Bounded,
    Condition,
    Expr,
    Is,
    IsAction,
    Leaf,
    Rule,
    fact_path,
    leaves,
    walk,
)
from countermark.policy.factlist import ACTIONS, CLAIMED, LONG, SIGNAL, Bound, FactList

_WORDS = {"less": "<", "less_eq": "<=", "greater": ">", "greater_eq": ">="}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is not in the dialect. `needle` is a word of the text near which it stands."""

    message: str
    fix: str
    needle: str = ""


class DialectError(PolicyError):
    """A policy that is not in the dialect."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.message}; {problem.fix}" for problem in problems))
        self.problems = tuple(problems)


class _Reader:
    """Reads one policy and collects every problem, so that one run of `policy check` names them all."""

    def __init__(self, facts: FactList, roles: Sequence[str]) -> None:
        self.facts = facts
        self.roles = roles
        self.problems: list[Problem] = []

    def refuse(self, message: str, fix: str, needle: str = "") -> None:
        self.problems.append(Problem(message=message, fix=fix, needle=needle))

    # -- scope ---------------------------------------------------------------------------------------------------

    def scope(self, node: pst.Template) -> tuple[str, ...]:
        for name in ("principal", "resource"):
            if not isinstance(getattr(node, name), pst.ScopeAny):
                self.refuse(
                    f"expected a scope that leaves `{name}` open: one that is not registered would slip past",
                    f"write `{name}` alone and ask for a fact in the conditions",
                    name,
                )
        for name in node.annotations:
            if name != "id":
                self.refuse(
                    f"expected no annotation but `@id`, got `@{name}`",
                    "say it in the front matter",
                    f"@{name}",
                )
        if isinstance(node.action, pst.ScopeAny):
            return ()
        entities = (
            (node.action.entity,) if isinstance(node.action, pst.ActionEq) else tuple(node.action.entities)
        )
        if not entities:
            self.refuse(
                "expected an action in the scope's list", "name one, or write `action` alone", "action"
            )
        return tuple(dict.fromkeys(self.action(entity) for entity in entities))

    def action(self, entity: pst.EntityUid) -> str:
        if entity.type.namespace or entity.type.basename != "Action" or entity.id not in ACTIONS:
            self.refuse(
                f"expected an action of {', '.join(ACTIONS)}, got `{entity.id:.60}`",
                'write `action == Action::"call"`',
                entity.id,
            )
        return entity.id

    # -- conditions ----------------------------------------------------------------------------------------------

    def expr(self, node: pst.Expr) -> Expr | None:
        if isinstance(node, pst.BinaryOp):
            if node.op in ("and", "or"):
                return self.junction(node)
            if node.op == "eq":
                return self.equal(node)
            if node.op == "contains":
                return self.contains(node)
            if node.op in _WORDS:
                return self.bounded(node)
        self.refuse(
            f"expected only what the dialect has, got {_describe(node)}",
            "ask for a good value with `==`, `[...].contains(...)`, `<`, `&&` and `||` (spec/clause.md)",
            _needle(node),
        )
        return None

    def junction(self, node: pst.BinaryOp) -> Expr | None:
        kind: type[AllOf] | type[AnyOf] = AllOf if node.op == "and" else AnyOf
        parts: list[Expr] = []
        for side in (node.left, node.right):
            read = self.expr(side)
            if isinstance(read, kind):
                parts.extend(read.parts)
            elif read is not None:
                parts.append(read)
        return kind(parts=tuple(parts)) if len(parts) > 1 else None

    def equal(self, node: pst.BinaryOp) -> Leaf | None:
        if (
            isinstance(node.left, pst.Var)
            and node.left.name == "action"
            and isinstance(node.right, pst.EntityLit)
        ):
            return IsAction(action=self.action(node.right.value))
        return self.values(node.left, (node.right,), listed=False)

    def contains(self, node: pst.BinaryOp) -> Leaf | None:
        if not isinstance(node.left, pst.Set):
            self.refuse(
                "expected a list of values before `.contains`", "write the values in brackets", "contains"
            )
            return None
        if not node.left.elements:
            self.refuse("expected a value to look for, got an empty list", "name the good values", "contains")
            return None
        return self.values(node.right, tuple(node.left.elements), listed=True)

    def values(self, fact_node: pst.Expr, value_nodes: tuple[pst.Expr, ...], *, listed: bool) -> Is | None:
        read = self.fact(fact_node)
        if read is None:
            return None
        view, name = read
        fact_type = self.facts.fact(name).type
        if fact_type == LONG:
            self.refuse(
                f"expected `{name}` to be bounded, not compared", f"write `context.{view}.{name} < n`", name
            )
            return None
        values: list[str] = []
        for node in value_nodes:
            value = self.value(node, f"{view}.{name}", fact_type)
            if value is None:
                return None
            if value in values:
                self.refuse(f"expected each value once, got `{value}` twice", "take one out", value)
                return None
            values.append(value)
        return Is(view=view, name=name, values=tuple(values), type=fact_type, listed=listed)

    def value(self, node: pst.Expr, path: str, fact_type: str) -> str | None:
        known = self.facts.types[fact_type]
        example = f'{fact_type}::"{known.values[0]}"' if known.values else f'{fact_type}::"…"'
        if not isinstance(node, pst.EntityLit):
            self.refuse(
                f"expected a value of `{fact_type}` for `{path}`, got {_describe(node)}",
                f"write a value like `{example}`",
                path.partition(".")[2],
            )
            return None
        entity = node.value
        if entity.type.namespace or entity.type.basename != fact_type:
            self.refuse(
                f"expected a value of `{fact_type}` for `{path}`, got one of `{entity.type.basename}`: across types "
                "`==` is always false",
                f"write a value like `{example}`",
                entity.type.basename,
            )
            return None
        if entity.id in (UNKNOWN, CONFLICT):
            self.refuse(
                f"expected a good value for `{path}`, got `{entity.id}`: hiding a fact must never help",
                f"ask for a value like `{example}`, and let everything else fail",
                f'"{entity.id}"',
            )
            return None
        if entity.id not in known.values:
            self.refuse(
                f"expected a value of `{fact_type}`, got `{entity.id:.60}`",
                f"write one of {', '.join(known.values)}, or declare it under `[enums]`",
                f'"{entity.id}"',
            )
            return None
        return entity.id

    def fact(self, node: pst.Expr) -> tuple[str, str] | None:
        path = fact_path(node)
        if path is None:
            self.refuse(
                f"expected a fact like `context.countersigned.purpose`, got {_describe(node)}",
                "write the fact first, then the values",
                _needle(node),
            )
            return None
        view, name = path
        if view == "approvals":
            self.refuse(
                f"expected approvals of `{name:.60}` as a count",
                f"write `context.approvals.{name:.60} >= 1`",
                name,
            )
            return None
        try:
            self.facts.split(f"{view}.{name}")
        except PolicyError as error:
            self.refuse(str(error), "take the fact and its view from docs/reference/facts.md", name)
            return None
        return view, name

    def bounded(self, node: pst.BinaryOp) -> Leaf | None:
        op = _WORDS[node.op]
        if not isinstance(node.right, pst.LongLit):
            self.refuse(f"expected a number after `{op}`, got {_describe(node.right)}", "write a number", op)
            return None
        n = node.right.value
        path = fact_path(node.left)
        if path is not None and path[0] == "approvals":
            return self.approved(path[1], op, n)
        read = self.fact(node.left)
        if read is None:
            return None
        view, name = read
        fact = self.facts.fact(name)
        if fact.bound is None:
            self.refuse(f"expected `{name}` to be compared with its values, not `{op}`", "write `==`", name)
            return None
        safe = ("<", "<=") if fact.bound is Bound.UPPER else (">", ">=")
        if op not in safe:
            self.refuse(
                f"expected `{view}.{name}` to be bounded by `{safe[0]}` or `{safe[1]}`, got `{op}`: its unknown value "
                f"is {fact.unknown}",
                f"write `context.{view}.{name} {safe[0]} {n}`",
                name,
            )
            return None
        unknown_passes = (fact.bound is Bound.UPPER and (n > MOST or (op == "<=" and n >= MOST))) or (
            fact.bound is Bound.LOWER and (n < 0 or (op == ">=" and n <= 0))
        )
        if unknown_passes or n < 0:
            self.refuse(
                f"expected a bound that the unknown value {fact.unknown} does not pass, got `{op} {n}`",
                "write a bound that means something",
                name,
            )
            return None
        return Bounded(view=view, name=name, op=op, n=n)

    def approved(self, role: str, op: str, n: int) -> Approved | None:
        if role not in self.roles:
            known = ", ".join(self.roles) or "none"
            self.refuse(
                f"expected a role of `approvals` in bundle.toml ({known}), got `{role:.60}`",
                "declare the role",
                role,
            )
            return None
        if op != ">=" or not 1 <= n <= MOST_APPROVALS:
            self.refuse(
                f"expected approvals as `>= n` with n from 1 to {MOST_APPROVALS}, got `{op} {n}`: taking an approval "
                "back must never help",
                f"write `context.approvals.{role} >= 1`",
                role,
            )
            return None
        return Approved(role=role, n=n)

    # -- what may stand where ------------------------------------------------------------------------------------

    def place(self, effect: str, kind: str, expr: Expr) -> None:
        """Claims and signals only restrict, approvals and facts only help: so each has its places."""
        where = f"{effect} … {kind}"
        if effect == "permit" and kind == "unless":
            self.refuse("expected a permit without `unless`", "say in a `forbid` what must not be", "unless")
            return
        for leaf in leaves(expr):
            if isinstance(leaf, IsAction):
                continue
            if isinstance(leaf, Is) and leaf.view == SIGNAL:
                self.signal(effect, kind, leaf)
                continue
            claim = isinstance(leaf, Is | Bounded) and leaf.view == CLAIMED
            restricts = effect == "forbid" and kind == "when"
            if claim and not restricts:
                self.refuse(
                    f"expected no claim in `{where}`: a bare claim can only restrict",
                    "read claims in `forbid … when { … }` only",
                    _leaf_needle(leaf),
                )
            if not claim and restricts:
                said = "an approval" if isinstance(leaf, Approved) else "a fact that is no claim"
                self.refuse(
                    f"expected only claims and actions in `{where}`, got {said}: hiding it would raise the outcome",
                    "ask for the good value in `unless { … }`",
                    _leaf_needle(leaf),
                )

    def signal(self, effect: str, kind: str, leaf: Is) -> None:
        """A signal restricts, and silence of its classifier restricts as much: `forbid … unless` it is quiet."""
        quiet = self.facts.fact(leaf.name).quiet
        fix = f'write `forbid … unless {{ context.{SIGNAL}.{leaf.name} == {leaf.type}::"{quiet}" }}`'
        if effect == "permit":
            self.refuse(
                f"expected no signal in `permit … {kind}`: a signal may restrict, never permit",
                fix,
                leaf.name,
            )
        elif kind == "when":
            self.refuse(
                f"expected no signal in `forbid … when`: where the classifier says nothing, `{leaf.name}` is unknown, and "
                "would pass",
                fix,
                leaf.name,
            )
        elif leaf.values != (quiet,):
            self.refuse(
                f"expected the quiet value `{quiet}` of the signal `{leaf.name}`, got {', '.join(leaf.values)}: an alarm "
                "must lift no forbid",
                fix,
                leaf.name,
            )


def _rests_on_fact(expr: Expr) -> bool:
    """Whether each way to satisfy `expr` needs a fact."""
    if isinstance(expr, AllOf):
        return any(_rests_on_fact(part) for part in expr.parts)
    if isinstance(expr, AnyOf):
        return all(_rests_on_fact(part) for part in expr.parts)
    return isinstance(expr, Is | Bounded)


def _leaf_needle(leaf: Leaf) -> str:
    if isinstance(leaf, Approved):
        return leaf.role
    return leaf.action if isinstance(leaf, IsAction) else f"{leaf.view}.{leaf.name}"


_NAMED = {"not": "`!`", "neg": "arithmetic", "add": "arithmetic", "sub": "arithmetic", "mul": "arithmetic"}


def _describe(node: object) -> str:
    """The node in words, for a message."""
    if isinstance(node, pst.UnaryOp | pst.BinaryOp):
        return _NAMED.get(node.op, {"not_eq": "`!=`", "in": "`in`"}.get(node.op, f"`{node.op}`"))
    if isinstance(node, pst.GetAttr):
        path = fact_path(node)
        return f"`context.{path[0]}.{path[1]}`" if path else f"the attribute `{node.attr:.60}`"
    simple = {
        "HasAttr": "`has`",
        "Like": "`like`",
        "Is": "`is`",
        "IfThenElse": "`if … then … else`",
        "BoolLit": "a bare truth value",
        "LongLit": "a number",
        "StringLit": "a string",
        "EntityLit": "a value",
        "Set": "a list",
        "Record": "a record",
    }
    if isinstance(node, pst.Var):
        return f"`{node.name}`"
    return simple.get(type(node).__name__, f"`{type(node).__name__}`")


def _needle(node: object) -> str:
    """A word of the source near the node: its last attribute, else its operator."""
    for inner in walk(node):
        if isinstance(inner, pst.HasAttr):
            return "has"
        if isinstance(inner, pst.GetAttr):
            return inner.attr
    return {"not": "!", "not_eq": "!=", "in": " in "}.get(getattr(node, "op", ""), "")


def read_rule(policy: ClausePolicy, *, facts: FactList, roles: Sequence[str]) -> Rule:
    """Read one policy into the dialect.

    Args:
        facts: With the bundle's own values.
        roles: Those that the bundle's `approvals` names.

    Raises:
        DialectError: With every problem found.
    """
    reader = _Reader(facts, roles)
    node = policy.node
    actions = reader.scope(node)
    conditions: list[Condition] = []
    for clause in node.clauses:
        kind = "when" if isinstance(clause, pst.When) else "unless"
        expr = reader.expr(clause.expr)
        if expr is not None:
            reader.place(node.effect, kind, expr)
            conditions.append(Condition(kind=kind, expr=expr))
    if (
        not reader.problems
        and node.effect == "permit"
        and not any(_rests_on_fact(c.expr) for c in conditions)
    ):
        reader.refuse(
            "expected a permit that rests on a fact, whichever way it is satisfied",
            "add `when { context.countersigned.… == … }`",
            "permit",
        )
    if reader.problems:
        raise DialectError(reader.problems)
    return Rule(id=policy.id, effect=node.effect, actions=actions, conditions=tuple(conditions))
