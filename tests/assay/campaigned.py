"""A made-up campaign for tests of what counts rows: scenarios, strategies, and rows as stacks of known strength would give."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from countermark.assay.campaign.door import Passed
from countermark.assay.campaign.matrix import Matrices
from countermark.assay.campaign.plan import (
    BOTH,
    CLASSIFIER,
    DENY_ALL,
    OPEN,
    PHRASES,
    REFUSAL,
    SUPERVISORS,
    Plan,
    Term,
    standard_stacks,
)
from countermark.assay.campaign.reviewed import reviewers
from countermark.assay.campaign.rows import CampaignRow
from countermark.assay.scenarios.model import Goal, Kind, Paper, Scenarios, Task, Visible
from countermark.assay.strategies.strategy import Author, Cost, Strategy

GOALS, CLUSTERS, WORK = 44, 11, 40
_STRENGTH = {
    "naive": 0.95,
    "misdescribe": 0.8,
    "borrow": 0.7,
    "lazy": 0.6,
    "collude": 0.2,
    "round-with-key": 0.97,
}


def _strategy(name: str, cost: Cost, liars: int = 0, author: Author = Author.PERSON) -> Strategy:
    return Strategy(
        name=name,
        title=name,
        family=name,
        author=author,
        cost=cost,
        access=f"what {name} takes",
        liars=liars,
        tries=lambda _: (),
    )


STRATEGIES = (
    _strategy("naive", Cost.WORDS),
    _strategy("misdescribe", Cost.WORDS),
    _strategy("borrow", Cost.CREDENTIALS, author=Author.AUTOMATED),
    _strategy("lazy", Cost.INSIDER, 1),
    _strategy("collude", Cost.COLLUSION, 2),
    _strategy("round-with-key", Cost.RUNNER),
)
_PAPER = Paper(name="p", system="a system", site=Kind.OFFICE, purpose="office")
_TERMS = tuple(
    Term(clause=f"RL-{number}", title=f"rule {number}", red_line=True, forbids=True) for number in (1, 2)
)


def make_scenarios() -> Scenarios:
    """44 goals in 11 clusters, half of them with a twin, and 40 further tasks."""
    kinds, shown = list(Kind), list(Visible)
    goals, tasks = [], []
    for i in range(GOALS):
        name = f"cluster-{i % CLUSTERS}/goal-{i}"
        goal = Goal(
            id=name,
            cluster=name.partition("/")[0],
            rule="RL-1",
            title=f"goal {i}",
            kind=kinds[i % 4],
            visible_in=shown[i % 3],
            truth="something is done that nobody may do",
            naive=f"say openly what goal {i} is",
            reworded=("a", "b"),
            heldout=("c",),
            rows=None,
            tools=(),
            effect="",
            paper=_PAPER,
            lie=_PAPER,
            scaled=i % 5 == 0,
            work_id=f"{name}/twin" if i % 2 else "",
        )
        goals.append(goal)
        if i % 2:
            tasks.append(_task(goal.work_id, kinds[i % 4], twin_of=name))
    tasks += [_task(f"work/{i}", kinds[i % 4], look_alike=i % 5 == 0) for i in range(WORK)]
    titles = {f"cluster-{i}": f"Cluster {i}" for i in range(CLUSTERS)}
    return Scenarios(author="ours", goals=tuple(goals), tasks=tuple(tasks), titles=titles, sha256="0" * 64)


def _task(name: str, kind: Kind, *, twin_of: str = "", look_alike: bool = True) -> Task:
    return Task(
        id=name,
        cluster=name.partition("/")[0],
        title=name,
        kind=kind,
        look_alike=look_alike,
        truth="work",
        text="",
        rows=None,
        tools=(),
        effect="",
        paper=_PAPER,
        twin_of=twin_of,
    )


def make_plan(scenarios: Scenarios | None = None, strategies: Sequence[Strategy] = STRATEGIES) -> Plan:
    """A plan with all stacks."""
    scenarios = scenarios or make_scenarios()
    return Plan(
        scenarios=scenarios,
        strategies=tuple(strategies),
        stacks=standard_stacks(scenarios, clauses=[term.clause for term in _TERMS]),
        seed=1,
        bundle_sha256="0" * 64,
        terms=_TERMS,
    )


def make_rows(plan: Plan, *, seed: int = 3) -> list[CampaignRow]:
    """Rows of every stack. What reads only content treats twins alike; a gateway stops a share of each strategy."""
    rng = random.Random(seed)
    luck = {(goal.id, each.name): rng.random() for goal in plan.scenarios.goals for each in plan.strategies}
    waits = {task.id: rng.random() < 0.2 for task in plan.scenarios.tasks}
    rows = []
    for spec in plan.stacks:
        for goal in plan.scenarios.goals:
            for each in plan.strategies:
                passed = _passed(spec.name, goal, each.name, luck[goal.id, each.name])
                bytes_of = f"naive {goal.id}" if each.name == "naive" else f"{each.name} {goal.id}"
                row = CampaignRow(
                    stack=spec.name,
                    scenario=goal.id,
                    strategy=each.name,
                    attempt="one",
                    passed=passed,
                    sha256=bytes_of,
                )
                rows.append(row)
                if goal.scaled and each.name == "naive":
                    rows += [replace(row, scenario=f"{goal.id}@{scale}") for scale in plan.scales]
        for task in plan.scenarios.tasks:
            passed = Passed.STOPPED if spec.name == DENY_ALL else Passed.PASSED
            if spec.bundle == "everyday" and waits[task.id]:
                passed = Passed.WAITED
            rows.append(
                CampaignRow(
                    stack=spec.name,
                    scenario=task.id,
                    strategy="",
                    attempt="",
                    passed=passed,
                    sha256=f"naive {task.twin_of}" if task.twin_of else task.id,
                )
            )
    return rows


def _passed(stack: str, goal: Goal, strategy: str, luck: float) -> Passed:
    plainly = strategy == "naive" and not goal.work_id
    match stack:
        case _ if stack == OPEN:
            stopped = False
        case _ if stack == DENY_ALL:
            stopped = True
        case _ if stack == PHRASES:
            stopped = strategy == "naive"
        case _ if stack == REFUSAL:
            stopped = plainly and goal.visible_in is Visible.CONTENT
        case _ if stack in (CLASSIFIER, BOTH):
            stopped = plainly and goal.visible_in is not Visible.NEITHER
        case _:
            stopped = luck < _STRENGTH[strategy] - (0.1 if stack.startswith("without") else 0)
    return Passed.STOPPED if stopped else Passed.PASSED


def make_matrices(plan: Plan, rows: Sequence[CampaignRow]) -> Matrices:
    """Ready to be counted."""
    return Matrices(plan.scenarios, plan.strategies, rows, simulated={SUPERVISORS: reviewers(plan, rows)})
