"""The red lines do what they say: each example, the twelve requests of the story, and nothing unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from countermark.decision import Outcome
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.check import check_bundle
from countermark.policy.clause import Example
from countermark.policy.evaluate import Evaluator
from countermark.policy.examples import default_values, tell
from countermark.policy.finding import Severity
from countermark.request import Action

POLICIES = Path(__file__).parents[2] / "policies"


@pytest.mark.parametrize("name", ["red-lines", "solo", "all-lawful-uses"])
def test_every_example_holds_and_notices_every_slip(name: str) -> None:
    """`policy check` finds no error: examples come out as told, and no mutant of a clause goes unnoticed."""
    findings = check_bundle(POLICIES / name)
    assert [str(finding) for finding in findings if finding.severity is not Severity.NOTE] == []


@pytest.fixture(scope="module")
def red_lines() -> Bundle:
    return load_bundle(POLICIES / "red-lines")


def about_persons(purpose: str, basis: str, data: str, *operations: str) -> dict[str, str]:
    made = {f"countersigned.{operation}": "yes" for operation in operations}
    return made | {
        "countersigned.purpose": purpose,
        "countersigned.basis_required": basis,
        "countersigned.data_class": data,
    }


TESTING = {"countersigned.purpose": "security-testing", "countersigned.basis_required": "engagement"}
LOCATE = about_persons("locate-person", "order", "persons", "locates")
STORY: dict[str, tuple[str, dict[str, str], str, tuple[str, ...]]] = {
    "1 office work": ("prompt", {}, "PERMIT", ("P-1",)),
    "2 profiles, and says bulk itself": (
        "prompt",
        {
            "countersigned.purpose": "customer-service",
            "countersigned.data_class": "persons",
            "claimed.bulk_persons": "yes",
        },
        "DENY",
        ("RL-1",),
    ),
    "3 the same from the office, with a lie (missed)": (
        "prompt",
        {"claimed.bulk_persons": "no", "claimed.consent": "inside"},
        "PERMIT",
        ("P-1",),
    ),
    "4 recall desk": (
        "prompt",
        about_persons("notify-persons", "consent", "consented", "links"),
        "HOLD",
        ("RL-5",),
    ),
    "5 tracking cell": (
        "prompt",
        about_persons("track-persons", "consent", "persons", "locates", "links"),
        "DENY",
        ("RL-1", "RL-5"),
    ),
    "6 inside the order": ("prompt", LOCATE | {"countersigned.order": "inside"}, "HOLD", ("RL-5",)),
    "7 outside the order": ("prompt", LOCATE | {"countersigned.order": "outside"}, "DENY", ("RL-1", "RL-5")),
    "8 inside the engagement": (
        "prompt",
        TESTING | {"countersigned.engagement": "inside"},
        "PERMIT",
        ("P-1",),
    ),
    "9 outside the engagement": (
        "prompt",
        TESTING | {"countersigned.engagement": "outside"},
        "DENY",
        ("RL-3",),
    ),
    "10 actuate": (
        "call",
        {
            "countersigned.purpose": "field-operations",
            "countersigned.can_actuate": "yes",
            "observed.binding": "key-bound",
            "operator.decides": "operator",
        },
        "HOLD",
        ("RL-2",),
    ),
    "11 customer desk (missed)": (
        "prompt",
        {"countersigned.purpose": "customer-service", "countersigned.data_class": "persons"},
        "PERMIT",
        ("P-1",),
    ),
    "12 survey (missed once signed)": (
        "prompt",
        about_persons("survey", "consent", "consented", "profiles"),
        "HOLD",
        ("RL-5",),
    ),
}


@pytest.mark.parametrize("case", STORY)
def test_the_story_comes_out_as_told_with_the_gateway_alone(case: str, red_lines: Bundle) -> None:
    """The twelve requests, with what is missed marked as missed."""
    action, changes, outcome, clauses = STORY[case]
    example = Example(
        case=case, action=Action(action), facts={}, approvals={}, outcome=Outcome.DENY, clauses=(), line=1
    )
    told = tell(Evaluator(red_lines), red_lines, default_values(red_lines) | changes, example)
    assert (told.outcome.name, told.clauses) == (outcome, clauses)


def test_a_permit_of_track_persons_is_stopped_by_red_lines_only(red_lines: Bundle) -> None:
    """Without RL-1 and RL-5 the ordinary permits would let tracking through, so a deletion shows."""
    left = [policy for policy in red_lines.policies if policy.clause not in ("RL-1", "RL-5")]
    values = default_values(red_lines) | STORY["5 tracking cell"][1]
    assert Evaluator(red_lines, policies=left).evaluate("prompt", "n/tracking", "m-1", values, {}).permitted


def test_the_quorum_is_the_smallest_in_the_bundles_order(red_lines: Bundle) -> None:
    """HOLD asks for one person of each role that the clause names, and for nobody else."""
    evaluator = Evaluator(red_lines)
    values = default_values(red_lines) | STORY["6 inside the order"][1]
    possible = {"northmark_duty_officer": 3, "northmark_commander": 3, "halden_reviewer": 2}
    ask = ("prompt", "northmark/orders", "m-1", values)
    assert evaluator.minimal_quorum(*ask, possible) == {"northmark_duty_officer": 1, "halden_reviewer": 1}
    assert evaluator.minimal_quorum(*ask, possible | {"halden_reviewer": 0}) is None
    assert evaluator.minimal_quorum(*ask, {}) is None
