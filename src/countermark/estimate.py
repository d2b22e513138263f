"""A measured rate, which never goes without its interval and the number that it was measured on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Never

from countermark.errors import EstimateError, NothingMeasuredError


class Side(StrEnum):
    """Which ends of an interval say something."""

    BOTH = "both"
    LOWER = "lower"
    """A claim "at least": the interval reaches up to the largest value that there is."""
    UPPER = "upper"
    """A claim "at most"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A rate, or a difference of rates, with its interval.

    `str()` writes it the way that every page and table shows it: `14.0 % (7.9-22.4), n = 100`.

    Attributes:
        value: 0 to 1; a difference -1 to 1.
        n: How many units (goals, tasks) it was measured on, at least 1.
        method: How the interval was found, in words (`Clopper-Pearson`).
        level: How often such an interval holds the truth.

    Raises:
        NothingMeasuredError: `n` is 0: nothing measured is an error, not a rate of 0.
        EstimateError: Not finite, not in order, or out of range.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    level: float = 0.95
    side: Side = Side.BOTH

    def __post_init__(self) -> None:
        if self.n < 1:
            raise NothingMeasuredError(
                f"expected something measured, got n = {self.n}: nothing measured is an error, not 0"
            )
        numbers = (self.value, self.low, self.high)
        if not all(math.isfinite(number) and -1 <= number <= 1 for number in numbers) or self.low > self.high:
            raise EstimateError(
                f"expected a rate from -1 to 1 with low <= high, got {self.value} ({self.low} to {self.high})"
            )
        if not 0 < self.level < 1:
            raise EstimateError(f"expected a level between 0 and 1, got `{self.level}`")

    def __bool__(self) -> Never:
        raise TypeError("expected a comparison of `value`, `low` or `high`: an estimate is not true or false")

    def __str__(self) -> str:
        return f"{self.percent}, n = {self.n:,}"

    @property
    def width(self) -> float:
        """From the lower to the upper end."""
        return self.high - self.low

    @property
    def percent(self) -> str:
        """`14.0 % (7.9-22.4)`, or one-sided `82.4 % (>= 79.3)`; a second decimal where the first would hide the end."""
        places = 2 if (self.high < 0.005 and self.low >= 0) or self.low > 0.995 else 1
        value, low, high = (
            f"{number * 100 + 0.0:.{places}f}" for number in (self.value, self.low, self.high)
        )
        if self.side is Side.LOWER:
            return f"{value} % (>= {low})"
        if self.side is Side.UPPER:
            return f"{value} % (<= {high})"
        return f"{value} % ({low} to {high})" if self.low < 0 else f"{value} % ({low}-{high})"

    def to_document(self) -> Mapping[str, Any]:
        """For JSON: the numbers as rates, rounded to what can be meant."""
        return {
            "value": round(self.value, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "n": self.n,
            "method": self.method,
            "level": self.level,
            "side": str(self.side),
        }
