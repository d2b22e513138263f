"""Scenarios of the everyday rules: as many and as varied as was promised, with papers that somebody could sign."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from countermark.assay.scenarios.load import load_scenarios, parse_cluster
from countermark.assay.scenarios.model import Goal, Paper, Task, Visible
from countermark.assay.worlds.scene import Scene, fill
from countermark.evidence.predicates.purpose import DATA_CLASSES, OPERATIONS
from countermark.policy.bundle import load_bundle

EVERYDAY = Path(__file__).parents[2] / "policies" / "everyday"
FILES = {
    each.name: parse_cluster(each.read_bytes(), name=each.name)
    for each in sorted(files("countermark.assay.scenarios").iterdir(), key=lambda each: each.name)
    if each.name.startswith("ev_")
}
GOALS: dict[str, Goal] = {goal.id: goal for _, _, goals, _ in FILES.values() for goal in goals}
TASKS: dict[str, Task] = {task.id: task for _, _, _, tasks in FILES.values() for task in tasks}
TWINS = {task.twin_of: task for task in TASKS.values() if task.twin_of}
PAPERS: dict[str, Paper] = {
    f"{name}: {paper.name}": paper
    for name, (_, _, goals, tasks) in FILES.items()
    for paper in (
        *(goal.paper for goal in goals),
        *(goal.lie for goal in goals),
        *(task.paper for task in tasks),
    )
}
BUNDLE = load_bundle(EVERYDAY)


def test_there_are_as_many_as_was_promised() -> None:
    """Six clusters of four goals or more, twelve twins or more, and tasks beside the twins that mostly look alike."""
    assert len(FILES) == 6
    assert all(len(goals) >= 4 for _, _, goals, _ in FILES.values())
    assert len(GOALS) >= 26
    assert len(TWINS) >= 12
    assert sum(goal.scaled and goal.rows is not None for goal in GOALS.values()) >= 5
    assert Counter(goal.visible_in for goal in GOALS.values()).keys() == set(Visible)
    others = [task for task in TASKS.values() if not task.twin_of]
    assert Counter(task.look_alike for task in others) == {True: 14, False: 10}


def test_they_are_among_those_that_ship() -> None:
    """The assay finds them without being told where they lie."""
    shipped = load_scenarios()
    assert GOALS.keys() <= {goal.id for goal in shipped.goals}
    assert TASKS.keys() <= {task.id for task in shipped.tasks}


def test_every_everyday_rule_has_goals_against_it() -> None:
    """Each goal names a clause of the bundle, and no everyday rule is left without a goal."""
    clauses = {clause.id for clause in BUNDLE.clauses}
    against = {goal.rule for goal in GOALS.values()}
    assert against <= clauses
    assert {clause for clause in clauses if clause.startswith("EV-")} <= against


@pytest.mark.parametrize("name", PAPERS)
def test_a_paper_can_be_signed(name: str) -> None:
    """Purpose, classes of data and roles are the bundle's; what a statement refuses is in no paper."""
    paper = PAPERS[name]
    assert paper.purpose in BUNDLE.enums["Purpose"]
    assert set(paper.data_classes) <= {*DATA_CLASSES, *BUNDLE.enums["DataClass"]}
    # a bundle's own class stands alone in a statement
    assert len(paper.data_classes) == 1 or set(paper.data_classes) <= set(DATA_CLASSES)
    assert set(paper.operations) <= set(OPERATIONS)
    assert not (paper.operations and paper.data_classes == ("no-persons",))
    assert set(paper.people) <= set(BUNDLE.approvals)
    assert (paper.basis == "consent") == (paper.consent is not None)
    assert (paper.basis == "order") == (paper.order is not None)


@pytest.mark.parametrize("goal_id", GOALS)
def test_a_goal_says_the_same_in_other_words(goal_id: str) -> None:
    """All wordings differ, all papers are of the goal's kind of deployment, and what it calls is declared in them."""
    goal = GOALS[goal_id]
    wordings = (goal.naive, *goal.reworded, *goal.heldout)
    assert len({each.lower() for each in wordings}) == len(wordings)
    assert {goal.paper.site, goal.lie.site} == {goal.kind}
    if goal.effect:
        assert goal.effect in goal.paper.tools
        assert goal.effect in goal.lie.tools


@pytest.mark.parametrize("goal_id", TWINS)
def test_a_twin_is_the_same_request(goal_id: str) -> None:
    """Byte for byte, in the same kind of deployment."""
    goal, twin = GOALS[goal_id], TWINS[goal_id]
    rows, total = fill(goal.rows, scenario=goal.id, seed=1)
    bodies = {
        scene.body(scene.text(text))
        for scene, text in (
            (Scene(scenario=goal, rows=rows, total=total, workloads={}), goal.naive),
            (Scene(scenario=twin, rows=rows, total=total, workloads={}), twin.text),
        )
    }
    assert len(bodies) == 1
    assert twin.paper.site is goal.kind


def test_where_a_goal_shows_follows_from_its_papers() -> None:
    """In `neither`, the papers are in order and nothing more has to be signed; in `context`, a twin has other papers."""
    for goal in GOALS.values():
        twin = TWINS.get(goal.id)
        if goal.visible_in is Visible.NEITHER:
            assert goal.lie == goal.paper, goal.id
            assert twin is None or twin.paper == goal.paper, goal.id
        if goal.visible_in is Visible.CONTEXT:
            assert goal.lie != goal.paper, goal.id
            assert twin is None or replace(twin.paper, name="") != replace(goal.paper, name=""), goal.id
        if goal.visible_in is Visible.CONTENT:
            assert twin is None, f"{goal.id}: what content shows has no twin"
