"""`countermark hold`: what is shown before somebody signs, and what a signature comes to."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_world import Folder, document, run
from replay_traffic import recorded

from countermark.stacks.process import gateway_process


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(recorded(), tmp_path)


def test_open_holds_are_listed_with_what_they_need(folder: Folder) -> None:
    """Each open hold, and nobody else's: workload, action, clauses, quorum, expiry."""
    holds = document("hold", "list", "--dir", folder.gateway)["holds"]
    assert {each["workload"] for each in holds} == {"northmark/orders", "northmark/survey"}
    assert all(each["quorum"] == {"halden_reviewer": 1, "northmark_duty_officer": 1} for each in holds)
    text = run("hold", "list", "--dir", folder.gateway).stdout
    assert "northmark/survey" in text
    assert "1 x halden_reviewer" in text


def test_a_hold_says_in_words_what_is_signed(folder: Folder) -> None:
    """Who asks what, on which clauses and facts, who made them and how they know, and the request itself."""
    text = run("hold", "show", folder.hold_of("survey"), "--dir", folder.gateway).stdout
    for said in (
        "`northmark/survey` sends to the model `m-1`",
        "RL-5 (Only attested purposes, each inside its legal basis)",
        "oda, pia (cannot approve)",
        "countersigned.purpose = survey",
        "halden/halden_policy (abe): document-seen",
        "this may happen ONCE",
        "Group these survey volunteers",
    ):
        assert said in text


def test_a_closed_hold_shows_no_content(folder: Folder) -> None:
    """After a refusal the content is gone; what is left names the hold and its state."""
    hold = folder.hold_of("survey")
    run(
        "hold",
        "refuse",
        hold,
        "--dir",
        folder.gateway,
        "--key",
        folder.key("ben"),
        "--basis",
        "inspected",
        "--yes",
    )
    shown = document("hold", "show", hold, "--dir", folder.gateway)
    assert shown["hold"]["state"] == "refused"
    assert "body" not in shown
    assert "its content is gone" in run("hold", "show", hold, "--dir", folder.gateway).stdout


def test_two_people_of_two_parties_complete_a_hold(folder: Folder) -> None:
    """On the folder, without a server: each signature counts once, and what is still needed is said by name."""
    hold = folder.hold_of("survey")
    sign = ("hold", "approve", hold, "--dir", folder.gateway, "--basis", "document-seen", "--yes")
    first = run(*sign, "--key", folder.key("ada"))
    assert "signed, and it counts" in first.stdout
    assert "still needed: 1 x northmark_duty_officer (ben)" in first.stdout
    second = document(*sign, "--key", folder.key("ben"))
    assert (second["counts"], second["missing"]) == (True, {})
    assert len(folder.approvals(hold)) == 2


def test_a_hold_is_carried_to_its_signer_and_back_by_file(folder: Folder, tmp_path: Path) -> None:
    """`show --out`, `approve FILE --out`, `add FILE`: the signer needs no gateway, only a trust root of their own."""
    hold = folder.hold_of("orders")
    held, signed = tmp_path / "order.hold", tmp_path / "order.approval"
    run("hold", "show", hold, "--dir", folder.gateway, "--out", held)
    text = run(
        *(
            "hold",
            "approve",
            held,
            "--trust-root",
            folder.root,
            "--dir",
            tmp_path,
            "--key",
            folder.key("ada"),
        ),
        *("--basis", "inspected", "--out", signed),
        answers="y\n",
    )
    assert "You sign as ada of halden" in text.output
    assert folder.approvals(hold) == []
    brought = document("hold", "add", signed, "--dir", folder.gateway)
    assert (brought["hold"], brought["counts"]) == (hold, True)
    assert folder.approvals(hold) == [signed.read_bytes().strip()]
    run("hold", "show", hold, "--dir", folder.gateway, "--out", held, code=2)  # no file is overwritten


def test_a_no_signs_nothing(folder: Folder) -> None:
    """Who is asked and says no has signed nothing; the exit code says so."""
    hold = folder.hold_of("survey")
    said = run(
        *(
            "hold",
            "approve",
            hold,
            "--dir",
            folder.gateway,
            "--key",
            folder.key("ada"),
            "--basis",
            "inspected",
        ),
        code=1,
        answers="n\n",
    )
    assert "nothing was signed" in said.output
    assert folder.approvals(hold) == []


def test_how_the_signer_knows_is_theirs_to_say(folder: Folder) -> None:
    """The basis is asked for; with --yes it has to be given, and is never filled in."""
    hold = folder.hold_of("survey")
    options = ("hold", "approve", hold, "--dir", folder.gateway, "--key", folder.key("ada"))
    assert "expected how you know, with --basis" in run(*options, "--yes", code=2).stderr
    asked = run(*options, answers="word\ny\n")
    assert "how you know: word" in asked.output


def test_a_signature_in_another_role_does_not_count(folder: Folder) -> None:
    """It is kept, it does not count, the reason is said, and the exit code is 1."""
    hold = folder.hold_of("survey")
    said = run(
        *(
            "hold",
            "approve",
            hold,
            "--dir",
            folder.gateway,
            "--key",
            folder.key("ada"),
            "--basis",
            "inspected",
        ),
        *("--yes", "--as", "northmark_duty_officer"),
        code=1,
    )
    assert "does NOT count" in said.stdout
    assert "expected the signature of `ada` as `northmark_duty_officer`" in said.stdout


def body(held: dict[str, Any]) -> None:
    held["body"] = base64.b64encode(base64.b64decode(held["body"]).replace(b"survey", b"voters")).decode()


def facts(held: dict[str, Any]) -> None:
    held["hold"]["values"]["countersigned.profiles"] = "no"


def workload(held: dict[str, Any]) -> None:
    held["hold"]["workload"] = "northmark/office"


def model(held: dict[str, Any]) -> None:
    held["descriptor"]["resource"] = "m-2"


@pytest.mark.parametrize("spoil", [body, facts, workload, model])
def test_what_is_shown_is_what_is_signed(
    spoil: Callable[[dict[str, Any]], None], folder: Folder, tmp_path: Path
) -> None:
    """A hold whose body, facts, workload or model was changed on the way is refused before it is shown."""
    held = tmp_path / "survey.hold"
    run("hold", "show", folder.hold_of("survey"), "--dir", folder.gateway, "--out", held)
    changed = json.loads(held.read_bytes())
    spoil(changed)
    held.write_text(json.dumps(changed))
    said = run(
        *("hold", "approve", held, "--trust-root", folder.root, "--key", folder.key("ada")),
        *("--basis", "inspected", "--yes", "--out", tmp_path / "signed"),
        code=2,
    )
    assert "expected" in said.stderr
    assert not (tmp_path / "signed").exists()


REFUSED = {
    "somebody without a role that the hold needs": ("dua", "expected a role that this hold needs"),
    "a side's key, which is no person's": ("halden-side", "expected the key of a person"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_only_people_with_a_role_sign(case: str, folder: Folder) -> None:
    """Who can't count is told before anything is signed."""
    name, expected = REFUSED[case]
    said = run(
        *("hold", "approve", folder.hold_of("survey"), "--dir", folder.gateway, "--key", folder.key(name)),
        *("--basis", "inspected", "--yes"),
        code=2,
    )
    assert expected in said.stderr


def test_a_key_that_others_can_read_is_refused(folder: Folder, tmp_path: Path) -> None:
    """A private key has mode 0600, or it signs nothing."""
    key = tmp_path / "ada.pem"
    key.write_bytes(folder.key("ada").read_bytes())
    key.chmod(0o644)
    said = run("hold", "approve", folder.hold_of("survey"), "--dir", folder.gateway, "--key", key, code=2)
    assert "expected mode 0600" in said.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Folder, str]]:
    copy = Folder(recorded(), tmp_path_factory.mktemp("served"))
    with gateway_process(copy.gateway) as url:
        yield copy, url


def test_the_same_over_http(served: tuple[Folder, str]) -> None:
    """With --url the gateway's own API answers; a person signs each call with their key."""
    folder, url = served
    hold = folder.hold_of("survey")
    ada = ("--url", url, "--key", folder.key("ada"))
    assert hold in run("hold", "list", *ada).stdout
    shown = run("hold", "show", hold, *ada).stdout
    assert "Group these survey volunteers" in shown
    assert "each inside its legal basis, as the gateway says" in shown
    # the content is for those whose role may approve
    assert (
        "your role doesn't show you its content"
        in run("hold", "show", hold, "--url", url, "--key", folder.key("dua")).stdout
    )
    signed = document(
        *("hold", "approve", hold, *ada, "--trust-root", folder.root, "--basis", "inspected", "--yes")
    )
    assert (signed["counts"], signed["missing"]) == (True, {"northmark_duty_officer": 1})
    closed = document(
        *("hold", "refuse", hold, "--url", url, "--key", folder.key("ben"), "--trust-root", folder.root),
        *("--basis", "inspected", "--yes"),
    )
    assert closed["counts"]
    late = run(
        *("hold", "approve", hold, *ada, "--trust-root", folder.root, "--basis", "inspected", "--yes"), code=2
    )
    assert "which is refused" in late.stderr


def test_a_folder_that_is_in_use_asks_for_its_address(served: tuple[Folder, str], tmp_path: Path) -> None:
    """A command doesn't write beside a gateway that runs elsewhere: it says what to do."""
    folder, _ = served
    hold = folder.hold_of("orders")
    assert hold in run("hold", "list", "--dir", folder.gateway).stdout  # looking is free
    said = run(
        *("hold", "approve", hold, "--dir", folder.gateway, "--key", folder.key("ada")),
        *("--basis", "inspected", "--yes"),
        code=2,
    )
    assert "name its address with --url" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("hold", "list", "--dir", "nowhere"), "expected `"),
        (("hold", "list", "--url", "ftp://gateway.example", "--key", "{ada}"), "expected an address like"),
        (("hold", "list", "--url", "http://127.0.0.1:9", "--key", "{ada}"), "expected a gateway at"),
        (("hold", "list", "--url", "http://127.0.0.1:9"), "expected your key"),
        (("hold", "show", "h_aaaaaaaaaaaaaaaaaaaaaaaaaa", "--dir", "{gateway}"), "expected a hold on file"),
        (("hold", "show", "missing.hold", "--dir", "{gateway}"), "expected to read"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], expected: str, folder: Folder) -> None:
    """Exit code 2, one line on standard error that says what is expected."""
    filled = [each.format(ada=folder.key("ada"), gateway=folder.gateway) for each in arguments]
    said = run(*filled, code=2).stderr
    assert expected in said
    assert said.count("\n") == 1
