"""OpenAI Chat Completions: reads requests and answers by the table in `openai_fields.py`, and writes its errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from countermark.content.digest import sha256_hex
from countermark.content.request_json import parse_request_json
from countermark.pep.claims import claims_of_metadata, claims_of_texts, merge_claims
from countermark.pep.fields import NO_EXTRAS, Extras, Gathered
from countermark.pep.openai_fields import ANSWER, CHUNK, REQUEST, STREAM_ERROR
from countermark.pep.openai_stream import ChatStream
from countermark.pep.reading import (
    DEFAULT_LIMITS,
    AnswerReading,
    ErrorKind,
    Limits,
    PromptReading,
    Seen,
    ToolCall,
)

_TYPE_AND_CODE: Final[Mapping[ErrorKind, tuple[str, str]]] = MappingProxyType(
    {
        ErrorKind.DENIED: ("permission_error", "countermark_denied"),
        ErrorKind.HOLD: ("permission_error", "countermark_hold"),
        ErrorKind.MALFORMED: ("invalid_request_error", "countermark_malformed"),
        ErrorKind.UNAUTHENTICATED: ("authentication_error", "invalid_api_key"),
        ErrorKind.NOT_FOUND: ("not_found_error", "countermark_not_found"),
        ErrorKind.NOT_ALLOWED: ("invalid_request_error", "countermark_method_not_allowed"),
        ErrorKind.TOO_LARGE: ("invalid_request_error", "countermark_too_large"),
        ErrorKind.TOO_MANY: ("rate_limit_error", "countermark_too_many"),
        ErrorKind.UPSTREAM: ("api_error", "countermark_upstream_failed"),
        ErrorKind.UNAVAILABLE: ("api_error", "countermark_unavailable"),
        ErrorKind.TIMEOUT: ("timeout_error", "countermark_upstream_timeout"),
    }
)


class OpenAIChat:
    """The wire format of `/v1/chat/completions` (`WireFormat`)."""

    name: Final = "openai"
    path: Final = "/v1/chat/completions"

    def __init__(self, extras: Extras = NO_EXTRAS) -> None:
        """Compile the tables, with the fields that the bundle adds to them."""
        self._request = REQUEST.compile("", extras)
        self._answer = ANSWER.compile("answer", extras)
        self._chunk = CHUNK.compile("chunk", extras)
        self._stream_error = STREAM_ERROR.compile("chunk", NO_EXTRAS)

    def read_request(self, body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> PromptReading:
        """Read a request's body; see `WireFormat.read_request`."""
        data = parse_request_json(body, max_bytes=limits.max_bytes, max_depth=limits.max_depth)
        out = Gathered()
        self._request(data, out)
        return PromptReading(
            model=data["model"],
            stream=data.get("stream") is True,
            tools=tuple(_tool_names(data)),
            texts=tuple(out.texts),
            unread=tuple(out.unread),
            claims=_claims(data),
            seen=_seen(body, out),
        )

    def read_answer(self, body: bytes, *, limits: Limits = DEFAULT_LIMITS) -> AnswerReading:
        """Read the body of an answer that is not streamed; see `WireFormat.read_answer`."""
        data = parse_request_json(body, max_bytes=limits.max_bytes, max_depth=limits.max_depth)
        out = Gathered()
        self._answer(data, out)
        choices = data["choices"]
        return AnswerReading(
            calls=tuple(call for choice in choices for call in _calls(choice)),
            texts=tuple(out.texts),
            unread=tuple(out.unread),
            finish=tuple(choice.get("finish_reason") or "" for choice in choices),
            seen=_seen(body, out),
        )

    def stream_reader(self, *, limits: Limits = DEFAULT_LIMITS) -> ChatStream:
        """A reader for one streamed answer."""
        return ChatStream(limits, chunk=self._chunk, error=self._stream_error)

    def error_body(
        self, kind: ErrorKind, message: str, countermark: Mapping[str, Any] | None = None
    ) -> bytes:
        """The error as the official client types it; it keeps only what stands inside `error`."""
        kind_type, code = _TYPE_AND_CODE[kind]
        error: dict[str, Any] = {"message": message, "type": kind_type, "param": None, "code": code}
        if countermark is not None:
            error["countermark"] = countermark
        return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":")).encode()

    def stream_error(
        self, kind: ErrorKind, message: str, countermark: Mapping[str, Any] | None = None
    ) -> bytes:
        """A last event with `error` in it: the official client raises `openai.APIError` on it."""
        return b"data: " + self.error_body(kind, message, countermark) + b"\n\n"


def _seen(body: bytes, out: Gathered) -> Seen:
    return Seen(parts=len(out.texts) + len(out.unread), bytes=len(body), sha256=sha256_hex(body))


def _tool_names(data: Mapping[str, Any]) -> Iterator[str]:
    for tool in data.get("tools") or ():
        yield tool[tool["type"]]["name"]
    for function in data.get("functions") or ():
        yield function["name"]


def _claims(data: Mapping[str, Any]) -> Mapping[str, str]:
    sources = []
    metadata = data.get("metadata")
    if metadata:
        sources.append(claims_of_metadata(metadata))
    for message in data["messages"]:
        if message["role"] in {"system", "developer"}:
            content = message.get("content")
            texts = [content] if type(content) is str else [part["text"] for part in content or ()]
            found = claims_of_texts(texts)
            if found:
                sources.append(found)
    return merge_claims(sources)


def _calls(choice: Mapping[str, Any]) -> Iterator[ToolCall]:
    number, message = choice["index"], choice["message"]
    place = 0
    for call in message.get("tool_calls") or ():
        function, custom = call.get("function"), call.get("custom")
        yield ToolCall(
            choice=number,
            index=place,
            call_id=call.get("id") or "",
            name=(function or custom)["name"],
            arguments=(function.get("arguments") or "")
            if function
            else json.dumps(custom.get("input") or ""),
        )
        place += 1
    legacy = message.get("function_call")
    if legacy:
        yield ToolCall(
            choice=number,
            index=place,
            call_id="",
            name=legacy["name"],
            arguments=legacy.get("arguments") or "",
        )
