"""Chat Completions: what is read of a request and an answer, and what is refused by name."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from countermark.content.digest import sha256_hex
from countermark.errors import MalformedError, NotCarriedError, TooLargeError
from countermark.pep.fields import Extras, Kind
from countermark.pep.openai import OpenAIChat
from countermark.pep.reading import Limits, Seen, ToolCall, parse_arguments

OPENAI = OpenAIChat()
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG....").decode()


def body(*messages: Any, **fields: Any) -> bytes:
    return json.dumps(
        {"model": "m-1", "messages": messages or [{"role": "user", "content": "hi"}], **fields}
    ).encode()


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def test_a_request_is_read_whole() -> None:
    """Model, mode, tools, texts of all roles, claims and what was seen, from one body."""
    data = body(
        {"role": "system", "content": "be brief\ncountermark-claim: bulk_persons = YES\n"},
        {"role": "user", "content": "who is ada", "name": "ben"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "lookup", "arguments": '{"q":"ada\\u0040x"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "found"}]},
        stream=True,
        tools=[
            {
                "type": "function",
                "function": {"name": "lookup", "description": "finds", "parameters": {"x": ["deep"]}},
            },
            {"type": "custom", "custom": {"name": "shell"}},
        ],
        metadata={"countermark.consent": "inside", "team": "office"},
    )
    reading = OPENAI.read_request(data)
    assert (reading.model, reading.stream, reading.tools) == ("m-1", True, ("lookup", "shell"))
    for text in ("who is ada", "ben", "ada@x", "c1", "found", "finds", "deep", "x", "team", "office"):
        assert text in reading.texts, text
    assert reading.claims == {"bulk_persons": "yes", "consent": "inside"}
    assert reading.seen == Seen(parts=len(reading.texts), bytes=len(data), sha256=sha256_hex(data))


def test_inline_files_are_read_where_they_are_text_and_named_where_they_are_not() -> None:
    """An image and a PDF are counted as unread by media type; a CSV is decoded and read."""
    table = "data:text/csv;base64," + base64.b64encode(b"name,mail\nada,ada@halden.example").decode()
    pdf = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.7").decode()
    reading = OPENAI.read_request(
        body(
            user(
                {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                {"type": "file", "file": {"filename": "list.csv", "file_data": table}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            )
        )
    )
    assert reading.unread == ("image/png", "application/pdf", "audio/*")
    assert "name,mail\nada,ada@halden.example" in reading.texts
    assert reading.seen.parts == len(reading.texts) + 3


NOT_CARRIED: dict[str, tuple[bytes, str, str]] = {
    "an image at a URL": (
        body(user({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}})),
        "messages[user].content[image_url].image_url.url",
        "data:",
    ),
    "a file by its id": (
        body(user({"type": "file", "file": {"file_id": "file-1"}})),
        "messages[user].content[file].file.file_id",
        "inline",
    ),
    "an earlier spoken answer by its id": (
        body({"role": "assistant", "audio": {"id": "a1"}}),
        "messages[assistant].audio",
        "transcript",
    ),
    "keeping the answer at the provider": (body(store=True), "store", "send false"),
    "web search": (body(web_search_options={}), "web_search_options", "client executes"),
    "spoken answers": (body(modalities=["text", "audio"]), "modalities[]", "spoken"),
    "a voice": (body(audio={"voice": "alloy", "format": "wav"}), "audio", "spoken"),
    "another model beside": (body(moderation={"model": "x"}), "moderation", "model"),
    "a field of another API": (body(previous_response_id="r"), "previous_response_id", "nobody here knows"),
    "a field of the future": (body(telepathy=None), "telepathy", "bundle"),
    "a part of the future": (
        body(user({"type": "hologram"})),
        "messages[user].content[hologram]",
        "expected `type`",
    ),
    "a role of the future": (body({"role": "oracle", "content": "x"}), "messages[oracle]", "expected `role`"),
    "a tool of the future": (
        body(tools=[{"type": "mcp", "server_url": "x"}]),
        "tools[mcp]",
        "expected `type`",
    ),
    "a word that is text": (body(service_tier="meet me at noon"), "service_tier", "expected one of"),
}


@pytest.mark.parametrize("what", NOT_CARRIED)
def test_what_is_not_carried_is_named_with_a_way_out(what: str) -> None:
    """The error names the field as the table does, and says what to do."""
    data, field, how = NOT_CARRIED[what]
    with pytest.raises(NotCarriedError) as caught:
        OPENAI.read_request(data)
    assert caught.value.field == field
    assert how in caught.value.how
    assert str(caught.value).startswith(f"`{field}` is not carried: ")


HARMLESS = {
    "null for everything": {"store": None, "audio": None, "web_search_options": None, "moderation": None, "stop": None},
    "what switches a reference off": {"store": False},
    "every sampling knob": {
        "temperature": 0.5, "top_p": 1, "n": 2, "seed": 7, "frequency_penalty": 0.1, "presence_penalty": -1,
        "max_tokens": 5, "max_completion_tokens": 5, "logprobs": True, "top_logprobs": 3, "logit_bias": {"50256": -100},
        "parallel_tool_calls": False, "reasoning_effort": "low", "verbosity": "high", "service_tier": "flex",
        "stream_options": {"include_usage": True}, "prompt_cache_retention": "24h", "top_k": 5, "min_p": 0.1,
    },
    "what shapes the answer": {
        "response_format": {"type": "json_object"}, "tool_choice": "auto", "modalities": ["text"],
        "prediction": {"type": "content", "content": "x"}, "stop": ["\n"], "user": "u",
    },
}  # fmt: skip


@pytest.mark.parametrize("what", HARMLESS)
def test_ordinary_fields_are_carried(what: str) -> None:
    """The knobs that applications use pass."""
    OPENAI.read_request(body(**HARMLESS[what]))


MALFORMED: dict[str, bytes] = {
    "no JSON": b"{",
    "no object": b"[]",
    "no model": b'{"messages":[]}',
    "no messages": b'{"model":"m"}',
    "a model that is no string": b'{"model":{"a":1},"messages":[]}',
    "a message that is a string": body("hello"),
    "a message without role": body({"content": "x"}),
    "content that is a number": body({"role": "user", "content": 5}),
    "a text part without text": body(user({"type": "text"})),
    "text where a number belongs": body(temperature="ada@halden.example"),
    "a flag where a number belongs": body(n=True),
    "text where a flag belongs": body(stream="yes"),
    "an image that isn't base64": body(user({"type": "image_url", "image_url": {"url": "data:image/png;base64,ada lovelace"}})),
    "text that isn't UTF-8": body(user({"type": "file", "file": {"file_data": "data:text/plain;base64,//8="}})),
    "a tool without a name": body(tools=[{"type": "function", "function": {}}]),
    "a key twice": b'{"model":"m","messages":[],"model":"n"}',
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_not_of_the_shape_is_malformed(what: str) -> None:
    """It is an error of the request's form, not a decision."""
    with pytest.raises(MalformedError) as caught:
        OPENAI.read_request(MALFORMED[what])
    assert not isinstance(caught.value, NotCarriedError)


def test_limits_are_kept() -> None:
    """A body over the size or depth is too large, which is a status of its own."""
    with pytest.raises(TooLargeError):
        OPENAI.read_request(body(), limits=Limits(max_bytes=10))
    deep: Any = "x"
    for _ in range(70):
        deep = [deep]
    with pytest.raises(TooLargeError):
        OPENAI.read_request(
            body(tools=[{"type": "function", "function": {"name": "f", "parameters": {"a": deep}}}])
        )


def answer(*messages: dict[str, Any], **fields: Any) -> bytes:
    choices = [
        {"index": index, "finish_reason": "stop", "message": {"role": "assistant", **message}}
        for index, message in enumerate(messages)
    ]
    return json.dumps(
        {"id": "a", "object": "chat.completion", "created": 1, "model": "m-1", "choices": choices, **fields}
    ).encode()


def test_an_answer_is_read_whole() -> None:
    """All choices, texts, refusals, reasoning and tool calls of every form."""
    data = answer(
        {"content": "hello", "reasoning_content": "hm"},
        {
            "content": None,
            "refusal": "no",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": '{"q":1}'}},
                {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": 'ls "x"'}},
            ],
            "function_call": {"name": "old", "arguments": ""},
        },
        usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        kv_transfer_params=None,
    )
    reading = OPENAI.read_answer(data)
    assert reading.calls == (
        ToolCall(choice=1, index=0, call_id="c1", name="lookup", arguments='{"q":1}'),
        ToolCall(choice=1, index=1, call_id="c2", name="shell", arguments=json.dumps('ls "x"')),
        ToolCall(choice=1, index=2, call_id="", name="old", arguments=""),
    )
    assert [parse_arguments(each) for each in reading.calls] == [{"q": 1}, 'ls "x"', {}]
    assert {"hello", "hm", "no", 'ls "x"'} <= set(reading.texts)
    assert reading.finish == ("stop", "stop")
    assert reading.seen.sha256 == sha256_hex(data)


ANSWERS_REFUSED = {
    "an unknown field": answer({"content": "x"}, hidden="y"),
    "an unknown field of a message": answer({"content": "x", "thoughts": "y"}),
    "a spoken answer nobody asked for": answer({"audio": {"id": "a", "data": "AAAA"}}),
    "a tool call without a name": answer({"tool_calls": [{"id": "c", "type": "function", "function": {}}]}),
    "a tool call of an unknown type": answer(
        {"tool_calls": [{"id": "c", "type": "mcp", "mcp": {"name": "x"}}]}
    ),
    "no choices": b'{"id":"a"}',
    "a page": b"<html>",
}


@pytest.mark.parametrize("what", ANSWERS_REFUSED)
def test_an_answer_that_cannot_be_read_whole_is_not_released(what: str) -> None:
    """Whatever the table doesn't know in an answer is an error."""
    with pytest.raises(MalformedError):
        OPENAI.read_answer(ANSWERS_REFUSED[what])


BROKEN = {
    "cut off": '{"q": "ad',
    "a key twice": '{"a":1,"a":2}',
    "a lone surrogate": '{"a":"\\ud800"}',
    "not JSON": "ada",
}


@pytest.mark.parametrize("what", BROKEN)
def test_arguments_that_can_be_read_in_two_ways_are_refused(what: str) -> None:
    """Arguments are parsed as strictly as a body."""
    with pytest.raises(MalformedError):
        parse_arguments(ToolCall(choice=0, index=0, call_id="c", name="f", arguments=BROKEN[what]))


def test_a_bundle_can_add_fields_but_not_open_a_reference() -> None:
    """An added field is read or type-checked; a field that the table refuses stays refused."""
    wire = OpenAIChat(
        Extras(
            kinds={
                "guided_regex": Kind.CONTENT,
                "best_of": Kind.INERT,
                "messages[user].mood": Kind.CONTENT,
                "answer.choices[].thoughts": Kind.CONTENT,
                "store": Kind.INERT,
            }
        )
    )
    reading = wire.read_request(
        body({"role": "user", "content": "x", "mood": {"now": "calm"}}, guided_regex="a+", best_of=3)
    )
    assert {"a+", "calm", "now"} <= set(reading.texts)
    with pytest.raises(NotCarriedError):
        wire.read_request(body(store=True))
    with pytest.raises(MalformedError):
        wire.read_request(body(best_of="three of them"))
    with pytest.raises(NotCarriedError):
        OPENAI.read_request(body(best_of=3))
