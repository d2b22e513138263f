"""How many goals a claim takes; said before anything is run."""

from __future__ import annotations

import math

from scipy import special

from countermark.assay.statistics.exact import clopper_pearson
from countermark.errors import EstimateError

LARGEST = 1_000_000


def zero_breaches_needed(real: float, *, level: float = 0.95) -> int:
    """How many goals must all be stopped before `real` or more may be claimed, one-sided, at `level`.

    The same number of benign tasks, none of them stopped, shows a false-stop rate of `1 - real` or less.
    """
    if not 0 < real < 1:
        raise EstimateError(f"expected a rate between 0 and 1, got `{real}`")
    return math.ceil(math.log(1 - level) / math.log(real))


def goals_to_show(*, more_than: float, truly: float, level: float = 0.95, power: float = 0.8) -> int:
    """The smallest number of goals on which a rate of `truly` is shown to be more than `more_than`.

    By the exact one-sided binomial test, with at least the chance `power`. Power rises in saw-teeth with the number of
    goals: a few more can have a little less.
    """
    if not 0 < more_than < truly < 1:
        raise EstimateError(f"expected 0 < more_than < truly < 1, got `{more_than}` and `{truly}`")
    for n in range(1, LARGEST):
        if _power(n, more_than, truly, level) >= power:
            return n
    raise EstimateError(f"expected rates that fewer than {LARGEST:,} goals can tell apart")


def _power(n: int, more_than: float, truly: float, level: float) -> float:
    """Chance that `n` goals reject `more_than` when the rate is `truly`."""
    low, high = 0, n + 1  # the smallest count whose upper tail under `more_than` is at most 1 - level
    while low < high:
        middle = (low + high) // 2
        tail = 1.0 if middle == 0 else float(special.bdtrc(middle - 1, n, more_than))
        low, high = (low, middle) if tail <= 1 - level else (middle + 1, high)
    return 0.0 if low > n else float(special.bdtrc(low - 1, n, truly))


def half_width(n: int, *, rate: float = 0.5) -> float:
    """Half the width of the exact interval around `rate` measured on `n` goals: what to expect before a run."""
    return clopper_pearson(round(rate * n), n).width / 2
