"""The holds of a real gateway's log, as `assay supervision --recorded` tells of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from countermark.assay.supervision.holds import read_holds
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
    assert found["unread"] == 0
    assert sum(each["refused"] for each in found["signers"].values()) >= 1
    assert {"document-seen"} == {name for each in found["signers"].values() for name in each["basis"]}


@pytest.mark.slow
def test_signed_words_that_are_missing_or_edited_are_counted_not_believed(tmp_path: Path) -> None:
    """One file gone, one with another's words: both are unread, and whoever signed them has so many fewer."""
    from replay_traffic import recorded

    folder = recorded().copy(tmp_path)
    before = read_holds(folder)
    named = [each for each in (folder / "archive" / "approvals").iterdir() if each.suffix == ".json"]
    used = {person: each.approved + each.refused for person, each in before.signers.items()}
    assert len(named) >= sum(used.values()) >= 3
    for file in named[1:]:
        file.write_bytes(named[0].read_bytes())
    after = read_holds(folder)
    assert after.unread >= sum(used.values()) - 1
    assert after.states == before.states
    alone = read_holds(folder / "log")
    assert alone.unread == after.unread
