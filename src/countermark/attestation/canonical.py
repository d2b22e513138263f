"""Canonical JSON: the one spelling of a value, for everything that is signed or named by its digest.

Source: RFC 8785 (JSON Canonicalization Scheme).
"""

from __future__ import annotations

import json
from typing import Any

import rfc8785

from countermark.errors import MalformedError

_LARGEST = 2**53 - 1
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical_json(value: Any) -> bytes:
    """Write `value` as RFC 8785 says: keys sorted by UTF-16 code units, shortest numbers, no white space, UTF-8.

    Raises:
        MalformedError: A value that has no canonical form: not JSON, not finite, an integer over 2^53, or text with
            lone surrogates.
    """
    if _is_plain(value):
        # For such values the standard library's encoder writes the same bytes, ten times faster (tested against rfc8785)
        return _ENCODER.encode(value).encode()
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError, TypeError) as error:
        raise MalformedError(f"expected a value with a canonical JSON form: {error}") from error


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether `value` is of objects with ASCII keys, lists, ASCII texts, flags and integers within 2^53.

    ASCII keys sort alike by code point and by UTF-16 unit; floats are the only numbers that the encoders spell
    differently.
    """
    kind = type(value)
    if kind is str:
        return str(value).isascii()
    if kind is dict:
        return depth < 64 and all(
            type(key) is str and key.isascii() and _is_plain(child, depth + 1) for key, child in value.items()
        )
    if kind is int:
        return bool(-_LARGEST <= value <= _LARGEST)
    if kind is bool or value is None:
        return True
    return kind is list and depth < 64 and all(_is_plain(child, depth + 1) for child in value)
