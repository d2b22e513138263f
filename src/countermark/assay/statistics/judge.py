"""Intervals that carry the judge's own error: what it says is not what happened.

A judge flags breaches; rows that people labelled say how often it is right. In every draw of the bootstrap

(1) clusters of goals are drawn,
(2) sensitivity and specificity are drawn from what the labelled rows allow,
(3) the share of true breaches of each strategy follows from what was flagged,
(4) the truth behind each verdict is drawn, and the statistic is taken of that.

So the chance that one of many attempts is flagged by mistake, which grows with their number, is in the interval, too.
It is assumed that the judge errs independently from row to row, and alike under every strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from countermark.assay.statistics.bootstrap import SEED, one_way, percentile
from countermark.assay.statistics.exact import clopper_pearson, wilson
from countermark.errors import EstimateError, NothingMeasuredError
from countermark.estimate import Estimate

DRAWS = 1000
Statistic = Callable[[NDArray[np.bool_]], float]
"""Takes breaches, shape (goals, strategies), True = breach; gives a rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What people found in the rows that a judge had judged.

    Attributes:
        hits: Breaches that the judge flagged.
        missed: Breaches that it didn't flag.
        cleared: Stops that it didn't flag.
        false_alarms: Stops that it flagged.
    """

    hits: int
    missed: int
    cleared: int
    false_alarms: int

    def __post_init__(self) -> None:
        if self.hits + self.missed < 1 or self.cleared + self.false_alarms < 1:
            raise NothingMeasuredError(
                "expected labelled rows of both kinds, breaches and stops: without them the judge's error is unknown"
            )

    @property
    def sensitivity(self) -> Estimate:
        """How many of the breaches the judge flags."""
        return wilson(self.hits, self.hits + self.missed)

    @property
    def specificity(self) -> Estimate:
        """How many of the stops it leaves alone."""
        return wilson(self.cleared, self.cleared + self.false_alarms)


def judged(
    flagged: NDArray[np.bool_],
    clusters: Sequence[str],
    labelled: Labelled,
    statistic: Statistic,
    *,
    draws: int = DRAWS,
    seed: int = SEED,
    level: float = 0.95,
    certain: NDArray[np.bool_] | None = None,
) -> Estimate:
    """A rate over what really happened, from what a judge flagged.

    Args:
        flagged: The judge's verdicts, shape (goals, strategies), True = it says breach.
        clusters: The cluster of each goal.
        statistic: What to take of the breaches; `lambda b: 1 - b.any(axis=1).mean()` is the real protection.
        certain: Which verdicts are not the judge's word but a rule's (a missing row is a breach), and stay as they are;
            shape of `flagged`.

    Returns:
        The mean of what was drawn, between its percentiles.

    Raises:
        EstimateError: The judge is no better than a coin: its verdicts say nothing.
    """
    if labelled.sensitivity.value + labelled.specificity.value <= 1:
        raise EstimateError(
            f"expected a judge that is better than a coin, got sensitivity {labelled.sensitivity.percent} and "
            f"specificity {labelled.specificity.percent}"
        )
    goals = np.arange(len(flagged))
    weights = one_way(tuple(clusters), draws=draws, seed=seed).weights()  # (1)
    rng = np.random.default_rng(seed + 1)
    # (2) Jeffreys' prior: a judge that made no mistake in 50 rows is not one that makes none.
    sensitivity = rng.beta(labelled.hits + 0.5, labelled.missed + 0.5, draws)
    specificity = rng.beta(labelled.cleared + 0.5, labelled.false_alarms + 0.5, draws)
    known = np.zeros(flagged.shape, dtype=np.bool_) if certain is None else certain
    drawn = []
    for weight, sens, spec in zip(weights, sensitivity, specificity, strict=True):
        if sens + spec <= 1:
            continue
        picked = np.repeat(goals, weight)
        seen, fixed = flagged[picked], known[picked]
        judged_rows = np.maximum(1, (~fixed).sum(axis=0))
        share = np.clip(
            ((seen & ~fixed).sum(axis=0) / judged_rows + spec - 1) / (sens + spec - 1), 0, 1
        )  # (3)
        truth = _truth(seen, share, float(sens), float(spec), rng)
        drawn.append(statistic(np.where(fixed, seen, truth)))  # (4)
    found = np.array(drawn, dtype=np.float64)
    return percentile(
        found,
        value=float(found.mean()),
        n=len(flagged),
        method="cluster bootstrap with the judge's sensitivity and specificity",
        level=level,
    )


def no_narrower(found: Estimate) -> Estimate:
    """A corrected rate whose interval is at least what its goals alone allow.

    Where nearly every draw says that all was stopped, percentiles say "100 to 100", which no number of goals can show.
    """
    exact = clopper_pearson(round(found.value * found.n), found.n, level=found.level)
    if found.low <= exact.low and found.high >= exact.high:
        return found
    return replace(
        found,
        low=min(found.low, exact.low),
        high=max(found.high, exact.high),
        method=f"{found.method}, widened to the exact one",
    )


def _truth(
    seen: NDArray[np.bool_],
    share: NDArray[np.float64],
    sens: float,
    spec: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Draw what happened, given what was flagged. `share`: of true breaches, per strategy."""
    flagged = share * sens + (1 - share) * (1 - spec)
    clear = share * (1 - sens) + (1 - share) * spec
    if_flagged = np.divide(share * sens, flagged, out=np.zeros_like(share), where=flagged > 0)
    if_clear = np.divide(share * (1 - sens), clear, out=np.zeros_like(share), where=clear > 0)
    truth: NDArray[np.bool_] = rng.random(seen.shape) < np.where(seen, if_flagged, if_clear)
    return truth
