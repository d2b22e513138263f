"""Foreign JSON, read piece by piece: a log of any size takes the memory of its largest record.

The text is cut at brackets (strings are skipped as wholes) and each piece is parsed by itself. Refused: duplicate keys,
nesting over 200 levels, lone surrogates, invalid UTF-8, pieces over a limit. What no figure needs (messages, say) is passed
over, unread. NaN and infinities, which evaluation tools
write for "no score", are read as such: whoever takes a verdict from one gets "not judged" (`rule.Rule.holds`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any, NoReturn

import jiter

from countermark.errors import DuplicateKeyError, MalformedError, TooLargeError

BLOCK = 1 << 20
Path = tuple[str, ...]
Wanted = Mapping[str, bytes]
"""Keys, each with bytes that its value must hold to be worth reading."""
_TOO_LARGE = "expected at most {:,} bytes in one record, got more: see `--max-record-mb`"
# Everything up to the next bracket, strings skipped; possessive, so that nothing is tried twice.
_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,:\[\]{}\"]++(?=[\s,\]}])")
_BLANK = b" \t\r\n"
_SPACE = re.compile(rb"[ \t\r\n]*+")
_KEY = re.compile(rb'[ \t\r\n]*+"([ !#-\[\]-~]*+)"[ \t\r\n]*+:')
"""A key in plain ASCII without escapes, and its colon."""


def parse(data: bytes, *, max_bytes: int) -> Any:
    """Read one JSON value from exactly `data`.

    Raises:
        TooLargeError: Over `max_bytes`.
        DuplicateKeyError: A key stands twice in one object.
        MalformedError: Not JSON.
    """
    if len(data) > max_bytes:
        raise TooLargeError(f"expected at most {max_bytes:,} bytes in one record, got {len(data):,}")
    try:
        return jiter.from_json(data, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        words = str(error)
        if words.startswith("Detected duplicate key"):
            raise DuplicateKeyError(f"expected each key once: {words[0].lower()}{words[1:]}") from error
        raise MalformedError(f"expected JSON: {words}") from error


def walk(
    file: IO[bytes],
    *,
    stream: Path,
    max_bytes: int,
    skip: Collection[Path] = (),
    wanted: Wanted | None = None,
) -> Iterator[tuple[Path, Any]]:
    """Read the members of one JSON object in the order in which they stand.

    Args:
        stream: The array whose elements come one by one, each under this path; objects on the way to it are entered.
        skip: Paths whose values are passed over, unread.
        wanted: Of each element that is an object, these members only, as with `pick`; where left out, all of it.

    Yields:
        A path and its value, or one element of the streamed array.

    Raises:
        TooLargeError: A value, or one element of the streamed array, over `max_bytes`.
        DuplicateKeyError: A key stands twice.
        MalformedError: Not one JSON object.
    """
    text = _Text(file, max_bytes)
    if text.peek() != b"{":
        text.wrong("expected a JSON object")
    yield from _members(text, (), stream, frozenset(skip), wanted)
    text.end()


def pick(data: bytes, wanted: Wanted, *, max_bytes: int) -> Any:
    """Read some members of one JSON object; the others are passed over. What is no object is read whole.

    Args:
        wanted: Each key with bytes that its value must hold to be worth reading; none, where it always is.

    Raises:
        TooLargeError: Over `max_bytes`.
        DuplicateKeyError: A key stands twice.
        MalformedError: Not JSON.
    """
    if len(data) > max_bytes:
        raise TooLargeError(f"expected at most {max_bytes:,} bytes in one record, got {len(data):,}")
    text = _Text(io.BytesIO(data), max_bytes)
    found = _pick(text, wanted)
    text.end()
    return found


def first_keys(file: IO[bytes], *, max_bytes: int) -> Iterator[str]:
    """The keys of one JSON object, each before its value is passed over.

    Raises:
        TooLargeError: A value over `max_bytes`.
        DuplicateKeyError: A key stands twice.
        MalformedError: Not a JSON object.
    """
    text = _Text(file, max_bytes)
    for key in _keys(text):
        yield key
        text.cut()


def _keys(text: _Text) -> Iterator[str]:
    """The keys of the object that begins here; whoever takes one has to pass over its value before the next."""
    text.take(b"{")
    if text.peek() == b"}":
        text.take(b"}")
        return
    seen: set[str] = set()
    while True:
        key = text.key()
        if key in seen:
            raise DuplicateKeyError(f"expected each key once, got `{key[:60]}` twice")
        seen.add(key)
        yield key
        if text.either(b",", b"}") == b"}":
            return


def _members(
    text: _Text, at: Path, stream: Path, skip: Collection[Path], wanted: Wanted | None
) -> Iterator[tuple[Path, Any]]:
    for key in _keys(text):
        here = (*at, key)
        first = text.peek()
        if here == stream and first == b"[":
            for element in _elements(text, wanted):
                yield here, element
        elif first == b"{" and here != stream and stream[: len(here)] == here:
            yield from _members(text, here, stream, skip, wanted)
        elif here in skip:
            text.cut()
        else:
            yield here, text.value()


def _elements(text: _Text, wanted: Wanted | None) -> Iterator[Any]:
    text.take(b"[")
    if text.peek() == b"]":
        text.take(b"]")
        return
    while True:
        yield text.value() if wanted is None else _pick(text, wanted)
        if text.either(b",", b"]") == b"]":
            return


def _pick(text: _Text, wanted: Wanted) -> Any:
    if text.peek() != b"{":
        return text.value()
    found = {}
    start = text.at
    for key in _keys(text):
        if key in wanted:
            value = text.cut()
            if wanted[key] in value:
                found[key] = text.parse(value)
        else:
            text.cut()
        text.within(start)
    return found


class _Text:
    """A file with a window on it that grows as far as one value needs."""

    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self._file = file
        self._max = max_bytes
        self._data = b""
        self._at = 0
        self._before = 0
        self._ended = False

    def peek(self) -> bytes:
        """The next byte that is not white space; empty at the end."""
        while True:
            first = self._data[self._at : self._at + 1]
            if first and first not in _BLANK:
                return first
            found = _SPACE.match(self._data, self._at)
            self._at = self._at if found is None else found.end()
            if self._at < len(self._data) or not self._more():
                return self._data[self._at : self._at + 1]

    def key(self) -> str:
        """Pass over a key and the colon after it."""
        found = _KEY.match(self._data, self._at)
        if found is not None:  # nearly always: no escapes, and whole in the window
            self._at = found.end()
            return found[1].decode("ascii")
        key = self.value()
        if not isinstance(key, str):
            self.wrong("expected a key")
        self.take(b":")
        return key

    def take(self, wanted: bytes) -> None:
        """Pass over one byte that has to stand here."""
        self.either(wanted, wanted)

    def either(self, first: bytes, second: bytes) -> bytes:
        """Pass over one of two bytes, and say which."""
        found = self.peek()
        if found not in (first, second) or not found:
            self.wrong(f"expected `{first.decode()}`")
        self._at += 1
        return found

    def end(self) -> None:
        """Check that nothing follows."""
        if self.peek():
            self.wrong("expected the end")

    @property
    def at(self) -> int:
        """Where this is in the file."""
        return self._before + self._at

    def within(self, start: int) -> None:
        """Check that a record that began at `start` isn't over the limit."""
        if self.at - start > self._max:
            raise TooLargeError(_TOO_LARGE.format(self._max))

    def value(self) -> Any:
        """Read the next value."""
        return self.parse(self.cut())

    def parse(self, value: bytes) -> Any:
        """Read a value that was cut out before this place."""
        try:
            return parse(value, max_bytes=self._max)
        except (DuplicateKeyError, TooLargeError):
            raise
        except MalformedError as error:
            raise MalformedError(f"{error} (of the value that ends at byte {self.at})") from error

    def cut(self) -> bytes:
        """Pass over the next value, unread."""
        first = self.peek()
        length = (
            self._nested() if first in (b"{", b"[") else self._plain(_STRING if first == b'"' else _SCALAR)
        )
        found = self._data[self._at : self._at + length]
        self._at += length
        return found

    def wrong(self, words: str) -> NoReturn:
        """Refuse what stands here."""
        raise MalformedError(f"{words} at byte {self.at}")

    def _plain(self, pattern: re.Pattern[bytes]) -> int:
        while True:
            found = pattern.match(self._data, self._at)
            if found is not None:
                return found.end() - self._at
            if not self._more():
                self.wrong("expected a value, got something else or the end of a file that was cut off")

    def _nested(self) -> int:
        """How long the object or array is that begins here; goes on where it was when the window grows."""
        depth, done = 0, 0
        while True:
            found = _BRACKET.match(self._data, self._at + done)
            if found is None:
                if not self._more():
                    self.wrong(
                        "expected the end of a value that begins here, got the end of the file: it was cut off"
                    )
                continue
            done = found.end() - self._at
            depth += 1 if found[1] in b"{[" else -1
            if depth == 0:
                return done

    def _more(self) -> bool:
        """Read on; what was passed over is let go of."""
        if self._ended:
            return False
        rest = len(self._data) - self._at
        if rest > self._max:
            raise TooLargeError(_TOO_LARGE.format(self._max))
        read = self._file.read(max(BLOCK, rest))
        self._ended = not read
        self._before += self._at
        self._data = self._data[self._at :] + read
        self._at = 0
        return bool(read)


def lines(file: IO[bytes], *, max_bytes: int) -> Iterator[tuple[int, Any]]:
    """Read JSON lines; empty ones are passed over.

    Yields:
        The line's number, from 1, and its value.

    Raises:
        TooLargeError: A line over `max_bytes`.
        MalformedError: A line that isn't JSON.
    """
    number = 0
    while line := file.readline(max_bytes + 1):
        number += 1
        if len(line) > max_bytes:
            raise TooLargeError(
                f"expected at most {max_bytes:,} bytes in line {number}, got more: see `--max-record-mb`"
            )
        if line.strip():
            try:
                yield number, parse(line, max_bytes=max_bytes)
            except MalformedError as error:
                raise MalformedError(f"{error} (in line {number})") from error
