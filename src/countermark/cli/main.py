"""`countermark`: the one entry point."""

from __future__ import annotations

import importlib
import importlib.util

import click

from countermark import __version__
from countermark.cli.output import Group

_COMMANDS = {
    "init": ("countermark.cli.init", "init"),
    "serve": ("countermark.cli.serve", "serve"),
    "demo": ("countermark.cli.demo", "demo"),
    "trust": ("countermark.cli.trust", "trust"),
    "keys": ("countermark.cli.keys", "keys"),
    "evidence": ("countermark.cli.evidence", "evidence"),
    "policy": ("countermark.cli.policy", "policy"),
    "hold": ("countermark.cli.hold", "hold"),
    "suspend": ("countermark.cli.suspend", "suspend"),
    "explain": ("countermark.cli.explain", "explain"),
    "log": ("countermark.cli.log", "log"),
    "assay": ("countermark.cli.assay", "assay"),
    "doctor": ("countermark.cli.doctor", "doctor"),
}


class _LazyGroup(Group):
    """Loads a command's module when it is asked for, so that `--help` and shell completion are quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order in which a new user needs them."""
        return [name for name, (module, _) in _COMMANDS.items() if importlib.util.find_spec(module)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, attribute = _COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_LazyGroup)
@click.version_option(__version__, prog_name="countermark")
def main() -> None:
    """Decide what an AI model is used for on evidence, and keep a log that outsiders can verify.

    \b
    Start here:
      countermark demo            see it work, in under a minute
      countermark init FOLDER     a gateway of your own
    """
