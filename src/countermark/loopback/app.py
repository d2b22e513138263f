"""The played upstream as an ASGI app: routes, the log of what was received, and misbehaviours that need the connection.

`GET /loopback/received` tells every request that reached this upstream (digest of its body, path, headers with
credentials replaced by their digests) and whether its caller left before the answer's end, so that a test can say
"nothing was forwarded" from the upstream's own sight. `DELETE /loopback/received` empties it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from countermark.attestation.keys import PublicKey
from countermark.loopback.answers import Api, Asked, AskedError, Choice, Mode, compose, read_asked
from countermark.loopback.exchange import EVENTS, JSON, Exchange, Headers, Receive, Scope, Send, raw_answer
from countermark.loopback.misbehaviour import MISBEHAVIOURS, SMUGGLED, bend_body, bend_choices, bend_events
from countermark.loopback.recorded import cut_events, recorded_body
from countermark.loopback.refusal import PHRASES
from countermark.loopback.wire import (
    encode,
    error_body,
    model_body,
    models_body,
    plain_body,
    request_id,
    stream_events,
)
from countermark.upstream import RequirePermit

KEPT = 20_000
"""Received requests that are remembered; the count goes on."""

RECEIVED = "/loopback/received"
_SECRET_HEADERS = (b"authorization", b"x-api-key")
_PATHS = {"/v1/chat/completions": Api.CHAT, "/v1/messages": Api.MESSAGES}
_FILLER = "x" * 65_000


App = Callable[[Scope, Receive, Send], Awaitable[None]]


def guarded(app: App, gateway_keys: Sequence[PublicKey], audience: str) -> App:
    """The same upstream, which serves only what carries a permit of one of these gateways; what it received, it still tells."""
    guard = RequirePermit(app, gateway_keys, audience)

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope.get("path") == RECEIVED else guard)(scope, receive, send)

    return respond


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackSettings:
    """How one played upstream behaves.

    Attributes:
        models: Names that it serves; another is answered with 404.
        folder: Recorded bodies, for the mode `replay`.
        key: The API key that it demands, in either API's header; None demands none.
        phrases: What the mode `refuse` refuses by.
        slow_s: Pause between two pieces of the misbehaviour `slow`.
        huge_bytes: Least size of the misbehaviour `huge`.
    """

    mode: Mode = Mode.OBEY
    models: tuple[str, ...] = ("m-1",)
    folder: Path | None = None
    key: str | None = None
    phrases: tuple[str, ...] = PHRASES
    slow_s: float = 0.2
    huge_bytes: int = 64 << 20


@dataclass(slots=True, kw_only=True)
class Received:
    """One request that reached this upstream; `gone` where its caller left before the answer's end."""

    path: str
    sha256: str
    size: int
    request_id: str
    headers: dict[str, str]
    status: int = 0
    gone: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The form of `GET /loopback/received`."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Loopback:
    """The ASGI app."""

    settings: LoopbackSettings
    count: int = 0
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=KEPT))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; the server's start and stop need nothing of us."""
        if scope["type"] == "http":
            await self._respond(Exchange(scope, receive, send))

    async def _respond(self, exchange: Exchange) -> None:
        body = await exchange.read_body()
        if body is None:
            return
        if exchange.path == RECEIVED:
            await self._tell(exchange)
            return
        entry = self._remember(exchange, body)
        try:
            await self._route(exchange, entry, body)
        finally:
            entry.status = exchange.status

    async def _tell(self, exchange: Exchange) -> None:
        told = {"count": self.count, "received": [entry.as_dict() for entry in self.received]}
        if exchange.method == "DELETE":
            self.count = 0
            self.received.clear()
        await exchange.answer(200, encode(told))

    def _remember(self, exchange: Exchange, body: bytes) -> Received:
        digest = hashlib.sha256(body).hexdigest()
        sent_id = exchange.headers.get(b"x-request-id")
        entry = Received(
            path=exchange.path,
            sha256=digest,
            size=len(body),
            request_id=sent_id.decode("latin-1") if sent_id else request_id(digest),
            headers={
                name.decode("latin-1"): _hidden(value) if name in _SECRET_HEADERS else value.decode("latin-1")
                for name, value in exchange.headers.items()
            },
        )
        self.count += 1
        self.received.append(entry)
        return entry

    async def _route(self, exchange: Exchange, entry: Received, body: bytes) -> None:
        api = _PATHS.get(exchange.path)
        anthropic = api is Api.MESSAGES or b"anthropic-version" in exchange.headers
        shape = Api.MESSAGES if anthropic else Api.CHAT
        headers = ((b"request-id" if anthropic else b"x-request-id", entry.request_id.encode("latin-1")),)

        async def error(status: int, message: str, more: Headers = ()) -> None:
            told = error_body(shape, status, message, request=entry.request_id)
            await exchange.answer(status, told, headers=[*headers, *more])

        name = exchange.path.removeprefix("/v1/models/")
        if not self._has_key(exchange):
            await error(401, "incorrect API key")
        elif exchange.method == "GET" and exchange.path == "/v1/models":
            await exchange.answer(
                200, models_body(self.settings.models, anthropic=anthropic), headers=headers
            )
        elif exchange.method == "GET" and name in self.settings.models:
            await exchange.answer(200, model_body(name, anthropic=anthropic), headers=headers)
        elif api is None or exchange.method != "POST":
            await error(404, f"no such path: {exchange.method} {exchange.path}")
        else:
            try:
                asked = read_asked(api, body)
            except AskedError as failure:
                await error(400, str(failure))
                return
            asked = self._routed(asked)
            if asked.base_model not in self.settings.models:
                await error(404, f"no such model: {asked.base_model}")
            elif asked.misbehaviour and asked.misbehaviour not in MISBEHAVIOURS:
                await error(400, f"no such misbehaviour: {asked.misbehaviour}")
            elif asked.misbehaviour == "status-500":
                await error(500, "the model failed")
            elif asked.misbehaviour == "status-429":
                await error(429, "too many requests", [(b"retry-after", b"1")])
            elif (pieces := self._pieces(asked)) is None:
                await error(404, "nothing recorded for this request")
            else:
                await self._send(exchange, entry, asked, pieces=pieces, headers=headers)

    def _routed(self, asked: Asked) -> Asked:
        """`m-1:slow` is `m-1!slow`, in a form that a bundle can route."""
        base_model, _, misbehaviour = asked.model.rpartition(":")
        if asked.misbehaviour or base_model not in self.settings.models:
            return asked
        return replace(asked, base_model=base_model, misbehaviour=misbehaviour)

    def _has_key(self, exchange: Exchange) -> bool:
        key = self.settings.key
        return key is None or (
            exchange.headers.get(b"authorization") == f"Bearer {key}".encode()
            or exchange.headers.get(b"x-api-key") == key.encode()
        )

    def _pieces(self, asked: Asked) -> tuple[bytes, ...] | None:
        """The answer's bytes: events of a stream, or one body; None where nothing is recorded."""
        if self.settings.mode is Mode.REPLAY:
            recorded = recorded_body(self.settings.folder or Path(), asked)
            if recorded is None:
                return None
            events = cut_events(recorded) if asked.stream else (recorded,)
        else:
            choices = bend_choices(asked, compose(asked, self.settings.mode, self.settings.phrases))
            events = stream_events(asked, choices) if asked.stream else (plain_body(asked, choices),)
        if asked.stream:
            return bend_events(asked.misbehaviour, events)
        return (bend_body(asked.misbehaviour, events[0]),)

    async def _send(
        self,
        exchange: Exchange,
        entry: Received,
        asked: Asked,
        *,
        pieces: tuple[bytes, ...],
        headers: Headers,
    ) -> None:
        kind, body = (EVENTS if asked.stream else JSON), b"".join(pieces)
        pause_s = 0.0
        match asked.misbehaviour:
            case "hang":
                entry.gone = await exchange.gone()
                return
            case "hang-mid-stream" | "die-mid-stream" | "die" | "lie-length" | "lie-length-under" | "smuggle":
                await _send_raw(exchange, entry, asked, body=body, kind=kind, headers=headers)
                return
            case "huge":
                count = self.settings.huge_bytes // len(_FILLER) + 1
                head, piece = _filler(asked)
                entry.gone = not await exchange.fill(head, piece, count, kind=kind, headers=headers)
                return
            case "redirect":
                location = (b"location", b"/loopback/redirected")
                await exchange.answer(307, b"{}", headers=[*headers, location])
                return
            case "gzip":
                headers = [*headers, (b"content-encoding", b"gzip")]
            case "slow":
                pause_s = self.settings.slow_s
                pieces = (
                    pieces if asked.stream else tuple(body[at : at + 100] for at in range(0, len(body), 100))
                )
        if asked.stream or pause_s:
            entry.gone = not await exchange.stream(pieces, kind=kind, headers=headers, pause_s=pause_s)
        else:
            await exchange.answer(200, body, kind=kind, headers=headers)


async def _send_raw(
    exchange: Exchange, entry: Received, asked: Asked, *, body: bytes, kind: bytes, headers: Headers
) -> None:
    """The misbehaviours below HTTP. Each ends when the caller leaves: the server must not write after us."""
    half = body[: len(body) // 2]
    match asked.misbehaviour:
        case "hang-mid-stream":
            exchange.write_raw(raw_answer(half, kind=kind, headers=headers, length=len(body)))
            entry.gone = await exchange.gone()
            return
        case "die-mid-stream" if asked.stream:
            head = raw_answer(b"", kind=kind, headers=headers, length=0)
            chunked = head.replace(b"content-length: 0", b"transfer-encoding: chunked")
            exchange.write_raw(chunked + b"%x\r\n" % len(half) + half + b"\r\n")
            exchange.close()
        case "die-mid-stream":
            exchange.write_raw(raw_answer(half, kind=kind, headers=headers, length=len(body)))
            exchange.close()
        case "die":
            exchange.close()
        case "lie-length":
            exchange.write_raw(raw_answer(body, kind=kind, headers=headers, length=len(body) + 100))
            exchange.close()
        case "lie-length-under":
            exchange.write_raw(raw_answer(body, kind=kind, headers=headers, length=len(body) - 10))
        case "smuggle":
            exchange.write_raw(raw_answer(body, kind=kind, headers=headers, length=len(body)))
            await asyncio.sleep(0.02)
            second = plain_body(asked, [Choice(text=SMUGGLED.decode())])
            exchange.write_raw(raw_answer(second, kind=JSON, headers=headers, length=len(second)))
    if not await exchange.gone(within_s=1):
        exchange.close()
        await exchange.gone()


def _filler(asked: Asked) -> tuple[bytes, bytes]:
    """Beginning and repeated piece of `huge`: events with long text, or blanks, which are good JSON before a value."""
    if not asked.stream:
        return b"", b" " * len(_FILLER)
    events = stream_events(asked, [Choice(text=_FILLER)])
    text = next(at for at, event in enumerate(events) if len(event) > len(_FILLER))
    return b"".join(events[:text]), events[text]


def _hidden(value: bytes) -> str:
    return "sha256:" + hashlib.sha256(value).hexdigest()[:16]
