"""JSON of requests and answers, without ambiguity and quickly: what `strictjson` accepts, with the same value.

jiter (Rust) parses; it refuses duplicate keys, NaN, lone surrogates, invalid UTF-8, a byte order mark and anything
after the value. Two things it lets through are refused here: numbers that become infinite (`1e999`) and nesting over
the limit. `tests/content/test_request_json.py` holds both readers to each other.

Source: RFC 8259, sections 4 and 8; RFC 7493 (I-JSON).
"""

from __future__ import annotations

from typing import Any

import jiter

from countermark.errors import DuplicateKeyError, MalformedError, TooLargeError
from countermark.strictjson import MAX_DEPTH


def parse_json_value(data: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """Read one JSON value from exactly `data`.

    Args:
        max_bytes: Length of `data` at most.
        max_depth: Levels of objects and lists at most.

    Raises:
        TooLargeError: Over `max_bytes`, nested deeper than `max_depth`, or a number of more than 4300 digits.
        DuplicateKeyError: A key stands twice in one object.
        MalformedError: Anything else that two parsers could read differently.
    """
    if len(data) > max_bytes:
        raise TooLargeError(f"expected at most {max_bytes} bytes, got {len(data)}")
    try:
        value = jiter.from_json(data, catch_duplicate_keys=True, allow_inf_nan=False)
    except ValueError as error:
        words = str(error)
        if words.startswith("Detected duplicate key"):
            raise DuplicateKeyError(
                f"expected each key once, got one twice: {words[9:100].lower()}"
            ) from error
        if words.startswith("recursion limit"):
            raise TooLargeError(f"expected at most {max_depth} levels of nesting") from error
        raise MalformedError(f"expected strict JSON, got an error: {words[:160].lower()}") from error
    kind = type(value)
    if kind is dict or kind is list:
        _check_tree(value, max_depth)
    elif kind is float:
        _check_tree([value], max_depth)
    return value


def _check_tree(root: dict[str, Any] | list[Any], max_depth: int) -> None:
    # level by level rather than recursive: this stands in the way of every request
    level: list[Any] = [root]
    depth = 0
    while level:
        depth += 1
        if depth > max_depth:
            raise TooLargeError(f"expected at most {max_depth} levels of nesting")
        below: list[Any] = []
        for node in level:
            for child in node.values() if type(node) is dict else node:
                kind = type(child)
                if kind is str:
                    continue
                if kind is dict or kind is list:
                    below.append(child)
                elif kind is float and child - child != 0.0:  # inf - inf is NaN
                    raise MalformedError("expected finite numbers, got one that is too large for a float")
        level = below


def parse_request_json(body: bytes, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Like `parse_json_value`, for a body, which must be an object.

    Raises:
        MalformedError: As `parse_json_value`, or the value is not an object.
    """
    value = parse_json_value(body, max_bytes=max_bytes, max_depth=max_depth)
    if type(value) is not dict:
        raise MalformedError(f"expected a JSON object, got {type(value).__name__}")
    return value
