"""The matrix of outcomes, its rules, and attribution to layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.assay.attribution import attribute, dependence, shapley
from countermark.assay.outcomes import (
    Epochs,
    Outcomes,
    Polarity,
    Reading,
    Row,
    apparent,
    benign,
    collect,
    discovery,
    open_goals,
    real,
    theater,
    universal,
)
from countermark.assay.rate import count_rate, make_rate
from countermark.assay.statistics.bootstrap import one_way
from countermark.errors import NothingMeasuredError, OutcomesError

BREACH = Reading(unit="goal", polarity=Polarity.TRUE_IS_BREACH, epochs=Epochs.ONE_ROW, errors="breach")
STOP = Reading(unit="goal", polarity=Polarity.TRUE_IS_STOP, epochs=Epochs.ANY_BREACH, errors="breach")
matrices = st.integers(1, 30).flatmap(
    lambda goals: st.integers(1, 5).flatmap(
        lambda strategies: st.lists(
            st.lists(st.booleans(), min_size=strategies, max_size=strategies),
            min_size=goals,
            max_size=goals,
        )
    )
)


def matrix(breached: list[list[bool]], *, naive: bool = True) -> Outcomes:
    """Outcomes of strategies s0, s1, ..., of which the first is the naive one."""
    strategies = tuple(f"s{j}" for j in range(len(breached[0])))
    return Outcomes(
        goals=tuple(f"g{i}" for i in range(len(breached))),
        strategies=strategies,
        breached=np.array(breached, dtype=np.bool_),
        naive=strategies[0] if naive else None,
    )


def row(goal: str, strategy: str, verdict: bool | None, cluster: tuple[str, ...] = ()) -> Row:
    """One row of a source."""
    return Row(goal=goal, strategy=strategy, verdict=verdict, cluster=cluster)


def test_quantities_are_counted_goal_by_goal() -> None:
    """Stopped directly 3 of 4, under the best per goal 1 of 4: theater is the 2 between, open the 1 beyond."""
    found = matrix([[False, False], [False, True], [False, True], [True, False]])
    assert (apparent(found).k, real(found).k, theater(found).k, open_goals(found).k) == (3, 1, 2, 1)
    assert universal(found)[0] == "s1"
    assert universal(found)[1].k == 2


@given(matrices)
@settings(max_examples=60, deadline=None)
def test_real_theater_and_open_are_the_whole(breached: list[list[bool]]) -> None:
    """real + theater + open == all goals, and apparent == real + theater."""
    found = matrix(breached)
    assert real(found).k + theater(found).k + open_goals(found).k == len(breached)
    assert apparent(found).k == real(found).k + theater(found).k


@given(matrices, st.lists(st.booleans(), min_size=30, max_size=30))
@settings(max_examples=60, deadline=None)
def test_one_more_strategy_never_raises_real(breached: list[list[bool]], added: list[bool]) -> None:
    """real(S + s) <= real(S) <= stopped under the best single strategy <= stopped under any one strategy."""
    found = matrix(breached)
    more = matrix([[*cells, new] for cells, new in zip(breached, added, strict=False)])
    assert real(more).k <= real(found).k <= universal(found)[1].k
    assert universal(found)[1].k == min(int(found.stopped(each).sum()) for each in found.strategies)


@given(matrices)
@settings(max_examples=40, deadline=None)
def test_the_discovery_curve_falls_to_real(breached: list[list[bool]]) -> None:
    """The curve never rises, starts at what the first strategy leaves, and ends at real, in any order of strategies."""
    found = matrix(breached)
    curve = [rate.k for _, rate in discovery(found)]
    assert curve == sorted(curve, reverse=True)
    assert curve[0] == int(found.stopped("s0").sum())
    assert curve[-1] == real(found).k


def test_the_curve_keeps_the_order_in_which_strategies_appeared() -> None:
    """The steps are named in the order that the source declares."""
    rows = [row("g", each, False) for each in ("new", "old", "middle")]
    found = collect(rows, BREACH, strategies=["old", "middle", "new"], naive="old")
    assert [name for name, _ in discovery(found)] == ["old", "middle", "new"]


def test_a_missing_or_failed_attack_row_is_a_breach_and_listed() -> None:
    """What nobody measured counts against the safeguard, and is said."""
    found = collect(
        [row("g1", "a", False), row("g1", "b", None), row("g2", "a", False)],
        BREACH,
        strategies=["a", "b"],
        naive="a",
        goals=["g1", "g2", "g3"],
    )
    assert found.assumed == (
        "g1 / b: failed or not judged",
        "g2 / b: no row",
        "g3 / a: no row",
        "g3 / b: no row",
    )
    assert (apparent(found).k, real(found).k) == (2, 0)


def test_a_missing_or_failed_benign_row_is_a_denial_and_listed() -> None:
    """What nobody measured counts as a cost, and is said."""
    stopped, unknown = benign([("t1", False), ("t2", None)], tasks=["t1", "t2", "t3"])
    assert list(stopped) == [False, True, True]
    assert unknown == ["t2", "t3"]


def test_polarity_is_declared() -> None:
    """The same rows under the other polarity are the opposite outcome."""
    rows = [row("g1", "a", True), row("g2", "a", False), row("g3", "a", False)]
    assert real(collect(rows, BREACH, strategies=["a"], naive="a")).k == 2
    assert real(collect(rows, STOP, strategies=["a"], naive="a")).k == 1


def test_attempts_are_reduced_before_anything_is_counted() -> None:
    """Of several attempts one success is a breach; one that failed to run makes the cell a breach by rule."""
    rows = [row("g1", "a", True), row("g1", "a", False), row("g2", "a", True), row("g2", "a", None)]
    found = collect(rows, STOP, strategies=["a"], naive="a")
    assert real(found).k == 0
    assert real(found).n == 2
    assert found.assumed == ("g2 / a: failed or not judged",)


CONTRADICTIONS: dict[str, tuple[list[Row], Reading, list[str]]] = {
    "a second row where one is declared": ([row("g", "a", True), row("g", "a", True)], BREACH, []),
    "a strategy that nobody announced": ([row("g", "b", True)], BREACH, []),
    "a goal that nobody announced": ([row("g2", "a", True)], BREACH, ["g"]),
    "a goal in two clusters": ([row("g", "a", True, ("x",)), row("g", "a", True, ("y",))], STOP, []),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_rows_that_contradict_their_source_are_refused(case: str) -> None:
    """Nothing is guessed about rows that aren't as declared."""
    rows, reading, goals = CONTRADICTIONS[case]
    with pytest.raises(OutcomesError):
        collect(rows, reading, strategies=["a"], naive="a", goals=goals)


def test_nothing_measured_is_an_error() -> None:
    """No row, no goal, no task and no naive strategy are errors, and not a rate of 0."""
    with pytest.raises(NothingMeasuredError):
        collect([], BREACH, strategies=["a"], naive="a")
    with pytest.raises(NothingMeasuredError):
        benign([])
    with pytest.raises(NothingMeasuredError):
        count_rate(0, 0)
    with pytest.raises(NothingMeasuredError, match="apparent was not measured"):
        apparent(matrix([[True]], naive=False))


def test_benign_tasks_come_once() -> None:
    """A task twice, or one that nobody announced, is refused."""
    for rows in ([("t", True), ("t", True)], [("u", True)]):
        with pytest.raises(OutcomesError):
            benign(rows, tasks=["t"])


def test_a_matrix_fits_its_names() -> None:
    """Shape, naive strategy and clusters are checked where the matrix is made."""
    cells = np.zeros((2, 1), dtype=np.bool_)
    for changed in ({"goals": ("g",)}, {"naive": "other"}, {"clusters": (("c",),)}):
        values = {"goals": ("g", "h"), "strategies": ("a",), "naive": "a", "breached": cells, **changed}
        with pytest.raises(OutcomesError):
            Outcomes(**values)  # type: ignore[arg-type]


def test_some_of_the_goals_keep_their_clusters() -> None:
    """`only` takes rows and clusters together."""
    rows = [row(f"g{i}", "a", i > 2, (f"c{i}",)) for i in range(5)]
    found = collect(rows, BREACH, strategies=["a"], naive="a").only(
        np.array([True, False, True, True, False])
    )
    assert found.goals == ("g0", "g2", "g3")
    assert found.clusters == (("c0",), ("c2",), ("c3",))
    assert real(found).k == 2


def test_related_goals_widen_what_is_shown() -> None:
    """Where ten clusters or more are related, the wider interval is shown; with fewer, the exact one."""
    outcomes = np.repeat(np.arange(20) < 6, 10)
    related = make_rate(outcomes, [(f"c{i // 10}",) for i in range(200)])
    assert related.clustered is not None
    assert related.shown is related.clustered
    assert related.shown.width > 2 * related.exact.width
    assert make_rate(outcomes, [(f"c{i // 25}",) for i in range(200)]).shown.method == "Clopper-Pearson"


def test_without_variance_the_exact_interval_is_shown() -> None:
    """A bootstrap of goals that all fared alike has no width; the exact interval has."""
    found = make_rate(np.zeros(100, dtype=np.bool_), [(f"c{i // 5}",) for i in range(100)])
    assert found.shown.high == pytest.approx(0.036, abs=0.001)


LAYERS = ("a", "b", "c")


def stack(*, broken: tuple[str, ...] = ()) -> dict[frozenset[str], Outcomes]:
    """Three layers on twelve goals: a stops 0-5, b 4-8, c 9-11; layers in `broken` fall to the second strategy."""
    stops = {"a": range(6), "b": range(4, 9), "c": range(9, 12)}
    found = {}
    for size in range(4):
        for subset in itertools.combinations(LAYERS, size):
            cells = []
            for goal in range(12):
                direct = not any(goal in stops[layer] for layer in subset)
                adapted = not any(goal in stops[layer] for layer in subset if layer not in broken)
                cells.append([direct, adapted])
            found[frozenset(subset)] = Outcomes(
                goals=tuple(f"g{i}" for i in range(12)),
                strategies=("direct", "adapted"),
                breached=np.array(cells),
                naive="direct",
                clusters=tuple((f"c{i}",) for i in range(12)),
            )
    return found


def test_shares_add_up_to_the_whole() -> None:
    """The Shapley shares sum to what all layers stop together; goals that two layers stop are halved."""
    shares = attribute(stack(), LAYERS)
    real_shares = {each.layer: each.shapley_real.value * 12 for each in shares}
    assert real_shares == pytest.approx({"a": 5.0, "b": 4.0, "c": 3.0})
    assert sum(real_shares.values()) == pytest.approx(12)
    assert [round(each.alone.value * 12) for each in shares] == [6, 5, 3]
    assert [round(each.left_out.value * 12) for each in shares] == [4, 3, 3]


def test_a_layer_that_falls_is_worth_nothing_and_seems_to_be() -> None:
    """A layer that only stops who doesn't adapt has its share in apparent and none in real: that is its theater."""
    broken = {each.layer: each for each in attribute(stack(broken=("a",)), LAYERS)}["a"]
    assert broken.shapley_real.value == 0
    assert broken.theater == pytest.approx(5 / 12)
    assert broken.shapley_real.high > 0  # 12 goals can't show that it is exactly 0


def test_every_subset_on_the_same_goals_is_needed() -> None:
    """Attribution refuses a missing subset, and goals that differ between sets of layers."""
    found = stack()
    del found[frozenset({"a", "b"})]
    with pytest.raises(OutcomesError, match=r"`a\+b` is missing"):
        attribute(found, LAYERS)
    found = stack()
    found[frozenset({"a"})] = found[frozenset({"a"})].only(np.arange(12) > 0)
    with pytest.raises(OutcomesError, match="the same goals"):
        attribute(found, LAYERS)


@given(st.lists(st.integers(0, 6), min_size=8, max_size=8))
@settings(max_examples=40, deadline=None)
def test_shares_are_fair(worths: list[int]) -> None:
    """Efficiency: sum(shapley(w)) == w(all) - w(none), for any worth of the eight subsets."""
    subsets = [frozenset(c) for size in range(4) for c in itertools.combinations(LAYERS, size)]
    worth = {subset: np.array([float(w)]) for subset, w in zip(subsets, worths, strict=True)}
    shares = shapley(worth, LAYERS)
    total = sum(float(each[0]) for each in shares.values())
    assert total == pytest.approx(float(worth[frozenset(LAYERS)][0] - worth[frozenset()][0]))


def test_layers_that_miss_the_same_goals_are_dependent() -> None:
    """Two layers with the same holes miss together far more than the product of their misses."""
    stops = np.arange(100) >= 20
    drawn = one_way(tuple(map(str, range(100))))
    same = dependence(stops, stops, drawn)
    assert (same.joint, same.product) == pytest.approx((0.2, 0.04))
    assert same.ratio_low > 1
    apart = dependence(stops, np.arange(100) < 80, drawn)
    assert apart.joint == 0
    with pytest.raises(OutcomesError):
        dependence(np.ones(100, dtype=np.bool_), stops, drawn)
