"""`countermark assay`: how much of a safeguard is real."""

from __future__ import annotations

from pathlib import Path

import click

from countermark.assay.extra import need_numbers
from countermark.cli.assay_agentdojo import agentdojo
from countermark.cli.assay_import import import_logs
from countermark.cli.assay_inspect import inspect_gateway
from countermark.cli.assay_pack import pack
from countermark.cli.assay_report import compare, report
from countermark.cli.assay_run import run
from countermark.cli.assay_supervision import supervision
from countermark.cli.output import Group, example, json_option, page_option, show, write_page


@click.group(cls=Group)
def assay() -> None:
    """Measure how much of a safeguard is real, how much is theater, and what it costs.

    \b
    apparent  stopped while the attacker doesn't adapt
    real      stopped whichever attack is used
    theater   the difference
    """


@assay.command("recorded")
@click.option(
    "--source", "source_name", metavar="NAME", help="One source only, with curves, judges and comparisons."
)
@page_option
@json_option
@example("countermark assay recorded --html recorded.html")
def recorded(source_name: str | None, page: Path | None, *, as_json: bool) -> None:
    """Show what public records say of other safeguards: apparent, real and theater, with intervals.

    Offline, from tables that ship: outcomes that others recorded of refusals, defences and gates under attack. What they
    stopped when nobody adapted is set against what they stopped under the best recorded attack, goal by goal.
    """
    need_numbers()
    from countermark.assay.recorded.sources import recorded as measure_recorded
    from countermark.assay.report import document, text
    from countermark.assay.report.page import render as render_page

    sources = measure_recorded(source_name)
    if page is not None:
        write_page(page, render_page(sources))

    def words() -> str:
        told = text.render(sources, detail=source_name is not None)
        return told if page is None else f"{told}\n\nwritten: {page}"

    show(document.to_document(sources), as_json=as_json, text=words)


assay.add_command(supervision)
assay.add_command(import_logs)
assay.add_command(run)
assay.add_command(report)
assay.add_command(compare)
assay.add_command(agentdojo)
assay.add_command(inspect_gateway)
assay.add_command(pack)
