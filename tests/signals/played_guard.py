"""A real HTTP server on the loopback that speaks the moderations and chat completions shapes, well or badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

BAD_WORD = "surveil"
CATEGORIES = ("harassment", "illicit", "violence")


@dataclass(slots=True)
class PlayedGuard:
    """What was asked, and how it misbehaves.

    Attributes:
        url: Up to where the API's own paths begin.
        fault: None answers well; see `FAULTS`.
        asked: Bodies, in order; `keys` the authorization headers.
    """

    url: str = ""
    fault: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one question."""
        document = json.loads(await request.read())
        self.asked.append(document)
        self.keys.append(request.headers.get("authorization"))
        if self.fault is not None:
            return await FAULTS[self.fault](request)
        chat = request.path.endswith("/chat/completions")
        return web.json_response(chat_body(document) if chat else moderations_body(document))


def moderations_body(document: dict[str, Any]) -> dict[str, Any]:
    """One result for each input, as the moderations endpoint gives them."""
    inputs = document["input"] if isinstance(document["input"], list) else [document["input"]]
    results = []
    for text in inputs:
        bad = BAD_WORD in text
        scores = dict.fromkeys(CATEGORIES, 0.01) | ({"illicit": 0.93} if bad else {})
        results.append(
            {
                "flagged": bad,
                "categories": {name: score > 0.5 for name, score in scores.items()},
                "category_scores": scores,
                "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
            }
        )
    return {"id": "modr-1", "model": document["model"], "results": results}


def chat_body(document: dict[str, Any]) -> dict[str, Any]:
    """A chat completion that says `safe`, or `unsafe` and a category."""
    bad = BAD_WORD in document["messages"][-1]["content"]
    message = {"role": "assistant", "content": "\n\nunsafe\nS1" if bad else "\n\nsafe", "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": document["model"],
        "choices": [choice],
    }


def _text(body: str, status: int = 200) -> Callable[[web.Request], Any]:
    async def made(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body, status=status, content_type="application/json")

    return made


async def _hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def _huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(64):
        await response.write(b" " * (1 << 16))
    return response


async def _redirect(request: web.Request) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect(location=str(request.url.with_path("/elsewhere")))


async def _cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-length": "1000"})
    await response.prepare(request)
    await response.write(b'{"results": [')
    assert request.transport is not None
    request.transport.close()
    return response


FAULTS: dict[str, Callable[[web.Request], Any]] = {
    "an error": _text('{"error": {"message": "no"}}', 500),
    "no rights": _text('{"error": {"message": "key"}}', 401),
    "no JSON": _text("<html>"),
    "JSON of something else": _text('{"hello": []}'),
    "two readings of one key": _text('{"results": [], "results": []}'),
    "no results": _text('{"results": [], "choices": []}'),
    "a result that says nothing": _text('{"results": [{}], "choices": [{}]}'),
    "a flag that is no flag": _text('{"results": [{"flagged": "no", "category_scores": {"a": 0}}]}'),
    "a score that is no score": _text('{"results": [{"flagged": false, "category_scores": {"a": 7}}]}'),
    "a guard that talks": _text('{"choices": [{"message": {"content": "I think that this is safe"}}]}'),
    "a guard that says nothing": _text('{"choices": [{"message": {"content": ""}}]}'),
    "silence": _hang,
    "too much": _huge,
    "a redirect": _redirect,
    "half an answer": _cut,
}


@asynccontextmanager
async def played_guard() -> AsyncIterator[PlayedGuard]:
    """Serve until the end of the block."""
    guard = PlayedGuard()
    app = web.Application(client_max_size=16 << 20)
    app.router.add_post("/v1/{rest:.*}", guard.answer)
    app.router.add_post("/elsewhere", _text('{"results": [{"flagged": false, "category_scores": {"a": 0}}]}'))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    guard.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield guard
    finally:
        await runner.cleanup()
