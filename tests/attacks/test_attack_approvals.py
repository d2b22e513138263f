"""An approval that is used twice, for something else, or by somebody who asked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attack_world import recall, text

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.oversight.approval import Verdict, make_approval
from countermark.oversight.hold import parse_hold_file
from countermark.policy.shipped import shipped_bundle
from countermark.testing import Deployment, Reply

ASK = text("whom do we notify?")


def two_officers(content: dict[str, Any]) -> None:
    """Dua may approve as a duty officer beside Ben."""
    content["roles"]["northmark_duty_officer"]["persons"] = ["ben", "dua"]


async def second_credential(deployment: Deployment, workload: str, *holders: str) -> str:
    """Another API key of a workload, held by others."""
    key = f"cm-second-{workload}-{'0' * 32}"
    content = {
        "workload": f"northmark/{workload}",
        "kind": "api-key",
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "holders": list(holders),
        "may_explain": False,
    }
    about = {"credential": f"{workload}-second"}
    await deployment.put(
        deployment.state("credential", f"northmark/{workload}", about, content, countersigned_by=None)
    )
    return key


async def sign(deployment: Deployment, hold: str, person: str, role: str, **changes: Any) -> Reply:
    """Sign a hold's approval by hand, past what the command line refuses."""
    shown = await deployment.call("GET", f"holds/{hold}", as_person="ada")
    held, content = parse_hold_file(json.dumps(shown.json()["file"]).encode())
    made = make_approval(
        replace(held, requesters=frozenset(), **changes),
        content,
        role=role,
        person=person,
        verdict=Verdict.APPROVE,
        now=deployment.now,
        basis="document-seen",
        interest="none",
    )
    signed = encode_envelope(sign_envelope(made.payload, deployment.people[person]))
    return await deployment.call("POST", f"holds/{hold}/approvals", signed, as_person=person)


async def test_who_asked_does_not_approve_through_another_credential() -> None:
    """Asked with one credential, approved by its holder, sent again with another: the first holder asked all the same."""
    async with Deployment(trust=two_officers) as deployment:
        await recall(deployment, holders=["dua"])
        key = await second_credential(deployment, "recall", "oda")
        hold = (await deployment.ask("recall", ASK)).hold
        other = {"authorization": f"Bearer {key}"}
        assert (await deployment.ask("recall", ASK, headers=other)).hold == hold
        await deployment.approve(hold, "ada")
        assert not (await sign(deployment, hold, "dua", "northmark_duty_officer")).json()["counts"]
        assert (await deployment.ask("recall", ASK, headers=other)).outcome == "HOLD"
        await deployment.approve(hold, "ben")
        assert (await deployment.ask("recall", ASK, headers=other)).outcome == "PERMIT"


CHANGED: dict[str, dict[str, Any]] = {
    "another body": {"body": {**ASK, "max_tokens": 9}},
    "the same body with a blank": {"body": json.dumps(ASK).encode() + b" "},
    "another workload": {"workload": "twin"},
    "a claim": {"headers": {"countermark-claims": "bulk_persons=no"}},
    "another API": {"api": "anthropic", "body": {**ASK, "max_tokens": 9}},
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED.keys())
async def test_an_approval_is_of_exactly_one_request(changed: dict[str, Any]) -> None:
    """Whatever is changed after the signatures is asked about anew."""
    async with Deployment() as deployment:
        await recall(deployment)
        await recall(deployment, "twin")
        hold = (await deployment.ask("recall", ASK)).hold
        for person in ("ada", "ben"):
            assert (await deployment.approve(hold, person)).json()["counts"]
        asked: dict[str, Any] = {"workload": "recall", "body": ASK, **changed}
        assert (await deployment.ask(asked.pop("workload"), asked.pop("body"), **asked)).outcome == "HOLD"
        assert deployment.upstream.received == []


async def test_a_forwarded_header_is_part_of_what_is_approved() -> None:
    """A beta that was not there when people signed makes it another request."""
    async with Deployment() as deployment:
        await recall(deployment)
        body = {**ASK, "max_tokens": 9}
        hold = (await deployment.ask("recall", body, api="anthropic")).hold
        for person in ("ada", "ben"):
            await deployment.approve(hold, person)
        beta = {"anthropic-beta": "output-128k-2025-02-19"}
        assert (await deployment.ask("recall", body, api="anthropic", headers=beta)).outcome == "HOLD"
        assert (await deployment.ask("recall", body, api="anthropic")).outcome == "PERMIT"


async def test_one_approval_is_one_permit_however_many_ask_at_once() -> None:
    """Ten times the same request in one moment: one is permitted."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        for person in ("ada", "ben"):
            await deployment.approve(hold, person)
        answers = await asyncio.gather(*(deployment.ask("recall", ASK) for _ in range(10)))
        outcomes = Counter(answer.outcome for answer in answers)
        assert outcomes["PERMIT"] == 1
        assert len(deployment.upstream.received) == 1
        used = [sha256 for entry in deployment.entries("decision") for sha256 in entry.get("approvals", ())]
        assert len(used) == len(set(used)) == 2


FORGED: dict[str, dict[str, Any]] = {
    "other facts": {"facts_sha256": "0" * 64},
    "another bundle": {"bundle": "0" * 64},
    "fewer clauses": {"clauses": ("RL-1",)},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
async def test_an_approval_names_what_was_shown(forged: dict[str, Any]) -> None:
    """One that names other facts, another bundle or other clauses is kept and does not count."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        await deployment.approve(hold, "ada")
        assert not (await sign(deployment, hold, "ben", "northmark_duty_officer", **forged)).json()["counts"]
        assert (await deployment.ask("recall", ASK)).outcome == "HOLD"


async def test_an_approval_lives_no_longer_than_the_sides_agreed(tmp_path: Path) -> None:
    """One that was made for longer than the bundle's lifetime of approvals does not count."""
    bundle = tmp_path / "bundle"
    shutil.copytree(shipped_bundle("red-lines"), bundle)
    settings = (bundle / "bundle.toml").read_text()
    (bundle / "bundle.toml").write_text(settings.replace("approval = 86400", "approval = 60"))
    async with Deployment(bundle=bundle) as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        soon = deployment.now + timedelta(seconds=60)
        for until, counts in ((soon + timedelta(seconds=1), False), (soon, True)):
            signed = await sign(deployment, hold, "ben", "northmark_duty_officer", expires_at=until)
            assert signed.json()["counts"] is counts


async def test_only_who_may_approve_refuses() -> None:
    """A signature in a role that makes no approvals closes nothing, and nothing of it is kept."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        shown = await deployment.call("GET", f"holds/{hold}", as_person="ada")
        held, content = parse_hold_file(json.dumps(shown.json()["file"]).encode())
        made = make_approval(
            held,
            content,
            role="halden_policy",
            person="abe",
            verdict=Verdict.REFUSE,
            now=deployment.now,
            basis="word",
            interest="none",
        )
        signed = encode_envelope(sign_envelope(made.payload, deployment.people["abe"]))
        assert (
            await deployment.call("POST", f"holds/{hold}/approvals", signed, as_person="abe")
        ).status == 422
        assert not [name for name in deployment.files.kept if name.endswith(".json")]
        for person in ("ada", "ben"):
            assert (await deployment.approve(hold, person)).json()["counts"]
        assert (await deployment.ask("recall", ASK)).outcome == "PERMIT"


async def test_nothing_is_kept_for_a_hold_that_is_closed() -> None:
    """An approval that comes late is not archived: it would be a way to fill the disk."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        shown = await deployment.call("GET", f"holds/{hold}", as_person="ada")
        held, content = parse_hold_file(json.dumps(shown.json()["file"]).encode())
        for person in ("ada", "ben"):
            await deployment.approve(hold, person)
        assert (await deployment.ask("recall", ASK)).outcome == "PERMIT"
        kept = len(deployment.files.kept)
        for seq in range(3):
            made = make_approval(
                held,
                content,
                role="halden_reviewer",
                person="ada",
                verdict=Verdict.APPROVE,
                now=deployment.now.replace(second=seq),
                basis="word",
                interest="none",
            )
            signed = encode_envelope(sign_envelope(made.payload, deployment.people["ada"]))
            assert (
                await deployment.call("POST", f"holds/{hold}/approvals", signed, as_person="ada")
            ).status == 409
        assert len(deployment.files.kept) == kept
