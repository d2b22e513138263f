"""Workloads that attacks are played against, and how their requests look."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from countermark.loopback.played import Forwarded, Played
from countermark.testing import SELECTOR_KEY, Deployment, Reply


def text(content: Any, **more: Any) -> dict[str, Any]:
    """A request with one user message."""
    return {"model": "m-1", "messages": [{"role": "user", "content": content}], **more}


async def redteam(deployment: Deployment) -> None:
    """Authorised security testing inside 10.4.0.0/16 and below lab.example."""
    await deployment.add_workload("redteam", purpose="security-testing", basis="engagement", site="closed")
    await deployment.put(
        deployment.state(
            "engagement",
            "northmark/E-9",
            {"engagement": "E-9", "party": "northmark"},
            {"workloads": ["northmark/redteam"], "ranges": ["10.4.0.0/16"], "names": ["*.lab.example"]},
        )
    )


async def orders(deployment: Deployment, *selectors: str, **changes: Any) -> None:
    """Locating persons, where an order names exactly these."""
    await deployment.add_workload(
        "orders",
        purpose="locate-person",
        operations=["locate"],
        data_classes=["persons"],
        persons_at_most=1,
        basis="order",
        **changes,
    )
    await deployment.put(
        deployment.state(
            "legal-basis",
            "northmark/17/3",
            {"order": "17/3", "party": "northmark"},
            {
                "type": "order",
                "workloads": ["northmark/orders"],
                "selectors": {
                    "key_id": SELECTOR_KEY,
                    "hmac_sha256": [
                        deployment.selector_keys.digest(each)[SELECTOR_KEY] for each in selectors
                    ],
                },
                "may_derive": ["locate"],
            },
        )
    )


async def recall(deployment: Deployment, name: str = "recall", **changes: Any) -> None:
    """A workload whose requests are held for two people: consented data, and nothing that ties it to the request."""
    await deployment.add_workload(
        name,
        purpose="notify-persons",
        operations=["notify", "link"],
        data_classes=["consented"],
        persons_at_most=500,
        basis="consent",
        **changes,
    )


def bearer(deployment: Deployment, workload: str) -> dict[str, str]:
    """The header by which a workload presents its API key."""
    return {"authorization": f"Bearer {deployment.api_keys[workload]}"}


async def visit(deployment: Deployment, workload: str, method: str, path: str, body: bytes = b"") -> Reply:
    """A call of the gateway's own API with a workload's key."""
    return await deployment.request(
        method, f"/countermark/v1/{path}", body, headers=bearer(deployment, workload)
    )


def streams(*chunks: Mapping[str, Any], ends: bool = True) -> Callable[[Forwarded], Played]:
    """A model that streams these chunks, whatever it is asked."""
    pieces: Sequence[bytes] = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    if ends:
        pieces = [*pieces, b"data: [DONE]\n\n"]
    return lambda _: Played(headers={"content-type": "text/event-stream"}, pieces=tuple(pieces))


def chunk(delta: Mapping[str, Any], *, index: int = 0, finish: str | None = None) -> dict[str, Any]:
    """One chunk of a Chat stream."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m-1",
        "choices": [{"index": index, "delta": dict(delta), "finish_reason": finish}],
    }


def answers(document: Mapping[str, Any], *, status: int = 200) -> Callable[[Forwarded], Played]:
    """A model that answers with this document, whatever it is asked."""
    return lambda _: Played(status=status, pieces=(json.dumps(document).encode(),))
