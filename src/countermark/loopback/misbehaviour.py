"""What a played upstream can do wrong, chosen per request by the model's name: `m-1!truncate`.

The name is the one thing of a request that reaches the upstream unchanged through every gateway, so no header and no
side channel is needed. Here are the names, and the pure part: bodies and events that are not what they should be.
What needs the connection itself is in `exchange.py`.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from countermark.loopback.answers import Api, Asked, Choice

MISBEHAVIOURS: Mapping[str, str] = MappingProxyType(
    {
        # pure: another body
        "garbage": "status 200 and a body, or an event, that is not JSON",
        "truncate": "the body is cut in half under a right length; a stream ends in good form without its end mark",
        "duplicate-keys": "the first key of the body, or of each event, is named twice with two values",
        "unknown-field": "the body, or each event, has a field `surprise` that no API has",
        "bad-arguments": "tool calls whose arguments are cut JSON (whole Anthropic answers hold no such text)",
        "gzip": "the body is compressed although identity was asked for",
        "status-500": "an error 500 in the API's shape",
        "status-429": "an error 429 with `retry-after: 1`",
        "redirect": "307 to /loopback/redirected on the same server",
        # the connection
        "hang": "never answers",
        "hang-mid-stream": "half of the answer, then nothing more",
        "die": "closes the connection without a byte",
        "die-mid-stream": "half of the answer, then closes the connection",
        "slow": "the whole answer in pieces, with pauses",
        "huge": "an answer of at least `--huge-bytes` bytes",
        "lie-length": "content-length says 100 bytes more than are sent, then the connection closes",
        "lie-length-under": "content-length says 10 bytes less than are sent",
        "smuggle": "a good answer, and 20 ms later a second one that nobody asked for on the same connection",
    }
)
"""Name to what it does. Another name after `!` is refused with 400, so that a typing error shows."""

GARBAGE = b'{"choices": [{"mess'
SMUGGLED = b"smuggled: an answer that nobody asked for"
"""The text in the second answer of `smuggle`; no caller may ever see it."""


def bend_choices(asked: Asked, choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Change what the model says, for the misbehaviours that are about that."""
    if asked.misbehaviour != "bad-arguments" or (asked.api is Api.MESSAGES and not asked.stream):
        return tuple(choices)
    return tuple(
        replace(choice, calls=tuple(replace(call, arguments=call.arguments[:-1]) for call in choice.calls))
        for choice in choices
    )


def bend_body(misbehaviour: str, body: bytes) -> bytes:
    """Change the bytes of a whole answer; without a misbehaviour that is about bytes they stay as they are."""
    match misbehaviour:
        case "garbage":
            return GARBAGE
        case "truncate":
            return body[: len(body) // 2]
        case "gzip":
            return gzip.compress(body, mtime=0)
        case "duplicate-keys" | "unknown-field":
            return _open_object(misbehaviour, body)
        case _:
            return body


def bend_events(misbehaviour: str, events: Sequence[bytes]) -> tuple[bytes, ...]:
    """Change the events of a streamed answer."""
    match misbehaviour:
        case "garbage":
            return (*events[:1], b"data: " + GARBAGE + b"\n\n", *events[1:])
        case "truncate":
            return tuple(events[:-1])
        case "gzip":
            return (gzip.compress(b"".join(events), mtime=0),)
        case "duplicate-keys" | "unknown-field":
            return tuple(_open_event(misbehaviour, event) for event in events)
        case _:
            return tuple(events)


def _open_object(misbehaviour: str, body: bytes) -> bytes:
    if misbehaviour == "unknown-field":
        return b'{"surprise":{"text":"unseen"},' + body[1:]
    first_key = body[1 : body.index(b":")]
    return b"{" + first_key + b':"twice",' + body[1:]


def _open_event(misbehaviour: str, event: bytes) -> bytes:
    head, mark, data = event.partition(b"data: {")
    return head + b"data: " + _open_object(misbehaviour, b"{" + data) if mark else event
