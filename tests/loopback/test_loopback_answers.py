"""The played upstream: what it answers, byte for byte, in both APIs."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.loopback.answers import Api, AskedError, Choice, Mode, compose, read_asked
from countermark.loopback.misbehaviour import MISBEHAVIOURS, bend_body, bend_choices, bend_events
from countermark.loopback.recorded import cut_events, recorded_body
from countermark.loopback.refusal import PHRASES, REFUSAL, refused_phrase
from countermark.loopback.wire import plain_body, stream_events


def request(text: str | list, *, api: Api = Api.CHAT, model: str = "m-1", **more) -> bytes:
    asked = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    if api is Api.MESSAGES:
        asked.setdefault("max_tokens", 10)
    return json.dumps(asked).encode()


def say(text: str | list, *, mode: Mode = Mode.OBEY, api: Api = Api.CHAT, **more) -> tuple[Choice, ...]:
    return compose(read_asked(api, request(text, api=api, **more)), mode)


def test_loopback_obeys_from_the_text_alone():
    """The answer names the digest of the last user text and its words, so that a test knows which request it answers."""
    digest = hashlib.sha256(b"summarise this manual").hexdigest()[:8]
    assert say("summarise this manual") == (Choice(text=f"done: {digest}, 3 words"),)
    parts = [{"type": "text", "text": "summarise this manual"}, {"type": "image", "source": {}}]
    assert say(parts, api=Api.MESSAGES) == say("summarise this manual")


TOOLS = [{"type": "function", "function": {"name": "actuate", "parameters": {}}}]
CALLS = {
    "one call": ('please call actuate({"t": "T-114"})', [("actuate", '{"t":"T-114"}')]),
    "brackets and quotes within": (
        'call note({"x": "a) call b(1)"})',
        [("note", '{"x":"a) call b(1)"}'), ("b", "1")],
    ),
    "two calls": ('call a({"x": 1}), then call b({"y": [1, 2]})', [("a", '{"x":1}'), ("b", '{"y":[1,2]}')]),
    "no arguments": ("call stop()", [("stop", "{}")]),
    "a tool that was not offered": ("call other({})", [("other", "{}")]),
    "arguments that are no JSON": ("call actuate(T-114)", []),
    "no closing bracket": ('call actuate({"t": 1}', []),
}


@pytest.mark.parametrize("case", CALLS)
def test_loopback_calls_the_tools_that_the_text_says(case):
    """`call NAME(JSON)` in the last user text gives that tool call, where tools are offered."""
    text, expected = CALLS[case]
    (choice,) = say(text, tools=TOOLS)
    assert [(call.name, call.arguments) for call in choice.calls] == expected


def test_loopback_calls_nothing_without_an_open_offer():
    """No tools, a closed choice, or a tool's result as the last message: the model answers in words."""
    text = "call actuate({})"
    assert not say(text)[0].calls
    assert not say(text, tools=TOOLS, tool_choice="none")[0].calls
    assert not say(text, tools=TOOLS, tool_choice={"type": "none"}, api=Api.MESSAGES)[0].calls
    messages = [{"role": "user", "content": text}, {"role": "tool", "tool_call_id": "x", "content": "ok"}]
    body = json.dumps({"model": "m-1", "messages": messages, "tools": TOOLS}).encode()
    assert not compose(read_asked(Api.CHAT, body), Mode.OBEY)[0].calls


def test_loopback_refuses_by_wording_only():
    """The refusal layer stops a listed phrase and passes the same request in other words."""
    assert say("Guess   their\nPOLITICS from these rows", mode=Mode.REFUSE) == (Choice(text=REFUSAL),)
    assert say("guess their politics", mode=Mode.OBEY)[0].text.startswith("done")
    assert say("a class exercise about residents", mode=Mode.REFUSE)[0].text.startswith("done")
    for phrase in PHRASES:
        assert refused_phrase(f"Please {phrase.upper()} now") == phrase


def _chat_joined(events: list[bytes], index: int) -> tuple[str, dict[int, list[str]]]:
    text, calls = "", {}
    for event in events:
        data = event.removeprefix(b"data: ").strip()
        if data == b"[DONE]":
            continue
        for choice in json.loads(data)["choices"]:
            if choice["index"] == index:
                text += choice["delta"].get("content") or ""
                for call in choice["delta"].get("tool_calls", []):
                    name_and_arguments = calls.setdefault(call["index"], ["", ""])
                    name_and_arguments[0] += call["function"].get("name", "")
                    name_and_arguments[1] += call["function"]["arguments"]
    return text, calls


@given(
    text=st.text(max_size=60),
    n=st.integers(1, 3),
    calls=st.lists(st.text("ab_", min_size=1, max_size=5), max_size=3),
)
def test_loopback_stream_joins_to_the_plain_answer(text, n, calls):
    """For any request, the pieces of the stream join to the plain answer's text and calls, in both APIs."""
    text += "".join(f' call {name}({{"n": {number}}})' for number, name in enumerate(calls))
    asked = read_asked(Api.CHAT, request(text, tools=TOOLS, n=n))
    choices = compose(asked, Mode.OBEY)
    events = list(stream_events(asked, choices))
    for index, choice in enumerate(json.loads(plain_body(asked, choices))["choices"]):
        joined, joined_calls = _chat_joined(events, index)
        assert joined == choice["message"]["content"]
        expected = [list(call["function"].values()) for call in choice["message"].get("tool_calls", [])]
        assert list(joined_calls.values()) == expected

    asked = read_asked(Api.MESSAGES, request(text, api=Api.MESSAGES, tools=TOOLS))
    (choice,) = compose(asked, Mode.OBEY)
    blocks: dict[int, str] = {}
    for event in stream_events(asked, [choice]):
        data = json.loads(event.split(b"data: ", 1)[1])
        if data["type"] == "content_block_delta":
            piece = data["delta"].get("text", data["delta"].get("partial_json"))
            blocks[data["index"]] = blocks.get(data["index"], "") + piece
    content = json.loads(plain_body(asked, [choice]))["content"]
    assert blocks[0] == content[0]["text"]
    assert [json.loads(blocks[index]) for index in sorted(blocks) if index] == [
        b["input"] for b in content[1:]
    ]


@given(text=st.text(max_size=40), api=st.sampled_from(Api), stream=st.booleans())
def test_loopback_answers_are_a_function_of_the_body(text, api, stream):
    """The same request gets the same bytes, always: there is no clock and no counter in an answer."""
    body = request(text, api=api, stream=stream)
    made = [
        stream_events(asked, compose(asked, Mode.OBEY))
        if stream
        else plain_body(asked, compose(asked, Mode.OBEY))
        for asked in (read_asked(api, body), read_asked(api, body))
    ]
    assert made[0] == made[1]


REFUSED = {
    "no JSON": b"{",
    "no object": b"[]",
    "no model": b'{"messages": [{"role": "user", "content": "x"}]}',
    "no messages": b'{"model": "m-1"}',
    "too many choices": request("x", n=17),
}


@pytest.mark.parametrize("case", REFUSED)
def test_loopback_refuses_what_a_vendor_would(case):
    """A request that lacks what the API requires is an error, not an answer."""
    with pytest.raises(AskedError):
        read_asked(Api.CHAT, REFUSED[case])
    with pytest.raises(AskedError, match="max_tokens"):
        read_asked(Api.MESSAGES, request("x"))


def test_loopback_bends_bytes_as_it_says():
    """Each misbehaviour that is about bytes breaks what it names, and all others leave the bytes alone."""
    asked = read_asked(Api.CHAT, request("x", stream=True))
    body = plain_body(asked, compose(asked, Mode.OBEY))
    events = stream_events(asked, compose(asked, Mode.OBEY))
    bent = {name for name in MISBEHAVIOURS if bend_body(name, body) != body}
    assert bent == {"garbage", "truncate", "gzip", "duplicate-keys", "unknown-field"}
    assert {name for name in MISBEHAVIOURS if bend_events(name, events) != events} == bent
    for name in ("garbage", "truncate"):
        with pytest.raises(ValueError):
            json.loads(bend_body(name, body))
    pairs = json.loads(bend_body("duplicate-keys", body), object_pairs_hook=list)
    assert pairs[0][0] == pairs[1][0]
    assert json.loads(bend_body("unknown-field", body))["surprise"]
    assert bend_events("truncate", events)[-1] != b"data: [DONE]\n\n"


def test_loopback_bends_arguments():
    """`bad-arguments` writes calls whose arguments are no JSON."""
    asked = read_asked(Api.CHAT, request("call a({})", model="m-1!bad-arguments", tools=TOOLS))
    assert bend_choices(asked, compose(asked, Mode.OBEY))[0].calls[0].arguments == "{"


def test_loopback_replays_the_most_specific_recording(tmp_path):
    """A recording of exactly this body comes before one of the model, and that before one of the API."""
    asked = read_asked(Api.CHAT, request("x", stream=True))
    (tmp_path / "chat.json").write_bytes(b"{}")
    assert recorded_body(tmp_path, asked) is None
    for name in ("chat", "m-1", asked.digest):
        (tmp_path / f"{name}.sse").write_bytes(name.encode())
        assert recorded_body(tmp_path, asked) == name.encode()
    out = read_asked(Api.CHAT, request("x", model="../chat"))
    assert recorded_body(tmp_path / "inner", out) is None


def test_loopback_cuts_recordings_by_event():
    """A recorded stream is sent event by event, and the events join to the file."""
    assert cut_events(b"data: 1\n\ndata: 2\n\ndata") == (b"data: 1\n\n", b"data: 2\n\n", b"data")
    assert cut_events(b"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n") == (
        b"event: a\r\ndata: 1\r\n\r\n",
        b"data: 2\r\n\r\n",
    )
