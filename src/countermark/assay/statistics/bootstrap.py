"""Bootstraps for goals that are related: whole clusters are drawn, not single goals.

One draw takes as many clusters as there are, with replacement; a goal counts as often as its cluster was drawn. For a
grid of pairs both rows and columns are drawn, and a pair counts as often as both of them together. The same seed gives
the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from countermark.errors import EstimateError, NothingMeasuredError
from countermark.estimate import Estimate

Values = NDArray[np.float64]
CELLS = 2_000_000
"""Draws times clusters: what a bootstrap may hold in memory (16 MB a way), and how long it may take."""
FEWEST_DRAWS, MOST_DRAWS = 4_000, 100_000
"""With ten clusters the ends lie on a lattice of whole points, and many draws are needed to find the right one."""
SEED = 1
FEWEST_CLUSTERS = 10
"""With fewer clusters a percentile bootstrap is too narrow to be printed (docs/design/assay-protocol.md)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Way:
    """How often each cluster was drawn.

    Attributes:
        index: The cluster of each goal; shape (goals,).
        counts: Shape (draws, clusters); whole numbers, as floats, since they are multiplied with sums.
    """

    index: NDArray[np.int64]
    counts: Values

    @property
    def clusters(self) -> int:
        """How many there are."""
        return int(self.counts.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """All draws of a bootstrap: over clusters, or over the rows and columns of a grid."""

    rows: Way
    columns: Way | None
    sizes: Values
    """How many goals, counted as often as they were drawn, each draw holds; shape (draws,)."""

    @property
    def method(self) -> str:
        """In words, for an estimate."""
        if self.columns is None:
            return f"cluster bootstrap, {self.rows.clusters} clusters"
        return f"two-way cluster bootstrap, {self.rows.clusters} x {self.columns.clusters} clusters"

    def weights(self) -> NDArray[np.int64]:
        """How often each goal counts in each draw; shape (draws, goals)."""
        found = self.rows.counts[:, self.rows.index]
        if self.columns is not None:
            found = found * self.columns.counts[:, self.columns.index]
        return found.astype(np.int64)

    def means(self, values: Values) -> Values:
        """The mean of `values` in each draw.

        Args:
            values: Shape (goals,).

        Returns:
            One for each draw, NaN where a draw holds no goal at all (that happens in sparse grids).
        """
        sums = _sums(values, self.rows, self.columns)
        return np.divide(sums, self.sizes, out=np.full_like(sums, np.nan), where=self.sizes > 0)


@lru_cache(maxsize=16)  # every rate of one matrix is drawn the same way
def one_way(clusters: tuple[str, ...], *, draws: int | None = None, seed: int = SEED) -> Draws:
    """Draw clusters.

    Args:
        clusters: The cluster of each goal; a goal that is its own cluster makes this the ordinary bootstrap.
        draws: How many; where left out, as many as memory allows, 4,000 to 100,000.

    Raises:
        NothingMeasuredError: No goal.
    """
    return _make(_way(clusters, draws or _draws(len(set(clusters))), seed))


@lru_cache(maxsize=4)
def two_way(
    rows: tuple[str, ...], columns: tuple[str, ...], *, draws: int | None = None, seed: int = SEED
) -> Draws:
    """Draw the rows and the columns of a grid of pairs.

    Raises:
        NothingMeasuredError: No pair.
        EstimateError: Not a row and a column for each pair.

    Source: A. B. Owen (2007), "The pigeonhole bootstrap", Annals of Applied Statistics 1; it errs on the wide side.
    """
    if len(rows) != len(columns):
        raise EstimateError(f"expected a row and a column for each pair, got {len(rows)} and {len(columns)}")
    many = draws or _draws(max(len(set(rows)), len(set(columns))))
    return _make(_way(rows, many, seed), _way(columns, many, seed + 1))


def draw(clusters: Sequence[tuple[str, ...]], *, draws: int | None = None, seed: int = SEED) -> Draws:
    """Draw by the one or two names that each goal is related by.

    Raises:
        NothingMeasuredError: No goal.
        EstimateError: Neither one nor two names for each goal.
    """
    ways = tuple(zip(*clusters, strict=True))
    if len(ways) == 1:
        return one_way(ways[0], draws=draws, seed=seed)
    if len(ways) == 2:
        return two_way(*ways, draws=draws, seed=seed)
    raise EstimateError(f"expected one or two clusters for each goal, got {len(ways)}")


def percentile(drawn: Values, *, value: float, n: int, method: str, level: float = 0.95) -> Estimate:
    """The interval between the percentiles of what was drawn; draws without a goal (NaN) are left out.

    Raises:
        NothingMeasuredError: No draw holds a goal.
    """
    kept = drawn[~np.isnan(drawn)]
    if kept.size == 0:
        raise NothingMeasuredError("expected at least one draw that holds a goal")
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=value, low=float(low), high=float(high), n=n, method=method, level=level)


def bootstrap(values: NDArray[np.bool_] | Values, drawn: Draws, *, level: float = 0.95) -> Estimate:
    """The mean of `values` over goals, with an interval that knows which goals are related.

    Args:
        values: One for each goal: an outcome, or a share of one.

    Raises:
        EstimateError: Fewer than ten clusters, in either way: such an interval would be too narrow.
    """
    for way in (drawn.rows, drawn.columns):
        if way is not None and way.clusters < FEWEST_CLUSTERS:
            raise EstimateError(
                f"expected at least {FEWEST_CLUSTERS} clusters, got {way.clusters}: with so few, use the exact interval "
                "and say so"
            )
    numbers = values.astype(np.float64)
    return percentile(
        drawn.means(numbers), value=float(numbers.mean()), n=len(numbers), method=drawn.method, level=level
    )


def wider(first: Estimate, *others: Estimate) -> Estimate:
    """The estimate whose interval is the widest; where two are equally wide, the one named first."""
    return max((first, *others), key=lambda each: each.width)


def _make(rows: Way, columns: Way | None = None) -> Draws:
    return Draws(
        rows=rows, columns=columns, sizes=_sums(np.ones(len(rows.index), dtype=np.float64), rows, columns)
    )


def _sums(values: Values, rows: Way, columns: Way | None) -> Values:
    """The sum of `values` in each draw, by way of the sums of clusters or of the grid's cells."""
    if columns is None:
        return np.asarray(rows.counts @ np.bincount(rows.index, weights=values, minlength=rows.clusters))
    shape = (rows.clusters, columns.clusters)
    cells = rows.index * shape[1] + columns.index
    grid = np.bincount(cells, weights=values, minlength=shape[0] * shape[1]).reshape(shape)
    return np.asarray(np.einsum("dc,dc->d", rows.counts @ grid, columns.counts))


def _draws(clusters: int) -> int:
    return min(MOST_DRAWS, max(FEWEST_DRAWS, CELLS // max(1, clusters)))


def _way(clusters: tuple[str, ...], draws: int, seed: int) -> Way:
    if not clusters:
        raise NothingMeasuredError(
            "expected at least one goal, got none: nothing measured is an error, not 0"
        )
    names, index = np.unique(np.array(clusters), return_inverse=True)
    picked = np.random.default_rng(seed).integers(0, len(names), size=(draws, len(names)))
    cells = (picked + len(names) * np.arange(draws)[:, None]).ravel()
    counts = np.bincount(cells, minlength=draws * len(names)).reshape(draws, len(names))
    return Way(index=index.astype(np.int64), counts=counts.astype(np.float64))
