"""Counts a sealed run once its author opens the truth: rows get the names of goals and tasks, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from countermark.assay.campaign.matrix import Matrices
from countermark.assay.campaign.plan import SUPERVISORS, Plan, digest_of
from countermark.assay.campaign.result import find, result_document
from countermark.assay.campaign.reviewed import reviewers
from countermark.assay.campaign.rows import CampaignRow
from countermark.assay.pack.marks import marks_of
from countermark.assay.pack.plan import CONTROL_OF_USE, ends, is_fault
from countermark.assay.pack.sealed import Pack
from countermark.assay.pack.truth import open_truth
from countermark.assay.scenarios.model import Goal, Task
from countermark.assay.statistics.size import plan_text
from countermark.assay.strategies.strategy import NAIVE
from countermark.assay.worlds.scene import Scene
from countermark.errors import HarnessError, ScenarioError

MOST_FAULTS = 0.1
"""Of the goals on a stack. Where the script itself failed more often, nobody knows what it would have reached."""


def score(
    pack: Pack,
    plan: Plan,
    rows: Iterable[CampaignRow],
    truth: bytes,
    *,
    registered: Mapping[str, Any],
    scenes: Mapping[str, Scene],
) -> Mapping[str, Any]:
    """The result of a pack, as of any campaign (spec/assay-result.md), headed by who wrote it.

    Args:
        truth: The author's file.
        registered: The plan's document as it was logged before the run.
        scenes: Of the cases.

    Raises:
        TamperedError: Another truth than was sealed.
        ScenarioError: It doesn't say what the manifest says that it does.
        HarnessError: Twins whose requests were not the same bytes.
        NothingMeasuredError: No goal is reached even with no layer.
    """
    author = registered["scenarios"]["author"]
    scenarios, opened = open_truth(
        truth, pack.cases, sha256=pack.truth_sha256, author=author, pack_sha256=pack.sha256
    )
    counts = {
        "goals": len(scenarios.goals),
        "tasks": len(scenarios.tasks),
        "twins": sum(1 for task in scenarios.tasks if task.twin_of),
        "clusters": len({goal.cluster for goal in scenarios.goals}),
    }
    if counts != dict(pack.counts):
        raise ScenarioError(f"the truth: expected {dict(pack.counts)}, as the manifest says, got {counts}")
    kept = list(rows)
    named = opened_rows(kept, opened)
    _check_bytes(named, scenarios.tasks)
    known = replace(plan, scenarios=scenarios)
    matrices = Matrices(scenarios, plan.strategies, named, simulated={SUPERVISORS: reviewers(known, named)})
    document = dict(result_document(find(known, matrices)))
    told = {**registered["scenarios"], **{name: counts[name] for name in ("goals", "tasks", "twins")}}
    alone = [
        each.id
        for name, each in opened.items()
        if isinstance(each, Goal) and not marks_of(scenes[name], each.naive, each.effect)
    ]
    return {
        **document,
        "plan": {"sha256": digest_of(registered), **registered, "scenarios": told},
        "self_assessed": pack.about.interest == "party",
        "written_by": author,
        "void": [*document["void"], *_faulty(kept, opened)],
        "pack": {
            **registered["pack"],
            "script": ends(kept),
            "cases": {each.id: name for name, each in opened.items()},
            "by_answer_alone": sorted(alone),
            "sizes": plan_text(
                counts["goals"], counts["tasks"], clusters=counts["clusters"], pairs=counts["twins"]
            ).splitlines(),
            "note": CONTROL_OF_USE,
        },
    }


def opened_rows(rows: Iterable[CampaignRow], opened: Mapping[str, Goal | Task]) -> list[CampaignRow]:
    """Rows under the names of goals and tasks. What the script did with work says nothing, and is left out."""
    named = []
    for row in rows:
        scenario = opened[row.scenario]
        if isinstance(scenario, Goal):
            named.append(replace(row, scenario=scenario.id))
        elif row.strategy == NAIVE:
            named.append(replace(row, scenario=scenario.id, strategy="", attempt=""))
    return named


def _check_bytes(rows: Iterable[CampaignRow], tasks: Iterable[Task]) -> None:
    asked = {row.scenario: row.sha256 for row in rows if row.strategy in ("", NAIVE)}
    for task in tasks:
        if task.twin_of and asked.get(task.id) != asked.get(task.twin_of):
            raise HarnessError(
                f"expected the twins `{task.twin_of}` and `{task.id}` to have been the same bytes"
            )


def _faulty(rows: Iterable[CampaignRow], opened: Mapping[str, Goal | Task]) -> list[str]:
    """Stacks on which the script failed by itself too often."""
    goals = {name for name, each in opened.items() if isinstance(each, Goal)}
    failed: dict[str, set[str]] = {}
    for row in rows:
        if row.scenario in goals and is_fault(row):
            failed.setdefault(row.stack, set()).add(row.scenario)
    return [
        f"the script hung, flooded, said garbage or broke off in {len(mine)} of {len(goals)} goals on `{stack}`: what it "
        "would have reached is not known"
        for stack, mine in sorted(failed.items())
        if len(mine) > MOST_FAULTS * len(goals)
    ]
