"""`countermark policy`: a bundle is checked, read and put in force."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_world import Folder, document, run
from replay_traffic import recorded

from countermark.policy.bundle import load_bundle
from countermark.policy.shipped import shipped_bundle

RED_LINES = shipped_bundle("red-lines")
BAD = RED_LINES.parent / "bad"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(recorded(), tmp_path)


@pytest.mark.parametrize("name", ["red-lines", "solo", "all-lawful-uses"])
def test_bundles_that_ship_have_nothing_against_them(name: str) -> None:
    """Exit code 0; notes are said, and are no errors."""
    said = run("policy", "check", shipped_bundle(name)).stdout
    assert load_bundle(shipped_bundle(name)).digest in said


@pytest.mark.parametrize("name", sorted(each.name for each in BAD.iterdir() if each.is_dir())[:4])
def test_bad_bundles_are_findings(name: str) -> None:
    """Exit code 1; each finding says file, line, what is wrong and what to do."""
    said = run("policy", "check", BAD / name, code=1).stdout
    assert ": error: " in said
    assert "    -> " in said
    assert "it may not be put in force" in said
    found = document("policy", "check", BAD / name, code=1)
    first = found["findings"][0]
    assert found["ok"] is False
    assert f"{BAD / name / first['file']}:{first['line']}: " in said


def test_cedar_is_read_aloud_beside_the_sentence() -> None:
    """One clause or all of them: the sentence, and what the Cedar says."""
    said = run("policy", "read", RED_LINES, "--clause", "RL-3").stdout
    assert "RL-3 (red line)" in said
    assert "It is forbidden to prompt, release or call" in said
    whole = run("policy", "read", RED_LINES).stdout
    assert all(f"{clause.id} (" in whole for clause in load_bundle(RED_LINES).clauses)
    clauses = document("policy", "read", RED_LINES)["clauses"]
    assert [each["id"] for each in clauses] == [clause.id for clause in load_bundle(RED_LINES).clauses]
    assert "expected a clause" in run("policy", "read", RED_LINES, "--clause", "RL-99", code=2).stderr


def test_the_digest_is_what_the_sides_sign() -> None:
    """The digest alone, to be compared by eye or by a program."""
    assert run("policy", "digest", RED_LINES).stdout.strip() == load_bundle(RED_LINES).digest
    assert document("policy", "digest", RED_LINES)["digest"] == load_bundle(RED_LINES).digest


def test_a_bundle_is_in_force_once_every_side_has_signed(folder: Folder, tmp_path: Path) -> None:
    """Each side signs on its own; the gateway's folder takes them one by one, and says who is missing."""
    (folder.gateway / "bundle-approval.jsonl").unlink()
    signed = {}
    for side in ("halden", "northmark"):
        signed[side] = tmp_path / f"{side}.jsonl"
        run(
            *(
                "policy",
                "approve",
                folder.gateway / "bundle",
                "--key",
                folder.key(f"{side}-side"),
                "--days",
                30,
            ),
            *("--out", signed[side], "--trust-root", folder.root, "--yes"),
        )
    first = run("policy", "add", signed["halden"], "--dir", folder.gateway, code=1).stdout
    assert "northmark: 0 of 1" in first
    assert "not in force yet: northmark missing" in first
    second = document("policy", "add", signed["northmark"], "--dir", folder.gateway)
    assert second["in_force"] is True
    again = document("policy", "add", signed["northmark"], "--dir", folder.gateway)
    assert again == second
    lines = (folder.gateway / "bundle-approval.jsonl").read_bytes().splitlines()
    assert len(lines) == 2


def test_a_second_signature_joins_the_first_in_one_file(folder: Folder, tmp_path: Path) -> None:
    """`--out` of a file that is there adds a signature, and says that it is complete."""
    out = tmp_path / "both.jsonl"
    for side, complete in (("halden", False), ("northmark", True)):
        made = document(
            *(
                "policy",
                "approve",
                folder.gateway / "bundle",
                "--key",
                folder.key(f"{side}-side"),
                "--days",
                30,
            ),
            *("--out", out, "--trust-root", folder.root, "--yes"),
        )
        assert made["in_force"] is complete


def test_a_side_sees_what_changes_before_it_signs(folder: Folder, tmp_path: Path) -> None:
    """Red lines that are gone are said first, by name; a no signs nothing."""
    said = run(
        *("policy", "approve", shipped_bundle("all-lawful-uses"), "--key", folder.key("halden-side")),
        *("--days", 30, "--out", tmp_path / "a.jsonl", "--dir", folder.gateway),
        *("--against", folder.gateway / "bundle"),
        code=1,
        answers="n\n",
    )
    assert "RED LINE RL-1 IS GONE: No bulk analysis of people" in said.output
    assert "nothing was signed" in said.output
    assert not (tmp_path / "a.jsonl").exists()


def test_changed_words_and_changed_cedar_are_told_apart(folder: Folder, tmp_path: Path) -> None:
    """A clause whose sentence alone changed is said to be so."""
    changed = Path(shutil.copytree(folder.gateway / "bundle", tmp_path / "changed"))
    rl1 = changed / "clauses" / "RL-1.md"
    rl1.write_text(rl1.read_text().replace("Whatever the law allows", "Whatever a law allows", 1))
    said = run(
        *("policy", "approve", changed, "--key", folder.key("halden-side"), "--days", 30),
        *("--out", tmp_path / "a.jsonl", "--dir", folder.gateway, "--against", folder.gateway / "bundle"),
        code=1,
        answers="n\n",
    )
    assert "RED LINE RL-1: its words changed, its Cedar did not" in said.output


def test_a_bundle_with_errors_is_not_signed(folder: Folder, tmp_path: Path) -> None:
    """The check comes before the signature, and says what is wrong."""
    broken = Path(shutil.copytree(folder.gateway / "bundle", tmp_path / "broken"))
    (broken / "clauses" / "RL-3.md").unlink()
    said = run(
        *("policy", "approve", broken, "--key", folder.key("halden-side"), "--days", 30),
        *("--out", tmp_path / "a.jsonl", "--dir", folder.gateway, "--yes"),
        code=1,
    )
    assert "it may not be put in force" in said.stderr
    assert not (tmp_path / "a.jsonl").exists()


def test_an_approval_of_another_bundle_is_refused(folder: Folder, tmp_path: Path) -> None:
    """What was signed for another bundle is not put beside this one."""
    out = tmp_path / "other.jsonl"
    run(
        *("policy", "approve", RED_LINES, "--key", folder.key("halden-side"), "--days", 30, "--out", out),
        *("--trust-root", folder.root, "--yes"),
    )
    before = (folder.gateway / "bundle-approval.jsonl").read_bytes()
    assert (
        "expected an approval of the bundle"
        in run("policy", "add", out, "--dir", folder.gateway, code=2).stderr
    )
    assert (folder.gateway / "bundle-approval.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("check", "{tmp}"), "expected a bundle's folder"),
        (
            ("approve", "{gateway}/bundle", "--key", "{ada}", "--days", "3", "--dir", "{gateway}"),
            "expected a key of a side",
        ),
        (("add", "{tmp}/none", "--dir", "{gateway}"), "expected to read"),
        (("add", "{gateway}/trust-root.json", "--dir", "{gateway}"), "expected predicate `bundle-approval`"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], expected: str, folder: Folder, tmp_path: Path
) -> None:
    """Exit code 2, one line on standard error that says what is expected."""
    filled = [each.format(tmp=tmp_path, gateway=folder.gateway, ada=folder.key("ada")) for each in arguments]
    said = run("policy", *filled, code=2).stderr
    assert expected in said
    assert said.count("\n") == 1


def test_json_is_one_document(tmp_path: Path) -> None:
    """Programs read standard output and nothing else, errors included."""
    said = run("policy", "check", tmp_path, "--json", code=2)
    assert json.loads(said.stdout)["error"]["type"] == "SettingsError"
