"""Messages: what is read of a request and an answer, and what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from countermark.content.digest import sha256_hex
from countermark.errors import MalformedError, NotCarriedError
from countermark.pep.anthropic import AnthropicMessages
from countermark.pep.reading import ToolCall, parse_arguments

ANTHROPIC = AnthropicMessages()


def body(*messages: Any, **fields: Any) -> bytes:
    default = [{"role": "user", "content": "hi"}]
    return json.dumps({"model": "m-2", "max_tokens": 9, "messages": messages or default, **fields}).encode()


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def test_a_request_is_read_whole() -> None:
    """Model, mode, tools of every carried kind, texts, claims and what was seen, from one body."""
    data = body(
        user({"type": "text", "text": "who is ada", "cache_control": {"type": "ephemeral"}}),
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "c2VhbGVk"},
                {"type": "tool_use", "id": "t1", "name": "lookup", "input": {"q": ["ada", 15550100123]}},
            ],
        },
        user({"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "found"}]}),
        system=[{"type": "text", "text": "countermark-claim: bulk_persons=yes"}],
        stream=True,
        thinking={"type": "enabled", "budget_tokens": 1024},
        tools=[
            {"name": "lookup", "description": "finds", "input_schema": {"type": "object", "title": "deep"}},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "computer_toolset_20260801", "configs": {"zoom": {"enabled": False}}},
        ],
    )
    reading = ANTHROPIC.read_request(data)
    assert (reading.model, reading.stream, reading.tools) == ("m-2", True, ("lookup", "bash", "computer.*"))
    for text in ("who is ada", "hm", "t1", "ada", "15550100123", "found", "finds", "deep"):
        assert text in reading.texts, text
    assert reading.unread == ("sealed/thinking-signature", "sealed/redacted-thinking")
    assert reading.claims == {"bulk_persons": "yes"}
    assert (reading.seen.bytes, reading.seen.sha256) == (len(data), sha256_hex(data))


def test_images_and_documents_inline_are_counted_or_read() -> None:
    """A picture and a PDF are unread by media type; a text document and its title are read."""
    reading = ANTHROPIC.read_request(
        body(
            user(
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="},
                },
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                },
                {
                    "type": "document",
                    "title": "list",
                    "source": {"type": "text", "media_type": "text/plain", "data": "ada@halden.example"},
                },
            )
        )
    )
    assert reading.unread == ("image/*", "application/pdf")
    assert {"ada@halden.example", "list"} <= set(reading.texts)


NOT_CARRIED: dict[str, tuple[bytes, str]] = {
    "an image at a URL": (
        body(user({"type": "image", "source": {"type": "url", "url": "https://x.example"}})),
        "messages[user].content[image].source[url]",
    ),
    "a file by its id": (
        body(user({"type": "document", "source": {"type": "file", "file_id": "f"}})),
        "messages[user].content[document].source[file]",
    ),
    "a container": (body(container="c"), "container"),
    "a file for a container": (
        body(user({"type": "container_upload", "file_id": "f"})),
        "messages[user].content[container_upload]",
    ),
    "MCP servers": (body(mcp_servers=[{"url": "x"}]), "mcp_servers"),
    "web search": (
        body(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
        "tools[web_search_20250305]",
    ),
    "code execution": (
        body(tools=[{"type": "code_execution_20260521", "name": "code_execution"}]),
        "tools[code_execution_20260521]",
    ),
    "a tool that code calls": (
        body(tools=[{"name": "f", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]}]),
        "tools[custom].allowed_callers[]",
    ),
    "what a provider's tool found": (
        body(
            {
                "role": "assistant",
                "content": [{"type": "web_search_tool_result", "tool_use_id": "s", "content": []}],
            }
        ),
        "messages[assistant].content[web_search_tool_result]",
    ),
    "an earlier message": (body(diagnostics={"previous_message_id": "m"}), "diagnostics.previous_message_id"),
    "another place": (body(inference_geo="us"), "inference_geo"),
    "another account": (body(workspace_id="w"), "workspace_id"),
    "content changed after the decision": (body(context_management={"edits": []}), "context_management"),
    "a field of the future": (body(telepathy=1), "telepathy"),
    "a block of the future": (body(user({"type": "hologram"})), "messages[user].content[hologram]"),
    "a tool of the future": (body(tools=[{"type": "drone_20270101"}]), "tools[drone_20270101]"),
}


@pytest.mark.parametrize("what", NOT_CARRIED)
def test_what_is_not_carried_is_named(what: str) -> None:
    """The error names the field as the table does."""
    data, field = NOT_CARRIED[what]
    with pytest.raises(NotCarriedError) as caught:
        ANTHROPIC.read_request(data)
    assert caught.value.field == field
    assert len(caught.value.how) > 20


def test_null_and_empty_references_are_carried() -> None:
    """What switches a reference off is no reference."""
    ANTHROPIC.read_request(body(container=None, mcp_servers=[], diagnostics={"previous_message_id": None}))


MALFORMED = {
    "a message that is a string": body("x"),
    "a block without type": body(user({"text": "x"})),
    "an image that isn't base64": body(
        user(
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "ada lovelace"}}
        )
    ),
    "text where a number belongs": body(max_tokens="ada@halden.example"),
    "a tool call without input": body(
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f"}]}
    ),
    "a tool without a name": body(tools=[{"input_schema": {}}]),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_not_of_the_shape_is_malformed(what: str) -> None:
    """It is an error of the request's form, not a decision."""
    with pytest.raises(MalformedError) as caught:
        ANTHROPIC.read_request(MALFORMED[what])
    assert not isinstance(caught.value, NotCarriedError)


def test_a_signature_that_is_no_base64_is_read_as_text() -> None:
    """Nothing can be said in the place of a seal."""
    thinking = {"type": "thinking", "thinking": "", "signature": "tell ada@halden.example"}
    reading = ANTHROPIC.read_request(body({"role": "assistant", "content": [thinking]}))
    assert "tell ada@halden.example" in reading.texts
    assert not reading.unread


def answer(*blocks: dict[str, Any], **fields: Any) -> bytes:
    message = {
        "id": "m", "type": "message", "role": "assistant", "model": "m-2", "content": blocks,
        "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 2}, **fields,
    }  # fmt: skip
    return json.dumps(message).encode()


def test_an_answer_is_read_whole() -> None:
    """Texts, citations, thinking and tool calls; a member of a toolset carries its name."""
    citation = {
        "type": "char_location",
        "cited_text": "of ada",
        "document_index": 0,
        "document_title": "list",
    }
    reading = ANTHROPIC.read_answer(
        answer(
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "text", "text": "hello", "citations": [citation]},
            {
                "type": "tool_use",
                "id": "t1",
                "name": "lookup",
                "input": {"q": "ada"},
                "caller": {"type": "direct"},
            },
            {"type": "tool_use", "id": "t2", "name": "left_click", "toolset_name": "computer", "input": {}},
            stop_reason="tool_use",
        )
    )
    assert reading.calls == (
        ToolCall(choice=0, index=2, call_id="t1", name="lookup", arguments='{"q": "ada"}'),
        ToolCall(choice=0, index=3, call_id="t2", name="computer.left_click", arguments="{}"),
    )
    assert parse_arguments(reading.calls[0]) == {"q": "ada"}
    assert {"hm", "hello", "of ada", "list", "ada"} <= set(reading.texts)
    assert reading.unread == ("sealed/thinking-signature",)
    assert reading.finish == ("tool_use",)


ANSWERS_REFUSED = {
    "an unknown field": answer(hidden="x"),
    "an unknown block": answer({"type": "hologram"}),
    "a tool that ran at the provider": answer({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
    "a call made by code at the provider": answer(
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "code_execution_20250825", "tool_id": "x"}}
    ),
    "a container": answer(container={"id": "c"}),
    "no content": b'{"id":"m","type":"message"}',
}  # fmt: skip


@pytest.mark.parametrize("what", ANSWERS_REFUSED)
def test_an_answer_that_cannot_be_read_whole_is_not_released(what: str) -> None:
    """Whatever the table doesn't know in an answer, or what nobody decided, is an error."""
    with pytest.raises(MalformedError):
        ANTHROPIC.read_answer(ANSWERS_REFUSED[what])
