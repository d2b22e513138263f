"""`countermark evidence`."""

from __future__ import annotations

import click

from countermark.cli.evidence_new import new
from countermark.cli.output import Group


@click.group(cls=Group)
def evidence() -> None:
    """Statements."""


evidence.add_command(new)
