"""Answers in the form of each API: whole bodies, the events of a stream, errors, lists of models. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from countermark.loopback.answers import Api, Asked, Choice

CREATED_AT = 1_767_225_600
"""2026-01-01T00:00:00Z: a fixed time, so that answers are the same bytes on every day."""

_ERROR_TYPES: Mapping[int, tuple[str, str]] = {
    400: ("invalid_request_error", "invalid_request_error"),
    401: ("authentication_error", "authentication_error"),
    404: ("invalid_request_error", "not_found_error"),
    429: ("rate_limit_error", "rate_limit_error"),
    500: ("server_error", "api_error"),
}
"""Status to the error type of (OpenAI, Anthropic)."""


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")


def request_id(asked_digest: str) -> str:
    """The id that stands in the answer's header where the caller sent none."""
    return f"req_{asked_digest[:24]}"


def error_body(api: Api, status: int, message: str, *, request: str) -> bytes:
    """An error in the API's own shape."""
    openai_type, anthropic_type = _ERROR_TYPES[status]
    if api is Api.CHAT:
        return encode({"error": {"message": message, "type": openai_type, "param": None, "code": None}})
    return encode(
        {"type": "error", "error": {"type": anthropic_type, "message": message}, "request_id": request}
    )


def models_body(models: Sequence[str], *, anthropic: bool) -> bytes:
    """The list of `GET /v1/models`, in the form that the caller's `anthropic-version` header asks for."""
    if anthropic:
        data = [_anthropic_model(name) for name in models]
        return encode({"data": data, "has_more": False, "first_id": models[0], "last_id": models[-1]})
    return encode({"object": "list", "data": [_openai_model(name) for name in models]})


def model_body(name: str, *, anthropic: bool) -> bytes:
    """The answer to `GET /v1/models/NAME`."""
    return encode(_anthropic_model(name) if anthropic else _openai_model(name))


def plain_body(asked: Asked, choices: Sequence[Choice]) -> bytes:
    """The whole answer, where the request did not ask for a stream."""
    return _chat_body(asked, choices) if asked.api is Api.CHAT else _messages_body(asked, choices[0])


def stream_events(asked: Asked, choices: Sequence[Choice]) -> tuple[bytes, ...]:
    """The answer as server-sent events, each with its blank line; the last one is the API's end mark."""
    made = _chat_events(asked, choices) if asked.api is Api.CHAT else _messages_events(asked, choices[0])
    return tuple(made)


def _openai_model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED_AT, "owned_by": "loopback"}


def _anthropic_model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}


def _words(text: str) -> list[str]:
    """Cut `text` after each space, so that the pieces join to it."""
    return [piece for piece in text.replace(" ", " \0").split("\0") if piece]


def _halves(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], text[len(text) // 2 :]


def _call_id(asked: Asked, choice: int, call: int) -> str:
    prefix = "call" if asked.api is Api.CHAT else "toolu"
    return f"{prefix}_{asked.digest[:16]}_{choice}_{call}"


def _counts(asked: Asked, choices: Sequence[Choice]) -> tuple[int, int]:
    """(words asked, words answered): the played tokenizer counts words."""
    return len(asked.all_text.split()), sum(
        len(choice.text.split()) + sum(len(call.arguments.split()) for call in choice.calls)
        for choice in choices
    )


def _chat_usage(asked: Asked, choices: Sequence[Choice]) -> dict[str, int]:
    read, written = _counts(asked, choices)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _chat_call(asked: Asked, choice: int, number: int, name: str, arguments: str) -> dict[str, Any]:
    return {
        "id": _call_id(asked, choice, number),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _chat_body(asked: Asked, choices: Sequence[Choice]) -> bytes:
    made = []
    for index, choice in enumerate(choices):
        message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": None}
        if choice.calls:
            message["tool_calls"] = [
                _chat_call(asked, index, number, call.name, call.arguments)
                for number, call in enumerate(choice.calls)
            ]
        finish = "tool_calls" if choice.calls else "stop"
        made.append({"index": index, "message": message, "logprobs": None, "finish_reason": finish})
    return encode(
        {
            "id": f"chatcmpl-{asked.digest[:24]}",
            "object": "chat.completion",
            "created": CREATED_AT,
            "model": asked.model,
            "choices": made,
            "usage": _chat_usage(asked, choices),
        }
    )


def _chat_events(asked: Asked, choices: Sequence[Choice]) -> Iterator[bytes]:
    def event(chunk_choices: list[dict[str, Any]], **more: Any) -> bytes:
        chunk = {
            "id": f"chatcmpl-{asked.digest[:24]}",
            "object": "chat.completion.chunk",
            "created": CREATED_AT,
            "model": asked.model,
            "choices": chunk_choices,
            **more,
        }
        return b"data: " + encode(chunk) + b"\n\n"

    def delta(index: int, content: dict[str, Any], finish: str | None = None) -> bytes:
        return event([{"index": index, "delta": content, "logprobs": None, "finish_reason": finish}])

    for index, _ in enumerate(choices):
        yield delta(index, {"role": "assistant", "content": ""})
    for index, choice in enumerate(choices):
        for word in _words(choice.text):
            yield delta(index, {"content": word})
    for index, choice in enumerate(choices):
        # parallel calls interleave: every head first, then the arguments' halves in turn (facts: streams, section 4)
        for number, call in enumerate(choice.calls):
            yield delta(
                index, {"tool_calls": [{"index": number, **_chat_call(asked, index, number, call.name, "")}]}
            )
        for half in (0, 1):
            for number, call in enumerate(choice.calls):
                piece = {"index": number, "function": {"arguments": _halves(call.arguments)[half]}}
                yield delta(index, {"tool_calls": [piece]})
    for index, choice in enumerate(choices):
        yield delta(index, {}, "tool_calls" if choice.calls else "stop")
    if asked.include_usage:
        yield event([], usage=_chat_usage(asked, choices))
    yield b"data: [DONE]\n\n"


def _messages_head(asked: Asked, choice: Choice, *, written: int) -> dict[str, Any]:
    return {
        "id": f"msg_{asked.digest[:24]}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": _counts(asked, [choice])[0], "output_tokens": written},
    }


def _messages_body(asked: Asked, choice: Choice) -> bytes:
    body = _messages_head(asked, choice, written=_counts(asked, [choice])[1])
    body["content"] = [{"type": "text", "text": choice.text}] + [
        {
            "type": "tool_use",
            "id": _call_id(asked, 0, number),
            "name": call.name,
            "input": json.loads(call.arguments),
        }
        for number, call in enumerate(choice.calls)
    ]
    body["stop_reason"] = "tool_use" if choice.calls else "end_turn"
    return encode(body)


def _messages_events(asked: Asked, choice: Choice) -> Iterator[bytes]:
    def event(kind: str, **more: Any) -> bytes:
        return b"event: " + kind.encode() + b"\ndata: " + encode({"type": kind, **more}) + b"\n\n"

    def delta(index: int, content: dict[str, Any]) -> bytes:
        return event("content_block_delta", index=index, delta=content)

    yield event("message_start", message=_messages_head(asked, choice, written=0))
    yield event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    yield event("ping")
    for word in _words(choice.text):
        yield delta(0, {"type": "text_delta", "text": word})
    yield event("content_block_stop", index=0)
    for number, call in enumerate(choice.calls):
        index = number + 1
        block = {"type": "tool_use", "id": _call_id(asked, 0, number), "name": call.name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        for half in _halves(call.arguments):
            yield delta(index, {"type": "input_json_delta", "partial_json": half})
        yield event("content_block_stop", index=index)
    yield event(
        "message_delta",
        delta={"stop_reason": "tool_use" if choice.calls else "end_turn", "stop_sequence": None},
        usage={"output_tokens": _counts(asked, [choice])[1]},
    )
    yield event("message_stop")
