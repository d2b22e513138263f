"""Both ends of a gateway without a network, for tests in one process: the caller's connection, and the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from countermark.errors import CountermarkError
from countermark.loopback.answers import Api, Mode, compose, read_asked
from countermark.loopback.wire import plain_body, stream_events


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What the played model answers with: the pieces are sent one by one, then `fails` is raised if it is set."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    pieces: Sequence[bytes] = ()
    fails: CountermarkError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """One request that reached the played model."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def obey(request: Forwarded) -> Played:
    """Answer as the loopback model does: one line of text, or the tool calls that the text asks for."""
    asked = read_asked(Api.MESSAGES if request.url.endswith("/messages") else Api.CHAT, request.body)
    choices = compose(asked, Mode.OBEY)
    if asked.stream:
        return Played(
            headers={"content-type": "text/event-stream"}, pieces=tuple(stream_events(asked, choices))
        )
    return Played(pieces=(plain_body(asked, choices),))


class PlayedUpstream:
    """An `UpstreamClient` that reaches no network: `model` answers, `received` holds what was sent to it."""

    def __init__(self, model: Callable[[Forwarded], Played] = obey) -> None:
        self.model = model
        self.received: list[Forwarded] = []

    async def open(
        self,
        url: str,
        *,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
        timeouts: object,
        max_bytes: int,
    ) -> _PlayedAnswer:
        """Take one request and play the head of its answer."""
        request = Forwarded(url=url, headers=dict(headers), body=body)
        self.received.append(request)
        played = self.model(request)
        if played.fails is not None and not played.pieces:
            raise played.fails
        return _PlayedAnswer(played)

    async def close(self) -> None:
        """Nothing is open."""


class _PlayedAnswer:
    def __init__(self, played: Played) -> None:
        self._played = played
        self.status = played.status
        self.headers: Mapping[str, str] = {name.lower(): text for name, text in played.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._played.pieces:
            yield piece
        if self._played.fails is not None:
            raise self._played.fails

    async def aclose(self) -> None:
        pass


AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


async def call_app(
    app: AsgiApp, method: str, path: str, *, headers: Mapping[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Send one request to an ASGI app without a server; returns status, headers (lower case) and the whole body."""
    bare, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": bare,
        "raw_path": bare.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), text.encode("latin-1")) for name, text in headers.items()],
    }
    exchange = _Exchange(body)
    await app(scope, exchange.receive, exchange.send)
    return exchange.status, exchange.headers, b"".join(exchange.pieces)


class _Exchange:
    """One request and its answer, as the server's side of ASGI; the caller stays until the answer is whole."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._done = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._done.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): text.decode() for name, text in message["headers"]}
        else:
            self.pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._done.set()
