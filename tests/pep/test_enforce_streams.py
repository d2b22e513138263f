"""Streams: one release for all text, back-pressure, callers who leave, what the log says was seen; and the brakes."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.loopback.played import Forwarded, PlayedUpstream, obey
from countermark.pep.upstream_client import UpstreamAnswer
from countermark.policy.approval import make_suspension
from countermark.policy.shipped import shipped_bundle
from countermark.testing import PATHS, Deployment

ASK = {"model": "m-1", "messages": [{"role": "user", "content": "hello"}]}
STREAM = {**ASK, "stream": True}
TOOL = {"type": "function", "function": {"name": "actuate", "parameters": {"type": "object"}}}


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("api", ["openai", "anthropic"])
async def test_the_log_says_what_was_seen_of_an_answer(api: str, stream: bool) -> None:
    """One decision, one answer entry: the length and keyed digest of exactly the bytes that were released."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        answer = await deployment.ask("office", {**ASK, "max_tokens": 9, "stream": stream}, api=api)
        assert answer.outcome == "PERMIT"
        assert len(deployment.entries("decision")) == 1
        [entry] = deployment.entries("answer")
        assert entry["complete"] is True
        assert entry["seen"]["bytes"] == len(answer.body)
        assert entry["seen"]["hmac_sha256"] == deployment.digest(answer.body)
        assert entry["finish"] in (["stop"], ["end_turn"])


async def test_a_stream_that_a_call_ends_is_entered_as_what_was_released() -> None:
    """The bytes before the held call, less the gateway's own error event."""
    async with Deployment() as deployment:
        await deployment.add_workload(
            "field", purpose="field-operations", tools={"actuate": ["actuate"]}, key_bound=True
        )
        body = {
            **STREAM,
            "messages": [{"role": "user", "content": 'call actuate({"t": 1})'}],
            "tools": [TOOL],
        }
        answer = await deployment.ask("field", body)
        [entry] = deployment.entries("answer")
        assert entry["complete"] is False
        released = answer.body[: entry["seen"]["bytes"]]
        assert entry["seen"]["hmac_sha256"] == deployment.digest(released)
        assert b"countermark_hold" in answer.body[len(released) :]
        assert b"actuate" not in released.replace(b"calling", b"").partition(b"tool_calls")[2]


class Slow(PlayedUpstream):
    """Plays a long stream, counts how far it was read, and notices when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.pulled = 0
        self.closed = False

    async def open(self, url: str, **request: Any) -> Any:
        answer: Any = await super().open(url, **request)
        return _Counted(answer, self)


class _Counted:
    def __init__(self, answer: UpstreamAnswer, counts: Slow) -> None:
        self.status, self.headers, self._counts = answer.status, answer.headers, counts

    async def chunks(self) -> AsyncIterator[bytes]:
        events = obey(
            Forwarded(url="/v1/chat/completions", headers={}, body=json.dumps(STREAM).encode())
        ).pieces
        yield events[0]
        for _ in range(10_000):
            self._counts.pulled += 1
            yield events[1]
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        self._counts.closed = True


def scope_of(deployment: Deployment, api: str = "openai") -> dict[str, Any]:
    """The ASGI scope of a request by the office."""
    key = deployment.api_keys["office"].encode()
    return {
        "type": "http",
        "method": "POST",
        "path": PATHS[api],
        "raw_path": PATHS[api].encode(),
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer " + key), (b"content-type", b"application/json")],
    }


async def test_a_slow_caller_slows_the_upstream() -> None:
    """While the caller takes nothing, no more than a few pieces are read ahead; when it leaves, the upstream is let go."""
    upstream = Slow()
    async with Deployment(upstream=upstream) as deployment:
        await deployment.add_workload("office")
        taken, left, first = 0, asyncio.Event(), True
        stuck = asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal first
            if first:
                first = False
                return {"type": "http.request", "body": json.dumps(STREAM).encode(), "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal taken
            taken += 1
            if taken > 5:
                stuck.set()
                await asyncio.Event().wait()  # the caller's buffers are full

        task = asyncio.create_task(deployment.app(scope_of(deployment), receive, send))
        await asyncio.wait_for(stuck.wait(), 10)
        for _ in range(200):
            await asyncio.sleep(0)
        assert upstream.pulled < 20
        left.set()
        await asyncio.wait_for(task, 10)
        assert upstream.closed
        [entry] = deployment.entries("answer")
        assert (entry["complete"], entry["error"]) == (False, "the caller left")


async def test_a_caller_that_leaves_before_its_body_is_whole_asks_nothing() -> None:
    """No decision, no forwarding."""
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        messages = [
            {"type": "http.request", "body": b'{"model":', "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: Any) -> None:
            raise AssertionError("there is nobody to answer")

        await deployment.app(scope_of(deployment), receive, send)
        assert deployment.entries("decision") == []
        assert deployment.upstream.received == []


async def test_an_observed_clause_lets_through_and_says_so(tmp_path: Path) -> None:
    """Decided DENY, enforced PERMIT: forwarded, marked in the entry, counted as permitted; a red line stays a red line."""
    folder = tmp_path / "bundle"
    shutil.copytree(shipped_bundle("red-lines"), folder)
    clause = """+++
id = "C-1"
title = "Short prompts"
red_line = false
needs = []
+++

A reviewer signs what the office asks.

```cedar
@id("C-1")
forbid (principal, action == Action::"prompt", resource)
unless { context.countersigned.purpose == Purpose::"customer-service" };
```

## Examples

| case | action | facts | approvals | outcome | clauses |
| --- | --- | --- | --- | --- | --- |
| the office asks | prompt | - | - | DENY | C-1 |
"""
    (folder / "clauses" / "C-1.md").write_text(clause)
    toml = (folder / "bundle.toml").read_text()
    rule = '[[observe]]\naction = "prompt"\nworkload = "northmark/{}"\nuntil = "2026-11-24T00:00:00Z"\nclauses = ["C-1"]\n\n'
    toml = toml.replace("[limits]", rule.format("office") + rule.format("tracking") + "[limits]", 1)
    (folder / "bundle.toml").write_text(toml)
    async with Deployment(bundle=folder) as deployment:
        await deployment.add_workload("office")
        answer = await deployment.ask("office", ASK)
        assert answer.status == 200
        entry = deployment.entries("decision")[-1]
        assert (entry["outcome"], entry["clauses"], entry["observe"]) == ("DENY", ["C-1"], True)
        metrics = (await deployment.request("GET", "/metrics")).body.decode()
        assert 'countermark_decisions_total{action="prompt",enforced="PERMIT",outcome="DENY"} 1.0' in metrics
        await deployment.add_workload(
            "tracking",
            purpose="track-persons",
            operations=["locate"],
            data_classes=["persons"],
            basis="consent",
        )
        assert (await deployment.ask("tracking", ASK)).outcome == "DENY"
        deployment.advance(86_400)
        assert (await deployment.ask("office", ASK)).outcome == "DENY", "and it expires"


SCOPES = {
    "everything": ("all", ""),
    "the workload": ("workload", "northmark/office"),
    "the model": ("model", "m-1"),
    "the purpose": ("purpose", "office"),
}


@pytest.mark.parametrize("name", SCOPES)
async def test_a_side_brakes_alone_and_lifting_takes_both(name: str) -> None:
    """One side's order stops at once, also over a restart; one alone can't lift it; both can."""
    scope, target = SCOPES[name]
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        await deployment.add_workload(
            "desk", purpose="customer-service", operations=["serve"], data_classes=["persons"]
        )

        async def order(state: str, *sides: str) -> int:
            made = make_suspension(
                "s-1",
                scope=scope,
                target=target,
                state=state,
                seq=1 if state == "taken" else 2,
                valid_from=deployment.now,
                valid_until=deployment.now + timedelta(days=7),
            )
            signed = encode_envelope(sign_envelope(made.payload, *(deployment.sides[side] for side in sides)))
            return (await deployment.call("POST", "suspensions", signed, as_person="ada")).status

        assert await order("taken", "halden") == 201
        for _ in range(2):
            answer = await deployment.ask("office", ASK)
            assert answer.outcome == "DENY"
            assert "suspended by halden" in answer.json()["error"]["message"]
            others = (await deployment.ask("desk", ASK)).outcome
            assert others == ("DENY" if scope in ("all", "model") else "PERMIT")
            await deployment.restart()
        assert await order("lifted", "northmark") == 422
        assert (await deployment.ask("office", ASK)).outcome == "DENY"
        assert await order("lifted", "halden", "northmark") == 201
        assert (await deployment.ask("office", ASK)).outcome == "PERMIT"
