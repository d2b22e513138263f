"""Real protection as a function of what an attacker can spend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from countermark.assay.outcomes import Outcomes, real, theater
from countermark.assay.rate import Rate
from countermark.errors import OutcomesError


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is still stopped when an attacker can pay for a class of strategies, and all cheaper ones.

    Attributes:
        cost: The class, by its place in the order of costs.
        added: Strategies of this class.
        theater: What seems to be stopped under the naive strategy, and is reached within this budget; None where the
            source has no naive strategy.
    """

    cost: int
    added: tuple[str, ...]
    strategies: int
    real: Rate
    theater: Rate | None


def by_budget(outcomes: Outcomes, cost: Mapping[str, int]) -> tuple[Step, ...]:
    """The discovery curve on the attacker's budget: `real` never rises as the budget does.

    Args:
        cost: Of each strategy, the class that it belongs to: 0 free, 1 cheap, 2 several credentials, ... Only their order
            counts. Others than those of `outcomes` are ignored.

    Raises:
        OutcomesError: A strategy without its cost, or a naive strategy that isn't among the cheapest.
    """
    missing = [each for each in outcomes.strategies if each not in cost]
    if missing:
        raise OutcomesError(f"expected a cost for each strategy, got none for `{missing[0]}`")
    classes = sorted({cost[each] for each in outcomes.strategies})
    if outcomes.naive is not None and cost[outcomes.naive] != classes[0]:
        raise OutcomesError(
            f"expected the naive strategy `{outcomes.naive}` among the cheapest, got {cost[outcomes.naive]} > {classes[0]}"
        )
    steps = []
    for each in classes:
        affordable = outcomes.under({name for name in outcomes.strategies if cost[name] <= each})
        steps.append(
            Step(
                cost=each,
                added=tuple(name for name in outcomes.strategies if cost[name] == each),
                strategies=len(affordable.strategies),
                real=real(affordable),
                theater=None if outcomes.naive is None else theater(affordable),
            )
        )
    return tuple(steps)
