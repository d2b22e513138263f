"""Findings held against goals, texts and strategies that they were not made on; what one more safeguard would buy; sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.assay.one_more import gain, oracles_against, oracles_for
from countermark.assay.outcomes import Outcomes, real
from countermark.assay.statistics.confirm import confirm, halves, hold_out, memorised
from countermark.assay.statistics.size import plan_text
from countermark.errors import NothingMeasuredError, OutcomesError

matrices = st.integers(2, 30).flatmap(
    lambda goals: st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=goals, max_size=goals)
)
FAMILIES = {"s0": "naive", "s1": "words", "s2": "words", "s3": "insider"}


def matrix(breached: object, *, clusters: bool = False, size: int = 4) -> Outcomes:
    """Outcomes under s0, s1, ... of which s0 is naive; clusters of four goals where asked for."""
    cells = np.array(breached, dtype=np.bool_)
    return Outcomes(
        goals=tuple(f"g{i}" for i in range(len(cells))),
        strategies=tuple(f"s{j}" for j in range(cells.shape[1])),
        breached=cells,
        naive="s0",
        clusters=tuple((f"c{i // size}",) for i in range(len(cells))) if clusters else (),
    )


def test_the_best_of_many_equal_strategies_looks_better_than_it_is() -> None:
    """Of 20 strategies that each reach half of the goals by chance, the chosen one seems to reach 12 points more on
    average where it was chosen; on the other half it reaches half."""
    found = [confirm(matrix(np.random.default_rng(i).random((60, 20)) < 0.5), seed=i) for i in range(60)]
    assert 0.08 < np.mean([each.optimism.value for each in found]) < 0.2
    assert np.mean([each.test.value for each in found]) == pytest.approx(0.5, abs=0.04)
    assert all(each.optimism.low <= each.optimism.value <= each.optimism.high for each in found)


def test_a_strategy_that_is_the_best_is_confirmed() -> None:
    """One that reaches everything is chosen, and reaches everything on the other half, too."""
    found = confirm(matrix([[False, False, True, False]] * 40))
    assert (found.chosen, found.dev.value, found.test.value, found.optimism.value) == (("s2",), 0, 0, 0)
    assert found.optimism.low < 0 < found.optimism.high


@given(matrices, st.integers(0, 9), st.integers(1, 3))
def test_more_strategies_reach_more(breached: list[list[bool]], seed: int, k: int) -> None:
    """dev(k + 1) <= dev(k), dev(all) == real of that half; halves are disjoint and all, whatever the seed."""
    whole = matrix(breached)
    fewer, more = confirm(whole, k=k, seed=seed), confirm(whole, k=k + 1, seed=seed)
    assert more.dev.k <= fewer.dev.k
    assert more.chosen[:k] == fewer.chosen
    dev, test = halves((), n=len(breached), seed=seed)
    assert (dev ^ test).all()
    assert confirm(whole, k=4, seed=seed).dev.k == real(whole.only(dev)).k
    assert confirm(whole, seed=seed) == confirm(whole, seed=seed)


def test_goals_of_one_cluster_stay_in_one_half() -> None:
    """A cluster is wholly in one half; with ten in each, the choice is redone in each draw."""
    whole = matrix(np.random.default_rng(0).random((80, 4)) < 0.4, clusters=True)
    dev, _ = halves(whole.clusters, n=80)
    assert {
        len({bool(dev[i]) for i in range(80) if whole.clusters[i] == name}) for name in whole.clusters
    } == {1}
    few = confirm(whole, seed=2).optimism
    assert few.method in ("Newcombe of two halves", "bootstrap with the choice in it, 10 and 10 clusters")
    assert confirm(matrix([[True] * 4] * 8, clusters=True)).optimism.method == "Newcombe of two halves"


def test_one_cluster_has_no_other_half() -> None:
    """Fewer than two clusters, or no strategy to choose, is an error."""
    with pytest.raises(NothingMeasuredError, match="hold one half out"):
        confirm(matrix([[True] * 4] * 4, clusters=True))
    for k in (0, 5):
        with pytest.raises(OutcomesError, match="1 to 4"):
            confirm(matrix([[True] * 4] * 4), k=k)


def test_a_family_that_is_not_known_is_an_overclaim() -> None:
    """Without the insider 6 of 10 goals seem to hold, with him 2: a report without him overclaims 4."""
    whole = matrix([[0, 1, 0, 0]] * 4 + [[0, 0, 0, 1]] * 4 + [[0, 0, 0, 0]] * 2)
    words, insider = hold_out(whole, FAMILIES)
    assert (insider.family, insider.strategies) == ("insider", ("s3",))
    assert (insider.without.k, insider.with_it.k, insider.overclaimed.k) == (6, 2, 4)
    assert (words.strategies, words.overclaimed.k) == (("s1", "s2"), 4)


@given(matrices)
def test_what_is_held_out_never_lowers_real(breached: list[list[bool]]) -> None:
    """real without a family - real with it == what it overclaims >= 0."""
    for each in hold_out(matrix(breached), FAMILIES):
        assert each.without.k - each.with_it.k == each.overclaimed.k >= 0


def test_every_strategy_has_a_family_and_not_all_the_same() -> None:
    """A strategy without a family is an error; so is a family that is all there is."""
    whole = matrix([[True] * 4])
    with pytest.raises(OutcomesError, match="none for `s3`"):
        hold_out(whole, {"s0": "a", "s1": "a", "s2": "a"})
    alone = Outcomes(goals=("g",), strategies=("s",), breached=np.array([[True]]), naive=None)
    with pytest.raises(OutcomesError, match="beside those of family"):
        hold_out(alone, {"s": "a"})


def test_rewordings_are_of_the_same_goals() -> None:
    """Other goals can't be paired."""
    with pytest.raises(OutcomesError, match="paired"):
        memorised(matrix([[True] * 4] * 3), matrix([[True] * 4] * 2))


def test_what_a_measured_layer_adds() -> None:
    """Paired, on real, apparent and work; a layer that stops work and nothing else is cost only."""
    none, tools, both = frozenset[str](), frozenset({"tools"}), frozenset({"tools", "words"})
    by_layers = {
        none: matrix([[1, 1]] * 10),
        tools: matrix([[0, 0]] * 4 + [[1, 1]] * 6),
        both: matrix([[0, 0]] * 4 + [[0, 1]] * 2 + [[1, 1]] * 4),
    }
    work = {
        none: np.zeros(5, np.bool_),
        tools: np.zeros(5, np.bool_),
        both: np.array([1, 0, 0, 0, 0], np.bool_),
    }
    tool, word = gain(by_layers, "tools", to=none, work=work), gain(by_layers, "words", to=tools, work=work)
    assert (tool.real.gained, tool.apparent.gained, tool.cost_only) == (4, 4, False)
    assert (word.real.gained, word.apparent.gained, word.cost_only) == (0, 2, False)
    assert word.work is not None
    assert word.work.gained == 1
    same = {**by_layers, both: by_layers[tools]}
    assert gain(same, "words", to=tools, work=work).cost_only
    assert not gain(same, "words", to=tools).cost_only
    with pytest.raises(OutcomesError, match=r"`more\+tools`"):
        gain(by_layers, "more", to=tools)


@given(matrices, st.data())
def test_oracles_for_clusters_add_up_to_what_is_missing(
    breached: list[list[bool]], data: st.DataObject
) -> None:
    """sum of what perfect layers for each label add == all - real; each brings real to real + what it adds."""
    whole = matrix(breached)
    labels = data.draw(st.lists(st.sampled_from("abc"), min_size=len(breached), max_size=len(breached)))
    found = oracles_for(whole, labels)
    assert sum(each.adds.k for each in found) == len(breached) - real(whole).k
    assert [each.adds.k for each in found] == sorted((each.adds.k for each in found), reverse=True)
    assert all(each.real.k == real(whole).k + each.adds.k for each in found)


@given(matrices)
def test_an_oracle_against_a_family_saves_what_it_alone_reaches(breached: list[list[bool]]) -> None:
    """What it adds == what a report without that family would overclaim; together at most all that is missing."""
    whole = matrix(breached)
    adds = {each.what: each.adds.k for each in oracles_against(whole, FAMILIES)}
    for held in hold_out(whole, FAMILIES):
        assert adds[held.family] == held.overclaimed.k
    assert sum(adds.values()) <= len(breached) - real(whole).k


def test_oracles_need_labels_and_families() -> None:
    """A goal without a label, or a strategy without a family, is an error; strategies may stand for themselves."""
    whole = matrix([[0, 1, 1, 0], [0, 0, 0, 1]])
    assert [(each.what, each.adds.k) for each in oracles_against(whole)] == [
        ("s3", 1),
        ("s0", 0),
        ("s1", 0),
        ("s2", 0),
    ]
    with pytest.raises(OutcomesError, match="label"):
        oracles_for(whole, ["a", ""])
    with pytest.raises(OutcomesError, match="family"):
        oracles_against(whole, {"s0": "a"})


PLANS = {
    "smoke": ((20, 20, 4), ["at least 86.1 %", "too few to draw them", "smoke only"]),
    "the scenarios that ship": (
        (60, 120, 12),
        [
            "real is at least 95.1 %",
            "false stops are at most 2.5 %",
            "12 clusters: drawn as wholes",
            "claims of 99 %: 299 goals",
        ],
    ),
    "claims": ((300, 300, 0), ["at least 99.0 %", "from 27 goals on where it is 20, from 169"]),
}


@pytest.mark.parametrize("case", PLANS)
def test_what_a_run_can_claim_is_said_before_it(case: str) -> None:
    """For its size: the best claim, the half-width, from where theater shows, and what it is good for."""
    (goals, benign, clusters), says = PLANS[case]
    text = plan_text(goals, benign, clusters=clusters, pairs=24)
    assert all(each in text for each in [*says, "separation is at least 71.5 %"]), text
    with pytest.raises(NothingMeasuredError):
        plan_text(goals, 0)
