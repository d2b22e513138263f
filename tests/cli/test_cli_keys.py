"""`keys`: made once, shown by whom they belong to, and changed only by a trust root that every side signs."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cli_world import document, run
from first_day import invited, office, side_key, solo, two_sides

from countermark.attestation.keys import PrivateKey, PublicKey


@pytest.mark.parametrize("keytype", ["ed25519", "ecdsa"])
def test_a_new_key_is_two_files(tmp_path: Path, keytype: str) -> None:
    """The private half is its owner's alone to read, the public half can be sent, and both are one key."""
    told = document("keys", "new", "ada", "--type", keytype, "--out", tmp_path / "ada.pem")
    private = PrivateKey.load(tmp_path / "ada.pem")
    public = json.loads((tmp_path / "ada.pub.json").read_text())
    assert PublicKey.from_dict(public["key"]) == private.public
    assert private.public.keyid == told["keyid"] == public["keyid"]
    assert stat.S_IMODE((tmp_path / "ada.pem").stat().st_mode) == 0o600
    for shown in ("ada.pem", "ada.pub.json"):
        assert document("keys", "show", tmp_path / shown)["keyid"] == told["keyid"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """Neither half, whichever is there."""
    run("keys", "new", "ada", "--out", tmp_path / "ada.pem")
    before = (tmp_path / "ada.pem").read_bytes()
    run("keys", "new", "ada", "--out", tmp_path / "ada.pem", code=2)
    (tmp_path / "ada.pem").unlink()
    run("keys", "new", "ada", "--out", tmp_path / "ada.pem", code=2)
    assert not (tmp_path / "ada.pem").exists()
    assert before


def test_another_keys_id_is_noticed(tmp_path: Path) -> None:
    """A public file whose id isn't that of its key is refused: somebody swapped one of them."""
    run("keys", "new", "ada", "--out", tmp_path / "ada.pem")
    path = tmp_path / "ada.pub.json"
    path.write_text(path.read_text().replace(json.loads(path.read_text())["keyid"], "0" * 64))
    assert "expected the key id" in run("keys", "show", path, code=2).stderr


def test_a_key_is_shown_by_whom_it_belongs_to(tmp_path: Path) -> None:
    """An id tells nobody which key to fetch: person, side and gateway are named."""
    gateway = solo(tmp_path)
    for path, holder in (
        ("people/ada.pub.json", "ada's key"),
        ("people/northmark-side.pub.json", "side key of northmark"),
        ("keys/gateway.pub.json", "key of gateway gw-1"),
    ):
        assert holder in run("keys", "show", gateway / path, "--dir", gateway).output


def test_rotation_names_what_has_to_be_signed_again(tmp_path: Path) -> None:
    """A person's new key takes the old one's place in a draft, with every statement that rests on the old one."""
    gateway = solo(tmp_path)
    office(gateway)
    run("keys", "new", "ada", "--out", tmp_path / "new.pem")
    out = tmp_path / "draft.json"
    old = gateway / "people/ada.pub.json"
    told = document("keys", "rotate", old, tmp_path / "new.pub.json", "--dir", gateway, "--out", out)
    again = sorted(line.split()[0] for line in told["sign_again"])
    assert again == ["credential", "deployment", "purpose"]
    assert len(told["changes"]) == 2, "only ada's key changes"
    side = gateway / "people/northmark-side.pem"
    run("trust", "sign", out, "--dir", gateway, "--key", side, "--yes")
    run("trust", "add", out, "--dir", gateway)
    rows = document("evidence", "list", "--dir", gateway)["statements"]
    assert all(row["error"] for row in rows), "nothing that the old key signed counts any more"


def test_a_side_signs_with_the_old_key_and_the_new_one(tmp_path: Path) -> None:
    """The one in force asks for the old key, the next one for the new: neither alone is enough."""
    gateway = solo(tmp_path)
    run("keys", "new", "northmark-side", "--out", tmp_path / "new.pem")
    out, old = tmp_path / "draft.json", gateway / "people/northmark-side.pem"
    told = document("keys", "rotate", old, tmp_path / "new.pub.json", "--dir", gateway, "--out", out)
    assert told["sign_again"] == ["the bundle: approve it again (countermark policy approve)"]
    run("trust", "sign", out, "--dir", gateway, "--key", tmp_path / "new.pem", "--yes")
    waiting = document("trust", "add", out, "--dir", gateway, code=1)
    assert [(each["which"], each["signed"]) for each in waiting["sides"]] == [
        ("new side", 1),
        ("side in force now", 0),
    ]
    run("trust", "sign", out, "--dir", gateway, "--key", old, "--yes")
    assert document("trust", "add", out, "--dir", gateway)["in_force"]


def test_a_gateways_key_is_its_logs_name(tmp_path: Path) -> None:
    """Rotating it would begin another log, so it is refused with what to do instead."""
    gateway = solo(tmp_path)
    run("keys", "new", "gw", "--out", tmp_path / "gw.pem")
    own = gateway / "keys/gateway.pub.json"
    refused = run("keys", "rotate", own, tmp_path / "gw.pub.json", "--dir", gateway, code=2)
    assert "docs/how-to/rotate-keys.md" in refused.stderr


def test_a_key_that_is_in_force_is_no_new_one(tmp_path: Path) -> None:
    """One key in two hands is refused before anybody signs it."""
    gateway = solo(tmp_path)
    ada, side = gateway / "people/ada.pub.json", gateway / "people/northmark-side.pub.json"
    run("keys", "rotate", ada, side, "--dir", gateway, "--out", tmp_path / "d.json", code=2)


def test_a_signed_draft_is_not_thrown_away(tmp_path: Path) -> None:
    """A new draft doesn't overwrite one that somebody has signed."""
    gateway = solo(tmp_path)
    draft = invited(tmp_path, gateway)
    run("trust", "sign", draft, "--dir", gateway, "--key", side_key(tmp_path, gateway, "halden"), "--yes")
    run("trust", "draft", "--charter", tmp_path / "charter.toml", "--dir", gateway, "--out", draft, code=2)


def test_a_countersigners_key_costs_countersignatures(tmp_path: Path) -> None:
    """What Abe vouched for is listed as his to vouch for again."""
    gateway = two_sides(tmp_path)
    abe, root = tmp_path / "halden/abe.pem", gateway / "trust-root.json"
    for kind in ("deployment", "purpose"):
        signing = ("--key", abe, "--trust-root", root, "--basis", "inspected", "--interest", "none", "--yes")
        run("evidence", "countersign", f"{kind}:northmark/office", "--dir", gateway, *signing)
    run("keys", "new", "abe", "--out", tmp_path / "abe-2.pem")
    told = document(
        "keys", "rotate", abe, tmp_path / "abe-2.pub.json", "--dir", gateway, "--out", tmp_path / "d.json"
    )
    assert sorted(line.partition(" ")[0] for line in told["sign_again"]) == ["deployment", "purpose"]
    assert all("countersign it again" in line for line in told["sign_again"])
