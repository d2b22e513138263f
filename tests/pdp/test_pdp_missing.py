"""What is missing: the smallest evidence that would change an answer, and who could give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_traffic import recorded

from countermark.app import read_trust_root
from countermark.clock import system_clock
from countermark.decision import Decision, Outcome
from countermark.facts import CONFLICT, MOST, UNKNOWN, Facts, FactValue, Level
from countermark.pdp.decide import decide, decide_whole
from countermark.pdp.missing import Change, smallest_missing, who_may_give
from countermark.policy.bundle import load_bundle
from countermark.policy.evaluate import Evaluator
from countermark.policy.examples import default_values
from countermark.policy.shipped import shipped_bundle
from countermark.request import Action

BUNDLE = load_bundle(shipped_bundle("red-lines"))
EVALUATOR = Evaluator(BUNDLE)
NOW = datetime.fromisoformat("2026-11-23T10:00:00+00:00")
POSSIBLE = dict.fromkeys(BUNDLE.approvals, 1)
OFFICE = default_values(BUNDLE)
NOTHING: Mapping[str, FactValue] = {
    path: BUNDLE.facts.unknown_value(path.partition(".")[2]) for path in BUNDLE.views_read
}


def decided(facts: Facts, action: Action = Action.PROMPT) -> Decision:
    def judge(each: Action, facts: Facts) -> Decision:
        return decide(
            BUNDLE, EVALUATOR, action=each, workload="northmark/x", resource="m-1", facts=facts, now=NOW
        )

    return decide_whole(judge, action, facts, roles=BUNDLE.approvals)


def facts_of(values: Mapping[str, FactValue], possible: Mapping[str, int] = POSSIBLE) -> Facts:
    return Facts(values=dict(values), approvals=dict.fromkeys(BUNDLE.approvals, 0), possible=possible)


def missing(facts: Facts, action: Action = Action.PROMPT, **options: Any) -> Any:
    options = {"runner_level": Level.OBSERVED, **options}
    return smallest_missing(BUNDLE, lambda each: decided(each, action), action=action, facts=facts, **options)


def needs(way: Any) -> dict[str, tuple[str, ...]]:
    return {change.path: change.needs for change in way.changes}


def test_what_is_permitted_misses_nothing() -> None:
    """Nothing is missing where the answer is yes."""
    assert missing(facts_of(OFFICE)) == ()


CASES: dict[str, tuple[dict[str, FactValue], Outcome, dict[str, tuple[str, ...]], bool]] = {
    "an order would let people decide about tracking": (
        {
            "countersigned.purpose": "track-persons",
            "countersigned.locates": "yes",
            "countersigned.data_class": "persons",
            "countersigned.basis_required": "order",
        },
        Outcome.HOLD,
        {"countersigned.order": ("inside",)},
        False,
    ),
    "an order that covers them all, where the one on file doesn't": (
        {
            "countersigned.purpose": "locate-person",
            "countersigned.locates": "yes",
            "countersigned.data_class": "persons",
            "countersigned.basis_required": "order",
            "countersigned.order": "outside",
        },
        Outcome.HOLD,
        {"countersigned.order": ("inside",)},
        False,
    ),
    "an engagement for security testing": (
        {"countersigned.purpose": "security-testing", "countersigned.basis_required": "engagement"},
        Outcome.PERMIT,
        {"countersigned.engagement": ("inside",)},
        False,
    ),
    "a purpose that names the model": (
        {"countersigned.model_allowed": UNKNOWN},
        Outcome.PERMIT,
        {"countersigned.model_allowed": ("yes",)},
        False,
    ),
    "a dispute has to be settled": (
        {"countersigned.purpose": CONFLICT},
        Outcome.PERMIT,
        {"countersigned.purpose": ("office", "customer-service", "field-operations")},
        True,
    ),
    "a deployment that nobody attests": (
        {"countersigned.deployment_attested": UNKNOWN, "countersigned.tool_declared": UNKNOWN},
        Outcome.PERMIT,
        {"countersigned.deployment_attested": ("yes",)},
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_smallest_evidence_is_found(case: str) -> None:
    """One statement where one is enough, and what would be decided then."""
    changed, outcome, expected, replaces = CASES[case]
    first = missing(facts_of({**OFFICE, **changed}))[0]
    assert needs(first) == expected
    assert (first.decision.outcome, first.replaces) == (outcome, replaces)


def test_from_nothing_two_statements_are_needed() -> None:
    """A workload that nobody said anything of needs a deployment and a purpose, and is told every fact of both."""
    first = missing(facts_of(NOTHING))[0]
    assert set(first.kinds) == {"deployment", "purpose"}
    assert (first.decision.outcome, first.replaces) == (Outcome.PERMIT, False)
    assert needs(first)["countersigned.basis_required"] == ("none",)


def test_a_held_request_is_spared_its_people_only_by_evidence() -> None:
    """For a HOLD only what permits at once is an improvement; a consent that nothing ties is out of reach."""
    survey = {
        "countersigned.purpose": "survey",
        "countersigned.profiles": "yes",
        "countersigned.data_class": "consented",
        "countersigned.basis_required": "consent",
    }
    ways = missing(facts_of({**OFFICE, **survey}))
    assert ways
    assert all(way.decision.outcome is Outcome.PERMIT for way in ways)
    assert all("countersigned.consent" not in needs(way) for way in ways)


def test_no_way_leads_round_a_claim() -> None:
    """Who says himself that his data is bulk is never told to say otherwise."""
    assert missing(facts_of({**OFFICE, "claimed.bulk_persons": "yes"})) == ()


def test_force_needs_people_and_a_key_that_signs() -> None:
    """An actuating call with an API key: a key-bound credential, and then people; never a rule."""
    values = {**OFFICE, "countersigned.can_actuate": "yes", "countersigned.purpose": "field-operations"}
    ways = missing(facts_of(values), Action.CALL)
    bound = next(way for way in ways if "observed.binding" in needs(way))
    assert bound.decision.outcome is Outcome.HOLD
    assert dict(bound.decision.quorum) == {"northmark_commander": 1, "halden_reviewer": 1}
    unseen = missing(facts_of(values), Action.CALL, runner_level=Level.OPERATOR)
    assert all("observed.binding" not in needs(way) for way in unseen)


def test_nobody_to_ask_is_no_way() -> None:
    """Where the trust root has nobody in a role, no way rests on their approval."""
    values = {**OFFICE, **CASES["an order would let people decide about tracking"][0]}
    for way in missing(facts_of(values, dict.fromkeys(BUNDLE.approvals, 0))):
        assert way.decision.outcome is Outcome.PERMIT


_CHOICES = {
    path: st.sampled_from(
        [MOST, 0]
        if isinstance(NOTHING[path], int)
        else BUNDLE.facts.types[BUNDLE.facts.split(path)[1].type].all_values
    )
    for path in sorted(BUNDLE.views_read)
    if not path.startswith("claimed.")
}


@given(values=st.fixed_dictionaries(_CHOICES), action=st.sampled_from([Action.PROMPT, Action.CALL]))
@settings(max_examples=20, deadline=None)
def test_a_way_improves_and_nothing_in_it_is_idle(values: dict[str, FactValue], action: Action) -> None:
    """Each way gives a better outcome, and no part of it alone does; no single change beats the first way."""
    facts = facts_of({**OFFICE, **values})
    before = decided(facts, action)
    ways = missing(facts, action, max_steps=1500)
    for way in ways:
        assert way.decision.outcome > before.outcome
        chosen = {change.path: change.needs[0] for change in way.changes}
        for count in range(len(chosen)):
            for part in combinations(chosen, count):
                made = {**facts.values, **{path: chosen[path] for path in part}}
                assert decided(replace(facts, values=made), action).outcome <= before.outcome
    if ways and len(ways[0].changes) > 1 and not ways[0].replaces:
        for path, value in facts.values.items():
            if value == UNKNOWN and path.startswith("countersigned.") and not path.endswith(".consent"):
                for other in BUNDLE.facts.types[BUNDLE.facts.split(path)[1].type].values:
                    made = {**facts.values, path: other}
                    assert decided(replace(facts, values=made), action).outcome <= before.outcome


def test_roles_that_may_make_and_countersign_are_named() -> None:
    """The trust root says whose statement it would be; without a counterpart nobody can raise it."""
    root = read_trust_root(recorded().world.gateway / "trust-root.json", now=system_clock())
    change = Change(
        path="countersigned.purpose", before=UNKNOWN, needs=("office",), kind="purpose", replaces=False
    )
    source = who_may_give(root, change, workload="northmark/office", now=system_clock())
    assert source.makers == {"northmark_records": ("dua",)}
    assert source.countersigners == {"halden_policy": ("abe",)}
    assert not source.nobody
    elsewhere = who_may_give(root, change, workload="brightwater/x", now=system_clock())
    assert elsewhere.nobody
