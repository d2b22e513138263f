"""One value, one spelling: canonical JSON, for everything whose digest is signed."""

from __future__ import annotations

from typing import Any

import rfc8785

from countermark.errors import MalformedError


def canonical_json(value: Any) -> bytes:
    """Write `value` as canonical JSON.

    Raises:
        MalformedError: A value that has no canonical form: an integer over 2^53 - 1, a number that isn't finite, a
            lone surrogate, or a type that JSON doesn't have.

    Source: RFC 8785.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise MalformedError(f"expected a value with a canonical JSON form: {str(error).lower()}") from error
