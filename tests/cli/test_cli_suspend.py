"""`countermark suspend`: one side brakes at once, every side lets go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_world import Folder, document, run
from replay_traffic import recorded

from countermark.cli.offline import credential_of, offline_gateway, read_asked
from countermark.config import read_settings
from countermark.stacks.process import gateway_process


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(recorded(), tmp_path)


def decided(folder: Folder, workload: str = "northmark/office") -> tuple[str, str | None]:
    """What the gateway would decide on a harmless request now."""
    body = json.dumps({"model": "m-1", "messages": [{"role": "user", "content": "hello"}]}).encode()
    with offline_gateway(read_settings(folder.gateway)) as gateway:
        caller = credential_of(gateway, workload, None)
        asked = read_asked(gateway, caller, api="openai", headers={}, body=body)
        decision = gateway.service.consider(asked, now=gateway.service.now()).decision
        return decision.outcome.name, decision.error


SCOPES = {
    "a workload": ("--workload", "northmark/office"),
    "a model": ("--model", "m-1"),
    "a purpose": ("--purpose", "office"),
    "everything": ("--all",),
}


@pytest.mark.parametrize("case", SCOPES)
def test_one_side_stops(case: str, folder: Folder) -> None:
    """One key of one side is enough, and the brake holds from then on."""
    assert decided(folder) == ("PERMIT", None)
    taken = document(
        *("suspend", "take", *SCOPES[case], "--days", 7, "--key", folder.key("halden-side")),
        *("--dir", folder.gateway, "--yes"),
    )
    assert (taken["state"], taken["sides"]) == ("taken", ["halden"])
    outcome, why = decided(folder)
    assert outcome == "DENY"
    assert f"is suspended by halden (suspension {taken['suspension']})" in str(why)
    listed = document("suspend", "list", "--dir", folder.gateway)["suspensions"]
    assert [each["suspension"] for each in listed] == [taken["suspension"]]


def test_another_workload_goes_on(folder: Folder) -> None:
    """A brake on one workload stops that one only."""
    run(
        *(
            "suspend",
            "take",
            "--workload",
            "northmark/recall",
            "--days",
            7,
            "--key",
            folder.key("northmark-side"),
        ),
        *("--dir", folder.gateway, "--yes"),
    )
    assert decided(folder)[0] == "PERMIT"


def test_every_side_lets_go(folder: Folder, tmp_path: Path) -> None:
    """One side alone can't lift what it took; the order goes from hand to hand as a file."""
    taken = document(
        *("suspend", "take", "--all", "--days", 7, "--key", folder.key("halden-side")),
        *("--dir", folder.gateway, "--yes"),
    )["suspension"]
    halden = ("suspend", "lift", taken, "--key", folder.key("halden-side"), "--dir", folder.gateway, "--yes")
    assert "still to sign: northmark (0 of 1)" in run(*halden, code=1).output
    order = tmp_path / "lift.json"
    assert document(*halden, "--out", order)["missing"] == "northmark (0 of 1)"
    assert (
        "missing `northmark` (0 of 1)" in run("suspend", "add", order, "--dir", folder.gateway, code=2).stderr
    )
    assert decided(folder)[0] == "DENY"
    northmark = ("--key", folder.key("northmark-side"), "--dir", folder.gateway, "--yes")
    assert document("suspend", "lift", order, *northmark, "--out", order)["missing"] is None
    lifted = document("suspend", "add", order, "--dir", folder.gateway)
    assert (lifted["state"], lifted["sides"]) == ("lifted", ["halden", "northmark"])
    assert decided(folder)[0] == "PERMIT"
    assert run("suspend", "list", "--dir", folder.gateway).stdout == "no brake is on\n"
    # what was taken and lifted stands in the log, and replays
    assert "2 of" not in run("log", "replay", "--dir", folder.gateway).stdout.splitlines()[0]


def test_both_sides_lift_at_once(folder: Folder) -> None:
    """With every side's key at hand no file is needed."""
    taken = document(
        *("suspend", "take", "--all", "--days", 7, "--key", folder.key("northmark-side")),
        *("--dir", folder.gateway, "--yes"),
    )["suspension"]
    lifted = document(
        *(
            "suspend",
            "lift",
            taken,
            "--key",
            folder.key("halden-side"),
            "--key",
            folder.key("northmark-side"),
        ),
        *("--dir", folder.gateway, "--yes"),
    )
    assert lifted["state"] == "lifted"


def test_a_brake_is_carried_as_a_file(folder: Folder, tmp_path: Path) -> None:
    """A side signs where it is, with its own trust root; somebody else brings it."""
    order = tmp_path / "halt.json"
    written = document(
        *("suspend", "take", "--all", "--days", 1, "--key", folder.key("halden-side")),
        *("--trust-root", folder.root, "--yes", "--out", order),
    )
    assert decided(folder)[0] == "PERMIT"
    brought = document("suspend", "add", order, "--dir", folder.gateway)
    assert brought["suspension"] == written["suspension"]
    assert decided(folder)[0] == "DENY"


def test_a_no_stops_nothing(folder: Folder) -> None:
    """Who is asked and says no has signed nothing."""
    said = run(
        *(
            "suspend",
            "take",
            "--all",
            "--days",
            7,
            "--key",
            folder.key("halden-side"),
            "--dir",
            folder.gateway,
        ),
        code=1,
        answers="n\n",
    )
    assert "nothing was signed" in said.output
    assert decided(folder)[0] == "PERMIT"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("take", "--days", "7", "--key", "{halden-side}"), "expected exactly one of"),
        (
            ("take", "--all", "--model", "m-1", "--days", "7", "--key", "{halden-side}"),
            "expected exactly one of",
        ),
        (("take", "--all", "--days", "7", "--key", "{ada}"), "expected a key of a side"),
        (("lift", "s_none", "--key", "{halden-side}"), "expected a suspension that stands (none does)"),
        (("lift", "s_none", "--key", "{ada}"), "expected a key of a side"),
        (("add", "{gateway}/trust-root.json"), "expected predicate `suspension`"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], expected: str, folder: Folder) -> None:
    """Exit code 2, one line on standard error that says what is expected."""
    names = {name: folder.key(name) for name in ("halden-side", "ada")} | {"gateway": folder.gateway}
    filled = [each.format(gateway=folder.gateway) if "{gateway}" in each else each for each in arguments]
    filled = [
        str(names[each[1:-1]]) if each.startswith("{") and each.endswith("}") else each for each in filled
    ]
    said = run("suspend", *filled, "--dir", folder.gateway, code=2).stderr
    assert expected in said
    assert said.count("\n") == 1


def test_the_same_over_http(folder: Folder) -> None:
    """A side calls the running gateway with its own key; the brake holds from the next request on."""
    with gateway_process(folder.gateway) as url:
        halden = ("--url", url, "--key", folder.key("halden-side"))
        taken = document(
            *("suspend", "take", "--model", "m-1", "--days", 3, *halden, "--trust-root", folder.root, "--yes")
        )
        assert taken["state"] == "taken"
        listed = document("suspend", "list", *halden)["suspensions"]
        assert [(each["scope"], each["target"], each["side"]) for each in listed] == [
            ("model", "m-1", "halden")
        ]
        lifted = document(
            *("suspend", "lift", taken["suspension"], *halden, "--key", folder.key("northmark-side")),
            *("--trust-root", folder.root, "--yes"),
        )
        assert lifted["sides"] == ["halden", "northmark"]
        assert document("suspend", "list", *halden)["suspensions"] == []
