"""A layer with a score, measured at a stated false-stop rate, with intervals that carry the choice of its threshold.

The threshold is the lowest one that stops at most the stated share of benign tasks. It is fitted to the tasks at hand, and
other tasks would have given another one; an interval that takes it for given is too narrow. So in every draw of the
bootstrap

(1) benign tasks are drawn, and the threshold is fitted to them,
(2) clusters of goals are drawn,
(3) what is stopped of them at that threshold is counted.

The false-stop rate of the tasks that a draw left out is shown beside the stated one: on the tasks that a threshold was
fitted to, it always keeps what it says.

Source: UK AI Security Institute's control-tower refits thresholds in every draw alike; B. Efron, R. Tibshirani (1993), An
Introduction to the Bootstrap, chapter 17, for the tasks left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.assay.statistics.bootstrap import (
    FEWEST_CLUSTERS,
    SEED,
    Draws,
    one_way,
    percentile,
    wider,
)
from countermark.assay.statistics.exact import clopper_pearson
from countermark.errors import EstimateError, NothingMeasuredError
from countermark.estimate import Estimate

Values = NDArray[np.float64]
DRAWS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class AtThreshold:
    """A layer with a score, at one false-stop rate.

    Attributes:
        threshold: What scores more than this is stopped.
        stated: The false-stop rate that was asked for.
        false_stops: On the tasks that it was fitted to; at most `stated` by construction.
        left_out: On the tasks that a draw left out, over all draws: what to expect of tasks to come.
        apparent, real, theater: The wider of two intervals: at this threshold (exact), and with the choice of it.
    """

    threshold: float
    stated: float
    false_stops: Estimate
    left_out: Estimate
    apparent: Estimate
    real: Estimate
    theater: Estimate


def fit_threshold(benign: Values, rate: float) -> float:
    """The lowest threshold of which at most the share `rate` of benign scores lies above.

    Args:
        benign: Scores, shape (tasks,), more = more like misuse.

    Raises:
        NothingMeasuredError: No benign task.
        EstimateError: Not a rate, or scores that are no numbers.
    """
    _check(benign, rate)
    ordered = np.sort(benign)[::-1]
    allowed = math.floor(rate * len(ordered) + 1e-9)
    return -math.inf if allowed >= len(ordered) else float(ordered[allowed])


def at_rate(
    benign: Values,
    attacks: Values,
    *,
    rate: float,
    naive: int = 0,
    clusters: Sequence[str] = (),
    seed: int = SEED,
    draws: int = DRAWS,
) -> AtThreshold:
    """Apparent, real and theater of a scored layer at a stated false-stop rate.

    Args:
        benign: Scores of benign tasks, shape (tasks,), more = more like misuse.
        attacks: Scores of attacks, shape (goals, strategies). A breach that was not measured is the caller's to score
            as -inf.
        rate: Share of benign tasks that may be stopped.
        naive: Which of the strategies is the naive one.
        clusters: Of each goal; with fewer than ten, or none, each goal is drawn by itself.

    Raises:
        NothingMeasuredError: No benign task, goal or strategy.
        EstimateError: Not a rate, or scores that are no numbers.
    """
    _check(benign, rate)
    if attacks.ndim != 2 or 0 in attacks.shape:
        raise NothingMeasuredError(
            "expected scores of goals and strategies: nothing measured is an error, not 0"
        )
    if np.isnan(attacks).any():
        raise EstimateError("expected scores, got NaN")
    threshold = fit_threshold(benign, rate)
    tasks = one_way(tuple(str(i) for i in range(len(benign))), draws=draws, seed=seed)
    related = len(set(clusters)) >= FEWEST_CLUSTERS
    names = tuple(clusters) if related else tuple(str(i) for i in range(len(attacks)))
    goals = one_way(names, draws=draws, seed=seed + 1)
    cuts = _refit(benign, tasks, rate)  # (1)
    words = (
        f"threshold refitted in {draws:,} draws, {goals.rows.clusters} {'clusters' if related else 'goals'}"
    )
    seems, holds = attacks[:, naive], attacks.min(axis=1)
    parts = {"apparent": (seems, None), "real": (holds, None), "theater": (seems, holds)}
    found = {}
    for name, (above, below) in parts.items():
        stopped = (above > threshold) & (True if below is None else below <= threshold)
        drawn = _means(goals, cuts, above, below)  # (2), (3)
        found[name] = wider(
            percentile(drawn, value=float(stopped.mean()), n=len(attacks), method=words),
            clopper_pearson(int(stopped.sum()), len(attacks)),
        )
    return AtThreshold(
        threshold=threshold,
        stated=rate,
        false_stops=clopper_pearson(int((benign > threshold).sum()), len(benign)),
        left_out=_left_out(benign, tasks, cuts),
        **found,
    )


def _refit(benign: Values, tasks: Draws, rate: float) -> Values:
    """The threshold that each draw's tasks give; shape (draws,)."""
    order = np.argsort(-benign, kind="stable")
    above = np.cumsum(tasks.weights()[:, order], axis=1)  # tasks drawn, down to this score
    allowed = np.floor(rate * len(benign) + 1e-9)
    first = np.argmax(above > allowed, axis=1)
    return np.where((above > allowed).any(axis=1), benign[order][first], -np.inf)


def _means(goals: Draws, cuts: Values, above: Values, below: Values | None) -> Values:
    stopped = above[None, :] > cuts[:, None]
    if below is not None:
        stopped &= below[None, :] <= cuts[:, None]
    weights = goals.weights()
    return np.asarray((weights * stopped).sum(axis=1) / weights.sum(axis=1))


def _left_out(benign: Values, tasks: Draws, cuts: Values) -> Estimate:
    out = tasks.weights() == 0
    counts = out.sum(axis=1)
    stopped = (out & (benign[None, :] > cuts[:, None])).sum(axis=1)
    shares = np.divide(stopped, counts, out=np.full(len(cuts), np.nan), where=counts > 0)
    if np.isnan(shares).all():
        raise NothingMeasuredError(
            "expected more than one benign task: a threshold leaves none out to be held against"
        )
    return percentile(
        shares,
        value=float(np.nanmean(shares)),
        n=len(benign),
        method="tasks that a draw of the bootstrap left out",
    )


def _check(benign: Values, rate: float) -> None:
    if not len(benign):
        raise NothingMeasuredError("expected scores of benign tasks: nothing measured is an error, not 0")
    if not 0 <= rate <= 1:
        raise EstimateError(f"expected a rate from 0 to 1 (0.05 for 5 %), got `{rate:g}`")
    if np.isnan(benign).any():
        raise EstimateError("expected scores, got NaN")
