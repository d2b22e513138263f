"""`countermark log`: an auditor's commands, offline, from files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_world import Folder, document, run
from replay_traffic import Recorded, recorded, remake

from countermark.tlog.reader import LogReader


@pytest.fixture(scope="module")
def made() -> Recorded:
    return recorded()


@pytest.fixture
def folder(made: Recorded, tmp_path: Path) -> Folder:
    return Folder(made, tmp_path)


def test_a_log_verifies_and_says_that_it_is_one_sided(made: Recorded) -> None:
    """Without a checkpoint of somebody else's it proves nothing against its runner, and says so."""
    gateway = made.world.gateway
    report = document("log", "verify", "--dir", gateway)
    assert report["entries"] == LogReader(gateway / "log").size
    assert (report["one_sided"], report["torn_bytes"]) == (True, 0)
    text = run("log", "verify", "--dir", gateway).stdout
    assert "one-sided: nobody else has kept a checkpoint" in text


def test_a_kept_checkpoint_makes_it_two_sided(made: Recorded, tmp_path: Path) -> None:
    """What the other party kept is held against the log that there is now."""
    gateway, kept = made.world.gateway, tmp_path / "kept"
    assert document("log", "checkpoint", "--dir", gateway, "--out", kept)["size"] > 100
    assert kept.read_bytes() == (gateway / "log" / "checkpoint").read_bytes()
    report = document("log", "verify", "--dir", gateway, "--against", kept)
    assert report["one_sided"] is False
    assert (
        "are those of the checkpoint that you kept"
        in run("log", "verify", "--dir", gateway, "--against", kept).stdout
    )


def test_a_copy_is_verified_with_a_key_from_elsewhere(folder: Folder, tmp_path: Path) -> None:
    """A log's folder alone is enough, with a vkey or a trust root that the auditor has."""
    log = shutil.copytree(folder.gateway / "log", tmp_path / "copy")
    said = run("log", "verify", log, code=2).stderr
    assert "trust-root.json" in said  # nothing beside it says which key to believe
    assert document("log", "verify", log, "--trust-root", folder.root)["entries"] > 100
    vkey = remake(folder.gateway, lambda entries: None)
    assert document("log", "verify", log, "--vkey", vkey)["entries"] > 100
    other = vkey.replace("gw-1", "gw-2")
    assert "expected" in run("log", "verify", log, "--vkey", other, code=2).stderr


def flip_a_byte(log: Path) -> str:
    segment = next(iter(sorted((log / "segments").iterdir())))
    data = bytearray(segment.read_bytes())
    at = data.index(b'"outcome":"DENY"')
    data[at + 11 : at + 15] = b"HOLD"
    segment.write_bytes(bytes(data))
    return "entry"


def drop_a_tile(log: Path) -> str:
    for tile in (log / "tile" / "0").rglob("*"):
        if tile.is_file():
            tile.unlink()
    return "is missing"


def edit_a_tile(log: Path) -> str:
    tile = next(each for each in sorted((log / "tile" / "entries").rglob("*")) if each.is_file())
    tile.write_bytes(tile.read_bytes().replace(b"northmark/tracking", b"northmark/thinking", 1))
    return "was changed"


def edit_the_checkpoint(log: Path) -> str:
    path = log / "checkpoint"
    lines = path.read_text().split("\n")
    lines[1] = str(int(lines[1]) - 1)
    path.write_text("\n".join(lines))
    return "checkpoint can't be trusted"


@pytest.mark.parametrize("spoil", [flip_a_byte, drop_a_tile, edit_a_tile, edit_the_checkpoint])
def test_what_was_changed_is_named(spoil: Callable[[Path], str], folder: Folder) -> None:
    """Exit code 1, and one line that says what was changed."""
    expected = spoil(folder.gateway / "log")
    said = run("log", "verify", "--dir", folder.gateway, code=1).stdout
    assert said.startswith("FOUND: ")
    assert expected in said
    assert document("log", "verify", "--dir", folder.gateway, code=1)["finding"]["message"] in said


def test_a_rewritten_past_is_found_against_a_kept_checkpoint(folder: Folder, tmp_path: Path) -> None:
    """Its runner can sign another past; whoever kept a checkpoint finds it, and replay does too."""
    kept = tmp_path / "kept"
    run("log", "checkpoint", "--dir", folder.gateway, "--out", kept)
    tracking = folder.made.ids["tracking"]

    def permit(entries: list[dict[str, object]]) -> None:
        next(e for e in entries if e.get("id") == tracking).update(outcome="PERMIT", clauses=["P-1"])

    remake(folder.gateway, permit)
    run("log", "verify", "--dir", folder.gateway)  # alone it can't tell
    said = run("log", "verify", "--dir", folder.gateway, "--against", kept, code=1).stdout
    assert "the log was rewritten" in said
    replayed = run("log", "replay", "--dir", folder.gateway, code=1).stdout
    assert f"decision {tracking}" in replayed
    assert "the log says PERMIT, replayed DENY" in replayed
    found = document("log", "replay", "--dir", folder.gateway, code=1)
    assert [each["decision"] for each in found["mismatches"]] == [tracking]


def test_every_decision_replays(made: Recorded) -> None:
    """`log replay` says how many decisions came out the same, by outcome."""
    report = document("log", "replay", "--dir", made.world.gateway)
    assert report["reproduced"] == report["decisions"] > 70
    assert report["mismatches"] == []
    assert "decisions reproduced" in run("log", "replay", "--dir", made.world.gateway).stdout


def test_an_edited_archive_is_a_finding(folder: Folder) -> None:
    """Replay names the statement that isn't what the log says it was."""
    path = next(iter(sorted((folder.gateway / "archive" / "statements").iterdir())))
    path.write_bytes(path.read_bytes() + b"\n")
    said = run("log", "replay", "--dir", folder.gateway, code=1).stdout
    assert path.name in said
    assert "was edited" in said


def test_entries_are_shown_by_number_by_id_and_newest(made: Recorded) -> None:
    """One entry whole, or the newest in a line each."""
    gateway = made.world.gateway
    entry = document("log", "show", made.ids["tracking"], "--dir", gateway)
    assert (entry["outcome"], entry["workload"]) == ("DENY", "northmark/tracking")
    assert document("log", "show", entry["index"], "--dir", gateway) == entry
    lines = run("log", "show", "--dir", gateway, "--last", 5).stdout.splitlines()
    assert len(lines) == 5
    assert len(document("log", "show", "--dir", gateway, "--last", 5)["entries"]) == 5
    text = run("log", "show", "--dir", gateway, "--last", 200).stdout
    for said in (
        f"DENY RL-1, RL-5: northmark/tracking prompt m-1 ({entry['id']})",
        "s-1 taken by halden",
        "refused",
    ):
        assert said in text


def test_a_proof_is_checked_with_nothing_but_the_trust_root(folder: Folder, tmp_path: Path) -> None:
    """Proof and entry as files; a changed entry, or another log's key, is a finding."""
    decision = folder.made.ids["recall with both"]
    out = tmp_path / "mine.proof"
    written = document("log", "proof", decision, "--dir", folder.gateway, "--out", out)["written"]
    entry = Path(written[1])
    found = document("log", "check", out, entry, "--trust-root", folder.root)
    assert found["entry"]["id"] == decision
    entry.write_bytes(entry.read_bytes().replace(b"northmark/recall", b"northmark/office"))
    said = run("log", "check", out, entry, "--trust-root", folder.root, code=1).stdout
    assert said.startswith("FOUND: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("log", "verify", "--dir", "{tmp}"), "expected a log's folder in"),
        (("log", "show", "--dir", "{tmp}"), "expected a log in"),
        (("log", "show", "d_nothing", "--dir", "{gateway}"), "expected an entry's number or a decision"),
        (("log", "show", "99999999", "--dir", "{gateway}"), "expected an entry below the published size"),
        (("log", "verify", "--dir", "{gateway}", "--vkey", "nonsense"), "expected"),
        (("log", "verify", "--dir", "{gateway}", "--against", "{tmp}/none"), "expected to read"),
        (
            ("log", "checkpoint", "--dir", "{gateway}", "--out", "{gateway}/trust-root.json"),
            "expected no file",
        ),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], expected: str, made: Recorded, tmp_path: Path
) -> None:
    """Exit code 2, one line on standard error that says what is expected."""
    filled = [each.format(tmp=tmp_path, gateway=made.world.gateway) for each in arguments]
    said = run(*filled, code=2).stderr
    assert expected in said
    assert said.count("\n") == 1
