"""Two runs, and an attacker who did less in the second."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from countermark.assay.compare import Attacker, Run, compare, compare_all
from countermark.assay.outcomes import Outcomes
from countermark.errors import OutcomesError, WeakerAttackerError

STRATEGIES = ("naive", "reword", "split", "insider")


def run(
    breached: list[list[bool]],
    *,
    strategies: tuple[str, ...] = STRATEGIES,
    goals: tuple[str, ...] = (),
    attempts: int = 3,
    access: tuple[str, ...] = ("text", "credential"),
    **changed: object,
) -> Run:
    """A run over goals g0, g1, ...; the naive strategy is the first where it is there."""
    outcomes = Outcomes(
        goals=goals or tuple(f"g{i}" for i in range(len(breached))),
        strategies=strategies,
        breached=np.array(breached, dtype=np.bool_),
        naive="naive" if "naive" in strategies else None,
    )
    return Run(outcomes=outcomes, attempts=attempts, access=frozenset(access), **changed)  # type: ignore[arg-type]


ALL_FALL = [[False, False, False, True]] * 10
"""Ten goals which only the insider reaches."""
LESS = {
    "a strategy left out": (run([[False] * 3] * 10, strategies=STRATEGIES[:3]), "lacks strategies `insider`"),
    "fewer attempts": (run([[False] * 4] * 10, attempts=1), "lacks 2 of 3 attempts"),
    "less access": (run([[False] * 4] * 10, access=("text",)), "lacks access `credential`"),
    "another version of a strategy": (
        run([[False] * 4] * 10, versions={"insider": "2"}),
        "lacks strategies `insider`",
    ),
    "hard goals dropped": (
        run([[False] * 4] * 5, goals=tuple(f"g{i}" for i in range(5))),
        "lacks goals `g5`, `g6`, `g7` and 2 more",
    ),
}


@pytest.mark.parametrize("case", LESS)
def test_a_weaker_attacker_never_raises_real_unnoticed(case: str) -> None:
    """Whatever was left out: the figure is higher, it is not reported as risen, and the finding says what is missing."""
    after, reason = LESS[case]
    found = compare(run(ALL_FALL), after)
    assert found.higher
    assert not found.risen
    assert found.finding is not None
    assert found.finding.startswith("weaker attacker: real went from 0.0 to 100.0 %")
    assert reason in found.finding
    with pytest.raises(WeakerAttackerError, match="less was tried"):
        found.need()


def test_a_rise_against_the_same_attacker_is_a_rise() -> None:
    """Same goals, strategies, attempts and access: risen, with its paired test."""
    found = compare(run(ALL_FALL), run([[False] * 4] * 10))
    found.need()
    assert (found.attacker, found.risen, found.finding) == (Attacker.SAME, True, None)
    assert (found.paired.gained, found.paired.lost) == (10, 0)
    assert found.differences[0].says == "real: up, 10 gained, 0 lost of 10, p = 0.0039"
    assert found.differences[1].says == "apparent: the same for each of 10"


def test_easier_goals_do_not_raise_real_unnoticed() -> None:
    """Goals that are only in the second run may lift the figure, which is then said."""
    before = run(ALL_FALL)
    after = run([*ALL_FALL, *[[False] * 4] * 10])
    found = compare(before, after)
    assert found.higher
    assert not found.risen
    assert found.finding is not None
    assert found.finding == (
        "other goals: real went from 0.0 to 50.0 %, but not on the 10 goals that both runs have"
    )
    assert found.attacker is Attacker.STRONGER


def test_a_stronger_attacker_is_named() -> None:
    """What the second attacker has besides is listed; a fall against him is no finding."""
    found = compare(run(ALL_FALL, attempts=1, access=("text",)), run([[True] * 4] * 10))
    assert found.attacker is Attacker.STRONGER
    assert found.stronger == ("also has access `credential`", "also has 2 of 3 attempts")
    assert found.finding is None
    both = compare(run(ALL_FALL, attempts=1), run(ALL_FALL, access=("text",)))
    assert both.attacker is Attacker.OTHER


SAYS = {
    "down": ([[False] * 4] * 4, [[True] * 4] * 4, "real: down, 0 gained, 4 lost of 4, p = 0.25"),
    "as many, others": (
        [[True] * 4, [False] * 4],
        [[False] * 4, [True] * 4],
        "real: as many, others, 1 gained, 1 lost of 2, p = 1",
    ),
}


@pytest.mark.parametrize("case", SAYS)
def test_a_change_is_said_in_words(case: str) -> None:
    """Which way, and how many goals changed either way."""
    before, after, says = SAYS[case]
    assert compare(run(before), run(after)).differences[0].says == says


def test_three_are_named_and_the_rest_is_counted() -> None:
    """Exactly three missing strategies are all named, and nothing more is said."""
    after = run([[False]] * 10, strategies=("naive",))
    assert compare(run(ALL_FALL), after).weaker == ("lacks strategies `insider`, `reword`, `split`",)


@given(
    st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=2, max_size=20),
    st.sets(st.sampled_from(STRATEGIES), min_size=1),
    st.integers(1, 3),
    st.booleans(),
    st.data(),
)
def test_less_tried_is_never_a_rise(
    breached: list[list[bool]], kept: set[str], attempts: int, access: bool, data: st.DataObject
) -> None:
    """after <= before in strategies, attempts, access and goals, and not equal: never risen; higher == has a finding."""
    rows = data.draw(st.lists(st.integers(0, len(breached) - 1), min_size=1, unique=True))
    assume((len(kept), attempts, access, len(rows)) != (4, 3, True, len(breached)))
    named = tuple(each for each in STRATEGIES if each in kept)
    columns = [STRATEGIES.index(each) for each in named]
    after = run(
        [[breached[i][j] for j in columns] for i in rows],
        strategies=named,
        goals=tuple(f"g{i}" for i in rows),
        attempts=attempts,
        access=("text", "credential") if access else ("text",),
    )
    found = compare(run(breached), after)
    assert not found.risen
    assert found.attacker is Attacker.WEAKER
    assert (found.finding is not None) == found.higher


def test_goals_are_paired_by_name_whatever_their_order() -> None:
    """The second run's rows are put in the order of the first one's."""
    before = run([[True] * 4, [False] * 4])
    after = run([[False] * 4, [True] * 4], goals=("g1", "g0"))
    assert (compare(before, after).paired.gained, compare(before, after).paired.lost) == (0, 0)


def test_work_is_compared_on_the_tasks_of_both() -> None:
    """False stops are a difference, too, over the tasks that both runs have."""
    before = run(ALL_FALL, work={"t1": False, "t2": True, "t3": False})
    after = run(ALL_FALL, work={"t1": True, "t2": True, "t4": True})
    change = {each.what: each.change for each in compare(before, after).differences}["false stops"]
    assert (change.n, change.gained, change.lost) == (2, 1, 0)


def test_p_values_are_adjusted_over_all_that_is_compared() -> None:
    """With two kinds compared at once each p is larger than alone; names are kept apart."""
    pair = (run(ALL_FALL), run([[False] * 4] * 10))
    alone = compare(*pair).differences[0].p_holm
    both = compare_all({"office": pair, "field": pair})
    assert both["office"].differences[0].p_holm == pytest.approx(2 * alone)
    assert both["office"].to_document()["differences"][0]["what"] == "real"


def test_runs_without_anything_in_common_are_not_compared() -> None:
    """No common goal, no common strategy, or no attempt is an error."""
    with pytest.raises(OutcomesError, match="paired"):
        compare(run([[True] * 4]), run([[True] * 4], goals=("other",)))
    with pytest.raises(OutcomesError, match="paired"):
        compare(run([[True]], strategies=("naive",)), run([[True]], strategies=("split",)))
    with pytest.raises(OutcomesError, match="attempt"):
        run(ALL_FALL, attempts=0)
