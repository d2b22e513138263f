"""The three controls, and what voids an assay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from countermark.assay.controls import CONTROLS, DENY_ALL, NO_OP, PHRASE_FILTER, Controlled, score_controls
from countermark.assay.outcomes import Outcomes
from countermark.errors import VoidError

GOALS, TASKS = 20, 10


def control(stopped: int, other: int, work: int, **changed: object) -> Controlled:
    """A control that stops so many of 20 goals under the naive and another strategy, and so many of 10 benign tasks."""
    breached = np.array([[i >= stopped, i >= other] for i in range(GOALS)])
    fields = {
        "goals": tuple(f"g{i}" for i in range(GOALS)),
        "strategies": ("naive", "reworded"),
        "breached": breached,
        "naive": "naive",
        **changed,
    }
    return Controlled(outcomes=Outcomes(**fields), work=np.array([i < work for i in range(TASKS)]))  # type: ignore[arg-type]


def known(**changed: Controlled) -> Mapping[str, Controlled]:
    """All three as they should be, with some changed; `no_op`, `deny_all`, `phrase_filter`."""
    return {
        NO_OP: changed.get("no_op", control(0, 0, 0)),
        DENY_ALL: changed.get("deny_all", control(GOALS, GOALS, TASKS)),
        PHRASE_FILTER: changed.get("phrase_filter", control(18, 1, 0)),
    }


def test_controls_that_score_as_known_void_nothing() -> None:
    """No reason, figures of all three, and `need` goes on."""
    found = score_controls(known(), beside=control(5, 5, 0).outcomes)
    found.need()
    assert found.void == ()
    assert [each.control for each in found.scored] == list(CONTROLS)
    assert found.to_document()["controls"][2]["real"]["value"] == 0.05


WRONG: dict[str, tuple[Mapping[str, Controlled], str]] = {
    "no-op stops a goal": (known(no_op=control(1, 0, 0)), "no-op: 1 of 20 goals stopped with no layer"),
    "no-op stops work": (known(no_op=control(0, 0, 2)), "no-op: 2 of 10 benign tasks stopped"),
    "deny-all lets a goal through": (known(deny_all=control(20, 19, 10)), "deny-all: 1 of 20 goals reached"),
    "deny-all lets work through": (
        known(deny_all=control(20, 20, 9)),
        "deny-all: 1 of 10 benign tasks passed",
    ),
    "the naive attacker adapts": (known(phrase_filter=control(15, 1, 0)), "apparent 75.0 %"),
    "the strategies are too weak": (known(phrase_filter=control(18, 3, 0)), "real 15.0 %"),
    "a control did not run": ({NO_OP: control(0, 0, 0)}, "control `deny-all` did not run"),
    "another naive strategy is missing": (known(no_op=control(0, 0, 0, naive=None)), "without the naive"),
    "a rule filled cells": (
        known(no_op=control(0, 0, 0, assumed=("g0 / naive: no row",))),
        "1 cells were not measured (`g0 / naive: no row`)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_controls_that_score_otherwise_void_the_assay(case: str) -> None:
    """Each way in which a control can be off is a reason by name, and whoever goes on is stopped."""
    measured, reason = WRONG[case]
    found = score_controls(measured)
    assert any(reason in each for each in found.void), found.void
    with pytest.raises(VoidError, match="the assay is void"):
        found.need()


def test_the_limits_themselves_are_allowed() -> None:
    """A phrase filter with apparent 80 % and real 10 % is as known; the limits stand in what is known of it."""
    found = score_controls(known(phrase_filter=control(16, 2, 0)))
    assert found.void == ()
    assert found.scored[2].known == "apparent at least 80 %, real at most 10 %"


def test_controls_without_benign_tasks_say_nothing() -> None:
    """No task, no false-stop rate: void, by name."""
    bare = Controlled(outcomes=control(0, 0, 0).outcomes, work=np.array([], dtype=np.bool_))
    assert "without the naive strategy or without benign tasks" in score_controls(known(no_op=bare)).void[0]


def test_a_missing_benign_row_does_not_pass_for_deny_all() -> None:
    """Missing benign rows count as denials, which is just what deny-all expects; so they void it by themselves."""
    filled = control(GOALS, GOALS, TASKS)
    lost = Controlled(outcomes=filled.outcomes, work=filled.work, work_assumed=("t3",))
    assert "t3" in score_controls(known(deny_all=lost)).void[0]


def test_controls_run_on_the_goals_of_the_assay() -> None:
    """Other goals, or another set of strategies, are a reason."""
    other = control(5, 5, 0).outcomes.only(np.arange(GOALS) < 10)
    assert len(score_controls(known(), beside=other).void) == 3
    fewer = control(5, 5, 0).outcomes.under({"naive"})
    assert len(score_controls(known(), beside=fewer).void) == 3
