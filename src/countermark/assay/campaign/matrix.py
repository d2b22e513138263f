"""From rows to matrices: what each set of layers stopped, goal by goal, under every strategy.

Layers in series are judged try by try: a try comes through a set of layers when it comes through each of them with the same
bytes. Rates are never multiplied. The attacker takes, for each set, the try and strategy that serve him best.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.assay.campaign.door import Passed
from countermark.assay.campaign.rows import CampaignRow
from countermark.assay.outcomes import Epochs, Outcomes, Polarity, Reading, Row, benign, collect
from countermark.assay.scenarios.model import Scenarios
from countermark.assay.strategies.strategy import NAIVE, Cost, Strategy
from countermark.assay.twins import Twins, make_twins
from countermark.errors import CampaignError

Bools = NDArray[np.bool_]
Layers = tuple[str, ...]
"""Names of stacks, or of a simulated layer, one behind the other."""
Stops = Callable[[CampaignRow], bool]
"""A layer that is simulated: whether it stops what a row was about."""

READING = Reading(
    unit="one goal",
    polarity=Polarity.TRUE_IS_BREACH,
    epochs=Epochs.ANY_BREACH,
    errors="a try that got no answer counts as a breach, a task that got none as a denial; each is listed",
)
AFFORDED: Mapping[int, Cost] = {0: Cost.CREDENTIALS, 1: Cost.INSIDER, 2: Cost.COLLUSION}
"""What an attacker has who can count on so many lying signers."""


def afforded(strategies: Iterable[Strategy], liars: int) -> tuple[str, ...]:
    """Strategies of an attacker with so many lying signers, who does not run the gateway."""
    return tuple(each.name for each in strategies if each.liars <= liars and each.cost <= AFFORDED[liars])


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What became of the benign tasks.

    Attributes:
        stopped, waited: Shape (tasks,). What waited for people and then passed is not stopped.
        assumed: Tasks that a rule filled.
    """

    tasks: tuple[str, ...]
    stopped: Bools
    waited: Bools
    assumed: tuple[str, ...]


class Matrices:
    """All rows of a campaign, ready to be counted for any set of layers.

    Args:
        simulated: Layers that no stack runs, by name.
    """

    def __init__(
        self,
        scenarios: Scenarios,
        strategies: Sequence[Strategy],
        rows: Iterable[CampaignRow],
        *,
        simulated: Mapping[str, Stops] | None = None,
    ) -> None:
        self.scenarios = scenarios
        self.strategies = tuple(strategies)
        self.simulated = dict(simulated or {})
        self._known: dict[tuple[Layers, frozenset[str] | None], Outcomes] = {}
        self._by_stack: dict[str, dict[tuple[str, str, str], CampaignRow]] = {}
        for row in rows:
            self._by_stack.setdefault(row.stack, {})[row.key[1:]] = row

    @property
    def stacks(self) -> tuple[str, ...]:
        """Stacks that there are rows of."""
        return tuple(self._by_stack)

    def rows(self, stack: str) -> Mapping[tuple[str, str, str], CampaignRow]:
        """Rows of one stack, by scenario, strategy and try.

        Raises:
            CampaignError: Nothing was measured on it.
        """
        if stack not in self._by_stack:
            raise CampaignError(f"expected rows of the stack `{stack}`, got none: nothing was measured")
        return self._by_stack[stack]

    def _verdicts(self, layers: Layers) -> Iterable[tuple[CampaignRow, bool | None]]:
        """Each row with whether it came through all layers; None where one of them gave no answer and none stopped it."""
        real = [each for each in layers if each not in self.simulated]
        base = self.rows(real[0])
        for key, row in base.items():
            others = [self.rows(each).get(key) for each in real[1:]]
            found = [row.passed, *(other.passed if other is not None else Passed.FAILED for other in others)]
            drawn = [self.simulated[each](row) for each in layers if each in self.simulated]
            if any(drawn) or any(each in (Passed.STOPPED, Passed.HELD) for each in found):
                yield row, False
            elif any(each is Passed.FAILED for each in found):
                yield row, None
            else:
                yield row, True

    def outcomes(self, layers: Layers, *, strategies: Collection[str] | None = None) -> Outcomes:
        """The matrix of a set of layers over all goals.

        Args:
            strategies: Those that count, of those that were tried on each of the stacks; all where it is None.
        """
        kept = (layers, None if strategies is None else frozenset(strategies))
        if kept not in self._known:
            self._known[kept] = self._outcomes(layers, strategies)
        return self._known[kept]

    def _outcomes(self, layers: Layers, strategies: Collection[str] | None) -> Outcomes:
        tried = set.intersection(*(self.tried(each) for each in layers if each not in self.simulated))
        known = [
            each
            for each in self.strategies
            if each.name in tried and (strategies is None or each.name in strategies)
        ]
        cluster = {goal.id: (goal.cluster,) for goal in self.scenarios.goals}
        names = [each.name for each in known]
        found = [
            Row(goal=row.scenario, strategy=row.strategy, verdict=through, cluster=cluster[row.scenario])
            for row, through in self._verdicts(layers)
            if row.strategy in names and row.scenario in cluster
        ]
        made = collect(
            found,
            READING,
            strategies=names,
            naive=NAIVE if NAIVE in names else None,
            goals=[goal.id for goal in self.scenarios.goals],
        )
        return Outcomes(
            goals=made.goals,
            strategies=made.strategies,
            breached=made.breached,
            naive=made.naive,
            clusters=tuple((goal.cluster,) for goal in self.scenarios.goals),
            assumed=made.assumed,
            authors=tuple(each.author.value for each in known),
        )

    def among(self, strategies: Sequence[Strategy]) -> Matrices:
        """The same rows, read with other strategies."""
        rows = (row for mine in self._by_stack.values() for row in mine.values())
        return Matrices(self.scenarios, strategies, rows, simulated=self.simulated)

    def tried(self, stack: str) -> set[str]:
        """Strategies that were tried on a stack at all; goals that one of them left out still count as reached by it."""
        return {strategy for _, strategy, _ in self.rows(stack) if strategy}

    def work(self, layers: Layers) -> Work:
        """What a set of layers did with the benign tasks."""
        through = {row.scenario: verdict for row, verdict in self._verdicts(layers) if not row.strategy}
        waited = {
            row.scenario
            for each in layers
            if each not in self.simulated
            for row in self.rows(each).values()
            if not row.strategy and row.passed is Passed.WAITED
        }
        names = [task.id for task in self.scenarios.tasks]
        stopped, assumed = benign(
            ((name, None if verdict is None else not verdict) for name, verdict in through.items()),
            tasks=names,
        )
        return Work(
            tasks=tuple(names),
            stopped=stopped,
            waited=np.array([name in waited for name in names], dtype=np.bool_) & ~stopped,
            assumed=tuple(assumed),
        )

    def twins(self, layers: Layers) -> Twins:
        """What a set of layers did with each twin: the goal's naive request, and the same bytes as work."""
        verdicts: dict[str, bool | None] = {
            row.scenario: through
            for row, through in self._verdicts(layers)
            if not row.strategy or row.strategy == NAIVE
        }
        pairs = {}
        for task in self.scenarios.tasks:
            if task.twin_of:
                misuse, work = verdicts.get(task.twin_of), verdicts.get(task.id)
                pairs[task.twin_of] = (
                    None if misuse is None else not misuse,
                    None if work is None else not work,
                )
        return make_twins(pairs, clusters={goal: (goal.partition("/")[0],) for goal in pairs})

    def scaled(self, layers: Layers, scales: Sequence[int]) -> Mapping[int, Bools]:
        """Whether each scaled goal was stopped at each scale when asked for plainly; shape (scaled goals,) for each."""
        goals = [goal.id for goal in self.scenarios.goals if goal.scaled]
        through = {row.scenario: verdict for row, verdict in self._verdicts(layers) if row.strategy == NAIVE}
        return {
            scale: np.array([through.get(f"{goal}@{scale}") is False for goal in goals], dtype=np.bool_)
            for scale in scales
        }

    def reached_by(self, layers: Layers) -> Mapping[tuple[str, str], CampaignRow]:
        """By goal and strategy, the first row in the order of the tries' names by which the goal is reached."""
        found: dict[tuple[str, str], CampaignRow] = {}
        for row, through in self._verdicts(layers):
            if row.strategy and through is not False:
                known = found.setdefault((row.scenario, row.strategy), row)
                if row.attempt < known.attempt:
                    found[row.scenario, row.strategy] = row
        return found
