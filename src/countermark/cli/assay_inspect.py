"""`countermark assay inspect`: a gateway for the scenarios' world, for Inspect AI to run them against."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from countermark.cli.output import Command, example, json_option
from countermark.errors import SettingsError

BUNDLE = "everyday"


@click.command("inspect", cls=Command, context_settings={"ignore_unknown_options": True})
@click.option(
    "--seed", default=1, show_default=True, help="World, keys and data come from it; the task's own seed."
)
@click.option(
    "--bundle", default=BUNDLE, show_default=True, help="Shipped bundle that the gateway decides by."
)
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for world, log and holds, kept; a temporary one where it is left out.",
)
@json_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@example("countermark assay inspect -- inspect eval countermark/control-of-use -T gated=true --model MODEL")
def inspect_gateway(
    seed: int, bundle: str, folder: Path | None, command: tuple[str, ...], *, as_json: bool
) -> None:
    """Start a gateway in the world that the scenarios are of, and run a command with its address and credentials.

    The command gets COUNTERMARK_URL and COUNTERMARK_CREDENTIALS, which the approver `countermark/gate` and the task
    `countermark/control-of-use` of Inspect AI read. Without a command both are printed, and the gateway runs until it is
    told to stop; with one, the command alone speaks. Only decisions come from it: the model behind it is played, and the
    evaluation asks its own model.
    """
    with _running(seed, bundle, folder) as variables:
        if not command:
            if as_json:
                click.echo(json.dumps(variables))
            else:
                click.echo("\n".join(f"export {name}={value}" for name, value in variables.items()))
            click.echo("the gateway runs until it is interrupted", err=True)
            threading.Event().wait()
        done = _run(command, variables)
    raise click.exceptions.Exit(done)


def _run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    try:
        return subprocess.run(  # noqa: S603 - the caller's own command
            command, env={**os.environ, **variables}, check=False
        ).returncode
    except OSError as error:
        raise SettingsError(
            f"expected a command that can be run, got `{command[0][:80]}`: {error.strerror}"
        ) from error


@contextmanager
def _running(seed: int, bundle: str, folder: Path | None) -> Iterator[Mapping[str, str]]:
    from countermark.assay.agents.inspect_ask import CREDENTIALS_VARIABLE, URL_VARIABLE
    from countermark.assay.agents.inspect_tasks import plan
    from countermark.assay.campaign.door import StackSpec
    from countermark.stacks.running import running_stack
    from countermark.stacks.world import INDEX, load_world, make_world

    with tempfile.TemporaryDirectory(prefix="countermark-inspect-") as temporary:
        place = (folder or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        planned, world_folder = plan(seed), place / "world"
        if (world_folder / INDEX).exists():
            world = load_world(world_folder, planned)
        else:
            world = make_world(planned, world_folder, now=datetime.now(UTC))
        spec = StackSpec(name="inspect", title="a gateway for an evaluation", bundle=bundle)
        with running_stack(spec, world, place / "stack") as stack:
            credentials = {
                name: {"api_key": shown.api_key}
                if shown.key is None
                else {"key": f"world/workloads/{name.partition('/')[2]}.pem"}  # beside this file
                for name, shown in stack.credentials.items()
            }
            file = place / "credentials.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps(credentials, indent=1) + "\n")
            yield {URL_VARIABLE: stack.url, CREDENTIALS_VARIABLE: str(file)}
