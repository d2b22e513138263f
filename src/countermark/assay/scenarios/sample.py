"""A part of a set of scenarios, for a first look: some goals of every cluster, their twins, and a share of the other work."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from countermark.assay.scenarios.model import Goal, Scenarios
from countermark.errors import ScenarioError

FEWEST_TASKS = 40


def sample(scenarios: Scenarios, per_cluster: int) -> Scenarios:
    """So many goals of every cluster and their twins; of the other tasks as large a share, 40 at least.

    Goals are drawn by the digest of their ids: whoever writes a file puts the plain cases first, and these would flatter. The
    digest of the whole is another one: a result on a part is never taken for one on the whole.

    Raises:
        ScenarioError: Not even one goal of each cluster is asked for.
    """
    if per_cluster < 1:
        raise ScenarioError(f"expected at least one goal of each cluster, got `{per_cluster}`")
    goals: list[Goal] = []
    for cluster in dict.fromkeys(goal.cluster for goal in scenarios.goals):
        mine = sorted(
            (goal for goal in scenarios.goals if goal.cluster == cluster), key=lambda goal: _drawn(goal.id)
        )
        goals += mine[:per_cluster]
    kept = {goal.id for goal in goals}
    work = [task for task in scenarios.tasks if not task.twin_of]
    many = min(len(work), max(FEWEST_TASKS, len(work) * len(goals) // len(scenarios.goals)))
    chosen = {work[number * len(work) // many].id for number in range(many)} if many else set()
    tasks = [task for task in scenarios.tasks if task.twin_of in kept or task.id in chosen]
    said = f"{per_cluster} of each cluster of {scenarios.sha256}\n"
    return replace(
        scenarios,
        goals=tuple(goals),
        tasks=tuple(tasks),
        sha256=hashlib.sha256(said.encode()).hexdigest(),
    )


def _drawn(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
