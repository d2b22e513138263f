"""Who wants something to happen that the log doesn't show."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

from attack_world import chunk, streams, text

from countermark.loopback.played import PlayedUpstream
from countermark.testing import Deployment
from countermark.tlog.entry import keyed_digest


async def test_leaving_before_the_last_byte_takes_nothing_out_of_the_log() -> None:
    """A caller who reads all but the end of a stream and goes: the entry says how much was released, and its digest."""
    words = [chunk({"content": f"word {number} "}) for number in range(5)]
    async with Deployment(upstream=PlayedUpstream(streams(*words, chunk({}, finish="stop")))) as deployment:
        await deployment.add_workload("office")
        left, released, body = asyncio.Event(), [], [json.dumps(text("go", stream=True)).encode()]

        async def receive() -> dict[str, Any]:
            if body:
                return {"type": "http.request", "body": body.pop(), "more_body": False}
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            released.append(message.get("body", b""))
            if len(released) == 4:
                left.set()
                await asyncio.sleep(1)

        scope = {
            "type": "http",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/chat/completions",
            "raw_path": b"/v1/chat/completions",
            "query_string": b"",
            "headers": [
                (b"authorization", f"Bearer {deployment.api_keys['office']}".encode()),
                (b"content-type", b"application/json"),
            ],
        }
        await deployment.app(scope, receive, send)
        [entry] = deployment.entries("answer")
        got = b"".join(released)
        assert b"word 2" in got
        digest = keyed_digest(deployment._digest_key, hashlib.sha256(got).hexdigest())
        assert entry["seen"] == {"parts": entry["seen"]["parts"], "bytes": len(got), "hmac_sha256": digest}
        assert entry["seen"]["parts"] > 0
        assert (entry["complete"], entry["error"]) == (False, "the caller left")
