"""The stream of Chat Completions: chunks by the table, tool calls put together from their deltas.

A choice's calls are complete with its `finish_reason`, whichever it is, or with `[DONE]`; not with the end of the
connection. Where a client could put deltas together in two ways (a second name, a delta after the end), it is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from countermark.content.request_json import parse_request_json
from countermark.errors import MalformedError
from countermark.pep.fields import Gathered, Walk
from countermark.pep.reading import Limits, ToolCall
from countermark.pep.sse import EventReader

_DONE: Final = b"[DONE]"
_MORE: Final = {"function": "arguments", "custom": "input"}
"""Per type of call, the field whose deltas are joined."""
_LEGACY: Final = -1  # index of the one call of the older `function_call`


@dataclass(slots=True)
class _Growing:
    """A call of which only some deltas have come."""

    kind: str = ""
    call_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)

    def be(self, kind: str) -> None:
        if self.kind not in {"", kind}:
            # clients differ: some go by the type, some by the field that is there
            raise MalformedError(f"expected one type for a tool call, got `{self.kind}` and `{kind}`")
        self.kind = kind

    def add(self, call_id: str, name: str, more: str) -> None:
        if call_id and self.call_id not in {"", call_id}:
            raise MalformedError(
                f"expected one id for a tool call, got `{self.call_id[:40]}` and `{call_id[:40]}`"
            )
        if name and self.name not in {"", name}:
            # clients differ: some join the names, some take the last
            raise MalformedError(
                f"expected one name for a tool call, got `{self.name[:40]}` and `{name[:40]}`"
            )
        self.call_id = call_id or self.call_id
        self.name = name or self.name
        self.arguments.append(more)


class ChatStream(EventReader):
    """Reads one streamed answer of Chat Completions."""

    def __init__(self, limits: Limits, *, chunk: Walk, error: Walk) -> None:
        """Walk chunks and error events by these compiled tables."""
        super().__init__(limits)
        self._chunk = chunk
        self._error = error
        self._growing: dict[tuple[int, int], _Growing] = {}

    def read(self, name: str | None, data: bytes, out: Gathered) -> None:
        """Read one chunk, error or `[DONE]`; see `EventReader.read`."""
        if data == _DONE:
            self.ended = True
            self._complete(None)
            return
        value = parse_request_json(
            data, max_bytes=self.limits.max_event_bytes, max_depth=self.limits.max_depth
        )
        if value.get("error"):
            self._error(value, out)
            self.failed = True
            return
        if name is not None:
            raise MalformedError(f"expected an event without a name, got `{name[:40]}`")
        self._chunk(value, out)
        for choice in value["choices"]:
            self._read_choice(choice)

    def _read_choice(self, choice: dict[str, Any]) -> None:
        index = choice["index"]
        delta = choice.get("delta") or {}
        calls = delta.get("tool_calls") or ()
        legacy = delta.get("function_call")
        if (calls or legacy) and index in self.finish:
            raise MalformedError(f"expected no tool call of choice {index} after its end")
        for call in calls:
            growing = self._grow((index, call["index"]))
            growing.add(call.get("id") or "", "", "")
            if call.get("type") is not None:
                growing.be(call["type"])
            for kind, more in _MORE.items():
                part = call.get(kind)
                if part is not None:
                    growing.be(kind)
                    growing.add("", part.get("name") or "", part.get(more) or "")
        if legacy:
            self._grow((index, _LEGACY)).add("", legacy.get("name") or "", legacy.get("arguments") or "")
        reason = choice.get("finish_reason")
        if reason is not None:
            self.finish[index] = reason
            self._complete(index)

    def _grow(self, key: tuple[int, int]) -> _Growing:
        growing = self._growing.get(key)
        if growing is None:
            self.open.add(key)
            growing = self._growing[key] = _Growing()
        return growing

    def _complete(self, choice: int | None) -> None:
        """The calls of this choice (None: of all) are complete."""
        for key in sorted(key for key in self._growing if choice in {None, key[0]}):
            growing = self._growing.pop(key)
            self.open.discard(key)
            if not growing.name:
                raise MalformedError(f"expected a name of tool call {key[1]} of choice {key[0]}, got none")
            said = "".join(growing.arguments)
            self.ready.append(
                ToolCall(
                    choice=key[0],
                    index=max(key[1], 0),
                    call_id=growing.call_id,
                    name=growing.name,
                    arguments=json.dumps(said) if growing.kind == "custom" else said,
                )
            )
