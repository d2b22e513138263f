"""The coverage matrix, endpoint x mode x direction: what each cell reads, and a message that shows it.

`python tests/pep/coverage_cells.py > spec/coverage.md` writes it out; `test_coverage_cells.py` runs every cell.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vendor_types import CANARY

ENDPOINTS: Final = ("/v1/chat/completions", "/v1/messages")
MODES: Final = ("plain", "stream", "tools", "n > 1", "images", "files", "thinking", "errors")
DIRECTIONS: Final = ("request", "answer")
PIXEL: Final = "iVBORw0KGgo="


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        says: What is read there.
        data: A message with the canary in it (`counted`: with content that nobody interprets).
        form: `json` for a whole message, `stream` for events.
        outcome: `read`, `counted` or `refused`.
    """

    says: str
    data: bytes
    form: str = "json"
    outcome: str = "read"


def _body(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _asked(content: Any, **fields: Any) -> bytes:
    return _body({"model": "m", "messages": [{"role": "user", "content": content}], **fields})


def _chat(*messages: Mapping[str, Any]) -> bytes:
    choices = [
        {"index": at, "finish_reason": "stop", "message": {"role": "assistant", **message}}
        for at, message in enumerate(messages)
    ]
    return _body({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices})


def _chunks(*chunks: Mapping[str, Any]) -> bytes:
    return b"".join(b"data: " + _body(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def _delta(at: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": at, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _message(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": list(blocks)}


def _events(*events: Mapping[str, Any]) -> bytes:
    whole = ({"type": "message_start", "message": _message()}, *events, {"type": "message_stop"})
    return b"".join(
        b"event: " + event["type"].encode() + b"\ndata: " + _body(event) + b"\n\n" for event in whole
    )


def _block(start: Mapping[str, Any], delta: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    return (
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
    )


_ENCODED = base64.b64encode(CANARY.encode()).decode()
_FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"properties": {CANARY: {}}}}}
_CALL = {"id": "t", "type": "function", "function": {"name": "f", "arguments": json.dumps({"q": CANARY})}}
_STORED = "an answer carries no such part, and no request can have asked for one"

CHAT: Final[dict[tuple[str, str], Cell]] = {
    ("plain", "request"): Cell(says="messages of all roles, every field", data=_asked(CANARY)),
    ("plain", "answer"): Cell(says="the whole answer before its first byte", data=_chat({"content": CANARY})),
    ("stream", "request"): Cell(says="as plain", data=_asked(CANARY, stream=True)),
    ("stream", "answer"): Cell(
        says="every chunk before it is released", data=_chunks(_delta(content=CANARY)), form="stream"
    ),
    ("tools", "request"): Cell(
        says="names, descriptions, schemas with their keys", data=_asked("x", tools=[_FUNCTION])
    ),
    ("tools", "answer"): Cell(
        says="calls put together from all deltas, held until whole",
        data=_chunks(_delta(tool_calls=[{"index": 0, **_CALL}]), _delta(finish="tool_calls")),
        form="stream",
    ),
    ("n > 1", "request"): Cell(
        says="`n` is a number, no text", data=_asked("x", n=CANARY), outcome="refused"
    ),
    ("n > 1", "answer"): Cell(says="every choice", data=_chat({"content": "x"}, {"tool_calls": [_CALL]})),
    ("images", "request"): Cell(
        says="inline: counted by media type; at a URL: refused",
        data=_asked([{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]),
        outcome="counted",
    ),
    ("images", "answer"): Cell(says=_STORED, data=_chat({"images": [CANARY]}), outcome="refused"),
    ("files", "request"): Cell(
        says="inline: text is decoded and read, others counted; by id: refused",
        data=_asked([{"type": "file", "file": {"file_data": f"data:text/csv;base64,{_ENCODED}"}}]),
    ),
    ("files", "answer"): Cell(says=_STORED, data=_chat({"audio": {"id": CANARY}}), outcome="refused"),
    ("thinking", "request"): Cell(
        says="`reasoning_effort` is one of its words; earlier reasoning is read",
        data=_body({"model": "m", "messages": [{"role": "assistant", "reasoning_content": CANARY}]}),
    ),
    ("thinking", "answer"): Cell(
        says="`reasoning` and `reasoning_content`, as text", data=_chat({"content": "x", "reasoning": CANARY})
    ),
    ("errors", "request"): Cell(
        says="a field without an entry is refused by name",
        data=_asked("x", unheard_of=CANARY),
        outcome="refused",
    ),
    ("errors", "answer"): Cell(
        says="an error inside a stream is read and ends it",
        data=b"data: " + _body({"error": {"message": CANARY}}) + b"\n\n",
        form="stream",
    ),
}

MESSAGES: Final[dict[tuple[str, str], Cell]] = {
    ("plain", "request"): Cell(
        says="system and messages, every block", data=_asked("x", system=[{"type": "text", "text": CANARY}])
    ),
    ("plain", "answer"): Cell(
        says="the whole answer before its first byte", data=_body(_message({"type": "text", "text": CANARY}))
    ),
    ("stream", "request"): Cell(says="as plain", data=_asked(CANARY, stream=True)),
    ("stream", "answer"): Cell(
        says="every event before it is released",
        data=_events(*_block({"type": "text", "text": ""}, {"type": "text_delta", "text": CANARY})),
        form="stream",
    ),
    ("tools", "request"): Cell(
        says="tools that the client executes, with schemas; the provider's own: refused",
        data=_asked("x", tools=[{"name": "f", "input_schema": {CANARY: 1}}]),
    ),
    ("tools", "answer"): Cell(
        says="calls put together from all deltas, held until whole",
        data=_events(
            *_block(
                {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                {"type": "input_json_delta", "partial_json": json.dumps({"q": CANARY})},
            )
        ),
        form="stream",
    ),
    ("n > 1", "request"): Cell(
        says="the API has no `n`: refused by name", data=_asked(CANARY, n=2), outcome="refused"
    ),
    ("n > 1", "answer"): Cell(
        says="one message only; every block of it",
        data=_body(_message({"type": "text", "text": "x"}, {"type": "text", "text": CANARY})),
    ),
    ("images", "request"): Cell(
        says="inline: counted by media type; at a URL or by id: refused",
        data=_asked(
            [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}]
        ),
        outcome="counted",
    ),
    ("images", "answer"): Cell(
        says=_STORED, data=_body(_message({"type": "image", "source": CANARY})), outcome="refused"
    ),
    ("files", "request"): Cell(
        says="inline: text is read, PDFs counted; at a URL or by id: refused",
        data=_asked(
            [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": CANARY}}]
        ),
    ),
    ("files", "answer"): Cell(
        says=_STORED, data=_body(_message({"type": "container_upload", "file_id": CANARY})), outcome="refused"
    ),
    ("thinking", "request"): Cell(
        says="earlier thinking is read; what is sealed is counted",
        data=_body(
            {
                "model": "m",
                "thinking": {"type": "adaptive"},
                "messages": [
                    {
                        "role": "assistant",
                        "content": [{"type": "thinking", "thinking": CANARY, "signature": "c2ln"}],
                    }
                ],
            }
        ),
    ),
    ("thinking", "answer"): Cell(
        says="thinking is read; signatures and redacted thinking are counted",
        data=_events(
            *_block(
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": CANARY},
            )
        ),
        form="stream",
    ),
    ("errors", "request"): Cell(
        says="a field without an entry is refused by name",
        data=_asked("x", unheard_of=CANARY),
        outcome="refused",
    ),
    ("errors", "answer"): Cell(
        says="an error inside a stream is read and ends it",
        data=b"event: error\ndata: "
        + _body({"type": "error", "error": {"type": "api_error", "message": CANARY}})
        + b"\n\n",
        form="stream",
    ),
}
CELLS: Final = dict(zip(ENDPOINTS, (CHAT, MESSAGES), strict=True))


def render() -> str:
    """The matrix as `spec/coverage.md`."""
    lines = [
        "# Coverage: what is read, by endpoint, mode and direction",
        "",
        "<!-- generated: PYTHONPATH=tests/pep python tests/pep/coverage_cells.py > spec/coverage.md -->",
        "",
        "Each cell has a message with a canary in `tests/pep/coverage_cells.py`. **read**: the canary is among the texts;",
        "**counted**: the content is named among what nobody here interprets; **refused**: nothing is sent or released.",
        "Beside these, `test_coverage_matrix.py` puts a canary into every place of the official packages' types.",
    ]
    for endpoint, cells in CELLS.items():
        lines += ["", f"## {endpoint}", "", "| mode | request | answer |", "| --- | --- | --- |"]
        for mode in MODES:
            said = [f"**{cells[mode, way].outcome}**: {cells[mode, way].says}" for way in DIRECTIONS]
            lines.append(f"| {mode} | {' | '.join(said)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(render(), end="")
