"""Two yes-or-no answers about the same units: how much more often the second says yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.assay.statistics.bootstrap import FEWEST_CLUSTERS, bootstrap, draw, wider
from countermark.assay.statistics.exact import clopper_pearson, mcnemar
from countermark.errors import NothingMeasuredError, OutcomesError
from countermark.estimate import Estimate, Side

Bools = NDArray[np.bool_]
_METHOD = "Clopper-Pearson of both discordant counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """A difference of two rates on the same units, second minus first.

    Attributes:
        both, neither: Units on which the two agree.
        gained, lost: Units where only the second, and only the first, says yes.
        exact: The difference; its interval holds the truth at least 95 % of the time.
        clustered: By bootstrap, where the units are related by ten clusters or more; else None.
        ends: Of the bootstrap, one-sided: what it is at least, and at most, at 95 %; None like `clustered`.
    """

    both: int
    neither: int
    gained: int
    lost: int
    exact: Estimate
    clustered: Estimate | None = None
    ends: tuple[float, float] | None = None

    @property
    def n(self) -> int:
        """How many units."""
        return self.both + self.neither + self.gained + self.lost

    @property
    def value(self) -> float:
        """The difference itself, -1 to 1."""
        return self.exact.value

    @property
    def p(self) -> float:
        """Two-sided exact McNemar: the chance of such a split where nothing differs."""
        return mcnemar(self.gained, self.lost)

    @property
    def shown(self) -> Estimate:
        """The wider of the two intervals: what is printed."""
        return self.exact if self.clustered is None else wider(self.exact, self.clustered)

    def at_least(self) -> Estimate:
        """The claim "at least", one-sided: the lower of what the exact interval and the clustered one allow."""
        exact = _exact(self.gained, self.lost, self.n, side=Side.LOWER)
        if self.ends is None or self.ends[0] >= exact.low:
            return exact
        return replace(exact, low=self.ends[0], method="cluster bootstrap, one-sided lower")

    def at_most(self) -> Estimate:
        """The claim "at most", one-sided: the higher of what the exact interval and the clustered one allow."""
        exact = _exact(self.gained, self.lost, self.n, side=Side.UPPER)
        if self.ends is None or self.ends[1] <= exact.high:
            return exact
        return replace(exact, high=self.ends[1], method="cluster bootstrap, one-sided upper")

    def to_document(self) -> Mapping[str, Any]:
        """For JSON: the shown estimate, and the counts that it rests on."""
        return {
            **self.shown.to_document(),
            "both": self.both,
            "neither": self.neither,
            "gained": self.gained,
            "lost": self.lost,
            "p": self.p,
        }


def pair(first: Bools, second: Bools, clusters: Sequence[tuple[str, ...]] = ()) -> Paired:
    """Count where two answers differ.

    The exact interval takes each discordant count by itself, at 97.5 %: both hold at once at least 95 % of the time,
    whatever the two have to do with each other (Bonferroni). It errs on the wide side.

    Args:
        first, second: Shape (units,), the same units in the same order.
        clusters: One or two names for each unit, or nothing; fewer than ten distinct ones are not used.

    Raises:
        NothingMeasuredError: No unit.
        OutcomesError: Not the same units.
    """
    if first.shape != second.shape:
        raise OutcomesError(
            f"expected two answers for each unit, got {len(first)} and {len(second)}: the design is paired"
        )
    if not len(first):
        raise NothingMeasuredError("expected pairs, got none: nothing measured is an error, not 0")
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    found = Paired(
        both=int((first & second).sum()),
        neither=int((~first & ~second).sum()),
        gained=gained,
        lost=lost,
        exact=_exact(gained, lost, len(first)),
    )
    ways = tuple(zip(*clusters, strict=True))
    if not ways or any(len(set(way)) < FEWEST_CLUSTERS for way in ways):
        return found
    difference, drawn = second.astype(np.float64) - first.astype(np.float64), draw(clusters)
    tails = bootstrap(difference, drawn, level=0.9)  # 5 % on either side
    return replace(found, clustered=bootstrap(difference, drawn), ends=(tails.low, tails.high))


def _exact(gained: int, lost: int, n: int, *, side: Side = Side.BOTH, level: float = 0.95) -> Estimate:
    """The difference of two shares of one whole; of each the end that counts, at half the error."""
    each = 1 - (1 - level) / 2
    more, less = (clopper_pearson(k, n, level=each, side=side) for k in (gained, lost))
    if side is not Side.BOTH:  # what pulls a claim down is the upper end of what was lost
        less = clopper_pearson(lost, n, level=each, side=Side.UPPER if side is Side.LOWER else Side.LOWER)
    return Estimate(
        value=(gained - lost) / n,
        low=max(-1.0, more.low - less.high) if side is not Side.UPPER else -1.0,
        high=min(1.0, more.high - less.low) if side is not Side.LOWER else 1.0,
        n=n,
        method=_METHOD if side is Side.BOTH else f"{_METHOD}, one-sided {side}",
        level=level,
        side=side,
    )
