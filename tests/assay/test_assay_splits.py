"""Parts of a figure: by label, by author, by budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.assay.budget import by_budget
from countermark.assay.outcomes import Epochs, Outcomes, Polarity, Reading, Row, apparent, collect, real
from countermark.assay.rate import count_rate
from countermark.assay.splits import Parted, by_author, parted, split
from countermark.errors import NothingMeasuredError, OutcomesError, PooledError

matrices = st.integers(1, 25).flatmap(
    lambda goals: st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=goals, max_size=goals)
)
READING = Reading(unit="goal", polarity=Polarity.TRUE_IS_BREACH, epochs=Epochs.ONE_ROW, errors="breach")
KINDS = {"naive": "person", "reword": "automated"}
COST = {"naive": 0, "reword": 0, "two keys": 2, "insider": 3, "never used": 9}


def matrix(breached: list[list[bool]], **changed: object) -> Outcomes:
    """Outcomes under four strategies, the first of them naive."""
    fields = {
        "goals": tuple(f"g{i}" for i in range(len(breached))),
        "strategies": ("naive", "reword", "two keys", "insider"),
        "breached": np.array(breached, dtype=np.bool_),
        "naive": "naive",
        "authors": ("person", "automated", "person", "person"),
        **changed,
    }
    return Outcomes(**fields)  # type: ignore[arg-type]


@given(matrices, st.data())
def test_parts_are_the_whole(breached: list[list[bool]], data: st.DataObject) -> None:
    """sum over parts of (k, n) == pooled (k, n), for real and apparent; each goal is in the part of its label."""
    whole = matrix(breached)
    labels = data.draw(st.lists(st.sampled_from("abc"), min_size=len(breached), max_size=len(breached)))
    for quantity in (real, apparent):
        found = parted(whole, labels, quantity, axis="kind")
        assert sum(each.k for each in found.parts.values()) == found.pooled.k == quantity(whole).k
        assert found.weakest[1].value <= found.pooled.value + 1e-12
    for label, part in split(whole, labels).items():
        assert part.goals == tuple(g for g, of in zip(whole.goals, labels, strict=True) if of == label)


def test_a_pooled_figure_alone_is_an_error() -> None:
    """Neither without parts, nor with parts that are not the whole."""
    for parts in ({}, {"office": count_rate(3, 4)}):
        with pytest.raises(PooledError):
            Parted(axis="kind", pooled=count_rate(5, 8), parts=parts)
    with pytest.raises(PooledError, match="5 of 8, got 5 of 9"):
        Parted(axis="kind", pooled=count_rate(5, 8), parts={"a": count_rate(5, 9)})


def test_every_goal_has_a_label() -> None:
    """A goal without one is an error: it would be in the pooled figure and in no part."""
    for labels in (["office"], ["office", ""]):
        with pytest.raises(OutcomesError, match="label for each of 2 goals"):
            split(matrix([[True] * 4] * 2), labels)


def test_cells_that_a_rule_filled_go_with_their_goal_and_strategy() -> None:
    """A part lists the assumed cells of its own goals, a weaker attacker those of his own strategies."""
    whole = matrix([[True] * 4] * 2, assumed=("g0 / naive: no row", "g1 / two keys: no row"))
    assert [part.assumed for part in split(whole, ["a", "b"]).values()] == [
        ("g0 / naive: no row",),
        ("g1 / two keys: no row",),
    ]
    assert whole.under({"naive", "reword"}).assumed == ("g0 / naive: no row",)


@given(matrices)
def test_people_and_machines_apart(breached: list[list[bool]]) -> None:
    """real(all) <= real(each kind of author) <= apparent(all), which is the same for each of them."""
    whole = matrix(breached)
    parts = by_author(whole)
    assert set(parts) == {"person", "automated"}
    for part in parts.values():
        assert real(whole).k <= real(part).k <= apparent(whole).k == apparent(part).k
    assert parts["automated"].strategies == ("naive", "reword")


def test_authors_are_said_for_each_strategy_or_not_at_all() -> None:
    """Nobody's attacks can't be told apart; an author for some of the strategies is an error."""
    with pytest.raises(OutcomesError, match="author"):
        by_author(matrix([[True] * 4], authors=()))
    with pytest.raises(OutcomesError, match="author for each"):
        matrix([[True] * 4], authors=("person",))
    rows = [Row(goal="g", strategy=each, verdict=False) for each in ("naive", "reword")]
    found = collect(rows, READING, strategies=["naive", "reword"], naive="naive", authors=KINDS)
    assert found.authors == ("person", "automated")
    with pytest.raises(OutcomesError, match="none for `reword`"):
        collect(rows, READING, strategies=["naive", "reword"], naive="naive", authors={"naive": "person"})


@given(matrices)
def test_a_richer_attacker_never_raises_real(breached: list[list[bool]]) -> None:
    """real(budget) falls as the budget grows, ends at real(all), and real + theater + open == all at each step."""
    whole = matrix(breached)
    steps = by_budget(whole, COST)
    curve = [step.real.k for step in steps]
    assert curve == sorted(curve, reverse=True)
    assert curve[-1] == real(whole).k
    assert [(step.cost, step.added) for step in steps] == [
        (0, ("naive", "reword")),
        (2, ("two keys",)),
        (3, ("insider",)),
    ]
    for step in steps:
        assert step.theater is not None
        assert step.real.k + step.theater.k == apparent(whole).k


def test_each_strategy_has_its_cost_and_the_naive_one_is_cheapest() -> None:
    """A strategy without a cost, or a naive attacker who pays more than an adaptive one, is an error."""
    whole = matrix([[True] * 4])
    with pytest.raises(OutcomesError, match="none for `insider`"):
        by_budget(whole, {"naive": 0, "reword": 0, "two keys": 1})
    with pytest.raises(OutcomesError, match="cheapest"):
        by_budget(whole, {**COST, "naive": 1})
    assert by_budget(matrix([[True] * 4], naive=None), COST)[0].theater is None


def test_a_weaker_attacker_uses_strategies_that_were_tried() -> None:
    """Others are an error, and none at all is nothing measured."""
    with pytest.raises(OutcomesError, match="`guess`"):
        matrix([[True] * 4]).under({"guess"})
    with pytest.raises(NothingMeasuredError):
        matrix([[True] * 4]).under(set())
    assert matrix([[True] * 4]).under({"insider"}).naive is None
