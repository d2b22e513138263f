"""The server's side of one connection, with the limits that uvicorn's parser does not have: on a request's head.

httptools takes a head of any length and waits for its end for ever. Here a head over `max_header_bytes` is refused with
431, and one that is not whole in time with 408; both close the connection before anything of the gateway has run.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from countermark.errors import TooLargeError

LINGER_S = 1.0
"""How long a refused caller may go on sending, unread, before its connection is closed."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools, with a limit on the size of a head and on the time for it."""

    max_header_bytes = 32 << 10
    head_timeout_s = 30.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first head."""
        self._head_bytes = 0
        self._in_head = True
        self._refused = False
        self._timer: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless this connection has been refused already."""
        if self._refused:
            return
        unfinished = self._in_head
        super().data_received(data)
        # a header without an end is not given to `on_header` before its end comes
        if unfinished and self._in_head and not self._refused:
            self._head_bytes += len(data)
            if self._head_bytes > self.max_header_bytes:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Another head begins."""
        super().on_message_begin()
        self._in_head, self._named_bytes = True, 0
        if self._timer is None:
            self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header, and let a trailer go.

        Raises:
            TooLargeError: The head is over the limit; the parser gives up the connection.
        """
        self._named_bytes += len(name) + len(value) + 4
        if self._named_bytes > self.max_header_bytes:
            self._head_bytes = self._named_bytes
            raise TooLargeError(f"expected a head of at most {self.max_header_bytes} bytes")
        # a trailer is no header (RFC 9110, section 6.5.1): it comes after what was decided on
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole: what comes now has its own limits."""
        self._in_head, self._head_bytes = False, 0
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse the connection: 431 where the head was too large, else 400."""
        if self._refused:
            return
        self._refused = True
        if self._head_bytes > self.max_header_bytes:
            self._refuse(b"431 Request Header Fields Too Large", "the request's head is too large")
        else:
            self._refuse(b"400 Bad Request", msg)

    def _refuse(self, status: bytes, message: str) -> None:
        self._refused = True
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n"
            b"x-should-retry: false\r\nconnection: close\r\n\r\n%b" % (status, len(message), message.encode())
        )
        # a close with bytes unread resets the connection, and the answer would be lost with it
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.head_timeout_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout", "the request's head did not come in time")


def limited_protocol(*, max_header_bytes: int, head_timeout_s: float) -> type[LimitedProtocol]:
    """The protocol with these limits, for `uvicorn.Config(http=...)`.

    Args:
        max_header_bytes: Names and values of all headers.
        head_timeout_s: From the connection, or from a later request's first byte, to the end of the head.
    """
    limits: dict[str, Any] = {"max_header_bytes": max_header_bytes, "head_timeout_s": head_timeout_s}
    return type("LimitedProtocol", (LimitedProtocol,), limits)
