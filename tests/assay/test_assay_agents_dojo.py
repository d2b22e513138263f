"""AgentDojo run live: what its rows mean, and that they are those of the recorded table."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from countermark.assay.agents.dojo_live import STRATEGIES, SUITES, load_suite, run, runs
from countermark.assay.agents.dojo_rows import DojoFile, DojoRow
from countermark.assay.agents.dojo_source import beside_recorded, make_source, outcomes_of
from countermark.assay.agents.gates import RECORDED, Layers
from countermark.assay.recorded.obedient import BENIGN, NAME, source
from countermark.assay.recorded.tables import load_table
from countermark.cli.assay import assay
from countermark.errors import CampaignError, NothingMeasuredError

HERE = importlib.util.find_spec("agentdojo") is not None
needs_agentdojo = pytest.mark.skipif(not HERE, reason="needs AgentDojo: pip install 'countermark[agentdojo]'")
ABOUT = {"agentdojo": "0.1.35", "strategies": list(STRATEGIES)}


@pytest.fixture(scope="module")
def recorded() -> list[DojoRow]:
    """The recorded table as rows of a run."""
    attacks = [
        DojoRow(
            gate=each["layers"],
            suite=each["suite"],
            user_task=each["user_task"],
            injection_task=each["injection_task"],
            strategy=each["strategy"],
            reached=each["attack_success"] == "1",
        )
        for each in load_table(NAME)
    ]
    work = [
        DojoRow(
            gate=each["layers"],
            suite=each["suite"],
            user_task=each["user_task"],
            denied=int(each["denied"]),
            hidden=int(each["flagged"]),
        )
        for each in load_table(BENIGN)
    ]
    return [*attacks, *work]


def test_rows_are_counted_as_the_recorded_table_is(recorded: list[DojoRow]) -> None:
    """The rows of a run go through the same rules: the recorded run's rows give the recorded run's figures."""
    live, there = make_source(recorded, strategies=STRATEGIES, titles={}), source()
    assert [each.verdict for each in live.measured] == [each.verdict for each in there.measured]
    assert live.shares == there.shares
    assert [found for _, found in live.dependences] == [found for _, found in there.dependences]
    (figure,) = live.figures
    assert (figure[1].k, figure[1].n) == (461, 629)
    agreement = beside_recorded(recorded)
    assert (agreement.same, agreement.unseen, agreement.other) == (20_757, 0, ())


def test_failed_gates_count_against_the_gate(recorded: list[DojoRow]) -> None:
    """A run in which a gate gave no answer is a breach, and benign work that it kept waiting is stopped."""
    none = [row for row in recorded if not row.gate]
    failed = [
        DojoRow(
            gate="broken",
            suite=row.suite,
            user_task=row.user_task,
            injection_task=row.injection_task,
            strategy=row.strategy,
            reached=None,
        )
        for row in none
    ]
    (measured,) = make_source([*none, *failed], strategies=STRATEGIES, titles={"broken": "B"}).measured
    assert measured.real is not None
    assert (measured.safeguard, measured.real.k, measured.apparent.k) == ("B", 0, 0)
    assert measured.work is not None
    assert measured.work.stopped.k == 97
    assert len(measured.assumed) == 461 * 3


def test_nothing_is_stopped_that_nobody_could_reach(recorded: list[DojoRow]) -> None:
    """Without runs that have no gate there is no figure: it is an error."""
    with pytest.raises(NothingMeasuredError, match="expected runs without a gate"):
        outcomes_of([row for row in recorded if row.gate == "tools"], STRATEGIES)


def test_stopped_runs_are_gone_on_with(tmp_path: Path) -> None:
    """What is in the file is not run again; a line that a stop cut off is; another run's file is refused."""
    path = tmp_path / "rows.jsonl"
    row = DojoRow(gate="tools", suite="slack", user_task="user_task_1", denied=1, because=("tools",))
    file = DojoFile(path, ABOUT)
    file.append(row)
    file.close()
    with path.open("a") as half:
        half.write('{"gate":"tools","suite":"sl')
    again = DojoFile(path, ABOUT)
    assert row.key in again
    assert again.rows == (row,)
    with pytest.raises(CampaignError, match="expected each row once"):
        again.append(row)
    again.close()
    assert len(path.read_text().splitlines()) == 2
    with pytest.raises(CampaignError, match="take a new file"):
        DojoFile(path, {**ABOUT, "agentdojo": "0.2"})
    path.write_text(path.read_text() + "no row\n")
    with pytest.raises(CampaignError, match="expected a row of an AgentDojo run"):
        DojoFile(path, ABOUT)


@pytest.mark.skipif(HERE, reason="AgentDojo is installed here")
def test_missing_package_is_said_clearly() -> None:
    """Where AgentDojo isn't installed, the command says what to install, in one line."""
    done = CliRunner().invoke(assay, ["agentdojo", "--gate", "tools"])
    assert done.exit_code == 2
    assert "expected the package `agentdojo`" in done.output
    assert "pip install 'countermark[agentdojo]'" in done.output


def _run(suites: Sequence[str], gates: Sequence[str]) -> list[DojoRow]:
    return [
        run(suite, task, Layers(gate), name=gate, injection=injection, strategy=strategy)
        for suite in map(load_suite, suites)
        for gate in gates
        for task, injection, strategy in runs(suite)
    ]


@needs_agentdojo
def test_live_rows_are_the_recorded_ones() -> None:
    """Run again, two suites give the recorded rows, one by one, for every set of layers."""
    rows = _run(("banking", "slack"), ("", *RECORDED))
    agreement = beside_recorded(rows)
    assert (agreement.same, agreement.unseen, agreement.other) == (249 * 3 * 11, 0, ())
    assert all(row.utility for row in rows if row.benign and not row.denied)


@needs_agentdojo
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_pairs_run_live() -> None:
    """With no gate all 97 tasks are done; every other outcome than the recorded one has one reason: the text is seen."""
    rows = _run(SUITES, ("",))
    attacks = [row for row in rows if not row.benign]
    assert sum(bool(row.utility) for row in rows if row.benign) == 97
    assert all(row.seen for row in attacks)
    agreement = beside_recorded(rows)
    assert (agreement.same, agreement.unseen, agreement.other) == (1_741, 146, ())
    reached = {each: sum(bool(row.reached) for row in attacks if row.strategy == each) for each in STRATEGIES}
    assert reached == {"marked": 603, "plain": 603, "encoded": 612}


@needs_agentdojo
def test_command_runs_and_goes_on(tmp_path: Path) -> None:
    """The command writes rows, figures and a page; run again, it runs nothing anew."""
    rows, page = tmp_path / "rows.jsonl", tmp_path / "page.html"
    arguments = ["agentdojo", "--suite", "slack", "--gate", "tools", "--rows", str(rows), "--json"]
    first = CliRunner().invoke(assay, [*arguments, "--html", str(page)])
    assert first.exit_code == 0, first.output
    assert "AgentDojo, live" in page.read_text()
    before = rows.read_bytes()
    second = CliRunner().invoke(assay, arguments)
    assert rows.read_bytes() == before
    assert json.loads(first.output) == json.loads(second.output)
    (safeguard,) = json.loads(first.output)["sources"][0]["safeguards"]
    assert safeguard["safeguard"] == "tools"
