"""`now` is passed in, never taken: whatever decides or appraises is given the time as an argument."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from countermark.errors import MalformedError

Clock = Callable[[], datetime]
"""Returns an aware UTC time. The deployment's clock is `system_clock`; tests play another."""


def system_clock() -> datetime:
    """The machine's clock, aware and in UTC."""
    return datetime.now(UTC)


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time in UTC, to the second, as every format of ours writes it (`2026-05-03T10:00:00Z`).

    Raises:
        MalformedError: Another form (fractions, offsets, lower case): one time has one spelling.
    """
    try:
        parsed = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (ValueError, TypeError) as error:
        raise MalformedError(f"expected a time like `2026-05-03T10:00:00Z`, got `{text!s:.40}`") from error
    if format_time(parsed) != text:  # strptime accepts `2026-5-3T1:0:0Z`
        raise MalformedError(f"expected a time like `2026-05-03T10:00:00Z`, got `{text!s:.40}`")
    return parsed


@lru_cache(maxsize=256)  # the same second is written into every entry of that second
def format_time(moment: datetime) -> str:
    """Write an aware time as RFC 3339 UTC, cut to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
