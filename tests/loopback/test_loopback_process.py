"""The played upstream as a process, driven by the official client packages."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator

import anthropic
import openai
import pytest

from countermark.loopback.process import LoopbackProcess, loopback_process

ASK = [{"role": "user", "content": 'call actuate({"target": "T-114"}) and call log({"n": 1})'}]
TOOLS = [{"type": "function", "function": {"name": "actuate", "parameters": {"type": "object"}}}]
ANTHROPIC_TOOLS = [{"name": "actuate", "input_schema": {"type": "object"}}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[LoopbackProcess]:
    with loopback_process("--key", "key-1", "--model", "m-1", "--model", "m-2") as process:
        yield process


@pytest.fixture
def chat(upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="key-1", max_retries=0) as client:
        yield client


@pytest.fixture
def messages(upstream) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=upstream.url, api_key="key-1", max_retries=0) as client:
        yield client


def test_loopback_speaks_to_the_openai_package(chat):
    """Plain, streamed, with tools, several choices, and the list of models: the official client reads them all."""
    plain = chat.chat.completions.create(model="m-1", messages=ASK, tools=TOOLS, n=2)
    assert [len(choice.message.tool_calls or []) for choice in plain.choices] == [2, 2]
    with chat.chat.completions.stream(
        model="m-1", messages=ASK, tools=TOOLS, stream_options={"include_usage": True}
    ) as stream:
        final = stream.get_final_completion()
    assert [call.function.arguments for call in final.choices[0].message.tool_calls or []] == [
        '{"target":"T-114"}',
        '{"n":1}',
    ]
    assert final.usage is not None
    assert [model.id for model in chat.models.list()] == ["m-1", "m-2"]


def test_loopback_speaks_to_the_anthropic_package(messages):
    """Plain, streamed, with tools, and the list of models: the official client reads them all."""
    plain = messages.messages.create(model="m-1", max_tokens=10, messages=ASK, tools=ANTHROPIC_TOOLS)
    with messages.messages.stream(model="m-1", max_tokens=10, messages=ASK, tools=ANTHROPIC_TOOLS) as stream:
        final = stream.get_final_message()
    for message in (plain, final):
        assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
        assert message.content[1].input == {"target": "T-114"}
    assert [model.id for model in messages.models.list()] == ["m-1", "m-2"]


def test_loopback_errors_are_typed_in_the_clients(upstream, chat, messages):
    """Errors have each API's own shape, so that the clients raise their own types."""
    with pytest.raises(openai.RateLimitError):
        chat.chat.completions.create(model="m-1!status-429", messages=ASK)
    with pytest.raises(anthropic.InternalServerError):
        messages.messages.create(model="m-1!status-500", max_tokens=1, messages=ASK)
    with pytest.raises(openai.NotFoundError):
        chat.chat.completions.create(model="m-9", messages=ASK)
    with pytest.raises(anthropic.BadRequestError):
        messages.messages.create(model="m-1!no-such", max_tokens=1, messages=ASK)
    with (
        openai.OpenAI(base_url=f"{upstream.url}/v1", api_key="key-2", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.chat.completions.create(model="m-1", messages=ASK)


def test_loopback_tells_what_reached_it(upstream, chat):
    """Every request is told with its body's digest and the digest of its credential, never the credential."""
    upstream.clear()
    answer = chat.chat.completions.with_raw_response.create(
        model="m-1", messages=ASK, extra_headers={"x-request-id": "mine"}
    )
    body = answer.http_request.content
    (entry,) = upstream.received()
    assert entry["sha256"] == hashlib.sha256(body).hexdigest()
    assert entry["request_id"] == answer.headers["x-request-id"] == "mine"
    assert "key-1" not in json.dumps(entry)
    assert entry["headers"]["authorization"].startswith("sha256:")
    assert upstream.clear() == [entry]
    assert upstream.received() == []


def test_loopback_stops_with_its_parent():
    """A played upstream does not outlive whoever started it, however that one ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "countermark.loopback", "--with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


def test_loopback_replay_needs_a_folder(tmp_path):
    """Recorded bodies are given as they are; without a folder the process says what is missing."""
    (tmp_path / "chat.json").write_bytes(b'{"recorded": true}')
    with (
        loopback_process("--mode", "replay", "--folder", str(tmp_path)) as process,
        openai.OpenAI(base_url=f"{process.url}/v1", api_key="k", max_retries=0) as client,
    ):
        raw = client.chat.completions.with_raw_response.create(model="m-1", messages=ASK)
        assert raw.content == b'{"recorded": true}'
    failed = subprocess.run(
        [sys.executable, "-m", "countermark.loopback", "--mode", "replay"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert failed.returncode == 2
    assert "--folder" in failed.stderr
