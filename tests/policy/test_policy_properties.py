"""The promises, over bundles drawn from the linted dialect: knowing less, claiming or approving less never helps."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import APPROVALS, FLAGGED, ROLES, bundle_of, bundles, facts_of, lowered, without_claims

from countermark.decision import Outcome
from countermark.facts import FactValue
from countermark.policy.bundle import Bundle
from countermark.policy.dialect import views_read
from countermark.policy.evaluate import Evaluator
from countermark.policy.factlist import ACTIONS
from countermark.policy.mutate import Point, applies, mutants, prove_no_change

POSSIBLE = dict.fromkeys(ROLES, 3)


def outcome(
    evaluator: Evaluator, action: str, values: Mapping[str, FactValue], approvals: Mapping[str, int]
) -> Outcome:
    """HOLD by evaluation, as `decide` does it."""
    now = evaluator.evaluate(action, "northmark/w", "r", values, approvals)
    assert now.error is None
    if now.permitted:
        return Outcome.PERMIT
    quorum = evaluator.minimal_quorum(action, "northmark/w", "r", values, POSSIBLE)
    return Outcome.DENY if quorum is None else Outcome.HOLD


@st.composite
def cases(draw: st.DrawFn) -> tuple[Bundle, str, dict[str, FactValue], dict[str, int]]:
    bundle = draw(bundles())
    return bundle, draw(st.sampled_from(ACTIONS)), draw(facts_of(bundle)), draw(APPROVALS)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_claims_only_restrict(case: tuple[Bundle, str, dict[str, FactValue], dict[str, int]]) -> None:
    """Claim safety: decide(F + C) <= decide(F with every claim unknown)."""
    bundle, action, values, approvals = case
    evaluator = Evaluator(bundle)
    assert outcome(evaluator, action, values, approvals) <= outcome(
        evaluator, action, without_claims(values), approvals
    )


@settings(max_examples=100, deadline=None)
@given(cases())
def test_hiding_a_fact_never_helps(case: tuple[Bundle, str, dict[str, FactValue], dict[str, int]]) -> None:
    """Omission safety and assurance monotonicity: any other view at its unknown value never raises the outcome."""
    bundle, action, values, approvals = case
    evaluator = Evaluator(bundle)
    now = outcome(evaluator, action, values, approvals)
    for path in values:
        if not path.startswith("claimed."):
            assert outcome(evaluator, action, lowered(bundle, values, path), approvals) <= now, path


@settings(max_examples=100, deadline=None)
@given(cases())
def test_what_only_one_party_says_is_worth_no_more(
    case: tuple[Bundle, str, dict[str, FactValue], dict[str, int]],
) -> None:
    """Assurance monotonicity over whole levels: all that was countersigned or observed, known at operator only."""
    bundle, action, values, approvals = case
    evaluator = Evaluator(bundle)
    less = dict(values)
    for path in values:
        if path.startswith(("countersigned.", "observed.")):
            less = lowered(bundle, less, path)
    assert outcome(evaluator, action, less, approvals) <= outcome(evaluator, action, values, approvals)


@settings(max_examples=100, deadline=None)
@given(cases())
def test_taking_an_approval_back_never_helps(
    case: tuple[Bundle, str, dict[str, FactValue], dict[str, int]],
) -> None:
    """Approval monotonicity, and the quorum that is asked for suffices and is minimal."""
    bundle, action, values, approvals = case
    evaluator = Evaluator(bundle)
    now = outcome(evaluator, action, values, approvals)
    for role, count in approvals.items():
        if count:
            assert outcome(evaluator, action, values, approvals | {role: count - 1}) <= now
    quorum = evaluator.minimal_quorum(action, "northmark/w", "r", values, POSSIBLE)
    if quorum is not None:
        assert evaluator.evaluate(action, "northmark/w", "r", values, quorum).permitted
        for role, count in quorum.items():
            fewer = {**quorum, role: count - 1}
            assert not evaluator.evaluate(action, "northmark/w", "r", values, fewer).permitted


@settings(max_examples=200, deadline=None)
@given(cases())
def test_signals_only_restrict(case: tuple[Bundle, str, dict[str, FactValue], dict[str, int]]) -> None:
    """Signal safety: decide(B, signal) <= decide(B without the policies that read signals); unknown == yes <= no."""
    bundle, action, values, approvals = case
    assume(FLAGGED in values)
    without = bundle_of(
        [
            clause
            for clause in bundle.clauses
            if not any(FLAGGED in views_read(policy.node, bundle.facts) for policy in clause.policies)
        ]
    )
    evaluator = Evaluator(bundle)
    baseline = outcome(Evaluator(without), action, values, approvals)
    by_value = {
        value: outcome(evaluator, action, values | {FLAGGED: value}, approvals)
        for value in ("unknown", "yes", "no")
    }
    assert all(each <= baseline for each in by_value.values())
    assert by_value["unknown"] == by_value["yes"] <= by_value["no"]


@settings(max_examples=60, deadline=None)
@given(cases())
def test_the_same_question_has_the_same_answer(
    case: tuple[Bundle, str, dict[str, FactValue], dict[str, int]],
) -> None:
    """Deterministic: again, from another evaluator, in another order, and for another workload."""
    bundle, action, values, approvals = case
    evaluator = Evaluator(bundle)
    first = evaluator.evaluate(action, "northmark/w", "r", values, approvals)
    backwards = dict(reversed(values.items()))
    assert evaluator.evaluate(action, "northmark/w", "r", backwards, approvals) == first
    assert Evaluator(bundle).evaluate(action, "halden/x", "other", values, approvals) == first


@settings(max_examples=100, deadline=None)
@given(cases())
def test_proofs_read_a_policy_as_cedar_does(
    case: tuple[Bundle, str, dict[str, FactValue], dict[str, int]],
) -> None:
    """The little reading of rules that proves mutants equivalent agrees with cedarpy on which clauses apply."""
    bundle, action, values, approvals = case
    point = Point(action=action, values=values, approvals=approvals)
    matching = {p.clause: bundle.rule(p).effect for p in bundle.policies if applies(bundle.rule(p), point)}
    forbids = {clause for clause, effect in matching.items() if effect == "forbid"}
    told = Evaluator(bundle).evaluate(action, "northmark/w", "r", values, approvals)
    assert set(told.clauses) == (forbids or set(matching))
    assert told.permitted is (not forbids and bool(matching))


@settings(max_examples=40, deadline=None)
@given(cases(), st.data())
def test_a_mutant_that_is_proven_equal_changes_no_decision(
    case: tuple[Bundle, str, dict[str, FactValue], dict[str, int]], data: st.DataObject
) -> None:
    """Where the proof says so, Cedar decides the same on facts drawn at random, by the same clauses."""
    bundle, action, values, approvals = case
    rules = {policy.id: bundle.rule(policy) for policy in bundle.policies}
    forbids = [rule for rule in rules.values() if rule.effect == "forbid"]
    policy = data.draw(st.sampled_from(bundle.policies))
    mutant = data.draw(st.sampled_from(list(mutants(rules[policy.id], bundle.facts))))
    after = [] if mutant.rule is None else [mutant.rule]
    others = [rule for rule in forbids if rule is not rules[policy.id]]
    if prove_no_change([rules[policy.id]], after, others) is None:
        return
    before_rules = list(rules.values())
    after_rules = [rule for rule in before_rules if rule is not rules[policy.id]] + after

    def decided(all_rules: list[object]) -> tuple[bool, set[str]]:
        point = Point(action=action, values=values, approvals=approvals)
        applying = [rule for rule in all_rules if applies(rule, point)]
        stopped = {rule.id for rule in applying if rule.effect == "forbid"}
        return (not stopped and bool(applying), stopped or {rule.id for rule in applying})

    assert decided(before_rules) == decided(after_rules)
