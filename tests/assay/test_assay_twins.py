"""Twins, and paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.assay.statistics.paired import pair
from countermark.assay.twins import ENOUGH, Twins, content_only, make_twins, separation
from countermark.errors import HarnessError, NothingMeasuredError, OutcomesError
from countermark.estimate import Side

answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def twins_of(sides: list[tuple[bool | None, bool | None]]) -> Twins:
    """Twins from what happened to misuse and work of each pair."""
    return make_twins({f"t{i}": each for i, each in enumerate(sides)})


def test_separation_is_misuse_stopped_minus_work_stopped() -> None:
    """Of 4 pairs misuse is stopped in 3 and work in 1: separation 0.5, from 2 pairs that differ one way, none the other."""
    found = separation(twins_of([(True, True), (True, False), (True, False), (False, False)]))
    assert (found.value, found.gained, found.lost, found.both, found.neither) == (0.5, 2, 0, 1, 1)
    assert found.n == 4


def test_work_stopped_instead_of_misuse_counts_below_zero() -> None:
    """A layer that stops the work and lets the misuse pass has a negative separation."""
    assert separation(twins_of([(False, True), (False, True)])).value == -1


def test_what_one_claims_on_few_pairs() -> None:
    """All of 24 pairs told apart: a separation of at least 0.71, one-sided; none of 24: compatible with up to 0.17."""
    every = separation(twins_of([(True, False)] * ENOUGH))
    none = separation(twins_of([(True, True)] * ENOUGH))
    assert round(every.at_least().low, 3) == 0.715
    assert every.at_least().side is Side.LOWER
    assert (every.shown.value, every.shown.high) == (1, 1)
    assert none.shown.value == 0
    assert round(none.shown.high, 3) == round(-none.shown.low, 3) == 0.167


@given(answers)
def test_the_difference_of_rates_is_the_difference_of_discordant_pairs(
    sides: list[tuple[bool, bool]],
) -> None:
    """mean(second) - mean(first) == (gained - lost) / n, inside its interval; at_least <= value <= at_most."""
    first, second = (np.array(each, dtype=np.bool_) for each in zip(*sides, strict=True))
    found = pair(first, second)
    assert found.value == pytest.approx(second.mean() - first.mean())
    assert found.shown.low <= found.value <= found.shown.high
    assert found.shown.low <= found.at_least().low <= found.value <= found.at_most().high <= found.shown.high


@given(answers)
def test_swapping_the_two_mirrors_the_difference(sides: list[tuple[bool, bool]]) -> None:
    """pair(b, a) == -pair(a, b), ends included, with the same p."""
    first, second = (np.array(each, dtype=np.bool_) for each in zip(*sides, strict=True))
    one, other = pair(first, second), pair(second, first)
    assert (one.value, one.shown.low, one.shown.high) == pytest.approx(
        (-other.value, -other.shown.high, -other.shown.low)
    )
    assert one.at_least().low == pytest.approx(-other.at_most().high)
    assert one.p == other.p


def test_the_exact_interval_holds_the_truth() -> None:
    """Over 2,000 seeded runs of 40 pairs the interval of a difference of 0.2 holds it in at least 95 %, as it promises."""
    rng, held = np.random.default_rng(4), 0
    for _ in range(2000):
        drawn = rng.choice(3, size=40, p=[0.3, 0.1, 0.6])  # gained, lost, neither
        shown = pair(drawn == 1, drawn == 0).exact
        held += shown.low <= 0.2 <= shown.high
    assert held >= 0.95 * 2000


def test_related_pairs_are_drawn_by_cluster() -> None:
    """With ten clusters or more the wider of the exact and the clustered interval is shown."""
    clusters = tuple((f"c{i // 10}",) for i in range(120))
    told = np.array([i // 10 < 4 for i in range(120)])
    found = pair(np.zeros(120, dtype=np.bool_), told, clusters)
    assert found.clustered is not None
    assert found.clustered.width > found.exact.width
    assert found.shown == found.clustered
    assert found.clustered.low < found.value == 1 / 3 < found.clustered.high
    assert found.at_least().low <= found.at_most().high
    assert "one-sided lower" in found.at_least().method
    assert "one-sided upper" in found.at_most().method
    assert pair(np.zeros(120, dtype=np.bool_), told, clusters[:1] * 120).clustered is None


@pytest.mark.parametrize(("clusters", "drawn"), [(9, False), (10, True)])
def test_ten_clusters_are_enough_to_be_drawn(clusters: int, drawn: bool) -> None:
    """Nine are not, and the exact interval is shown alone, with its method."""
    told = np.arange(90) % 3 == 0
    found = pair(~told, told, tuple((f"c{i % clusters}",) for i in range(90)))
    assert (found.clustered is not None) is drawn
    assert found.exact.method == "Clopper-Pearson of both discordant counts"


def test_a_side_that_was_not_measured_counts_against_the_safeguard() -> None:
    """A misuse without a row passed, a work without one was stopped; both are listed."""
    found = twins_of([(None, False), (True, None)])
    assert list(found.misuse) == [False, True]
    assert list(found.work) == [False, True]
    assert found.assumed == ("t0: misuse failed or not measured", "t1: work failed or not measured")


def test_a_layer_that_says_it_reads_content_only_may_tell_no_twins_apart() -> None:
    """One pair told apart, even where they cancel out, is a mistake of the measurement, by name; so is a missing side."""
    content_only("classifier", twins_of([(True, True), (False, False)]))
    with pytest.raises(HarnessError, match=r"`classifier`.* 2 of 3 told apart \(`t0`, `t1`\)"):
        content_only("classifier", twins_of([(True, False), (False, True), (True, True)]))
    with pytest.raises(HarnessError, match="t0: work failed"):
        content_only("classifier", twins_of([(True, None)]))


@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans()), min_size=1, max_size=30), st.data())
def test_content_only_layers_score_zero_on_twins(
    requests: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    """For every score function of the bytes and every threshold: separation on twins == 0, and no pair differs."""
    scores = {body: data.draw(st.floats(0, 1), label="score") for body in {body for body, _ in requests}}
    threshold = data.draw(st.floats(0, 1), label="threshold")
    found = twins_of([(scores[body] >= threshold, scores[body] >= threshold) for body, _ in requests])
    content_only("any", found)
    assert separation(found).value == 0
    assert separation(found).p == 1
    assert found.misuse_stopped.k == found.work_stopped.k


def test_nothing_is_measured_on_no_twins() -> None:
    """No pair is an error, not 0; and so are sides of different length, clusters for some, or a pair twice."""
    with pytest.raises(NothingMeasuredError):
        make_twins({})
    with pytest.raises(NothingMeasuredError):
        pair(np.array([], dtype=np.bool_), np.array([], dtype=np.bool_))
    with pytest.raises(OutcomesError):
        pair(np.array([True]), np.array([True, False]))
    with pytest.raises(OutcomesError, match="cluster"):
        make_twins({"a": (True, False)}, clusters={})
    both = np.array([True, False])
    for misuse, work in ((both, both[:1]), (both[:1], both)):
        with pytest.raises(OutcomesError, match="both sides of 2 pairs"):
            Twins(pairs=("a", "b"), misuse=misuse, work=work)
    with pytest.raises(OutcomesError, match="cluster for each pair, got 1 for 2"):
        Twins(pairs=("a", "b"), misuse=both, work=both, clusters=(("c",),))
    assert Twins(pairs=("a", "b"), misuse=both, work=both, clusters=(("c",), ("c",))).clusters
    with pytest.raises(OutcomesError, match="once"):
        Twins(pairs=("a", "a"), misuse=np.array([True, True]), work=np.array([True, True]))
