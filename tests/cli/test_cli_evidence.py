"""`evidence`: nothing is filled in, what is signed is shown and verified, what is missing is named with who could give it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pty
import select
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli_world import document, run
from first_day import DEPLOYMENT, OWN, PURPOSE, office, solo, state, two_sides

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.keys import PrivateKey
from countermark.attestation.statement import make_statement
from countermark.cli.statement_files import envelopes_of, statement_of
from countermark.clock import parse_time


@pytest.fixture(scope="module")
def made_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Northmark alone, with an office assistant that may be used."""
    folder = tmp_path_factory.mktemp("alone")
    office(solo(folder))
    return folder


@pytest.fixture(scope="module")
def made_together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Northmark and Halden; nobody has countersigned anything."""
    folder = tmp_path_factory.mktemp("together")
    two_sides(folder)
    return folder


@pytest.fixture
def alone(made_alone: Path, tmp_path: Path) -> Path:
    """The gateway's folder of a copy."""
    shutil.copytree(made_alone, tmp_path / "a")
    return tmp_path / "a" / "my-gateway"


@pytest.fixture
def together(made_together: Path, tmp_path: Path) -> Path:
    """The gateway's folder of a copy."""
    shutil.copytree(made_together, tmp_path / "t")
    return tmp_path / "t" / "my-gateway"


def rows(gateway: Path, *more: object) -> list[dict[str, Any]]:
    """What `evidence list` says."""
    found: list[dict[str, Any]] = document("evidence", "list", "--dir", gateway, *more)["statements"]
    return found


def missing(gateway: Path, *more: object, workload: str = "northmark/office", code: int = 1) -> Any:
    """What `evidence missing` says."""
    return document("evidence", "missing", "--dir", gateway, "--workload", workload, *more, code=code)


def vouch(gateway: Path, target: object, *more: object, code: int = 0) -> Any:
    """Countersign as Abe of Halden, who has the trust root and not the gateway's folder."""
    signing = ("--key", gateway.parent / "halden/abe.pem", "--trust-root", gateway / "trust-root.json")
    saying = ("--basis", "document-seen", "--interest", "none", "--yes")
    return document("evidence", "countersign", target, *signing, *saying, *more, code=code)


# -- new ---------------------------------------------------------------------------------------------------------


def test_three_statements_are_enough_for_one_party(alone: Path) -> None:
    """A credential, a deployment and a purpose: nothing else is missing, on one party's word."""
    assert missing(alone, code=0)["outcome"] == "PERMIT"
    assert {(row["kind"], row["level"]) for row in rows(alone)} == {
        (kind, "operator") for kind in ("credential", "deployment", "purpose")
    }
    assert all("northmark/northmark_records (ada): inspected, party" in row["makers"] for row in rows(alone))


@pytest.mark.parametrize("left_out", range(0, len(DEPLOYMENT), 2))
def test_nothing_is_filled_in_for_a_deployment(alone: Path, left_out: int) -> None:
    """Whatever isn't said is asked for by name, an empty list too; nothing goes on file."""
    said = DEPLOYMENT[:left_out] + DEPLOYMENT[left_out + 2 :]
    about = ("evidence", "new", "deployment", "--dir", alone, "--workload", "other")
    refused = run(*about, *said, *OWN, code=2)
    assert DEPLOYMENT[left_out] in refused.stderr
    assert len(rows(alone)) == 3


@pytest.mark.parametrize("left_out", range(0, len(PURPOSE), 2))
def test_nothing_is_filled_in_for_a_purpose(alone: Path, left_out: int) -> None:
    """A purpose without one of its fields is no purpose."""
    said = PURPOSE[:left_out] + PURPOSE[left_out + 2 :]
    refused = run("evidence", "new", "purpose", "--dir", alone, "--workload", "other", *said, *OWN, code=2)
    assert PURPOSE[left_out] in refused.stderr


def test_how_one_knows_is_never_filled_in(alone: Path) -> None:
    """Basis and interest are the signer's own to say."""
    about = ("evidence", "new", "purpose", "--dir", alone, "--workload", "other", *PURPOSE, "--yes")
    for said in ((), ("--basis", "inspected"), ("--interest", "party")):
        assert "nobody can say that for you" in run(*about, *said, code=2).stderr


def test_a_no_signs_nothing(alone: Path) -> None:
    """Shown first, asked, and nothing is left behind after a no: no statement, no API key."""
    key = alone.parent / "other.key"
    about = ("evidence", "new", "credential", "--dir", alone, "--workload", "other", "--api-key-out", key)
    said = ("--holder", "ada", "--basis", "inspected", "--interest", "party")
    result = run(*about, *said, code=1, answers="n\n")
    assert "held by ada, who therefore never approve" in result.stderr
    assert "to be signed by" in result.stderr
    assert not key.exists()
    assert len(rows(alone)) == 3


def test_an_api_key_is_random_and_only_its_owners(alone: Path) -> None:
    """128 random bits or more, in a file of mode 0600; on file is its digest."""
    key = alone.parent / "office.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    secret = key.read_text().strip()
    assert len(secret.rpartition("-")[2]) == 32
    found = b"".join(path.read_bytes() for path in (alone / "statements").iterdir())
    assert secret.encode() not in found
    digest = hashlib.sha256(secret.encode()).hexdigest()
    said = [statement_of(path.read_bytes().splitlines()).content for path in (alone / "statements").iterdir()]
    assert [each["sha256"] for each in said if "sha256" in each] == [digest]


def test_a_key_that_one_has_is_taken_if_it_cannot_be_guessed(alone: Path) -> None:
    """Its digest goes on file, so a short one could be found from it."""
    token = alone.parent / "token"
    about = ("evidence", "new", "credential", "--dir", alone, "--workload", "other", "--api-key-file", token)
    said = ("--holder", "ada", *OWN)
    token.write_text("hunter2\n")
    assert "guessed" in run(*about, *said, code=2).stderr
    token.write_text("sk-" + "a1" * 16 + "\n")
    run(*about, *said)


def test_a_credential_of_the_same_name_takes_the_others_place(alone: Path) -> None:
    """Said before it is signed; the number rises and the former one is passed over."""
    about = ("evidence", "new", "credential", "--dir", alone, "--workload", "office")
    said = ("--api-key-out", alone.parent / "second.key", "--holder", "ada", *OWN)
    assert "what it stands for now will stop working" in run(*about, *said).stderr
    found = [row for row in rows(alone) if row["kind"] == "credential"]
    assert [(row["seq"], bool(row["error"])) for row in found] == [(2, False), (1, True)]


def test_a_workload_that_signs_has_no_api_key(alone: Path) -> None:
    """Its public key is on file, and binds each request."""
    run("keys", "new", "field", "--out", alone.parent / "field.pem")
    state(
        alone, "credential", "--public", alone.parent / "field.pub.json", "--holder", "oda", workload="field"
    )
    lines = run("evidence", "list", "--dir", alone, "--workload", "northmark/field").output
    assert "northmark/field" in lines


def test_a_life_is_within_the_bundles(alone: Path) -> None:
    """Longer than the bundle allows is refused; days and an end are one or the other."""
    purpose = ("evidence", "new", "purpose", "--dir", alone, "--workload", "other", *PURPOSE, *OWN)
    assert "at most 183 days, as the bundle says" in run(*purpose, "--days", 200, code=2).stderr
    run(*purpose, "--days", 10, "--until", "2099-01-01T00:00:00Z", code=2)
    run(*purpose, "--until", "2020-01-01T00:00:00Z", code=2)
    told = document(*purpose, "--days", 10)
    row = next(row for row in rows(alone) if row["sha256"] == told["sha256"])
    assert row["valid_until"] == told["valid_until"]


def test_an_order_names_nobody_in_the_statement(alone: Path) -> None:
    """Persons are digests under the gateway's selector key; the file that names them stays where it is."""
    persons = alone.parent / "persons.txt"
    persons.write_text("# two\nsubscriber:SUB-204417\nphone:+15550100\n\n")
    order = ("--type", "order", "--number", "17/3", "--may-derive", "locate", "--selectors", persons)
    told = state(alone, "legal-basis", *order, "--days", "30", workload="orders")
    content = statement_of(
        (alone / "statements" / f"{told['sha256']}.jsonl").read_bytes().splitlines()
    ).content
    assert (content["selectors"]["key_id"], len(content["selectors"]["hmac_sha256"])) == ("northmark-1", 2)
    assert "204417" not in json.dumps(content)
    persons.write_text("SUB-204417\n")
    assert (
        "KIND:VALUE"
        in run(
            *("evidence", "new", "legal-basis", "--dir", alone, "--workload", "orders", *order, *OWN), code=2
        ).stderr
    )


def test_every_kind_can_be_stated(alone: Path) -> None:
    """Consent, engagement, oversight and status as well, each as its parser reads it."""
    state(
        alone,
        "legal-basis",
        *("--type", "consent", "--number", "c-1", "--may-derive", "notify", "--data-set", "d"),
    )
    state(alone, "engagement", *("--number", "E-9", "--range", "10.4.0.0/16", "--host", "none"))
    state(
        alone,
        "oversight",
        *(
            "--review",
            "before-effect",
            "--decides",
            "reviewer",
            "--instrument",
            "D-7",
            "--changed-by",
            "northmark",
        ),
    )
    state(alone, "status", "--statement", "purpose:northmark/office")
    state(
        alone,
        "deployment",
        *DEPLOYMENT[:8],
        "--tool",
        "mail=communicate+spend,search=nothing",
        *DEPLOYMENT[-2:],
    )
    found = rows(alone)
    assert not [row for row in found if row["error"] and row["seq"] != 1]
    assert {row["kind"] for row in found} == {
        *("credential", "deployment", "purpose", "legal-basis", "engagement", "oversight", "status"),
    }


def test_a_tool_without_its_effects_is_no_declaration(alone: Path) -> None:
    """What a tool sets off has to be said, `nothing` too."""
    said = ("--tool", "mail", *DEPLOYMENT[:8], *DEPLOYMENT[-2:])
    refused = run("evidence", "new", "deployment", "--dir", alone, "--workload", "x", *said, *OWN, code=2)
    assert "search=nothing" in refused.stderr


def test_a_stranger_states_nothing(alone: Path) -> None:
    """A key that the trust root doesn't know, or one that may not say this, is refused before anything is written."""
    run("keys", "new", "eve", "--out", alone.parent / "eve.pem")
    purpose = ("evidence", "new", "purpose", "--dir", alone, "--workload", "other", *PURPOSE, *OWN)
    assert "unknown one" in run(*purpose, "--key", alone.parent / "eve.pem", code=2).stderr
    foreign = ("evidence", "new", "purpose", "--dir", alone, "--workload", "halden/other", *PURPOSE, *OWN)
    assert "may make" in run(*foreign, code=2).stderr
    assert len(rows(alone)) == 3


def test_a_failed_filing_leaves_no_api_key(alone: Path) -> None:
    """A key whose credential isn't on file would only confuse whoever finds it."""
    key = alone.parent / "lost.key"
    about = ("evidence", "new", "credential", "--workload", "other", "--api-key-out", key, "--holder", "ada")
    run(*about, "--dir", alone, "--url", "http://127.0.0.1:9", *OWN, code=2)
    assert not key.exists()


# -- what people have already --------------------------------------------------------------------------------------

CARDS: dict[str, tuple[str, str, Any, tuple[str, ...], str]] = {
    "a TOML file of one's own": (
        "own.toml",
        "deployment",
        'system = "desk"\nsite = "office"\nowner = "x"\nanswer_effects = []\n[tools.mail]\neffects = ["communicate"]\n',
        ("--operator", "northmark", "--environment", "test"),
        'system = "desk"',
    ),
    "a model card": (
        "card.json",
        "purpose",
        {"model_details": {"name": "m-1", "version": "3"}, "considerations": {"use": "anything"}},
        tuple(item for item in PURPOSE if item not in ("--model", "m-1")),
        'models = ["m-1"]  (from model_details.name)',
    ),
    "a bill of materials": (
        "bom.json",
        "purpose",
        {"bomFormat": "CycloneDX", "components": [{"type": "machine-learning-model", "name": "m-1"}]},
        tuple(item for item in PURPOSE if item not in ("--model", "m-1")),
        "components[0].name",
    ),
    "a build's provenance": (
        "build.json",
        "deployment",
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "desk-image", "digest": {"sha256": "ab" * 32}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {},
        },
        DEPLOYMENT[2:],
        "desk-image sha256:abababababababab",
    ),
    "a data card": (
        "data.json",
        "legal-basis",
        {"@type": "sc:Dataset", "name": "recall-customers", "license": "all mine"},
        ("--type", "consent", "--number", "c-1", "--may-derive", "notify"),
        'data_set = "recall-customers"',
    ),
}


@pytest.mark.parametrize("case", CARDS)
def test_only_what_maps_is_taken_and_each_is_named(alone: Path, tmp_path: Path, case: str) -> None:
    """Every field that a file gives is shown with where it stood; what wasn't read is listed; the rest is still asked."""
    name, kind, content, rest, shown = CARDS[case]
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    about = ("evidence", "new", kind, "--dir", alone, "--workload", "other", "--from", path, *OWN)
    said = run(*about, *rest).stderr
    assert "its signatures, if any, were not checked" in said
    assert shown in said
    run(*about, *rest[2:], code=2)  # what the file doesn't say isn't made up


def test_a_file_in_which_nothing_maps_is_said_so(alone: Path, tmp_path: Path) -> None:
    """A build's provenance says nothing of a purpose, and nothing is guessed from it."""
    path = tmp_path / "build.json"
    path.write_text(json.dumps(CARDS["a build's provenance"][2]))
    about = (
        "evidence",
        "new",
        "purpose",
        "--dir",
        alone,
        "--workload",
        "other",
        "--from",
        path,
        *PURPOSE,
        *OWN,
    )
    assert "nothing in it maps" in run(*about, code=2).stderr


def test_a_signed_provenance_is_opened(alone: Path, tmp_path: Path) -> None:
    """In its envelope as CI systems hand it out; whoever takes it over vouches for it, not the builder."""
    payload = json.dumps(CARDS["a build's provenance"][2]).encode()
    (tmp_path / "e.json").write_bytes(encode_envelope(sign_envelope(payload, PrivateKey.generate())))
    about = (
        "evidence",
        "new",
        "deployment",
        "--dir",
        alone,
        "--workload",
        "other",
        "--from",
        tmp_path / "e.json",
    )
    assert "desk-image" in run(*about, *DEPLOYMENT[2:], *OWN).stderr


# -- asked at a terminal -------------------------------------------------------------------------------------------


def _converse(arguments: list[str], answers: list[tuple[str, str]]) -> str:
    """Run a command at a terminal and answer each question when it is asked."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "countermark", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        close_fds=True,
    )
    os.close(slave)
    seen, pending = "", list(answers)
    ends = time.monotonic() + 60
    at = 0
    while time.monotonic() < ends:
        if select.select([master], [], [], 0.2)[0]:
            try:
                data = os.read(master, 4096)
            except OSError as error:
                if error.errno == errno.EIO:  # the other end is closed
                    break
                raise
            if not data:
                break
            seen += data.decode(errors="replace")
        if pending and pending[0][0] in seen[at:]:
            at = len(seen)
            os.write(master, pending.pop(0)[1].encode() + b"\n")
    os.close(master)
    assert process.wait(10) == 0, seen
    assert not pending, seen
    return seen


def test_at_a_terminal_whatever_is_missing_is_asked(alone: Path) -> None:
    """A new user types the command alone and answers; an answer that can't be is asked again."""
    seen = _converse(
        ["evidence", "new", "purpose", "--dir", str(alone), "--workload", "chat"],
        [
            ("What is it for", "office"),
            ("With which models", "m-1"),
            ("What is done to persons?", "watch"),
            ("What is done to persons?", "none"),
            ("What data does it carry?", "no-persons"),
            ("How many persons", "0"),
            ("Which legal basis", "none"),
            ("How do you know", "inspected"),
            ("Are you party", "party"),
            ("Sign this?", "y"),
        ],
    )
    assert "expected --operation to be one of" in seen
    assert "northmark/chat is for `office`, with m-1" in seen
    assert [row["kind"] for row in rows(alone, "--workload", "northmark/chat")] == ["purpose"]


# -- request, countersign, add -------------------------------------------------------------------------------------


def test_missing_countersignatures_are_named_with_who_could_give_them(together: Path) -> None:
    """Northmark's word is on file: what lacks is Halden's, for two statements by digest."""
    found = missing(together)
    assert found["outcome"] == "DENY"
    needed = found["ways"][0]["statements"]
    assert {each["kind"] for each in needed} == {"deployment", "purpose"}
    assert all(each["countersigners"] == {"halden_policy": ["abe"]} for each in needed)
    on_file = {row["sha256"] for row in rows(together)}
    assert all(each["on_file"] in on_file for each in needed)


def test_a_request_is_one_file_that_comes_back_signed(together: Path, tmp_path: Path) -> None:
    """In words, with the statement inside; signed into the same file; put on file it counts as countersigned."""
    for kind in ("deployment", "purpose"):
        request = tmp_path / f"{kind}.md"
        told = document(
            "evidence", "request", "abe", f"{kind}:northmark/office", "--dir", together, "--out", request
        )
        assert told["would_count"]
        assert "You are asked for a countersignature in halden's name" in request.read_text()
        signed = vouch(together, request)
        assert (signed["level"], len(envelopes_of(request.read_bytes()))) == ("countersigned", 2)
        added = document("evidence", "add", request, "--dir", together)["added"]
        assert [each["level"] for each in added] == ["countersigned"]
    assert missing(together, code=0)["outcome"] == "PERMIT"
    row = next(row for row in rows(together) if row["kind"] == "purpose")
    assert row["countersigners"] == ["halden/halden_policy (abe): document-seen, none"]


def test_what_is_signed_is_the_statement_and_not_the_words_around_it(together: Path, tmp_path: Path) -> None:
    """Somebody changes the words of a request on its way: the command shows what the statement itself says."""
    request = tmp_path / "r.md"
    run("evidence", "request", "halden", "deployment:northmark/office", "--dir", together, "--out", request)
    request.write_text(request.read_text().replace("office assistant", "harmless thing"))
    signing = ("--key", together.parent / "halden/abe.pem", "--trust-root", together / "trust-root.json")
    said = run(
        *("evidence", "countersign", request, *signing, "--basis", "word", "--interest", "none"),
        code=1,
        answers="n\n",
    ).stderr
    assert "office assistant" in said
    assert "harmless" not in said


def test_a_countersignature_that_would_not_count_is_not_written(together: Path, tmp_path: Path) -> None:
    """By one's own party, by a stranger, or of a credential, which has no counterpart: refused, the file unchanged."""
    request = tmp_path / "r.jsonl"
    run("evidence", "request", "halden", "purpose:northmark/office", "--dir", together, "--out", request)
    before = request.read_bytes()
    own = ("--key", together / "people/ada.pem", "--trust-root", together / "trust-root.json", *OWN)
    run("evidence", "countersign", request, *own, code=2)
    run("keys", "new", "eve", "--out", tmp_path / "eve.pem")
    stranger = ("--key", tmp_path / "eve.pem", "--trust-root", together / "trust-root.json", *OWN)
    run("evidence", "countersign", request, *stranger, code=2)
    assert request.read_bytes() == before
    vouch(together, "credential:northmark/office", "--dir", together, code=2)


def test_a_request_that_would_change_nothing_says_so(alone: Path, together: Path, tmp_path: Path) -> None:
    """Alone nothing counts; and a party that is no counterpart is asked in vain."""
    out = tmp_path / "r.md"
    said = run(
        "evidence", "request", "northmark", "purpose:northmark/office", "--dir", alone, "--out", out
    ).output
    assert "one-sided" in said
    run(
        "evidence",
        "request",
        "nobody",
        "purpose:northmark/office",
        "--dir",
        together,
        "--out",
        tmp_path / "q.md",
        code=2,
    )


def test_a_forged_statement_is_not_vouched_for(together: Path, tmp_path: Path) -> None:
    """Whoever made it has to have the right to; and a statement that bears another's name is refused."""
    content = {
        "purpose": "office",
        "models": ["m-1"],
        "operations": [],
        "data_classes": ["no-persons"],
        "persons_at_most": 0,
        "basis_required": "none",
    }
    times = {
        "valid_from": parse_time("2026-01-01T00:00:00Z"),
        "valid_until": parse_time("2099-01-01T00:00:00Z"),
    }
    common = {"seq": 1, "basis": "inspected", "interest": "party", **times}
    forged = make_statement(
        "purpose", "northmark/office", {"workload": "northmark/office"}, content, **common
    )
    path = tmp_path / "forged.jsonl"
    path.write_bytes(encode_envelope(sign_envelope(forged.payload, PrivateKey.generate())) + b"\n")
    vouch(together, path, code=2)
    misnamed = make_statement(
        "purpose", "northmark/office", {"workload": "northmark/field"}, content, **common
    )
    ada = PrivateKey.load(together / "people/ada.pem")
    path.write_bytes(encode_envelope(sign_envelope(misnamed.payload, ada)) + b"\n")
    vouch(together, path, code=2)


def test_replacing_a_countersigned_statement_is_warned_of(together: Path, tmp_path: Path) -> None:
    """A newer word takes the place of the countersigned one at once; written to a file first, nothing is interrupted."""
    for kind in ("deployment", "purpose"):
        vouch(together, f"{kind}:northmark/office", "--dir", together)
    purpose = ("evidence", "new", "purpose", "--dir", together, "--workload", "office", *PURPOSE, *OWN)
    out = tmp_path / "second.jsonl"
    assert "NOTE" not in run(*purpose, "--out", out).stderr
    assert missing(together, code=0)["outcome"] == "PERMIT"
    vouch(together, out)
    run("evidence", "add", out, "--dir", together)
    assert missing(together, code=0)["outcome"] == "PERMIT"
    assert "takes its place without" in run(*purpose).stderr
    assert missing(together)["outcome"] == "DENY"


def test_what_does_not_verify_is_not_put_on_file(together: Path, tmp_path: Path) -> None:
    """A stranger's statement, and a file that is none."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"payload":"","payloadType":"x","signatures":[]}\n')
    run("evidence", "add", path, "--dir", together, code=2)
    path.write_text("# a page without a statement\n")
    run("evidence", "add", path, "--dir", together, code=2)
    assert len(rows(together)) == 3


# -- missing -------------------------------------------------------------------------------------------------------


def test_a_workload_of_which_nothing_is_known_lacks_three_statements(alone: Path) -> None:
    """A credential, so that somebody can ask; a purpose and a deployment; each with who may state it."""
    found = missing(alone, workload="new")
    assert found["workload"] == "northmark/new"
    assert "401" in found["no_credential"]
    assert {each["kind"] for each in found["ways"][0]["statements"]} == {"purpose", "deployment"}
    assert all(each["makers"] == {"northmark_records": ["ada"]} for each in found["ways"][0]["statements"])
    assert all(way["outcome"] == "PERMIT" for way in found["ways"])


def test_alone_the_counterpart_is_named(alone: Path) -> None:
    """What needs another party's people is denied, and no statement of one's own changes that: it says whose are wanted."""
    order = (
        *("--purpose", "locate-person", "--model", "m-1", "--operation", "locate", "--data-class", "persons"),
        *("--persons-at-most", "5", "--basis-required", "order"),
    )
    state(alone, "credential", "--api-key-out", alone.parent / "o.key", "--holder", "oda", workload="orders")
    state(alone, "deployment", *DEPLOYMENT, workload="orders")
    state(alone, "purpose", *order, workload="orders")
    found = missing(alone, workload="orders")
    assert found["roles_nobody_holds"] == ["northmark_commander", "counterpart_reviewer"]
    first = found["ways"][0]
    assert (first["outcome"], first["needs_people_of_another_side"], first["replaces"]) == (
        "HOLD",
        True,
        False,
    )
    assert [each["kind"] for each in first["statements"]] == ["legal-basis"]
    text = run("evidence", "missing", "--dir", alone, "--workload", "orders", code=1).output
    assert "docs/how-to/two-sides.md" in text
    assert "counterpart_reviewer" in text


def test_a_gateway_that_nobody_observes_is_named(tmp_path: Path) -> None:
    """Under clauses that ask for countersigned facts, a runner whose sight counts for nothing is the reason."""
    gateway = two_sides(tmp_path)
    content = (gateway / "trust-root.json").read_bytes()
    charter = tmp_path / "charter-2.toml"
    run("trust", "draft", "--charter", charter, "--dir", gateway)
    charter.write_text(charter.read_text().replace('observers = ["northmark"]', "observers = []"))
    out = tmp_path / "third.json"
    run("trust", "draft", "--charter", charter, "--dir", gateway, "--out", out)
    for key in (gateway / "people/northmark-side.pem", tmp_path / "halden/halden-side.pem"):
        run("trust", "sign", out, "--dir", gateway, "--key", key, "--yes")
    run("trust", "add", out, "--dir", gateway)
    assert (gateway / "trust-root.json").read_bytes() != content
    text = run("evidence", "missing", "--dir", gateway, "--workload", "northmark/office", code=1).output
    assert "names nobody as an observer who runs this gateway (northmark)" in text


def test_a_call_asks_about_its_tool(alone: Path) -> None:
    """A tool that the deployment doesn't declare: another deployment is what it takes."""
    found = missing(alone, "--action", "call", "--tool", "mail")
    assert found["ways"][0]["replaces"]
    run("evidence", "missing", "--dir", alone, "--workload", "office", "--action", "call", code=2)
    run("evidence", "missing", "--dir", alone, "--workload", "office", "--model", "m-9", code=2)


def test_every_command_has_an_example() -> None:
    """Help ends with what one would type."""
    for command in (
        *(("evidence", "new", kind) for kind in ("credential", "deployment", "purpose", "status")),
        *(("evidence", name) for name in ("request", "countersign", "add", "list", "missing")),
        *(("trust", name) for name in ("draft", "show", "sign", "add", "status")),
        *(("keys", name) for name in ("new", "show", "rotate")),
        ("init",),
        ("doctor",),
    ):
        assert f"countermark {' '.join(command)}" in run(*command, "--help").output
