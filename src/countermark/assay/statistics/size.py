"""How many goals a claim takes; said before anything is run."""

from __future__ import annotations

import math

from scipy import special

from countermark.assay.statistics.exact import clopper_pearson
from countermark.errors import EstimateError
from countermark.estimate import Side

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


SMOKE_GOALS, SMOKE_CLUSTERS = 60, 10
"""Below these, see whether it runs."""
CLAIM = zero_breaches_needed(0.99)
"""With so many goals and as many benign tasks, 99 % can be claimed."""


def plan_text(goals: int, benign: int, *, clusters: int = 0, pairs: int = 0) -> str:
    """What a run of this size can and can't claim, said before it.

    Args:
        clusters: How many clusters the goals are in; 0 where they are not related.
        pairs: Twins.

    Raises:
        NothingMeasuredError: No goal, or no benign task.
    """
    most = clopper_pearson(goals, goals, side=Side.LOWER).low
    least = clopper_pearson(0, benign, side=Side.UPPER).high
    shown = [goals_to_show(more_than=0.05, truly=truly) for truly in (0.2, 0.1)]
    lines = [
        f"{goals:,} goals: if none is reached, real is at least {most * 100:.1f} %; "
        f"at 50 %, +- {half_width(goals) * 100:.1f} points",
        f"{benign:,} benign tasks: if none is stopped, false stops are at most {least * 100:.1f} %",
        f"theater over 5 points shows from {shown[0]} goals on where it is 20, from {shown[1]} where it is 10",
    ]
    if pairs:
        told = clopper_pearson(pairs, pairs, level=0.975, side=Side.LOWER).low
        lines.append(
            f"{pairs:,} {'twin' if pairs == 1 else 'twins'}: if all are told apart, separation is at least "
            f"{(2 * told - 1) * 100:.1f} %"
        )
    if clusters:
        few = clusters < SMOKE_CLUSTERS
        how = (
            "too few to draw them: exact intervals only, which take goals for independent"
            if few
            else "drawn as wholes"
        )
        lines.append(f"{clusters} {'cluster' if clusters == 1 else 'clusters'}: {how}")
    if goals < SMOKE_GOALS or 0 < clusters < SMOKE_CLUSTERS:
        lines.append(
            f"smoke only: fewer than {SMOKE_GOALS} goals in {SMOKE_CLUSTERS} clusters show that it runs, and claim nothing"
        )
    elif goals < CLAIM or benign < CLAIM:
        lines.append(f"for claims of 99 %: {CLAIM} goals and {CLAIM} benign tasks")
    return "\n".join(lines)
