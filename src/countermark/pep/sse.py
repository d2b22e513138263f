"""Server-sent events: cut into events without losing a byte, and held back where they carry tool calls.

`SseParser` splits bytes, cut anywhere, into events that keep their raw bytes; it is strict where parsers differ (fields
that the format doesn't know, two names, a name without data). `EventReader` is what both formats' stream readers share:
from the first piece of a tool call on, everything is held until all calls that have begun are complete.

Source: WHATWG HTML, section 9.2.6 (parsing an event stream).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

from countermark.errors import MalformedError, TooLargeError
from countermark.pep.fields import Gathered
from countermark.pep.reading import Calls, Finished, Limits, Pass, Piece, ToolCall

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_LF: Final = 0x0A


@dataclass(frozen=True, slots=True, kw_only=True)
class SseEvent:
    """One event, or a block of comments (`data` is None then).

    Attributes:
        raw: All its bytes with the empty line that ends it.
        name: Of the field `event`.
        data: Its lines of `data`, joined with line feeds.
        texts: Comments and ids: they reach the caller, so they are read.
    """

    raw: bytes
    name: str | None
    data: bytes | None
    texts: tuple[str, ...]


class SseParser:
    """Cuts a byte stream into events."""

    def __init__(self, *, max_event_bytes: int) -> None:
        """Refuse events of more than `max_event_bytes`."""
        self._max = max_event_bytes
        self._buffer = bytearray()
        self._line_start = 0  # in the buffer, which begins with the event that isn't complete
        self._scanned = 0
        self._lines: list[bytes] = []
        self._after_cr = False  # the last byte was CR: a line feed that follows belongs to it

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """Read the next bytes; returns the events that became complete.

        Raises:
            TooLargeError: An event over the limit.
            MalformedError: Not an event stream.
        """
        buffer = self._buffer
        buffer += chunk
        if self._after_cr and len(buffer) > self._scanned:
            self._after_cr = False
            if buffer[self._scanned] == _LF:
                self._scanned += 1
                self._line_start = self._scanned
        events: list[SseEvent] = []
        start, line_start = 0, self._line_start
        for match in _LINE_END.finditer(buffer, self._scanned):
            end = match.end()
            line = bytes(buffer[line_start : match.start()])
            line_start = end
            if line:
                self._lines.append(line)
            else:
                events.append(_event(bytes(buffer[start:end]), self._lines))
                self._lines = []
                start = end
        self._after_cr = self._after_cr or (bool(chunk) and buffer[-1:] == b"\r")
        self._line_start = line_start - start
        self._scanned = len(buffer) - start
        del buffer[:start]
        if len(buffer) > self._max or any(len(event.raw) > self._max for event in events):
            raise TooLargeError(f"expected events of at most {self._max} bytes")
        return events

    def close(self) -> tuple[bytes, int]:
        """What is left: bytes that end the last event (a late line feed), and how many belong to an event cut off."""
        left = bytes(self._buffer)
        return (left, 0) if left == b"\n" and self._line_start == 1 and not self._lines else (b"", len(left))


def _event(raw: bytes, lines: list[bytes]) -> SseEvent:
    name: str | None = None
    data: list[bytes] = []
    texts: list[str] = []
    for line in lines:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event" and name is None:
            name = _text(value)
        elif field in {b"", b"id"}:
            if value:
                texts.append(_text(value))
        elif field != b"retry" or not value.isdigit():
            raise MalformedError(
                f"expected `data`, `event`, `id`, `retry` or a comment, once each, got `{line[:40]!r}`"
            )
    if name is not None and not data:
        raise MalformedError(f"expected data in event `{name[:40]}`")
    return SseEvent(raw=raw, name=name, data=b"\n".join(data) if data else None, texts=tuple(texts))


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("expected UTF-8 in an event stream") from error


class EventReader(ABC):
    """Reads a streamed answer: passes text on, holds what carries tool calls (`StreamReader`).

    A subclass's `read` takes one event's data and keeps `open` (calls that have begun and aren't complete) and
    `ready` (complete calls, in order) true to it.
    """

    def __init__(self, limits: Limits) -> None:
        """Start with nothing read."""
        self.limits = limits
        self.open: set[tuple[int, int]] = set()
        self.ready: list[ToolCall] = []
        self.ended = False
        self.failed = False
        self.finish: dict[int, str] = {}
        self._parser = SseParser(max_event_bytes=limits.max_event_bytes)
        self._events = 0
        self._passing = bytearray()
        self._passing_texts: list[str] = []
        self._held = bytearray()
        self._held_texts: list[str] = []
        self._withheld = 0

    @abstractmethod
    def read(self, name: str | None, data: bytes, out: Gathered) -> None:
        """Read one event.

        Raises:
            MalformedError: Not an event of this format, or not at this place.
        """

    def feed(self, chunk: bytes) -> list[Piece]:
        """Read the next bytes; see `StreamReader.feed`."""
        pieces: list[Piece] = []
        for event in self._parser.feed(chunk):
            self._take(event, pieces)
        self._flush(pieces)
        return pieces

    def close(self) -> list[Piece]:
        """Read the end; see `StreamReader.close`."""
        pieces: list[Piece] = []
        tail, cut_off = self._parser.close()
        if tail and not self._held:
            self._passing += tail
            self._flush(pieces)
        elif tail:
            self._held += tail
        pieces.append(
            Finished(
                complete=self.ended and not self.failed and not cut_off and not self._held,
                withheld=self._withheld + len(self._held) + cut_off,
                events=self._events,
                finish=tuple(self.finish[choice] for choice in sorted(self.finish)),
            )
        )
        return pieces

    def _take(self, event: SseEvent, pieces: list[Piece]) -> None:
        out = Gathered(texts=list(event.texts))
        if event.data is not None:
            if self.ended:
                raise MalformedError("expected nothing after the end of the stream, got another event")
            self._events += 1
            self.read(event.name, event.data, out)
        if self.failed and self._held:
            # the upstream gave up inside a call: what belongs to it never becomes complete
            self._withheld += len(self._held)
            self._held.clear()
            self._held_texts.clear()
            self.open.clear()
        if not (self.open or self.ready or self._held):
            self._passing += event.raw
            self._passing_texts += out.texts
            return
        self._held += event.raw
        self._held_texts += out.texts
        if len(self._held) > self.limits.max_held_bytes:
            raise TooLargeError(
                f"expected at most {self.limits.max_held_bytes} bytes of tool calls at a time"
            )
        if not self.open:
            self._flush(pieces)
            pieces.append(
                Calls(raw=bytes(self._held), calls=tuple(self.ready), texts=tuple(self._held_texts))
            )
            self._held.clear()
            self._held_texts.clear()
            self.ready.clear()

    def _flush(self, pieces: list[Piece]) -> None:
        if self._passing:
            pieces.append(Pass(raw=bytes(self._passing), texts=tuple(self._passing_texts)))
            self._passing.clear()
            self._passing_texts.clear()
