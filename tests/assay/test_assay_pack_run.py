"""A pack from its author to a result that anybody can check: the page's commands typed, real gateways, real scripts."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from console_pages import Terminal

from countermark.assay.campaign.journal import RESULT, Journal
from countermark.cli.main import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PAGE = "docs/how-to/assay-pack.md"


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which the page's commands were typed, up to where the truth is opened."""
    folder = tmp_path_factory.mktemp("packs")
    terminal = Terminal(folder)
    for section in ("The author: write it", "Whoever is measured: look, and run it"):
        terminal.run_page(PAGE, section=section)
    yield folder
    terminal.close()


@pytest.fixture
def sealed(typed: Path, tmp_path: Path) -> Path:
    """A copy of that folder, without the world and the gateways of the run."""
    shutil.copytree(typed, tmp_path / "here", ignore=shutil.ignore_patterns("world", "stacks"))
    return tmp_path / "here"


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["assay", *map(str, arguments)])


def test_run_is_sealed_until_its_author_opens_it(sealed: Path) -> None:
    """No id, title or truth of a scenario stands in what the run wrote; it can't be reported on; opened, it is a result."""
    truth = json.loads((sealed / "borrowed-lists.truth.json").read_text())
    secret = [label[key] for label in truth["cases"].values() for key in ("id", "title", "truth")]
    result = sealed / "result"
    for file in result.rglob("*"):
        if file.is_file() and file.suffix in (".json", ".jsonl", ".html"):
            text = file.read_text(encoding="utf-8")
            assert not [each for each in secret if each in text], file
    told = _run("report", result)
    assert told.exit_code == 2
    assert "its author opens it" in told.output
    Terminal(sealed).run_page(PAGE, section="Count it")
    document = json.loads((result / "result.json").read_text())
    assert document["void"] == []
    assert not document["self_assessed"]
    assert document["written_by"].startswith("Brightwater Lab, third party, key ")
    assert document["goals"] == {"all": 2, "attainable": 2}
    twins = {column["name"]: column["twins"]["separation"]["value"] for column in document["columns"]}
    assert twins["countermark"] == 1
    assert twins["refusal"] == twins["+ classifier"] == 0
    assert document["missed"]
    assert "third party" in (result / "report.html").read_text(encoding="utf-8")
    again = _run("pack", "run", sealed / "borrowed-lists.pack", "--out", result, "--allow-script")
    assert again.exit_code == 2


def test_author_counts_the_same_before_handing_the_truth_over(sealed: Path) -> None:
    """Counted in a copy without the run's key, nothing is written, and the figures are those that are signed later."""
    copy = sealed / "copy"
    shutil.copytree(sealed / "result", copy, ignore=shutil.ignore_patterns("keys"))
    before = {file.name: file.read_bytes() for file in copy.iterdir() if file.is_file()}
    truth = sealed / "borrowed-lists.truth.json"
    vkey = (sealed / "result/log.vkey").read_text().strip()
    alone = _run("pack", "score", copy, "--truth", truth, "--vkey", vkey, "--json")
    assert alone.exit_code == 0, alone.output
    assert {file.name: file.read_bytes() for file in copy.iterdir() if file.is_file()} == before
    signed = _run("pack", "score", sealed / "result", "--truth", truth, "--json")
    assert json.loads(alone.output) == json.loads(signed.output)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("rows.jsonl", '"passed":"stopped"', '"passed":"passed"'),
        ("asked.jsonl", '"role":"own"', '"role":"office"'),
        ("sealed.json", '"kind": "assay-sealed"', '"kind": "assay-sealed" '),
        ("result.json", '"void"', '"Void"'),
        ("plan.json", '"seed":1', '"seed":2'),
        ("pack.json", "Brightwater", "Northmark"),
    ],
)
def test_what_was_changed_before_the_truth_came_is_found(sealed: Path, file: str, old: str, new: str) -> None:
    """Rows, asks, plan and pack are those that were logged while the truth was sealed, or nothing is counted."""
    path = sealed / "result" / file
    text = path.read_text(encoding="utf-8")
    if file == "result.json":
        old, new = '"through"', '"through" '
    if file == "pack.json":  # base64 hides the name: the case's text stands open
        old, new = "leaflet", "pamphlet"
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    told = _run("pack", "score", sealed / "result", "--truth", sealed / "borrowed-lists.truth.json")
    assert told.exit_code == 2
    assert "expected" in told.output


def test_truth_of_another_pack_opens_nothing(sealed: Path) -> None:
    """A truth that fits better, signed by the same author for the same folder, is another truth."""
    out = sealed / "again.pack"
    made = _run("pack", "sign", sealed / "borrowed-lists", "--key", sealed / "author.pem", "--out", out)
    assert made.exit_code == 0, made.output
    told = _run("pack", "score", sealed / "result", "--truth", sealed / "again.truth.json")
    assert told.exit_code == 2
    assert "the truth that was sealed" in told.output


def test_rows_made_to_fit_after_opening_are_found(sealed: Path) -> None:
    """Whoever has the run's key and the truth can sign other rows, and the log shows that they came after."""
    result, truth = sealed / "result", sealed / "borrowed-lists.truth.json"
    assert _run("pack", "score", result, "--truth", truth).exit_code == 0
    rows = result / "rows.jsonl"
    rows.write_text(rows.read_text().replace('"passed":"stopped"', '"passed":"passed"', 1))
    document = (result / "result.json").read_bytes()
    plan = json.loads(document)["plan"]["sha256"]
    digests = {
        "result_sha256": hashlib.sha256(document).hexdigest(),
        "rows_sha256": hashlib.sha256(rows.read_bytes()).hexdigest(),
    }
    Journal(result).append({"kind": RESULT, "plan": plan, **digests, "at": "2027-01-01T00:00:00Z"})
    told = _run("report", result)
    assert told.exit_code == 2
    assert "logged before the truth was opened" in told.output


def test_other_peoples_program_is_not_run_unasked(sealed: Path) -> None:
    """Without --allow-script nothing is run, and the message says what a script could do."""
    told = _run("pack", "run", sealed / "borrowed-lists.pack", "--out", sealed / "new")
    assert told.exit_code == 2
    assert "without a container it can read what you can read" in told.output
    assert not (sealed / "new").exists()


def test_wrong_author_key_is_refused(sealed: Path) -> None:
    """A pack that somebody else signed isn't run for its author's."""
    made = CliRunner().invoke(main, ["keys", "new", str(sealed / "other")])
    assert made.exit_code == 0, made.output
    told = _run(
        "pack",
        "run",
        sealed / "borrowed-lists.pack",
        *("--out", sealed / "new", "--allow-script", "--author-key", sealed / "other.pub.json"),
    )
    assert told.exit_code == 2
    assert "expected a pack signed with key" in told.output


def test_run_that_was_killed_goes_on(typed: Path, sealed: Path) -> None:
    """After kill -9 in the middle the same command goes on, and the rows are those of a run that nobody stopped."""
    out = sealed / "killed"
    command = [
        *(sys.executable, "-m", "countermark", "assay", "pack", "run", str(sealed / "borrowed-lists.pack")),
        *("--out", str(out), "--allow-script", "--author-key", str(sealed / "author.pub.json")),
    ]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows = out / "rows.jsonl"
    while first.poll() is None and not (rows.exists() and rows.read_bytes().count(b"\n") >= 30):
        time.sleep(0.02)
    first.kill()
    first.wait()
    assert 30 <= rows.read_bytes().count(b"\n") < 144
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert _outcomes(out) == _outcomes(typed / "result")


def _outcomes(folder: Path) -> dict[tuple[str, ...], tuple[str, str]]:
    found = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert len(found) == 144
    return {(row["stack"], row["scenario"], row["strategy"]): (row["passed"], row["sha256"]) for row in found}
