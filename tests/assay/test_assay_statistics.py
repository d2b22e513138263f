"""Statistics against published values, another implementation, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from countermark.assay.statistics.bootstrap import (
    FEWEST_CLUSTERS,
    bootstrap,
    draw,
    one_way,
    percentile,
    two_way,
    wider,
)
from countermark.assay.statistics.exact import clopper_pearson, holm, mcnemar, wilson
from countermark.assay.statistics.judge import Labelled, judged
from countermark.assay.statistics.size import goals_to_show, half_width, zero_breaches_needed
from countermark.errors import EstimateError, NothingMeasuredError
from countermark.estimate import Estimate, Side

# facts: successes, n, Clopper-Pearson and Wilson in percent, as the reference figures have them
CLOPPER_PEARSON = {
    "14 of 100": (14, 100, 7.9, 22.4),
    "5 of 100": (5, 100, 1.6, 11.3),
    "100 of 100": (100, 100, 96.4, 100.0),
    "86 of 100": (86, 100, 77.6, 92.1),
    "0 of 50": (0, 50, 0.0, 7.1),
    "23 of 50": (23, 50, 31.8, 60.7),
    "606 of 629": (606, 629, 94.6, 97.7),
    "267 of 629": (267, 629, 38.5, 46.4),
    "339 of 629": (339, 629, 49.9, 57.8),
    "0 of 44": (0, 44, 0.0, 8.0),
    "380 of 461": (380, 461, 78.6, 85.8),
    "17 of 97": (17, 97, 10.6, 26.6),
}
WILSON = {"14 of 100": (14, 100, 8.5, 22.1), "5 of 100": (5, 100, 2.2, 11.2), "4 of 100": (4, 100, 1.6, 9.8)}


def percents(found: Estimate) -> tuple[float, float]:
    """The interval as it is printed."""
    return round(found.low * 100, 1), round(found.high * 100, 1)


@pytest.mark.parametrize("case", CLOPPER_PEARSON)
def test_exact_intervals_are_the_published_ones(case: str) -> None:
    """Clopper-Pearson intervals equal those of the reference figures, to the printed decimal."""
    k, n, low, high = CLOPPER_PEARSON[case]
    assert percents(clopper_pearson(k, n)) == (low, high)


@pytest.mark.parametrize("case", WILSON)
def test_score_intervals_are_the_published_ones(case: str) -> None:
    """Wilson intervals equal those of the reference figures, to the printed decimal."""
    k, n, low, high = WILSON[case]
    assert percents(wilson(k, n)) == (low, high)


def test_the_bound_of_nothing_among_949_is_not_nothing() -> None:
    """0 of 949 is compatible with 0.39 % at 95 %, two-sided."""
    assert round(clopper_pearson(0, 949).high * 100, 2) == 0.39


def test_one_sided_claims() -> None:
    """`at least` and `at most` put the whole error on one side."""
    lower, upper = clopper_pearson(380, 461, side=Side.LOWER), clopper_pearson(17, 97, side=Side.UPPER)
    assert (round(lower.low * 100, 1), lower.high) == (79.3, 1.0)
    assert (upper.low, round(upper.high * 100, 1)) == (0.0, 25.1)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=60, deadline=None)
def test_intervals_are_those_of_another_implementation(counts: tuple[int, int]) -> None:
    """For all k of n: Clopper-Pearson and Wilson equal those of scipy.stats.binomtest, to 1e-8."""
    k, n = counts
    test = stats.binomtest(k, n)
    for mine, method in ((clopper_pearson(k, n), "exact"), (wilson(k, n), "wilson")):
        theirs = test.proportion_ci(0.95, method=method)
        assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=1e-8)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
@settings(max_examples=60, deadline=None)
def test_failures_have_the_mirrored_interval(counts: tuple[int, int]) -> None:
    """interval(n - k, n) == 1 - interval(k, n), for both kinds."""
    k, n = counts
    for method in (clopper_pearson, wilson):
        one, other = method(k, n), method(n - k, n)
        assert (one.low, one.high) == pytest.approx((1 - other.high, 1 - other.low), abs=1e-9)


@pytest.mark.parametrize("method", [clopper_pearson, wilson])
def test_counts_that_cannot_be_are_refused(method: object) -> None:
    """No unit is nothing measured; more successes than units is an error."""
    assert callable(method)
    with pytest.raises(NothingMeasuredError):
        method(0, 0)
    with pytest.raises(EstimateError):
        method(3, 2)


MCNEMAR = {
    "nobody changed": (0, 0, 1.0),
    "evenly split": (10, 10, 1.0),
    "17 lost, none gained": (0, 17, 1.53e-5),
    "14 lost, none gained": (0, 14, 1.22e-4),
    "1 gained, 16 lost": (1, 16, 2.75e-4),
    "2 gained, 10 lost": (2, 10, 0.0386),
    "80 gained, 5 lost": (80, 5, 1.81e-18),
}


@pytest.mark.parametrize("case", MCNEMAR)
def test_paired_p_values(case: str) -> None:
    """Exact McNemar equals the reference figures and the binomial test of scipy.stats."""
    gained, lost, p = MCNEMAR[case]
    assert mcnemar(gained, lost) == pytest.approx(p, rel=0.01)
    if gained + lost:
        assert mcnemar(gained, lost) == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, rel=1e-9)


def test_pairs_are_counts() -> None:
    """Less than no pair is an error."""
    with pytest.raises(EstimateError):
        mcnemar(-1, 2)


def test_holm_is_the_published_example() -> None:
    """The step-down adjustment keeps order and never falls: 0.01, 0.04, 0.03, 0.005 -> 0.03, 0.06, 0.06, 0.02."""
    given_p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    found = holm(given_p)
    assert list(found) == list(given_p)
    assert list(found.values()) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm({}) == {}
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


SIZES = {0.95: 59, 0.98: 149, 0.99: 299, 0.999: 2995}


@pytest.mark.parametrize("real", SIZES)
def test_goals_without_a_breach_that_a_claim_takes(real: float) -> None:
    """That many stopped goals show `real`, one-sided, and one goal less doesn't."""
    needed = SIZES[real]
    assert zero_breaches_needed(real) == needed
    assert clopper_pearson(needed, needed, side=Side.LOWER).low >= real
    assert clopper_pearson(needed - 1, needed - 1, side=Side.LOWER).low < real


def test_goals_that_show_a_difference() -> None:
    """Theater over 5 points when truly 10 takes about 170 goals; when truly 20, 27, or 38 for a power of 90 %."""
    assert goals_to_show(more_than=0.05, truly=0.10) == 169
    assert goals_to_show(more_than=0.05, truly=0.20) == 27
    assert goals_to_show(more_than=0.05, truly=0.20, power=0.9) == 38


def test_power_is_what_simulation_finds() -> None:
    """On 169 goals of a true rate of 10 %, four runs of five reject 5 %."""
    found = np.random.default_rng(4).binomial(169, 0.10, 4000)
    shown = np.mean([clopper_pearson(int(k), 169, side=Side.LOWER).low > 0.05 for k in found])
    assert shown == pytest.approx(0.8, abs=0.03)


def test_what_cannot_be_planned_is_refused() -> None:
    """Rates that are no rates, or in the wrong order."""
    with pytest.raises(EstimateError):
        zero_breaches_needed(1.0)
    with pytest.raises(EstimateError):
        goals_to_show(more_than=0.2, truly=0.1)


def test_half_widths() -> None:
    """At 50 %: 100 goals give 10.2 points on either side, 400 give 5.0."""
    assert round(half_width(100) * 100, 1) == 10.2
    assert round(half_width(400) * 100, 1) == 5.0


def related(
    rng: np.random.Generator, *, clusters: int, size: int, rate: float, correlation: float
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Outcomes whose clusters have rates of their own (beta-binomial)."""
    spread = (1 - correlation) / correlation
    own = rng.beta(rate * spread, (1 - rate) * spread, clusters)
    outcomes = rng.random((clusters, size)) < own[:, None]
    return outcomes.ravel(), tuple(f"c{i}" for i in np.repeat(np.arange(clusters), size))


def test_exact_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Over 4,000 seeded runs of 100 goals, the 95 % interval holds the true rate in 93 to 98 % of them."""
    rng = np.random.default_rng(11)
    for rate in (0.2, 0.5):
        found = {k: clopper_pearson(k, 100) for k in range(101)}
        drawn = rng.binomial(100, rate, 4000)
        held = np.mean([found[int(k)].low <= rate <= found[int(k)].high for k in drawn])
        assert 0.93 <= held <= 0.98


def test_clustered_intervals_hold_the_truth_where_exact_ones_do_not() -> None:
    """40 clusters of 5 related goals: the bootstrap holds 20 % in 93 to 98 % of runs, the exact interval in fewer than 93."""
    rng = np.random.default_rng(12)
    held, exact = [], []
    for seed in range(500):
        outcomes, clusters = related(rng, clusters=40, size=5, rate=0.2, correlation=0.2)
        found = bootstrap(outcomes, one_way.__wrapped__(clusters, draws=800, seed=seed))
        held.append(found.low <= 0.2 <= found.high)
        alone = clopper_pearson(int(outcomes.sum()), len(outcomes))
        exact.append(alone.low <= 0.2 <= alone.high)
    assert 0.93 <= np.mean(held) <= 0.98
    assert np.mean(exact) < 0.93


def test_ten_clusters_are_few() -> None:
    """With 10 clusters the bootstrap holds 20 % in only 85 to 92 % of runs: such an interval is said to be narrow."""
    rng = np.random.default_rng(14)
    held = []
    for seed in range(1000):
        outcomes, clusters = related(rng, clusters=10, size=10, rate=0.2, correlation=0.15)
        found = bootstrap(outcomes, one_way.__wrapped__(clusters, draws=400, seed=seed))
        held.append(found.low <= 0.2 <= found.high)
    assert 0.85 <= np.mean(held) <= 0.92


def test_two_way_intervals_hold_the_truth_on_a_grid() -> None:
    """30 x 30 pairs that share rows and columns: the two-way bootstrap holds the rate in at least 93 % of runs."""
    rng = np.random.default_rng(13)
    rows = tuple(f"r{i}" for i in np.repeat(np.arange(30), 30))
    columns = tuple(f"c{i}" for i in np.tile(np.arange(30), 30))
    held = []
    for seed in range(300):
        of_row, of_column = rng.normal(0, 0.5, 30), rng.normal(0, 0.5, 30)
        # P(a + b + c < 0), with a, b, c normal around 0: one half
        outcomes = (of_row[:, None] + of_column + rng.normal(0, 1, (30, 30)) < 0).ravel()
        found = bootstrap(outcomes, two_way.__wrapped__(rows, columns, draws=600, seed=seed))
        held.append(found.low <= 0.5 <= found.high)
    assert np.mean(held) >= 0.93


def test_few_clusters_are_refused() -> None:
    """Fewer than ten clusters give no bootstrap: it would be too narrow."""
    outcomes = np.array([True, False] * 9)
    few = tuple(f"c{i % 9}" for i in range(18))
    many = tuple(f"c{i}" for i in range(18))
    with pytest.raises(EstimateError, match=f"at least {FEWEST_CLUSTERS} clusters, got 9"):
        bootstrap(outcomes, one_way(few))
    with pytest.raises(EstimateError):
        bootstrap(outcomes, two_way(many, few))


def test_the_same_seed_gives_the_same_interval() -> None:
    """draw(seed) == draw(seed), and another seed draws something else."""
    outcomes = np.array([i % 7 == 0 for i in range(200)])
    clusters = tuple(f"c{i * i % 23}" for i in range(200))
    first, again, other = (
        bootstrap(outcomes, one_way.__wrapped__(clusters, draws=500, seed=seed)) for seed in (5, 5, 6)
    )
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_clusters_of_one_are_the_ordinary_bootstrap() -> None:
    """With every goal its own cluster, the interval is nearly the exact one."""
    outcomes = np.arange(200) < 60
    found = bootstrap(outcomes, one_way(tuple(map(str, range(200)))))
    exact = clopper_pearson(60, 200)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.01)


def test_identical_goals_in_a_cluster_count_as_one() -> None:
    """Copying every goal tenfold leaves the interval as wide as it was: copies are no evidence."""
    outcomes = np.arange(40) < 10
    clusters = tuple(map(str, range(40)))
    once = bootstrap(outcomes, one_way(clusters))
    copied = bootstrap(np.repeat(outcomes, 10), one_way(tuple(np.repeat(clusters, 10))))
    assert copied.width == pytest.approx(once.width, abs=0.02)
    assert clopper_pearson(100, 400).width < 0.5 * once.width


def test_weights_are_what_means_are_taken_with() -> None:
    """For grids: the mean by sums of cells is the mean by weights of goals."""
    rng = np.random.default_rng(3)
    ways = [(f"r{rng.integers(12)}", f"c{rng.integers(15)}") for _ in range(80)]
    values = rng.random(80)
    drawn = draw(ways, draws=50, seed=9)
    weights = drawn.weights()
    assert drawn.means(values) == pytest.approx(weights @ values / weights.sum(axis=1))


def test_draws_without_a_goal_are_left_out() -> None:
    """A sparse grid has draws that hold no pair; they don't become a rate of 0."""
    means = two_way(("a", "b", "c"), ("a", "b", "c"), draws=500).means(
        np.ones(3)
    )  # pairs on the diagonal only
    assert np.isnan(means).any()
    found = percentile(means, value=1.0, n=3, method="")
    assert (found.low, found.high) == (1.0, 1.0)
    with pytest.raises(NothingMeasuredError):
        percentile(np.array([np.nan]), value=0.5, n=1, method="")


def test_goals_are_related_in_one_or_two_ways() -> None:
    """No goal, three names, or names for some goals only, are refused."""
    with pytest.raises(NothingMeasuredError):
        one_way(())
    with pytest.raises(EstimateError, match="one or two"):
        draw([("a", "b", "c")] * 12)
    with pytest.raises(EstimateError, match="for each pair"):
        two_way(("a", "b"), ("a",))


def test_the_wider_interval_is_printed() -> None:
    """wider(a, b) is the one with the wider interval, the first where they are equal."""
    narrow = Estimate(value=0.5, low=0.4, high=0.6, n=10, method="narrow")
    wide = Estimate(value=0.5, low=0.3, high=0.6, n=10, method="wide")
    assert wider(narrow, wide) is wide
    assert wider(wide, narrow) is wide
    assert wider(narrow, narrow) is narrow


def real(breaches: np.ndarray) -> float:
    """Stopped under every strategy."""
    return float(1 - breaches.any(axis=1).mean())


def test_a_judge_that_errs_is_carried_into_the_interval() -> None:
    """90 % and 95 % right, known from 200 labelled rows: the interval holds the true rate in 93 to 98 % of runs."""
    rng = np.random.default_rng(21)
    held, raw = [], []
    names = tuple(map(str, range(150)))
    for seed in range(300):
        truth = rng.random((150, 1)) < 0.3
        flagged = np.where(truth, rng.random((150, 1)) < 0.9, rng.random((150, 1)) < 0.05)
        hits, alarms = rng.binomial(100, 0.9), rng.binomial(100, 0.05)
        labelled = Labelled(hits=hits, missed=100 - hits, cleared=100 - alarms, false_alarms=alarms)
        found = judged(flagged, names, labelled, real, draws=200, seed=seed)
        held.append(found.low <= 0.7 <= found.high)
        raw.append(1 - flagged.mean())
    assert 0.93 <= np.mean(held) <= 0.98
    assert np.mean(raw) > 0.69


def test_false_alarms_add_up_over_attempts_and_are_taken_back() -> None:
    """A judge with 2 % false alarms breaks a third of untouched goals in 20 attempts; corrected, all of them may stand."""
    rng = np.random.default_rng(22)
    flagged = rng.random((300, 20)) < 0.02
    assert real(flagged) == pytest.approx(1 - 0.33, abs=0.05)
    labelled = Labelled(hits=95, missed=5, cleared=980, false_alarms=20)
    found = judged(flagged, tuple(map(str, range(300))), labelled, real, draws=300)
    assert found.high > 0.95
    assert found.value > 0.85


def test_a_perfect_judge_changes_nothing() -> None:
    """With next to no error in many labelled rows, the interval is that of the bootstrap."""
    flagged = (np.arange(200) < 60)[:, None]
    names = tuple(map(str, range(200)))
    labelled = Labelled(hits=100_000, missed=0, cleared=100_000, false_alarms=0)
    found = judged(flagged, names, labelled, real)
    plain = bootstrap(~flagged[:, 0], one_way(names))
    assert (found.value, found.low, found.high) == pytest.approx((0.7, plain.low, plain.high), abs=0.02)


def test_a_judge_that_guesses_says_nothing() -> None:
    """No better than a coin, or without labelled rows of both kinds, there is no interval."""
    guess = Labelled(hits=5, missed=5, cleared=5, false_alarms=5)
    with pytest.raises(EstimateError, match="better than a coin"):
        judged(np.ones((20, 1), dtype=bool), tuple(map(str, range(20))), guess, real)
    with pytest.raises(NothingMeasuredError):
        Labelled(hits=5, missed=5, cleared=0, false_alarms=0)
