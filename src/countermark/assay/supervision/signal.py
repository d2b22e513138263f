"""How well reviewers tell misuse from work, and how readily they stop, told apart.

    d' = z(hit rate) - z(false alarm rate)                 sensitivity; 0: they can't tell
    c  = -(z(hit rate) + z(false alarm rate)) / 2          criterion; above 0: inclined to pass

where z is the quantile of the normal distribution. A reviewer who stops more has more hits *and* more false alarms at the
same d'. Rates of 0 and 1 have no z: half a case is added to each count, and one to each number of cases, always and not
only where it is needed (the log-linear correction).

Source: D. M. Green, J. A. Swets (1966), Signal Detection Theory and Psychophysics; M. J. Hautus (1995), Behavior Research
Methods 27, "Corrections for extreme proportions and their biasing effects on estimated values of d'".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from countermark.assay.statistics.bootstrap import FEWEST_CLUSTERS, one_way
from countermark.assay.statistics.exact import clopper_pearson
from countermark.errors import NothingMeasuredError

Bools = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A number on no scale of rates, with its interval; an end is infinite where the counts say nothing of it.

    Attributes:
        n: Misuse and work that it was measured on.
    """

    value: float
    low: float
    high: float
    n: tuple[int, int]
    method: str

    def __str__(self) -> str:
        return f"{self.value:.2f} ({_end(self.low)} to {_end(self.high)})"

    def to_document(self) -> Mapping[str, Any]:
        """For JSON; an infinite end is null."""
        return {
            "value": round(self.value, 6),
            "low": round(self.low, 6) if math.isfinite(self.low) else None,
            "high": round(self.high, 6) if math.isfinite(self.high) else None,
            "n_misuse": self.n[0],
            "n_work": self.n[1],
            "method": self.method,
        }


def detection(stopped: Bools, misuse: Bools, reviewers: Sequence[str] = ()) -> tuple[Index, Index]:
    """d' and criterion of what was stopped.

    The interval is the wider of two. *Exact*: hit rate and false alarm rate each within their Clopper-Pearson interval at
    97.5 %, so that both are at 95 % (Bonferroni). *By reviewer*, where there are ten or more: a bootstrap that draws
    people, since one person's cases are alike.

    Args:
        stopped, misuse: Shape (cases,).
        reviewers: Who judged each; empty where that doesn't matter.

    Raises:
        NothingMeasuredError: No misuse, or no work, among the cases.
    """
    signal, noise = int(misuse.sum()), int((~misuse).sum())
    if not signal or not noise:
        raise NothingMeasuredError("expected cases of misuse and of work: d' is how well they are told apart")
    hits, alarms = int((stopped & misuse).sum()), int((stopped & ~misuse).sum())
    value = _both(*(np.array([float(each)]) for each in (hits, signal, alarms, noise)))
    hit, alarm = (clopper_pearson(k, n, level=0.975) for k, n in ((hits, signal), (alarms, noise)))
    (h_low, h_high), (f_low, f_high) = (
        (float(special.ndtri(each.low)), float(special.ndtri(each.high))) for each in (hit, alarm)
    )
    method, n = "Clopper-Pearson of hits and false alarms", (signal, noise)
    sensitivity = Index(value=float(value[0][0]), low=h_low - f_high, high=h_high - f_low, n=n, method=method)
    criterion = Index(
        value=float(value[1][0]), low=-(h_high + f_high) / 2, high=-(h_low + f_low) / 2, n=n, method=method
    )
    if len(set(reviewers)) < FEWEST_CLUSTERS:
        return sensitivity, criterion
    drawn = one_way(tuple(reviewers))
    counts = [
        drawn.means(each.astype(np.float64)) * drawn.sizes
        for each in (stopped & misuse, misuse, stopped & ~misuse, ~misuse)
    ]
    kept = (counts[1] > 0) & (counts[3] > 0)
    found = _both(*(each[kept] for each in counts))
    words = f"bootstrap of {drawn.rows.clusters} reviewers"
    by_reviewer = [
        Index(value=of.value, low=float(low), high=float(high), n=n, method=words)
        for of, values in zip((sensitivity, criterion), found, strict=True)
        for low, high in (np.quantile(values, [0.025, 0.975]),)
    ]
    return _wider(sensitivity, by_reviewer[0]), _wider(criterion, by_reviewer[1])


def _both(hits: Values, signal: Values, alarms: Values, noise: Values) -> tuple[Values, Values]:
    hit, alarm = special.ndtri((hits + 0.5) / (signal + 1)), special.ndtri((alarms + 0.5) / (noise + 1))
    return np.asarray(hit - alarm), np.asarray(-(hit + alarm) / 2)


def _wider(first: Index, second: Index) -> Index:
    return first if first.high - first.low >= second.high - second.low else second


def _end(number: float) -> str:
    return f"{number:.2f}" if math.isfinite(number) else "no limit"
