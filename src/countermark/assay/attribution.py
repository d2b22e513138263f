"""What each layer of a defence is worth, by joint ablation: never by multiplying the rates of single layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countermark.assay.outcomes import Outcomes
from countermark.assay.rate import make_rate
from countermark.assay.statistics.bootstrap import Draws, Values, bootstrap, draw
from countermark.assay.statistics.exact import clopper_pearson
from countermark.errors import OutcomesError
from countermark.estimate import Estimate

LayerSet = frozenset[str]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one layer is worth among the others.

    Attributes:
        alone: What it stops with no other layer.
        left_out: What is lost when only this one is taken away.
        shapley_real, shapley_apparent: Its fair share of the whole stack; the two differ by its own theater.
    """

    layer: str
    alone: Estimate
    left_out: Estimate
    shapley_real: Estimate
    shapley_apparent: Estimate

    @property
    def theater(self) -> float:
        """How much more the layer seems to be worth than it is."""
        return self.shapley_apparent.value - self.shapley_real.value


def shapley(worth: Mapping[LayerSet, Values], layers: tuple[str, ...]) -> dict[str, Values]:
    """Each layer's share of what all of them are worth together: its mean gain over all orders of adding them.

    Args:
        worth: Of every subset of `layers`, goal by goal; shape (goals,). What no layer at all is worth is the floor,
            which nobody gets credit for.

    Returns:
        For each layer its share, goal by goal; the mean over goals is its share of the rate.

    Source: L. S. Shapley (1953), "A value for n-person games".
    """
    everyone = frozenset(layers)
    shares = {}
    for layer in layers:
        total = np.zeros_like(worth[everyone])
        for others in _subsets(everyone - {layer}):
            orders = math.factorial(len(others)) * math.factorial(len(layers) - len(others) - 1)
            total += orders * (worth[others | {layer}] - worth[others])
        shares[layer] = total / math.factorial(len(layers))
    return shares


def attribute(by_layers: Mapping[LayerSet, Outcomes], layers: tuple[str, ...]) -> tuple[Share, ...]:
    """What each of `layers` is worth, from outcomes of every subset on the same goals.

    Raises:
        OutcomesError: A subset was not measured, or on other goals.
    """
    everyone = frozenset(layers)
    needed = _subsets(everyone)
    missing = [subset for subset in needed if subset not in by_layers]
    if missing:
        raise OutcomesError(
            f"expected outcomes of every subset of layers, `{'+'.join(sorted(missing[0]))}` is missing"
        )
    if any(by_layers[subset].goals != by_layers[everyone].goals for subset in needed):
        raise OutcomesError("expected the same goals for every set of layers: the design is paired")
    drawn = draw(by_layers[everyone].clusters)
    survives = {subset: by_layers[subset].survives.astype(np.float64) for subset in needed}
    seems = {subset: by_layers[subset].seems.astype(np.float64) for subset in needed}
    real, apparent = shapley(survives, layers), shapley(seems, layers)
    return tuple(
        Share(
            layer=layer,
            alone=make_rate(
                by_layers[frozenset({layer})].survives, by_layers[frozenset({layer})].clusters
            ).shown,
            left_out=_mean(survives[everyone] - survives[everyone - {layer}], drawn),
            shapley_real=_mean(real[layer], drawn),
            shapley_apparent=_mean(apparent[layer], drawn),
        )
        for layer in layers
    )


def _mean(values: Values, drawn: Draws) -> Estimate:
    """The mean over goals with its interval; where no goal differs, what that many goals can't rule out."""
    if np.ptp(values) > 0:
        return bootstrap(values, drawn)
    value, unseen = float(values[0]), clopper_pearson(0, len(values)).high
    return Estimate(
        value=value,
        low=max(-1.0, value - unseen),
        high=min(1.0, value + unseen),
        n=len(values),
        method="no goal differs: Clopper-Pearson of 0",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How often two layers miss together, against what their own rates would make one expect.

    Attributes:
        joint: Goals that neither stops.
        product: What the product of their misses says.
        ratio: joint / product, with its interval; 1 where the two have nothing to do with each other.
    """

    joint: float
    product: float
    ratio: float
    ratio_low: float
    ratio_high: float


def dependence(first: Bools, second: Bools, drawn: Draws) -> Dependence:
    """Compare joint misses with the product of misses.

    Args:
        first, second: Which goals each of the layers stops; shape (goals,).

    Raises:
        OutcomesError: One of them misses nothing, so there is no ratio.
    """
    misses = (~first, ~second)
    product = float(misses[0].mean() * misses[1].mean())
    if not product:
        raise OutcomesError("expected two layers that both miss something")
    joint, one, other = (drawn.means(each.astype(np.float64)) for each in (misses[0] & misses[1], *misses))
    kept = one * other > 0
    low, high = np.quantile(joint[kept] / (one * other)[kept], [0.025, 0.975])
    both = float((misses[0] & misses[1]).mean())
    return Dependence(
        joint=both, product=product, ratio=both / product, ratio_low=float(low), ratio_high=float(high)
    )


def _subsets(layers: LayerSet) -> list[LayerSet]:
    names = sorted(layers)
    return [
        frozenset(name for bit, name in enumerate(names) if mask >> bit & 1)
        for mask in range(2 ** len(names))
    ]
