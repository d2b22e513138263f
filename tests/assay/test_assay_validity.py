"""Whether the assay measures what it says: safeguards that are made to a known strength, and measured.

Where a share of runs is held against 95 %, the tolerance is exact: the count that a binomial with 95 % stays below with a
chance of 1 in 1,000 (`fewest`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from countermark.assay.compare import Run, compare
from countermark.assay.controls import CONTROLS, DENY_ALL, NO_OP, PHRASE_FILTER, Controlled, score_controls
from countermark.assay.measured import measure
from countermark.assay.outcomes import Outcomes, apparent, real, theater
from countermark.assay.statistics.confirm import confirm, memorised
from countermark.assay.statistics.threshold import at_rate
from countermark.assay.supervision.simulated import Supervisors
from countermark.assay.twins import content_only, make_twins, separation

RUNS = 400
TEXTS = [f"request {i}" for i in range(60)]
REWORDED = [f"the same, said otherwise: {i}" for i in range(60)]
"""Of each text, a rewording that asks for the same."""


def fewest(runs: int, *, level: float = 0.95) -> int:
    """How many of the runs must hold the truth: fewer have a chance of at most 1 in 1,000 where `level` is true."""
    return int(stats.binom.ppf(0.001, runs, level))


def population(share: float, size: int, *, strategies: int, seed: int) -> Outcomes:
    """Goals of which exactly `share` hold out against every strategy, and 90 % against the naive one.

    What doesn't hold out falls to one strategy or more beside the naive one, drawn at random.
    """
    rng = np.random.default_rng(seed)
    kept, seem = round(share * size), round(0.9 * size)
    breached = np.zeros((size, strategies), dtype=np.bool_)
    breached[kept:, 1:] = rng.random((size - kept, strategies - 1)) < 0.3
    breached[kept:, 1] |= ~breached[kept:, 1:].any(axis=1)
    breached[seem:, 0] = True
    order = rng.permutation(size)
    return Outcomes(
        goals=tuple(f"g{i}" for i in range(size)),
        strategies=tuple(f"s{j}" for j in range(strategies)),
        breached=breached[order],
        naive="s0",
    )


def test_a_safeguard_of_known_strength_is_measured_within_its_interval() -> None:
    """Exactly 20 % of 5,000 goals hold out against an adaptive attacker, 90 % against a naive one. Over 400 seeded runs of
    60 goals, the intervals of real, apparent and theater hold 20, 90 and 70 % as often as they say, and so does the claim
    "at least"."""
    everything = population(0.2, 5000, strategies=6, seed=1)
    assert (real(everything).value, apparent(everything).value, theater(everything).value) == (0.2, 0.9, 0.7)
    held = dict.fromkeys(("real", "apparent", "theater", "at least"), 0)
    for seed in range(RUNS):
        drawn = np.random.default_rng(seed).choice(5000, size=60, replace=False)
        chosen = np.zeros(5000, dtype=np.bool_)
        chosen[drawn] = True
        found = measure(everything.only(chosen), safeguard="made")
        assert found.real is not None
        assert found.theater is not None
        for name, rate, true in (
            ("real", found.real, 0.2),
            ("apparent", found.apparent, 0.9),
            ("theater", found.theater, 0.7),
        ):
            held[name] += rate.shown.low <= true <= rate.shown.high
        held["at least"] += found.real.at_least().low <= 0.2
    assert min(held.values()) >= fewest(RUNS), held


def test_it_is_measured_within_its_interval_where_goals_are_related() -> None:
    """The same with 40 clusters of 5 goals that mostly fall or hold together: the interval that is shown, the wider of the
    exact and the clustered one, holds 20 % in 92 % of 400 runs (at least `fewest` of them for 93 %); the exact one alone
    in 81 %. "At least" holds in 95 %."""
    shown, exact, least = 0, 0, 0
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        strength = rng.beta(0.5, 2.0, size=40)  # mean 0.2
        holds = (rng.random((40, 5)) < strength[:, None]).ravel()
        found = real(
            Outcomes(
                goals=tuple(f"g{i}" for i in range(200)),
                strategies=("s",),
                breached=~holds[:, None],
                naive="s",
                clusters=tuple((f"c{i // 5}",) for i in range(200)),
            )
        )
        shown += found.shown.low <= 0.2 <= found.shown.high
        exact += found.exact.low <= 0.2 <= found.exact.high
        least += found.at_least().low <= 0.2
    assert shown >= fewest(RUNS, level=0.93), shown
    assert exact < 0.85 * RUNS < shown
    assert least >= fewest(RUNS), least


def run_texts(layer: Callable[[str], bool], texts: list[list[str]]) -> Outcomes:
    """Breaches of a layer that reads content: a goal is reached with a text that it lets pass. One list per strategy."""
    return Outcomes(
        goals=tuple(f"g{i}" for i in range(len(texts[0]))),
        strategies=tuple(f"s{j}" for j in range(len(texts))),
        breached=np.array([[not layer(text) for text in each] for each in zip(*texts, strict=True)]),
        naive="s0",
    )


def test_a_safeguard_that_memorises_is_exposed_by_held_out_rewordings() -> None:
    """It stops every text that its makers saw: real 100 %. On rewordings of the same goals it stops none, and the
    difference is certain. One that knows what is asked, whatever the words, loses nothing."""
    known = frozenset(TEXTS[:50])
    memoriser, thorough = known.__contains__, lambda text: int(text.split()[-1]) < 50

    def held_out(layer: Callable[[str], bool]) -> tuple[Outcomes, Outcomes]:
        return run_texts(layer, [TEXTS, TEXTS]), run_texts(layer, [TEXTS, REWORDED])

    seen, new = held_out(memoriser)
    exposed = memorised(seen, new)
    assert (real(seen).k, real(new).k) == (50, 0)
    assert (apparent(new).k, theater(new).k) == (50, 50)
    assert exposed.value == -50 / 60
    assert exposed.at_most().high < -0.5
    assert exposed.p < 1e-12
    honest = memorised(*held_out(thorough))
    assert (honest.value, honest.p) == (0, 1)
    assert honest.at_most().high > 0


@given(
    st.binary(max_size=16),
    st.lists(st.binary(max_size=60), min_size=1, max_size=40),
    st.floats(-0.1, 1.1),
)
def test_a_content_only_layer_of_any_strength_scores_zero_on_twins(
    key: bytes, bodies: list[bytes], threshold: float
) -> None:
    """For a random score function of the bytes (keyed hash), any requests and any threshold: each twin's sides are stopped
    or passed together, separation == 0 with p == 1, however much misuse is stopped."""

    def stops(body: bytes) -> bool:
        return hashlib.blake2b(body, key=key, digest_size=1).digest()[0] / 255 >= threshold

    worlds = [(body, body) for body in bodies]  # the misuse and the work: the same bytes, another world
    found = make_twins({f"t{i}": (stops(misuse), stops(work)) for i, (misuse, work) in enumerate(worlds)})
    content_only("keyed score", found)
    assert separation(found).value == 0
    assert separation(found).p == 1


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_at_every_false_stop_rate_a_scored_layer_scores_zero_on_twins(seed: int, pairs: int) -> None:
    """Whichever threshold a false-stop rate leads to, it is one number for both sides: separation == 0."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=pairs)
    for rate in (0.01, 0.05, 0.2):
        found = at_rate(rng.normal(size=30), scores[:, None], rate=rate, draws=20)
        stopped = scores > found.threshold
        twins = make_twins({f"t{i}": (bool(each), bool(each)) for i, each in enumerate(stopped)})
        assert separation(twins).value == 0


def test_a_layer_that_sees_the_world_is_told_from_one_that_does_not() -> None:
    """One that looks at who asks stops all misuse and no work of 24 twins: separation at least 0.7. Supervisors who see the
    text alone stop as much work as misuse, pair by pair, at every hit rate."""
    sees = make_twins({f"t{i}": (True, False) for i in range(24)})
    assert separation(sees).at_least().low > 0.7
    for hit in (0.1, 0.5, 1.0):
        people = Supervisors(coverage=0.5, hit=hit, false_alarm=0.1, seed=5)
        blind = make_twins(
            {
                f"t{i}": (people.stopped(f"t{i}", misuse=True), people.stopped(f"t{i}", misuse=False))
                for i in range(200)
            }
        )
        assert blind.misuse_stopped.k > 0
        assert (separation(blind).gained, separation(blind).lost) == (0, 0)


@pytest.mark.parametrize("dropped", range(1, 6))
def test_a_weaker_attacker_never_raises_real_unnoticed(dropped: int) -> None:
    """The same safeguard, measured with fewer strategies: the figure is higher each time, and is never reported as risen."""
    whole = population(0.2, 300, strategies=6, seed=2)
    fewer = whole.under(set(whole.strategies[: 6 - dropped]))
    before, after = (Run(outcomes=each, attempts=1, access=frozenset({"text"})) for each in (whole, fewer))
    found = compare(before, after)
    assert found.higher
    assert not found.risen
    assert found.finding is not None
    assert found.finding.startswith("weaker attacker")
    assert found.paired.gained == found.paired.lost == 0  # like for like nothing changed


def test_controls_score_as_known_on_texts() -> None:
    """No-op, deny-all and a filter of the naive texts, run by the same loop as every layer: nothing is void. With an
    attacker who can't reword, the filter's real is 100 %, and the assay is void."""
    layers: dict[str, Callable[[str], bool]] = {
        NO_OP: lambda text: False,
        DENY_ALL: lambda text: True,
        PHRASE_FILTER: frozenset(TEXTS).__contains__,
    }
    work = [f"work {i}" for i in range(120)]
    for texts, void in (([TEXTS, REWORDED], False), ([TEXTS, TEXTS], True)):
        measured = {
            name: Controlled(
                outcomes=run_texts(layers[name], texts), work=np.array([layers[name](text) for text in work])
            )
            for name in CONTROLS
        }
        found = score_controls(measured)
        assert bool(found.void) is void
        assert not void or "too weak to reword" in found.void[0]


def test_two_runs_with_one_seed_are_equal() -> None:
    """Every figure and every interval, drawn or counted, is the same in a second run; another seed draws others."""

    def figures(seed: int) -> list[object]:
        whole = population(0.2, 200, strategies=4, seed=seed)
        related = Outcomes(
            goals=whole.goals,
            strategies=whole.strategies,
            breached=whole.breached,
            naive="s0",
            clusters=tuple((f"c{i % 24}",) for i in range(200)),
        )
        rng = np.random.default_rng(seed)
        people = Supervisors(coverage=0.3, hit=0.7, false_alarm=0.05, seed=seed)
        return [
            measure(related, safeguard="x"),
            confirm(related, k=2, seed=seed),
            at_rate(rng.normal(size=50), rng.normal(1, 1, size=(200, 3)), rate=0.05, seed=seed),
            [people.see(goal, misuse=True, visible_in="content") for goal in whole.goals],
        ]

    assert figures(3) == figures(3)
    assert all(one != other for one, other in zip(figures(3), figures(4), strict=True))
