"""Paths of the APIs that this gateway does not carry."""

from __future__ import annotations

import pytest

from countermark.testing import Deployment

CASES = {
    "the Responses API": ("POST", "/v1/responses", "chat/completions"),
    "embeddings": ("POST", "/v1/embeddings", "no path for them"),
    "a file kept at the provider": ("GET", "/v1/files/file-1/content", "inline"),
    "a path that nobody knows": ("POST", "/v1/unheard-of", "carries"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_known_caller_is_denied_in_words_with_an_entry(case: str) -> None:
    """What is not carried is a decision: 403 in the API's shape, an entry in the log, nothing forwarded."""
    method, path, words = CASES[case]
    async with Deployment() as deployment:
        await deployment.add_workload("office")
        headers = {"authorization": f"Bearer {deployment.api_keys['office']}"}
        reply = await deployment.request(
            method, path, b'{"input":"x"}' if method == "POST" else b"", headers=headers
        )
        assert (reply.status, reply.outcome) == (403, "DENY")
        assert words in reply.json()["error"]["message"]
        entry = deployment.entries("decision")[-1]
        assert (entry["id"], entry["outcome"], entry["resource"]) == (reply.decision, "DENY", path)
        assert entry["workload"] == "northmark/office"
        assert deployment.upstream.received == []


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/unheard-of"])
async def test_a_stranger_learns_nothing_and_fills_no_log(path: str) -> None:
    """Without a credential the answer is 401, whatever the path, and no entry is made for it."""
    async with Deployment() as deployment:
        reply = await deployment.request("POST", path, b"{}", headers={"authorization": "Bearer no"})
        assert reply.status == 401
        assert deployment.entries("decision") == []


async def test_a_path_of_nobodys_is_not_found() -> None:
    """Outside the APIs there is nothing to decide."""
    async with Deployment() as deployment:
        assert (await deployment.request("GET", "/favicon.ico")).status == 404
