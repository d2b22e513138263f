"""Nothing passes unseen: the tables against the official packages' types, and a canary in every place of them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from anthropic import types as anthropic_types
from anthropic.types import message_create_params
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params
from vendor_types import CANARY, fields_of, members, minimal, red_cells, variants

from countermark.errors import MalformedError
from countermark.pep import anthropic_answer, anthropic_fields, openai_fields
from countermark.pep.anthropic import AnthropicMessages
from countermark.pep.fields import Object
from countermark.pep.openai import OpenAIChat
from countermark.pep.reading import Calls, Pass

OPENAI, ANTHROPIC = OpenAIChat(), AnthropicMessages()

TYPES = {
    "a Chat Completions request": (
        openai_fields.REQUEST,
        completion_create_params.CompletionCreateParamsNonStreaming,
    ),
    "a streamed Chat Completions request": (
        openai_fields.REQUEST,
        completion_create_params.CompletionCreateParamsStreaming,
    ),
    "a Chat Completions answer": (openai_fields.ANSWER, ChatCompletion),
    "a Chat Completions chunk": (openai_fields.CHUNK, ChatCompletionChunk),
    "a Messages request": (anthropic_fields.REQUEST, message_create_params.MessageCreateParamsNonStreaming),
    "a streamed Messages request": (
        anthropic_fields.REQUEST,
        message_create_params.MessageCreateParamsStreaming,
    ),
    "a Messages answer": (anthropic_answer.ANSWER, anthropic_types.Message),
    "a Messages event": (anthropic_answer.EVENT, anthropic_types.RawMessageStreamEvent),
}


@pytest.mark.parametrize("what", TYPES)
def test_every_field_and_word_of_the_official_types_has_an_entry(what: str) -> None:
    """A field, part, tool or event that the vendors add shows up here as a red cell, by name."""
    shape, vendor_type = TYPES[what]
    red = sorted(set(red_cells(shape, vendor_type, "")))
    assert not red, "red cells (give each an entry in the table):\n" + "\n".join(red)


@pytest.mark.parametrize("what", [what for what in TYPES if "event" not in what])
def test_a_field_without_an_entry_is_a_red_cell(what: str) -> None:
    """The comparison notices each top-level field that is taken out of the table."""
    shape, vendor_type = TYPES[what]
    assert isinstance(shape, Object)
    names = fields_of(next(members(vendor_type))) or {}
    for name in names:
        poorer = replace(shape, fields={key: value for key, value in shape.fields.items() if key != name})
        assert f".{name}: no entry" in set(red_cells(poorer, vendor_type, ""))


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def was_read(texts: list[str], *named: str) -> bool:
    return any(CANARY in text for text in [*texts, *named])


REQUESTS = {
    "openai": (OPENAI, completion_create_params.CompletionCreateParamsNonStreaming),
    "anthropic": (ANTHROPIC, message_create_params.MessageCreateParamsNonStreaming),
}


@pytest.mark.parametrize("api", REQUESTS)
def test_a_canary_in_any_place_of_a_request_is_read_or_refused(api: str) -> None:
    """Whatever field of the official types a caller puts a text into, the gateway reads it or refuses by name."""
    wire, vendor_type = REQUESTS[api]
    read, refused, unseen = 0, 0, []
    for where, body in variants(vendor_type):
        data = encoded(body)
        assert data.count(encoded(CANARY)[1:-1]) == 1, where
        try:
            reading = wire.read_request(data)
        except MalformedError:
            refused += 1
            continue
        if was_read(list(reading.texts), reading.model, *reading.unread):
            read += 1
        else:
            unseen.append(where)
    assert not unseen, "not read, not refused:\n" + "\n".join(unseen)
    assert read > 60
    assert refused > 100


@pytest.mark.parametrize("api", REQUESTS)
def test_content_fields_are_read_not_refused(api: str) -> None:
    """The canary test isn't met by refusing: the places that carry the work of both APIs are read."""
    wire, vendor_type = REQUESTS[api]
    read = set()
    for where, body in variants(vendor_type):
        try:
            reading = wire.read_request(encoded(body))
        except MalformedError:
            continue
        if was_read(list(reading.texts), reading.model):
            read.add(where)
    expected = {
        "openai": {
            ".messages[]<system>.content",
            ".messages[]<developer>.content",
            ".messages[]<user>.content",
            ".messages[]<user>.content[]<text>.text",
            ".messages[]<user>.content[]<file>.file.filename",
            ".messages[]<user>.name",
            ".messages[]<assistant>.content",
            ".messages[]<assistant>.content[]<refusal>.refusal",
            ".messages[]<assistant>.tool_calls[]<function>.function.arguments",
            ".messages[]<assistant>.tool_calls[]<custom>.custom.input",
            ".messages[]<tool>.content",
            ".messages[]<function>.content",
            ".metadata.(key)",
            ".metadata.*",
            ".model",
            ".prediction<content>.content",
            ".response_format<json_schema>.json_schema.schema.* inside",
            ".stop",
            ".stop[]",
            ".tools[]<function>.function.description",
            ".tools[]<function>.function.parameters.* as key",
            ".tools[]<custom>.custom.format<grammar>.grammar.definition",
            ".user",
            ".logit_bias.(key)",
        }
        - {".messages[]<user>.content[]<file>.file.filename"},  # a file needs its data beside the name
        "anthropic": {
            ".messages[]<user>.content",
            ".messages[]<user>.content[]<text>.text",
            ".messages[]<user>.content[]<tool_result>.content",
            ".messages[]<user>.content[]<tool_result>.content[]<text>.text",
            ".messages[]<user>.content[]<tool_result>.content[]<browser_state>.tabs[].url",
            ".messages[]<user>.content[]<search_result>.title",
            ".messages[]<assistant>.content[]<thinking>.thinking",
            ".messages[]<assistant>.content[]<thinking>.signature",
            ".messages[]<assistant>.content[]<tool_use>.input.* inside",
            ".messages[]<system>.content",
            ".metadata.user_id",
            ".model",
            ".output_config.format<json_schema>.schema.* as key",
            ".stop_sequences[]",
            ".system",
            ".system[]<text>.text",
            ".tool_choice<tool>.name",
            ".tools[].description",
            ".tools[].input_schema<object>.properties.* inside",
        },
    }
    assert expected[api] <= read, sorted(expected[api] - read)


@pytest.mark.parametrize(
    ("api", "vendor_type"), [("openai", ChatCompletion), ("anthropic", anthropic_types.Message)]
)
def test_a_canary_in_any_place_of_an_answer_is_read_or_refused(api: str, vendor_type: Any) -> None:
    """What an upstream puts anywhere into an answer is among its texts, or the answer is not released."""
    wire = REQUESTS[api][0]
    read, unseen = 0, []
    for where, body in variants(vendor_type):
        try:
            reading = wire.read_answer(encoded(body))
        except MalformedError:
            continue
        if was_read(list(reading.texts), *reading.unread):
            read += 1
        else:
            unseen.append(where)
    assert not unseen, "not read, not refused:\n" + "\n".join(unseen)
    assert read > 15


def texts_of_stream(reader: Any, data: bytes) -> list[str]:
    pieces = [*reader.feed(data), *reader.close()]
    return [text for piece in pieces if isinstance(piece, Pass | Calls) for text in piece.texts]


def test_a_canary_in_any_place_of_a_chunk_is_read_or_refused() -> None:
    """A chunk of a Chat stream hides nothing: not in a tool call's delta, not in an unknown field."""
    read, unseen = 0, []
    for where, chunk in variants(ChatCompletionChunk):
        data = b"data: " + encoded(chunk) + b"\n\ndata: [DONE]\n\n"
        try:
            found = was_read(texts_of_stream(OPENAI.stream_reader(), data))
        except MalformedError:
            continue
        read += found
        if not found:
            unseen.append(where)
    assert not unseen, "not read, not refused:\n" + "\n".join(unseen)
    assert read > 15


def event(data: dict[str, Any]) -> bytes:
    return f"event: {data.get('type')}\n".encode() + b"data: " + encoded(data) + b"\n\n"


def around(changed: dict[str, Any]) -> bytes:
    """A whole stream of Messages with one event in the place where it belongs."""
    delta = changed.get("delta")
    is_call = isinstance(delta, dict) and delta.get("type") == "input_json_delta"
    block = (
        {"type": "tool_use", "id": "t", "name": "f", "input": {}} if is_call else {"type": "text", "text": ""}
    )
    message = minimal(anthropic_types.Message)
    events = {
        "message_start": {"type": "message_start", "message": message},
        "content_block_start": {"type": "content_block_start", "index": 0, "content_block": block},
        "content_block_delta": {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": ""},
        },
        "content_block_stop": {"type": "content_block_stop", "index": 0},
        "message_delta": {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 1}},
        "message_stop": {"type": "message_stop"},
    }
    if changed.get("type") != "content_block_delta":
        del events["content_block_delta"]
    if isinstance(changed.get("index"), int):
        changed = {**changed, "index": 0}
    kind = changed.get("type")
    if kind not in events:
        events[str(kind)] = changed
    return b"".join(event(changed if name == kind else default) for name, default in events.items())


def test_a_canary_in_any_place_of_an_event_is_read_or_refused() -> None:
    """An event of a Messages stream hides nothing, in whichever of the six it stands."""
    read, unseen = 0, []
    for where, changed in variants(anthropic_types.RawMessageStreamEvent):
        try:
            found = was_read(texts_of_stream(ANTHROPIC.stream_reader(), around(changed)))
        except MalformedError:
            continue
        read += found
        if not found:
            unseen.append(where)
    assert not unseen, "not read, not refused:\n" + "\n".join(unseen)
    assert read > 20
