"""The stream of Anthropic Messages: events by the table, tool calls put together from their blocks.

A call is complete with the `content_block_stop` of its block, or with `message_stop` where `max_tokens` cut it off. Where
a client could put blocks together in two ways (an index that begins twice, input both at the start and in deltas), it is
refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from countermark.content.request_json import parse_request_json
from countermark.errors import MalformedError
from countermark.pep.fields import Gathered, Walk
from countermark.pep.reading import Limits, ToolCall
from countermark.pep.sse import EventReader


@dataclass(slots=True)
class _Block:
    """A content block that hasn't stopped; `call_id` and `name` are of a tool call."""

    is_call: bool
    call_id: str = ""
    name: str = ""
    start_input: Any = None
    partial: list[str] = field(default_factory=list)


def call_name(block: dict[str, Any]) -> str:
    """The name of a tool call: `toolset.member` for the member of a toolset."""
    toolset = block.get("toolset_name")
    return f"{toolset}.{block['name']}" if toolset else block["name"]


class MessagesStream(EventReader):
    """Reads one streamed answer of Messages."""

    def __init__(self, limits: Limits, *, event: Walk) -> None:
        """Walk events by this compiled table."""
        super().__init__(limits)
        self._event = event
        self._started = False
        self._begun: set[int] = set()
        self._blocks: dict[int, _Block] = {}

    def read(self, name: str | None, data: bytes, out: Gathered) -> None:
        """Read one event; see `EventReader.read`."""
        value = parse_request_json(
            data, max_bytes=self.limits.max_event_bytes, max_depth=self.limits.max_depth
        )
        kind = value.get("type")
        if kind != name:
            # the official client goes by the name, others by the type
            raise MalformedError(f"expected event `{name}` to have that type, got `{str(kind)[:40]}`")
        self._event(value, out)
        if kind == "ping":
            return
        if kind == "error":
            self.failed = True
            return
        if self._started == (kind == "message_start"):
            raise MalformedError(f"expected `message_start` once and first, got `{kind}`")
        if kind == "message_start":
            self._start(value["message"])
        elif kind == "content_block_start":
            self._begin(value["index"], value["content_block"])
        elif kind == "content_block_delta":
            self._delta(value["index"], value["delta"])
        elif kind == "content_block_stop":
            self._stop(value["index"])
        elif kind == "message_delta":
            reason = value["delta"].get("stop_reason")
            if reason is not None:
                self.finish[0] = reason
        elif kind == "message_stop":
            # a call that `max_tokens` cut off has no stop of its own; its arguments are decided as far as they came
            for index in sorted(self._blocks):
                self._stop(index)
            self.ended = True

    def _start(self, message: dict[str, Any]) -> None:
        if message["content"]:
            # clients differ: some keep these blocks, some let the first of the stream replace them
            raise MalformedError("expected `message_start` without content")
        self._started = True

    def _begin(self, index: int, block: dict[str, Any]) -> None:
        if index in self._begun:
            raise MalformedError(f"expected content block {index} to start once")
        self._begun.add(index)
        if block["type"] != "tool_use":
            self._blocks[index] = _Block(is_call=False)
            return
        self._blocks[index] = _Block(
            is_call=True, call_id=block["id"], name=call_name(block), start_input=block["input"]
        )
        self.open.add((0, index))

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise MalformedError(f"expected a delta of a content block that has started, got one of {index}")
        if block.is_call != (delta["type"] == "input_json_delta"):
            raise MalformedError(f"expected another kind of delta for content block {index}")
        if block.is_call:
            block.partial.append(delta.get("partial_json") or "")

    def _stop(self, index: int) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            raise MalformedError(f"expected a stop of a content block that has started, got one of {index}")
        if not block.is_call:
            return
        self.open.discard((0, index))
        partial = "".join(block.partial)
        if partial and block.start_input:
            raise MalformedError(
                f"expected the input of content block {index} at its start or in deltas, got both"
            )
        self.ready.append(
            ToolCall(
                choice=0,
                index=index,
                call_id=block.call_id,
                name=block.name,
                arguments=partial or json.dumps(block.start_input, ensure_ascii=False),
            )
        )
