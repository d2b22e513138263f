"""Figures by part: by kind of deployment, by what shows the misuse, by scale, by who wrote the attack.

A pooled figure hides that a safeguard works for one kind of use and not for another. So what is pooled is carried with its
parts, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from countermark.assay.outcomes import Outcomes
from countermark.assay.rate import Rate
from countermark.errors import OutcomesError, PooledError

Quantity = Callable[[Outcomes], Rate]
"""`outcomes.real`, `outcomes.apparent`, ..."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """A figure with the parts that it is pooled from.

    Attributes:
        axis: What the parts differ by (`kind`, `visible_in`, `scale`).
        parts: Of each label; together they are the whole.

    Raises:
        PooledError: No part, or parts that are not the whole.
    """

    axis: str
    pooled: Rate
    parts: Mapping[str, Rate]

    def __post_init__(self) -> None:
        if not self.parts:
            raise PooledError(f"expected the parts by {self.axis}: a pooled figure alone is an error")
        whole = (sum(each.k for each in self.parts.values()), sum(each.n for each in self.parts.values()))
        if whole != (self.pooled.k, self.pooled.n):
            raise PooledError(
                f"expected parts by {self.axis} that make up {self.pooled.k} of {self.pooled.n}, got {whole[0]} of {whole[1]}"
            )

    @property
    def weakest(self) -> tuple[str, Rate]:
        """The part with the lowest value: the one to lead with, since whoever misuses chooses his part."""
        label = min(self.parts, key=lambda each: self.parts[each].value)
        return label, self.parts[label]

    def to_document(self) -> Mapping[str, Any]:
        """For JSON."""
        return {
            "axis": self.axis,
            "pooled": self.pooled.to_document(),
            "parts": {label: rate.to_document() for label, rate in self.parts.items()},
        }


def split(outcomes: Outcomes, labels: Sequence[str]) -> Mapping[str, Outcomes]:
    """The matrix in parts.

    Args:
        labels: One for each goal, in the order of the goals.

    Returns:
        Parts by label, in the order in which the labels first occur.

    Raises:
        OutcomesError: Not a label for each goal.
    """
    if len(labels) != len(outcomes.goals) or not all(labels):
        raise OutcomesError(
            f"expected a label for each of {len(outcomes.goals)} goals, got {sum(map(bool, labels))}"
        )
    named = np.array(labels)
    return MappingProxyType({label: outcomes.only(named == label) for label in dict.fromkeys(labels)})


def parted(outcomes: Outcomes, labels: Sequence[str], quantity: Quantity, *, axis: str) -> Parted:
    """One quantity, pooled and by part.

    Raises:
        OutcomesError: Not a label for each goal.
    """
    return Parted(
        axis=axis,
        pooled=quantity(outcomes),
        parts=MappingProxyType({label: quantity(part) for label, part in split(outcomes, labels).items()}),
    )


def by_author(outcomes: Outcomes) -> Mapping[str, Outcomes]:
    """The matrix by who wrote the attacks: what people found, and what was made by machine.

    The naive strategy belongs to both: it is what each of them is compared with. So `real` of each part is under the naive
    strategy and those of one kind of author, and `real` of the whole is at most the lowest of them.

    Raises:
        OutcomesError: Nobody said who wrote them.
    """
    if not outcomes.authors:
        raise OutcomesError("expected an author for each strategy, got none")
    naive = set() if outcomes.naive is None else {outcomes.naive}
    parts = {}
    for author in dict.fromkeys(outcomes.authors):
        theirs = {
            each for each, by in zip(outcomes.strategies, outcomes.authors, strict=True) if by == author
        }
        if theirs - naive:
            parts[author] = outcomes.under(theirs | naive)
    return MappingProxyType(parts)
