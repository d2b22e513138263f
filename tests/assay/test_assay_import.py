"""Other tools' logs: each reader's polarity, errors and epochs, the figures that follow, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import import_logs as logs
import pytest
from click.testing import CliRunner

from countermark.assay.imported.labels import read_labels
from countermark.assay.imported.load import load
from countermark.assay.imported.records import Options
from countermark.assay.imported.rule import parse_rule
from countermark.assay.imported.sources import Choices, make_sources
from countermark.assay.measured import THIRD, Measured, RealOnly, Source, Standing
from countermark.assay.recorded.jailbreakbench import source as recorded_jbb
from countermark.assay.recorded.tables import load_table
from countermark.cli.main import main
from countermark.errors import CountermarkError, ForeignLogError, OutcomesError, SettingsError

STOPPED = (parse_rule("stopped=0"),)


def imported(*paths: Path, naive: str = "", breach: Sequence[str] = (), **choices: Any) -> Source:
    """The one source of some logs."""
    options = choices.pop("options", None) or Options(breach_when=tuple(parse_rule(each) for each in breach))
    (found,) = make_sources(load(paths, options), Choices(naive=naive, **choices))
    return found


def only(source: Source) -> Measured:
    """Its one safeguard."""
    (measured,) = source.measured
    return measured


def counts(each: Measured) -> tuple[int, int, int, int]:
    """Apparent, real, theater, goals."""
    assert each.real is not None
    assert each.theater is not None
    return each.apparent.k, each.real.k, each.theater.k, each.real.n


def agentdojo(folder: Path) -> Path:
    """Two goals under two attacks, two tasks, and an injection task that was run by itself."""
    run = logs.agentdojo_run
    return logs.agentdojo_folder(
        folder,
        [
            run(attack_type="direct", security=False),
            run(
                attack_type="important_instructions",
                security=True,
                evaluation_timestamp="2026-11-20 11:00:00",
            ),
            run(attack_type="direct", injection_task_id="injection_task_1", security=False),
            run(attack_type="important_instructions", injection_task_id="injection_task_1", security=False),
            run(attack_type=None, injection_task_id=None, utility=True, security=True),
            run(
                attack_type=None,
                injection_task_id=None,
                user_task_id="user_task_1",
                utility=False,
                security=True,
            ),
            run(
                attack_type=None,
                injection_task_id=None,
                user_task_id="injection_task_0",
                utility=True,
                security=True,
            ),
        ],
    )


def test_agentdojo_true_is_breach_and_benign_rows_count_by_utility(tmp_path: Path) -> None:
    """`security` is a breach in attack rows and nothing in benign ones, whose `utility` says whether work was done."""
    source = imported(agentdojo(tmp_path))
    each = only(source)
    assert counts(each) == (2, 1, 1, 2)
    assert each.strategies == ("direct", "important_instructions")
    assert each.work is not None
    assert (each.work.stopped.k, each.work.stopped.n) == (1, 2)
    assert not each.work.claim
    assert source.written_by == THIRD
    (alone,) = (rate for name, rate in source.figures if name.startswith("injections done"))
    assert (alone.k, alone.n) == (1, 1)


def test_agentdojo_runs_that_were_broken_off_count_against_the_safeguard(tmp_path: Path) -> None:
    """A run without a verdict is a breach, a task without one not done; both are listed."""
    run = logs.agentdojo_run
    broken = {
        key: value
        for key, value in run(injection_task_id="injection_task_1").items()
        if key not in ("utility", "security")
    }
    logs.agentdojo_folder(
        tmp_path, [run(), broken, run(attack_type=None, injection_task_id=None, utility=None)]
    )
    source = imported(tmp_path)
    each = only(source)
    assert each.standing is Standing.APPARENT_ONLY
    assert (each.apparent.k, each.apparent.n) == (1, 2)
    assert each.assumed == ("banking/user_task_0/injection_task_1 / direct: failed or not judged",)
    assert each.work is not None
    assert each.work.stopped.k == 1


def test_a_pair_that_is_there_twice_is_an_error_unless_repeats_are_declared(tmp_path: Path) -> None:
    """Two folders with the same pair: refused, or, by declaration, reached when any run reached it."""
    first = agentdojo(tmp_path / "first")
    second = logs.agentdojo_folder(tmp_path / "second", [logs.agentdojo_run(security=True)])
    with pytest.raises(OutcomesError, match="expected one row"):
        imported(first, second)
    (source,) = make_sources(load([first, second], Options()), Choices(repeats=True))
    assert only(source).apparent.k == 1


def test_jailbreakbench_has_no_naive_arm_unless_one_is_named(tmp_path: Path) -> None:
    """Real is measured, apparent isn't; with `--naive` it is. What was never submitted was stopped."""
    logs.write(
        tmp_path / "PAIR" / "m.json",
        logs.jbb_artifact("PAIR", "m", [True, False, None, False], date="2024-02-01"),
    )
    logs.write(
        tmp_path / "JBC" / "m.json",
        logs.jbb_artifact("JBC", "m", [False, False, False, True], date="2024-01-01"),
    )
    source = imported(tmp_path)
    assert source.measured == ()
    (each,) = source.real_only
    assert isinstance(each, RealOnly)
    assert (each.real.k, each.real.n, each.strategies) == (2, 4, ("JBC", "PAIR"))
    assert "--naive" in source.unmeasured[0]
    assert counts(only(imported(tmp_path, naive="JBC"))) == (3, 2, 1, 4)


def test_jailbreakbench_artifacts_give_the_recorded_figures(tmp_path: Path) -> None:
    """The shipped outcomes, written as artifacts and imported, are measured as the shipped table is, intervals included."""
    rows = load_table("jailbreakbench")
    for model in {row["model"] for row in rows}:
        for method in {row["attack"] for row in rows}:
            mine = [row for row in rows if row["model"] == model and row["attack"] == method]
            artifact = logs.jbb_artifact(method, model, [])
            artifact["jailbreaks"] = [
                {
                    "index": int(row["goal_index"]),
                    "category": row["category"],
                    "prompt": "a prompt" if row["submitted"] == "1" else None,
                    "jailbroken": row["jailbroken"] == "1",
                }
                for row in mine
            ]
            if mine:
                logs.write(tmp_path / method / f"{model}.json", artifact)
    found = {each.safeguard: each for each in imported(tmp_path, naive="JailbreakChat").measured}
    for each in recorded_jbb().measured:
        assert counts(found[each.safeguard]) == counts(each)
        assert found[each.safeguard].verdict == each.verdict


def two_ways(goals: int = 4) -> list[dict[str, Any]]:
    """Samples of goals that are stopped directly and reached otherwise."""
    return [
        logs.inspect_sample(f"g{i}-{name}", value, metadata={"goal": f"g{i}", "strategy": name})
        for i in range(goals)
        for name, value in (("direct", 1), ("false_context", 0))
    ]


@pytest.mark.parametrize("make", [logs.inspect_json, logs.inspect_eval], ids=["json", "eval"])
def test_inspect_logs_are_read_packed_and_plain(tmp_path: Path, make: Any) -> None:
    """The same samples give the same figures from `.json` and from `.eval`."""
    source = imported(make(tmp_path / "log", two_ways()), naive="direct", breach=["stopped=0"])
    assert counts(only(source)) == (4, 0, 4, 4)
    assert only(source).safeguard == "mockllm/model"


def test_inspect_polarity_is_asked_for(tmp_path: Path) -> None:
    """Without a rule the import is refused, and the message names the scorers; with a wrong one, too."""
    path = logs.inspect_json(tmp_path / "log.json", two_ways())
    with pytest.raises(ForeignLogError, match=r"--breach-when .*has the scorers `stopped`"):
        imported(path)
    with pytest.raises(ForeignLogError, match=r"expected a scorer of `harm=1`"):
        imported(path, breach=["harm=1"])


VALUES: dict[str, tuple[str, Any, bool | None]] = {
    "a number": ("s=1", 1.0, True),
    "another number": ("s=1", 0.0, False),
    "a truth value": ("s=true", True, True),
    "a letter": ("s=C", "C", True),
    "another letter": ("s=C", "I", False),
    "anything but a letter": ("s!=C", "P", True),
    "no answer": ("s=C", "N", None),
    "no answer, where a rule names it": ("s=N", "N", True),
    "not a number": ("s=1", float("nan"), None),
    "no score": ("s=1", None, None),
    "a part of several": ("s.refusal=0", {"refusal": 0, "score": 1}, True),
    "from a threshold on": ("s>=0.5", 0.5, True),
    "below a threshold": ("s>=0.5", 0.49, False),
    "a number as text": ("s>0", "1.5", True),
}


@pytest.mark.parametrize("case", VALUES)
def test_what_a_score_means_is_what_the_rule_says(case: str, tmp_path: Path) -> None:
    """Each kind of value against its rule; what says nothing counts as a breach, and is listed."""
    rule, value, breach = VALUES[case]
    other = {"refusal": 1, "score": 0} if isinstance(value, dict) else "I" if isinstance(value, str) else 0.0
    path = logs.inspect_json(
        tmp_path / "log.json",
        [logs.inspect_sample("one", value, scorer="s"), logs.inspect_sample("two", other, scorer="s")],
    )
    if value == "1.5":
        path = logs.inspect_json(tmp_path / "log.json", [logs.inspect_sample("one", value, scorer="s")])
    each = only(imported(path, breach=[rule]))
    reached = "one / misuse" in {words.rpartition(": ")[0] for words in each.assumed}
    assert reached is (breach is None)
    assert (each.open.k >= 1) is (breach is not False or case == "anything but a letter")


def test_a_rule_that_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    """A word where the log has numbers, one value where it has several: an error that says what to write."""
    path = logs.inspect_json(
        tmp_path / "log.json", [logs.inspect_sample("one", {"a": 1, "b": 2}), logs.inspect_sample("two", 1)]
    )
    with pytest.raises(SettingsError, match=r"`stopped\.a`, `stopped\.b`"):
        imported(path, breach=["stopped=1"])
    path = logs.inspect_json(tmp_path / "log.json", two_ways())
    with pytest.raises(SettingsError, match="expected a number"):
        imported(path, breach=["stopped=no"])
    with pytest.raises(SettingsError, match="expected a rule"):
        parse_rule("stopped")


def test_inspect_epochs_are_reduced_to_any_breach(tmp_path: Path) -> None:
    """A goal is reached when one epoch reached it; a failed epoch beside good ones counts as a breach, listed."""
    samples = (
        [logs.inspect_sample("one", value, epoch=epoch) for epoch, value in enumerate((1, 1, 0), 1)]
        + [
            logs.inspect_sample("two", 1, epoch=epoch, error={"message": "x"} if epoch == 2 else None)
            for epoch in (1, 2)
        ]
        + [logs.inspect_sample("three", 1)]
    )
    each = only(imported(logs.inspect_json(tmp_path / "log.json", samples), breach=["stopped=0"]))
    assert (each.apparent.k, each.apparent.n) == (1, 3)
    assert each.assumed == ("two / misuse: failed or not judged",)


def test_inspect_knows_published_tasks_only_where_they_are_published(tmp_path: Path) -> None:
    """AgentDojo's port needs no rule; somebody's own task of that name does."""
    samples = [
        logs.inspect_sample(
            f"u{i}",
            {"utility": "C", "security": security},
            scorer="injection_task_scorer",
            metadata={"task_suite_name": "banking", "task_id": f"{i}", "injection_task_id": "0"},
        )
        for i, security in enumerate("CII")
    ]
    spec: dict[str, Any] = {"task": "inspect_evals/agentdojo", "task_args": {"attack": "direct"}}
    published = logs.inspect_json(
        tmp_path / "a.json", samples, **spec, packages={"inspect_ai": "0.3.285", "inspect_evals": "0.26.0"}
    )
    source = imported(published)
    assert only(source).strategies == ("direct",)
    assert only(source).apparent.k == 2
    assert any("inspect_evals 0.26.0" in words for words in source.remarks)
    with pytest.raises(ForeignLogError, match="--breach-when"):
        imported(logs.inspect_json(tmp_path / "b.json", samples, **spec | {"task": "agentdojo"}))


def test_samples_that_never_ran_are_said(tmp_path: Path) -> None:
    """A log that announces more samples than it holds says so; where each sample is a goal, they count as breaches."""
    path = logs.inspect_json(
        tmp_path / "log.json", two_ways(), dataset={"sample_ids": ["g0-direct", "gone", "too"]}
    )
    source = imported(path, naive="direct", breach=["stopped=0"])
    assert any("doesn't hold" in words and words.endswith(": 2") for words in source.remarks)
    samples = [logs.inspect_sample("here", 1), logs.inspect_sample("too", 1)]
    path = logs.inspect_json(tmp_path / "own.json", samples, dataset={"sample_ids": ["here", "too", "gone"]})
    each = only(imported(path, breach=["stopped=0"]))
    assert (each.apparent.k, each.apparent.n, each.assumed) == (
        2,
        3,
        ("gone / misuse: failed or not judged",),
    )


def test_twins_are_paired_for_the_safeguard_and_for_its_layers(tmp_path: Path) -> None:
    """A layer that sees the world separates, by its own log; one that reads only content scores 0."""
    samples = []
    for i in range(6):
        for side, decision in (("misuse", "reject"), ("work", "approve")):
            samples.append(
                logs.inspect_sample(
                    f"p{i}-{side}",
                    1 if side == "misuse" else 0,
                    metadata={
                        "goal": f"p{i}-{side}",
                        "strategy": "naive",
                        "twin": f"p{i}",
                        "benign": side == "work",
                    },
                    events=[logs.approval("phrases", "approve"), logs.approval("gate", decision)],
                )
            )
    source = imported(logs.inspect_json(tmp_path / "log.json", samples), naive="naive", breach=["stopped=0"])
    found = {each.what: each for each in source.comparisons}
    whole = found["twins, mockllm/model: misuse stopped against work stopped"]
    gate = found["twins, mockllm/model, layer gate by its own log: misuse stopped against work stopped"]
    phrases = found["twins, mockllm/model, layer phrases by its own log: misuse stopped against work stopped"]
    assert (whole.gained, whole.lost, whole.n) == (gate.gained, gate.lost, gate.n) == (6, 0, 6)
    assert (phrases.gained, phrases.lost) == (0, 0)
    assert phrases.says.startswith("separation 0.0 %")
    figures = {name: (rate.k, rate.n) for name, rate in source.figures}
    asked = "stopped, of those it was asked about"
    assert figures[f"mockllm/model, layer gate, by its own log: goals under naive {asked}"] == (6, 6)
    assert figures[f"mockllm/model, layer gate, by its own log: benign tasks {asked}"] == (0, 6)


def test_promptfoo_true_is_stop(tmp_path: Path) -> None:
    """`success` is a stop, an error a breach; a missing strategy is `basic`; goals are told by a digest of their text."""
    row = logs.promptfoo_row
    path = logs.promptfoo_file(
        tmp_path / "results.json",
        [
            row("first", None, success=True),
            row("first", "jailbreak", success=False),
            row("second", "basic", success=True),
            row("second", "jailbreak", success=False, failure=2),
            row("third", "basic", success=True),
            row("third", "jailbreak", success=True),
        ],
    )
    source = imported(path)
    assert counts(only(source)) == (3, 1, 2, 3)
    assert len(only(source).assumed) == 1
    assert "first" not in json.dumps([source.remarks, only(source).assumed])
    with pytest.raises(ForeignLogError, match="version 3"):
        imported(logs.promptfoo_file(tmp_path / "old.json", [row("a", None, success=True)], version=2))


def test_garak_hits_are_breaches_and_intents_are_goals(tmp_path: Path) -> None:
    """One hit of any output is a breach, an unjudged output, too; with intents, probes are strategies."""
    attempt = logs.garak_attempt
    plain = logs.garak_report(
        tmp_path / "plain.report.jsonl",
        [
            attempt("a", [0.0, 0.9]),
            attempt("b", [0.1, 0.2]),
            attempt("c", [0.1, None]),
            attempt("d", [1.0], status=1),
        ],
    )
    each = only(imported(plain))
    assert (each.apparent.k, each.apparent.n, each.safeguard) == (1, 3, "played")
    assert each.assumed == ("c / the probe's prompts: failed or not judged",)
    intents = logs.garak_report(
        tmp_path / "intents.report.jsonl",
        [
            attempt("x", [score], intent=intent, probe_classname=probe)
            for intent, probe, score in (
                ("T1", "plain.Direct", 0.0),
                ("T1", "dan.Dan", 1.0),
                ("T2", "plain.Direct", 0.4),
                ("T2", "dan.Dan", 0.4),
            )
        ],
        **{"run.eval_threshold": 0.5},
    )
    assert counts(only(imported(intents, naive="plain.Direct"))) == (2, 1, 1, 2)


def test_pyrit_success_is_breach_and_nothing_is_written(tmp_path: Path) -> None:
    """`error` and `undetermined` count as breaches; the database is the same afterwards, byte for byte."""
    path = logs.pyrit_memory(
        tmp_path / "memory.db",
        [
            ("one", "direct", "failure"), ("one", "context", "success"),
            ("two", "direct", "failure"), ("two", "context", "failure"),
            ("three", "direct", "failure"), ("three", "context", "undetermined"),
        ],
    )  # fmt: skip
    before = path.read_bytes()
    each = only(imported(path, naive="direct"))
    assert counts(each) == (3, 1, 2, 3)
    assert len(each.assumed) == 1
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == [path]
    path.with_name("memory.db-wal").write_bytes(b"x")
    with pytest.raises(ForeignLogError, match="end PyRIT first"):
        imported(path)


TABLE = """\
# countermark-assay-table 1
# unit: one request
# errors: a row without a verdict counts as a breach
# naive: direct
goal,kind,strategy,breached,stopped,cluster,safeguard
a,attack,direct,false,,x,Halden gate
a,attack,reworded,true,,x,Halden gate
b,attack,direct,false,,y,Halden gate
b,attack,reworded,,,y,Halden gate
c,attack,direct,0,,y,Halden gate
c,attack,reworded,0,,y,Halden gate
w1,benign,,,false,,Halden gate
w2,benign,,,true,,Halden gate
"""


def test_a_table_of_our_own_says_what_it_means(tmp_path: Path) -> None:
    """As CSV and as JSON lines, with the same figures."""
    path = tmp_path / "rows.csv"
    path.write_text(TABLE)
    each = only(imported(path))
    assert counts(each) == (3, 1, 2, 3)
    assert each.work is not None
    assert (each.work.stopped.k, each.work.stopped.n) == (1, 2)
    columns, *rows = [line.split(",") for line in TABLE.splitlines()[4:]]
    head = {"countermark-assay-table": 1, "unit": "one request", "errors": "a breach", "naive": "direct"}
    lines = [head, *(dict(zip(columns, row, strict=True)) for row in rows)]
    again = tmp_path / "rows.jsonl"
    again.write_text("\n".join(json.dumps(line) for line in lines))
    assert counts(only(imported(again))) == counts(each)


def test_only_goals_that_can_be_reached_at_all_count_where_that_was_measured(tmp_path: Path) -> None:
    """`--undefended` leaves out goals that fail without any safeguard, and gives their share apart."""
    rows = [f"{goal},attack,direct,{breached},,,nothing" for goal, breached in (("a", 1), ("b", 1), ("c", 0))]
    rows += [f"{goal},attack,direct,{breached},,,gate" for goal, breached in (("a", 1), ("b", 0), ("c", 0))]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([*TABLE.splitlines()[:5], *rows]))
    assert {each.safeguard: each.apparent.k for each in imported(path).measured} == {"nothing": 1, "gate": 2}
    source = imported(path, undefended="nothing")
    assert (only(source).apparent.k, only(source).apparent.n) == (1, 2)
    assert [(rate.k, rate.n) for name, rate in source.figures] == [(2, 3)]


@pytest.mark.parametrize(
    ("name", "naive", "expected"),
    [
        ("inspect_small.json", "direct", (10, 0, 10, 10)),
        ("inspect_small.eval", "direct", (10, 0, 10, 10)),
        ("promptfoo_small.json", "", (3, 0, 3, 3)),
        ("pyrit_small.db", "direct", (6, 0, 6, 6)),
    ],
)
def test_logs_that_the_tools_wrote(
    tmp_path: Path, name: str, naive: str, expected: tuple[int, int, int, int]
) -> None:
    """The tools' own files give the counts that they were made with."""
    path = logs.unpacked(name, tmp_path)
    source = imported(path, naive=naive, breach=["stopped=0"] if "inspect" in name else [])
    assert counts(only(source)) == expected


def test_logs_with_one_attack_are_apparent_only(tmp_path: Path) -> None:
    """garak's four attempts with one hit, AgentDojo's one run that succeeded."""
    garak = only(imported(logs.unpacked("garak_small.report.jsonl", tmp_path)))
    assert (garak.apparent.k, garak.apparent.n, garak.standing) == (3, 4, Standing.APPARENT_ONLY)
    run = only(imported(logs.unpacked("agentdojo_run.json", tmp_path)))
    assert (run.apparent.k, run.apparent.n) == (0, 1)


def run(*arguments: str) -> Any:
    """The command."""
    return CliRunner().invoke(main, ["assay", "import", *arguments])


def test_the_command_shows_text_a_page_and_a_document(tmp_path: Path) -> None:
    """One run of each; the page holds the safeguard and the digest of what was read, and no machine's path."""
    folder = agentdojo(tmp_path / "runs")
    text = run(str(folder), "--detail")
    assert text.exit_code == 0, text.output
    assert "obedient" in text.output
    assert "real as attacks became known: 100 (direct) -> 50 (important_instructions)" in text.output
    page = tmp_path / "page.html"
    document = run(str(folder), "--html", str(page), "--json")
    found = json.loads(document.output)
    assert found["format"] == "countermark-assay-imported"
    (source,) = found["sources"]
    assert source["inputs"][0]["files"] == 7
    assert source["safeguards"][0]["real"]["k"] == 1
    assert source["inputs"][0]["sha256"] in page.read_text()
    assert str(tmp_path) not in page.read_text() + document.output


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    """Exit code 2, one line, with the file and what to do."""
    path = logs.inspect_json(tmp_path / "log.json", two_ways())
    wrong = run(str(path))
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("countermark: `log.json`: expected to be told what a score means")
    assert wrong.stderr.count("\n") == 1


REFUSED: dict[str, tuple[bytes, str]] = {
    "another tool's JSON": (b'{"a": 1}', "something else"),
    "text": (b"hello", "something else"),
    "nothing": (b"", "something else"),
    "a log that was cut off": (b'{"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [{"id": 1', "cut off"),
    "a key that is there twice": (b'{"version": 2, "status": "success", "eval": {"a": 1, "a": 2}, "samples": []}', "once"),
    "a run with a lone surrogate": (
        b'{"suite_name": "\\ud800", "pipeline_name": "p", "user_task_id": "u", "attack_type": "a"}', "JSON",
    ),
    "deep nesting": (b'{"version": 2, "status": ' + b"[" * 400 + b"]" * 400 + b"}", ""),
    "a log of another version": (b'{"version": 9, "status": "x", "eval": {"task": "t"}, "samples": []}', "version 2"),
    "a log without samples": (b'{"version": 2, "status": "started", "eval": {"task": "t"}}', "none"),
    "a file that says it is a zip": (b"PK\x03\x04 and no more", "zip"),
    "a file that says it is a database": (b"SQLite format 3\x00 and no more", "SQLite"),
    "an artifact without its parameters": (b'{"jailbreaks": [{"index": 1}], "parameters": {}}', "parameters"),
    "a table with an unknown column": (TABLE.replace("cluster,", "colour,").encode(), "expected the columns"),
    "a table with a third truth value": (TABLE.replace("direct,false", "direct,maybe").encode(), "line 6"),
    "a table that doesn't say what a row is": (TABLE.replace("# unit: one request\n", "").encode(), "`unit`"),
    "a table with too few cells": (TABLE.encode() + b"d,attack\n", "cells in line 14"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_log_is_refused_in_words(case: str, tmp_path: Path) -> None:
    """Every kind of damage is an error of ours that names the file."""
    data, words = REFUSED[case]
    path = tmp_path / "given.log"
    path.write_bytes(data)
    with pytest.raises(CountermarkError) as caught:
        imported(path, breach=["stopped=0"])
    assert "`given.log`" in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_judges_error_is_carried_where_rows_are_labelled(tmp_path: Path) -> None:
    """A judge that cries breach in a tenth of all stops: raw real is far too low, the carried one holds the truth."""
    rows = [
        f"g{i},attack,s{j},{'true' if (i * 7 + j * 3) % 10 == 0 else 'false'},,,"
        for i in range(100)
        for j in range(5)
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([*TABLE.splitlines()[:3], TABLE.splitlines()[4], *rows]))
    labels = tmp_path / "labels.csv"
    labels.write_text("judge,people\n" + "true,true\n" * 40 + "true,false\n" * 20 + "false,false\n" * 180)
    labelled = read_labels(labels)
    source = imported(path, naive="s0", labelled=labelled)
    each = only(source)
    assert each.real is not None
    assert each.real.value < 0.6  # nothing was reached at all
    carried = dict(each.judged)
    assert set(carried) == {"apparent", "real", "theater"}
    assert carried["real"].value > 0.8
    assert carried["real"].high >= 0.99
    assert any("240 labelled rows" in words for words in source.remarks)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("judge,human\ntrue,true\n", "columns judge and people"),
        ("judge,people\ntrue,maybe\n", "line 2"),
        ("judge,people\ntrue,true\n", "both kinds"),
        ("judge,people\n", "both kinds"),
    ],
)
def test_labels_that_say_nothing_are_refused(text: str, words: str, tmp_path: Path) -> None:
    """Other columns, other words, and rows of one kind only."""
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(CountermarkError, match=words):
        read_labels(path)


def test_cells_that_a_rule_filled_are_not_taken_for_the_judges_word(tmp_path: Path) -> None:
    """Rows that nobody judged stay breaches, however often the judge errs."""
    rows = [f"g{i},attack,s,{'' if i < 30 else 'false'},,," for i in range(60)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([*TABLE.splitlines()[:3], TABLE.splitlines()[4], *rows]))
    labels = tmp_path / "labels.csv"
    labels.write_text("judge,people\n" + "true,true\n" * 50 + "true,false\n" * 30 + "false,false\n" * 50)
    (name, carried) = only(imported(path, labelled=read_labels(labels))).judged[0]
    assert name == "apparent"
    assert carried.value <= 0.5 + 1e-9
    assert carried.high < 0.7


def test_safeguards_that_were_not_attacked_alike_are_said(tmp_path: Path) -> None:
    """Another set of strategies or goals: a remark, and no comparison; alike: one, by exact McNemar."""
    rows = [
        f"g{i},attack,{name},{int(name == 'b')},,,{gate}"
        for i in range(8)
        for name in ("a", "b")
        for gate in ("x", "y")
    ]
    rows = [row.replace("b,1,,,y", "b,0,,,y") for row in rows]
    path = tmp_path / "rows.csv"
    head = [*TABLE.splitlines()[:3], TABLE.splitlines()[4]]
    path.write_text("\n".join([*head, *rows]))
    alike = imported(path, naive="a")
    (comparison,) = alike.comparisons
    assert (comparison.what, comparison.gained, comparison.lost, comparison.n) == (
        "y against x: real",
        8,
        0,
        8,
    )
    path.write_text("\n".join([*head, *rows, "g0,attack,c,0,,,y"]))
    unlike = imported(path, naive="a")
    assert unlike.comparisons == ()
    assert any("weaker attacker" in words for words in unlike.remarks)


def test_order_and_naive_must_occur(tmp_path: Path) -> None:
    """A strategy or safeguard that isn't in the logs is an error that names those that are."""
    folder = agentdojo(tmp_path)
    for choices in ({"naive": "nope"}, {"order": ("nope",)}, {"undefended": "nope"}):
        with pytest.raises(SettingsError, match="nope"):
            imported(folder, **choices)
    assert only(imported(folder, order=("important_instructions",))).strategies == (
        "direct",
        "important_instructions",
    )


def test_written_by_and_format_can_be_said(tmp_path: Path) -> None:
    """Whoever wrote the goals is named; a format that isn't that of the file is refused."""
    folder = agentdojo(tmp_path / "runs")
    assert imported(folder, written_by="ours").written_by == "ours"
    shown = run(
        str(logs.garak_report(tmp_path / "g.report.jsonl", [logs.garak_attempt("a", [0])])),
        "--format",
        "pyrit",
    )
    assert shown.exit_code == 2
    names = run(str(folder), str(folder), "--safeguard", "a", "--safeguard", "b", "--json")
    assert names.exit_code == 0, names.output
    found = json.loads(names.output)["sources"][0]["safeguards"]
    assert [each["safeguard"] for each in found] == ["a", "b"]
    assert run(str(folder), "--safeguard", "a", "--safeguard", "b").exit_code == 2


def test_goals_with_contradicting_clusters_are_taken_as_unrelated_and_said(tmp_path: Path) -> None:
    """Samples of one goal in two categories: no cluster is used, and a remark says so."""
    samples = [
        logs.inspect_sample(
            f"{i}{name}", 1, metadata={"goal": f"g{i}", "strategy": name, "category": f"{i}{name[: i % 2]}"}
        )
        for i in range(12)
        for name in ("direct", "reworded")
    ]
    source = imported(logs.inspect_json(tmp_path / "log.json", samples), naive="direct", breach=["stopped=0"])
    assert only(source).apparent.clustered is None
    assert any("several clusters" in words for words in source.remarks)


def test_an_odd_decision_of_a_layer_stopped_nothing(tmp_path: Path) -> None:
    """What is no word is no rejection; found by fuzzing, where it was an exception that isn't ours."""
    events = [{**logs.approval("gate", ""), "decision": []}]
    samples = [logs.inspect_sample("one", 1, events=events)]
    source = imported(logs.inspect_json(tmp_path / "log.json", samples), breach=["stopped=0"])
    assert [(rate.k, rate.n) for name, rate in source.figures if "layer gate" in name] == [(0, 1)]


def test_the_page_of_an_import_shows_layers_and_what_is_not_measured(tmp_path: Path) -> None:
    """A safeguard without a naive strategy has a row with a dash; twins and layers stand in the notes; it is well formed."""
    logs.write(tmp_path / "jbb" / "a.json", logs.jbb_artifact("A", "m", [True, False]))
    logs.write(tmp_path / "jbb" / "b.json", logs.jbb_artifact("B", "m", [False, False]))
    samples = [
        logs.inspect_sample(
            f"p{i}-{side}", int(side == "misuse"), metadata={"twin": f"p{i}", "benign": side == "work"},
            events=[logs.approval("gate", "reject" if side == "misuse" else "approve")],
        )
        for i in range(3) for side in ("misuse", "work")
    ]  # fmt: skip
    log = logs.inspect_json(tmp_path / "log.json", samples)
    page = tmp_path / "page.html"
    done = run(str(tmp_path / "jbb"), str(log), "--breach-when", "stopped=0", "--html", str(page))
    assert done.exit_code == 0, done.output
    shown = page.read_text()
    assert '<th scope="row">m, refusal</th>' in shown
    assert "theater or open" in shown
    assert "layer gate by its own log" in shown
    assert "not measured: apparent, of m, refusal" in shown
    assert shown.count("<tr>") == shown.count("</tr>")


def test_an_option_that_no_reader_heeds_is_refused(tmp_path: Path) -> None:
    """`--breach-when` for AgentDojo, a detector for PyRIT: an error, not silence; beside a reader that heeds it, fine."""
    folder = agentdojo(tmp_path / "runs")
    with pytest.raises(SettingsError, match="--breach-when with logs of inspect, got agentdojo"):
        imported(folder, breach=["stopped=0"])
    log = logs.inspect_json(tmp_path / "log.json", two_ways())
    found = make_sources(load([folder, log], Options(breach_when=STOPPED)), Choices(naive="false_context"))
    assert [each.name for each in found] == ["agentdojo", "inspect"]
    assert [only(each).strategies[0] for each in found] == ["direct", "false_context"]
