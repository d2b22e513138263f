"""The promises of docs/design, from signed statements to the decision: over drawn bundles, statements and ties.

What is drawn: a bundle that passes the lint (or one that ships with the package); statements, really signed, of one
coherent world with some missing and some added that may disagree; what the gateway saw, and what its sight is worth;
what the caller claims; who approved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from evidence_world import NOW, trust_root
from hypothesis import Phase, event, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from strategies import APPROVALS, bundles, facts_of
from test_evidence_properties import CASES, OBSERVATIONS, made, replaces

from countermark.attestation.verify import VerifiedStatement
from countermark.decision import Decision, Outcome
from countermark.evidence.appraise import Appraisal, appraise
from countermark.evidence.observation import Observation
from countermark.facts import CONFLICT, UNKNOWN, Facts, FactValue, Level
from countermark.pdp.decide import DecisionMemo, decide, decide_whole
from countermark.pdp.gather import view_values
from countermark.pdp.terms import views_of
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.evaluate import Evaluator
from countermark.policy.settings import Observe
from countermark.policy.shipped import shipped_bundle
from countermark.request import Action

FEW = settings(max_examples=80, deadline=None)
ANY = settings(max_examples=3000, deadline=None, database=None, phases=[Phase.generate])
WORKLOAD = "northmark/office"
# coherent worlds: statements that a permit needs, as (kind, content, persons, made by, countersigned by, seq, "")
GOOD = ("cem", "ada")
WORLDS: dict[str, list[tuple[Any, ...]]] = {
    "office": [("deployment", 0, 0, *GOOD, 1, ""), ("purpose", 0, 0, *GOOD, 1, "")],
    "locate, with an order": [
        ("deployment", 0, 0, *GOOD, 1, ""),
        ("purpose", 1, 0, *GOOD, 1, ""),
        ("order", 0, 0, *GOOD, 1, ""),
    ],
    "locate and link, with two orders": [
        ("deployment", 0, 0, *GOOD, 1, ""),
        ("purpose", 2, 0, *GOOD, 1, ""),
        ("order", 2, 1, *GOOD, 1, ""),
        ("order 18/1", 1, 1, *GOOD, 1, ""),
    ],
    "everything": [
        ("deployment", 0, 0, *GOOD, 1, ""),
        ("purpose", 0, 0, *GOOD, 1, ""),
        ("oversight", 0, 0, *GOOD, 1, ""),
        ("engagement", 0, 0, *GOOD, 1, ""),
        ("consent", 0, 0, *GOOD, 1, ""),
    ],
}


@cache
def shipped(name: str) -> Bundle:
    """A bundle that comes with the package."""
    return load_bundle(shipped_bundle(name))


@cache
def evaluator_of(bundle_id: int) -> Evaluator:
    """One evaluator for each bundle of this run: making one costs more than asking it."""
    return Evaluator(_BUNDLES[bundle_id])


_BUNDLES: dict[int, Bundle] = {}


def judge(bundle: Bundle) -> Evaluator:
    """The evaluator of a bundle, kept alive with it."""
    _BUNDLES[id(bundle)] = bundle
    return evaluator_of(id(bundle))


@dataclass(frozen=True)
class Case:
    """One drawn situation."""

    bundle: Bundle
    statements: tuple[VerifiedStatement, ...]
    seen: Observation
    approvals: Mapping[str, int]

    @property
    def possible(self) -> Mapping[str, int]:
        return dict.fromkeys(self.bundle.approvals, 2)

    def appraised(self) -> Appraisal:
        return appraise(self.statements, self.seen, root=trust_root(), now=NOW)

    def values(self) -> dict[str, FactValue]:
        return view_values(self.appraised(), views_of(self.bundle))

    def decide(self, values: Mapping[str, FactValue] | None = None) -> Decision:
        facts = Facts(
            values=self.values() if values is None else values,
            approvals=self.approvals,
            possible=self.possible,
        )
        return decide(
            self.bundle,
            judge(self.bundle),
            action=self.seen.action,
            workload=WORKLOAD,
            resource=self.seen.resource,
            facts=facts,
            now=NOW,
        )


@st.composite
def situations(draw: st.DrawFn, *, extra: int = 3) -> Case:
    bundle = draw(
        st.one_of(bundles(), st.sampled_from(["red-lines", "solo", "all-lawful-uses"]).map(shipped))
    )
    world = WORLDS[draw(st.sampled_from(sorted(WORLDS)))]
    missing = draw(st.one_of(st.just(-1), st.integers(0, len(world) - 1)))
    kept = [case for index, case in enumerate(world) if index != missing]
    added = draw(st.one_of(st.just([]), st.lists(CASES, max_size=extra)))
    chosen = list(dict.fromkeys([*kept, *added]))
    seen = replace(
        draw(OBSERVATIONS),
        model="m-1",
        claims=draw(
            st.dictionaries(
                st.sampled_from(["bulk_persons", "consent"]),
                st.sampled_from(["yes", "no", "inside", "outside"]),
            )
        ),
    )
    approvals = draw(APPROVALS)
    names = dict(zip(bundle.approvals, approvals.values(), strict=False))
    return Case(
        bundle=bundle,
        statements=tuple(made(case) for case in chosen),
        seen=seen,
        approvals={role: names.get(role, 0) for role in bundle.approvals},
    )


def conflicts(values: Mapping[str, FactValue]) -> frozenset[str]:
    """The views that are in conflict."""
    return frozenset(path for path, value in values.items() if value == CONFLICT)


def all_conflicts(appraisal: Appraisal) -> set[tuple[str, Level]]:
    """Facts and levels in conflict, whether a clause reads them or not."""
    return {
        (fact.name, level)
        for fact in appraisal.facts.values()
        for level, value in fact.values.items()
        if value == CONFLICT
    }


def unknown(case: Case, path: str) -> FactValue:
    """The unknown value of a view."""
    return case.bundle.facts.unknown_value(path.partition(".")[2])


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_the_cases_reach_every_outcome() -> None:
    """The properties below are not empty: PERMIT, HOLD, DENY, and conflicts, all are drawn."""
    wanted = {
        "permit": lambda case: case.decide().outcome is Outcome.PERMIT,
        "hold": lambda case: case.decide().outcome is Outcome.HOLD,
        "a permit under the red lines": lambda case: (
            case.bundle.name == "red-lines" and case.decide().outcome is Outcome.PERMIT
        ),
        "a permit that rests on a countersignature": lambda case: (
            case.decide().outcome is Outcome.PERMIT
            and replace(case, statements=tuple(map(lowered, case.statements))).decide().outcome
            is Outcome.DENY
        ),
        "a conflict": lambda case: bool(conflicts(case.values())),
        "a claim that restricts": lambda case: (
            case.decide().outcome < replace(case, seen=replace(case.seen, claims={})).decide().outcome
        ),
    }
    for name, predicate in wanted.items():
        try:
            find(situations(), predicate, settings=ANY)
        except NoSuchExample as error:
            raise AssertionError(f"nothing drawn shows {name}") from error


def lowered(statement: VerifiedStatement) -> VerifiedStatement:
    """A statement without the countersignatures that raised it."""
    return replace(statement, level=Level.OPERATOR, countersigners=())


@FEW
@given(situations())
def test_claim_safety(case: Case) -> None:
    """decide(F + C) <= decide(F with every claim unknown)."""
    silent = replace(case, seen=replace(case.seen, claims={}))
    assert case.decide().outcome <= silent.decide().outcome
    event(case.decide().outcome.name)


@FEW
@given(situations(), st.integers(0, 9))
def test_omission_safety_over_statements(case: Case, index: int) -> None:
    """decide(S - s) <= decide(S), where s neither ends a conflict by going nor lets an older word of its makers back."""
    if not case.statements:
        return
    gone = case.statements[index % len(case.statements)]
    rest = tuple(each for each in case.statements if each is not gone)
    without = replace(case, statements=rest)
    if replaces(gone, rest) or all_conflicts(case.appraised()) - all_conflicts(without.appraised()):
        return
    assert without.decide().outcome <= case.decide().outcome


@FEW
@given(situations(), st.data())
def test_omission_safety_over_facts(case: Case, data: st.DataObject) -> None:
    """decide(F with any other facts unknown) <= decide(F), at one view or at all of them."""
    values = case.values()
    paths = sorted(path for path in values if not path.startswith("claimed."))
    if not paths:
        return
    hidden = data.draw(st.sets(st.sampled_from(paths), min_size=1))
    less = {path: unknown(case, path) if path in hidden else value for path, value in values.items()}
    assert case.decide(less).outcome <= case.decide(values).outcome


@FEW
@given(situations(), st.integers(0, 9))
def test_assurance_monotonicity_over_countersignatures(case: Case, index: int) -> None:
    """decide(S with one countersignature taken away) <= decide(S), where that ends no conflict."""
    if not case.statements:
        return
    index %= len(case.statements)
    less = list(case.statements)
    less[index] = lowered(less[index])
    weaker = replace(case, statements=tuple(less))
    if all_conflicts(case.appraised()) - all_conflicts(weaker.appraised()):
        return
    assert weaker.decide().outcome <= case.decide().outcome


@FEW
@given(situations())
def test_assurance_monotonicity_over_ties(case: Case) -> None:
    """decide(seen by a runner whom nobody named) <= decide(seen by a named one), where nothing disagrees."""
    named = replace(case, seen=replace(case.seen, runner_level=Level.OBSERVED))
    unnamed = replace(case, seen=replace(case.seen, runner_level=Level.OPERATOR))
    if all_conflicts(named.appraised()) - all_conflicts(unnamed.appraised()):
        return
    assert unnamed.decide().outcome <= named.decide().outcome


@FEW
@given(situations(), st.data())
def test_approval_monotonicity(case: Case, data: st.DataObject) -> None:
    """decide(A - a) <= decide(A); and with fewer people who could approve, no more is asked of them."""
    fewer = {role: data.draw(st.integers(0, count)) for role, count in case.approvals.items()}
    less = replace(case, approvals=fewer)
    assert less.decide().outcome <= case.decide().outcome


@FEW
@given(situations(extra=5))
def test_conflict_is_worth_no_more_than_unknown(case: Case) -> None:
    """decide(F) == decide(F with every conflict unknown): nothing is permitted by what is in conflict."""
    values = case.values()
    event("conflict" if conflicts(values) else "none")
    quiet = {path: unknown(case, path) if value == CONFLICT else value for path, value in values.items()}
    loud, still = case.decide(values), case.decide(quiet)
    assert (loud.outcome, loud.clauses, loud.quorum) == (still.outcome, still.clauses, still.quorum)


@FEW
@given(situations(extra=5), CASES)
def test_adding_a_statement_never_removes_a_conflict(case: Case, added: tuple[Any, ...]) -> None:
    """conflicts(S) <= conflicts(S + s), unless s is a newer word of makers who were part of it."""
    new = made(added)
    if replaces(new, case.statements):
        return
    more = replace(case, statements=(*case.statements, new))
    assert all_conflicts(case.appraised()) <= all_conflicts(more.appraised())


@FEW
@given(situations(), st.randoms(use_true_random=False))
def test_decide_is_deterministic(case: Case, random: Any) -> None:
    """The same facts give the same decision: again, in another order, by another evaluator."""
    values = case.values()
    shuffled = list(values.items())
    random.shuffle(shuffled)
    first = case.decide(values)
    assert case.decide(dict(shuffled)) == first
    again = decide(
        case.bundle,
        Evaluator(case.bundle),
        action=case.seen.action,
        workload=WORKLOAD,
        resource=case.seen.resource,
        facts=Facts(values=values, approvals=case.approvals, possible=case.possible),
        now=NOW,
    )
    assert again == first


@st.composite
def observing(draw: st.DrawFn) -> tuple[Bundle, dict[str, FactValue], Mapping[str, int]]:
    """A bundle some of whose clauses are no red lines, and are observed."""
    drawn = draw(bundles())
    clauses = tuple(replace(each, red_line=each.red_line and draw(st.booleans())) for each in drawn.clauses)
    free = [each.id for each in clauses if not each.red_line]
    rules = tuple(
        Observe(
            action=action,
            workload=draw(st.sampled_from([WORKLOAD, "northmark/other"])),
            until=NOW + timedelta(seconds=draw(st.integers(-2, 2))),
            clauses=tuple(draw(st.lists(st.sampled_from(free), min_size=1, unique=True))),
        )
        for action in draw(st.lists(st.sampled_from(list(Action)), max_size=3))
        if free
    )
    bundle = replace(drawn, clauses=clauses, observe=rules)
    return bundle, draw(facts_of(bundle)), draw(APPROVALS)


def decisions(bundle: Bundle, values: Mapping[str, FactValue], approvals: Mapping[str, int]) -> Any:
    """A judge of one action, as the service makes it."""
    facts = Facts(values=values, approvals=approvals, possible=dict.fromkeys(bundle.approvals, 3))

    def one(action: Action, given_facts: Facts) -> Decision:
        return decide(
            bundle,
            judge(bundle),
            action=action,
            workload=WORKLOAD,
            resource="r",
            facts=given_facts,
            now=NOW,
        )

    return one, facts


@FEW
@given(observing(), st.sampled_from(list(Action)))
def test_observe_is_never_a_red_line_and_expires(
    drawn: tuple[Bundle, dict[str, FactValue], dict[str, int]], action: Action
) -> None:
    """observe(d) => no red line decided, every clause is named by a rule in its time, and it counts as PERMIT."""
    bundle, values, approvals = drawn
    one, facts = decisions(bundle, values, approvals)
    decision = one(action, facts)
    rules = [rule for rule in bundle.observe if rule.action is action and rule.workload == WORKLOAD]
    in_time = {clause for rule in rules if rule.until > NOW for clause in rule.clauses}
    expected = (
        decision.outcome is not Outcome.PERMIT
        and bool(decision.clauses)
        and not bundle.red_lines & set(decision.clauses)
        and set(decision.clauses) <= in_time
    )
    assert decision.observe is expected
    event(f"observe {decision.observe}")
    assert decision.enforced is (Outcome.PERMIT if expected else decision.outcome)


@FEW
@given(observing())
def test_a_prompt_is_worth_no_more_than_its_parts(
    drawn: tuple[Bundle, dict[str, FactValue], dict[str, int]],
) -> None:
    """enforced(prompt with release) <= min(enforced(prompt), enforced(release)); outcome == min of both outcomes."""
    bundle, values, approvals = drawn
    one, facts = decisions(bundle, values, approvals)
    parts = [one(action, facts) for action in (Action.PROMPT, Action.RELEASE)]
    whole = decide_whole(one, Action.PROMPT, facts, roles=bundle.approvals)
    assert whole.outcome is min(part.outcome for part in parts)
    assert whole.enforced <= min(part.enforced for part in parts)
    for part in parts:
        for role, count in part.quorum.items():
            assert whole.outcome is not Outcome.HOLD or whole.quorum.get(role, 0) >= count


@FEW
@given(st.lists(observing(), min_size=1, max_size=1), st.data())
def test_the_memo_is_the_decision(drawn: Sequence[Any], data: st.DataObject) -> None:
    """memo.decide(x) == decide(x), whatever was asked before, over times at which `observe` ends, and when it is full."""
    bundle, values, approvals = drawn[0]
    evaluator = judge(bundle)
    memo = DecisionMemo(bundle, evaluator, size=data.draw(st.integers(1, 4)))
    paths = sorted(values)
    for _ in range(8):
        asked = dict(values)
        if paths and data.draw(st.booleans()):
            asked[data.draw(st.sampled_from(paths))] = data.draw(st.sampled_from([UNKNOWN, CONFLICT, 1]))
        question: dict[str, Any] = {
            "action": data.draw(st.sampled_from(list(Action))),
            "workload": data.draw(st.sampled_from([WORKLOAD, "northmark/other"])),
            "resource": "r",
            "facts": Facts(
                values=asked,
                approvals={**approvals, **data.draw(st.sampled_from([{}, {"halden_reviewer": 1}]))},
                possible=dict.fromkeys(bundle.approvals, data.draw(st.integers(0, 2))),
            ),
            "now": NOW + timedelta(seconds=data.draw(st.integers(-2, 3))),
        }
        assert memo.decide(**question) == decide(bundle, evaluator, **question)
