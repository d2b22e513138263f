"""Anthropic Messages: reads requests and answers by the table in `anthropic_fields.py`, and writes its errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from countermark.content.digest import sha256_hex
from countermark.content.request_json import parse_request_json
from countermark.pep.anthropic_answer import ANSWER, EVENT
from countermark.pep.anthropic_fields import REQUEST, TOOLSETS
from countermark.pep.anthropic_stream import MessagesStream, call_name
from countermark.pep.claims import claims_of_texts
from countermark.pep.fields import NO_EXTRAS, Extras, Gathered
from countermark.pep.reading import (
    DEFAULT_LIMITS,
    AnswerReading,
    ErrorKind,
    Limits,
    PromptReading,
    Seen,
    ToolCall,
)

_TYPE: Final[Mapping[ErrorKind, str]] = MappingProxyType(
    {
        ErrorKind.DENIED: "permission_error",
        ErrorKind.HOLD: "countermark_hold",
        ErrorKind.MALFORMED: "invalid_request_error",
        ErrorKind.UNAUTHENTICATED: "authentication_error",
        ErrorKind.NOT_FOUND: "not_found_error",
        ErrorKind.NOT_ALLOWED: "invalid_request_error",
        ErrorKind.TOO_LARGE: "request_too_large",
        ErrorKind.TOO_MANY: "rate_limit_error",
        ErrorKind.UPSTREAM: "api_error",
        ErrorKind.UNAVAILABLE: "api_error",
        ErrorKind.TIMEOUT: "timeout_error",
    }
)


class AnthropicMessages:
    """The wire format of `/v1/messages` (`WireFormat`)."""

    name: Final = "anthropic"
    path: Final = "/v1/messages"

    def __init__(self, extras: Extras = NO_EXTRAS) -> None:
        """Compile the tables, with the fields that the bundle adds to them."""
        self._request = REQUEST.compile("", extras)
        self._answer = ANSWER.compile("answer", extras)
        self._event = EVENT.compile("event", extras)

    def read_request(self, body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> PromptReading:
        """Read a request's body; see `WireFormat.read_request`."""
        data = parse_request_json(body, max_bytes=limits.max_bytes, max_depth=limits.max_depth)
        out = Gathered()
        self._request(data, out)
        return PromptReading(
            model=data["model"],
            stream=data.get("stream") is True,
            tools=tuple(
                TOOLSETS.get(tool.get("type") or "") or tool["name"] for tool in data.get("tools") or ()
            ),
            texts=tuple(out.texts),
            unread=tuple(out.unread),
            claims=claims_of_texts(_system_texts(data)),
            seen=_seen(body, out),
        )

    def read_answer(self, body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> AnswerReading:
        """Read the body of an answer that is not streamed; see `WireFormat.read_answer`."""
        data = parse_request_json(body, max_bytes=limits.max_bytes, max_depth=limits.max_depth)
        out = Gathered()
        self._answer(data, out)
        return AnswerReading(
            calls=tuple(_calls(data["content"])),
            texts=tuple(out.texts),
            unread=tuple(out.unread),
            finish=(data.get("stop_reason") or "",),
            seen=_seen(body, out),
        )

    def stream_reader(self, *, limits: Limits = DEFAULT_LIMITS) -> MessagesStream:
        """A reader for one streamed answer."""
        return MessagesStream(limits, event=self._event)

    def error_body(
        self, kind: ErrorKind, message: str, countermark: Mapping[str, Any] | None = None
    ) -> bytes:
        """The error as the official client types it; its `details` are the vendor's, so ours stand beside them."""
        error: dict[str, Any] = {"type": _TYPE[kind], "message": message}
        if countermark is not None:
            error["countermark"] = countermark
        return json.dumps(
            {"type": "error", "error": error}, ensure_ascii=False, separators=(",", ":")
        ).encode()

    def stream_error(
        self, kind: ErrorKind, message: str, countermark: Mapping[str, Any] | None = None
    ) -> bytes:
        """An event `error`: the official client raises `anthropic.APIStatusError` on it."""
        return b"event: error\ndata: " + self.error_body(kind, message, countermark) + b"\n\n"


def _seen(body: bytes, out: Gathered) -> Seen:
    return Seen(parts=len(out.texts) + len(out.unread), bytes=len(body), sha256=sha256_hex(body))


def _system_texts(data: Mapping[str, Any]) -> Iterator[str]:
    contents = [data.get("system")]
    contents += [message.get("content") for message in data["messages"] if message["role"] == "system"]
    for content in contents:
        if type(content) is str:
            yield content
        else:
            yield from (block["text"] for block in content or ())


def _calls(content: list[dict[str, Any]]) -> Iterator[ToolCall]:
    for index, block in enumerate(content):
        if block["type"] == "tool_use":
            yield ToolCall(
                choice=0,
                index=index,
                call_id=block["id"],
                name=call_name(block),
                arguments=json.dumps(block["input"], ensure_ascii=False),
            )
