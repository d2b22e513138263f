"""An upstream that misbehaves: a clear error for the caller, an entry for what was seen, and never a wrong answer."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

import anthropic
import openai
import pytest
from e2e_site import MODEL, Site

# (status, or None where the upstream's own is passed on) for an answer that is not streamed
WHOLE: dict[str, int] = {
    "hang": 504,
    "hang-mid-stream": 504,
    "die": 502,
    "die-mid-stream": 502,
    "garbage": 502,
    "truncate": 502,
    "duplicate-keys": 502,
    "unknown-field": 502,
    "gzip": 502,
    "redirect": 502,
    "huge": 502,
    "lie-length": 502,
    "lie-length-under": 502,
    "status-429": 429,
    "status-500": 500,
}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


def body(fault: str, text: str, **more: Any) -> dict[str, Any]:
    """A request to a model that misbehaves."""
    return {
        "model": f"{MODEL}:{fault}",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": f"{text} {fault} and some more words to cut"}],
        **more,
    }


def answer_entry(site: Site, decision: str) -> dict[str, Any]:
    """What the log says was seen of the answer; it is written after the caller has it."""
    deadline = time.monotonic() + 5
    while True:
        found = [entry for entry in site.entries("answer") if entry["decision"] == decision]
        if found:
            assert len(found) == 1
            return found[0]
        assert time.monotonic() < deadline, "no entry for the answer"
        time.sleep(0.02)


@pytest.mark.parametrize("api", PATHS)
@pytest.mark.parametrize("fault", WHOLE)
def test_a_whole_answer_that_is_wrong_is_not_released(shared: Site, api: str, fault: str) -> None:
    """Nothing of it reaches the caller; asked once; the error is the API's own and names the decision."""
    headers = {"anthropic-version": "2023-06-01"} if api == "anthropic" else {}
    reached = len(shared.upstream.received())
    status, answered, data = shared.post(body(fault, "whole"), path=PATHS[api], headers=headers)
    assert status == WHOLE[fault], data
    error = json.loads(data)["error"]
    assert error["message"]
    assert len(shared.upstream.received()) == reached + 1, "asked once"
    if fault.startswith("status-"):
        assert answered["countermark-decision"]
        assert answered.get("retry-after") == ("1" if fault == "status-429" else None)
    else:
        assert answered["x-should-retry"] == "false"
        assert error["countermark"]["decision_id"] == answered["countermark-decision"]
        assert answer_entry(shared, answered["countermark-decision"])["complete"] is False


STREAM_FAULTS = [
    "hang-mid-stream",
    "die-mid-stream",
    "garbage",
    "truncate",
    "duplicate-keys",
    "unknown-field",
    "gzip",
]


@pytest.mark.parametrize("fault", STREAM_FAULTS)
def test_a_stream_that_is_wrong_ends_in_an_error(shared: Site, fault: str) -> None:
    """Both clients raise; neither takes the part for the whole."""
    with pytest.raises((openai.APIError, openai.InternalServerError)):
        list(shared.openai(max_retries=0).chat.completions.create(**body(fault, "stream", stream=True)))
    with pytest.raises(anthropic.APIStatusError):
        list(shared.anthropic(max_retries=0).messages.create(**body(fault, "stream", stream=True)))
    last = shared.entries("decision")[-1]["id"]
    entry = answer_entry(shared, last)
    assert entry["complete"] is False
    assert entry["error"]


def test_a_stream_that_breaks_after_its_end_mark_is_noted(shared: Site) -> None:
    """Whole by its format, broken by its length: the caller has every event, and the log says how it ended."""
    chunks = list(shared.openai().chat.completions.create(**body("lie-length", "stream", stream=True)))
    assert chunks[-1].choices[0].finish_reason == "stop"
    entry = answer_entry(shared, shared.entries("decision")[-1]["id"])
    assert entry["complete"] is False
    assert "broke off" in entry["error"]


def test_a_huge_stream_is_cut_at_the_limit(shared: Site) -> None:
    """Over `max_answer_bytes` the stream ends in an error, and the upstream is let go."""
    with pytest.raises(openai.APIError, match="at most"):
        list(shared.openai().chat.completions.create(**body("huge", "stream", stream=True)))


def test_a_second_answer_on_the_connection_is_nobodys(shared: Site) -> None:
    """An answer that nobody asked for reaches no later caller."""
    for turn in range(4):
        status, _, data = shared.post(body("smuggle", f"turn {turn}"))
        assert status == 200
        assert b"smuggled" not in data
        time.sleep(0.03)
        assert b"smuggled" not in shared.post(body("slow", f"after {turn}"))[2]


def test_arguments_that_are_cut_are_denied(shared: Site) -> None:
    """A tool call that can't be read can't be decided: DENY, whatever the tool."""
    tools = [{"type": "function", "function": {"name": "read_sensor", "parameters": {"type": "object"}}}]
    asked = body("bad-arguments", 'call read_sensor({"id": "T-1"})', tools=tools)
    status, _, data = shared.post(asked)
    assert status == 403, data
    assert shared.entries("decision")[-1]["action"] == "call"


def test_clients_retry_what_the_upstream_says_is_worth_it(shared: Site) -> None:
    """429 of the upstream: the client's own retry works, and each try is decided anew."""
    before = len(shared.entries("decision"))
    with pytest.raises(openai.RateLimitError):
        shared.openai(max_retries=1).chat.completions.create(**body("status-429", "retry"))
    made = shared.entries("decision")[before:]
    assert len(made) == 2
    assert made[0]["id"] != made[1]["id"]


@pytest.mark.parametrize("fault", ["hang", "slow", "huge"])
def test_a_caller_that_leaves_takes_the_upstream_with_it(shared: Site, fault: str) -> None:
    """The caller closes in the middle of a stream: the upstream sees its own caller leave, long before any limit."""
    connection = http.client.HTTPConnection(urlsplit(shared.url).netloc, timeout=10)
    asked = json.dumps(body(fault, "leaving", stream=True)).encode()
    key = shared.world.api_keys["office"]
    connection.request(
        "POST",
        PATHS["openai"],
        body=asked,
        headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    if fault != "hang":
        answer = connection.getresponse()
        assert answer.read(10)
        answer.close()
    else:
        time.sleep(0.3)
    connection.close()
    deadline = time.monotonic() + 1.8
    while not shared.upstream.received()[-1]["gone"]:
        assert time.monotonic() < deadline, "the upstream goes on for nobody"
        time.sleep(0.02)
    last = shared.entries("decision")[-1]["id"]
    assert answer_entry(shared, last)["error"] == "the caller left"
