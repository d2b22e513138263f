"""A model, or whoever plays it, that wants a call or a text past the gateway undecided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from attack_world import answers, chunk, streams, text

from countermark.loopback.played import Played, PlayedUpstream
from countermark.testing import Deployment

HARMLESS, DENIED = "read_sensor", "actuate"


def call(name: str, *, index: int = 0, **more: Any) -> dict[str, Any]:
    """A tool call's delta, whole in one piece."""
    return {
        "index": index,
        "id": f"c{index}",
        "type": "function",
        "function": {"name": name, "arguments": "{}"},
        **more,
    }


def calls(*each: Mapping[str, Any]) -> dict[str, Any]:
    """A delta of these calls."""
    return {"tool_calls": list(each)}


END = chunk({}, finish="tool_calls")
CUSTOM = {"custom": {"name": DENIED, "input": "T-114"}}
STREAMS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "a call that is a function and a custom tool at once": [chunk(calls(call(HARMLESS, **CUSTOM))), END],
    "a call that names both, and says custom": [chunk(calls(call(HARMLESS, type="custom", **CUSTOM))), END],
    "a function that says custom": [chunk(calls(call(HARMLESS, type="custom"))), END],
    "a call that becomes custom later": [
        chunk(calls(call(HARMLESS))),
        chunk(calls({"index": 0, **CUSTOM})),
        END,
    ],
    "a call whose type changes": [
        chunk(calls(call(HARMLESS))),
        chunk(calls({"index": 0, "type": "custom"})),
        END,
    ],
    "a second name": [chunk(calls(call(HARMLESS))), chunk(calls(call(DENIED))), END],
    "a second name by another id": [
        chunk(calls(call(HARMLESS))),
        chunk(calls({**call(DENIED), "id": "x"})),
        END,
    ],
    "a call in the second choice": [
        chunk(calls(call(DENIED)), index=1),
        END,
        chunk({}, index=1, finish="tool_calls"),
    ],
    "a call after the end": [chunk({"content": "hi"}, finish="stop"), chunk(calls(call(DENIED))), END],
    "a call with the end": [chunk(calls(call(DENIED)), finish="stop")],
    "a call beside text": [chunk({"content": "secret", **calls(call(DENIED))}), END],
    "an older call": [chunk({"function_call": {"name": DENIED, "arguments": "{}"}}, finish="function_call")],
    "an older call beside a harmless one": [
        chunk(
            {"function_call": {"name": DENIED, "arguments": "{}"}, **calls(call(HARMLESS))},
            finish="tool_calls",
        )
    ],
    "a call without a finish": [chunk(calls(call(DENIED)))],
    "a harmless call before it": [chunk(calls(call(HARMLESS), call(DENIED, index=1))), END],
    "a call whose name comes in two pieces": [
        chunk(calls({**call("act"), "function": {"name": "act"}})),
        chunk(calls({"index": 0, "function": {"name": "uate", "arguments": "{}"}})),
        END,
    ],
    "a whole message in a chunk": [
        {**END, "choices": [{**END["choices"][0], "message": {"tool_calls": [call(DENIED)]}}]}
    ],
}


async def played(model: Any) -> Deployment:
    """A deployment where `read_sensor` is declared and harmless, and `actuate` acts."""
    deployment = Deployment(upstream=PlayedUpstream(model))
    await deployment.__aenter__()
    await deployment.add_workload(
        "office", purpose="field-operations", site="actuating", tools={HARMLESS: [], DENIED: ["actuate"]}
    )
    return deployment


@pytest.mark.parametrize("chunks", STREAMS.values(), ids=STREAMS.keys())
async def test_no_stream_brings_a_call_past_its_decision(chunks: Sequence[Mapping[str, Any]]) -> None:
    """However a stream is put together, no byte that names the denied call reaches the caller."""
    deployment = await played(streams(*chunks))
    answer = await deployment.ask("office", text("go", stream=True))
    released = answer.body if answer.status == 200 else b""
    events = [line for line in released.split(b"\n") if line.startswith(b"data: {") and b'"choices"' in line]
    assert not any(b"actuate" in event or b"tool_calls" in event or b"secret" in event for event in events)
    assert deployment.entries("answer")[-1].get("complete") is not True
    await deployment.gateway.stop()


CALL = {"id": "c", "type": "function", "function": {"name": DENIED, "arguments": "{}"}}


def whole(*choices: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """An answer of these messages."""
    made = [{"index": n, "message": dict(each), "finish_reason": "stop"} for n, each in enumerate(choices)]
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m-1", "choices": made, **more}


HI = {"role": "assistant", "content": "hi"}
WHOLE: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "a call in the second choice": (200, whole(HI, {**HI, "tool_calls": [CALL]})),
    "an older call": (200, whole({**HI, "function_call": CALL["function"]})),
    "a call that is a function and a custom tool": (200, whole({**HI, "tool_calls": [{**CALL, **CUSTOM}]})),
    "a call beside an error": (200, whole({**HI, "tool_calls": [CALL]}, error={"message": "no"})),
    "a call in an error's body": (400, {"error": {"message": "no"}, **whole({**HI, "tool_calls": [CALL]})}),
    "a message beside an error": (500, {"error": {"message": "no"}, "content": [{"type": "tool_use"}]}),
    "an answer that is no success": (201, whole(HI)),
    "a part of an answer": (206, whole(HI)),
    "an answer elsewhere": (302, whole(HI)),
    "an answer without content": (204, whole(HI)),
    "a list in place of an error": (400, {"error": [CALL]}),
    "fields that no table knows": (200, whole({**HI, "actions": [CALL]})),
}


@pytest.mark.parametrize(("status", "document"), WHOLE.values(), ids=WHOLE.keys())
async def test_no_answer_brings_a_call_past_its_decision(status: int, document: Mapping[str, Any]) -> None:
    """What isn't an answer or an error as the tables know them is an error of the gateway's own."""
    deployment = await played(answers(document, status=status))
    answer = await deployment.ask("office", text("go"))
    assert answer.status in {403, 428, 502}
    assert answer.json()["error"]["countermark"]["decision_id"] == answer.decision, "the gateway's own words"
    await deployment.gateway.stop()


async def test_an_upstreams_error_still_reaches_the_client() -> None:
    """The shapes of both APIs pass as they are, so that clients wait as they are told."""
    error = {"message": "slow down", "type": "rate_limit_error", "param": None, "code": None}
    for document in ({"error": error}, {"type": "error", "error": error, "request_id": "r-1"}):
        deployment = await played(answers(document, status=429))
        answer = await deployment.ask("office", text("go"))
        assert (answer.status, answer.json()) == (429, document)
        await deployment.gateway.stop()


@pytest.mark.parametrize("stream", [True, False], ids=["a stream asked for", "no stream asked for"])
async def test_the_answer_has_the_form_that_was_asked_for(stream: bool) -> None:
    """JSON in place of a stream, or a stream in place of JSON, is an error: it would be read by other rules."""
    sse = Played(
        headers={"content-type": "text/event-stream"},
        pieces=(
            b"data: "
            + json.dumps(chunk({"content": "hi"}, finish="stop")).encode()
            + b"\n\ndata: [DONE]\n\n",
        ),
    )
    plain = Played(pieces=(json.dumps(whole(HI)).encode(),))
    deployment = await played(lambda _: plain if stream else sse)
    answer = await deployment.ask("office", text("go", stream=stream))
    assert answer.status == 502
    await deployment.gateway.stop()
