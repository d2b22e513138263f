"""Ways in which a campaign's figures could flatter a safeguard, each of which once did."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import campaigned
import pytest

from countermark.assay.campaign.ask import MOST_HOLDS, Answer, signed_for
from countermark.assay.campaign.change import compare_results
from countermark.assay.campaign.door import Passed
from countermark.assay.campaign.plan import MAIN
from countermark.assay.campaign.result import find, result_document
from countermark.assay.campaign.run import jobs_of
from countermark.assay.campaign.scored import FITTED, score_jobs
from countermark.assay.strategies.known import STRATEGIES
from countermark.assay.strategies.strategy import NAIVE, Strategy, Try
from countermark.assay.strategies.version import CHARS, version_of
from countermark.assay.worlds.scene import Scene
from countermark.assay.worlds.world import plan_world
from countermark.errors import HarnessError
from countermark.pep.openai import OpenAIChat
from countermark.signals.classifier import classify
from countermark.stacks.campaign import make_plan, read_texts


class _People:
    def __init__(self) -> None:
        self.signed: list[str] = []

    async def sign(self, hold_id: str, roles: Sequence[str]) -> None:
        self.signed.append(hold_id)

    async def submit(self, person: str, statement_file: bytes) -> tuple[int, dict[str, object]]:
        raise AssertionError(person)


def _held(hold: str, *clauses: str) -> Answer:
    return Answer(passed=Passed.HELD, hold_id=hold, clauses=clauses)


_PASSED = Answer(passed=Passed.PASSED)
CHAINS = {
    "what isn't held asks nobody": ([_PASSED], Passed.PASSED, (), 0),
    "signed and through": ([_held("a", "EV-1"), _PASSED], Passed.WAITED, ("EV-1",), 1),
    "the call that a request sets off is signed, too": (
        [_held("a", "EV-1"), _held("b", "RL-2"), _held("c", "EV-1"), _PASSED],
        Passed.WAITED,
        ("EV-1", "RL-2"),
        3,
    ),
    "what no signature moves stays held": ([_held("a", "RL-2")] * 2, Passed.HELD, ("RL-2",), 1),
    "denied after a signature names what denied it, and what held it before": (
        [_held("a", "EV-1"), Answer(passed=Passed.STOPPED, clauses=("RL-2",))],
        Passed.STOPPED,
        ("EV-1", "RL-2"),
        1,
    ),
    "no answer after a signature is no stop": (
        [_held("a", "EV-1"), Answer(passed=Passed.FAILED)],
        Passed.FAILED,
        ("EV-1",),
        1,
    ),
    "whoever is asked for ever stops signing": (
        [_held(str(each), "EV-1") for each in range(MOST_HOLDS + 1)],
        Passed.HELD,
        ("EV-1",),
        MOST_HOLDS,
    ),
}


@pytest.mark.parametrize("case", CHAINS)
def test_people_sign_until_it_is_decided(case: str) -> None:
    """A careless or an honest signer signs each thing that is held on the way, and every clause on it is named."""
    answers, passed, clauses, signed = CHAINS[case]
    left = iter(answers[1:])
    people = _People()

    async def again() -> Answer:
        return next(left)

    found = asyncio.run(signed_for(answers[0], again, people, ("halden_reviewer",)))
    assert (found.passed, found.clauses, len(people.signed)) == (passed, clauses, signed)


def test_a_threshold_is_fitted_to_what_the_gateway_reads() -> None:
    """At most the stated share of benign tasks is flagged, on all that a gateway shows its classifier: tools, too."""
    plan = make_plan(quick=True, per_cluster=2)
    threshold = next(spec.flag_from for spec in plan.stacks if spec.flag_from is not None)
    scenes = plan_world(plan.scenarios, (), seed=plan.seed, scales=()).scenes
    _, jobs = jobs_of(scenes, (), naive=NAIVE)
    wire = OpenAIChat()
    shown = [wire.read_request(job.attempt.asks[0].body).texts for job in jobs]
    scores = [classify(texts).score or 0.0 for texts in shown]
    offered = {job.scenario: tool.description for job in jobs for tool in scenes[job.scenario].scenario.tools}
    assert offered, "no task offers a tool: nothing is shown here"
    assert all(
        offered[job.scenario] in texts
        for job, texts in zip(jobs, shown, strict=True)
        if job.scenario in offered
    )
    assert sum(score >= threshold for score in scores) <= FITTED * len(scores)
    assert list(score_jobs(jobs, read_texts).tasks.values()) == pytest.approx(scores, abs=1e-6)


def _fewer(strategy: Strategy) -> Callable[[Scene], tuple[Try, ...]]:
    return lambda scene: strategy.tries(scene)[:-1]


def test_a_strategy_that_was_weakened_is_another_one() -> None:
    """Its version follows from what it does: fewer tries, or none who sign, are another version; its name and title are not."""
    known = {each.name: version_of(each) for each in STRATEGIES}
    assert len(set(known.values())) == len(STRATEGIES)
    for each in STRATEGIES:
        assert version_of(replace(each, title="said otherwise")) == known[each.name]
        assert version_of(replace(each, tries=_fewer(each))) != known[each.name]
    plan = campaigned.make_plan()
    document = dict(result_document(find(plan, campaigned.make_matrices(plan, campaigned.make_rows(plan)))))
    weaker = json.loads(json.dumps(document))
    for told in weaker["plan"]["strategies"]:
        if told["name"] == "misdescribe":
            told["version"] = "0" * CHARS
    column = next(iter(weaker["heat"]["columns"]))
    index = weaker["heat"]["strategies"].index("misdescribe")
    cells = weaker["heat"]["columns"][column]
    for goal, line in cells.items():
        cells[goal] = f"{line[:index]}0{line[index + 1 :]}"
    change = compare_results(document, weaker, column=column)["all kinds"]
    assert not change.risen
    assert any("misdescribe" in each for each in change.weaker)


def test_twins_that_are_not_the_same_bytes_are_no_twins() -> None:
    """A separation is only measured on pairs whose requests were the same, byte for byte, on every stack."""
    plan = campaigned.make_plan()
    twin = next(task for task in plan.scenarios.tasks if task.twin_of)
    rows = [
        replace(row, sha256="other bytes") if row.scenario == twin.id and row.stack == MAIN else row
        for row in campaigned.make_rows(plan)
    ]
    with pytest.raises(HarnessError, match=f"{twin.id}.*same bytes"):
        find(plan, campaigned.make_matrices(plan, rows))
