"""`countermark explain`: why, on whose word, and what is missing."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from cli_world import document, run
from replay_traffic import Recorded, recorded

from countermark.demo.story import STORY
from countermark.tlog.reader import LogReader

TEXTS = {each.number: each.text for each in STORY}


@pytest.fixture(scope="module")
def made() -> Recorded:
    return recorded()


def request(tmp_path: Path, text: str = "hello", **more: object) -> Path:
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"model": "m-1", "messages": [{"role": "user", "content": text}], **more}))
    return path


def rows(state: Path) -> list[str]:
    """Everything that a state file holds."""
    with contextlib.closing(sqlite3.connect(state)) as connection:
        return list(connection.iterdump())


def test_a_permit_names_its_clause_and_those_who_vouch(made: Recorded, tmp_path: Path) -> None:
    """Facts stand under the statement that they come from: level, tie, signers, how each of them knows."""
    said = run(
        "explain", request(tmp_path), "--workload", "northmark/office", "--dir", made.world.gateway
    ).stdout
    for expected in (
        "PERMIT by P-1",
        "purpose northmark/office, statement",
        "countersigned; tied by credential of the workload (observed); counts as countersigned",
        "northmark/northmark_records (dua): inspected, party",
        "halden/halden_policy (abe): document-seen, none",
        "countersigned.purpose = office",
        "the gateway saw (observed):",
        "nothing is known of",
    ):
        assert expected in said


def test_nothing_is_entered_or_kept(made: Recorded, tmp_path: Path) -> None:
    """Explaining a request that would be held leaves log and state as they were."""
    gateway = made.world.gateway
    before = (LogReader(gateway / "log").size, rows(gateway / "state.sqlite"))
    said = run(
        "explain", request(tmp_path, TEXTS[4]), "--workload", "northmark/recall", "--dir", gateway, code=1
    ).stdout
    assert "HOLD by RL-5" in said
    assert "people have to approve: 1 x northmark_duty_officer (ben) and 1 x halden_reviewer (ada)" in said
    assert (LogReader(gateway / "log").size, rows(gateway / "state.sqlite")) == before


def test_a_denial_says_the_smallest_evidence_and_who_could_give_it(made: Recorded, tmp_path: Path) -> None:
    """More evidence comes before another truth; makers and counterparts are named by role and person."""
    asked = (
        "explain",
        request(tmp_path, TEXTS[5]),
        "--workload",
        "northmark/tracking",
        "--dir",
        made.world.gateway,
    )
    found = document(*asked, code=1)
    assert (found["outcome"], found["clauses"]) == ("DENY", ["RL-1", "RL-5"])
    first = found["missing"][0]
    assert first["outcome"] == "HOLD"
    assert [(c["fact"], c["needs"], c["kind"]) for c in first["changes"]] == [
        ("countersigned.order", ["inside"], "legal-basis")
    ]
    assert first["replaces"] is False
    assert first["statements"][0]["makers"] == {"northmark_records": ["dua"]}
    assert first["statements"][0]["countersigners"] == {"halden_policy": ["abe"]}
    assert all(each["replaces"] for each in found["missing"][1:])
    assert "with another truth than what is on file" in run(*asked, code=1).stdout


def test_relations_are_counted(made: Recorded, tmp_path: Path) -> None:
    """How many of the persons in the request lie outside the order."""
    said = run(
        *(
            "explain",
            request(tmp_path, TEXTS[7]),
            "--workload",
            "northmark/orders",
            "--dir",
            made.world.gateway,
        ),
        code=1,
    ).stdout
    assert "24 of 25 outside order 17/3" in said
    assert "countersigned.order = inside   (now outside)" in said


def test_no_evidence_outweighs_what_a_caller_says_against_itself(made: Recorded, tmp_path: Path) -> None:
    """A claim is believed where it restricts; what is missing is never that somebody lies."""
    said = run(
        *("explain", request(tmp_path), "--workload", "northmark/analysis", "--dir", made.world.gateway),
        *("--header", "countermark-claims: bulk_persons=yes"),
        code=1,
    ).stdout
    assert "the caller says (claimed):" in said
    assert "No statement that could be made would change the answer." in said
    assert "(claimed.bulk_persons) is believed against it" in said


def test_what_was_ignored_is_said_with_its_reason(made: Recorded, tmp_path: Path) -> None:
    """A consent that nothing ties to the request; a statement that a newer one replaced."""
    said = run(
        "explain", request(tmp_path), "--workload", "northmark/survey", "--dir", made.world.gateway, code=1
    ).stdout
    assert "nothing in the request names its data set, and nothing recognises it" in said
    said = run(
        "explain", request(tmp_path), "--workload", "northmark/desk-3", "--dir", made.world.gateway
    ).stdout
    assert "replaced by seq 2 of the same makers" in said


DECISIONS = {
    "recall with both": ("PERMIT", "approved by 1 x northmark_duty_officer, 1 x halden_reviewer"),
    "recall with one signature": ("HOLD", "approved by 1 x halden_reviewer"),
    "undeclared tool": ("DENY", "countersigned.tool_declared = no"),
    "desk 1 suspended": ("DENY", "is suspended by halden"),
    "not carried": ("DENY", "web_search_options"),
    "desk 2": ("PERMIT", "deployment northmark/desk-2, statement"),
}


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_is_explained_as_it_was_then(name: str, made: Recorded) -> None:
    """A decision id: taken again from the statements that were on file at that entry, not from those of today."""
    outcome, expected = DECISIONS[name]
    code = 0 if outcome == "PERMIT" else 1
    said = run("explain", made.ids[name], "--dir", made.world.gateway, code=code).stdout
    assert said.startswith(outcome)
    assert expected in said
    found = document("explain", made.ids[name], "--dir", made.world.gateway, code=code)
    assert (found["decision"], found["outcome"], found["mismatches"]) == (made.ids[name], outcome, [])


def test_the_other_api_is_read_in_its_own_form(made: Recorded, tmp_path: Path) -> None:
    """`--api anthropic` reads a body of that API."""
    path = request(tmp_path, max_tokens=5)
    asked = ("explain", path, "--workload", "northmark/office", "--dir", made.world.gateway)
    assert run(*asked, "--api", "anthropic").stdout.startswith("PERMIT")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("{request}",), "expected who asks, with --workload"),
        (("{request}", "--workload", "northmark/nobody"), "expected a credential of `northmark/nobody`"),
        (("{request}", "--workload", "northmark/office", "--credential", "x"), "expected credential `x`"),
        (("{request}", "--workload", "northmark/office", "--header", "x"), "expected a header as"),
        (("{tmp}/none", "--workload", "northmark/office"), "expected to read"),
        (("d_aaaaaaaaaaaaaaaaaaaaaaaaaa",), "expected an entry's number or a decision"),
        (("{broken}", "--workload", "northmark/office"), "expected"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...], expected: str, made: Recorded, tmp_path: Path
) -> None:
    """Exit code 2, one line on standard error that says what is expected."""
    broken = tmp_path / "broken.json"
    broken.write_text('{"model": "m-1", "model": "m-2"}')
    filled = [each.format(tmp=tmp_path, request=request(tmp_path), broken=broken) for each in arguments]
    said = run("explain", *filled, "--dir", made.world.gateway, code=2).stderr
    assert expected in said
    assert said.count("\n") == 1
