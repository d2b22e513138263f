"""Streams: every byte comes out as it came in, cut anywhere; tool calls wait until they are whole."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.errors import MalformedError, TooLargeError
from countermark.pep.anthropic import AnthropicMessages
from countermark.pep.openai import OpenAIChat
from countermark.pep.reading import (
    Calls,
    Finished,
    Limits,
    Pass,
    Piece,
    StreamReader,
    ToolCall,
    parse_arguments,
)
from countermark.pep.sse import SseParser

OPENAI, ANTHROPIC = OpenAIChat(), AnthropicMessages()


def chunk(*choices: dict[str, Any], **fields: Any) -> bytes:
    value = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": choices,
        **fields,
    }
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def choice(index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}


def call(index: int, arguments: str = "", **fields: Any) -> dict[str, Any]:
    name = {"name": fields.pop("name")} if "name" in fields else {}
    return {"index": index, **fields, "function": {**name, "arguments": arguments}}


def event(kind: str, **fields: Any) -> bytes:
    value = {"type": kind, **fields}
    return f"event: {kind}\n".encode() + b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
START = event(
    "message_start",
    message={
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": {"input_tokens": 1},
    },
)
STOP = event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 5}) + event(
    "message_stop"
)


def text_block(index: int, *texts: str) -> bytes:
    return (
        event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        + b"".join(
            event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})
            for text in texts
        )
        + event("content_block_stop", index=index)
    )


def call_start(index: int, name: str = "lookup", **fields: Any) -> bytes:
    block = {"type": "tool_use", "id": f"t{index}", "name": name, "input": {}, **fields}
    return event("content_block_start", index=index, content_block=block)


def call_delta(index: int, text: str) -> bytes:
    return event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": text})


CHAT_STREAMS: dict[str, bytes] = {
    "text only": chunk(choice(role="assistant", content=""))
    + chunk(choice(content="naïve 😀"))
    + chunk(choice(finish="stop"))
    + DONE,
    "a tool call after text": chunk(choice(content="let me"))
    + chunk(choice(tool_calls=[call(0, id="c0", type="function", name="lookup")]))
    + chunk(choice(tool_calls=[call(0, '{"q":')]))
    + chunk(choice(tool_calls=[call(0, '"ada"}')]))
    + chunk(choice(finish="tool_calls"))
    + chunk(usage={"total_tokens": 1})
    + DONE,
    "two calls interleaved": chunk(
        choice(tool_calls=[call(0, id="c0", name="a"), call(1, id="c1", name="b")])
    )
    + chunk(choice(tool_calls=[call(1, "{}")]))
    + chunk(choice(tool_calls=[call(0, "{}")]))
    + chunk(choice(finish="tool_calls"))
    + DONE,
    "a call that is ended by `stop`": chunk(
        choice(tool_calls=[call(0, "{}", id="c0", name="a")], finish="stop")
    )
    + DONE,
    "a call that is ended by the mark only": chunk(choice(tool_calls=[call(0, "{}", id="c0", name="a")]))
    + DONE,
    "two choices": chunk(choice(0, content="x"), choice(1, tool_calls=[call(0, "{}", id="c", name="a")]))
    + chunk(choice(0, content="y"))
    + chunk(choice(1, finish="tool_calls"))
    + chunk(choice(0, finish="stop"))
    + DONE,
    "the older form": chunk(choice(function_call={"name": "a", "arguments": ""}))
    + chunk(choice(function_call={"arguments": "{}"}))
    + chunk(choice(finish="function_call"))
    + DONE,
    "comments, carriage returns": b": waiting\r\n\r\n"
    + chunk(choice(content="x")).replace(b"\n", b"\r\n")
    + b": still\n\n"
    + chunk(choice(finish="stop")).replace(b"\n", b"\r")
    + DONE.replace(b"\n", b"\r"),
    "data on several lines": b'data: {"choices":\ndata: []}\n\n' + DONE,
    "a custom tool": chunk(
        choice(
            tool_calls=[{"index": 0, "id": "c", "type": "custom", "custom": {"name": "sh", "input": "ls "}}]
        )
    )
    + chunk(choice(tool_calls=[{"index": 0, "custom": {"input": '"x"'}}]))
    + chunk(choice(finish="tool_calls"))
    + DONE,
}
MESSAGES_STREAMS: dict[str, bytes] = {
    "text only": START + event("ping") + text_block(0, "naïve", " 😀") + STOP,
    "thinking, text and a call": START
    + event(
        "content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}
    )
    + event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
    + event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"})
    + event("content_block_stop", index=0)
    + text_block(1, "let me")
    + call_start(2)
    + call_delta(2, "")
    + call_delta(2, '{"q":')
    + event("ping")
    + call_delta(2, '"ada"}')
    + event("content_block_stop", index=2)
    + STOP,
    "two calls": START
    + call_start(0, "a")
    + event("content_block_stop", index=0)
    + call_start(1, "b")
    + call_delta(1, "{}")
    + event("content_block_stop", index=1)
    + STOP,
    "two calls interleaved": START
    + call_start(0, "a")
    + call_start(1, "b")
    + call_delta(1, '{"k":1}')
    + event("content_block_stop", index=1)
    + call_delta(0, "{}")
    + event("content_block_stop", index=0)
    + STOP,
    "a member of a toolset": START
    + call_start(0, "left_click", toolset_name="computer", input={"x": 1})
    + event("content_block_stop", index=0)
    + STOP,
}
STREAMS = [
    *((OPENAI, data) for data in CHAT_STREAMS.values()),
    *((ANTHROPIC, data) for data in MESSAGES_STREAMS.values()),
]


def read(reader: StreamReader, data: bytes, cuts: list[int] | None = None) -> list[Piece]:
    edges = [0, *sorted(cuts or []), len(data)]
    pieces: list[Piece] = []
    for start, end in itertools.pairwise(edges):
        pieces += reader.feed(data[start:end])
    return pieces + reader.close()


def raw_of(pieces: list[Piece]) -> bytes:
    return b"".join(piece.raw for piece in pieces if not isinstance(piece, Finished))


def calls_of(pieces: list[Piece]) -> list[ToolCall]:
    return [each for piece in pieces if isinstance(piece, Calls) for each in piece.calls]


@settings(max_examples=300)
@given(st.sampled_from(STREAMS), st.data())
def test_bytes_come_out_as_they_came_in_however_they_are_cut(stream: Any, data: st.DataObject) -> None:
    """The raw bytes of all pieces are the input; calls, texts and the end don't depend on where it is cut."""
    wire, whole = stream
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=12))
    pieces = read(wire.stream_reader(), whole, cuts)
    once = read(wire.stream_reader(), whole)
    assert raw_of(pieces) == whole
    assert calls_of(pieces) == calls_of(once)
    assert pieces[-1] == once[-1]
    assert isinstance(pieces[-1], Finished)
    assert pieces[-1].complete
    texts = [text for piece in pieces if not isinstance(piece, Finished) for text in piece.texts]
    assert texts == [text for piece in once if not isinstance(piece, Finished) for text in piece.texts]


@pytest.mark.parametrize("stream", range(len(STREAMS)))
def test_a_stream_can_come_byte_by_byte(stream: int) -> None:
    """Cut inside UTF-8, inside `data:` and between CR and LF, nothing changes."""
    wire, whole = STREAMS[stream]
    pieces = read(wire.stream_reader(), whole, list(range(1, len(whole))))
    assert raw_of(pieces) == whole
    assert calls_of(pieces) == calls_of(read(wire.stream_reader(), whole))


@settings(max_examples=300)
@given(st.sampled_from(STREAMS), st.data())
def test_a_cut_off_stream_is_reported_and_never_releases_an_unfinished_call(
    stream: Any, data: st.DataObject
) -> None:
    """What is released of a stream cut anywhere is a prefix; its calls are calls of the whole; what is left is counted."""
    wire, whole = stream
    end = data.draw(st.integers(0, len(whole) - 1))
    if whole[end:] in (b"\n", b"\r\n"):
        return  # the last line end alone: the stream is whole where a CR came before
    pieces = read(wire.stream_reader(), whole[:end])
    finished = pieces[-1]
    assert isinstance(finished, Finished)
    assert not finished.complete
    assert whole.startswith(raw_of(pieces))
    assert len(raw_of(pieces)) + finished.withheld == end
    everything = calls_of(read(wire.stream_reader(), whole))
    assert all(each in everything for each in calls_of(pieces))


EXPECTED_CALLS: dict[str, tuple[bytes, Any, list[ToolCall]]] = {
    "Chat, deltas put together": (
        CHAT_STREAMS["a tool call after text"],
        OPENAI,
        [ToolCall(choice=0, index=0, call_id="c0", name="lookup", arguments='{"q":"ada"}')],
    ),
    "Chat, interleaved": (
        CHAT_STREAMS["two calls interleaved"],
        OPENAI,
        [
            ToolCall(choice=0, index=0, call_id="c0", name="a", arguments="{}"),
            ToolCall(choice=0, index=1, call_id="c1", name="b", arguments="{}"),
        ],
    ),
    "Chat, the second choice": (
        CHAT_STREAMS["two choices"],
        OPENAI,
        [ToolCall(choice=1, index=0, call_id="c", name="a", arguments="{}")],
    ),
    "Chat, free text as a JSON string": (
        CHAT_STREAMS["a custom tool"],
        OPENAI,
        [ToolCall(choice=0, index=0, call_id="c", name="sh", arguments=json.dumps('ls "x"'))],
    ),
    "Chat, the older form": (
        CHAT_STREAMS["the older form"],
        OPENAI,
        [ToolCall(choice=0, index=0, call_id="", name="a", arguments="{}")],
    ),
    "Messages, deltas put together": (
        MESSAGES_STREAMS["thinking, text and a call"],
        ANTHROPIC,
        [ToolCall(choice=0, index=2, call_id="t2", name="lookup", arguments='{"q":"ada"}')],
    ),
    "Messages, no deltas": (
        MESSAGES_STREAMS["two calls"],
        ANTHROPIC,
        [
            ToolCall(choice=0, index=0, call_id="t0", name="a", arguments="{}"),
            ToolCall(choice=0, index=1, call_id="t1", name="b", arguments="{}"),
        ],
    ),
    "Messages, a toolset": (
        MESSAGES_STREAMS["a member of a toolset"],
        ANTHROPIC,
        [ToolCall(choice=0, index=0, call_id="t0", name="computer.left_click", arguments='{"x": 1}')],
    ),
}


@pytest.mark.parametrize("what", EXPECTED_CALLS)
def test_calls_are_put_together_as_clients_do(what: str) -> None:
    """Deltas of one index are one call; its name carries the toolset; free text is a JSON string."""
    data, wire, expected = EXPECTED_CALLS[what]
    assert calls_of(read(wire.stream_reader(), data)) == expected


def test_text_before_a_call_is_released_and_all_after_its_start_waits() -> None:
    """Text streams at once; from the first delta of a call on, nothing is released until the call is whole."""
    reader = OPENAI.stream_reader()
    assert [type(piece) for piece in reader.feed(chunk(choice(content="x")))] == [Pass]
    assert reader.feed(chunk(choice(tool_calls=[call(0, "{", id="c", name="a")]))) == []
    assert reader.feed(chunk(choice(1, content="other choice"))) == []
    pieces = reader.feed(chunk(choice(tool_calls=[call(0, "}")], finish="tool_calls")))
    assert [type(piece) for piece in pieces] == [Calls]
    assert "other choice" in pieces[0].texts  # type: ignore[union-attr]


def test_an_error_of_the_upstream_is_passed_on_without_the_call_it_broke_off() -> None:
    """The caller learns of the upstream's error; the unfinished call is withheld, and the stream is not complete."""
    error = b'data: {"error":{"message":"overloaded"}}\n\n'
    started = chunk(choice(tool_calls=[call(0, '{"q"', id="c", name="a")]))
    pieces = read(OPENAI.stream_reader(), started + error)
    assert raw_of(pieces) == error
    assert pieces[-1] == Finished(complete=False, withheld=len(started), events=2, finish=())
    error = event("error", error={"type": "overloaded_error", "message": "overloaded"})
    pieces = read(ANTHROPIC.stream_reader(), START + call_start(0) + error)
    assert raw_of(pieces) == START + error
    assert not calls_of(pieces)


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_a_call_that_was_cut_off_by_the_length_has_arguments_that_cannot_be_decided(api: str) -> None:
    """It is a call all the same, since clients hand it on; its arguments are no strict JSON, so it is never permitted."""
    if api == "openai":
        cut_off = (
            chunk(choice(tool_calls=[call(0, '{"q": "ad', id="c", name="a")]))
            + chunk(choice(finish="length"))
            + DONE
        )
        wire: Any = OPENAI
    else:
        end = event("message_delta", delta={"stop_reason": "max_tokens"}, usage={"output_tokens": 5})
        cut_off = START + call_start(0, "a") + call_delta(0, '{"q": "ad') + end + event("message_stop")
        wire = ANTHROPIC
    pieces = read(wire.stream_reader(), cut_off)
    assert raw_of(pieces) == cut_off
    (only,) = calls_of(pieces)
    with pytest.raises(MalformedError):
        parse_arguments(only)


REFUSED: dict[str, tuple[Any, bytes]] = {
    "bytes that are no UTF-8": (OPENAI, b": \xff\n\n"),
    "a field of SSE that nobody knows": (OPENAI, b"date: x\n\n"),
    "a byte order mark": (OPENAI, b"\xef\xbb\xbf" + DONE),
    "a name without data": (ANTHROPIC, b"event: ping\n\n"),
    "two names": (ANTHROPIC, b"event: ping\nevent: ping\ndata: {}\n\n"),
    "a name in a Chat stream": (OPENAI, b"event: x\n" + chunk()),
    "a chunk with a key twice": (OPENAI, b'data: {"choices":[],"choices":[]}\n\n'),
    "a chunk with an unknown field": (OPENAI, chunk(hidden="x")),
    "a delta with an unknown field": (OPENAI, chunk(choice(hidden="x"))),
    "something after the end": (OPENAI, DONE + chunk()),
    "a second name for a call": (
        OPENAI,
        chunk(choice(tool_calls=[call(0, name="a")])) + chunk(choice(tool_calls=[call(0, name="b")])),
    ),
    "a call without a name": (OPENAI, chunk(choice(tool_calls=[call(0, "{}")], finish="tool_calls"))),
    "a call after the end of its choice": (
        OPENAI,
        chunk(choice(finish="stop")) + chunk(choice(tool_calls=[call(0, name="a")])),
    ),
    "a call without an index": (OPENAI, chunk(choice(tool_calls=[{"function": {"name": "a"}}]))),
    "an event before the start": (ANTHROPIC, text_block(0, "x")),
    "two starts": (ANTHROPIC, START + START),
    "a start with content": (
        ANTHROPIC,
        START.replace(b'"content": []', b'"content": [{"type":"text","text":"x"}]'),
    ),
    "a name that isn't the type": (ANTHROPIC, START.replace(b"event: message_start", b"event: ping")),
    "a type without a name": (ANTHROPIC, START.partition(b"\n")[2]),
    "an unknown event": (ANTHROPIC, START + event("content_block_patch", index=0)),
    "a delta without its block": (ANTHROPIC, START + call_delta(0, "{}")),
    "a block that starts twice": (ANTHROPIC, START + call_start(0) + call_start(0)),
    "an index used again": (ANTHROPIC, START + text_block(0) + call_start(0)),
    "a call's delta in a text block": (
        ANTHROPIC,
        START
        + event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + call_delta(0, "{}"),
    ),
    "input at the start and in deltas": (
        ANTHROPIC,
        START + call_start(0, input={"a": 1}) + call_delta(0, "{}") + event("content_block_stop", index=0),
    ),
    "a tool that ran at the provider": (
        ANTHROPIC,
        START
        + event(
            "content_block_start",
            index=0,
            content_block={"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        ),
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_stream_that_could_be_read_in_two_ways_is_refused(what: str) -> None:
    """Nothing of the refused event is released."""
    wire, data = REFUSED[what]
    with pytest.raises(MalformedError):
        read(wire.stream_reader(), data)


def test_events_and_held_bytes_have_limits() -> None:
    """An endless line, an event over the limit and an endless call end the stream."""
    limits = Limits(max_event_bytes=1000, max_held_bytes=3000)
    with pytest.raises(TooLargeError):
        OPENAI.stream_reader(limits=limits).feed(b"data: " + b"x" * 1000)
    with pytest.raises(TooLargeError):
        OPENAI.stream_reader(limits=limits).feed(chunk(choice(content="x" * 1000)))
    reader = OPENAI.stream_reader(limits=limits)
    reader.feed(chunk(choice(tool_calls=[call(0, name="a")])))
    endless = b"".join(chunk(choice(tool_calls=[call(0, "x" * 100)])) for _ in range(50))
    with pytest.raises(TooLargeError):
        read(reader, endless)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([b"\n", b"\r", b"\r\n", b"data: x", b": c", b"data", b"id: 1", b"retry: 5"]),
        max_size=30,
    ),
    st.data(),
)
def test_the_parser_cuts_alike_however_bytes_come(parts: list[bytes], data: st.DataObject) -> None:
    """Events and raw bytes don't depend on the chunks, for any mixture of line ends."""
    whole = b"".join(parts)

    def parse(pieces: list[bytes]) -> Any:
        parser = SseParser(max_event_bytes=1000)
        try:
            events = [each for piece in pieces for each in parser.feed(piece)]
        except MalformedError:
            return "refused"
        tail, cut_off = parser.close()
        assert len(b"".join(each.raw for each in events)) + len(tail) + cut_off == len(whole)
        return [(each.name, each.data, each.texts) for each in events if each.data is not None or each.texts]

    cut = data.draw(st.integers(0, len(whole)))
    assert parse([whole]) == parse([whole[:cut], whole[cut:]]) == parse([bytes([byte]) for byte in whole])
