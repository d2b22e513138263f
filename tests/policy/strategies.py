"""Bundles in the linted dialect, and facts for them, drawn at random. Reusable by the tests of other parts."""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import cedarpy
from hypothesis import strategies as st

from countermark.facts import MOST, UNKNOWN, FactValue, Level
from countermark.policy.bundle import Bundle
from countermark.policy.clause import Clause, ClausePolicy
from countermark.policy.dialect import (
    AllOf,
    AnyOf,
    Approved,
    Bounded,
    Condition,
    Expr,
    Is,
    IsAction,
    Rule,
    views_read,
    write_rule,
)
from countermark.policy.factlist import ACTIONS, LONG, load_factlist
from countermark.policy.settings import Limits
from countermark.policy.signals import SignalTerms

ROLES = ("northmark_officer", "halden_reviewer")
ENUMS = {"Purpose": ("office", "survey", "track")}
FACTS = load_factlist().with_values(ENUMS)
CLAIMS = ("claimed.bulk_persons", "claimed.consent")
# few facts, so that clauses meet on the same ones
STATED = (
    "operator.purpose",
    "countersigned.purpose",
    "countersigned.data_class",
    "operator.order",
    "countersigned.order",
    "countersigned.persons_at_most",
    "operator.persons_at_most",
    "operator.binding",
    "observed.binding",
)


FLAGGED = "signal.content_flagged"
SIGNALS = {"content": SignalTerms(classifier="offline-1", threshold=0.5, sha256="0" * 64, model="")}


def _is(path: str) -> st.SearchStrategy[Is | Bounded]:
    view, fact = FACTS.split(path)
    if fact.type == LONG:
        return st.builds(
            Bounded,
            view=st.just(view),
            name=st.just(fact.name),
            op=st.sampled_from(["<", "<="]),
            n=st.sampled_from([1, 10]),
        )
    values = FACTS.types[fact.type].values
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True).map(
        lambda chosen: Is(
            view=view, name=fact.name, values=tuple(chosen), type=fact.type, listed=len(chosen) > 1
        )
    )


def _expr(leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Expr]:
    def join(kind: type[AllOf] | type[AnyOf], parts: list[Expr]) -> Expr:
        flat: list[Expr] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, kind) else [part])
        return kind(parts=tuple(flat))

    return st.recursive(
        leaf,
        lambda inner: st.builds(
            join, st.sampled_from([AllOf, AnyOf]), st.lists(inner, min_size=2, max_size=3)
        ),
        max_leaves=5,
    )


QUIET = st.just(Is(view="signal", name="content_flagged", values=("no",), type="YesNo", listed=False))
STATED_LEAF = st.sampled_from(STATED).flatmap(_is)
CLAIM_LEAF = st.sampled_from(CLAIMS).flatmap(_is)
APPROVED = st.builds(Approved, role=st.sampled_from(ROLES), n=st.sampled_from([1, 2]))
ACTION = st.builds(IsAction, action=st.sampled_from(ACTIONS))
SCOPE = st.one_of(
    st.just(()), st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2, unique=True).map(tuple)
)
HELPS = _expr(st.one_of(STATED_LEAF, STATED_LEAF, APPROVED, APPROVED, ACTION))
"""What may stand in `permit … when` and `forbid … unless`."""
LIFTS = _expr(st.one_of(STATED_LEAF, STATED_LEAF, APPROVED, QUIET, QUIET, ACTION))
"""What may stand in `forbid … unless`: signals too, which no permit may read."""
RESTRICTS = _expr(st.one_of(CLAIM_LEAF, CLAIM_LEAF, ACTION))
"""What may stand in `forbid … when`."""


@st.composite
def _permit(draw: st.DrawFn) -> Rule:
    conditions = [Condition(kind="when", expr=draw(STATED_LEAF))]
    if draw(st.booleans()):
        conditions.append(Condition(kind="when", expr=draw(HELPS)))
    return Rule(id="", effect="permit", actions=draw(SCOPE), conditions=tuple(conditions))


@st.composite
def _forbid(draw: st.DrawFn) -> Rule:
    conditions = []
    if draw(st.booleans()):
        conditions.append(Condition(kind="when", expr=draw(RESTRICTS)))
    if not conditions or draw(st.booleans()):
        conditions.append(Condition(kind="unless", expr=draw(LIFTS)))
    return Rule(id="", effect="forbid", actions=draw(SCOPE), conditions=tuple(conditions))


def clause_of(rule: Rule, clause_id: str) -> Clause:
    """A clause that says just this rule."""
    text = write_rule(
        Rule(id=clause_id, effect=rule.effect, actions=rule.actions, conditions=rule.conditions)
    )
    node = next(iter(cedarpy.PolicySet.from_str(text).to_pst().static_policies.values()))
    return Clause(
        id=clause_id,
        title=f"Clause {clause_id}",
        red_line=rule.effect == "forbid",
        needs=(),
        instrument=None,
        sentence="Drawn at random.",
        policies=(ClausePolicy(id=clause_id, clause=clause_id, text=text, line=1, node=node),),
        examples=(),
        notes="",
        file=f"clauses/{clause_id}.md",
    )


def bundle_of(clauses: list[Clause]) -> Bundle:
    """A bundle of these clauses, without routes."""
    return Bundle(
        name="drawn",
        version=1,
        digest="0" * 64,
        issued_at=datetime(2026, 11, 1, tzinfo=UTC),
        approvals=ROLES,
        enums=MappingProxyType(ENUMS),
        facts=FACTS,
        upstreams={},
        routes={},
        limits=Limits(
            max_body_bytes=1 << 20,
            max_answer_bytes=1 << 20,
            max_depth=64,
            connect_s=1,
            first_byte_s=1,
            idle_s=1,
            total_s=1,
            max_open_holds_per_workload=1,
            hold_ttl_s=1,
        ),
        lifetimes={},
        skew_s=60,
        observe=(),
        fields={},
        selectors=(),
        examples={},
        clauses=tuple(clauses),
        views_read=frozenset[str]().union(*(views_read(p.node, FACTS) for c in clauses for p in c.policies)),
        files={},
        signals=SIGNALS,
    )


@st.composite
def bundles(draw: st.DrawFn) -> Bundle:
    """A bundle that passes the lint: some permits, some forbids."""
    permits = draw(st.lists(_permit(), min_size=1, max_size=2))
    forbids = draw(st.lists(_forbid(), min_size=0, max_size=3))
    named = [clause_of(rule, f"P-{n}") for n, rule in enumerate(permits, 1)]
    named += [clause_of(rule, f"RL-{n}") for n, rule in enumerate(forbids, 1)]
    return bundle_of(named)


@st.composite
def facts_of(draw: st.DrawFn, bundle: Bundle) -> dict[str, FactValue]:
    """A value for each fact that the bundle reads; more often one that its clauses ask for."""
    asked: dict[str, set[FactValue]] = {}
    for policy in bundle.policies:
        for condition in bundle.rule(policy).conditions:
            for leaf in _leaves(condition.expr):
                if isinstance(leaf, Is):
                    asked.setdefault(f"{leaf.view}.{leaf.name}", set()).update(leaf.values)
    values: dict[str, FactValue] = {}
    for path in sorted(bundle.views_read):
        _, fact = bundle.facts.split(path)
        if fact.type == LONG:
            values[path] = draw(st.sampled_from([0, 1, 9, 10, 11, MOST]))
            continue
        every = bundle.facts.types[fact.type].all_values
        good = sorted(asked.get(path, set()), key=str)
        values[path] = draw(st.sampled_from([*good, *good, *good, *every]))
    return values


def _leaves(expr: Expr) -> list[Expr]:
    if isinstance(expr, AllOf | AnyOf):
        return [leaf for part in expr.parts for leaf in _leaves(part)]
    return [expr]


APPROVALS = st.fixed_dictionaries({role: st.sampled_from([0, 0, 0, 1, 2, 3]) for role in ROLES})


def lowered(bundle: Bundle, values: dict[str, FactValue], path: str) -> dict[str, FactValue]:
    """The same knowledge of one fact, but of one level less: its view falls to the unknown value."""
    view, fact = bundle.facts.split(path)
    assert view not in (Level.CLAIMED.word,)
    return values | {path: fact.unknown}


def without_claims(values: dict[str, FactValue]) -> dict[str, FactValue]:
    """Every claim taken back."""
    return {path: UNKNOWN if path.startswith("claimed.") else value for path, value in values.items()}
