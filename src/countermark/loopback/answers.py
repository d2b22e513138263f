"""What a played model says: a pure function of the request's bytes.

`read_asked` takes from a request what the answer depends on, as leniently as a vendor's server would (it is the
gateway's work to be strict); `compose` makes the choices; `wire.py` writes them in the form of each API.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from countermark.loopback.refusal import PHRASES, REFUSAL, refused_phrase


class Api(StrEnum):
    """The two forms that are spoken; the value names recorded bodies (`chat.json`, `messages.sse`)."""

    CHAT = "chat"
    """OpenAI, `POST /v1/chat/completions`."""
    MESSAGES = "messages"
    """Anthropic, `POST /v1/messages`."""


class Mode(StrEnum):
    """How the model answers."""

    OBEY = "obey"
    """Does whatever the request says."""
    REFUSE = "refuse"
    """Refuses by wording (`refusal.py`), else obeys."""
    REPLAY = "replay"
    """Gives recorded bodies (`recorded.py`)."""
    DENY = "deny"
    """Refuses whatever is asked: the control that nothing may get past."""


class AskedError(Exception):
    """The request is one that a vendor's server would answer with 400; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One tool call of an answer; `arguments` is JSON text, as the model wrote it."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer of a model: text, and the tool calls that follow it."""

    text: str
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the answer to one request depends on.

    Attributes:
        model: As the request names it, with the misbehaviour.
        base_model: Without it (`m-1` of `m-1!slow`).
        misbehaviour: What follows the `!`; empty for none.
        digest: SHA-256 of the body, 64 hex digits; ids are made from it.
        text: The last user text.
        all_text: Every user text, for the refusal by wording.
        offers_tools: The request lists tools and leaves the choice open.
        after_result: The last message brings a tool's result, so that the model goes on in words.
    """

    api: Api
    model: str
    base_model: str
    misbehaviour: str
    digest: str
    text: str
    all_text: str
    offers_tools: bool
    after_result: bool
    stream: bool
    include_usage: bool
    n: int


MAX_N = 16
"""More choices than this are refused, as vendors do."""

_CALL = re.compile(r"\bcall ([A-Za-z0-9_.-]{1,64})\(")


def read_asked(api: Api, body: bytes) -> Asked:
    """Read what the answer to `body` depends on.

    Raises:
        AskedError: Not JSON, or without the fields that the API requires.
    """
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise AskedError("the body is not valid JSON") from error
    if not isinstance(asked, dict):
        raise AskedError("the body must be a JSON object")
    model, messages, n = asked.get("model"), asked.get("messages"), asked.get("n", 1)
    if not isinstance(model, str) or not model:
        raise AskedError("`model` is required")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise AskedError("`messages` must be a list of messages")
    if api is Api.MESSAGES and not isinstance(asked.get("max_tokens"), int):
        raise AskedError("`max_tokens` is required")
    if not isinstance(n, int) or not 1 <= n <= MAX_N:
        raise AskedError(f"`n` must be between 1 and {MAX_N}")
    base_model, _, misbehaviour = model.partition("!")
    texts = [text for message in messages if (text := _user_text(message)) is not None]
    options = asked.get("stream_options")
    return Asked(
        api=api,
        model=model,
        base_model=base_model,
        misbehaviour=misbehaviour,
        digest=hashlib.sha256(body).hexdigest(),
        text=texts[-1] if texts else "",
        all_text="\n".join(texts),
        offers_tools=bool(asked.get("tools")) and not _no_tools(asked.get("tool_choice")),
        after_result=_is_tool_result(messages[-1]),
        stream=asked.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        n=n if api is Api.CHAT else 1,
    )


def compose(asked: Asked, mode: Mode, phrases: Sequence[str] = PHRASES) -> tuple[Choice, ...]:
    """The choices that a model in `mode` (OBEY, REFUSE or DENY) answers with.

    A request that offers tools and whose last user text says `call NAME(JSON)`, once or more, gets those calls after a
    line of text; everything else gets one line that names the text's digest and its number of words.

    Args:
        phrases: What REFUSE refuses by.
    """
    if mode is Mode.DENY or (mode is Mode.REFUSE and refused_phrase(asked.all_text, phrases) is not None):
        return tuple(Choice(text=REFUSAL) for _ in range(asked.n))
    calls = tuple(_calls(asked.text)) if asked.offers_tools and not asked.after_result else ()
    if calls:
        line = "calling " + ", ".join(call.name for call in calls)
    else:
        digest = hashlib.sha256(asked.text.encode(errors="surrogatepass")).hexdigest()
        line = f"done: {digest[:8]}, {len(asked.text.split())} words"
    return tuple(Choice(text=line if i == 0 else f"{line}, choice {i}", calls=calls) for i in range(asked.n))


def _calls(text: str) -> Iterator[ToolCall]:
    """The calls that `text` asks for; what is no JSON, or not closed by a bracket, is no call."""
    decoder = json.JSONDecoder()
    for match in _CALL.finditer(text):
        if text.startswith(")", match.end()):
            yield ToolCall(name=match[1], arguments="{}")
            continue
        try:
            value, end = decoder.raw_decode(text, match.end())
        except ValueError:
            continue
        if text.startswith(")", end):
            yield ToolCall(
                name=match[1], arguments=json.dumps(value, separators=(",", ":"), ensure_ascii=False)
            )


def _user_text(message: Mapping[str, Any]) -> str | None:
    if message.get("role") != "user":
        return None
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    parts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n".join(parts) if parts else None


def _is_tool_result(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    return message.get("role") == "tool" or (
        isinstance(content, list)
        and any(isinstance(part, dict) and part.get("type") == "tool_result" for part in content)
    )


def _no_tools(choice: Any) -> bool:
    return choice == "none" or (isinstance(choice, dict) and choice.get("type") == "none")
