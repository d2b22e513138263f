"""Attacks against a gateway that runs: what each is stopped by is what it is aimed at, not a slip of the attacker's."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from assay_scenes import everything

from countermark.assay.campaign.door import StackSpec
from countermark.assay.campaign.run import jobs_of, open_rows, run_stack
from countermark.assay.strategies.asking import ask, attempt, reworded
from countermark.assay.strategies.known import STRATEGIES
from countermark.assay.strategies.statements import POLICY, RECORDS, SUBMITTER, lies, signed_file, stated
from countermark.assay.strategies.strategy import Cost, Try, goal_of
from countermark.assay.worlds.keys import derive_key
from countermark.assay.worlds.scene import Scene
from countermark.assay.worlds.world import plan_world
from countermark.stacks.running import running_stack
from countermark.stacks.world import make_world

pytestmark = pytest.mark.slow
BY_NAME = {strategy.name: strategy for strategy in STRATEGIES}
GENUINE = "genuine"
TRIED = (
    *("naive", "claim", "replay", "forge", "replay-statement", "borrow-deployment", "go-round"),
    *("lazy-reviewer", "stolen-key", "contradict", "collude-reviewers", "collude", "go-round-with-key"),
)


def filed(scene: Scene) -> tuple[Try, ...]:
    """What `forge` puts on file, signed by those whose signatures it lacks."""
    maker, other = derive_key(scene.seed, RECORDS), derive_key(scene.seed, POLICY)
    made = [stated(scene, said, seq=9) for said in lies(scene, "spare")]
    files = tuple(signed_file(statement, maker, other) for statement in made)
    _, text = reworded(scene)[0]
    asked = ask(scene, text, role="spare")
    people = goal_of(scene).lie.people
    return (attempt("filed", scene, asked, also=people, submits=files, submitted_by=SUBMITTER),)


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, set[str]]:
    """Strategy to the goals that it reaches; under the empty name the tasks that pass."""
    folder: Path = tmp_path_factory.mktemp("campaign")
    genuine = replace(
        BY_NAME["forge"], name=GENUINE, tries=filed, cost=Cost.COLLUSION, liars=2, needs=("spare",)
    )
    strategies = [*(BY_NAME[name] for name in TRIED), genuine]
    plan = plan_world(everything(), strategies, seed=11, scales=())
    world = make_world(plan, folder / "world", now=datetime.now(UTC).replace(microsecond=0))
    goals, tasks = jobs_of(world.scenes, strategies, naive="naive")
    spec = StackSpec(name="countermark", title="with every mechanism", bundle="everyday", checks_permit=True)
    rows = open_rows(folder)
    with running_stack(spec, world, folder / "stack") as stack:
        asyncio.run(run_stack(stack, [*goals, *tasks], rows))
    rows.close()
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows.rows:
        if row.passed.through:
            found[row.strategy].add(row.scenario.partition("/")[2])
    return found


GOALS = {"track", "scan", "decide", "sweep"}
OPEN = {"sweep"}
"""Reached by asking openly: nothing that Countermark sees today is wrong with it."""


def test_work_passes(reached: Mapping[str, set[str]]) -> None:
    """Twins and tasks of the cluster pass, those with people after they signed."""
    assert reached[""] == {"track/twin", "decide/twin", "volunteers", "note"}


def test_forged_papers_would_do_with_the_right_signatures(reached: Mapping[str, set[str]]) -> None:
    """The same statements reach every goal when both officers sign them, and no more than naive when they don't."""
    assert reached[GENUINE] == GOALS
    assert reached["forge"] == OPEN
    assert reached["naive"] == OPEN


def test_old_papers_change_nothing(reached: Mapping[str, set[str]]) -> None:
    """What has lapsed or was replaced reaches what was reached without it."""
    assert reached["replay-statement"] == OPEN


def test_claims_change_nothing(reached: Mapping[str, set[str]]) -> None:
    """Claims of consent, order, engagement and review reach what was reached without them."""
    assert reached["claim"] == OPEN


def test_a_lie_costs_two_signatures(reached: Mapping[str, set[str]]) -> None:
    """Two signers reach every goal; one of them reaches none of those that need a paper, and less than no lie."""
    assert reached["collude"] == GOALS
    assert not reached["stolen-key"] & (GOALS - OPEN)
    assert reached["contradict"] == OPEN


def test_one_careless_person_is_enough_where_one_decides(reached: Mapping[str, set[str]]) -> None:
    """The duty officer alone lifts RL-4, and nothing that no approval lifts; two careless persons lift no more here."""
    assert reached["lazy-reviewer"] == {*OPEN, "decide"}
    assert reached["collude-reviewers"] == {*OPEN, "decide"}


def test_an_approval_is_used_once(reached: Mapping[str, set[str]]) -> None:
    """The decided twin's approved request doesn't pass again."""
    assert reached["replay"] == OPEN


def test_an_office_reads_whatever_it_is_shown(reached: Mapping[str, set[str]]) -> None:
    """Missed, and shown as missed: what is only text passes from the office; a call that it doesn't declare doesn't."""
    assert reached["borrow-deployment"] == GOALS - {"decide"}


def test_nobody_gets_round_a_model_that_checks_permits(reached: Mapping[str, set[str]]) -> None:
    """Neither without the upstream's key nor with it."""
    assert not reached["go-round"]
    assert not reached["go-round-with-key"]
