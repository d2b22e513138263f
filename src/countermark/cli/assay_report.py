"""`countermark assay report` and `compare`: what a result says, whether it is the one that was logged, what is different."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from countermark.assay.extra import need_numbers
from countermark.cli.output import FINDING, Command, example, json_option, page_option, show, write_page

_folder = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command("report", cls=Command)
@click.argument("folder", type=_folder)
@click.option("--vkey", help="Key of the assay's log, from a source that is not the folder.")
@page_option
@click.option("--recount", is_flag=True, help="Also count the rows again, and compare with what was signed.")
@click.option(
    "--scenarios",
    "scenario_folder",
    type=_folder,
    help="With --recount: the scenario files of the run, where they aren't those that ship.",
)
@click.option("--since", type=_folder, metavar="FOLDER", help="An earlier result, to say what changed since.")
@click.option("--require", "requirements", multiple=True, metavar="TEXT", help="As of `assay run`.")
@json_option
@example("countermark assay report assay-1 --since assay-0 --html report.html")
def report(
    folder: Path,
    vkey: str | None,
    page: Path | None,
    since: Path | None,
    scenario_folder: Path | None,
    requirements: tuple[str, ...],
    *,
    recount: bool,
    as_json: bool,
) -> None:
    """Show a result again, after checking it: log, plan, rows, result and signature, offline.

    --recount finds figures that the rows don't give, whoever signed them; it takes the version that made the plan.

    Without --vkey the log is checked against the key that lies in the folder: that finds damage, not a result that was made
    again as a whole. Who has a key from elsewhere finds that, too.
    """
    need_numbers()
    from countermark.assay.campaign.change import change_words, compare_results
    from countermark.assay.campaign.folder import check_folder, own_key, read_result
    from countermark.assay.report.campaign_page import render as render_page
    from countermark.assay.report.campaign_text import render
    from countermark.assay.require import check_requirements, parse_requirements

    wanted = parse_requirements(requirements)
    key = vkey or own_key(folder)
    checked = check_folder(folder, vkey=key)
    document = read_result(folder)
    differs: list[str] = []
    if recount:
        from countermark.stacks.campaign import recount as count_again

        differs = list(count_again(folder, scenario_folder))
    if since is not None:
        check_folder(since, vkey=own_key(since))
    change = [] if since is None else change_words(compare_results(read_result(since), document))
    held = check_requirements(wanted, document)
    if page is not None:
        write_page(page, render_page(document, vkey=key, change=change))

    def words() -> str:
        lines = [render(document, held)]
        lines += [f"since: {each}" for each in change]
        own = (
            ""
            if vkey
            else " (key from the folder itself: give --vkey to rule out a result that was made anew)"
        )
        lines.append(
            f"verified: plan {checked.plan[:12]} before result {checked.result[:12]}, {checked.rows:,} rows, "
            f"{checked.entries} entries{own}"
        )
        if recount:
            lines.append(
                f"counted again: {'OTHER FIGURES: ' + ', '.join(differs) if differs else 'the same figures'}"
            )
        return "\n".join(lines)

    show(
        {
            **document,
            "verified": {"rows": checked.rows, "entries": checked.entries, "own_key": vkey is None},
            "recounted": differs if recount else None,
            "since": list(change),
            "requirements": [
                {"requirement": each.requirement.text, "passed": each.passed, "says": each.says}
                for each in held
            ],
        },
        as_json=as_json,
        text=words,
    )
    if differs or document["void"] or not all(each.passed for each in held):
        raise click.exceptions.Exit(FINDING)


@click.command("compare", cls=Command)
@click.argument("before", type=_folder)
@click.argument("after", type=_folder)
@click.option("--column", help="Which safeguard; where left out, the one that the results are about.")
@click.option("--with", "other", metavar="COLUMN", help="Another column of AFTER to compare with.")
@click.option(
    "--liars", type=click.IntRange(0, 2), default=0, show_default=True, help="Lying signers of the attacker."
)
@json_option
@example('countermark assay compare assay-0 assay-1 --column "+ classifier" --with countermark')
def compare(
    before: Path, after: Path, column: str | None, other: str | None, liars: int, *, as_json: bool
) -> None:
    """Say what is different between two results, goal by goal: exact McNemar, adjusted over the kinds of deployment.

    A rise of real is only called one where the second attacker lacks nothing that the first had. Otherwise the command says
    what he lacks, and ends with exit code 1. Both results are checked first, against the keys that lie beside them.
    """
    need_numbers()
    from countermark.assay.campaign.change import change_words, compare_results
    from countermark.assay.campaign.folder import check_folder, own_key, read_result

    for each in (before, after):
        check_folder(each, vkey=own_key(each))
    changes = compare_results(
        read_result(before), read_result(after), column=column, other=other, liars=liars
    )
    document: Mapping[str, Any] = {name: change.to_document() for name, change in changes.items()}
    show(document, as_json=as_json, text=lambda: "\n".join(change_words(changes)))
    if any(change.finding is not None for change in changes.values()):
        raise click.exceptions.Exit(FINDING)
