"""What the tests of commands share: run one as its user would, on a copy of a gateway's folder that has seen traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from replay_traffic import Recorded

from countermark.cli.main import main
from countermark.oversight.hold import HoldState
from countermark.store.sqlite import SqliteStore


def run(*arguments: object, code: int = 0, answers: str | None = None) -> Result:
    """Run a command; what it printed is in the message where its exit code is another than expected."""
    result = CliRunner().invoke(main, [str(each) for each in arguments], input=answers)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, f"exit {result.exit_code}: {result.output}"
    return result


def document(*arguments: object, code: int = 0) -> Any:
    """The one JSON document that a command prints on standard output."""
    return json.loads(run(*arguments, "--json", code=code).stdout)


class Folder:
    """A copy of the gateway's folder, with everybody's keys at hand."""

    def __init__(self, made: Recorded, target: Path) -> None:
        self.made = made
        self.gateway = made.copy(target)
        self.people = made.world.folder / "people"
        self.root = self.gateway / "trust-root.json"

    def key(self, name: str) -> Path:
        """Somebody's private key: `ada`, or a side's: `halden-side`."""
        return self.people / f"{name}.pem"

    def hold_of(self, workload: str) -> str:
        """The open hold of a workload."""
        with SqliteStore(self.gateway / "state.sqlite") as store:
            return next(
                hold.hold_id
                for hold in store.holds.list(state=HoldState.OPEN)
                if hold.workload == f"northmark/{workload}"
            )

    def approvals(self, hold: str) -> list[bytes]:
        """What was signed for a hold."""
        with SqliteStore(self.gateway / "state.sqlite") as store:
            return list(store.holds.approvals(hold))
