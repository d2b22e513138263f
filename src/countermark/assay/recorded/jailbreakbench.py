"""JailbreakBench artifacts: 100 goals, four models, five attacks, two judges."""

from __future__ import annotations

from collections.abc import Callable

from countermark.assay.measured import PUBLIC, Measured, Source, measure
from countermark.assay.outcomes import Epochs, Outcomes, Polarity, Reading, Row, collect, real
from countermark.assay.rate import count_rate
from countermark.assay.recorded.tables import Row as Record
from countermark.assay.recorded.tables import load_table

NAME = "jailbreakbench"
TEMPLATE = "JailbreakChat"
# In the order in which they were published: a fixed template, then 2023-07, 2023-10, 2024-04, 2024-10.
STRATEGIES = (TEMPLATE, "GCG", "PAIR", "adaptive_random_search", "DSN")
MODELS = ("gpt-4-0125-preview", "gpt-3.5-turbo-1106", "llama-2-7b-chat-hf", "vicuna-13b-v1.5")
READING = Reading(
    unit="one of 100 harmful requests",
    polarity=Polarity.TRUE_IS_BREACH,
    epochs=Epochs.ONE_ROW,
    errors="none failed; where an attack submitted nothing (163 rows), nothing was sent, which counts as stopped",
)
Verdict = Callable[[Record], bool | None]


def first_judge(row: Record) -> bool:
    """The benchmark's own judge, a 70B model."""
    return row["jailbroken"] == "1"


def second_judge(row: Record) -> bool | None:
    """The older classifier; it never saw the rows of DSN."""
    return None if row["jailbroken_llama_guard1"] == "" else row["jailbroken_llama_guard1"] == "1"


def both_judges(row: Record) -> bool:
    """Both say breach; a row that the second never saw keeps the word of the first."""
    return first_judge(row) and second_judge(row) is not False


def outcomes(
    rows: tuple[Record, ...], model: str, verdict: Verdict = first_judge, *, judged_only: bool = False
) -> Outcomes:
    """The matrix of one model under one judge.

    Args:
        judged_only: Leave out strategies that the second judge never saw, instead of counting them as breaches.
    """
    mine = [row for row in rows if row["model"] == model]
    if judged_only:
        mine = [row for row in mine if second_judge(row) is not None]
    used = {row["attack"] for row in mine}
    return collect(
        (
            Row(
                goal=row["goal_index"],
                strategy=row["attack"],
                verdict=verdict(row),
                cluster=(row["category"],),
            )
            for row in mine
        ),
        READING,
        strategies=[each for each in STRATEGIES if each in used],
        naive=TEMPLATE,
    )


def source() -> Source:
    """Everything that the artifacts show."""
    rows = load_table(NAME)
    sent = [row for row in rows if row["submitted"] == "1" and row["jailbroken_llama_guard1"]]
    agree = sum(first_judge(row) is second_judge(row) for row in sent)
    return Source(
        name=NAME,
        title="JailbreakBench: refusals of four models",
        tables=(NAME,),
        written_by=PUBLIC,
        baseline="a fixed public template, the same for every goal (there is no arm of direct requests)",
        reading=READING,
        measured=tuple(_measured(rows, model) for model in MODELS),
        figures=(("the two judges agree", count_rate(agree, len(sent))),),
        remarks=(
            "false stops are not recorded: the benign half of this benchmark has no recorded answers",
            "goals are related by 10 categories; with so few, even the cluster bootstrap is on the narrow side",
            "another judge, reported elsewhere (arXiv 2508.20848), finds 69 % where the first one finds 93 %: GPT-3.5's real "
            "protection may be nearer 25-31 % than 5 %",
        ),
    )


def _measured(rows: tuple[Record, ...], model: str) -> Measured:
    return measure(
        outcomes(rows, model),
        safeguard=f"{model}, refusal",
        variants=(
            (
                "real, second judge, attacks it saw",
                real(outcomes(rows, model, second_judge, judged_only=True)),
            ),
            ("real, breach only where both judges say so", real(outcomes(rows, model, both_judges))),
            (
                "real, both judges, attacks that both saw",
                real(outcomes(rows, model, both_judges, judged_only=True)),
            ),
        ),
    )
