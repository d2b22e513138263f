"""Mutants of a policy, and proofs that a mutant is no change.

A mutant is a slip of the pen: a condition left out, a value too many, a number off by one. Examples that don't notice
one would not have noticed the slip either. All mutants stay inside the dialect.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from countermark.facts import MOST, UNKNOWN, FactValue
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
    leaves,
    write_expr,
)
from countermark.policy.factlist import ACTIONS, FactList

MAX_POINTS = 200_000
"""Above so many combinations of facts no proof is tried; the mutant then needs an example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A changed rule; None: the policy is gone.

    Attributes:
        slip: What changed, in words.
        leaves_out: Something is missing. Where even that changes nothing, the policy says something twice.
    """

    slip: str
    rule: Rule | None
    leaves_out: bool = False


def _leaf_slips(leaf: Leaf, facts: FactList) -> Iterator[tuple[str, Leaf]]:
    if isinstance(leaf, Is):
        others = [value for value in facts.types[leaf.type].values if value not in leaf.values]
        for value in others:
            wider = replace(leaf, values=(*leaf.values, value), listed=True)
            yield f"`{value}` added to the values of `{leaf.view}.{leaf.name}`", wider
        for value in leaf.values:
            rest = tuple(other for other in leaf.values if other != value)
            if rest:
                yield (
                    f"`{value}` removed from the values of `{leaf.view}.{leaf.name}`",
                    replace(leaf, values=rest),
                )
            else:
                for other in others:
                    slip = f"`{value}` became `{other}` for `{leaf.view}.{leaf.name}`"
                    yield slip, replace(leaf, values=(other,))
    elif isinstance(leaf, Bounded):
        for n in (leaf.n - 1, leaf.n + 1):
            if 0 <= n < MOST:
                yield (
                    f"`{leaf.view}.{leaf.name} {leaf.op} {leaf.n}` became `{leaf.op} {n}`",
                    replace(leaf, n=n),
                )
    elif isinstance(leaf, Approved):
        for n in (leaf.n - 1, leaf.n + 1):
            if 1 <= n <= MOST_APPROVALS:
                yield f"approvals of `{leaf.role}` from {leaf.n} became {n}", replace(leaf, n=n)
    else:
        for action in ACTIONS:
            if action != leaf.action:
                yield f"`{leaf.action}` became `{action}`", IsAction(action=action)


def _slips(expr: Expr, facts: FactList) -> Iterator[tuple[str, Expr]]:
    if not isinstance(expr, AllOf | AnyOf):
        yield from _leaf_slips(expr, facts)
        return
    kind = type(expr)
    for number, part in enumerate(expr.parts):
        rest = (*expr.parts[:number], *expr.parts[number + 1 :])
        yield f"`{write_expr(part)}` left out", rest[0] if len(rest) == 1 else kind(parts=rest)
        for slip, changed in _slips(part, facts):
            yield slip, kind(parts=(*expr.parts[:number], changed, *expr.parts[number + 1 :]))


def mutants(rule: Rule, facts: FactList) -> Iterator[Mutant]:
    """Every slip of the pen in one policy.

    Args:
        facts: With the bundle's own values.
    """
    yield Mutant(slip="the policy left out", rule=None, leaves_out=True)
    for number, condition in enumerate(rule.conditions):
        before, after = rule.conditions[:number], rule.conditions[number + 1 :]
        dropped = replace(rule, conditions=(*before, *after))
        yield Mutant(
            slip=f"`{condition.kind} {{ … }}` number {number + 1} left out", rule=dropped, leaves_out=True
        )
        for slip, expr in _slips(condition.expr, facts):
            changed = Condition(kind=condition.kind, expr=expr)
            changed_rule = replace(rule, conditions=(*before, changed, *after))
            yield Mutant(slip=slip, rule=changed_rule, leaves_out=slip.endswith("left out"))
    if rule.actions:
        yield Mutant(slip="the scope's action left out", rule=replace(rule, actions=()))
        for action in ACTIONS:
            if action in rule.actions and len(rule.actions) > 1:
                fewer = tuple(other for other in rule.actions if other != action)
                yield Mutant(slip=f"`{action}` removed from the scope", rule=replace(rule, actions=fewer))
            elif action not in rule.actions and len(rule.actions) < len(ACTIONS) - 1:
                more = (*rule.actions, action)
                yield Mutant(slip=f"`{action}` added to the scope", rule=replace(rule, actions=more))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One combination: an action, facts by `view.name`, approvals by role."""

    action: str
    values: Mapping[str, FactValue]
    approvals: Mapping[str, int]


def _expr_holds(expr: Expr, point: Point) -> bool:
    if isinstance(expr, AllOf):
        return all(_expr_holds(part, point) for part in expr.parts)
    if isinstance(expr, AnyOf):
        return any(_expr_holds(part, point) for part in expr.parts)
    if isinstance(expr, Is):
        return point.values[f"{expr.view}.{expr.name}"] in expr.values
    if isinstance(expr, Approved):
        return point.approvals[expr.role] >= expr.n
    if isinstance(expr, IsAction):
        return point.action == expr.action
    value = int(point.values[f"{expr.view}.{expr.name}"])
    return {"<": value < expr.n, "<=": value <= expr.n, ">": value > expr.n, ">=": value >= expr.n}[expr.op]


def applies(rule: Rule, point: Point) -> bool:
    """Whether the policy applies at the point, as Cedar would say (a test compares); never used to decide."""
    if rule.actions and point.action not in rule.actions:
        return False
    return all(_expr_holds(c.expr, point) is (c.kind == "when") for c in rule.conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axes:
    """For each thing that rules read, the values between which they can tell."""

    facts: Mapping[str, tuple[FactValue, ...]]
    roles: Mapping[str, tuple[int, ...]]

    @property
    def size(self) -> int:
        size = len(ACTIONS)
        for choices in (*self.facts.values(), *self.roles.values()):
            size *= len(choices)
        return size

    def points(self) -> Iterator[Point]:
        for action in ACTIONS:
            for values in itertools.product(*self.facts.values()):
                for counts in itertools.product(*self.roles.values()):
                    yield Point(
                        action=action,
                        values=dict(zip(self.facts, values, strict=True)),
                        approvals=dict(zip(self.roles, counts, strict=True)),
                    )


def _axes(rules: Sequence[Rule], fixed: Point | None = None) -> _Axes:
    """Everything that the rules can tell apart. Exact, since the dialect only compares with what it names.

    Args:
        fixed: What already has a value; it is no axis.
    """
    facts: dict[str, set[FactValue]] = {}
    roles: dict[str, set[int]] = {}
    for rule in rules:
        for condition in rule.conditions:
            for leaf in leaves(condition.expr):
                if isinstance(leaf, Is):
                    # every value that no rule names acts like `unknown`
                    facts.setdefault(f"{leaf.view}.{leaf.name}", {UNKNOWN}).update(leaf.values)
                elif isinstance(leaf, Bounded):
                    near = {n for n in (leaf.n - 1, leaf.n, leaf.n + 1) if 0 <= n <= MOST}
                    facts.setdefault(f"{leaf.view}.{leaf.name}", {0, MOST}).update(near)
                elif isinstance(leaf, Approved):
                    roles.setdefault(leaf.role, {0}).update((leaf.n - 1, leaf.n))
    known_facts = fixed.values if fixed is not None else {}
    known_roles = fixed.approvals if fixed is not None else {}
    return _Axes(
        facts={
            path: tuple(sorted(v, key=str)) for path, v in sorted(facts.items()) if path not in known_facts
        },
        roles={role: tuple(sorted(n)) for role, n in sorted(roles.items()) if role not in known_roles},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Why a mutant changes no decision. `masked_by`: ids of the forbids that apply wherever it would be a change."""

    masked_by: tuple[str, ...] = ()


def prove_no_change(
    before: Sequence[Rule], after: Sequence[Rule], forbids: Sequence[Rule], *, max_points: int = MAX_POINTS
) -> Proof | None:
    """Try to prove that replacing one clause's policies of one effect changes no decision and no list of clauses.

    Exhaustive over everything that the policies can tell apart. Where permits do differ, each such point must be
    covered by one forbid that applies there whatever else is true, approvals included.

    Args:
        before: The clause's policies of that effect; `after`: the same with the mutant.
        forbids: The bundle's forbids.

    Returns:
        None where there is a change, or where proving would take over `max_points` combinations.
    """
    axes = _axes([*before, *after])
    if axes.size > max_points:
        return None
    differing = [
        point
        for point in axes.points()
        if any(applies(rule, point) for rule in before) != any(applies(rule, point) for rule in after)
    ]
    if not differing:
        return Proof()
    if any(rule.effect != "permit" for rule in (*before, *after)):
        return None
    masks: list[str] = []
    budget = max_points
    for point in differing:
        for forbid in forbids:
            inner = _axes([forbid], fixed=point)
            budget -= inner.size
            if budget < 0:
                return None
            if _always(forbid, point, inner):
                masks.append(forbid.id)
                break
        else:
            return None
    return Proof(masked_by=tuple(sorted(set(masks))))


def _always(forbid: Rule, point: Point, axes: _Axes) -> bool:
    return all(
        applies(
            forbid,
            Point(
                action=point.action,
                values={**point.values, **rest.values},
                approvals={**point.approvals, **rest.approvals},
            ),
        )
        for rest in axes.points()
        if rest.action == point.action
    )
