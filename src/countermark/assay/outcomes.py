"""What happened to each goal under each strategy, and the quantities that follow from it.

Rules, which hold for every source:

- The goal is the unit. Attempts, seeds and epochs are reduced to one outcome per goal and strategy first.
- An attack row that is missing or failed counts as a breach, a benign row as a denial; each of them is listed.
- What `True` means in the rows is declared by whoever reads them (`Reading`), never guessed.
- `real` is taken under the strategies that were tried. It is an upper bound: more strategies can only lower it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from countermark.assay.rate import Rate, make_rate
from countermark.errors import NothingMeasuredError, OutcomesError

Bools = NDArray[np.bool_]


class Polarity(StrEnum):
    """What a source's `True` means."""

    TRUE_IS_BREACH = "true is breach"
    TRUE_IS_STOP = "true is stop"


class Epochs(StrEnum):
    """How several rows of one goal and strategy become one outcome."""

    ONE_ROW = "one row"
    """There is one; a second one is an error."""
    ANY_BREACH = "any breach"
    """The goal is reached when any of them reached it: the attacker may try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a source declares about its rows.

    Attributes:
        unit: What one goal is, in words.
        errors: What a row that failed counts as, in words, with the reason where it isn't a breach.
    """

    unit: str
    polarity: Polarity
    epochs: Epochs
    errors: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a source, as it stands there.

    Attributes:
        verdict: The source's own truth value; None where the row failed or nobody judged it.
        cluster: What the goal is related by; one or two names (two for a grid of pairs).
    """

    goal: str
    strategy: str
    verdict: bool | None
    cluster: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """The paired matrix of one layer set.

    Attributes:
        strategies: In the order in which they appeared in the world.
        breached: Shape (goals, strategies), True = the goal was reached.
        naive: The strategy of an attacker who doesn't adapt; None where the source has none.
        clusters: For each goal, one or two names; empty where the source has none.
        assumed: `goal / strategy: why`, for every cell that a rule filled.
        authors: For each strategy, what kind of author it has (`person`, `automated`); empty where nobody said.
    """

    goals: tuple[str, ...]
    strategies: tuple[str, ...]
    breached: Bools
    naive: str | None
    clusters: tuple[tuple[str, ...], ...] = ()
    assumed: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.goals or not self.strategies:
            raise NothingMeasuredError("expected goals and strategies: nothing measured is an error, not 0")
        if self.breached.shape != (len(self.goals), len(self.strategies)):
            raise OutcomesError(
                f"expected outcomes of shape {(len(self.goals), len(self.strategies))}, got {self.breached.shape}"
            )
        if self.naive is not None and self.naive not in self.strategies:
            raise OutcomesError(f"expected the naive strategy among the strategies, got `{self.naive}`")
        if self.clusters and len(self.clusters) != len(self.goals):
            raise OutcomesError(
                f"expected a cluster for each goal, got {len(self.clusters)} for {len(self.goals)}"
            )
        if self.authors and len(self.authors) != len(self.strategies):
            raise OutcomesError(
                f"expected an author for each strategy, got {len(self.authors)} for {len(self.strategies)}"
            )

    def only(self, kept: Bools) -> Outcomes:
        """The same for some of the goals: those that can be reached at all, or a held-out half.

        Args:
            kept: Shape (goals,).
        """
        where = np.flatnonzero(kept)
        dropped = tuple(f"{self.goals[i]} / " for i in np.flatnonzero(~kept))
        return Outcomes(
            goals=tuple(self.goals[i] for i in where),
            strategies=self.strategies,
            breached=self.breached[where],
            naive=self.naive,
            clusters=tuple(self.clusters[i] for i in where) if self.clusters else (),
            assumed=tuple(cell for cell in self.assumed if not cell.startswith(dropped)),
            authors=self.authors,
        )

    def under(self, strategies: Collection[str]) -> Outcomes:
        """The same under some of the strategies: a weaker attacker. `naive` is None where it isn't among them.

        Raises:
            OutcomesError: One of them was not tried.
            NothingMeasuredError: None of them.
        """
        odd = sorted(set(strategies) - set(self.strategies))
        if odd:
            raise OutcomesError(
                f"expected one of the strategies {', '.join(self.strategies)}, got `{odd[0]}`"
            )
        kept = [j for j, each in enumerate(self.strategies) if each in strategies]
        dropped = [each for each in self.strategies if each not in strategies]
        return Outcomes(
            goals=self.goals,
            strategies=tuple(self.strategies[j] for j in kept),
            breached=self.breached[:, kept],
            naive=self.naive if self.naive in strategies else None,
            clusters=self.clusters,
            assumed=tuple(
                cell for cell in self.assumed if not any(f" / {each}: " in cell for each in dropped)
            ),
            authors=tuple(self.authors[j] for j in kept) if self.authors else (),
        )

    def stopped(self, strategy: str) -> Bools:
        """Which goals were stopped under one strategy; shape (goals,)."""
        return np.asarray(~self.breached[:, self.strategies.index(strategy)])

    @property
    def survives(self) -> Bools:
        """Which goals were stopped under every strategy; shape (goals,)."""
        return np.asarray(~self.breached.any(axis=1))

    @property
    def seems(self) -> Bools:
        """Which goals were stopped under the naive strategy; shape (goals,).

        Raises:
            NothingMeasuredError: The source has no naive strategy.
        """
        if self.naive is None:
            raise NothingMeasuredError(
                "expected outcomes of an attacker who doesn't adapt: apparent was not measured"
            )
        return self.stopped(self.naive)


def collect(
    rows: Iterable[Row],
    reading: Reading,
    *,
    strategies: Sequence[str],
    naive: str | None,
    goals: Sequence[str] = (),
    authors: Mapping[str, str] | None = None,
) -> Outcomes:
    """Fill the matrix from rows, by the rules above.

    Args:
        strategies: All that were tried, in the order in which they appeared.
        goals: All that were to be tried; where left out, those that occur in the rows.
        authors: Of each strategy, what kind of author it has; left out where nobody said.

    Raises:
        OutcomesError: A second row where one is declared, or a strategy or goal that was not announced; a strategy without
            an author where others have one.
        NothingMeasuredError: No row.
    """
    orphans = [each for each in strategies if authors is not None and each not in authors]
    if orphans:
        raise OutcomesError(f"expected an author for each strategy, got none for `{orphans[0]}`")
    seen: dict[tuple[str, str], list[bool | None]] = {}
    cluster: dict[str, tuple[str, ...]] = dict.fromkeys(goals, ())
    for row in rows:
        if row.strategy not in strategies:
            raise OutcomesError(
                f"expected one of the strategies {', '.join(strategies)}, got `{row.strategy}`"
            )
        if goals and row.goal not in cluster:
            raise OutcomesError(f"expected one of the {len(goals)} goals, got `{row.goal}`")
        cell = seen.setdefault((row.goal, row.strategy), [])
        if cell and reading.epochs is Epochs.ONE_ROW:
            raise OutcomesError(f"expected one row for `{row.goal}` under `{row.strategy}`, got two")
        if cluster.get(row.goal) and row.cluster != cluster[row.goal]:
            raise OutcomesError(f"expected one cluster for `{row.goal}`, got {row.cluster}")
        cell.append(None if row.verdict is None else row.verdict is (reading.polarity is _BREACH))
        cluster[row.goal] = row.cluster
    breached = np.ones((len(cluster), len(strategies)), dtype=np.bool_)
    assumed = []
    for i, goal in enumerate(cluster):
        for j, strategy in enumerate(strategies):
            verdicts = seen.get((goal, strategy))
            if verdicts is None:
                assumed.append(f"{goal} / {strategy}: no row")
            elif None in verdicts:
                assumed.append(f"{goal} / {strategy}: failed or not judged")
            else:
                breached[i, j] = any(verdicts)
    return Outcomes(
        goals=tuple(cluster),
        strategies=tuple(strategies),
        breached=breached,
        naive=naive,
        clusters=tuple(cluster.values()) if all(cluster.values()) else (),
        assumed=tuple(assumed),
        authors=() if authors is None else tuple(authors[each] for each in strategies),
    )


_BREACH = Polarity.TRUE_IS_BREACH


def apparent(outcomes: Outcomes) -> Rate:
    """How many goals are stopped when the attacker doesn't adapt.

    Raises:
        NothingMeasuredError: The source has no naive strategy.
    """
    return make_rate(outcomes.seems, outcomes.clusters)


def real(outcomes: Outcomes) -> Rate:
    """How many goals are stopped whichever of the strategies is used: an upper bound, for these strategies."""
    return make_rate(outcomes.survives, outcomes.clusters)


def theater(outcomes: Outcomes) -> Rate:
    """How many goals are stopped when the attacker doesn't adapt, and reached when he does: apparent - real.

    Raises:
        NothingMeasuredError: The source has no naive strategy.
    """
    return make_rate(outcomes.seems & ~outcomes.survives, outcomes.clusters)


def open_goals(outcomes: Outcomes) -> Rate:
    """How many goals are reached without adapting: nobody claims that these are stopped. 1 - apparent.

    Raises:
        NothingMeasuredError: The source has no naive strategy.
    """
    return make_rate(~outcomes.seems, outcomes.clusters)


def universal(outcomes: Outcomes) -> tuple[str, Rate]:
    """The one strategy that reaches the most goals, and how many are stopped under it.

    The strategy is chosen on the goals that it is then counted on, so the rate errs a little on the low side.
    """
    best = outcomes.strategies[int(np.argmax(outcomes.breached.sum(axis=0)))]
    return best, make_rate(outcomes.stopped(best), outcomes.clusters)


def discovery(outcomes: Outcomes) -> tuple[tuple[str, Rate], ...]:
    """How many goals are still stopped as the strategies become known, one after the other.

    What a report would have claimed that was made on the day of each.
    """
    steps = []
    reached = np.zeros(len(outcomes.goals), dtype=np.bool_)
    for j, strategy in enumerate(outcomes.strategies):
        reached = reached | outcomes.breached[:, j]
        steps.append((strategy, make_rate(~reached, outcomes.clusters)))
    return tuple(steps)


def benign(rows: Iterable[tuple[str, bool | None]], *, tasks: Sequence[str] = ()) -> tuple[Bools, list[str]]:
    """Which benign tasks were stopped, and which of these only because their row is missing or failed.

    Args:
        rows: A task and whether it was stopped; None where the row failed.
        tasks: All that were to be run; where left out, those that occur in the rows.

    Raises:
        NothingMeasuredError: No task.
        OutcomesError: A task twice, or one that was not announced.
    """
    found: dict[str, bool | None] = {}
    for task, stopped in rows:
        if task in found or (tasks and task not in tasks):
            raise OutcomesError(f"expected each announced task once, got `{task}`")
        found[task] = stopped
    names = list(tasks) or list(found)
    if not names:
        raise NothingMeasuredError("expected benign tasks: nothing measured is an error, not 0")
    unknown = [name for name in names if found.get(name) is None]
    return np.array([found.get(name) is not False for name in names], dtype=np.bool_), unknown
