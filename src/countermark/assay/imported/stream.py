"""Foreign JSON, read piece by piece: a log of any size takes the memory of its largest record.

The text is cut at brackets (strings are skipped as wholes) and each piece is parsed by itself. Refused: duplicate keys,
nesting over 200 levels, lone surrogates, invalid UTF-8, pieces over a limit. NaN and infinities, which evaluation tools
write for "no score", are read as such: whoever takes a verdict from one gets "not judged" (`rule.Rule.holds`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import IO, Any, NoReturn

import jiter

from countermark.errors import DuplicateKeyError, MalformedError, TooLargeError

BLOCK = 1 << 20
Path = tuple[str, ...]
# Everything up to the next bracket, strings skipped; possessive, so that nothing is tried twice.
_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,:\[\]{}\"]++(?=[\s,\]}])")
_SPACE = re.compile(rb"[ \t\r\n]*+")


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
    file: IO[bytes], *, stream: Path, max_bytes: int, skip: Collection[Path] = ()
) -> Iterator[tuple[Path, Any]]:
    """Read the members of one JSON object in the order in which they stand.

    Args:
        stream: The array whose elements come one by one, each under this path; objects on the way to it are entered.
        skip: Paths whose values are passed over, unread.

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
    yield from _members(text, (), stream, frozenset(skip))
    text.end()


def first_keys(file: IO[bytes], *, max_bytes: int) -> Iterator[str]:
    """The keys of one JSON object, each before its value is passed over.

    Raises:
        TooLargeError: A value over `max_bytes`.
        MalformedError: Not a JSON object.
    """
    text = _Text(file, max_bytes)
    text.take(b"{")
    while text.peek() != b"}":
        key = text.value()
        if not isinstance(key, str):
            text.wrong("expected a key")
        text.take(b":")
        yield key
        text.cut()
        if text.either(b",", b"}") == b"}":
            return


def _members(text: _Text, at: Path, stream: Path, skip: Collection[Path]) -> Iterator[tuple[Path, Any]]:
    text.take(b"{")
    seen: set[str] = set()
    if text.peek() == b"}":
        text.take(b"}")
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            text.wrong("expected a key")
        if key in seen:
            raise DuplicateKeyError(f"expected each key once, got `{key[:60]}` twice")
        seen.add(key)
        text.take(b":")
        here = (*at, key)
        first = text.peek()
        if here == stream and first == b"[":
            yield from _elements(text, here)
        elif first == b"{" and here != stream and stream[: len(here)] == here:
            yield from _members(text, here, stream, skip)
        elif here in skip:
            text.cut()
        else:
            yield here, text.value()
        if text.either(b",", b"}") == b"}":
            return


def _elements(text: _Text, here: Path) -> Iterator[tuple[Path, Any]]:
    text.take(b"[")
    if text.peek() == b"]":
        text.take(b"]")
        return
    while True:
        yield here, text.value()
        if text.either(b",", b"]") == b"]":
            return


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
            found = _SPACE.match(self._data, self._at)
            self._at = self._at if found is None else found.end()
            if self._at < len(self._data) or not self._more():
                return self._data[self._at : self._at + 1]

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

    def value(self) -> Any:
        """Read the next value."""
        start = self._before + self._at
        try:
            return parse(self.cut(), max_bytes=self._max)
        except DuplicateKeyError:
            raise
        except TooLargeError:
            raise
        except MalformedError as error:
            raise MalformedError(f"{error} (of the record at byte {start})") from error

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
        raise MalformedError(f"{words} at byte {self._before + self._at}")

    def _plain(self, pattern: re.Pattern[bytes]) -> int:
        while True:
            found = pattern.match(self._data, self._at)
            if found is not None:
                return found.end() - self._at
            if not self._more():
                self.wrong("expected a value, got a file that ends too early or isn't JSON")

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
            raise TooLargeError(
                f"expected at most {self._max:,} bytes in one record, got more: see `--max-record-mb`"
            )
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
