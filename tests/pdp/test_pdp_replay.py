"""Replay: an auditor takes every decision again, from what people signed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from replay_traffic import Entries, Recorded, recorded, remake

from countermark.config import read_secret
from countermark.errors import MalformedError, TamperedError
from countermark.pdp.archive import Archive
from countermark.pdp.replay import ReplayReport, replay
from countermark.tlog.entry import encode_entry, parse_entry
from countermark.tlog.reader import LogReader
from countermark.tlog.verify import verify_log

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def made() -> Recorded:
    return recorded()


def replay_folder(gateway: Path, **options: Any) -> ReplayReport:
    reader = LogReader(gateway / "log")
    return replay(reader.entries(), Archive(gateway / "archive"), whole=reader.size, **options)


def of(entries: Entries, made: Recorded, name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry.get("id") == made.ids[name])


def test_every_decision_of_mixed_traffic_is_reproduced(made: Recorded) -> None:
    """Twelve workloads, every outcome, people, brakes, statements that come and go, a crash: all of it decided again."""
    told: list[tuple[int, int]] = []
    gateway = made.world.gateway
    report = replay_folder(
        gateway,
        digest_key=read_secret(gateway / "keys" / "digest.key"),
        progress=lambda done, whole: told.append((done, whole)),
    )
    assert [str(each) for each in report.mismatches] == []
    assert report.reproduced == report.decisions == sum(report.outcomes.values())
    assert set(made.ids.values()) <= {
        e.get("id") for e in (parse_entry(d) for _, d in LogReader(gateway / "log"))
    }
    assert min(report.outcomes[each] for each in ("PERMIT", "HOLD", "DENY")) > 4
    # what only the gateway saw: a field that is not carried, a hold that was refused, the brake
    assert report.on_error == 3
    assert told[-1] == (report.entries, report.entries)


def test_the_traffic_is_what_it_says(made: Recorded) -> None:
    """The log that the other tests rest on holds what they need: each kind of decision for its own reason."""
    expected = {
        "office work": "PERMIT",
        "bulk, as it says itself": "DENY",
        "tracking": "DENY",
        "one person inside the order": "HOLD",
        "persons outside the order": "DENY",
        "scan inside the engagement": "PERMIT",
        "scan outside the engagement": "DENY",
        "recall with one signature": "HOLD",
        "recall with both": "PERMIT",
        "recall after a refusal": "DENY",
        "call": "HOLD",
        "call with both": "PERMIT",
        "undeclared tool": "DENY",
        "desk 3 while a statement begins": "DENY",
        "desk 3, changed by hand": "PERMIT",
        "desk 2 without its deployment": "DENY",
        "desk 1 suspended": "DENY",
        "desk 1 again": "PERMIT",
    }
    assert {name: made.asked[name] for name in expected} == expected


def set_outcome(name: str) -> Callable[[Entries, Recorded], None]:
    def change(entries: Entries, made: Recorded) -> None:
        of(entries, made, name).update(outcome="PERMIT", clauses=["P-1"])

    return change


def set_facts(entries: Entries, made: Recorded) -> None:
    entry = of(entries, made, "tracking")
    good = {
        "countersigned.locates": "no",
        "countersigned.links": "no",
        "countersigned.basis_required": "none",
    }
    entry.update(outcome="PERMIT", clauses=["P-1"], facts=entry["facts"] | good)


def shrink_relation(entries: Entries, made: Recorded) -> None:
    entry = of(entries, made, "persons outside the order")
    entry["observation"]["relations"][0]["outside"] = 0
    entry["facts"]["countersigned.order"] = "inside"
    entry.update(outcome="HOLD", clauses=["RL-5"], quorum={"northmark_duty_officer": 1, "halden_reviewer": 1})


def drop_relation(entries: Entries, made: Recorded) -> None:
    entry = of(entries, made, "scan outside the engagement")
    del entry["observation"]["relations"]


def invent_approvals(entries: Entries, made: Recorded) -> None:
    of(entries, made, "survey").update(
        outcome="PERMIT",
        clauses=["P-2"],
        quorum={},
        approved={"northmark_duty_officer": 1, "halden_reviewer": 1},
    )


def borrow_approvals(entries: Entries, made: Recorded) -> None:
    signed = of(entries, made, "recall with both")
    of(entries, made, "survey").update(
        {name: signed[name] for name in ("outcome", "clauses", "approvals", "approved")}, quorum={}
    )


def permit_under_the_brake(entries: Entries, made: Recorded) -> None:
    entry = of(entries, made, "desk 1 suspended")
    again = of(entries, made, "desk 1 again")
    del entry["error"]
    entry.update({name: again[name] for name in ("outcome", "clauses", "valid_until")})


def raise_runner(entries: Entries, made: Recorded) -> None:
    entries[0]["runner_level"] = "operator"


def another_credential(entries: Entries, made: Recorded) -> None:
    of(entries, made, "tracking")["credential"] = of(entries, made, "office work")["credential"]


def turn_back_time(entries: Entries, made: Recorded) -> None:
    of(entries, made, "desk 1 again")["at"] = entries[0]["at"].replace("20", "19", 1)


FORGERIES: dict[str, tuple[Callable[[Entries, Recorded], None], str]] = {
    "a denial made a permit": (set_outcome("tracking"), "outcome: the log says PERMIT, replayed DENY"),
    "a hold made a permit": (set_outcome("survey"), "outcome: the log says PERMIT, replayed HOLD"),
    "the facts column made to fit": (set_facts, "facts: the log says countersigned.links = no, replayed"),
    "fewer persons outside the order": (
        shrink_relation,
        "relations: the log says order 17/3 covers 25 of 25",
    ),
    "a relation left out": (drop_relation, "relations: the log says nothing, replayed one to statement"),
    "approvals that nobody signed": (invent_approvals, "replayed none that anybody signed"),
    "approvals of another action": (borrow_approvals, "does not count"),
    "a permit under a brake": (permit_under_the_brake, "is suspended by halden"),
    "another runner's level": (raise_runner, "terms: the log says operator, replayed observed"),
    "another workload's credential": (another_credential, "credential: the log says northmark/tracking"),
    "a clock that was turned back": (turn_back_time, "time: the log says"),
}


@pytest.mark.parametrize("case", FORGERIES)
def test_a_forged_history_verifies_and_does_not_replay(case: str, made: Recorded, tmp_path: Path) -> None:
    """Who has the log's key can sign another history; `log verify` can't tell, replay names the entry."""
    change, expected = FORGERIES[case]
    gateway = made.copy(tmp_path)
    vkey = remake(gateway, lambda entries: change(entries, made))
    assert verify_log(gateway / "log", vkeys=[vkey]).size > 100
    found = [str(each) for each in replay_folder(gateway).mismatches]
    assert any(expected in each for each in found), found


def test_one_approval_used_twice_is_found(made: Recorded, tmp_path: Path) -> None:
    """A second permit on the same signatures names the entry that used them first."""
    gateway = made.copy(tmp_path)

    def again(entries: Entries) -> None:
        at = next(i for i, e in enumerate(entries) if e.get("id") == made.ids["recall with both"])
        entries[at + 1 : at + 1] = [entries[at] | {"id": "d_aaaaaaaaaaaaaaaaaaaaaaaaaa"}]
        for entry in entries[at + 2 :]:
            if entry.get("on_file", 0) > at:
                entry["on_file"] += 1

    remake(gateway, again)
    found = [str(each) for each in replay_folder(gateway).mismatches]
    assert [each for each in found if "used before, by entry" in each]
    assert all("approvals" in each for each in found)


def test_going_on_with_older_statements_is_found(made: Recorded, tmp_path: Path) -> None:
    """A gateway that logs a newer statement and goes on deciding on the older one is found after a minute."""
    gateway = made.copy(tmp_path)

    def older(entries: Entries) -> None:
        filed = [i for i, e in enumerate(entries) if e["kind"] == "filed"]
        first = next(i for i, e in enumerate(entries) if e["kind"] == "decision" and i > filed[-3])
        for entry in entries[first:]:
            if entry["kind"] == "decision":
                entry["on_file"] = filed[-3] - 1
            hour = int(entry["at"][11:13])
            entry["at"] = f"{entry['at'][:11]}{(hour + 1) % 24:02d}{entry['at'][13:]}"

    remake(gateway, older)
    found = [str(each) for each in replay_folder(gateway).mismatches]
    assert any("on file: the log says entry" in each for each in found), found[:5]


def edit_statement(archive: Path) -> str:
    path = next(iter(sorted((archive / "statements").iterdir())))
    document = json.loads(path.read_bytes().split(b"\n")[0])
    document["signatures"] = document["signatures"] * 2
    path.write_bytes(json.dumps(document).encode() + b"\n")
    return path.name


def edit_bundle(archive: Path) -> str:
    path = next(iter(archive.glob("bundles/*/clauses/RL-1.md")))
    path.write_text(path.read_text().replace("not be used", "be used", 1) + "\n")
    return "bundles/"


def edit_approval(archive: Path) -> str:
    paths = sorted((archive / "approvals").iterdir())
    for path, other in zip(paths, [*paths[1:], paths[0]], strict=True):
        path.with_suffix(".new").write_bytes(other.read_bytes())
    for path in paths:
        path.with_suffix(".new").rename(path)
    return "approvals/"


def drop_statement(archive: Path) -> str:
    path = next(iter(sorted((archive / "statements").iterdir())))
    path.unlink()
    return path.name


def spoil_trust_root(archive: Path) -> str:
    path = next(iter((archive / "trust-roots").iterdir()))
    path.write_bytes(b"{}")
    return path.name


def edit_bundle_approval(archive: Path) -> str:
    path = next(iter((archive / "bundle-approvals").iterdir()))
    path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")
    return path.name


@pytest.mark.parametrize(
    "spoil",
    [edit_statement, drop_statement, edit_bundle, edit_bundle_approval, spoil_trust_root, edit_approval],
)
def test_an_edited_archive_is_named(spoil: Callable[[Path], str], made: Recorded, tmp_path: Path) -> None:
    """What the log names by digest can't be exchanged in the archive; the error names the file."""
    gateway = made.copy(tmp_path)
    name = spoil(gateway / "archive")
    with pytest.raises(TamperedError) as caught:
        replay_folder(gateway)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_log_without_its_beginning_is_refused(made: Recorded) -> None:
    """A decision before any start can't be taken again, and is no pass."""
    entries = [
        (i, d) for i, d in LogReader(made.world.gateway / "log") if parse_entry(d)["kind"] == "decision"
    ]
    with pytest.raises(TamperedError, match="the beginning of the log is missing"):
        replay(entries, Archive(made.world.gateway / "archive"), whole=1)


@pytest.mark.parametrize("missing", ["at", "workload", "observation", "facts", "clauses", "action"])
def test_an_entry_that_no_gateway_writes_is_refused(missing: str, made: Recorded) -> None:
    """A decision without a field is an error that names the entry, never a pass."""
    entries: list[tuple[int, bytes]] = []
    for index, data in LogReader(made.world.gateway / "log"):
        entry = parse_entry(data)
        if entry.get("id") == made.ids["tracking"]:
            del entry[missing]
        entries.append((index, encode_entry(entry)))
    with pytest.raises(MalformedError, match=r"expected entry \d+ as a gateway writes it"):
        replay(entries, Archive(made.world.gateway / "archive"), whole=len(entries))


def test_every_field_of_an_entry_is_specified(made: Recorded) -> None:
    """`spec/entry.md` names each kind of entry and each field that mixed traffic leaves in them."""
    page = (Path(__file__).parents[2] / "spec" / "entry.md").read_text(encoding="utf-8")
    found = {"kind"}
    for _, data in LogReader(made.world.gateway / "log"):
        entry = parse_entry(data)
        found |= {entry["kind"]}
        if entry["kind"] not in ("answer", "refused"):
            found |= set(entry) | set(entry.get("observation", ()))
    assert {name for name in found if f"`{name}`" not in page} == set()
