"""Errors as the official clients meet them: typed, tried once, with our words in the body; and mid-stream."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import openai
import pytest

from countermark.pep.anthropic import AnthropicMessages
from countermark.pep.openai import OpenAIChat
from countermark.pep.reading import STATUS, ErrorKind

OPENAI, ANTHROPIC = OpenAIChat(), AnthropicMessages()
SAID = {"decision_id": "d_abc", "outcome": "DENY", "clauses": ["RL-1"], "hold_id": None}
MESSAGE = 'this request is denied by RL-1: "naïve" 😀\nsecond line'


class Played(BaseHTTPRequestHandler):
    """Answers every request alike and counts them."""

    status: int
    body: bytes
    kind: str
    tries: int

    def do_POST(self) -> None:
        type(self).tries += 1
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status)
        self.send_header("content-type", self.kind)
        self.send_header("content-length", str(len(self.body)))
        self.send_header("x-should-retry", "false")
        self.send_header("countermark-decision", "d_abc")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def played(status: int, body: bytes, kind: str = "application/json") -> Iterator[tuple[str, type[Played]]]:
    handler = type("Handler", (Played,), {"status": status, "body": body, "kind": kind, "tries": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask_openai(url: str, **fields: Any) -> Any:
    with openai.OpenAI(api_key="k", base_url=f"{url}/v1") as client:
        asked = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], **fields
        )
        return list(asked) if fields.get("stream") else asked


def ask_anthropic(url: str, **fields: Any) -> Any:
    with anthropic.Anthropic(api_key="k", base_url=url) as client:
        asked = client.messages.create(
            model="m", max_tokens=5, messages=[{"role": "user", "content": "x"}], **fields
        )
        return list(asked) if fields.get("stream") else asked


OPENAI_TYPES = {
    ErrorKind.DENIED: openai.PermissionDeniedError,
    ErrorKind.HOLD: openai.APIStatusError,
    ErrorKind.MALFORMED: openai.BadRequestError,
    ErrorKind.UNAUTHENTICATED: openai.AuthenticationError,
    ErrorKind.NOT_FOUND: openai.NotFoundError,
    ErrorKind.NOT_ALLOWED: openai.APIStatusError,
    ErrorKind.TOO_LARGE: openai.APIStatusError,
    ErrorKind.TOO_MANY: openai.RateLimitError,
    ErrorKind.UPSTREAM: openai.InternalServerError,
    ErrorKind.UNAVAILABLE: openai.InternalServerError,
    ErrorKind.TIMEOUT: openai.InternalServerError,
}
OPENAI_CODES = {ErrorKind.DENIED: "countermark_denied", ErrorKind.HOLD: "countermark_hold"}


@pytest.mark.parametrize("kind", ErrorKind)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_the_openai_client_raises_its_typed_error_after_one_try(kind: ErrorKind, stream: bool) -> None:
    """Type by status, our object and code whole in `e.body`, exactly one request sent."""
    body = OPENAI.error_body(kind, MESSAGE, SAID)
    with played(STATUS[kind], body) as (url, server), pytest.raises(OPENAI_TYPES[kind]) as caught:
        ask_openai(url, stream=stream)
    error = caught.value
    assert server.tries == 1
    assert error.status_code == STATUS[kind]
    assert error.body["countermark"] == SAID
    assert error.body["message"] == MESSAGE
    assert error.code == OPENAI_CODES.get(kind, error.code)
    assert error.type
    assert error.response.headers["countermark-decision"] == "d_abc"


ANTHROPIC_TYPES = {
    ErrorKind.DENIED: (anthropic.PermissionDeniedError, "permission_error"),
    ErrorKind.HOLD: (anthropic.APIStatusError, "countermark_hold"),
    ErrorKind.MALFORMED: (anthropic.BadRequestError, "invalid_request_error"),
    ErrorKind.UNAUTHENTICATED: (anthropic.AuthenticationError, "authentication_error"),
    ErrorKind.NOT_FOUND: (anthropic.NotFoundError, "not_found_error"),
    ErrorKind.NOT_ALLOWED: (anthropic.APIStatusError, "invalid_request_error"),
    ErrorKind.TOO_LARGE: (anthropic.APIStatusError, "request_too_large"),
    ErrorKind.TOO_MANY: (anthropic.RateLimitError, "rate_limit_error"),
    ErrorKind.UPSTREAM: (anthropic.InternalServerError, "api_error"),
    ErrorKind.UNAVAILABLE: (anthropic.APIStatusError, "api_error"),
    ErrorKind.TIMEOUT: (anthropic.APIStatusError, "timeout_error"),
}


@pytest.mark.parametrize("kind", ErrorKind)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_the_anthropic_client_raises_its_typed_error_after_one_try(kind: ErrorKind, stream: bool) -> None:
    """Type by status and `e.type`, our object whole in `e.body`, exactly one request sent."""
    body = ANTHROPIC.error_body(kind, MESSAGE, SAID)
    with played(STATUS[kind], body) as (url, server), pytest.raises(ANTHROPIC_TYPES[kind][0]) as caught:
        ask_anthropic(url, stream=stream)
    error = caught.value
    assert server.tries == 1
    assert error.status_code == STATUS[kind]
    assert error.type == ANTHROPIC_TYPES[kind][1]
    assert error.body["error"]["countermark"] == SAID
    assert error.body["error"]["message"] == MESSAGE


TEXT_CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'  # fmt: skip # noqa: E501


@pytest.mark.parametrize("kind", [ErrorKind.DENIED, ErrorKind.HOLD, ErrorKind.UPSTREAM])
def test_the_openai_client_raises_in_the_middle_of_a_stream(kind: ErrorKind) -> None:
    """The text so far arrives, then `openai.APIError` with our object in its body."""
    body = TEXT_CHUNK + OPENAI.stream_error(kind, MESSAGE, SAID)
    got: list[str | None] = []
    with (
        played(200, body, "text/event-stream") as (url, server),
        openai.OpenAI(api_key="k", base_url=f"{url}/v1") as client,
    ):
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x"}], stream=True
        )
        with pytest.raises(openai.APIError) as caught:
            got.extend(each.choices[0].delta.content for each in stream)
    assert got == ["hi"]
    assert server.tries == 1
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["countermark"] == SAID
    assert caught.value.message == MESSAGE


@pytest.mark.parametrize("kind", [ErrorKind.DENIED, ErrorKind.HOLD, ErrorKind.UPSTREAM])
def test_the_anthropic_client_raises_in_the_middle_of_a_stream(kind: ErrorKind) -> None:
    """The events so far arrive, then `anthropic.APIStatusError` with our object in its body."""
    start = {
        "type": "message_start",
        "message": {
            "id": "m", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    }  # fmt: skip
    body = b"event: message_start\ndata: " + json.dumps(start).encode() + b"\n\n"
    body += ANTHROPIC.stream_error(kind, MESSAGE, SAID)
    with (
        played(200, body, "text/event-stream") as (url, server),
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        ask_anthropic(url, stream=True)
    assert server.tries == 1
    assert caught.value.type == ANTHROPIC_TYPES[kind][1]
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["countermark"] == SAID


def test_an_error_without_our_object_has_none() -> None:
    """Where no decision was reached there is nothing to name."""
    assert b"countermark" not in OPENAI.error_body(ErrorKind.UNAUTHENTICATED, "x").replace(
        b"countermark_", b""
    )
    assert json.loads(ANTHROPIC.error_body(ErrorKind.UNAUTHENTICATED, "x")) == {
        "type": "error",
        "error": {"type": "authentication_error", "message": "x"},
    }
