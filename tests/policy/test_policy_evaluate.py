"""Whatever goes wrong in evaluation is not permitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from countermark.facts import MOST, FactValue
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.clause import ClausePolicy
from countermark.policy.evaluate import Evaluation, Evaluator
from countermark.policy.examples import default_values

POLICIES = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(POLICIES / "red-lines")


@pytest.fixture
def good(bundle: Bundle) -> dict[str, FactValue]:
    return default_values(bundle)


BROKEN: dict[str, dict[str, Any]] = {
    "a fact is missing": {"missing": "countersigned.purpose"},
    "a value is of no type": {"values": {"countersigned.links": "nope"}},
    "a value is a number": {"values": {"countersigned.links": 1}},
    "a value is a truth value": {"values": {"countersigned.links": True}},
    "a value is nothing": {"values": {"countersigned.links": None}},
    "a value is a list": {"values": {"countersigned.links": ["no"]}},
    "a value would break out of its string": {"values": {"countersigned.links": 'no","x":{"type":"'}},
    "the action is unknown": {"action": "read"},
    "approvals are a truth value": {"approvals": {"halden_reviewer": True}},
    "approvals are negative": {"approvals": {"halden_reviewer": -1}},
    "approvals are a fraction": {"approvals": {"halden_reviewer": 1.5}},
    "approvals are beyond a Long": {"approvals": {"halden_reviewer": MOST + 1}},
    "the workload is no word": {"workload": None},
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_not_permitted(case: str, bundle: Bundle, good: dict[str, FactValue]) -> None:
    """An error is told in `error`, permits nothing, and does not raise."""
    change = BROKEN[case]
    values = good | change.get("values", {})
    values.pop(change.get("missing", ""), None)
    told = Evaluator(bundle).evaluate(
        change.get("action", "prompt"),
        change.get("workload", "northmark/office"),
        "m-1",
        values,
        change.get("approvals", {}),
    )
    assert not told.permitted
    assert told.error
    assert told.clauses == ()


def test_a_forbid_that_errs_denies(bundle: Bundle, good: dict[str, FactValue]) -> None:
    """Cedar would skip it and permit; here the error decides."""
    import cedarpy

    text = '@id("X-1") forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };'
    node = next(iter(cedarpy.PolicySet.from_str(text).to_pst().static_policies.values()))
    erring = ClausePolicy(id="X-1", clause="X-1", text=text, line=1, node=node)
    told = Evaluator(bundle, policies=[*bundle.policies, erring]).evaluate("prompt", "w", "m", good, {})
    assert not told.permitted
    assert told.error is not None
    assert "overflow" in told.error


def test_a_panic_inside_the_engine_is_not_permitted(bundle: Bundle, good: dict[str, FactValue]) -> None:
    """A panic in Rust arrives as a BaseException, which an `except Exception` would let through."""

    class Panic(BaseException):
        """As pyo3's PanicException."""

    class Panicking(Evaluator):
        def _ask(self, *_: object) -> Evaluation:
            raise Panic("index out of bounds")

    told = Panicking(bundle).evaluate("prompt", "w", "m", good, {})
    assert (told.permitted, told.error) == (False, "Panic: index out of bounds")


def test_a_value_that_these_terms_do_not_have_is_worth_as_much_as_none(
    bundle: Bundle, good: dict[str, FactValue]
) -> None:
    """A purpose of another bundle counts as unknown: no error, and no permit."""
    evaluator = Evaluator(bundle)
    foreign = evaluator.evaluate("prompt", "w", "m", good | {"countersigned.purpose": "fraud-review"}, {})
    unknown = evaluator.evaluate("prompt", "w", "m", good | {"countersigned.purpose": "unknown"}, {})
    assert foreign == unknown
    assert not foreign.permitted


def test_names_and_facts_beyond_those_read_change_nothing(bundle: Bundle, good: dict[str, FactValue]) -> None:
    """Clauses read facts, never names; what no clause reads is ignored; roles that no clause asks for too."""
    evaluator = Evaluator(bundle)
    first = evaluator.evaluate("prompt", "northmark/office", "m-1", good, {})
    more = good | {"operator.decides": "nobody", "not.a.fact": "x"}
    assert evaluator.evaluate("prompt", 'we"ird\n\\', "\u2603", more, {"cook": 3}) == first
    assert first.permitted


def test_a_denial_and_a_permit_name_their_clauses_sorted(bundle: Bundle, good: dict[str, FactValue]) -> None:
    """Each policy is reported as its clause, once."""
    bad = good | {"claimed.bulk_persons": "yes", "countersigned.deployment_attested": "no"}
    told = Evaluator(bundle).evaluate("prompt", "w", "m", bad | {"countersigned.locates": "yes"}, {})
    assert told.clauses == ("RL-1", "RL-6")


def test_the_memo_is_bounded_and_answers_the_same(bundle: Bundle, good: dict[str, FactValue]) -> None:
    """More questions than it holds are answered as the first time."""
    evaluator = Evaluator(bundle, memo_size=4)
    first = evaluator.evaluate("prompt", "w", "m", good, {})
    assert evaluator.evaluate("prompt", "w", "m", good, {}) is first
    for number in range(10):
        assert evaluator.evaluate("prompt", f"w{number}", "m", good, {}) == first
        assert len(evaluator._memo) <= 4
    assert evaluator.evaluate("prompt", "w", "m", good, {}) == first


def test_a_long_is_read_as_a_bound() -> None:
    """A number in the facts reaches Cedar as a number; its unknown value is the worst."""
    from strategies import bundle_of, clause_of

    from countermark.policy.dialect import Bounded, Condition, Rule

    few = Bounded(view="countersigned", name="persons_at_most", op="<", n=1000)
    rule = Rule(id="", effect="permit", actions=(), conditions=(Condition(kind="when", expr=few),))
    evaluator = Evaluator(bundle_of([clause_of(rule, "P-1")]))
    path = "countersigned.persons_at_most"
    for number, permitted in ((0, True), (999, True), (1000, False), (MOST, False)):
        assert evaluator.evaluate("prompt", "w", "m", {path: number}, {}).permitted is permitted
    for broken in (-1, MOST + 1, True, "999", 1.0):
        assert evaluator.evaluate("prompt", "w", "m", {path: broken}, {}).error
