"""The gateway's own API in the hands of a stranger, a workload, or one side against the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from attack_world import bearer, recall, text, visit

from countermark.attestation.envelope import encode_envelope, parse_envelope, read_lines, sign_envelope
from countermark.attestation.keys import PrivateKey, PublicKey
from countermark.attestation.statement import make_countersignature, parse_statement
from countermark.attestation.verify import MAX_FILE_SIGNATURES
from countermark.policy.approval import make_suspension
from countermark.testing import Deployment

WHAT_IS_MISSING = {
    "values",
    "facts",
    "facts_sha256",
    "quorum",
    "requesters",
    "observation",
    "relations",
    "needs",
}
"""Names under which a document would tell what evidence is missing."""


# what is missing is an oracle


async def test_a_hold_does_not_tell_its_workload_what_is_missing() -> None:
    """Without the right to `explain`, a workload's own hold says clauses and expiry; no facts, and not who is needed."""
    async with Deployment() as deployment:
        await recall(deployment)
        await recall(deployment, "told", may_explain=True)
        held = await deployment.ask("recall", text("hello"))
        assert not WHAT_IS_MISSING & held.countermark.keys()
        listed = (await visit(deployment, "recall", "GET", "holds")).json()["holds"][0]
        shown = (await visit(deployment, "recall", "GET", f"holds/{held.hold}")).json()
        entry = (await visit(deployment, "recall", "GET", f"decisions/{held.decision}")).json()["entry"]
        for document in (listed, shown["hold"], entry):
            assert not WHAT_IS_MISSING & document.keys()
            assert document["clauses"] == ["RL-5"]
        told = await deployment.ask("told", text("hello"))
        assert (await visit(deployment, "told", "GET", f"holds/{told.hold}")).json()["hold"]["facts"]


@pytest.mark.parametrize("who", ["a stranger", "a workload"])
async def test_the_logs_entries_are_for_people(who: str) -> None:
    """Hash tiles and checkpoint are everybody's; entries hold the facts of every decision, and want a known key."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        headers = bearer(deployment, "office") if who == "a workload" else {}
        for path in ("tile/entries/000", "tile/entries/000.p/3", "/tile/entries/000", "tile//entries/000"):
            asked = await deployment.request("GET", f"/countermark/v1/log/{path}", headers=headers)
            assert asked.status in {401, 403}
        for path in ("checkpoint", "tile/0/000"):
            asked = await deployment.request("GET", f"/countermark/v1/log/{path}", headers=headers)
            assert (
                asked.status == 404
            )  # nothing is published in memory, and nobody was asked for a credential
        asked = await deployment.call("GET", "log/tile/entries/000", as_person="ada")
        assert asked.status == 404


TRAVERSAL = (
    "tile/../../keys/gateway.pem",
    "tile/..%2f..%2fkeys",
    "tile/.p./x",
    "tile/" + "a" * 300,
    "tile/\x00",
    "checkpoint/",
)


@pytest.mark.parametrize("path", TRAVERSAL)
async def test_no_path_leads_out_of_the_log(path: str) -> None:
    """Every part of a tile's path is a number or a word; nothing else is looked for on disk."""
    async with Deployment() as deployment:
        for prefix in ("log/", "log/tile/"):
            assert (await deployment.call("GET", prefix + path, as_person="ada")).status == 404


# a stranger costs little and leaves a trace


class _Body:
    """A request whose body is never whole; `read` says whether anybody began to read it."""

    def __init__(self) -> None:
        self.read = False

    async def receive(self) -> dict[str, Any]:
        self.read = True
        return {"type": "http.request", "body": b"x" * 65536, "more_body": True}


async def _post(
    deployment: Deployment, path: str, headers: Sequence[tuple[bytes, bytes]]
) -> tuple[int, bool]:
    body, status = _Body(), [0]

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status[0] = message["status"]

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": headers,
    }
    await deployment.app(scope, body.receive, send)
    return status[0], body.read


@pytest.mark.parametrize(
    "path", ["/countermark/v1/statements", "/countermark/v1/explain", "/v1/models", "/v1/messages"]
)
async def test_a_strangers_body_is_not_read(path: str) -> None:
    """Who presents nothing that is on file is refused on the headers, counted, and summed up in the log."""
    async with Deployment() as deployment:
        for headers in (
            [],
            [(b"authorization", b"Bearer nobody")],
            [(b"signature-input", b'cm=();keyid="' + b"0" * 64 + b'"')],
        ):
            assert await _post(deployment, path, headers) == (401, False)
        deployment.advance(61)
        await asyncio.sleep(1.1)
        [entry] = deployment.entries("refused")
        assert entry["counts"] == {"credential": 3}


async def test_calls_of_the_api_have_a_limit_of_their_own() -> None:
    """As many slow bodies as allowed, and the next call is refused; requests to models don't take its slots."""
    async with Deployment(settings={"max_concurrent": 2}) as deployment:
        await deployment.add_workload("office")
        headers = [(name.encode(), value.encode()) for name, value in bearer(deployment, "office").items()]
        scope = {"type": "http", "method": "POST", "scheme": "http", "path": "/countermark/v1/explain"}
        scope |= {"query_string": b"", "headers": headers}
        never = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await never.wait()
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            return

        slow = [asyncio.create_task(deployment.app(scope, receive, send)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (await visit(deployment, "office", "GET", "whoami")).status == 503
        assert (await deployment.ask("office", text("hi"))).outcome == "PERMIT"
        never.set()
        await asyncio.gather(*slow)
        assert (await visit(deployment, "office", "GET", "whoami")).status == 200


async def test_a_decisions_id_is_no_search() -> None:
    """What can't be an id is not looked for: it would be a walk through the whole log for each try."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        walks = []
        entries = deployment.gateway.api._entries
        deployment.gateway.api._entries = lambda: walks.append(1) or entries()  # type: ignore[func-returns-value]
        for text_ in ("d", "a", "d_", "d_" + "a" * 27, "d_" + "A" * 26, "%22kind%22"):
            assert (await visit(deployment, "office", "GET", f"decisions/{text_}")).status == 404
        assert walks == []
        assert (await visit(deployment, "office", "GET", "decisions/d_" + "a" * 26)).status == 404
        assert walks == [1]


# statements: who carries them can't spoil them


def _purpose(deployment: Deployment) -> bytes:
    content = {
        "purpose": "office",
        "models": ["m-1"],
        "operations": [],
        "data_classes": ["no-persons"],
        "persons_at_most": 0,
        "basis_required": "none",
    }
    return deployment.state("purpose", "northmark/other", {"workload": "northmark/other"}, content)


async def test_what_is_on_file_already_changes_nothing() -> None:
    """The same file again, by anybody who has it: no entry, no write, nothing to appraise anew."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        statement = _purpose(deployment)
        await deployment.put(statement)
        before = (len(deployment.log.entries), deployment.gateway.service.statements.version)
        for again in (statement, read_lines(statement)[0], statement * 3, statement.replace(b"{", b"{ ")):
            assert (await visit(deployment, "office", "POST", "statements", again)).status == 201
        assert (len(deployment.log.entries), deployment.gateway.service.statements.version) == before


async def test_nobody_fills_a_statements_file_with_what_does_not_count() -> None:
    """A line that vouches for nothing is refused, so that a countersignature always finds its place."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        whole = _purpose(deployment)
        made, counter = read_lines(whole)
        await deployment.put(made)
        stranger = PrivateKey.generate()
        payload = parse_envelope(counter).payload
        junk = {
            "no envelope": b"{}",
            "a stranger's": encode_envelope(sign_envelope(payload, stranger)),
            "the maker's own": encode_envelope(sign_envelope(payload, deployment.people["dua"])),
            "another statement's": read_lines(_purpose(deployment))[1],
        }
        for name, line in junk.items():
            refused = await visit(deployment, "office", "POST", "statements", made + b"\n" + line)
            assert refused.status in {400, 422}, name
        assert (
            len(deployment.files.files[await deployment.put(counter_file(made, counter))].splitlines()) == 2
        )
        assert deployment.gateway.service.statements.all()


def counter_file(made: bytes, counter: bytes) -> bytes:
    """A statement with its countersignature, written and spaced in several ways."""
    spaced = counter.replace(b"{", b"{ ")
    return b"\n".join((made, counter, spaced, counter)) + b"\n"


async def test_what_is_not_yet_valid_is_checked_all_the_same() -> None:
    """A statement of next week, by somebody whose role may not make it, doesn't wait on file until then."""
    async with Deployment() as deployment:
        starts, deployment.now = deployment.now, deployment.now + timedelta(days=7)
        forged = deployment.state(
            "deployment", "northmark/x", {"workload": "northmark/x"}, {}, by="abe", countersigned_by=None
        )
        genuine = _purpose(deployment)
        deployment.now = starts
        answer = await deployment.call("POST", "statements", forged, as_person="abe")
        assert (answer.status, answer.json()["error"]["type"]) == (422, "RoleError")
        assert (await deployment.call("POST", "statements", genuine, as_person="dua")).status == 201


# suspensions: one side can brake, and not undo the other's brake


def _order(
    deployment: Deployment, scope: str, target: str, *by: str, state: str = "taken", days: int = 1
) -> bytes:
    deployment._seq += 1
    made = make_suspension(
        "s-1",
        scope=scope,
        target=target,
        state=state,
        seq=deployment._seq,
        valid_from=deployment.now,
        valid_until=deployment.now + timedelta(days=days),
    )
    return encode_envelope(sign_envelope(made.payload, *(deployment.sides[side] for side in by)))


async def test_one_side_does_not_lift_the_others_brake_by_taking_it_again() -> None:
    """An order under the same id with another scope, or a shorter time, leaves the brake as it is."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")

        async def bring(order: bytes) -> int:
            return (await visit(deployment, "office", "POST", "suspensions", order)).status

        assert await bring(_order(deployment, "all", "", "halden", days=2)) == 201
        assert await bring(_order(deployment, "workload", "northmark/none", "northmark", days=3)) == 422
        assert (await deployment.ask("office", text("hi"))).outcome == "DENY"
        assert await bring(_order(deployment, "all", "", "northmark", days=1)) == 201
        deployment.advance(36 * 3600)
        assert (await deployment.ask("office", text("hi"))).outcome == "DENY"
        await deployment.restart()
        assert (await deployment.ask("office", text("hi"))).outcome == "DENY"


async def test_an_order_to_lift_lifts_what_it_names() -> None:
    """Whoever signed to let one workload go on did not sign that all do."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        await deployment.call("POST", "suspensions", _order(deployment, "all", "", "halden"), as_person="ada")
        both = ("halden", "northmark")
        other = _order(deployment, "workload", "northmark/none", *both, state="lifted")
        assert (await visit(deployment, "office", "POST", "suspensions", other)).status == 422
        assert (await deployment.ask("office", text("hi"))).outcome == "DENY"


async def test_an_order_counts_once() -> None:
    """Orders that were brought before enter nothing, and a brake that was lifted is not put on again with the old one."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        taken = _order(deployment, "all", "", "halden")
        lifted = _order(deployment, "all", "", "halden", "northmark", state="lifted")
        unknown = await visit(deployment, "office", "POST", "suspensions", lifted)
        assert unknown.status == 422
        for order in (taken, taken, lifted, lifted):
            assert (await visit(deployment, "office", "POST", "suspensions", order)).status == 201
        assert [entry["state"] for entry in deployment.entries("suspension")] == ["taken", "lifted"]
        assert (await visit(deployment, "office", "POST", "suspensions", taken)).status == 503
        assert (await deployment.ask("office", text("hi"))).outcome == "PERMIT"
        assert len(deployment.entries("suspension")) == 2


async def test_json_bombs_are_errors() -> None:
    """Depth, duplicate keys and size are refused as everywhere else."""
    async with Deployment() as deployment:
        await deployment.add_workload("office", may_explain=True)
        for bomb in (
            b"[" * 500_000,
            b'{"a":' * 300_000,
            b'{"payload":"e30","payload":"e30"}',
            b"\xff\xfe",
            b"1" * 900_000,
        ):
            for path in (
                "statements",
                "suspensions",
                "explain",
                "holds/h_aaaaaaaaaaaaaaaaaaaaaaaaaa/approvals",
            ):
                answer = await visit(deployment, "office", "POST", path, bomb)
                assert answer.status in {400, 404, 413, 422}
                assert json.loads(answer.body)["error"]["message"]


async def test_a_file_of_signatures_is_worked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Junk lines with as many signatures as a file may have cost as many tries as there are keys, and no more."""
    tries = 0
    verify = PublicKey.verify

    def counted(key: PublicKey, signature: bytes, data: bytes) -> None:
        nonlocal tries
        tries += 1
        verify(key, signature, data)

    async with Deployment() as deployment:
        await deployment.add_workload("office")
        strangers = [PrivateKey.generate() for _ in range(31)]
        payload = parse_envelope(read_lines(_purpose(deployment))[0]).payload
        made = encode_envelope(sign_envelope(payload, deployment.people["dua"], *strangers))
        until = deployment.now + timedelta(days=1)
        junk = [
            encode_envelope(sign_envelope(counter.payload, strangers[0]))
            for counter in (
                make_countersignature(
                    parse_statement(payload),
                    seq=number,
                    valid_from=deployment.now,
                    valid_until=until,
                    basis="word",
                    interest="none",
                )
                for number in range(62)
            )
        ]
        monkeypatch.setattr(PublicKey, "verify", counted)
        await visit(deployment, "office", "POST", "statements", b"\n".join((made, *junk)))
        assert 0 < tries <= 2 * MAX_FILE_SIGNATURES * len(deployment.people)
