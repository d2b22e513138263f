"""`countermark assay run`: scenarios and strategies against running stacks."""

from __future__ import annotations

from collections.abc import Mapping
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
    "--per-cluster",
    type=click.IntRange(min=1),
    help="Only so many goals of each cluster, for a first look: wider intervals.",
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
    per_cluster: int | None,
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
    from countermark.assay.campaign.plan import Reviewing
    from countermark.assay.report.campaign_text import render
    from countermark.assay.require import check_requirements, parse_requirements
    from countermark.stacks.campaign import make_plan, run_campaign

    wanted = parse_requirements(requirements)
    plan = make_plan(
        scenario_folder,
        seed=seed,
        quick=quick,
        per_cluster=per_cluster,
        reviewing=Reviewing(coverage=_share("--seen", seen), hit=_share("--hit", hit)),
    )
    if not as_json:
        click.echo(_sizes(plan), err=True)
    with progress("requests of attackers and of people at work", quiet=as_json) as tell:
        document = run_campaign(plan, folder, side_by_side=side_by_side, tell=tell)
    checked = check_requirements(wanted, document)
    show(
        {**document, "requirements": [_checked(each) for each in checked]},
        as_json=as_json,
        text=lambda: render(document, checked, folder=folder),
    )
    if document["void"] or not all(each.passed for each in checked):
        raise click.exceptions.Exit(FINDING)


def _sizes(plan: Plan) -> str:
    """What a run of this size can claim, and what it can't: said before it."""
    from countermark.assay.statistics.size import plan_text

    goals, tasks = plan.scenarios.goals, plan.scenarios.tasks
    return plan_text(
        len(goals),
        len(tasks),
        clusters=len({goal.cluster for goal in goals}),
        pairs=sum(1 for task in tasks if task.twin_of),
    )


def _checked(each: Checked) -> Mapping[str, Any]:
    return {"requirement": each.requirement.text, "passed": each.passed, "says": each.says}


def _share(option: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise SettingsError(f"expected `{option}` between 0 and 1, got `{value}`")
    return value
