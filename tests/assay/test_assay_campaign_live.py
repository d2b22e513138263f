"""A campaign on real stacks: gateways and played models as processes, a small set of scenarios, every kind of stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from countermark.assay.campaign.door import Passed
from countermark.assay.campaign.folder import check_folder, read_result
from countermark.assay.campaign.plan import MAIN, Plan
from countermark.assay.campaign.reuse import AS_MAIN
from countermark.assay.campaign.rows import read_rows
from countermark.stacks.campaign import make_plan, measure, recount, run_campaign

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

CLUSTERS = ("rl2_effectors", "rl5_orders", "ev_consent", "benign_office")
"""Effects, orders, consents, and work: holds, signatures and calls all occur."""


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a few of the clusters that ship."""
    folder = tmp_path_factory.mktemp("scenarios")
    for name in CLUSTERS:
        file = files("countermark.assay.scenarios").joinpath(f"{name}.toml")
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def _plan(scenarios: Path, **more: Any) -> Plan:
    return make_plan(scenarios, per_cluster=2, **more)


@pytest.fixture(scope="module")
def ran(scenarios: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The quick campaign, run once."""
    folder = tmp_path_factory.mktemp("campaign")
    return folder, dict(run_campaign(_plan(scenarios, quick=True), folder))


def test_every_cell_is_measured_and_controls_hold(ran: tuple[Path, dict[str, Any]]) -> None:
    """Nothing is assumed, the three controls score as known, and what reads only content scores 0 on twins."""
    _, document = ran
    assert document["assumed"] == []
    assert document["void"] == []
    for column in document["columns"]:
        if column["reads_content_only"]:
            assert column["twins"]["separation"]["value"] == 0


def test_work_passes_and_plain_misuse_does_not(ran: tuple[Path, dict[str, Any]]) -> None:
    """Under Countermark no benign task is stopped, and the twins are told apart where papers tell them apart."""
    _, document = ran
    ours = document["columns"][-1]
    assert ours["name"] == "countermark"
    assert ours["work"]["which"] == []
    assert ours["work"]["waited"]["all"]["k"] > 0
    assert ours["twins"]["separation"]["value"] > 0.5


def test_a_result_checks_offline_and_is_not_run_again(
    ran: tuple[Path, dict[str, Any]], scenarios: Path
) -> None:
    """The folder verifies with its key; the same command finds all rows there, and gives the same bytes."""
    folder, document = ran
    vkey = (folder / "log.vkey").read_text().strip()
    assert check_folder(folder, vkey=vkey).plan == document["plan"]["sha256"]
    before = (folder / "result.json").read_bytes()
    began = (folder / "rows.jsonl").stat().st_mtime_ns
    run_campaign(_plan(scenarios, quick=True), folder)
    assert (folder / "result.json").read_bytes() == before
    assert (folder / "rows.jsonl").stat().st_mtime_ns == began


def test_rows_count_to_the_same_figures_again(
    ran: tuple[Path, dict[str, Any]], scenarios: Path, tmp_path: Path
) -> None:
    """Counted again, rows give what was signed; figures that they do not give are named, whoever signed them."""
    folder, _ = ran
    assert recount(folder, scenarios) == []
    other = tmp_path / "other"
    other.mkdir()
    for name in ("plan.json", "rows.jsonl", "scores.json"):
        (other / name).write_bytes((folder / name).read_bytes())
    document = json.loads((folder / "result.json").read_bytes())
    document["columns"][-1]["levels"]["0"]["real"]["value"] = 0.99
    (other / "result.json").write_text(json.dumps(document))
    assert recount(other, scenarios) == ["columns"]


def test_two_runs_with_one_seed_are_equal(
    ran: tuple[Path, dict[str, Any]], scenarios: Path, tmp_path: Path
) -> None:
    """Another run of the same plan, in another folder, gives the same result, byte for byte."""
    folder, _ = ran
    run_campaign(_plan(scenarios, quick=True), tmp_path / "again", side_by_side=1)
    assert (tmp_path / "again" / "result.json").read_bytes() == (folder / "result.json").read_bytes()


def test_what_a_clause_had_no_part_in_comes_out_the_same(scenarios: Path, tmp_path: Path) -> None:
    """Rows that are taken from the whole are those that a stack without the clause gives when it is asked."""
    plan = _plan(scenarios)
    clause = next(spec for spec in plan.stacks if spec.without == ("RL-5",))
    whole = next(spec for spec in plan.stacks if spec.name == MAIN)
    measure(replace(plan, stacks=(whole, clause)), tmp_path / "reused", side_by_side=1)
    # the same stack with the clause left out, asked everything: it has no rows of the whole to lean on
    measure(replace(plan, stacks=(clause,)), tmp_path / "all", side_by_side=1)
    reused = {row.key: row for row in read_rows(tmp_path / "reused" / "rows.jsonl")}
    asked = {row.key: row for row in read_rows(tmp_path / "all" / "rows.jsonl")}
    taken = [row for row in reused.values() if row.why == AS_MAIN]
    assert taken
    assert {row.key for row in taken} < {key for key in asked if key[0] == clause.name}
    assert [row.key for row in taken if asked[row.key].passed is not row.passed] == []
    assert any(
        row.passed is not Passed.PASSED and asked[(clause.name, *row.key[1:])].passed is Passed.PASSED
        for row in reused.values()
        if row.stack == MAIN
    )


def test_killed_and_gone_on_with(scenarios: Path, tmp_path: Path) -> None:
    """A campaign killed with SIGKILL in the middle goes on: no row twice, none missing, and kept rows stay."""
    command = [sys.executable, "-m", "countermark", "assay", "run", "--quick", "--per-cluster", "1"]
    command += ["--scenarios", str(scenarios), "--out", str(tmp_path / "killed"), "--json"]
    rows = tmp_path / "killed" / "rows.jsonl"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and (not rows.exists() or rows.read_bytes().count(b"\n") < 300):
        time.sleep(0.05)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    kept = rows.read_bytes()
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    found = list(read_rows(rows))
    assert len({row.key for row in found}) == len(found)
    assert rows.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])
    assert document["assumed"] == []
    assert read_result(tmp_path / "killed")["void"] == []
