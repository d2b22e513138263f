"""`countermark demo`: the story, told with real processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click

from countermark.cli.output import Command, example, json_option
from countermark.demo.run import default_folder, tell_story
from countermark.demo.told import render, to_document


@click.command(cls=Command)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    show_default="a fresh temporary folder",
    help="Where to leave keys, statements, holds and log.",
)
@json_option
@example("countermark demo")
def demo(folder: Path | None, *, as_json: bool) -> None:
    """Tell the story: three fictional parties, twelve requests, with real processes and the official clients.

    It needs no network, takes about a minute, and leaves its folder and the page for looking around.
    """
    target = folder or default_folder()

    def say(text: str) -> None:
        if not as_json:
            click.echo(f"   {text}", err=True)

    told = tell_story(target, say=say)
    click.echo(
        json.dumps(to_document(told), indent=1)
        if as_json
        else "\n" + render(told, width=max(100, min(160, shutil.get_terminal_size((120, 24)).columns)))
    )
