"""One request and its answer on an ASGI server, down to the connection where a misbehaviour needs that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TRANSPORT = "countermark.loopback.transport"
"""Name of the ASGI extension by which the app reaches its connection."""

JSON = b"application/json"
EVENTS = b"text/event-stream; charset=utf-8"

Headers = Sequence[tuple[bytes, bytes]]


class LoopbackProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also hands the connection to the app: no well-behaved server lies about lengths."""

    def on_message_begin(self) -> None:
        """Put the transport into the scope of the request that begins."""
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class Exchange:
    """Reads one request and sends its answer, well or badly."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.status = 0
        self._scope, self._receive, self._send = scope, receive, send

    async def read_body(self) -> bytes | None:
        """The whole body; None where the caller left before its end."""
        pieces: list[bytes] = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return None
            pieces.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(pieces)

    async def answer(self, status: int, body: bytes, *, kind: bytes = JSON, headers: Headers = ()) -> None:
        """Send a whole answer with its right length."""
        await self._start(status, kind, [*headers, (b"content-length", b"%d" % len(body))])
        await self._send({"type": "http.response.body", "body": body})

    async def stream(self, pieces: Sequence[bytes], *, kind: bytes, headers: Headers, pause_s: float) -> bool:
        """Send `pieces` in chunked encoding, with a pause after each; False where the caller left before the end."""
        await self._start(200, kind, headers)
        for piece in pieces:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            if pause_s and await self.gone(within_s=pause_s):
                return False
        await self._send({"type": "http.response.body", "body": b""})
        return True

    async def fill(self, head: bytes, piece: bytes, count: int, *, kind: bytes, headers: Headers) -> bool:
        """Send `head`, then `piece` `count` times; False where the caller left before the end."""
        await self._start(200, kind, headers)
        await self._send({"type": "http.response.body", "body": head, "more_body": True})
        for number in range(count):
            # uvicorn's send waits while the caller doesn't read, so this holds no more than its buffer
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            if number % 16 == 0 and self._transport.is_closing():
                return False
        await self._send({"type": "http.response.body", "body": b""})
        return True

    def write_raw(self, data: bytes) -> None:
        """Write to the connection, past the server: lengths and encodings are what `data` says."""
        self.status = self.status or 200
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection after what was written."""
        self._transport.close()

    async def gone(self, *, within_s: float | None = None) -> bool:
        """Wait until the caller leaves, at most `within_s` seconds; True where it did."""
        try:
            async with asyncio.timeout(within_s):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    async def _start(self, status: int, kind: bytes, headers: Headers) -> None:
        self.status = status
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", kind), *headers]}
        )

    @property
    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self._scope["extensions"][TRANSPORT]["transport"]
        return transport


def raw_answer(body: bytes, *, kind: bytes, headers: Headers, length: int) -> bytes:
    """A whole HTTP answer as bytes, with whatever `length` its head is to say."""
    lines = [b"HTTP/1.1 200 OK", b"content-type: " + kind, b"content-length: %d" % length]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
