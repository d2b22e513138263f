"""`policy check` finds what is wrong with a bundle, where it is, and says what to do."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from countermark.errors import BundleError
from countermark.policy.bundle import load_bundle
from countermark.policy.check import check_bundle
from countermark.policy.finding import Severity
from countermark.policy.lower import lower_views, lowered_files, lowered_views, readme

POLICIES = Path(__file__).parents[2] / "policies"
EXPECTED = tomllib.loads((POLICIES / "bad" / "expected.toml").read_text())


def test_every_bad_bundle_has_its_expected_finding() -> None:
    """No folder without an expectation, none expected that isn't there."""
    folders = {path.name for path in (POLICIES / "bad").iterdir() if path.is_dir()}
    assert folders == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bad_bundle_is_refused_at_the_line(name: str) -> None:
    """File, line and words are those expected, and there is something to do about it."""
    errors = [f for f in check_bundle(POLICIES / "bad" / name) if f.severity is Severity.ERROR]
    expected = EXPECTED[name]
    told = [str(error) for error in errors]
    assert any(
        (error.file, error.line) == (expected["file"], expected["line"])
        and expected["message"] in error.message
        for error in errors
    ), told
    assert all(error.fix for error in errors)


ONLY_EXAMPLES = {"weak-examples", "wrong-example"}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_could_fail_open_is_not_even_loaded(name: str) -> None:
    """A gateway refuses to start with such a bundle; only the quality of examples is left to those who sign."""
    if name in ONLY_EXAMPLES:
        load_bundle(POLICIES / "bad" / name)
        return
    with pytest.raises(BundleError):
        load_bundle(POLICIES / "bad" / name)


def test_solo_is_generated_from_red_lines() -> None:
    """The folder is what the generator writes, byte for byte."""
    files = lowered_files(POLICIES / "red-lines", name="solo")
    solo = POLICIES / "solo"
    for path, data in files.items():
        assert (solo / path).read_bytes() == data, f"run `python -m countermark.policy.lower` for {path}"
    changed = lowered_views(load_bundle(POLICIES / "red-lines"), load_bundle(solo))
    assert (solo / "README.md").read_text() == readme("red-lines", changed)
    assert {path.relative_to(solo).as_posix() for path in solo.rglob("*.*")} == {*files, "README.md"}


def test_lowering_names_every_fact_that_counts_for_less(tmp_path: Path) -> None:
    """Nothing is read above `operator` afterwards, and what was is listed; claims stay claims."""
    changed = lower_views(POLICIES / "red-lines", tmp_path / "out", name="alone")
    after = load_bundle(tmp_path / "out")
    assert {path.partition(".")[0] for path in after.views_read} == {"claimed", "operator"}
    before = load_bundle(POLICIES / "red-lines").views_read
    assert {f"{one.before}.{one.fact}" for one in changed} == {
        p for p in before if not p.startswith("claimed.")
    }
    assert lower_views(POLICIES / "red-lines", tmp_path / "out", name="alone") == changed


def test_lowering_never_overwrites_what_is_no_bundle(tmp_path: Path) -> None:
    """A folder with anything else in it is left alone."""
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(BundleError):
        lower_views(POLICIES / "red-lines", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "keep me"


def test_a_deleted_condition_of_a_red_line_is_noticed_by_its_examples(tmp_path: Path) -> None:
    """The slip that matters most: one line of RL-1 is gone, and the check says so."""
    shutil.copytree(POLICIES / "red-lines", tmp_path / "b")
    clause = tmp_path / "b" / "clauses" / "RL-1.md"
    text = clause.read_text()
    clause.write_text(text.replace('  && context.countersigned.locates == YesNo::"no"\n', ""))
    errors = [f for f in check_bundle(tmp_path / "b") if f.severity is Severity.ERROR]
    assert any(f.file == "clauses/RL-1.md" and "They are located" in f.message for f in errors)


def test_all_broken_files_are_named_at_once(tmp_path: Path) -> None:
    """Two clauses that can't be read give two findings in one run."""
    shutil.copytree(POLICIES / "red-lines", tmp_path / "b")
    for name in ("RL-1", "RL-2"):
        path = tmp_path / "b" / "clauses" / f"{name}.md"
        path.write_text(path.read_text().replace("red_line = true", "red_line = maybe"))
    assert {f.file for f in check_bundle(tmp_path / "b")} == {"clauses/RL-1.md", "clauses/RL-2.md"}


def test_progress_is_told() -> None:
    """Examples and mutants are counted up to their number."""
    seen: dict[str, tuple[int, int]] = {}
    check_bundle(
        POLICIES / "all-lawful-uses", lambda what, done, total: seen.__setitem__(what, (done, total))
    )
    assert set(seen) == {"examples", "mutants"}
    assert all(done == total > 0 for done, total in seen.values())


def _with_signal(target: Path, unless: str) -> Path:
    shutil.copytree(POLICIES / "classifier-only", target)
    clause = target / "clauses" / "CO-2.md"
    text = clause.read_text()
    assert text.count('context.signal.content_flagged == YesNo::"no"') == 1
    clause.write_text(text.replace('context.signal.content_flagged == YesNo::"no"', unless))
    return target


def test_where_no_alarm_takes_the_place_of_a_fact_it_is_said(tmp_path: Path) -> None:
    """Beside a signal a fact may lift the forbid; that it is not asked for where nothing is flagged is noted."""
    quiet = 'context.signal.content_flagged == YesNo::"no"'
    inside = 'context.countersigned.engagement == Scope::"inside"'
    for number, unless in enumerate((f"{quiet} || {inside}", f"{quiet} }} unless {{ {inside}")):
        findings = check_bundle(_with_signal(tmp_path / str(number), unless))
        notes = [f for f in findings if f.severity is Severity.NOTE]
        assert ["no alarm is no evidence" in f.message for f in notes] == [True], [str(f) for f in findings]
        assert notes[0].file == "clauses/CO-2.md"
    both = check_bundle(_with_signal(tmp_path / "and", f"{quiet} && {inside}"))
    assert not [f for f in both if "no alarm" in f.message]


def test_a_classifier_that_no_clause_reads_is_named(tmp_path: Path) -> None:
    """It would never be asked."""
    shutil.copytree(POLICIES / "classifier-only", tmp_path / "b")
    (tmp_path / "b" / "clauses" / "CO-2.md").unlink()
    findings = check_bundle(tmp_path / "b")
    assert any("none is ever asked" in f.message for f in findings)
    assert load_bundle(tmp_path / "b").signals_read == {}


def test_a_red_line_that_a_quiet_classifier_lifts_is_an_error(tmp_path: Path) -> None:
    """In a red line no alarm may not take the place of a fact: whoever rewords would lift it."""
    quiet = 'context.signal.content_flagged == YesNo::"no"'
    target = _with_signal(tmp_path / "red", f'{quiet} || context.countersigned.engagement == Scope::"inside"')
    clause = target / "clauses" / "CO-2.md"
    clause.write_text(clause.read_text().replace("red_line = false", "red_line = true", 1))
    findings = [f for f in check_bundle(target) if "no alarm is no evidence" in f.message]
    assert [f.severity for f in findings] == [Severity.ERROR]
