"""The little of ASGI that the gateway needs: a body with limits, an answer in one piece, a caller who may leave.

No framework: a framework costs 20 to 30 us a request and hides which bytes were read.

Source: ASGI 3.0, HTTP connection scope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from countermark.errors import CountermarkError, TooLargeError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON_HEADERS = ((b"content-type", b"application/json"),)


class CallerLeftError(CountermarkError):
    """The caller closed the connection; there is nobody to answer."""


class SlowCallerError(CountermarkError):
    """The caller did not send its whole body in time."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names (lower case) and values; one that stands twice is joined with `, ` (RFC 9110, section 5.3)."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


async def read_body(
    receive: Receive, *, headers: Mapping[str, str], max_bytes: int, timeout_s: float
) -> bytes:
    """Read a request's whole body.

    Raises:
        TooLargeError: Over `max_bytes`; no more than that was kept, and nothing read where the headers say so.
        SlowCallerError: Not whole after `timeout_s`.
        CallerLeftError: The caller closed the connection first.
    """
    announced = headers.get("content-length", "")
    # 18 digits: more is no size, and int() refuses a text of thousands
    if announced.isdigit() and (len(announced) > 18 or int(announced) > max_bytes):
        raise TooLargeError(f"expected a body of at most {max_bytes} bytes, got one of {announced[:20]}")
    try:
        async with asyncio.timeout(timeout_s):
            message = await receive()
            if message["type"] != "http.request":
                raise CallerLeftError("the caller left before its request was whole")
            body: bytes = message.get("body", b"")
            if not message.get("more_body", False):
                if len(body) > max_bytes:
                    raise TooLargeError(f"expected a body of at most {max_bytes} bytes")
                return body
            chunks, size = [body], len(body)
            while message.get("more_body", False):
                if size > max_bytes:
                    raise TooLargeError(f"expected a body of at most {max_bytes} bytes")
                message = await receive()
                if message["type"] != "http.request":
                    raise CallerLeftError("the caller left before its request was whole")
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
            if size > max_bytes:
                raise TooLargeError(f"expected a body of at most {max_bytes} bytes")
            return b"".join(chunks)
    except TimeoutError as error:
        raise SlowCallerError(f"expected the whole body within {timeout_s:g} seconds") from error


async def send_answer(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = JSON_HEADERS
) -> None:
    """Send a whole answer in one piece."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def caller_left(receive: Receive) -> None:
    """Return when the caller closes the connection; used beside an upstream call, to cancel it."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
