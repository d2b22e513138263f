"""`countermark doctor`: what is wrong with a gateway, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from countermark.cli.checks import Finding, Grade, examine
from countermark.cli.output import FINDING, Command, dir_option, example, json_option, show
from countermark.clock import system_clock


@click.command(cls=Command)
@dir_option
@json_option
@example("countermark doctor --dir my-gateway")
def doctor(folder: Path, *, as_json: bool) -> None:
    """Check a gateway: settings, keys, trust root, bundle, statements, upstream, log, disk, clock, port.

    It changes nothing, and may run beside the gateway. Exit code 1 where something is wrong or ends within a week
    (a trust root: within a month).
    """
    found = examine(folder, now=system_clock().replace(microsecond=0))
    bad = [each for each in found if each.grade in (Grade.PROBLEM, Grade.SOON)]
    show(
        {
            "good": not bad,
            "findings": [
                {"about": each.about, "grade": str(each.grade), "message": each.message, "do": each.do}
                for each in found
            ],
        },
        as_json=as_json,
        text=lambda: _text(found, len(bad)),
    )
    if bad:
        raise click.exceptions.Exit(FINDING)


def _text(found: Sequence[Finding], bad: int) -> str:
    lines: list[str] = []
    for each in found:
        grade = str(each.grade) if each.grade in (Grade.GOOD, Grade.NOTE) else str(each.grade).upper()
        lines.append(f"{grade:<8} {each.about:<11} {each.message}")
        if each.do:
            lines.append(f"{'':<20} {each.do}")
    lines.append("nothing is wrong" if not bad else f"{bad} to mend")
    return "\n".join(lines)
