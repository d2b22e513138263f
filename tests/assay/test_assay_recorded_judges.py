"""XSTest's judges against people: what a judge's own error is worth carrying."""

from __future__ import annotations

import pytest

from countermark.assay.recorded import xstest
from countermark.assay.recorded.tables import load_table
from countermark.assay.recorded.xstest_judges import JUDGES, WORDS, checks, label
from countermark.assay.statistics.exact import clopper_pearson
from countermark.assay.statistics.judge import no_narrower
from countermark.estimate import Estimate

ROWS = load_table(xstest.NAME)
CHECKS = [(model, check) for model in xstest.MODELS for check in checks(ROWS, model)]


def test_with_its_error_a_judge_says_what_people_say() -> None:
    """In all ten lines the carried interval holds people's value; the raw one holds it in one."""
    assert len(CHECKS) == len(xstest.MODELS) * len(JUDGES) == 10
    carried = [check.carried.low <= check.people.value <= check.carried.high for _, check in CHECKS]
    raw = [check.raw.exact.low <= check.people.value <= check.raw.exact.high for _, check in CHECKS]
    assert (sum(carried), sum(raw)) == (10, 1)


def test_what_is_measured_was_not_labelled() -> None:
    """Every second row is labelled, and the harmful ones among the others are measured: 98 of each model."""
    assert {check.raw.n for _, check in CHECKS} == {98}
    for model, check in CHECKS:
        if check.judge != "phrases as judge":
            continue
        labelled = check.labelled
        assert labelled.hits + labelled.missed + labelled.cleared + labelled.false_alarms == 225, model


def test_a_judges_error_is_not_that_of_another_model() -> None:
    """How often a stop is left alone differs by more than a factor of three between models."""
    found = [check.labelled.specificity.value for _, check in CHECKS if check.judge == JUDGES["gpt4_judge"]]
    assert max(found) > 3 * min(found)


def test_a_judge_that_refuses_to_judge_counts_by_rule() -> None:
    """Rows without a verdict are no labelled rows."""
    silent = [row for row in ROWS if row["gpt4_judge"] not in WORDS]
    assert len(silent) == 11
    kept = label(list(ROWS), "gpt4_judge")
    assert kept.hits + kept.missed + kept.cleared + kept.false_alarms == len(ROWS) - 11


@pytest.mark.parametrize(
    ("value", "low", "high"), [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.97, 0.95, 0.99), (0.5, 0.1, 0.9)]
)
def test_a_carried_interval_is_never_narrower_than_its_goals_allow(
    value: float, low: float, high: float
) -> None:
    """It holds the exact interval of as many goals; a wider one is left as it is."""
    found = no_narrower(Estimate(value=value, low=low, high=high, n=100, method="drawn"))
    exact = clopper_pearson(round(value * 100), 100)
    assert found.low <= exact.low <= exact.high <= found.high
    assert (found.method == "drawn") is (low <= exact.low and high >= exact.high)
