"""Reading TOML strictly: every key is expected, of its type and in its range, or the error says file, line and fix."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from countermark.clock import parse_time
from countermark.errors import BundleError, MalformedError


class Table:
    """One TOML table that is read key by key; `finish` refuses the keys that nobody asked for."""

    def __init__(
        self, raw: Mapping[str, Any], *, file: str, text: str, first_line: int = 1, name: str = ""
    ) -> None:
        self._raw = dict(raw)
        self._left = dict(raw)
        self._asked: list[str] = []
        self._file = file
        self._text = text
        self._first_line = first_line
        self._name = name

    def error(self, key: str, message: str, fix: str) -> BundleError:
        """An error at the line of `key`, ready to be raised."""
        return BundleError(file=self._file, line=self._line(key), message=message, fix=fix)

    def _line(self, key: str) -> int:
        if not key:
            return self._first_line
        bare = re.escape(key)
        found = re.search(
            rf"^\s*(?:\[+\s*)?(?:[\w.-]+\.)?[\"']?{bare}[\"']?\s*(?:=|\]|\.)", self._text, re.MULTILINE
        )
        return self._first_line + (self._text.count("\n", 0, found.start()) if found else 0)

    def _named(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def has(self, key: str) -> bool:
        """Whether the key is written; asking makes it an expected key."""
        self._asked.append(key)
        return key in self._raw

    def _take(self, key: str, example: str) -> Any:
        self._asked.append(key)
        if key not in self._raw:
            raise self.error(
                self._name.rpartition(".")[2], f"expected `{self._named(key)}`", f"write `{key} = {example}`"
            )
        self._left.pop(key, None)
        return self._raw[key]

    def word(self, key: str, *, like: str, pattern: str = r".{1,200}") -> str:
        """A string that matches `pattern` whole. `like` is an example for the message."""
        value = self._take(key, f'"{like}"')
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.error(
                key,
                f"expected `{self._named(key)}` like `{like}`, got `{value!s:.60}`",
                f'write `{key} = "{like}"`',
            )
        return value

    def words(self, key: str, *, like: str, pattern: str = r".{1,200}", least: int = 0) -> tuple[str, ...]:
        """A list of distinct strings that each match `pattern` whole."""
        value = self._take(key, f'["{like}"]')
        fits = isinstance(value, list) and all(isinstance(v, str) and re.fullmatch(pattern, v) for v in value)
        if not fits or len(value) < least:
            raise self.error(
                key,
                f"expected `{self._named(key)}` as a list of words like `{like}`, got `{value!s:.80}`",
                f'write `{key} = ["{like}"]`',
            )
        if len(set(value)) != len(value):
            raise self.error(
                key, f"expected each word of `{self._named(key)}` once", "take out the repeated one"
            )
        return tuple(value)

    def number(self, key: str, *, low: int, high: int, unit: str) -> int:
        """A whole number in `low..high`."""
        value = self._take(key, str(low))
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(
                key,
                f"expected `{self._named(key)}` from {low} to {high} ({unit}), got `{value!s:.60}`",
                f"write a whole number of {unit}",
            )
        return value

    def share(self, key: str) -> float:
        """A number over 0, up to 1."""
        value = self._take(key, "0.5")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
            raise self.error(
                key,
                f"expected `{self._named(key)}` over 0 and up to 1, got `{value!s:.60}`",
                f"write `{key} = 0.5`",
            )
        return float(value)

    def flag(self, key: str) -> bool:
        """`true` or `false`."""
        value = self._take(key, "false")
        if not isinstance(value, bool):
            raise self.error(
                key,
                f"expected `{self._named(key)}` true or false, got `{value!s:.60}`",
                f"write `{key} = false`",
            )
        return value

    def time(self, key: str) -> datetime:
        """An RFC 3339 time in UTC, written as a string."""
        value = self._take(key, '"2026-05-03T10:00:00Z"')
        try:
            return parse_time(value)
        except MalformedError as error:
            raise self.error(
                key, f"`{self._named(key)}`: {error}", "write the time in UTC, as a string"
            ) from error

    def raw(self, key: str) -> dict[str, Any]:
        """A table whose keys are the caller's to read."""
        value = self._take(key, "{}")
        if not isinstance(value, dict):
            raise self.error(
                key, f"expected `{self._named(key)}` as a table", f"write `[{self._named(key)}]`"
            )
        return value

    def table(self, key: str) -> Table:
        """A table inside this one, to be read and finished."""
        return self._inside(self.raw(key), key)

    def tables(self, key: str) -> list[Table]:
        """A list of tables; empty where the key is not written."""
        if not self.has(key):
            return []
        value = self._take(key, "")
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise self.error(
                key, f"expected `{self._named(key)}` as tables", f"write `[[{self._named(key)}]]`"
            )
        return [self._inside(entry, key) for entry in value]

    def _inside(self, raw: Mapping[str, Any], key: str) -> Table:
        return Table(
            raw, file=self._file, text=self._text, first_line=self._first_line, name=self._named(key)
        )

    def finish(self) -> None:
        """Refuse what nobody asked for.

        Raises:
            BundleError: A key that this format does not have.
        """
        for key in self._left:
            if key not in self._asked:
                known = ", ".join(f"`{asked}`" for asked in dict.fromkeys(self._asked))
                raise self.error(
                    key, f"expected no key `{self._named(key)}`", f"take it out; known here: {known}"
                )


def read_toml(text: str, *, file: str, first_line: int = 1) -> Table:
    """Read a TOML text.

    Args:
        first_line: Where the text starts in the file, for messages.

    Raises:
        BundleError: Not TOML (duplicate keys included).
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = first_line + (int(found[1]) - 1 if found else 0)
        message = re.sub(r"\s*\(at .*\)", "", str(error))
        message = message[:1].lower() + message[1:]
        raise BundleError(
            file=file, line=line, message=f"expected TOML: {message}", fix="mend the line"
        ) from error
    return Table(raw, file=file, text=text, first_line=first_line)
