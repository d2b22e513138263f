"""JSON without ambiguity, for everything that is signed or trusted: one reading for all parsers, or an error.

Refused: duplicate keys, NaN and infinities (also those that `1e999` would become), lone surrogates, nesting over a
limit, anything after the value, invalid UTF-8, a byte order mark. This module has no dependency, so that auditors can
verify with the standard library; `content/` holds the faster reader for requests, tested against this one.

Source: RFC 8259, section 4 (names unique), section 8; RFC 7493 (I-JSON).
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from countermark.errors import DuplicateKeyError, MalformedError, TooLargeError

MAX_DEPTH = 64


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise DuplicateKeyError(f"expected each key once, got `{key[:60]}` twice")
            seen.add(key)
    return made


def _no_constant(name: str) -> NoReturn:
    raise MalformedError(f"expected a finite number, got `{name}`")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise MalformedError(f"expected a finite number, got `{text[:40]}`")
    return number


def _check(value: Any, depth: int, max_depth: int) -> None:
    if isinstance(value, str):
        # json accepts "\ud800"; it has no UTF-8 form, so two readers would disagree on its bytes
        if not value.isascii():
            _check_text(value)
    elif isinstance(value, dict):
        if depth >= max_depth:
            raise TooLargeError(f"expected at most {max_depth} levels of nesting")
        for key, child in value.items():
            if not key.isascii():
                _check_text(key)
            _check(child, depth + 1, max_depth)
    elif isinstance(value, list):
        if depth >= max_depth:
            raise TooLargeError(f"expected at most {max_depth} levels of nesting")
        for child in value:
            _check(child, depth + 1, max_depth)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedError("expected text without lone surrogates") from error


def parse_json(data: bytes, *, max_bytes: int = 1 << 20, max_depth: int = MAX_DEPTH) -> Any:
    """Read one JSON value from exactly `data`.

    Raises:
        TooLargeError: Over `max_bytes`, or nested deeper than `max_depth`.
        DuplicateKeyError: A key stands twice in one object.
        MalformedError: Anything else that two parsers could read differently.
    """
    if len(data) > max_bytes:
        raise TooLargeError(f"expected at most {max_bytes} bytes, got {len(data)}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError(f"expected UTF-8, got a byte that isn't at offset {error.start}") from error
    if text.startswith("\ufeff"):
        raise MalformedError("expected no byte order mark")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise MalformedError(
            f"expected JSON, got an error at offset {error.pos}: {error.msg.lower()}"
        ) from error
    except RecursionError as error:
        raise TooLargeError(f"expected at most {max_depth} levels of nesting") from error
    except ValueError as error:  # int() refuses over 4300 digits
        if isinstance(error, MalformedError):
            raise
        raise TooLargeError("expected numbers of at most 4300 digits") from error
    _check(value, 0, max_depth)
    return value


def parse_object(data: bytes, *, max_bytes: int = 1 << 20, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Like `parse_json`, for what must be an object."""
    value = parse_json(data, max_bytes=max_bytes, max_depth=max_depth)
    if not isinstance(value, dict):
        raise MalformedError(f"expected a JSON object, got {type(value).__name__}")
    return value
