"""What one more safeguard would buy, before it is bought.

A layer that was measured is added to the others on the same goals. One that doesn't exist yet is added as an *oracle*: a
perfect layer for some goals (a cluster, a kind of deployment), or against some strategies, which stops all of them and no
work. What the oracle adds is the most that any real one could; where it adds nothing, don't build it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.assay.attribution import LayerSet
from countermark.assay.outcomes import Outcomes
from countermark.assay.rate import Rate, make_rate
from countermark.assay.statistics.paired import Paired, pair
from countermark.errors import OutcomesError

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What a measured layer adds to others.

    Attributes:
        real, apparent: With it minus without it.
        work: Benign tasks stopped with it minus without it; None where they were not run.
    """

    layer: str
    real: Paired
    apparent: Paired
    work: Paired | None

    @property
    def cost_only(self) -> bool:
        """Whether it stops more work, and no more misuse, not even an attacker who doesn't adapt."""
        if self.work is None or self.work.value <= 0:
            return False
        return self.apparent.gained == 0 and self.real.gained == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """The most that a layer could add which nobody has built.

    Attributes:
        what: What it is perfect for.
        adds: Goals that are reached now and that it would stop, of all goals.
        real: What `real` would be with it.
    """

    what: str
    adds: Rate
    real: Rate


def gain(
    by_layers: Mapping[LayerSet, Outcomes],
    layer: str,
    *,
    to: LayerSet,
    work: Mapping[LayerSet, Bools] | None = None,
) -> Gain:
    """What a measured layer adds to the layers `to`.

    Args:
        work: For each set of layers, which benign tasks it stops; shape (tasks,).

    Raises:
        OutcomesError: One of the two sets was not measured, or on other goals.
    """
    sets = (to, to | {layer})
    for each in sets:
        if each not in by_layers or (work is not None and each not in work):
            raise OutcomesError(
                f"expected outcomes of the layers `{'+'.join(sorted(each)) or 'none'}`, got none"
            )
    before, after = (by_layers[each] for each in sets)
    if before.goals != after.goals or before.strategies != after.strategies:
        raise OutcomesError(
            "expected the same goals and strategies for both sets of layers: the design is paired"
        )
    return Gain(
        layer=layer,
        real=pair(before.survives, after.survives, before.clusters),
        apparent=pair(before.seems, after.seems, before.clusters),
        work=None if work is None else pair(work[sets[0]], work[sets[1]]),
    )


def oracles_for(outcomes: Outcomes, labels: Sequence[str]) -> tuple[Oracle, ...]:
    """A perfect layer for the goals of each label, by what it would add, most first.

    What they add sums up to all that is not `real` today.

    Args:
        labels: One for each goal: its cluster, kind of deployment, or where the misuse shows.

    Raises:
        OutcomesError: Not a label for each goal.
    """
    if len(labels) != len(outcomes.goals) or not all(labels):
        raise OutcomesError(
            f"expected a label for each of {len(outcomes.goals)} goals, got {sum(map(bool, labels))}"
        )
    named = np.array(labels)
    return _ordered(
        Oracle(
            what=label,
            adds=make_rate(~outcomes.survives & (named == label), outcomes.clusters),
            real=make_rate(outcomes.survives | (named == label), outcomes.clusters),
        )
        for label in dict.fromkeys(labels)
    )


def oracles_against(outcomes: Outcomes, families: Mapping[str, str] | None = None) -> tuple[Oracle, ...]:
    """A perfect layer against each strategy, or family of strategies, by what it would add, most first.

    What they add does *not* sum up: a goal that two strategies reach is saved by neither oracle alone.

    Args:
        families: Of each strategy, its family; left out, each strategy stands for itself.

    Raises:
        OutcomesError: A strategy without a family.
    """
    of = {each: each for each in outcomes.strategies} if families is None else families
    missing = [each for each in outcomes.strategies if each not in of]
    if missing:
        raise OutcomesError(f"expected a family for each strategy, got none for `{missing[0]}`")
    found = []
    for family in dict.fromkeys(of[each] for each in outcomes.strategies):
        others = [j for j, each in enumerate(outcomes.strategies) if of[each] != family]
        holds = np.asarray(~outcomes.breached[:, others].any(axis=1))
        found.append(
            Oracle(
                what=family,
                adds=make_rate(holds & ~outcomes.survives, outcomes.clusters),
                real=make_rate(holds, outcomes.clusters),
            )
        )
    return _ordered(found)


def _ordered(found: Iterable[Oracle]) -> tuple[Oracle, ...]:
    return tuple(sorted(found, key=lambda each: -each.adds.k))
