"""A statement that is genuine and not about this request, or not by whom it should be."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from attack_world import bearer, redteam, text

from countermark.attestation.envelope import encode_envelope, parse_envelope, sign_envelope
from countermark.attestation.statement import make_countersignature, parse_statement
from countermark.errors import StoreError
from countermark.testing import Deployment

PURPOSE = {
    "purpose": "security-testing",
    "models": ["m-1"],
    "operations": [],
    "data_classes": ["no-persons"],
    "persons_at_most": 0,
    "basis_required": "engagement",
}
SCOPE = {"workloads": ["northmark/office"], "ranges": ["0.0.0.0/0"], "names": []}


def other_parties(content: dict[str, Any]) -> None:
    """Halden's policy role may state what it likes about Halden's own; Brightwater has a person with every right."""
    makes = [
        {"predicate": each, "subjects": ["halden/*"]} for each in ("purpose", "engagement", "credential")
    ]
    content["roles"]["halden_policy"]["makes"] += makes


Stated = tuple[str, str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]
FOREIGN: Mapping[str, Stated] = {
    "a purpose under another's name": (
        "purpose", "northmark/other", {"workload": "northmark/office"}, PURPOSE, {}
    ),
    "a purpose of another workload": ("purpose", "northmark/other", {"workload": "northmark/other"}, PURPOSE, {}),
    "another party's purpose": ("purpose", "halden/x", {"workload": "northmark/office"}, PURPOSE, {"by": "abe"}),
    "an engagement of another party": (
        "engagement", "halden/E-1", {"engagement": "E-1", "party": "halden"}, SCOPE, {"by": "abe"}
    ),
    "an engagement for others": (
        "engagement",
        "northmark/E-1",
        {"engagement": "E-1", "party": "northmark"},
        {**SCOPE, "workloads": ["northmark/other"]},
        {},
    ),
    "an engagement under another name": (
        "engagement", "northmark/E-2", {"engagement": "E-1", "party": "northmark"}, SCOPE, {}
    ),
    "a purpose nobody countersigned": (
        "purpose", "northmark/office", {"workload": "northmark/office"}, PURPOSE, {"countersigned_by": None}
    ),
    "a purpose that its maker countersigned": (
        "purpose", "northmark/office", {"workload": "northmark/office"}, PURPOSE, {"countersigned_by": "dua"}
    ),
    "a purpose that lives too long": (
        "purpose",
        "northmark/office",
        {"workload": "northmark/office"},
        PURPOSE,
        {"life": timedelta(days=300)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("stated", FOREIGN.values(), ids=FOREIGN.keys())
async def test_no_foreign_statement_permits(stated: Stated) -> None:
    """Refused, or on file for nothing: a workload with no purpose of its own stays denied, also where it names it."""
    kind, name, descriptor, content, how = stated
    async with Deployment(trust=other_parties) as deployment:
        await deployment.add_workload("office", purpose="security-testing", basis="engagement")
        genuine = {"engagement": "E-9", "party": "northmark"}
        if kind != "engagement":
            await deployment.put(deployment.state("engagement", "northmark/E-9", genuine, SCOPE))
            deployment.files.files = {
                sha256: data
                for sha256, data in deployment.files.files.items()
                if b"urn:countermark:purpose:v1" not in _payload(data)
            }
            await deployment.restart()
        assert (await deployment.ask("office", text("rank 10.4.0.1"))).outcome == "DENY"
        try:
            sha256 = await deployment.put(deployment.state(kind, name, descriptor, content, **how))
        except StoreError:
            sha256 = "0" * 64
        named = {"countermark-statement": f"sha256:{sha256}"}
        assert (await deployment.ask("office", text("rank 10.4.0.1"), headers=named)).outcome == "DENY"


def _payload(data: bytes) -> bytes:
    return base64.b64decode(json.loads(data.splitlines()[0])["payload"])


async def test_the_same_with_a_genuine_statement_is_a_permit() -> None:
    """The table above denies for what is wrong in each row, not for all of them."""
    async with Deployment() as deployment:
        await redteam(deployment)
        assert (await deployment.ask("redteam", text("rank 10.4.0.1"))).outcome == "PERMIT"


async def test_a_countersignature_lives_no_longer_than_the_sides_agreed() -> None:
    """One that was made for longer than the bundle's lifetime of countersignatures raises nothing."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        longest = timedelta(seconds=deployment.gateway.terms.bundle.lifetimes["countersignature"])
        for life, level in ((longest + timedelta(seconds=1), "operator"), (longest, "countersigned")):
            content = {**PURPOSE, "purpose": "office", "basis_required": "none"}
            made = deployment.state(
                "purpose",
                "northmark/office",
                {"workload": "northmark/office"},
                content,
                countersigned_by=None,
            )
            counter = make_countersignature(
                parse_statement(parse_envelope(made.strip()).payload),
                seq=1,
                valid_from=deployment.now,
                valid_until=deployment.now + life,
                basis="word",
                interest="none",
            )
            signed = encode_envelope(sign_envelope(counter.payload, deployment.people["abe"]))
            answer = await deployment.call("POST", "statements", made + signed, as_person="dua")
            assert (answer.status, answer.json()["level"]) == (201, level)
            assert bool(answer.json()["ignored"]) == (level == "operator")


async def test_an_older_statement_never_comes_back() -> None:
    """Once a newer word of the same makers is on file, the older one is worth nothing, in whatever order they come."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        about = {"workload": "northmark/office"}
        content = {**PURPOSE, "purpose": "office", "basis_required": "none"}
        older = deployment.state("purpose", "northmark/office", about, content)
        newer = deployment.state("purpose", "northmark/office", about, {**content, "models": ["m-2"]})
        await deployment.put(newer)
        assert (await deployment.ask("office", text("hi"))).outcome == "DENY"
        await deployment.put(older)
        assert (await deployment.ask("office", text("hi"))).outcome == "DENY"
        await deployment.restart()
        assert (await deployment.ask("office", text("hi"))).outcome == "DENY"


async def test_two_contents_under_one_number_permit_nothing() -> None:
    """A maker who says two things at once has said nothing."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        about, content = (
            {"workload": "northmark/office"},
            {**PURPOSE, "purpose": "office", "basis_required": "none"},
        )
        await deployment.put(deployment.state("purpose", "northmark/office", about, content))
        assert (await deployment.ask("office", text("hi"))).outcome == "PERMIT"
        deployment._seq -= 1
        await deployment.put(
            deployment.state("purpose", "northmark/office", about, {**content, "purpose": "customer-service"})
        )
        assert (await deployment.ask("office", text("hi"))).outcome == "DENY"


def wants_status(content: dict[str, Any]) -> None:
    """A purpose counts with a fresh `status: good` only; both parties may make one."""
    content["status_required"] = [{"predicate": "purpose", "max_age_s": 3600}]
    content["roles"]["halden_policy"]["makes"].append({"predicate": "status", "subjects": ["northmark/*"]})


STATUSES: Mapping[str, tuple[bool, Sequence[Any]]] = {
    "none": (False, ()),
    "of the counterpart": (False, ("abe", "northmark/office", 0)),
    "under another name": (False, ("dua", "northmark/other", 0)),
    "too old": (False, ("dua", "northmark/office", 3600)),
    "good": (True, ("dua", "northmark/office", 3599)),
}


@pytest.mark.parametrize(("good", "status"), STATUSES.values(), ids=STATUSES.keys())
async def test_a_withheld_or_forged_status_permits_nothing(good: bool, status: Sequence[Any]) -> None:
    """Where the trust root asks for it, only the maker's own, fresh word keeps a statement in force."""
    async with Deployment(trust=wants_status) as deployment:
        await deployment.add_workload("office")
        about, content = (
            {"workload": "northmark/office"},
            {**PURPOSE, "purpose": "office", "basis_required": "none"},
        )
        sha256 = await deployment.put(deployment.state("purpose", "northmark/office", about, content))
        if status:
            by, name, age_s = status
            made = deployment.state(
                "status",
                name,
                {"statement": sha256},
                {"status": "good"},
                by=by,
                countersigned_by=None,
                life=timedelta(days=1),
            )
            await deployment.put(made)
            deployment.advance(age_s)
        assert (await deployment.ask("office", text("hi"))).outcome == ("PERMIT" if good else "DENY")


async def test_a_credential_names_one_workload() -> None:
    """The same key in two workloads' records is nobody's; another party's record of it changes nothing."""
    async with Deployment(trust=other_parties) as deployment:
        await deployment.add_workload("office")
        digest = hashlib.sha256(deployment.api_keys["office"].encode()).hexdigest()

        async def record(workload: str, name: str, by: str) -> None:
            content = {"workload": workload, "kind": "api-key", "sha256": digest, "holders": ["oda"]}
            content |= {"may_explain": True}
            made = deployment.state(
                "credential", workload, {"credential": name}, content, by=by, countersigned_by=None
            )
            await deployment.put(made)

        with pytest.raises(StoreError):
            await record("northmark/office", "stolen", by="abe")
        assert (await deployment.ask("office", text("hi"))).outcome == "PERMIT"
        await record("northmark/other", "second", by="dua")
        assert (await deployment.ask("office", text("hi"))).status == 401


async def test_a_credential_ends_when_its_statement_does() -> None:
    """To the second, also where it was looked up a moment before."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        key = "cm-short-" + "0" * 32
        digest = hashlib.sha256(key.encode()).hexdigest()
        content = {"workload": "northmark/office", "kind": "api-key", "sha256": digest, "holders": ["oda"]}
        made = deployment.state(
            "credential",
            "northmark/office",
            {"credential": "short"},
            {**content, "may_explain": False},
            countersigned_by=None,
            life=timedelta(seconds=10),
        )
        await deployment.put(made)
        headers = {"authorization": f"Bearer {key}"}
        for seconds, status in ((0, 200), (9, 200), (1, 401), (1, 401)):
            deployment.advance(seconds)
            assert (await deployment.ask("office", text("hi"), headers=headers)).status == status
        assert bearer(deployment, "office")


async def test_a_clock_that_is_set_back_makes_nothing_young() -> None:
    """What lapsed before the last entry stays lapsed, also after a restart at an earlier time."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        assert (await deployment.ask("office", text("hi"))).outcome == "PERMIT"
        deployment.advance(29 * 86400)
        assert (await deployment.ask("office", text("hi"))).status == 401
        await deployment.gateway.service.record({"kind": "refused", "counts": {"credential": 1}})
        deployment.advance(-10 * 86400)
        assert (await deployment.ask("office", text("hi"))).status == 401
        await deployment.restart()
        assert (await deployment.ask("office", text("hi"))).status == 401
