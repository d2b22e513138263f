"""`countermark assay run`: scenarios and strategies against running stacks."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countermark.assay.extra import need_numbers
from countermark.cli.output import FINDING, Command, example, json_option, progress, show
from countermark.errors import SettingsError

if TYPE_CHECKING:
    from countermark.assay.campaign.plan import Plan
    from countermark.assay.require import Checked

_DEFAULT_FOLDER = Path("assay")


@click.command("run", cls=Command)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=_DEFAULT_FOLDER,
    show_default=True,
    help="Folder of the result. A campaign of the same plan that was stopped goes on there.",
)
@click.option("--seed", default=1, show_default=True, help="World, keys and draws come from it.")
@click.option(
    "--scenarios",
    "scenario_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of scenario files in place of those that ship (spec/assay-scenarios.md).",
)
@click.option(
    "--quick", is_flag=True, help="The four stacks and the controls only; nothing switched off in turn."
)
@click.option(
    "--side-by-side",
    default=2,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Stacks that run at a time.",
)
@click.option(
    "--require",
    "requirements",
    multiple=True,
    metavar="TEXT",
    help='Exit with 1 where it does not hold: "real >= 0.9 per kind"; again for more (spec/assay-require.md).',
)
@click.option("--seen", default=0.05, show_default=True, help="Share of requests that the supervisors see.")
@click.option(
    "--hit", default=0.8, show_default=True, help="Share that they stop of plain misuse that they see."
)
@json_option
@example('countermark assay run --out assay-1 --require "real >= 0.5 per kind"')
def run(
    folder: Path,
    seed: int,
    scenario_folder: Path | None,
    side_by_side: int,
    requirements: tuple[str, ...],
    seen: float,
    hit: float,
    *,
    quick: bool,
    as_json: bool,
) -> None:
    """Measure four stacks against the same attackers: refusal, + classifier, + supervisors, Countermark.

    Starts gateways and played models as real processes on this machine, makes a world of parties, papers and data from the
    seed, and asks as attackers and as people at work would. Then it shows what each stack stopped: apparent, real, and the
    theater between, for each kind of deployment, at 0, 1 and 2 lying signers, with what it costs in work that was stopped.
    Countermark is also measured with each mechanism switched off and each clause left out. Nothing leaves this machine.
    """
    need_numbers()
    from countermark.assay.campaign.journal import Journal
    from countermark.assay.campaign.plan import Reviewing
    from countermark.assay.report.campaign_text import render
    from countermark.assay.require import check_requirements, parse_requirements

    wanted = parse_requirements(requirements)
    plan = make_plan(
        scenario_folder,
        seed=seed,
        quick=quick,
        reviewing=Reviewing(coverage=_share("--seen", seen), hit=_share("--hit", hit)),
    )
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder)
    journal.register(plan.document(), now=_now())
    measure(plan, folder, side_by_side=side_by_side, quiet=as_json)
    document = conclude(plan, folder, journal)
    checked = check_requirements(wanted, document)
    show(
        {**document, "requirements": [_checked(each) for each in checked]},
        as_json=as_json,
        text=lambda: render(document, checked, folder=folder),
    )
    if document["void"] or not all(each.passed for each in checked):
        raise click.exceptions.Exit(FINDING)


def _checked(each: Checked) -> Mapping[str, Any]:
    return {"requirement": each.requirement.text, "passed": each.passed, "says": each.says}


def _share(option: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise SettingsError(f"expected `{option}` between 0 and 1, got `{value}`")
    return value


def make_plan(scenario_folder: Path | None, *, seed: int, quick: bool, reviewing: Any) -> Plan:
    """The plan of a campaign: scenarios and strategies that ship, or a folder's scenarios."""
    from countermark.assay.campaign.plan import BUNDLE, Plan, Term, standard_stacks
    from countermark.assay.scenarios.load import load_scenarios
    from countermark.assay.strategies.known import STRATEGIES
    from countermark.policy.bundle import load_bundle
    from countermark.policy.shipped import shipped_bundle

    author = "ours" if scenario_folder is None else "third party"
    scenarios = load_scenarios(scenario_folder, author=author)
    bundle = load_bundle(shipped_bundle(BUNDLE))
    terms = tuple(
        Term(
            clause=clause.id,
            title=clause.title,
            red_line=clause.red_line,
            forbids=any(policy.node.effect == "forbid" for policy in clause.policies),
            changed_by=() if clause.instrument is None else tuple(clause.instrument.changed_by),
        )
        for clause in bundle.clauses
    )
    forbidding = tuple(each.clause for each in terms if each.forbids)
    return Plan(
        scenarios=scenarios,
        strategies=STRATEGIES,
        stacks=standard_stacks(scenarios, clauses=() if quick else forbidding, mechanisms=not quick),
        seed=seed,
        bundle_sha256=bundle.digest,
        terms=terms,
        reviewing=reviewing,
    )


def measure(plan: Plan, folder: Path, *, side_by_side: int, quiet: bool = False) -> None:
    """Run what is not measured yet, stack by stack."""
    from countermark.assay.campaign.matrix import NAIVE
    from countermark.assay.campaign.run import jobs_of, open_rows, run_stack
    from countermark.assay.worlds.world import plan_world
    from countermark.stacks.running import running_stack
    from countermark.stacks.world import load_world, make_world

    place = folder / "world"
    world_plan = plan_world(plan.scenarios, plan.strategies, seed=plan.seed, scales=plan.scales)
    world = (
        load_world(place, world_plan)
        if (place / "world.json").exists()
        else make_world(world_plan, place, now=_now())
    )
    goals, tasks = jobs_of(world.scenes, plan.strategies, naive=NAIVE)
    jobs = [*goals, *tasks]
    rows = open_rows(folder)
    done = {spec.name: 0 for spec in plan.stacks}
    whole = len(plan.stacks) * len(jobs)

    with progress("requests of attackers and of people at work", quiet=quiet) as tell:

        def teller(name: str) -> Callable[[int], None]:
            def told(count: int) -> None:
                done[name] = count
                tell(sum(done.values()), whole)

            return told

        def one(spec: Any) -> None:
            if all(job.key(spec.name) in rows for job in jobs):
                teller(spec.name)(len(jobs))
                return
            with running_stack(spec, world, folder / "stacks" / _slug(spec.name)) as stack:
                asyncio.run(run_stack(stack, jobs, rows, tell=teller(spec.name)))

        try:
            with ThreadPoolExecutor(side_by_side) as pool:
                for finished in [pool.submit(one, spec) for spec in plan.stacks]:
                    finished.result()
        finally:
            rows.close()


def conclude(plan: Plan, folder: Path, journal: Any) -> Mapping[str, Any]:
    """Count the rows, write `result.json` and `report.html`, sign and log them."""
    from countermark.assay.campaign.matrix import Matrices
    from countermark.assay.campaign.plan import SUPERVISORS
    from countermark.assay.campaign.result import find, result_document
    from countermark.assay.campaign.reviewed import reviewers
    from countermark.assay.campaign.rows import read_rows
    from countermark.assay.report.campaign_page import render as render_page

    matrices = Matrices(
        plan.scenarios,
        plan.strategies,
        read_rows(folder / "rows.jsonl"),
        simulated={SUPERVISORS: reviewers(plan)},
    )
    document = result_document(find(plan, matrices))
    data = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    (folder / "result.json").write_bytes(data)
    (folder / "report.html").write_text(render_page(document, vkey=journal.vkey), encoding="utf-8")
    journal.conclude(plan=plan.sha256, result=data, rows=(folder / "rows.jsonl").read_bytes(), now=_now())
    return document


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
