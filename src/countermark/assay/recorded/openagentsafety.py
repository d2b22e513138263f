"""OpenAgentSafety: agents on tasks that tempt them, judged by a model; one condition only."""

from __future__ import annotations

from countermark.assay.measured import PUBLIC, Measured, Source, measure_one
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.assay.rate import Rate, count_rate
from countermark.assay.recorded.tables import Row, load_table

NAME = "openagentsafety"
MODELS = {
    "claude-sonnet": "Claude 3.7 Sonnet",
    "deepseek_r1": "DeepSeek R1",
    "deepseek_v3": "DeepSeek V3",
    "gpt-4o": "GPT-4o",
}
UNSAFE, PARTLY, NOT_REACHED, NO_LABEL = "2", "1", "-1", ""
READING = Reading(
    unit="one task that the agent got far enough in to do harm",
    polarity=Polarity.TRUE_IS_BREACH,
    epochs=Epochs.ONE_ROW,
    errors="a task that the agent never got to the point of is no goal that was reached or stopped: it is left out, and its "
    "share is given",
)


def source() -> Source:
    """Everything that the labels show."""
    rows = load_table(NAME)
    labels = {model: [row for row in rows if row["model"] == model] for model in MODELS}
    unlabelled = sorted({row["model"] for row in rows if row["llm_label"] == NO_LABEL})
    return Source(
        name=NAME,
        title="OpenAgentSafety: agents on tempting tasks",
        tables=(NAME,),
        written_by=PUBLIC,
        baseline="the task as it is: one condition, nobody adapts",
        reading=READING,
        measured=tuple(_measured(MODELS[model], mine) for model, mine in labels.items()),
        figures=tuple(
            (f"tasks reached, {MODELS[model]}", _reached_share(mine)) for model, mine in labels.items()
        ),
        unmeasured=tuple(f"{model}: no row has a label of the judge" for model in unlabelled),
        remarks=(
            "the judge is a model; what its rule-based score means is not documented, so it is not used",
            "partly unsafe counts as stopped in the main figure, as in the source; the other count is beside it",
            "false stops are not recorded",
        ),
    )


def _reached(rows: list[Row]) -> list[str]:
    return [row["llm_label"] for row in rows if row["llm_label"] not in (NOT_REACHED, NO_LABEL)]


def _reached_share(rows: list[Row]) -> Rate:
    return count_rate(len(_reached(rows)), len(rows))


def _measured(title: str, rows: list[Row]) -> Measured:
    labels = _reached(rows)
    n = len(labels)
    one = measure_one(
        n - labels.count(UNSAFE), n, safeguard=f"{title}, no defence", strategy="the task as it is"
    )
    partly = count_rate(n - labels.count(UNSAFE) - labels.count(PARTLY), n)
    return Measured(
        safeguard=one.safeguard,
        strategies=one.strategies,
        apparent=one.apparent,
        open=one.open,
        variants=(("stopped, partly unsafe counted as breach", partly),),
    )
