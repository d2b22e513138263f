"""A whole campaign of the assay on this machine: its plan, its stacks one after the other, its result."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from countermark.assay.campaign.door import StackSpec
from countermark.assay.campaign.folder import read_result
from countermark.assay.campaign.holdout import UNSEEN
from countermark.assay.campaign.journal import Journal
from countermark.assay.campaign.matrix import Matrices
from countermark.assay.campaign.plan import (
    BUNDLE,
    SUPERVISORS,
    Plan,
    Reviewing,
    Term,
    digest_of,
    standard_stacks,
    tampers,
)
from countermark.assay.campaign.result import find, result_document
from countermark.assay.campaign.reuse import reuse_rows
from countermark.assay.campaign.reviewed import reviewers
from countermark.assay.campaign.rows import read_rows
from countermark.assay.campaign.run import Job, jobs_for, jobs_of, open_rows, run_stack
from countermark.assay.campaign.scored import flag_from, read_scores, score_jobs
from countermark.assay.report.campaign_page import render as render_page
from countermark.assay.scenarios.load import OURS, THEIR_OWN, load_scenarios
from countermark.assay.scenarios.sample import sample
from countermark.assay.strategies.known import STRATEGIES
from countermark.assay.strategies.strategy import NAIVE
from countermark.assay.worlds.world import SCALES, plan_world
from countermark.errors import CampaignError
from countermark.pep.openai import OpenAIChat
from countermark.policy.bundle import Bundle, load_bundle
from countermark.policy.shipped import shipped_bundle
from countermark.stacks.running import running_stack
from countermark.stacks.together import Tell, now, run_side_by_side, seal_result
from countermark.stacks.world import open_world

SCORES = "scores.json"
_WIRE = OpenAIChat()


def make_plan(
    scenario_folder: Path | None = None,
    *,
    seed: int = 1,
    quick: bool = False,
    per_cluster: int | None = None,
    reviewing: Reviewing | None = None,
) -> Plan:
    """The plan of a campaign: scenarios and strategies that ship, or a folder's scenarios.

    Args:
        quick: The four stacks and the controls only; nothing switched off or left out in turn.
        per_cluster: Only so many goals of each cluster.

    Raises:
        ScenarioError: A scenario file isn't what its format says.
    """
    scenarios = load_scenarios(scenario_folder, author=OURS if scenario_folder is None else THEIR_OWN)
    if per_cluster is not None:
        scenarios = sample(scenarios, per_cluster)
    bundle = load_bundle(shipped_bundle(BUNDLE))
    terms = terms_of(bundle)
    forbidding = tuple(each.clause for each in terms if each.forbids)
    scenes = plan_world(scenarios, STRATEGIES, seed=seed, scales=SCALES).scenes
    _, tasks = jobs_of(scenes, (), naive=NAIVE)
    return Plan(
        scenarios=scenarios,
        strategies=STRATEGIES,
        stacks=standard_stacks(
            scenarios,
            clauses=() if quick else forbidding,
            mechanisms=not quick,
            flag_from=flag_from(score_jobs(tasks, read_texts).tasks),
        ),
        seed=seed,
        bundle_sha256=bundle.digest,
        terms=terms,
        reviewing=reviewing or Reviewing(),
    )


def read_texts(body: bytes) -> Sequence[str]:
    """What a classifier in the gateway is shown of a request."""
    return _WIRE.read_request(body).texts


def terms_of(bundle: Bundle) -> tuple[Term, ...]:
    """The clauses of a bundle, as a plan names them."""
    return tuple(
        Term(
            clause=clause.id,
            title=clause.title,
            red_line=clause.red_line,
            forbids=any(policy.node.effect == "forbid" for policy in clause.policies),
            changed_by=() if clause.instrument is None else tuple(clause.instrument.changed_by),
        )
        for clause in bundle.clauses
    )


def run_campaign(
    plan: Plan, folder: Path, *, side_by_side: int = 2, tell: Tell = lambda _done, _whole: None
) -> Mapping[str, Any]:
    """Register the plan, measure what is not measured yet, count it, sign and log the result.

    Args:
        folder: Of the result. A campaign of the same plan that was stopped goes on there.
        side_by_side: Stacks that run at a time.

    Raises:
        CampaignError: The folder holds another campaign.
        StackError: A stack did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder)
    journal.register(plan.document(), now=now())
    measure(plan, folder, side_by_side=side_by_side, tell=tell)
    return conclude(plan, folder, journal)


def measure(plan: Plan, folder: Path, *, side_by_side: int, tell: Tell = lambda _done, _whole: None) -> None:
    """Run what is not measured yet, stack by stack."""
    world_plan = plan_world(plan.scenarios, plan.strategies, seed=plan.seed, scales=plan.scales)
    world = open_world(world_plan, folder / "world", now=now())
    goals, tasks = jobs_of(world.scenes, (*plan.strategies, UNSEEN), naive=NAIVE)
    jobs = [*goals, *tasks]
    (folder / SCORES).write_bytes(score_jobs(jobs, read_texts).to_bytes())
    rows = open_rows(folder)
    stop = threading.Event()
    whole = sum(len(jobs_for(jobs, tampering=tampers(spec))) for spec in plan.stacks)

    def one(spec: StackSpec) -> None:
        mine: Sequence[Job] = jobs_for(jobs, tampering=tampers(spec))
        if spec.without:
            mine = reuse_rows(spec, mine, rows)
        if stop.is_set() or all(job.key(spec.name) in rows for job in mine):
            return
        with running_stack(spec, world, folder / "stacks" / _slug(spec.name)) as stack:
            asyncio.run(run_stack(stack, mine, rows, tell=lambda: tell(len(rows), whole), stop=stop))

    try:
        # what leaving out a clause changes is asked anew once the whole is measured
        rounds = (
            [partial(one, spec) for spec in plan.stacks if not spec.without],
            [partial(one, spec) for spec in plan.stacks if spec.without],
        )
        for each in rounds:
            run_side_by_side(each, side_by_side, stop=stop)
    finally:
        rows.close()


def count(plan: Plan, folder: Path) -> Mapping[str, Any]:
    """The result of a folder's rows."""
    rows = list(read_rows(folder / "rows.jsonl"))
    matrices = Matrices(plan.scenarios, plan.strategies, rows, simulated={SUPERVISORS: reviewers(plan, rows)})
    return result_document(find(plan, matrices), scores=read_scores(folder / SCORES))


def rebuild_plan(registered: Mapping[str, Any], scenario_folder: Path | None = None) -> Plan:
    """The plan that was registered, made anew from what this version ships.

    Raises:
        CampaignError: This version, or these scenarios, make another plan. Versions of other packages don't matter.
    """
    quick = not any(spec["without"] or spec["off"] for spec in registered["stacks"])
    rates = {name: float(value) for name, value in registered["reviewing"].items()}
    goals = load_scenarios(scenario_folder).goals
    most = max(Counter(goal.cluster for goal in goals).values())
    whole = len(goals) == registered["scenarios"]["goals"]
    for per_cluster in (None,) if whole else range(1, most + 1):
        plan = make_plan(
            scenario_folder,
            seed=registered["seed"],
            quick=quick,
            per_cluster=per_cluster,
            reviewing=Reviewing(**rates),
        )
        if digest_of(_without_software(plan.document())) == digest_of(_without_software(registered)):
            return plan
    raise CampaignError(
        "expected a plan that this version and these scenarios make: count with the version that the plan names"
    )


def _without_software(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in plan.items() if key not in ("software", "sha256")}


def recount(folder: Path, scenario_folder: Path | None = None) -> Sequence[str]:
    """Count a folder's rows again, and say which parts of its result are others: nothing where all is as it was.

    Raises:
        CampaignError: Not a campaign of the plans that this version makes.
    """
    shown = read_result(folder)
    plan = rebuild_plan(json.loads((folder / "plan.json").read_bytes()), scenario_folder)
    counted = json.loads(json.dumps(count(plan, folder)))
    return sorted(key for key in {*shown, *counted} - {"plan"} if shown.get(key) != counted.get(key))


def conclude(plan: Plan, folder: Path, journal: Journal) -> Mapping[str, Any]:
    """Count the rows, write `result.json` and `report.html`, sign and log them."""
    document = count(plan, folder)
    (folder / "report.html").write_text(render_page(document, vkey=journal.vkey), encoding="utf-8")
    seal_result(document, folder, journal)
    return document


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
