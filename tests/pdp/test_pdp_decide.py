"""A prompt is decided together with its release; HOLD is found by evaluation; `observe` never hides what is enforced."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import product

import pytest
from evidence_world import NOW

from countermark.decision import Decision, Outcome
from countermark.facts import Facts
from countermark.pdp.decide import Judge, decide, decide_approved, decide_whole
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.evaluate import Evaluator
from countermark.policy.shipped import shipped_bundle
from countermark.request import Action

FACTS = Facts(values={})
PARTS = [
    Decision(
        outcome=outcome,
        clauses=(f"C-{outcome.name}-{observe}",),
        bundle="b",
        observe=observe,
        quorum={"reviewer": 1} if outcome is Outcome.HOLD else {},
    )
    for outcome, observe in product(Outcome, (False, True))
    if outcome is not Outcome.PERMIT or not observe
]


def judge_of(prompt: Decision, release: Decision) -> Judge:
    """A judge who says the one of the prompt and the other of its release."""
    return lambda action, facts: {Action.PROMPT: prompt, Action.RELEASE: release}[action]


@pytest.mark.parametrize("prompt", PARTS, ids=lambda each: f"prompt {each.clauses[0]}")
@pytest.mark.parametrize("release", PARTS, ids=lambda each: f"release {each.clauses[0]}")
def test_the_worse_of_prompt_and_release_counts(prompt: Decision, release: Decision) -> None:
    """Neither by outcome nor by what is enforced is the whole worth more than either part, observed or not."""
    whole = decide_whole(judge_of(prompt, release), Action.PROMPT, FACTS, roles=("reviewer",))
    assert whole.enforced <= min(prompt.enforced, release.enforced)
    assert whole.outcome <= min(prompt.outcome, release.outcome) or prompt.enforced is Outcome.DENY
    if whole.observe:
        assert all(part.observe for part in (prompt, release) if part.outcome is not Outcome.PERMIT)


def test_a_call_is_decided_alone() -> None:
    """No release is asked for a call."""
    said = Decision(outcome=Outcome.PERMIT, clauses=("P-1",), bundle="b")
    assert decide_whole(lambda action, _: {Action.CALL: said}[action], Action.CALL, FACTS, roles=()) is said


def test_a_hold_keeps_asking_for_all_of_its_people() -> None:
    """Where one of two has signed, what is asked for stays the whole quorum and the clauses that first held it."""
    held = Decision(
        outcome=Outcome.HOLD, clauses=("RL-2", "RL-5"), bundle="b", quorum={"officer": 1, "reviewer": 1}
    )
    left = Decision(outcome=Outcome.HOLD, clauses=("RL-5",), bundle="b", quorum={"reviewer": 1})
    decided = decide_approved(
        lambda action, facts: left, Action.CALL, FACTS, held=held, roles=("officer", "reviewer")
    )
    assert (decided.clauses, decided.quorum) == (held.clauses, held.quorum)


RED_LINES = load_bundle(shipped_bundle("red-lines"))
PEOPLE = {"northmark_duty_officer": 1, "northmark_commander": 1, "halden_reviewer": 1}


def ask(
    values: Mapping[str, str], *, approvals: Mapping[str, int], possible: Mapping[str, int], action: Action
) -> Decision:
    """Decide under the red lines, on their examples' facts with some changed."""
    bundle: Bundle = RED_LINES
    known = {path: bundle.facts.unknown_value(path.partition(".")[2]) for path in bundle.views_read}
    facts = Facts(values={**known, **bundle.examples, **values}, approvals=approvals, possible=possible)
    return decide(
        bundle,
        Evaluator(bundle),
        action=action,
        workload="northmark/w",
        resource="r",
        facts=facts,
        now=NOW,
    )


CONSENT = {"countersigned.purpose": "notify-persons", "countersigned.basis_required": "consent"}
HOLDS: dict[str, tuple[dict[str, str], dict[str, int], dict[str, int], Outcome, dict[str, int]]] = {
    "two are asked for": (
        CONSENT,
        {},
        PEOPLE,
        Outcome.HOLD,
        {"northmark_duty_officer": 1, "halden_reviewer": 1},
    ),
    "both signed": (CONSENT, {"northmark_duty_officer": 1, "halden_reviewer": 1}, PEOPLE, Outcome.PERMIT, {}),
    "nobody is there who could sign for one side": (
        CONSENT,
        {},
        {**PEOPLE, "halden_reviewer": 0},
        Outcome.DENY,
        {},
    ),
    "others' signatures": (
        CONSENT,
        {"northmark_commander": 3},
        PEOPLE,
        Outcome.HOLD,
        dict.fromkeys(PEOPLE, 1),
    ),
    "what no signature lifts is denied at once": (
        {**CONSENT, "countersigned.locates": "yes", "countersigned.data_class": "persons"},
        {"northmark_duty_officer": 1, "halden_reviewer": 1},
        PEOPLE,
        Outcome.DENY,
        {},
    ),
}


@pytest.mark.parametrize("name", HOLDS)
def test_hold_by_evaluation(name: str) -> None:
    """HOLD where people could permit it, for the fewest of them; else DENY at once."""
    values, approvals, possible, outcome, quorum = HOLDS[name]
    decision = ask(values, approvals=approvals, possible=possible, action=Action.PROMPT)
    assert decision.outcome is outcome
    assert set(decision.quorum) <= set(quorum) if quorum else not decision.quorum


def test_a_missing_fact_is_an_error_and_denies() -> None:
    """A view that was not gathered denies and says so, whatever else is known."""
    bundle = RED_LINES
    decision = decide(
        bundle,
        Evaluator(bundle),
        action=Action.PROMPT,
        workload="northmark/w",
        resource="r",
        facts=Facts(values={}),
        now=NOW + timedelta(days=1),
    )
    assert decision.outcome is Outcome.DENY
    assert decision.error is not None
    assert decision.clauses == ()
