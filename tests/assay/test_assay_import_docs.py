"""The how-to's commands, typed; and the spec's tables against the readers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import import_logs as logs
import pytest
from click.testing import CliRunner

from countermark.assay.imported import table
from countermark.assay.imported.inspect_known import KNOWN
from countermark.assay.imported.load import FORMATS
from countermark.assay.imported.records import Limits
from countermark.cli.assay_import import import_logs
from countermark.cli.main import main

ROOT = Path(__file__).parents[2]
HOW_TO = (ROOT / "docs" / "how-to" / "assay-import.md").read_text(encoding="utf-8")
SPEC = (ROOT / "spec" / "assay-import.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ countermark (assay import .*)$", HOW_TO, re.MULTILINE)
TEXTS = re.findall(r"^```text\n(.*?)^```", HOW_TO, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page speaks of."""
    run = logs.agentdojo_run
    logs.agentdojo_folder(
        tmp_path / "runs",
        [
            run(pipeline_name=pipeline, attack_type=attack, security=pipeline == "gpt-plain")
            for pipeline in ("gpt-plain", "gpt-filter")
            for attack in ("direct", "important_instructions")
        ],
    )
    samples = [
        logs.inspect_sample(f"{goal}-{name}", name == "direct", metadata={
            "goal": goal, "strategy": name, "case": goal, "attack": name, "kind": "misuse"})
        for goal in ("a", "b") for name in ("direct", "reworded")
    ]  # fmt: skip
    logs.inspect_eval(tmp_path / "log.eval", samples)
    work = logs.inspect_sample("w", 0, metadata={"kind": "work", "case": "w"})
    logs.inspect_json(tmp_path / "log.json", [*samples, work])
    for method in ("JailbreakChat", "PAIR"):
        logs.write(
            tmp_path / "attack-artifacts" / method / "m.json", logs.jbb_artifact(method, "m", [False, True])
        )
    logs.promptfoo_file(tmp_path / "results.json", [logs.promptfoo_row("a", "basic", success=True)])
    logs.garak_report(tmp_path / "garak.report.jsonl", [logs.garak_attempt("a", [0.0])])
    logs.pyrit_memory(tmp_path / "pyrit.db", [("a", "direct", "failure"), ("a", "context", "success")])
    (tmp_path / "rows.csv").write_text(TEXTS[0])
    (tmp_path / "labels.csv").write_text(TEXTS[1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_how_to_work_as_written(command: str, folder: Path) -> None:
    """Each of them ends well and shows a figure."""
    done = CliRunner().invoke(main, shlex.split(command))
    assert done.exit_code == 0, done.output
    assert re.search(r"\d \(|\"value\"", done.output)
    if "--html" in command:
        assert (folder / "imported.html").exists()


def test_the_how_to_shows_every_tool() -> None:
    """Ten commands or more, with every option that changes what a figure means."""
    assert len(COMMANDS) >= 10
    for option in (
        "--breach-when",
        "--naive",
        "--benign",
        "--field",
        "--safeguard",
        "--undefended",
        "--judge-labels",
    ):
        assert any(option in command for command in COMMANDS)


def test_the_spec_names_what_the_readers_have() -> None:
    """Formats, columns, head, known tasks and limits stand on the page as they stand in the code."""
    rows = {row.split("|")[1].strip().strip("`") for row in SPEC.splitlines() if row.startswith("| `")}
    assert rows >= {*FORMATS, *KNOWN}
    for name in (*table.COLUMNS, *table.HEAD):
        assert f"`{name}`" in SPEC, name
    for known in KNOWN.values():
        assert all(f"`{rule}`" in SPEC for rule in known.breach_when)
    limits = Limits()
    assert (limits.record_bytes, limits.unpacked_bytes) == (64 << 20, 64 << 30)
    assert (limits.files, limits.rows) == (1_000_000, 10_000_000)


def test_the_example_of_the_spec_is_a_table(tmp_path: Path) -> None:
    """It can be imported as it stands."""
    (example,) = re.findall(r"^```text\n(.*?)^```", SPEC, re.MULTILINE | re.DOTALL)
    path = tmp_path / "rows.csv"
    path.write_text(example)
    done = CliRunner().invoke(main, ["assay", "import", str(path), "--detail"])
    assert done.exit_code == 0, done.output
    assert "twins, Northmark gate" in done.output


def test_the_command_offers_what_can_be_read() -> None:
    """`--format` has the names of the readers."""
    (option,) = (each for each in import_logs.params if each.name == "format_name")
    assert tuple(option.type.to_info_dict()["choices"]) == FORMATS
