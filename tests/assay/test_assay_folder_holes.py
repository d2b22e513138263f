"""Ways in which a result's folder could say something else than what was measured, or reach out of itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from campaigned import make_plan, make_rows
from click.testing import CliRunner

from countermark.assay.campaign.folder import check_folder
from countermark.assay.campaign.journal import RESULT, Journal
from countermark.cli.main import main
from countermark.errors import CampaignError, CountermarkError, TamperedError

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PLAN = make_plan()
LINES = [row.to_line().encode() for row in make_rows(PLAN)[:20]]
DOCUMENT = {
    "kind": RESULT,
    "version": 1,
    "plan": {"sha256": PLAN.sha256},
}


def _conclude(folder: Path, rows: bytes) -> Journal:
    folder.mkdir(exist_ok=True)
    journal = Journal(folder)
    plan = journal.register(PLAN.document(), now=NOW)
    result = json.dumps(DOCUMENT).encode()
    (folder / "rows.jsonl").write_bytes(rows)
    (folder / "result.json").write_bytes(result)
    journal.conclude(plan=plan, result=result, rows=rows, now=NOW)
    return journal


def test_nobody_measures_until_he_likes_it(tmp_path: Path) -> None:
    """Rows that were counted are not exchanged for others: not by us, and where somebody did, the check says so."""
    journal = _conclude(tmp_path, b"".join(LINES))
    assert check_folder(tmp_path, vkey=journal.vkey).rows == len(LINES)
    with pytest.raises(CampaignError, match="counted before"):
        _conclude(tmp_path, b"".join(LINES[1:]))
    fewer = b"".join(LINES[1:])
    (tmp_path / "rows.jsonl").write_bytes(fewer)
    entry = dict(journal.entries()[-1])
    made = Journal(tmp_path)
    made.append({**entry, "rows_sha256": "0" * 64})
    with pytest.raises(TamperedError, match="one measurement"):
        check_folder(tmp_path, vkey=made.vkey)


@pytest.mark.parametrize("name", ["report.html", "log.vkey", "result.json", "rows.jsonl", "keys", "stacks"])
def test_a_folder_that_was_handed_over_writes_nowhere_else(tmp_path: Path, name: str) -> None:
    """Links in a folder are refused before anything is written: a report would else overwrite what they point to."""
    target, folder = tmp_path / "mine", tmp_path / "theirs"
    target.write_text("mine")
    folder.mkdir()
    (folder / name).symlink_to(target)
    with pytest.raises(CampaignError, match=name):
        Journal(folder)
    with pytest.raises(CampaignError, match=name):
        check_folder(folder, vkey="")
    assert target.read_text() == "mine"


@pytest.mark.parametrize("changed", ["before", "after"])
def test_results_are_checked_before_they_are_compared(tmp_path: Path, changed: str) -> None:
    """A result that was changed after it was logged is not compared with anything."""
    for name in ("before", "after"):
        _conclude(tmp_path / name, b"".join(LINES))
    path = tmp_path / changed / "result.json"
    path.write_bytes(path.read_bytes() + b"\n")
    folders = [str(tmp_path / name) for name in ("before", "after")]
    found = CliRunner().invoke(main, ["assay", "compare", *folders])
    assert found.exit_code != 0
    assert "expected the result that was logged" in found.output + str(found.exception)


@pytest.mark.parametrize("name", ["plan.json", "rows.jsonl", "result.json", "result.dsse.json"])
@pytest.mark.parametrize("made", ["gone", "garbage", "deep"])
def test_whatever_lies_there_is_refused_in_words(tmp_path: Path, name: str, made: str) -> None:
    """A file that is missing, or no JSON, is an error of one line, for each file that is checked."""
    journal = _conclude(tmp_path, b"".join(LINES))
    path = tmp_path / name
    if made == "gone":
        path.unlink()
    else:
        path.write_bytes(b"\xff{" if made == "garbage" else b"[" * 100_000)
    with pytest.raises(CountermarkError):
        check_folder(tmp_path, vkey=journal.vkey)
