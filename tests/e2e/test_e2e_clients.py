"""The official clients, unchanged but for base URL and key, against real processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from e2e_site import ASK, MODEL, MODELS, Site, exchange, sha256

READ_SENSOR = {"type": "function", "function": {"name": "read_sensor", "parameters": {"type": "object"}}}
ACTUATE = {"type": "function", "function": {"name": "actuate", "parameters": {"type": "object"}}}
UNLISTED = {"type": "function", "function": {"name": "wipe", "parameters": {"type": "object"}}}
READ_SENSOR_A = {"name": "read_sensor", "input_schema": {"type": "object"}}
ACTUATE_A = {"name": "actuate", "input_schema": {"type": "object"}}


def user(text: str) -> list[dict[str, str]]:
    """One message of the user's."""
    return [{"role": "user", "content": text}]


def done(text: str) -> str:
    """What the played model says of a text: an echo by digest."""
    return f"done: {hashlib.sha256(text.encode()).hexdigest()[:8]}, {len(text.split())} words"


def iter_into(found: list[Any], stream: Any) -> None:
    """Read a stream to its end, keeping what came before it raises."""
    for each in stream:
        found.append(each)


def tries(shared: Site, since: int) -> int:
    """How many requests the gateway decided since its log had `since` decisions."""
    return len(shared.entries("decision")) - since


# plain and streamed


def test_openai_plain(shared: Site) -> None:
    """A permitted request gets the model's answer, with the decision's id beside it."""
    raw = shared.openai().chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    assert raw.parse().choices[0].message.content == done(ASK[0]["content"])
    assert raw.headers["countermark-decision"].startswith("d_")


def test_openai_streamed(shared: Site) -> None:
    """A stream comes through word by word, with usage where it was asked for."""
    stream = shared.openai().chat.completions.create(
        model=MODEL, messages=user("streamed one"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == done("streamed one")
    assert len(chunks) > 4
    assert chunks[-1].usage is not None


def test_anthropic_plain(shared: Site) -> None:
    """The same for Messages."""
    message = shared.anthropic().messages.create(model=MODEL, max_tokens=50, messages=ASK)
    assert message.content[0].text == done(ASK[0]["content"])


def test_anthropic_streamed(shared: Site) -> None:
    """The same for the Messages stream."""
    with shared.anthropic().messages.stream(
        model=MODEL, max_tokens=50, messages=user("streamed two")
    ) as stream:
        assert "".join(stream.text_stream) == done("streamed two")
        assert stream.get_final_message().stop_reason == "end_turn"


def test_several_choices(shared: Site) -> None:
    """n > 1: every choice comes through, plain and streamed."""
    client = shared.openai()
    plain = client.chat.completions.create(model=MODEL, messages=user("three of them"), n=3)
    assert [choice.index for choice in plain.choices] == [0, 1, 2]
    texts = ["", "", ""]
    for chunk in client.chat.completions.create(
        model=MODEL, messages=user("three of them, streamed"), n=3, stream=True
    ):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts[2] == done("three of them, streamed") + ", choice 2"


BODIES: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "chat, plain": ("/v1/chat/completions", {"messages": user("bytes 1")}, {}),
    "chat, streamed": ("/v1/chat/completions", {"messages": user("bytes 2"), "stream": True}, {}),
    "chat, three choices": ("/v1/chat/completions", {"messages": user("bytes 3"), "n": 3}, {}),
    "chat, three choices, streamed": (
        "/v1/chat/completions",
        {"messages": user("bytes 4"), "n": 3, "stream": True, "stream_options": {"include_usage": True}},
        {},
    ),
    "chat, text beyond ASCII": ("/v1/chat/completions", {"messages": user("Pumpe \u2013 \U0001f6b0")}, {}),
    "messages, plain": (
        "/v1/messages",
        {"messages": user("bytes 5"), "max_tokens": 9},
        {"anthropic-version": "2023-06-01"},
    ),
    "messages, streamed": (
        "/v1/messages",
        {"messages": user("bytes 6"), "max_tokens": 9, "stream": True},
        {"anthropic-version": "2023-06-01"},
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_answers_are_the_upstreams_bytes(shared: Site, name: str) -> None:
    """What the upstream answers directly and what it answers through the gateway are the same bytes."""
    path, content, headers = BODIES[name]
    body = json.dumps({"model": MODEL, **content}).encode()
    direct = exchange(shared.upstream.url, "POST", path, body=body, headers={**headers, "x-direct": "1"})
    through = shared.post(body, path=path, headers=headers)
    assert through[0] == direct[0] == 200
    assert through[2] == direct[2]
    assert through[1]["content-type"] == direct[1]["content-type"]
    assert shared.upstream.received()[-1]["sha256"] == sha256(body), "and what it got are the caller's bytes"


# tools


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_permitted_call_comes_through(shared: Site, stream: bool) -> None:
    """A declared tool without effects: its call reaches the caller, decided on its own in the log."""
    client = shared.key_bound(openai.OpenAI)
    before = len(shared.entries("decision"))
    text = f'call read_sensor({{"id": "T-{int(stream)}"}})'
    answer = client.chat.completions.create(
        model=MODEL, messages=user(text), tools=[READ_SENSOR], stream=stream
    )
    if stream:
        pieces = [
            c.choices[0].delta.tool_calls for c in answer if c.choices and c.choices[0].delta.tool_calls
        ]
        arguments = "".join(piece[0].function.arguments or "" for piece in pieces)
    else:
        arguments = answer.choices[0].message.tool_calls[0].function.arguments
    assert json.loads(arguments) == {"id": f"T-{int(stream)}"}
    made = shared.entries("decision")[before:]
    assert [(entry["action"], entry["resource"], entry["outcome"]) for entry in made] == [
        ("prompt", MODEL, "PERMIT"),
        ("call", "read_sensor", "PERMIT"),
    ]


def test_a_permitted_call_comes_through_messages(shared: Site) -> None:
    """The same for Messages, streamed with the client's own accumulation."""
    client = shared.key_bound(anthropic.Anthropic)
    with client.messages.stream(
        model=MODEL, max_tokens=99, messages=user('call read_sensor({"id": "A-1"})'), tools=[READ_SENSOR_A]
    ) as stream:
        message = stream.get_final_message()
    assert message.content[-1].input == {"id": "A-1"}
    assert message.stop_reason == "tool_use"


CALLS: dict[str, tuple[Any, str, int, str, str]] = {
    "an undeclared tool is denied": (UNLISTED, "wipe({})", 403, "DENY", "countermark_denied"),
    "an effect is held": (ACTUATE, 'actuate({"target": "T-9"})', 428, "HOLD", "countermark_hold"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_not_permitted_stops_the_whole_answer(shared: Site, name: str) -> None:
    """Not streamed: in place of the answer comes 403 or 428, after one try; no text of the answer is released."""
    tool, call, status, outcome, code = CALLS[name]
    client = shared.key_bound(openai.OpenAI)
    before = len(shared.entries("decision"))
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=MODEL, messages=user(f"call {call} now"), tools=[tool])
    assert caught.value.status_code == status
    assert caught.value.code == code
    assert caught.value.body["countermark"]["outcome"] == outcome  # type: ignore[index]
    assert "calling" not in caught.value.response.text
    assert tries(shared, before) == 2, "the prompt and the call, once each"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_is_not_permitted_ends_a_stream(shared: Site, name: str) -> None:
    """Streamed: the text so far, then the API's error event, which the client raises; no byte of the call."""
    tool, call, _, outcome, code = CALLS[name]
    client = shared.key_bound(openai.OpenAI)
    chunks: list[Any] = []
    stream = client.chat.completions.create(
        model=MODEL, messages=user(f"call {call} streaming"), tools=[tool], stream=True
    )
    with pytest.raises(openai.APIError) as caught:
        iter_into(chunks, stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert not any(chunk.choices[0].delta.tool_calls for chunk in chunks)
    assert text.startswith("calling")
    assert caught.value.body["code"] == code  # type: ignore[index]
    assert caught.value.body["countermark"]["outcome"] == outcome  # type: ignore[index]


def test_a_held_call_ends_a_messages_stream(shared: Site) -> None:
    """The Messages client raises as well, and names the hold."""
    client = shared.key_bound(anthropic.Anthropic)
    events: list[Any] = []
    stream = client.messages.create(
        model=MODEL,
        max_tokens=99,
        messages=user('call actuate({"target": "T-10"})'),
        tools=[ACTUATE_A],
        stream=True,
    )
    with pytest.raises(anthropic.APIStatusError) as caught:
        iter_into(events, stream)
    assert "content_block_delta" in [event.type for event in events]
    assert not any('"tool_use"' in event.model_dump_json() for event in events)
    assert caught.value.body["error"]["countermark"]["hold_id"].startswith("h_")  # type: ignore[index]


def test_one_held_call_of_several_stops_all(shared: Site) -> None:
    """A permitted call beside a held one is not released either."""
    client = shared.key_bound(openai.OpenAI)
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model=MODEL,
            messages=user('call read_sensor({"id": "T-1"}) and call actuate({"target": "T-11"})'),
            tools=[READ_SENSOR, ACTUATE],
        )
    assert caught.value.status_code == 428


# errors


def test_a_denial_is_typed_and_tried_once(shared: Site) -> None:
    """DENY is PermissionDeniedError in both clients, with decision id and clauses, and exactly one try each."""
    before = len(shared.entries("decision"))
    reached = len(shared.upstream.received())
    with pytest.raises(openai.PermissionDeniedError) as first:
        shared.openai("tracking").chat.completions.create(model=MODEL, messages=ASK)
    with pytest.raises(anthropic.PermissionDeniedError) as second:
        shared.anthropic("tracking").messages.create(model=MODEL, max_tokens=9, messages=ASK)
    told = [first.value.body["countermark"], second.value.body["error"]["countermark"]]  # type: ignore[index]
    assert [each["clauses"] for each in told] == [["RL-1", "RL-5"]] * 2
    ids = [entry["id"] for entry in shared.entries("decision")[before:]]
    assert ids == [each["decision_id"] for each in told]
    assert first.value.response.headers["countermark-decision"] == ids[0]
    assert len(shared.upstream.received()) == reached, "nothing was forwarded"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_hold_is_typed_and_tried_once(shared: Site, stream: bool) -> None:
    """HOLD is an APIStatusError 428 in both clients, streamed or not, before any model was asked."""
    before = len(shared.entries("decision"))
    with pytest.raises(openai.APIStatusError) as first:
        shared.openai("recall").chat.completions.create(model=MODEL, messages=user("hold me"), stream=stream)
    with pytest.raises(anthropic.APIStatusError) as second:
        shared.anthropic("recall").messages.create(
            model=MODEL, max_tokens=9, messages=user("hold me"), stream=stream
        )
    assert [first.value.status_code, second.value.status_code] == [428, 428]
    assert tries(shared, before) == 2
    told = first.value.body["countermark"]  # type: ignore[index]
    assert told["outcome"] == "HOLD"
    assert told["hold_id"].startswith("h_")


REFUSED: dict[str, tuple[Callable[[Site], Any], int, str]] = {
    "an unknown key": (
        lambda site: openai.OpenAI(base_url=f"{site.url}/v1", api_key="nobodys").chat.completions.create(
            model=MODEL, messages=ASK
        ),
        401,
        "credential",
    ),
    "an unknown key, messages": (
        lambda site: anthropic.Anthropic(base_url=site.url, api_key="nobodys").messages.create(
            model=MODEL, max_tokens=1, messages=ASK
        ),
        401,
        "credential",
    ),
}
NOT_CARRIED: dict[str, tuple[Callable[[Site], Any], type[Exception]]] = {
    "embeddings": (
        lambda site: site.openai().embeddings.create(model=MODEL, input="x"),
        openai.PermissionDeniedError,
    ),
    "responses": (
        lambda site: site.openai().responses.create(model=MODEL, input="x"),
        openai.PermissionDeniedError,
    ),
    "a batch": (lambda site: site.anthropic().messages.batches.list(), anthropic.PermissionDeniedError),
}


@pytest.mark.parametrize("name", NOT_CARRIED)
def test_a_path_that_is_not_carried_is_a_decision(shared: Site, name: str) -> None:
    """What a known caller asks elsewhere in the APIs is denied in words, once, with its entry."""
    call, kind = NOT_CARRIED[name]
    before = len(shared.entries("decision"))
    with pytest.raises(kind):
        call(shared)
    assert tries(shared, before) == 1


@pytest.mark.parametrize("name", REFUSED)
def test_what_gets_no_decision_is_refused_once(shared: Site, name: str) -> None:
    """Unknown callers and paths: a typed error after one try, counted in the metrics."""
    call, status, reason = REFUSED[name]
    counter = f'countermark_refused_total{{reason="{reason}"}}'

    def count() -> float:
        lines = shared.get("/metrics")[2].decode().splitlines()
        return next((float(line.split()[1]) for line in lines if line.startswith(counter)), 0)

    before = count()
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)) as caught:
        call(shared)
    assert caught.value.status_code == status
    assert count() == before + 1


def test_unrouted_models_are_denied_by_name(shared: Site) -> None:
    """A model that the bundle doesn't route is a decision with its entry, not a fallback."""
    with pytest.raises(openai.PermissionDeniedError, match="m-2"):
        shared.openai().chat.completions.create(model="m-2", messages=ASK)
    assert shared.entries("decision")[-1]["error"].startswith("expected a model that the bundle routes")


def test_models_are_those_of_the_bundle(shared: Site) -> None:
    """Both clients list and fetch models, without an upstream being asked."""
    reached = len(shared.upstream.received())
    assert sorted(each.id for each in shared.openai().models.list()) == sorted(MODELS)
    assert shared.openai().models.retrieve(MODEL).owned_by == "loopback"
    assert sorted(each.id for each in shared.anthropic().models.list()) == sorted(MODELS)
    assert shared.anthropic().models.retrieve(MODEL).type == "model"
    with pytest.raises(openai.NotFoundError):
        shared.openai().models.retrieve("m-2")
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{shared.url}/v1", api_key="nobodys").models.list()
    assert len(shared.upstream.received()) == reached


# async and concurrent


async def test_async_clients(shared: Site) -> None:
    """The async clients, plain and streamed."""
    key = shared.world.api_keys["office"]
    async with openai.AsyncOpenAI(base_url=f"{shared.url}/v1", api_key=key) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=user("async one"))
        assert answer.choices[0].message.content == done("async one")
        stream = await client.chat.completions.create(model=MODEL, messages=user("async two"), stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == done("async two")
    async with anthropic.AsyncAnthropic(base_url=shared.url, api_key=key) as client_a:
        message = await client_a.messages.create(model=MODEL, max_tokens=9, messages=user("async three"))
        assert message.content[0].text == done("async three")  # type: ignore[union-attr]


async def test_concurrent_callers_get_their_own_answers(shared: Site) -> None:
    """32 callers at once, streamed and not, of both APIs and several workloads: each gets the echo of its own text."""
    keys = shared.world.api_keys
    before = len(shared.entries("decision"))

    async def chat(number: int) -> None:
        workload = ("office", "desk-1", "desk-2", "redteam")[number % 4]
        async with openai.AsyncOpenAI(base_url=f"{shared.url}/v1", api_key=keys[workload]) as client:
            for turn in range(3):
                text = f"10.4.0.{number} asks {turn} " + "word " * number
                if number % 2:
                    stream = await client.chat.completions.create(
                        model=MODEL, messages=user(text), stream=True
                    )
                    got = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
                else:
                    answer = await client.chat.completions.create(model=MODEL, messages=user(text))
                    got = answer.choices[0].message.content or ""
                assert got == done(text)

    async def message(number: int) -> None:
        async with anthropic.AsyncAnthropic(base_url=shared.url, api_key=keys["office"]) as client:
            for turn in range(3):
                text = f"caller {number} asks {turn}"
                answer = await client.messages.create(model=MODEL, max_tokens=9, messages=user(text))
                assert answer.content[0].text == done(text)  # type: ignore[union-attr]

    await asyncio.gather(*(chat(n) if n % 4 else message(n) for n in range(32)))
    assert tries(shared, before) == 96
