"""The model server of the benchmarks: as little work as an answer can be, so that what stands before it is measured.

A bare protocol on httptools and uvloop. It answers every POST with a Chat Completions answer of about 1 KB, or with the
same text as a stream of 20 events, and puts the request's echo id into it: the load generator checks that each answer
is the answer to its own request.

    python bench/mock_model.py --port-file FILE
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import httptools
import uvloop

ECHO = b"echo-"
"""What an id begins with; 16 hex digits follow."""
ID_BYTES = len(ECHO) + 16
EVENTS = 20

_MARK = "echo-0000000000000000"
_WORDS = (
    "the pump runs dry when the inlet valve stays shut; open it by a quarter turn and wait for pressure. " * 8
)
_CREATED = 1_767_225_600


def plain_answer(echo: bytes) -> bytes:
    """The body of a whole answer that carries `echo`."""
    return _PLAIN.replace(_MARK.encode(), echo)


def streamed_answer(echo: bytes) -> tuple[bytes, ...]:
    """The events of a streamed answer that carries `echo`."""
    return tuple(event.replace(_MARK.encode(), echo) for event in _STREAMED)


def find_echo(body: bytes) -> bytes:
    """The echo id in a request's body."""
    at = body.rindex(ECHO)
    return body[at : at + ID_BYTES]


def _plain_template() -> bytes:
    message = {"role": "assistant", "content": f"{_MARK} {_WORDS}", "refusal": None}
    return json.dumps(
        {
            "id": f"chatcmpl-{_MARK}",
            "object": "chat.completion",
            "created": _CREATED,
            "model": "m-1",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 200, "completion_tokens": 160, "total_tokens": 360},
        }
    ).encode()


def _stream_template() -> tuple[bytes, ...]:
    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        chunk = {
            "id": f"chatcmpl-{_MARK}",
            "object": "chat.completion.chunk",
            "created": _CREATED,
            "model": "m-1",
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        }
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    size = len(_WORDS) // (EVENTS - 4)
    texts = [_WORDS[at * size : (at + 1) * size] for at in range(EVENTS - 4)]
    return (
        event({"role": "assistant", "content": ""}),
        event({"content": f"{_MARK} "}),
        *(event({"content": text}) for text in texts),
        event({}, "stop"),
        b"data: [DONE]\n\n",
    )


_PLAIN = _plain_template()
_STREAMED = _stream_template()
_PLAIN_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_PLAIN)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
)


class MockProtocol(asyncio.Protocol):
    """Answers the requests of one connection."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._pieces: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the methods below."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """One piece of a request's body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """A whole request: answer it."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        if self._transport is None:
            return
        if not body:  # a health check before the run
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            return
        echo = find_echo(body)
        # the generator and LiteLLM write the key in two ways
        if b'"stream":true' in body or b'"stream": true' in body:
            self._transport.write(_STREAM_HEAD)
            self._send_event(streamed_answer(echo), 0)
        else:
            self._transport.write(_PLAIN_HEAD + plain_answer(echo))

    def _send_event(self, events: tuple[bytes, ...], number: int) -> None:
        """Send one event a turn of the loop, so that they come one by one as a model's do."""
        if self._transport is None or self._transport.is_closing():
            return
        event = events[number]
        piece = b"%x\r\n%b\r\n" % (len(event), event)
        if number + 1 == len(events):
            self._transport.write(piece + b"0\r\n\r\n")
        else:
            self._transport.write(piece)
            self._loop.call_soon(self._send_event, events, number + 1)


async def serve(port_file: Path) -> None:
    """Listen on a free port, say which, and answer until killed."""
    server = await asyncio.get_running_loop().create_server(MockProtocol, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    part = port_file.with_name(port_file.name + ".part")
    part.write_text(f"{port}\n")
    part.replace(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port-file", type=Path, required=True)
    uvloop.run(serve(parser.parse_args().port_file))
