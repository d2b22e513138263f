"""Requirements for CI, as one reads them aloud: `real >= 0.9 per kind`.

A requirement fails where its figure is missing, is given twice, is no number, or stands in a void assay. It can't pass by
default: nothing measured is not a pass. The format of the document that it is held against is spec/assay-require.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeGuard

from countermark.errors import RequirementError
from countermark.estimate import Estimate

HIGHER_IS_BETTER: Final = MappingProxyType(
    {
        "real": True,
        "apparent": True,
        "universal": True,
        "separation": True,
        "theater": False,
        "open": False,
        "false_stops": False,
        "waited": False,
    }
)
"""Every quantity that may be required, and which way is good: `theater >= 0.2` is a slip, not a wish."""
AXES: Final = ("kind", "visible_in", "scale", "author", "written_by", "cluster")
LONGEST = 200
_TOKEN = re.compile(
    r"""\s*(?:(?P<word>[a-z_]+)|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<op>[<>]=)|"(?P<quoted>[^"]+)")"""
)
_HOW = "write for example `real >= 0.9 per kind` or `real lower >= 0.8 at 1 lying signer`"


class Figure(Protocol):
    """What a figure must be able to say of itself: `Rate` and `Paired` are."""

    @property
    def value(self) -> float:
        """The rate, or difference."""

    @property
    def shown(self) -> Estimate:
        """With the interval that is printed."""

    def at_least(self) -> Estimate:
        """The one-sided claim."""

    def at_most(self) -> Estimate:
        """The other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement, read.

    Attributes:
        text: As it was written.
        bound: `lower` or `upper`: hold the one-sided claim against the limit; None: the value itself.
        axis: For each part by this axis; None: the pooled figure.
        safeguard: Whose; None: the one that the document is about.
        lying_signers: How many signers the attacker has on his side.
    """

    text: str
    quantity: str
    bound: str | None
    limit: float
    axis: str | None = None
    safeguard: str | None = None
    lying_signers: int = 0

    def holds(self, number: float) -> bool:
        """Whether a number meets the limit."""
        return number >= self.limit if HIGHER_IS_BETTER[self.quantity] else number <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A requirement held against a result.

    Attributes:
        says: Why, in one line, with each part that fails.
    """

    requirement: Requirement
    passed: bool
    says: str


def parse_requirement(text: str) -> Requirement:
    """Read one requirement.

        quantity [lower | upper] (>= | <=) rate [per AXIS] [of SAFEGUARD] [at N lying signer(s)]

    Raises:
        RequirementError: Not this; the message says what to write.
    """
    tokens = _tokens(text)
    if len(tokens) < 3 or tokens[0][0] != "word" or tokens[0][1] not in HIGHER_IS_BETTER:
        found = tokens[0][1] if tokens else ""
        raise RequirementError(
            f"expected one of the quantities {', '.join(HIGHER_IS_BETTER)} with a limit, got `{found}`: {_HOW}"
        )
    quantity = tokens.pop(0)[1]
    better, way = ("lower", ">=") if HIGHER_IS_BETTER[quantity] else ("upper", "<=")
    bound = tokens.pop(0)[1] if tokens[0][0] == "word" else None
    if bound not in (None, better):
        raise RequirementError(
            f"expected `{quantity}` or `{quantity} {better}`, got `{quantity} {bound}`: {_HOW}"
        )
    if [kind for kind, _ in tokens[:2]] != ["op", "number"]:
        raise RequirementError(f"expected `{quantity} {way} RATE`, got `{text:.60}`: {_HOW}")
    op, limit = tokens[0][1], float(tokens[1][1])
    if op != way:
        raise RequirementError(f"expected `{quantity} {way} ...`, which is the good way, got `{op}`")
    if limit > 1:
        raise RequirementError(f"expected a rate from 0 to 1 (0.9 for 90 %), got `{tokens[1][1]}`")
    return Requirement(text=text, quantity=quantity, bound=bound, limit=limit, **_tail(tokens[2:]))


def parse_requirements(texts: Iterable[str]) -> tuple[Requirement, ...]:
    """Read several.

    Raises:
        RequirementError: One of them can't be read.
    """
    return tuple(parse_requirement(text) for text in texts)


def check_requirements(
    requirements: Sequence[Requirement], document: Mapping[str, Any]
) -> tuple[Checked, ...]:
    """Hold requirements against a result document (spec/assay-require.md)."""
    return tuple(_check(each, document) for each in requirements)


def make_figure(
    quantity: str,
    figure: Figure,
    *,
    safeguard: str,
    lying_signers: int = 0,
    axis: str | None = None,
    part: str | None = None,
) -> Mapping[str, Any]:
    """One entry of a result document's `figures`. Not rounded: 0.8999996 is not 0.9.

    Raises:
        RequirementError: A quantity or axis that nobody could require, or an axis without its part.
    """
    if quantity not in HIGHER_IS_BETTER or (axis is not None and axis not in AXES):
        raise RequirementError(f"expected a known quantity and axis, got `{quantity}` and `{axis}`")
    if (axis is None) != (part is None):
        raise RequirementError(f"expected an axis and its part, got `{axis}` and `{part}`")
    shown = figure.shown
    return {
        "quantity": quantity,
        "safeguard": safeguard,
        "lying_signers": lying_signers,
        "axis": axis,
        "part": part,
        "value": figure.value,
        "low": shown.low,
        "high": shown.high,
        "n": shown.n,
        "method": shown.method,
        "at_least": figure.at_least().low,
        "at_most": figure.at_most().high,
    }


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text) > LONGEST:
        raise RequirementError(f"expected a requirement of at most {LONGEST} characters, got {len(text)}")
    found, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise RequirementError(
                f"expected a requirement, got `{text:.60}` with `{text[at : at + 10].strip()}`: {_HOW}"
            )
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _tail(tokens: list[tuple[str, str]]) -> dict[str, Any]:
    """`per AXIS`, `of SAFEGUARD` and `at N lying signers`, each at most once, in any order."""
    found: dict[str, Any] = {}
    rest = list(tokens)
    while rest:
        match rest:
            case [("word", "per"), ("word", axis), *more] if "axis" not in found:
                if axis not in AXES:
                    raise RequirementError(f"expected one of the axes {', '.join(AXES)}, got `{axis}`")
                found["axis"] = axis
            case [("word", "of"), (("word" | "quoted"), name), *more] if "safeguard" not in found:
                found["safeguard"] = name
            case [
                ("word", "at"),
                ("number", many),
                ("word", "lying"),
                ("word", "signer" | "signers"),
                *more,
            ] if "lying_signers" not in found:
                if not many.isdigit():
                    raise RequirementError(f"expected a number of lying signers, got `{many}`")
                found["lying_signers"] = int(many)
            case _:
                said = " ".join(value for _, value in rest)
                raise RequirementError(
                    f"expected `per AXIS`, `of SAFEGUARD` or `at N lying signers`, each once, got `{said:.60}`"
                )
        rest = more
    return found


def _check(requirement: Requirement, document: Mapping[str, Any]) -> Checked:
    bad = _unusable(document)
    safeguard = requirement.safeguard or document.get("safeguard")
    parts: Sequence[str | None] = (None,)
    if not bad and requirement.axis is not None:
        axes = document.get("axes")
        named = axes.get(requirement.axis) if isinstance(axes, Mapping) else None
        if not isinstance(named, list) or not named or not all(isinstance(each, str) for each in named):
            bad = f"the result names no parts by {requirement.axis}"
        else:
            parts = named
    if bad:
        return Checked(requirement=requirement, passed=False, says=f"fails: {bad}")
    passed, failed = [], []
    for part in parts:
        number = _find(requirement, document["figures"], safeguard, part)
        where = "" if part is None else f"{part} "
        if isinstance(number, str):
            failed.append(f"{where}{number}")
        elif requirement.holds(number):
            passed.append(f"{where}{number * 100:.1f} %")
        else:
            failed.append(f"{where}{number * 100:.1f} %")
    says = f"fails: {'; '.join(failed)}" if failed else f"holds: {'; '.join(passed)}"
    return Checked(requirement=requirement, passed=not failed, says=says)


def _unusable(document: Mapping[str, Any]) -> str:
    """Why no requirement can hold in this document; empty where one can."""
    void = document.get("void")
    if not isinstance(void, list):
        return "the result doesn't say whether its controls scored as known (`void`)"
    if void:
        return f"the assay is void: {'; '.join(map(str, void))}"
    figures = document.get("figures")
    if not isinstance(document.get("safeguard"), str):
        return "the result doesn't say which safeguard it is about (`safeguard`)"
    if not isinstance(figures, list) or not all(isinstance(each, Mapping) for each in figures):
        return "the result has no `figures`"
    return ""


def _find(
    requirement: Requirement, figures: Sequence[Mapping[str, Any]], safeguard: object, part: str | None
) -> float | str:
    """The number to hold against the limit, or why there is none."""
    wanted = {
        "quantity": requirement.quantity,
        "safeguard": safeguard,
        "lying_signers": requirement.lying_signers,
        "axis": requirement.axis,
        "part": part,
    }
    found = [each for each in figures if all(_same(each.get(key), wanted[key]) for key in wanted)]
    if len(found) != 1:
        how = "not measured" if not found else f"given {len(found)} times"
        signers = f", {requirement.lying_signers} lying signers" if requirement.lying_signers else ""
        return f"{requirement.quantity} of `{safeguard}`{signers}: {how}"
    key = {None: "value", "lower": "at_least", "upper": "at_most"}[requirement.bound]
    number, n = found[0].get(key), found[0].get("n")
    lowest = -1 if requirement.quantity == "separation" else 0
    if not _is_number(number) or not lowest <= number <= 1:
        return f"`{key}` of {requirement.quantity} is no rate"
    if not _is_number(n) or n < 1:
        return f"{requirement.quantity} was measured on nothing"
    return float(number)


def _same(value: object, wanted: object) -> bool:
    return type(value) is type(wanted) and value == wanted  # `false` is not 0


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
