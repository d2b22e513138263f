"""`trust`: what a side reads before it signs, and when a trust root is in force."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from cli_world import document, run
from first_day import invited, side_key, solo, two_sides

from countermark.attestation.envelope import parse_envelope
from countermark.cli.charter_example import charter_text, example_document


def sign(draft: Path, gateway: Path, key: Path, code: int = 0) -> None:
    """Sign a draft as the side whose key that is."""
    run("trust", "sign", draft, "--dir", gateway, "--key", key, "--yes", code=code)


def test_the_example_charter_is_read_back_as_it_was_meant() -> None:
    """What `draft` writes as commented TOML is the document that it was written from."""
    document_ = example_document()
    read = tomllib.loads(charter_text(document_, file="charter.toml"))
    assert read == {key: value for key, value in document_.items() if value != []} | {
        key: value for key, value in read.items() if value == []
    }


def test_the_charter_in_force_drafts_the_same_trust_root(tmp_path: Path) -> None:
    """A charter written from the trust root in force changes nothing until somebody changes it."""
    gateway = solo(tmp_path)
    charter, out = tmp_path / "c" / "charter.toml", tmp_path / "d.json"
    charter.parent.mkdir()
    run("trust", "draft", "--charter", charter, "--dir", gateway)
    run("trust", "draft", "--charter", charter, "--dir", gateway, "--out", out)
    shown = document("trust", "show", out, "--dir", gateway)
    assert (shown["version"], shown["changes"]) == (2, [])


def test_a_change_is_said_in_words(tmp_path: Path) -> None:
    """Each power that is given or taken is one sentence; keys are named by whom they belong to."""
    gateway = solo(tmp_path)
    draft = invited(tmp_path, gateway, "northmark")
    shown = document("trust", "show", draft, "--dir", gateway)
    changes = "\n".join(shown["changes"])
    assert "+ side halden: nothing is in force without 1 of 1: side key of halden" in changes
    assert "+ halden_policy may state `countersignature` about northmark/*" in changes
    assert "whose sight counts as observed" in changes
    assert "+ two sides or more" in changes
    assert not [line for line in shown["changes"] if line.startswith("-")]
    text = run("trust", "show", draft, "--dir", gateway).output
    assert re.search(r"0 of 1 halden \(new side\), missing: side key of halden", text)


def test_it_is_in_force_once_every_side_has_signed(tmp_path: Path) -> None:
    """Not before: until then it waits at the gateway, and says who is missing."""
    gateway = solo(tmp_path)
    draft = invited(tmp_path, gateway)
    before = (gateway / "trust-root.json").read_bytes()
    sign(draft, gateway, side_key(tmp_path, gateway, "halden"))
    waiting = document("trust", "add", draft, "--dir", gateway, code=1)
    assert not waiting["in_force"]
    assert (gateway / "trust-root.json").read_bytes() == before
    status = document("trust", "status", "--dir", gateway, code=1)
    assert [each["party"] for each in status["waiting"]["sides"] if each["missing"]] == ["northmark"]
    sign(draft, gateway, side_key(tmp_path, gateway, "northmark"))
    assert document("trust", "add", draft, "--dir", gateway)["in_force"]
    assert not (gateway / "trust-root.draft.json").exists()


def test_copies_that_were_signed_apart_are_put_together(tmp_path: Path) -> None:
    """Each side may sign its own copy and send it: `add` joins the signatures of the same document, and of no other."""
    gateway = solo(tmp_path)
    draft = invited(tmp_path, gateway)
    theirs = tmp_path / "theirs.json"
    shutil.copy(draft, theirs)
    sign(draft, gateway, side_key(tmp_path, gateway, "northmark"))
    sign(theirs, gateway, side_key(tmp_path, gateway, "halden"))
    run("trust", "add", draft, theirs, gateway / "trust-root.json", "--dir", gateway, code=2)
    run("trust", "add", draft, "--dir", gateway, code=1)
    assert document("trust", "add", theirs, "--dir", gateway)["in_force"], "the first copy was kept"


def test_a_key_of_no_side_signs_nothing(tmp_path: Path) -> None:
    """A person's key, or a stranger's, is refused with the keys that are wanted; the file stays as it was."""
    gateway = solo(tmp_path)
    draft = invited(tmp_path, gateway)
    before = draft.read_bytes()
    for key in (gateway / "people/ada.pem", tmp_path / "halden/abe.pem"):
        refused = run("trust", "sign", draft, "--dir", gateway, "--key", key, "--yes", code=2)
        assert "side key of halden" in refused.stderr
    assert draft.read_bytes() == before


def test_a_no_signs_nothing(tmp_path: Path) -> None:
    """Who reads it and says no has signed nothing."""
    gateway = solo(tmp_path)
    draft = invited(tmp_path, gateway)
    key = side_key(tmp_path, gateway, "halden")
    run("trust", "sign", draft, "--dir", gateway, "--key", key, code=1, answers="n\n")
    assert parse_envelope(draft.read_bytes()).signatures == ()
    run("trust", "sign", draft, "--dir", gateway, "--key", key, answers="y\n")
    assert len(parse_envelope(draft.read_bytes()).signatures) == 1


def test_signing_twice_is_one_signature(tmp_path: Path) -> None:
    """A quorum counts keys, not signatures."""
    gateway = solo(tmp_path)
    draft = invited(tmp_path, gateway)
    for _ in range(2):
        sign(draft, gateway, side_key(tmp_path, gateway, "halden"))
    assert len(parse_envelope(draft.read_bytes()).signatures) == 1


def test_an_older_version_does_not_come_back(tmp_path: Path) -> None:
    """A trust root that was replaced, fully signed as it is, can't be put in force again."""
    gateway = solo(tmp_path)
    old = tmp_path / "old.json"
    shutil.copy(gateway / "trust-root.json", old)
    draft = invited(tmp_path, gateway)
    for side in ("northmark", "halden"):
        sign(draft, gateway, side_key(tmp_path, gateway, side))
    run("trust", "add", draft, "--dir", gateway)
    assert document("trust", "add", old, "--dir", gateway, code=1)["in_force"] is False


def test_status_says_whether_the_bundle_is_in_force(tmp_path: Path) -> None:
    """Under a new trust root the old bundle's approval is void until every side has approved one."""
    gateway = two_sides(tmp_path)
    good = document("trust", "status", "--dir", gateway)
    assert good["good"]
    assert "is in force until" in run("trust", "status", "--dir", gateway).output
    (gateway / "bundle-approval.jsonl").write_bytes(b"")
    assert "halden, northmark have to approve it" in run("trust", "status", "--dir", gateway, code=1).output


def test_a_draft_without_an_observer_says_what_that_means(tmp_path: Path) -> None:
    """With nobody whose sight counts, no fact is countersigned: said before anybody signs."""
    gateway = solo(tmp_path)
    invited(tmp_path, gateway)
    (tmp_path / "draft.json").unlink()
    drafted = run(
        "trust",
        "draft",
        "--charter",
        tmp_path / "charter.toml",
        "--dir",
        gateway,
        "--out",
        tmp_path / "e.json",
    )
    assert "no gateway's runner is an observer" in drafted.output


WRONG_CHARTERS = {
    "no TOML": ("name = ", None),
    "a field that a charter doesn't have": ('name = "x"\nversion = 1\ncolour = "red"\n', "colour"),
    "no version": ('name = "x"\n[parties]\n[sides]\n', "version"),
    "a key file that isn't there": (None, "gone.pub.json"),
    "a person of no party": (None, "persons.abe.party"),
    "a party that is its own counterpart": (None, "opposed interest"),
}


@pytest.mark.parametrize("case", WRONG_CHARTERS)
def test_a_wrong_charter_is_refused_by_name(tmp_path: Path, case: str) -> None:
    """What nobody should sign is refused before there is a draft, and the message names where it is wrong."""
    gateway = solo(tmp_path)
    invited(tmp_path, gateway)
    charter = tmp_path / "charter.toml"
    text, named = WRONG_CHARTERS[case]
    original = charter.read_text()
    charter.write_text(
        text
        or {
            "gone.pub.json": original.replace('"abe.pub.json"', '"gone.pub.json"'),
            "persons.abe.party": original.replace(
                '[persons.abe]\nparty = "halden"', '[persons.abe]\nparty = "nobody"'
            ),
            "opposed interest": original.replace('counterparts = ["halden"]', 'counterparts = ["northmark"]'),
        }[str(named)]
    )
    out = tmp_path / "wrong.json"
    refused = run("trust", "draft", "--charter", charter, "--dir", gateway, "--out", out, code=2)
    assert (named or "TOML") in refused.stderr
    assert not out.exists()


def test_an_invitation_needs_a_trust_root_and_people(tmp_path: Path) -> None:
    """There is nobody to invite to, or nobody who is invited: said, and no charter is written."""
    charter = tmp_path / "charter.toml"
    run("trust", "draft", "--charter", charter, "--dir", tmp_path, "--invite", "halden", code=2)
    run("trust", "draft", "--charter", charter, "--dir", solo(tmp_path), "--invite", "halden", code=2)
    assert not charter.exists()


def test_errors_are_one_document_for_programs(tmp_path: Path) -> None:
    """With --json an error is JSON too."""
    result = run("trust", "show", tmp_path / "none.json", "--json", code=2)
    assert json.loads(result.stdout)["error"]["type"] == "SettingsError"
