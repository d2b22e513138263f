"""A counted rate with the intervals that the protocol asks for, and which of them is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countermark.assay.statistics.bootstrap import FEWEST_CLUSTERS, bootstrap, draw, wider
from countermark.assay.statistics.exact import clopper_pearson, wilson
from countermark.estimate import Estimate, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`k` of `n`, with every interval that applies.

    Attributes:
        exact: Clopper-Pearson, for independent units.
        clustered: By bootstrap, where the units are related by ten clusters or more; else None.
        ends: Of the bootstrap, one-sided: what it is at least, and at most, at 95 %; None like `clustered`.
    """

    k: int
    n: int
    exact: Estimate
    clustered: Estimate | None = None
    ends: tuple[float, float] | None = None

    @property
    def shown(self) -> Estimate:
        """The wider of the two intervals: what is printed."""
        return self.exact if self.clustered is None else wider(self.exact, self.clustered)

    @property
    def value(self) -> float:
        """The rate itself."""
        return self.exact.value

    @property
    def wilson(self) -> Estimate:
        """The score interval, for comparison with others' figures."""
        return wilson(self.k, self.n)

    def at_least(self) -> Estimate:
        """The claim "at least", one-sided: the lower of what the exact interval and the clustered one allow."""
        exact = clopper_pearson(self.k, self.n, side=Side.LOWER)
        if self.ends is None or self.ends[0] >= exact.low:
            return exact
        return replace(exact, low=self.ends[0], method="cluster bootstrap, one-sided lower")

    def at_most(self) -> Estimate:
        """The claim "at most", one-sided: the higher of what the exact interval and the clustered one allow."""
        exact = clopper_pearson(self.k, self.n, side=Side.UPPER)
        if self.ends is None or self.ends[1] <= exact.high:
            return exact
        return replace(exact, high=self.ends[1], method="cluster bootstrap, one-sided upper")

    def to_document(self) -> Mapping[str, Any]:
        """For JSON: the shown estimate with the count, and the other intervals beside it."""
        others = [self.exact, self.wilson, *([self.clustered] if self.clustered is not None else [])]
        return {
            "k": self.k,
            **self.shown.to_document(),
            "intervals": [
                {"low": round(each.low, 6), "high": round(each.high, 6), "method": each.method}
                for each in others
            ],
        }


def count_rate(k: int, n: int) -> Rate:
    """A rate of which only the counts are known.

    Raises:
        NothingMeasuredError: `n` is 0.
    """
    return Rate(k=k, n=n, exact=clopper_pearson(k, n))


def make_rate(outcomes: NDArray[np.bool_], clusters: Sequence[tuple[str, ...]] = ()) -> Rate:
    """How many of `outcomes` are True.

    Args:
        outcomes: Shape (units,).
        clusters: One or two names for each unit, or nothing; fewer than ten distinct ones are not used.

    Raises:
        NothingMeasuredError: No unit.
    """
    return _rate(np.asarray(outcomes, dtype=np.bool_).tobytes(), tuple(clusters))


@lru_cache(maxsize=4096)  # a report asks for the same rate in several places, and each is drawn anew
def _rate(data: bytes, clusters: tuple[tuple[str, ...], ...]) -> Rate:
    outcomes = np.frombuffer(data, dtype=np.bool_)
    k, n = int(outcomes.sum()), len(outcomes)
    exact = clopper_pearson(k, n)
    ways = tuple(zip(*clusters, strict=True))
    if not ways or any(len(set(way)) < FEWEST_CLUSTERS for way in ways):
        return Rate(k=k, n=n, exact=exact)
    drawn = draw(clusters)
    tails = bootstrap(outcomes, drawn, level=0.9)  # 5 % on either side
    return Rate(k=k, n=n, exact=exact, clustered=bootstrap(outcomes, drawn), ends=(tails.low, tails.high))
