"""The way out, in one process: what is recorded before it is released, and what a failure on the way leaves behind."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from countermark.errors import (
    HoldClosedError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeoutError,
)
from countermark.loopback.played import Forwarded, Played, PlayedUpstream, obey
from countermark.oversight.approval import Verdict
from countermark.policy.shipped import shipped_bundle
from countermark.testing import Deployment
from countermark.upstream import PERMIT_HEADER, parse_permit

ASK = {"model": "m-1", "messages": [{"role": "user", "content": "hello"}]}
ASK_A = {**ASK, "max_tokens": 9}
TOOL = {"type": "function", "function": {"name": "actuate", "parameters": {"type": "object"}}}
SENSOR = {"type": "function", "function": {"name": "read_sensor", "parameters": {"type": "object"}}}


def text(content: str, **more: Any) -> dict[str, Any]:
    """A request with one user text."""
    return {"model": "m-1", "messages": [{"role": "user", "content": content}], **more}


async def recall(deployment: Deployment, **changes: Any) -> None:
    """A workload whose requests are held: it notifies persons on a consent that nothing ties to the request."""
    await deployment.add_workload(
        "recall",
        purpose="notify-persons",
        operations=["notify", "link"],
        data_classes=["consented"],
        persons_at_most=500,
        basis="consent",
        **changes,
    )


async def field_console(deployment: Deployment) -> None:
    """A key-bound workload with a tool that acts and one that doesn't."""
    await deployment.add_workload(
        "field",
        purpose="field-operations",
        site="actuating",
        tools={"actuate": ["actuate"], "read_sensor": []},
        key_bound=True,
    )


# recorded before released


async def test_the_entry_comes_before_the_forwarding() -> None:
    """When the request reaches the model, its entry is in the log already, and the permit names it."""
    seen: list[tuple[int, dict[str, Any]]] = []

    def model(request: Forwarded) -> Played:
        permit = parse_permit(request.headers[PERMIT_HEADER])
        seen.append((permit.entry, deployment.entries()[permit.entry]))
        assert deployment.entries()[permit.entry]["id"] == permit.decision
        return obey(request)

    async with Deployment(upstream=PlayedUpstream(model)) as deployment:
        await deployment.add_workload("office")
        answer = await deployment.ask("office", ASK)
        assert answer.outcome == "PERMIT"
        [(_, entry)] = seen
        assert entry["outcome"] == "PERMIT"
        assert entry["seen"]["hmac_sha256"] == deployment.digest(deployment.upstream.received[0].body)


async def test_a_write_that_fails_lets_nothing_out() -> None:
    """503, not retried, nothing forwarded; from then on nothing is, until a restart."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        deployment.fail_writes()
        for _ in range(2):
            answer = await deployment.ask("office", ASK)
            assert (answer.status, answer.headers["x-should-retry"]) == (503, "false")
        assert deployment.upstream.received == []
        assert (await deployment.request("GET", "/readyz")).status == 503
        await deployment.restart()
        assert (await deployment.ask("office", ASK)).outcome == "PERMIT"


async def test_a_write_that_happened_but_was_not_confirmed_lets_nothing_out() -> None:
    """The entry may be found after a restart, but the caller got no answer and the model no request."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        deployment.fail_writes(after=True)
        assert (await deployment.ask("office", ASK)).status == 503
        assert deployment.entries("decision")[-1]["outcome"] == "PERMIT"
        assert deployment.upstream.received == []


@pytest.mark.parametrize("keep_state", [True, False], ids=["state kept", "state lost"])
async def test_an_approval_in_an_unconfirmed_entry_is_used(keep_state: bool) -> None:
    """Whether that entry was written nobody knew; it was, so its approvals are consumed, also after a crash."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        for person in ("ada", "ben"):
            assert (await deployment.approve(hold, person)).json()["counts"]
        deployment.fail_writes(after=True)
        assert (await deployment.ask("recall", ASK)).status == 503
        await deployment.restart(keep_state=keep_state)
        assert (await deployment.ask("recall", ASK)).outcome == "HOLD"
        assert deployment.upstream.received == []


async def test_an_approval_in_an_entry_that_failed_is_not_lost() -> None:
    """The write did not happen: after the restart the approvals are there, and count once."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        for person in ("ada", "ben"):
            await deployment.approve(hold, person)
        deployment.fail_writes()
        assert (await deployment.ask("recall", ASK)).status == 503
        await deployment.restart()
        assert (await deployment.ask("recall", ASK)).outcome == "PERMIT"
        assert (await deployment.ask("recall", ASK)).outcome == "HOLD"


async def test_a_decision_on_a_call_that_can_not_be_recorded_stops_the_answer() -> None:
    """The log fails between the prompt's entry and the call's: no byte of the answer is released."""
    async with Deployment() as deployment:
        await field_console(deployment)
        deployment.fail_writes(when=lambda entry: entry.get("action") == "call")
        answer = await deployment.ask("field", text('call read_sensor({"id": 1})', tools=[SENSOR]))
        assert answer.status == 502
        assert answer.headers["x-should-retry"] == "false"
        assert "can be recorded" in answer.json()["error"]["message"]
        assert b"calling" not in answer.body


async def test_a_decision_on_a_call_that_can_not_be_recorded_ends_a_stream() -> None:
    """Streamed: the text so far, then an error event; nothing of the call."""
    async with Deployment() as deployment:
        await field_console(deployment)
        deployment.fail_writes(when=lambda entry: entry.get("action") == "call")
        answer = await deployment.ask(
            "field", text('call read_sensor({"id": 1})', tools=[SENSOR], stream=True)
        )
        assert answer.status == 200
        assert b"tool_calls" not in answer.body
        assert b"countermark_unavailable" in answer.body


async def test_what_fails_unexpectedly_is_not_retried() -> None:
    """An exception that nobody foresaw is 503 in the caller's API, with nothing of it told, and no pass."""

    def model(request: Forwarded) -> Played:
        raise ZeroDivisionError("a secret of the inside")

    async with Deployment(upstream=PlayedUpstream(model)) as deployment:
        await deployment.add_workload("office")
        for api, body in (("openai", ASK), ("anthropic", ASK_A)):
            answer = await deployment.ask("office", body, api=api)
            assert (answer.status, answer.headers["x-should-retry"]) == (503, "false")
            assert b"secret" not in answer.body
            assert answer.json()["error"]["type"] == "api_error"


UPSTREAM_FAILS: dict[str, tuple[UpstreamError, int]] = {
    "not reached": (UpstreamConnectError("expected to reach it"), 502),
    "silent": (UpstreamTimeoutError("expected it to answer within 1 s"), 504),
    "not HTTP": (UpstreamProtocolError("expected HTTP"), 502),
}


@pytest.mark.parametrize("name", UPSTREAM_FAILS)
@pytest.mark.parametrize("api", ["openai", "anthropic"])
async def test_an_upstream_that_fails_is_said_and_entered(name: str, api: str) -> None:
    """The caller gets the API's error, the log an entry for the answer that says so."""
    error, status = UPSTREAM_FAILS[name]
    async with Deployment(upstream=PlayedUpstream(lambda _: Played(fails=error))) as deployment:
        await deployment.add_workload("office")
        answer = await deployment.ask("office", ASK_A, api=api)
        assert answer.status == status
        assert str(error) in answer.json()["error"]["message"]
        [entry] = deployment.entries("answer")
        assert entry["decision"] == answer.decision
        assert (entry["complete"], entry["error"]) == (False, str(error))


ODD_ANSWERS: dict[str, Played] = {
    "created": Played(status=201, pieces=(b"{}",)),
    "nothing": Played(status=204),
    "an error that is no error": Played(status=400, pieces=(b'{"choices":[]}',)),
    "an error page": Played(status=503, pieces=(b"<html>",)),
    "an answer without choices": Played(pieces=(b'{"id":"x"}',)),
    "a list": Played(pieces=(b"[]",)),
    "a tool call of another kind": Played(
        pieces=(
            json.dumps(
                {
                    "id": "x",
                    "object": "chat.completion",
                    "created": 1,
                    "model": "m-1",
                    "choices": [
                        {
                            "index": 0,
                            "finish_reason": "stop",
                            "message": {"role": "assistant", "content": None, "web_search": {"q": "x"}},
                        }
                    ],
                }
            ).encode(),
        )
    ),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
async def test_an_answer_that_nobody_can_read_is_not_released(name: str) -> None:
    """What is not of the API's form stays behind, and is entered as not complete."""
    async with Deployment(upstream=PlayedUpstream(lambda _: ODD_ANSWERS[name])) as deployment:
        await deployment.add_workload("office")
        answer = await deployment.ask("office", ASK)
        assert answer.status == 502, answer
        assert deployment.entries("answer")[-1]["complete"] is False


async def test_an_error_of_the_upstream_is_passed_on() -> None:
    """429 with its pause, so that the client's own handling works; cookies and server names stay behind."""
    played = Played(
        status=429,
        headers={"Retry-After": "2", "Set-Cookie": "a=b", "Server": "x", "content-type": "application/json"},
        pieces=(b'{"error":{"message":"slow down","type":"rate_limit_error"}}',),
    )
    async with Deployment(upstream=PlayedUpstream(lambda _: played)) as deployment:
        await deployment.add_workload("office")
        answer = await deployment.ask("office", ASK)
        assert (answer.status, answer.headers["retry-after"]) == (429, "2")
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers


# what is sent


async def test_the_upstream_gets_the_bytes_and_nothing_of_the_callers_identity() -> None:
    """The exact bytes; the gateway's own key; no credential, claim or header of the caller's."""
    body = b'{ "model" : "m-1", "messages": [{"role":"user","content":"\\u0068i"}] }'
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        answer = await deployment.ask(
            "office",
            body,
            headers={"cookie": "c", "x-odd": "o", "countermark-claims": "consent=inside", "user-agent": "u"},
        )
        assert answer.outcome == "PERMIT"
        [sent] = deployment.upstream.received
        assert sent.body == body
        assert sent.headers["authorization"] == "Bearer the-upstreams-own-key"
        assert set(sent.headers) == {"authorization", "content-type", PERMIT_HEADER}
        assert deployment.api_keys["office"] not in str(sent.headers)


async def test_another_accounts_header_is_denied() -> None:
    """A header that would choose another account at the upstream is a DENY that names it."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        answer = await deployment.ask("office", ASK, headers={"openai-organization": "o-1"})
        assert answer.outcome == "DENY"
        assert "openai-organization" in answer.json()["error"]["message"]
        assert deployment.upstream.received == []


# approvals


async def test_who_asked_never_approves() -> None:
    """Ben holds the credential: nobody of the asked role is left, so it is DENY at once."""
    async with Deployment() as deployment:
        await recall(deployment, holders=("ben",))
        assert (await deployment.ask("recall", ASK)).outcome == "DENY"
        await deployment.add_workload(
            "other", purpose="survey", data_classes=["consented"], basis="consent", holders=("oda",)
        )
        assert (await deployment.ask("other", ASK)).outcome == "HOLD"


async def test_other_facts_void_an_approval() -> None:
    """Between the signatures and the request the purpose got worse: what they signed was something else."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        for person in ("ada", "ben"):
            await deployment.approve(hold, person)
        worse = {
            "purpose": "survey",
            "models": ["m-1"],
            "operations": ["profile"],
            "data_classes": ["consented"],
            "persons_at_most": 500,
            "basis_required": "consent",
        }
        about = {"workload": "northmark/recall"}
        await deployment.put(deployment.state("purpose", "northmark/recall", about, worse))
        answer = await deployment.ask("recall", ASK)
        assert answer.outcome == "HOLD"
        assert answer.hold != hold, "another question, for people to look at anew"


async def test_another_bundle_voids_an_approval(tmp_path: Path) -> None:
    """The sides put another version in force: approvals under the old one count no more."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        for person in ("ada", "ben"):
            await deployment.approve(hold, person)
        shutil.copytree(shipped_bundle("red-lines"), tmp_path / "next")
        text_of = (tmp_path / "next" / "bundle.toml").read_text()
        (tmp_path / "next" / "bundle.toml").write_text(text_of.replace("version = 1", "version = 2", 1))
        await deployment.restart(bundle=tmp_path / "next")
        assert (await deployment.ask("recall", ASK)).outcome == "HOLD"


async def test_an_approval_lapses() -> None:
    """A day later, when the hold is over, its approvals are worth nothing."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        for person in ("ada", "ben"):
            await deployment.approve(hold, person)
        deployment.advance(86_401)
        answer = await deployment.ask("recall", ASK)
        assert answer.outcome == "HOLD"
        assert answer.hold != hold


async def test_people_who_refused_are_not_asked_again() -> None:
    """DENY while the refusal stands, though the other signed; the same people can be asked when it is over."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        await deployment.approve(hold, "ada")
        await deployment.approve(hold, "ben", verdict=Verdict.REFUSE)
        assert (await deployment.ask("recall", ASK)).outcome == "DENY"
        with pytest.raises(HoldClosedError):
            await deployment.approve(hold, "ben")
        deployment.advance(86_401)
        assert (await deployment.ask("recall", ASK)).outcome == "HOLD"


@pytest.mark.parametrize("count", [2, 10, 40])
async def test_many_at_once_use_an_approval_once(count: int) -> None:
    """The same approved request `count` times at once, with the log slow: one PERMIT, one forwarded."""
    async with Deployment() as deployment:
        await recall(deployment)
        hold = (await deployment.ask("recall", ASK)).hold
        for person in ("ada", "ben"):
            await deployment.approve(hold, person)
        answers = await asyncio.gather(*(deployment.ask("recall", ASK) for _ in range(count)))
        outcomes = [answer.outcome for answer in answers]
        assert outcomes.count("PERMIT") == 1
        assert len(deployment.upstream.received) == 1
        used = [each for entry in deployment.entries("decision") for each in entry.get("approvals", ())]
        assert len(used) == len(set(used)) == 2


async def test_an_approved_call_survives_a_denied_one_beside_it() -> None:
    """An answer with an approved call and an undeclared one is stopped without the approval being used up."""
    async with Deployment() as deployment:
        await field_console(deployment)
        asked = text('call actuate({"t": 1})', tools=[TOOL])
        held = await deployment.ask("field", asked)
        for person in ("ada", "cem"):
            assert (await deployment.approve(held.hold, person)).json()["counts"]
        both = text('call actuate({"t": 1}) and call wipe({})', tools=[TOOL])
        assert (await deployment.ask("field", both)).outcome == "DENY"
        assert (await deployment.ask("field", asked)).outcome == "PERMIT"
        assert (await deployment.ask("field", asked)).outcome == "HOLD"


async def test_one_call_twice_in_one_answer_needs_two_approvals() -> None:
    """The same approved call, asked for twice in one answer, is not permitted twice."""
    async with Deployment() as deployment:
        await field_console(deployment)
        held = await deployment.ask("field", text('call actuate({"t": 1})', tools=[TOOL]))
        for person in ("ada", "cem"):
            await deployment.approve(held.hold, person)
        twice = text('call actuate({"t": 1}) and call actuate({"t": 1})', tools=[TOOL])
        answer = await deployment.ask("field", twice)
        assert answer.outcome in ("HOLD", "DENY")
        assert b"calling" not in answer.body


async def test_open_holds_are_bounded() -> None:
    """More open holds than the bundle allows: DENY, since nobody could approve what can't be kept."""
    async with Deployment() as deployment:
        await recall(deployment)
        outcomes = [(await deployment.ask("recall", text(f"number {n}"))).outcome for n in range(22)]
        assert outcomes == ["HOLD"] * 20 + ["DENY"] * 2


# time and evidence


async def test_what_expires_permits_nothing() -> None:
    """When purpose and deployment lapse, DENY; when the credential does, 401."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        assert (await deployment.ask("office", ASK)).outcome == "PERMIT"
        deployment.advance(28 * 86_400 + 1)
        assert (await deployment.ask("office", ASK)).status == 401


async def test_a_clock_that_is_set_back_makes_nothing_young() -> None:
    """Time never runs behind the last entry of the log, also over a restart."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        deployment.advance(28 * 86_400 + 1)
        assert (await deployment.ask("office", ASK)).status == 401
        await deployment.call("GET", "whoami", as_person="ada")
        deployment.advance(-28 * 86_400)
        assert (await deployment.ask("office", ASK)).status == 401


LEVELS: dict[str, tuple[dict[str, Any], str]] = {
    "countersigned": ({}, "PERMIT"),
    "at Northmark's own word": ({"countersigned_by": None}, "DENY"),
    "countersigned by its own maker": ({"countersigned_by": "dua"}, "DENY"),
    "countersigned by one without that role": ({"countersigned_by": "ada"}, "DENY"),
}


@pytest.mark.parametrize("name", LEVELS)
async def test_only_two_opposed_parties_make_a_permit(name: str) -> None:
    """A word of one party, however often it is signed, permits nothing under the red lines."""
    changes, outcome = LEVELS[name]
    async with Deployment() as deployment:
        await deployment.add_workload("office", **changes)
        assert (await deployment.ask("office", ASK)).outcome == outcome


async def test_a_runner_whom_nobody_named_sees_nothing() -> None:
    """Without a named observer, what the gateway saw ties nothing at `countersigned`: the red lines deny."""

    def nobody(content: dict[str, Any]) -> None:
        content["observers"] = []

    async with Deployment(trust=nobody) as deployment:
        await deployment.add_workload("office")
        assert (await deployment.ask("office", ASK)).outcome == "DENY"


async def test_two_purposes_in_conflict_permit_nothing() -> None:
    """Two makers say different things of one workload: DENY, until one of them is gone."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        other = {
            "purpose": "customer-service",
            "models": ["m-1"],
            "operations": [],
            "data_classes": ["no-persons"],
            "persons_at_most": 0,
            "basis_required": "none",
        }
        before = deployment._seq
        deployment._seq = before - 2  # the same number as the purpose on file: two words, none of them newer
        about = {"workload": "northmark/office"}
        await deployment.put(deployment.state("purpose", "northmark/office", about, other))
        assert (await deployment.ask("office", ASK)).outcome == "DENY"


# the API


async def test_what_a_caller_learns() -> None:
    """Decision id and clauses; facts and what is missing only with the right to explain."""
    async with Deployment() as deployment:
        await recall(deployment)
        told = (await deployment.ask("recall", ASK)).countermark
        assert set(told) == {"decision_id", "outcome", "clauses", "hold_id", "expires_at"}
        await deployment.add_workload(
            "survey",
            purpose="survey",
            operations=["profile"],
            data_classes=["consented"],
            basis="consent",
            may_explain=True,
        )
        told = (await deployment.ask("survey", ASK)).countermark
        assert told["needs"] == {"northmark_duty_officer": 1, "halden_reviewer": 1}
        assert told["facts"]["countersigned.purpose"] == "survey"


async def test_a_workload_sees_its_own_only() -> None:
    """Another workload's hold and decision are not there for it."""
    async with Deployment() as deployment:
        await recall(deployment)
        await deployment.add_workload("office")
        held = await deployment.ask("recall", ASK)
        for path in (f"holds/{held.hold}", f"decisions/{held.decision}"):
            own = {"authorization": f"Bearer {deployment.api_keys['recall']}"}
            other = {"authorization": f"Bearer {deployment.api_keys['office']}"}
            target = f"/countermark/v1/{path}"
            assert (await deployment.request("GET", target, headers=own)).status == 200
            assert (await deployment.request("GET", target, headers=other)).status == 404
            assert (await deployment.request("GET", target)).status == 401


async def test_as_many_as_allowed_are_under_way() -> None:
    """One more than `max_concurrent` is refused before its body is read, and the slots come back."""
    async with Deployment(settings={"max_concurrent": 2}) as deployment:
        await deployment.add_workload("office")
        answers = await asyncio.gather(*(deployment.ask("office", ASK) for _ in range(6)))
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [200, 200, 503, 503, 503, 503]
        assert all(a.headers["x-should-retry"] == "false" for a in answers if a.status == 503)
        assert (await deployment.ask("office", ASK)).status == 200
