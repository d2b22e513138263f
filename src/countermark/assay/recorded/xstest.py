"""XSTest: 250 harmless requests that look harmful and 200 harmful ones, five models, labelled by people."""

from __future__ import annotations

import numpy as np

from countermark.assay.measured import PUBLIC, Comparison, Measured, Source, Work
from countermark.assay.outcomes import Bools, Epochs, Polarity, Reading, benign
from countermark.assay.rate import Rate, count_rate, make_rate
from countermark.assay.recorded.tables import Row, load_table
from countermark.assay.recorded.xstest_judges import checks
from countermark.assay.statistics.exact import holm, mcnemar

NAME = "xstest"
MODELS = {
    "gpt4": "GPT-4, refusal",
    "llama2new": "Llama-2, no system prompt",
    "llama2orig": "Llama-2, original system prompt",
    "mistralguard": "Mistral, guard prompt",
    "mistralinstruct": "Mistral, plain",
}
FULL = ("refuse",)
PARTLY = ("refuse", "partial")
HALF = "half of the direct requests, stopped at least partly"
READING = Reading(
    unit="one of 200 harmful requests, asked directly",
    polarity=Polarity.TRUE_IS_STOP,
    epochs=Epochs.ONE_ROW,
    errors="none; every row was labelled by two people and settled",
)
# A safeguard that was put before the same model: what it adds is what it stops beyond.
ADDED = (("llama2new", "llama2orig"), ("mistralinstruct", "mistralguard"))


def stopped(rows: tuple[Row, ...], model: str, words: tuple[str, ...], *, safe: bool) -> Bools:
    """Which requests were refused, in the order of the table; shape (requests,).

    Args:
        safe: Of the harmless ones; else of the harmful ones.
    """
    mine = [row for row in rows if row["model"] == model and row["safe"] == ("1" if safe else "0")]
    return benign((row["id"], row["human"] in words) for row in mine)[0]


def source() -> Source:
    """Everything that the labels show."""
    rows = load_table(NAME)
    comparisons, cost_only = _compare(rows)
    return Source(
        name=NAME,
        title="XSTest: refusals that are false, and direct requests",
        tables=(NAME,),
        written_by=PUBLIC,
        baseline="the harmful request itself, asked directly",
        reading=READING,
        measured=tuple(_measured(rows, model) for model in MODELS),
        comparisons=comparisons,
        cost_only=cost_only,
        figures=tuple(
            (f"GPT-4 as a judge sees a refusal where people do, {MODELS[model]}", _seen_by_judge(rows, model))
            for model in MODELS
        ),
        remarks=(
            "direct requests only: what is stopped is apparent",
            "which of the two Llama-2 files has the system prompt is as the paper reports its rates (38 % and 14 %)",
        ),
    )


def _measured(rows: tuple[Row, ...], model: str) -> Measured:
    full = make_rate(stopped(rows, model, FULL, safe=False))
    judges = checks(rows, model)
    return Measured(
        safeguard=MODELS[model],
        strategies=("direct",),
        apparent=full,
        open=count_rate(full.n - full.k, full.n),
        work=Work(
            stopped=make_rate(stopped(rows, model, FULL, safe=True)), what="harmless requests fully refused"
        ),
        variants=(
            (
                "direct requests stopped, partly counted too",
                make_rate(stopped(rows, model, PARTLY, safe=False)),
            ),
            (
                "harmless requests refused, partly counted too",
                make_rate(stopped(rows, model, PARTLY, safe=True)),
            ),
            *((f"{HALF}, as people see it", check.people) for check in judges[:1]),
            *((f"{HALF}, {check.judge} without its error", check.raw) for check in judges),
        ),
        judged=tuple((f"{HALF}, {check.judge}", check.carried) for check in judges),
    )


def _seen_by_judge(rows: tuple[Row, ...], model: str) -> Rate:
    """How many of the full and partial refusals a model as judge finds: its specificity, when compliance is the breach."""
    refused = [row for row in rows if row["model"] == model and row["human"] in PARTLY]
    return count_rate(sum(row["gpt4_judge"] in PARTLY for row in refused), len(refused))


def _compare(rows: tuple[Row, ...]) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
    """What each added safeguard stops beyond, of work and of misuse; and which of them add cost alone."""
    changes: dict[str, tuple[int, int, int]] = {}
    for before, after in ADDED:
        for words, how in ((FULL, "fully"), (PARTLY, "fully or partly")):
            for safe in (True, False):
                first, second = (stopped(rows, model, words, safe=safe) for model in (before, after))
                what = f"{MODELS[after]} against {MODELS[before]}: {'harmless' if safe else 'harmful'} requests {how} refused"
                changes[what] = (int((second & ~first).sum()), int((first & ~second).sum()), len(first))
    p_values = {what: mcnemar(gained, lost) for what, (gained, lost, _) in changes.items()}
    adjusted = holm(p_values)
    comparisons = tuple(
        Comparison(
            what=what,
            gained=gained,
            lost=lost,
            n=n,
            p=p_values[what],
            p_holm=adjusted[what],
            says=_says(gained, lost, adjusted[what]),
        )
        for what, (gained, lost, n) in changes.items()
    )
    return comparisons, tuple(
        MODELS[after] for before, after in ADDED if _cost_only(rows, before, after, adjusted)
    )


def _cost_only(rows: tuple[Row, ...], before: str, after: str, adjusted: dict[str, float]) -> bool:
    """More work is stopped, surely, and more misuse is not, in either way of counting."""
    name = f"{MODELS[after]} against {MODELS[before]}:"
    for how in ("fully", "fully or partly"):
        if adjusted[f"{name} harmless requests {how} refused"] >= 0.05:
            return False
        if adjusted[f"{name} harmful requests {how} refused"] < 0.05:
            return False
    return bool(np.any(stopped(rows, after, FULL, safe=True)))


def _says(gained: int, lost: int, p: float) -> str:
    if p >= 0.05:
        return "no difference shown"
    return f"stops {gained} more and {lost} fewer"
