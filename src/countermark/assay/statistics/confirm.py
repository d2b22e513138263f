"""Whether a finding holds on goals, texts and strategies that it was not made on.

- *The best of k strategies* is a maximum: chosen and counted on the same goals, it looks better than it is. Here it is chosen
  on one half of the clusters, and counted on the other.
- *Rewordings held out* expose a safeguard that knows the texts and not what they ask for.
- *A family of strategies held out* shows what a report without it would have claimed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.assay.outcomes import Outcomes, real
from countermark.assay.rate import Rate, make_rate
from countermark.assay.statistics.bootstrap import FEWEST_CLUSTERS, SEED, one_way, percentile, wider
from countermark.assay.statistics.exact import wilson
from countermark.assay.statistics.paired import Paired, pair
from countermark.errors import NothingMeasuredError, OutcomesError
from countermark.estimate import Estimate

Bools = NDArray[np.bool_]
DRAWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The best strategies, chosen on one half and counted on the other.

    Attributes:
        chosen: In the order in which they were chosen.
        dev, test: What is stopped under all of them, on the goals that they were chosen on, and on the others.
        optimism: How much more the attack seems to reach where it was chosen: test - dev; on average above 0.
    """

    chosen: tuple[str, ...]
    dev: Rate
    test: Rate
    optimism: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What a family of strategies adds.

    Attributes:
        without, with_it: `real` as if the family were not known, and as it is.
        overclaimed: Goals that all others leave stopped and this family reaches.
    """

    family: str
    strategies: tuple[str, ...]
    without: Rate
    with_it: Rate
    overclaimed: Rate


def halves(clusters: Sequence[tuple[str, ...]], *, n: int, seed: int = SEED) -> tuple[Bools, Bools]:
    """Goals to develop on and goals to test on; goals of one cluster stay together.

    Args:
        clusters: One name or more for each goal; the first counts. Empty: each goal stands for itself.
        n: How many goals.

    Raises:
        NothingMeasuredError: Fewer than two clusters.
    """
    names = [each[0] for each in clusters] if clusters else [str(i) for i in range(n)]
    distinct = sorted(set(names))
    if len(distinct) < 2:
        raise NothingMeasuredError(f"expected two clusters or more to hold one half out, got {len(distinct)}")
    shuffled = np.random.default_rng(seed).permutation(len(distinct))
    first = {distinct[i] for i in shuffled[: len(distinct) // 2]}
    dev = np.array([name in first for name in names], dtype=np.bool_)
    return dev, ~dev


def confirm(outcomes: Outcomes, *, k: int = 1, seed: int = SEED) -> Confirmed:
    """Choose the `k` strategies that together reach most on one half of the clusters; count them on the other.

    They are chosen one after the other, each the one that reaches most of what is left.

    Raises:
        OutcomesError: Not from 1 to as many strategies as there are.
        NothingMeasuredError: Fewer than two clusters.
    """
    if not 1 <= k <= len(outcomes.strategies):
        raise OutcomesError(f"expected 1 to {len(outcomes.strategies)} strategies, got {k}")
    dev, test = (outcomes.only(half) for half in halves(outcomes.clusters, n=len(outcomes.goals), seed=seed))
    weights = np.ones(len(dev.goals))
    chosen = _choose(dev.breached, weights, k)
    stopped = [~half.breached[:, chosen].any(axis=1) for half in (dev, test)]
    seen, held = (
        make_rate(np.asarray(each), half.clusters) for each, half in zip(stopped, (dev, test), strict=True)
    )
    return Confirmed(
        chosen=tuple(outcomes.strategies[j] for j in chosen),
        dev=seen,
        test=held,
        optimism=_optimism(dev, test, seen, held, k, seed),
    )


def memorised(known: Outcomes, reworded: Outcomes) -> Paired:
    """`real` on rewordings of the same goals that the safeguard's makers never saw, minus `real` on the texts they saw.

    A safeguard that knows texts loses what it seemed to hold; one that knows what is asked doesn't. Where `at_most().high`
    is below 0, it memorises.

    Raises:
        OutcomesError: Not the same goals.
    """
    if known.goals != reworded.goals:
        raise OutcomesError("expected rewordings of the same goals: the design is paired")
    return pair(known.survives, reworded.survives, known.clusters)


def hold_out(outcomes: Outcomes, families: Mapping[str, str]) -> tuple[HeldOut, ...]:
    """Leave out each family of strategies in turn. The naive strategy always stays.

    Args:
        families: Of each strategy, the family that it belongs to.

    Raises:
        OutcomesError: A strategy without a family, or a family that is all there is.
    """
    missing = [each for each in outcomes.strategies if each not in families]
    if missing:
        raise OutcomesError(f"expected a family for each strategy, got none for `{missing[0]}`")
    found = []
    for family in dict.fromkeys(families[each] for each in outcomes.strategies):
        own = [each for each in outcomes.strategies if families[each] == family and each != outcomes.naive]
        rest = set(outcomes.strategies) - set(own)
        if not own:
            continue
        if not rest:
            raise OutcomesError(f"expected strategies beside those of family `{family}`, got none")
        others = outcomes.under(rest)
        found.append(
            HeldOut(
                family=family,
                strategies=tuple(own),
                without=real(others),
                with_it=real(outcomes),
                overclaimed=make_rate(others.survives & ~outcomes.survives, outcomes.clusters),
            )
        )
    return tuple(found)


def _choose(breached: Bools, weights: NDArray[np.float64], k: int) -> list[int]:
    chosen: list[int] = []
    left = weights.copy()
    for _ in range(k):
        gains = left @ breached
        gains[chosen] = -1.0
        chosen.append(int(np.argmax(gains)))
        left = np.where(breached[:, chosen[-1]], 0.0, left)
    return chosen


def _optimism(dev: Outcomes, test: Outcomes, seen: Rate, held: Rate, k: int, seed: int) -> Estimate:
    score = _newcombe(held, seen)
    names = [
        tuple(each[0] for each in half.clusters) if half.clusters else tuple(half.goals)
        for half in (dev, test)
    ]
    if any(len(set(each)) < FEWEST_CLUSTERS for each in names):
        return score
    weights = [one_way(each, draws=DRAWS, seed=seed + i).weights() for i, each in enumerate(names)]
    drawn = np.empty(DRAWS)
    for i, (first, second) in enumerate(zip(*weights, strict=True)):
        chosen = _choose(dev.breached, first.astype(np.float64), k)  # in every draw anew
        stopped = [~half.breached[:, chosen].any(axis=1) for half in (dev, test)]
        drawn[i] = second @ stopped[1] / second.sum() - first @ stopped[0] / first.sum()
    words = f"bootstrap with the choice in it, {len(set(names[0]))} and {len(set(names[1]))} clusters"
    return wider(percentile(drawn, value=score.value, n=score.n, method=words), score)


def _newcombe(first: Rate, second: Rate, *, level: float = 0.95) -> Estimate:
    """The difference of two independent rates, first - second.

    Source: R. G. Newcombe (1998), Statistics in Medicine 17, 873-890, method 10.
    """
    one, other = (wilson(each.k, each.n, level=level) for each in (first, second))
    value = first.value - second.value
    down = np.hypot(first.value - one.low, other.high - second.value)
    up = np.hypot(one.high - first.value, second.value - other.low)
    return Estimate(
        value=value,
        low=max(-1.0, float(value - down)),
        high=min(1.0, float(value + up)),
        n=first.n + second.n,
        method="Newcombe of two halves",
        level=level,
    )
