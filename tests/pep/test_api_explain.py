"""`POST explain`: what would be decided, why, and what is missing, without acting."""

from __future__ import annotations

import json

from countermark.testing import Deployment

ASK = {"model": "m-1", "messages": [{"role": "user", "content": "Summarise this pump manual."}]}


async def _explain(deployment: Deployment, workload: str) -> tuple[int, dict[str, object]]:
    reply = await deployment.request(
        "POST",
        "/countermark/v1/explain",
        json.dumps(ASK).encode(),
        headers={
            "authorization": f"Bearer {deployment.api_keys[workload]}",
            "content-type": "application/json",
        },
    )
    return reply.status, reply.json()


async def test_explain_says_what_is_missing_and_does_nothing() -> None:
    """Where nobody countersigned, explain names the countersigned facts that would permit; the log gets no decision."""
    async with Deployment() as deployment:
        await deployment.add_workload("office", countersigned_by=None, may_explain=True)
        status, document = await _explain(deployment, "office")
        assert status == 200
        assert document["outcome"] == "DENY"
        ways = document["missing"]
        assert isinstance(ways, list)
        assert ways[0]["outcome"] == "PERMIT"
        named = {change["statement"] for change in ways[0]["changes"]}
        assert named == {"deployment", "purpose"}
        assert deployment.entries("decision") == []
        assert deployment.upstream.received == []


async def test_explain_of_what_is_permitted_misses_nothing() -> None:
    """A permitted request has nothing missing, and shows who vouches for what."""
    async with Deployment() as deployment:
        await deployment.add_workload("office", may_explain=True)
        _, document = await _explain(deployment, "office")
        assert (document["outcome"], document["missing"]) == ("PERMIT", [])
        assert "halden" in json.dumps(document["facts"])


async def test_explain_needs_the_right_to_it() -> None:
    """A workload without `may_explain` learns nothing: what is missing is a manual for forging it."""
    async with Deployment() as deployment:
        await deployment.add_workload("office", countersigned_by=None)
        status, document = await _explain(deployment, "office")
        assert status == 403
        assert "missing" not in document
