"""`init`: a folder where everything is in force, nothing is permitted, and no name of the examples is left."""

from __future__ import annotations

import stat
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_world import document, run
from first_day import UPSTREAM, solo

from countermark.app import read_terms
from countermark.config import read_settings
from countermark.facts import Level
from countermark.oversight.approval import possible_approvers
from countermark.policy.check import check_bundle
from countermark.policy.finding import Severity


def test_a_solo_folder_is_in_force_and_says_so(tmp_path: Path) -> None:
    """Trust root and bundle are signed by the one side; nothing that this gateway sees rises above its word."""
    gateway = solo(tmp_path)
    terms = read_terms(read_settings(gateway), now=datetime.now(UTC))
    assert terms.not_in_force is None
    assert terms.root.one_sided
    assert terms.runner_level is Level.OPERATOR
    assert terms.root.upstream_key_held_by == ("northmark",)
    assert not list((gateway / "statements").iterdir()), "no evidence is made up"


def test_secrets_are_their_owners_alone(tmp_path: Path) -> None:
    """Every private file has mode 0600, in folders of 0700; the settings can be read."""
    gateway = solo(tmp_path)
    private = [*gateway.rglob("*.pem"), gateway / "keys/hold.key", gateway / "keys/digest.key"]
    private += list((gateway / "keys/selectors").iterdir())
    assert len(private) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert {stat.S_IMODE((gateway / name).stat().st_mode) for name in ("keys", "people")} == {0o700}
    tomllib.loads((gateway / "settings.toml").read_text())


@pytest.mark.parametrize("party", ["northmark", "halden", "acme-x"])
def test_the_bundle_has_ones_own_names(tmp_path: Path, party: str) -> None:
    """No name of the fictional parties is left, whatever one's own is, and the bundle passes all its own examples."""
    gateway = tmp_path / "g"
    run(
        *("init", gateway, "--solo", "--party", party, "--person", "ada"),
        *(
            "--upstream",
            "https://models.example:8443/v1/",
            "--model",
            "m-2",
            "--model",
            "m-3",
            "--api",
            "anthropic",
        ),
    )
    terms = read_terms(read_settings(gateway), now=datetime.now(UTC))
    stem = party.replace("-", "_")
    assert terms.bundle.approvals == (f"{stem}_duty_officer", f"{stem}_commander", "counterpart_reviewer")
    assert sorted(terms.bundle.routes) == ["m-2", "m-3"]
    assert [(each.url, each.api) for each in terms.bundle.upstreams.values()] == [
        ("https://models.example:8443", ("anthropic",))
    ]
    text = "".join(data.decode() for data in terms.bundle.files.values()).lower()
    assert not {"northmark", "halden"} - {party} & set(text.replace("_", " ").split())
    assert not [each for each in check_bundle(gateway / "bundle") if each.severity is Severity.ERROR]


def test_roles_that_nobody_holds_count_nobody(tmp_path: Path) -> None:
    """The other side's reviewer isn't there yet: nobody can approve in that role, and asking for it breaks nothing."""
    terms = read_terms(read_settings(solo(tmp_path)), now=datetime.now(UTC))
    ways = {"workload": "northmark/office", "now": datetime.now(UTC)}
    possible = possible_approvers(terms.root, terms.bundle.approvals, {"oda"}, **ways)
    assert possible == {"northmark_duty_officer": 1, "northmark_commander": 0, "counterpart_reviewer": 0}
    possible = possible_approvers(terms.root, terms.bundle.approvals, {"ada"}, **ways)
    assert set(possible.values()) == {0}, "who asked never approves"


def test_it_says_who_can_go_round_and_what_comes_next(tmp_path: Path) -> None:
    """The first thing that a new user reads names the hole that is open, and the commands that go on."""
    named = ("--party", "northmark", "--person", "ada", "--upstream", UPSTREAM, "--model", "m-1")
    said = run("init", tmp_path / "g", "--solo", *named).output
    assert "Who can go round this gateway: whoever holds the key of the model's server (northmark)" in said
    assert "One-sided: northmark signs alone" in said
    assert said.count("countermark evidence new") == 3
    told = document("init", tmp_path / "h", "--solo", *named)
    assert (told["one_sided"], told["can_go_round"]) == (True, ["northmark"])


WRONG = {
    "neither one side nor several": (),
    "both at once": ("--solo", "--charter", "charter.toml"),
    "no party": ("--solo", "--person", "ada", "--upstream", UPSTREAM, "--model", "m-1"),
    "nobody to sign": ("--solo", "--party", "northmark", "--upstream", UPSTREAM, "--model", "m-1"),
    "no model": ("--solo", "--party", "northmark", "--person", "ada", "--upstream", UPSTREAM),
    "a party that a clause can't name": (
        *("--solo", "--party", "North Mark", "--person", "ada", "--upstream", UPSTREAM, "--model", "m-1"),
    ),
    "an upstream that is no address": (
        *("--solo", "--party", "northmark", "--person", "ada", "--upstream", "8787", "--model", "m-1"),
    ),
    "a password in the address": (
        *(
            "--solo",
            "--party",
            "northmark",
            "--person",
            "ada",
            "--upstream",
            "http://u:p@h",
            "--model",
            "m-1",
        ),
    ),
    "an api that nobody speaks": (
        *("--solo", "--party", "northmark", "--person", "ada", "--upstream", UPSTREAM, "--model", "m-1"),
        *("--api", "openai,other"),
    ),
    "one party in the name of the other": (
        *("--solo", "--party", "counterpart", "--person", "ada", "--upstream", UPSTREAM, "--model", "m-1"),
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_leaves_nothing_behind(tmp_path: Path, case: str) -> None:
    """What is wrong is said in one line with exit code 2, and no half a folder is left."""
    result = run("init", tmp_path / "g", *WRONG[case], code=2)
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder that holds anything is left as it is; an empty one may be used."""
    gateway = solo(tmp_path)
    before = (gateway / "trust-root.json").read_bytes()
    named = ("--party", "northmark", "--person", "ada", "--upstream", UPSTREAM, "--model", "m-1")
    run("init", gateway, "--solo", *named, code=2)
    assert (gateway / "trust-root.json").read_bytes() == before
    (tmp_path / "empty").mkdir()
    run("init", tmp_path / "empty", "--solo", *named)


def test_the_upstreams_key_is_named_and_not_kept(tmp_path: Path) -> None:
    """Where the model's server wants a key, the settings say where the gateway finds it."""
    gateway = solo(tmp_path, "--upstream-key-env", "PROVIDER_API_KEY")
    own = read_settings(gateway).upstreams["main"]
    assert own.key_env == "PROVIDER_API_KEY"


def test_with_a_charter_every_side_has_to_sign_first(tmp_path: Path) -> None:
    """With several sides init makes the gateway's own part and a draft; the example charter works as it is written."""
    charter, gateway = tmp_path / "charter.toml", tmp_path / "g"
    run("trust", "draft", "--charter", charter, "--dir", tmp_path)
    for name in ("northmark-side", "halden-side", "ada", "abe", "ben", "cem", "dua"):
        run("keys", "new", name, "--out", tmp_path / f"{name}.pem")
    told = document("init", gateway, "--charter", charter)
    assert told["roles_nobody_holds"] == []
    assert not told["one_sided"]
    draft = gateway / "trust-root.draft.json"
    assert not (gateway / "trust-root.json").exists()
    for side in ("northmark", "halden"):
        run("trust", "sign", draft, "--key", tmp_path / f"{side}-side.pem", "--yes")
    added = document("trust", "add", draft, "--dir", gateway)
    assert added["in_force"]
    assert not draft.exists()
    for side in ("northmark", "halden"):
        signing = ("--key", tmp_path / f"{side}-side.pem", "--days", 30, "--dir", gateway, "--yes")
        run("policy", "approve", gateway / "bundle", *signing, "--out", gateway / "bundle-approval.jsonl")
    terms = read_terms(read_settings(gateway), now=datetime.now(UTC))
    assert (terms.not_in_force, terms.runner_level) == (None, Level.OBSERVED)
    assert "halden_reviewer" in terms.bundle.approvals


def test_a_charter_of_other_names_gives_a_bundle_of_those(tmp_path: Path) -> None:
    """Whoever the parties are, clauses ask for their roles, and a charter without a role is told so."""
    charter = tmp_path / "charter.toml"
    run("trust", "draft", "--charter", charter, "--dir", tmp_path)
    text = charter.read_text().replace("northmark", "acme").replace("halden_reviewer", "other_looks")
    charter.write_text(text.replace("halden", "provider"))
    for name in ("acme-side", "provider-side", "ada", "abe", "ben", "cem", "dua"):
        run("keys", "new", name, "--out", tmp_path / f"{name}.pem")
    told = document("init", tmp_path / "g", "--charter", charter)
    assert told["roles_nobody_holds"] == ["provider_reviewer"]
