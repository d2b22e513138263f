"""A rule that says what a score means: `stopped=0`, `harm.score>=0.5`. Polarity is declared with these, never guessed."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from countermark.errors import SettingsError

_RULE = re.compile(r"\s*([^<>=!]+?)\s*(>=|<=|!=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_WORDS = {"true": 1.0, "false": 0.0}
NO_ANSWER = "N"
"""Inspect's word for "there was nothing to judge"; not judged, unless a rule names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One comparison of a value that stands under a path.

    Attributes:
        value: As it was written; a number, `true` and `false` compare with numbers and truth values.
    """

    path: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.path}{self.sign}{self.value}"

    def holds(self, found: Any) -> bool | None:
        """Whether a value fits.

        Returns:
            None where the value says nothing: there is none, it is not a number (NaN), or it says "no answer".

        Raises:
            SettingsError: The value can't be compared in this way.
        """
        if found is None or (isinstance(found, float) and math.isnan(found)):
            return None
        if isinstance(found, str):
            return self._words(found)
        if isinstance(found, bool | int | float):
            number = self._number()
            if number is None:
                raise SettingsError(
                    f"expected a number after `{self.path}{self.sign}`, since the log has `{found}` there; got "
                    f"`{self.value:.40}`"
                )
            return _NUMERIC[self.sign](float(found), number)
        if isinstance(found, dict):
            keys = ", ".join(f"`{self.path}.{key}`" for key in list(found)[:6])
            raise SettingsError(f"expected one value under `{self.path}`, the log has several: {keys}")
        raise SettingsError(f"expected one value under `{self.path}`, the log has a list")

    def _words(self, found: str) -> bool | None:
        if self.sign in ("=", "!="):
            if found == NO_ANSWER != self.value:
                return None
            return (found == self.value) is (self.sign == "=")
        number = self._number()
        try:
            seen = float(found)
        except ValueError:
            seen = math.nan
        if number is None or math.isnan(seen):
            raise SettingsError(
                f"expected numbers on both sides of `{self}`, the log has `{found:.40}`: compare words with `=`"
            )
        return _NUMERIC[self.sign](seen, number)

    def _number(self) -> float | None:
        if self.value in _WORDS:
            return _WORDS[self.value]
        try:
            number = float(self.value)
        except ValueError:
            return None
        return None if math.isnan(number) else number


def parse_rule(text: str) -> Rule:
    """Read `path=value`, or with `!=`, `>=`, `<=`, `>`, `<`.

    Raises:
        SettingsError: Not of that form.
    """
    match = _RULE.fullmatch(text)
    if match is None or not match[3]:
        raise SettingsError(f"expected a rule such as `stopped=0` or `harm.score>=0.5`, got `{text:.60}`")
    return Rule(path=match[1], sign=match[2], value=match[3])


def any_holds(rules: tuple[Rule, ...], values: list[Any]) -> bool | None:
    """Whether any rule holds of its value; None where none does and one of the values says nothing."""
    said = [rule.holds(value) for rule, value in zip(rules, values, strict=True)]
    if True in said:
        return True
    return None if None in said else False
