"""The holds of a real gateway's log, as `assay supervision --recorded` tells of them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from countermark.cli.assay import assay


@pytest.mark.slow
def test_the_holds_of_a_gateways_log_are_told() -> None:
    """Of a log that real processes wrote: every hold is in one state, approvals and refusals by people are among them."""
    from replay_traffic import recorded

    folder = recorded().world.gateway
    told = CliRunner().invoke(assay, ["supervision", "--recorded", str(folder), "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert sum(found["states"].values()) == found["holds"] > 3
    assert found["states"]["approved"] >= 1
    assert found["states"]["refused"] >= 1
    assert found["median_seconds_to_permit"] >= 0
