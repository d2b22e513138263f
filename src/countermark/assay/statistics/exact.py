"""Intervals and tests for counts of independent units: exact where a claim is made, Wilson where one is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping

from scipy import special

from countermark.errors import EstimateError, NothingMeasuredError
from countermark.estimate import Estimate, Side


def clopper_pearson(k: int, n: int, *, level: float = 0.95, side: Side = Side.BOTH) -> Estimate:
    """The exact interval of `k` successes among `n` independent units: it holds the truth at least `level` of the time.

    Raises:
        NothingMeasuredError: `n` is 0.
        EstimateError: `k` is not in 0..n.

    Source: C. J. Clopper, E. S. Pearson (1934), Biometrika 26; by the quantiles of the beta distribution.
    """
    _check(k, n)
    tail = (1 - level) / (2 if side is Side.BOTH else 1)
    low = 0.0 if k == 0 or side is Side.UPPER else float(special.betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n or side is Side.LOWER else float(special.betaincinv(k + 1, n - k, 1 - tail))
    words = "Clopper-Pearson" if side is Side.BOTH else f"Clopper-Pearson, one-sided {side}"
    return Estimate(value=k / n, low=low, high=high, n=n, method=words, level=level, side=side)


def wilson(k: int, n: int, *, level: float = 0.95) -> Estimate:
    """The score interval: on average it holds the truth `level` of the time; for showing, not for claims.

    Raises:
        NothingMeasuredError: `n` is 0.
        EstimateError: `k` is not in 0..n.

    Source: E. B. Wilson (1927), JASA 22.
    """
    _check(k, n)
    z = float(special.ndtri((1 + level) / 2))
    p = k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if k == 0 else max(0.0, middle - half)
    high = 1.0 if k == n else min(1.0, middle + half)
    return Estimate(value=p, low=low, high=high, n=n, method="Wilson", level=level)


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p-value that a pair is as likely to change one way as the other.

    Args:
        gained: Pairs where only the second of the two says yes.
        lost: Pairs where only the first does. Pairs that agree carry nothing and are not asked for.

    Returns:
        1.0 where no pair changed.

    Source: Q. McNemar (1947), Psychometrika 12; exact by the binomial distribution.
    """
    if gained < 0 or lost < 0:
        raise EstimateError(f"expected counts of pairs, got {gained} and {lost}")
    if gained + lost == 0:
        return 1.0
    return min(1.0, 2 * float(special.bdtr(min(gained, lost), gained + lost, 0.5)))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values of several comparisons, adjusted so that the chance of any false one stays what it says.

    Source: S. Holm (1979), Scandinavian Journal of Statistics 6.
    """
    adjusted: dict[str, float] = {}
    so_far = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        so_far = max(so_far, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = so_far
    return {name: adjusted[name] for name in p_values}


def _check(k: int, n: int) -> None:
    if n < 1:
        raise NothingMeasuredError(
            f"expected something measured, got n = {n}: nothing measured is an error, not 0"
        )
    if not 0 <= k <= n:
        raise EstimateError(f"expected a count from 0 to {n}, got {k}")
