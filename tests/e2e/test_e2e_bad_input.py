"""Bad input, sent for real: a clear error, no slot held for ever, the gateway goes on, and nothing is forwarded."""

from __future__ import annotations

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from e2e_site import ASK, MODEL, Site, exchange

GOOD = json.dumps({"model": MODEL, "messages": ASK}).encode()


def with_text(text: str) -> bytes:
    """A good body around raw JSON text in place of the content."""
    return b'{"model":"m-1","messages":[{"role":"user","content":' + text.encode() + b"}]}"


MALFORMED: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "not JSON": (b"hello", 400),
    "cut off": (GOOD[:-1], 400),
    "more behind the end": (GOOD + b"{}", 400),
    "a list": (b"[]", 400),
    "null": (b"null", 400),
    "a key twice": (GOOD[:-1] + b',"model":"m-1"}', 400),
    "a key twice, deeper": (b'{"model":"m-1","messages":[{"role":"user","role":"user","content":"x"}]}', 400),
    "a key twice by an escape": (GOOD[:-1] + b',"\\u006dodel":"m-9"}', 400),
    "NaN": (GOOD[:-1] + b',"temperature":NaN}', 400),
    "infinity by its size": (GOOD[:-1] + b',"temperature":1e999}', 400),
    "a lone surrogate": (with_text('"\\ud800"'), 400),
    "not UTF-8": (b'{"model":"m-1","messages":[{"role":"user","content":"\xff"}]}', 400),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, 400),
    "UTF-16": (GOOD.decode().encode("utf-16"), 400),
    "a control character in a string": (with_text('"a\nb"'), 400),
    "deep": (b'{"model":"m-1","messages":' + b"[" * 65 + b"]" * 65 + b"}", 413),
    "very deep": (b"[" * 200_000, 413),
    "no model": (b'{"messages":[{"role":"user","content":"x"}]}', 400),
    "a model that is a number": (b'{"model":1,"messages":[]}', 400),
    "messages that are text": (b'{"model":"m-1","messages":"x"}', 400),
    "over the bundle's limit": (with_text('"' + "x" * (1 << 20) + '"'), 413),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_bodies_are_refused(shared: Site, name: str) -> None:
    """400 or 413 in the API's own shape, not retried; no decision, and the upstream sees nothing."""
    body, expected = MALFORMED[name]
    reached, decided = len(shared.upstream.received()), len(shared.entries("decision"))
    status, headers, answer = shared.post(body)
    assert status == expected or (expected == 413 and status == 400), answer
    error = json.loads(answer)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert headers["x-should-retry"] == "false"
    assert len(shared.upstream.received()) == reached
    assert len(shared.entries("decision")) == decided
    assert shared.post(GOOD)[0] == 200, "and the gateway goes on"


NOT_CARRIED: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "a field that nobody knows": ({"surprise": 1}, {}, "surprise"),
    "a reference to state elsewhere": ({"previous_response_id": "r"}, {}, "previous_response_id"),
    "a tool that the vendor runs": ({"tools": [{"type": "web_search"}]}, {}, "tools"),
    "another account": ({}, {"openai-organization": "o"}, "openai-organization"),
    "a compressed body": ({}, {"content-encoding": "gzip"}, "content-encoding"),
    "another media type": ({}, {"content-type": "text/plain"}, "content-type"),
}


@pytest.mark.parametrize("name", NOT_CARRIED)
def test_what_is_not_carried_is_a_decision(shared: Site, name: str) -> None:
    """From a known caller it is DENY with its entry, and names the field."""
    content, headers, field = NOT_CARRIED[name]
    reached = len(shared.upstream.received())
    status, answered, body = shared.post({"model": MODEL, "messages": ASK, **content}, headers=headers)
    assert status == 403, body
    assert field in json.loads(body)["error"]["message"]
    assert shared.entries("decision")[-1]["id"] == answered["countermark-decision"]
    assert len(shared.upstream.received()) == reached


LONG: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "2000 tools": (
        "office",
        {
            "tools": [
                {"type": "function", "function": {"name": f"tool_{n:04}_{'x' * 50}", "parameters": {}}}
                for n in range(2000)
            ]
        },
        {},
    ),
    "a model's name of 100 kB": ("office", {"model": "m" * 100_000}, {}),
    "3000 claims": (
        "office",
        {
            "messages": [
                {"role": "system", "content": "".join(f"countermark-claim: c{n}=yes\n" for n in range(3000))},
                *ASK,
            ]
        },
        {},
    ),
    "200 statements named": (
        "office",
        {},
        {"countermark-statement": ",".join(f"{n:064x}" for n in range(200))},
    ),
    "5000 persons": (
        "orders",
        {"messages": [{"role": "user", "content": " ".join(f"SUB-{n:06}" for n in range(5000))}]},
        {},
    ),
    "5000 addresses": (
        "redteam",
        {
            "messages": [
                {"role": "user", "content": " ".join(f"10.4.{n // 250}.{n % 250}" for n in range(5000))}
            ]
        },
        {},
    ),
}


@pytest.mark.parametrize("name", LONG)
def test_an_entry_holds_whatever_a_request_does(shared: Site, name: str) -> None:
    """No request gets round the log by the length of what would stand in its entry: there is a decision, and an entry."""
    workload, content, headers = LONG[name]
    reached = len(shared.upstream.received())
    status, answered, body = shared.post(
        {"model": MODEL, "messages": ASK, **content}, workload=workload, headers=headers
    )
    assert status in (200, 403), body
    assert shared.entries("decision")[-1]["id"] == answered["countermark-decision"]
    assert len(shared.upstream.received()) == reached + (status == 200)


def raw(site: Site, data: bytes, *, wait_s: float = 10) -> bytes:
    """Send raw bytes and read until the other side closes or `wait_s` pass in silence."""
    parts = urlsplit(site.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=wait_s) as connection:
        connection.sendall(data)
        got = b""
        try:
            while piece := connection.recv(65536):
                got += piece
                if (
                    b"\r\n\r\n" in got
                    and b"content-length: 0" not in got.lower()
                    and got.endswith((b"}", b"}\n"))
                ):
                    break
        except TimeoutError:
            pass
        return got


def head(site: Site, *lines: str) -> bytes:
    """The head of a POST by the office."""
    key = site.world.api_keys["office"]
    fixed = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", f"authorization: Bearer {key}"]
    return "\r\n".join([*fixed, "content-type: application/json", *lines, "", ""]).encode()


def test_a_slow_sender_is_cut_off(shared: Site) -> None:
    """A body that doesn't come within the time limit ends in an error; the slot is free again."""
    started = time.monotonic()
    got = raw(shared, head(shared, f"content-length: {len(GOOD)}") + GOOD[:10])
    assert got.startswith((b"HTTP/1.1 504", b"HTTP/1.1 408")), got
    assert b"x-should-retry: false" in got
    assert time.monotonic() - started < 8
    metrics = shared.get("/metrics")[2].decode()
    assert "countermark_requests_under_way 0.0" in metrics


def test_a_huge_body_that_is_announced_is_refused_before_it_comes(shared: Site) -> None:
    """`content-length` over the limit: 413 without a byte of the body having been read."""
    got = raw(shared, head(shared, "content-length: 1000000000"))
    assert got.startswith(b"HTTP/1.1 413"), got


def test_a_huge_body_in_chunks_is_refused(shared: Site) -> None:
    """Chunked, without a length: cut off at the limit, and the gateway survives."""
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    got = raw(shared, head(shared, "transfer-encoding: chunked") + chunk * 20)
    assert got.startswith(b"HTTP/1.1 413"), got
    assert shared.post(GOOD)[0] == 200


SMUGGLING = {
    "two lengths": ("content-length: 5", "content-length: 6"),
    "length and chunks": (f"content-length: {len(GOOD)}", "transfer-encoding: chunked"),
    "a length that is no number": ("content-length: ten",),
    "chunks twice": ("transfer-encoding: chunked", "transfer-encoding: chunked"),
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_two_readings_of_one_request_are_refused(shared: Site, name: str) -> None:
    """What two servers could cut in two places gets no answer of a model, and nothing is forwarded."""
    reached = len(shared.upstream.received())
    got = raw(shared, head(shared, *SMUGGLING[name]) + b"0\r\n\r\n" + GOOD, wait_s=3)
    assert b" 200 " not in got.partition(b"\r\n")[0]
    assert len(shared.upstream.received()) == reached


def test_huge_headers_are_refused(shared: Site) -> None:
    """A header block over the setting is refused, and doesn't fill the memory."""
    status, _, _ = exchange(shared.url, "GET", "/healthz", headers={"x-filler": "x" * 16_000})
    assert status == 200, "below the limit"
    got = raw(shared, head(shared, *(f"x-filler-{n}: {'x' * 8000}" for n in range(20))), wait_s=5)
    assert got.startswith(b"HTTP/1.1 431"), got[:200]


def test_a_connection_that_says_nothing_is_closed(shared: Site) -> None:
    """Half a head, and then nothing: the connection is closed after the same time as a slow body."""
    started = time.monotonic()
    raw(shared, b"POST /v1/chat/completions HTTP/1.1\r\nhost: gate", wait_s=10)
    assert time.monotonic() - started < 8


def test_a_sender_that_leaves_is_forgotten(shared: Site) -> None:
    """A caller that closes in the middle of its body leaves nothing behind."""
    parts = urlsplit(shared.url)
    decided = len(shared.entries("decision"))
    for _ in range(5):
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
            connection.sendall(head(shared, f"content-length: {len(GOOD)}") + GOOD[:20])
    deadline = time.monotonic() + 5
    while "countermark_requests_under_way 0.0" not in shared.get("/metrics")[2].decode():
        assert time.monotonic() < deadline
    assert len(shared.entries("decision")) == decided
