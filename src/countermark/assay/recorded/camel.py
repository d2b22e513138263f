"""The tables of the CaMeL notebook: 949 injections, with and without a gate on information flow."""

from __future__ import annotations

import re

from countermark.assay.measured import PUBLIC, Measured, Source, Work, measure_one
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.assay.rate import count_rate
from countermark.assay.recorded.tables import Row, load_table

NAME = "camel"
ATTACKS = 949
TASKS = 97
ATTACK = "one injection attack, not adapted to the defence"
READING = Reading(
    unit="one of 949 pairs of user task and injection",
    polarity=Polarity.TRUE_IS_BREACH,
    epochs=Epochs.ONE_ROW,
    errors="the notebook prints counts of successes; it doesn't say which pairs failed",
)
_METHODS = {
    "Undefended model": "no defence",
    "Native Tool Calling API": "no defence",
    "Prompt Sandwiching": "sandwich",
    "Tool Filter": "tool filter",
    "Spotlighting": "spotlighting",
    "CaMeL": "CaMeL",
}
_DEFENDED = "def_successful_attacks_claude35s"
_OTHERS = ("o3 High", "Gemini 2.5 Pro", "Claude 4 Sonnet")
# Of the benign tasks that CaMeL finishes at all; the notebook prints the shares.
_USEFUL = 62
_INTERRUPTED = {"normal": 21, "strict": 33}


def source() -> Source:
    """Everything that the notebook's tables show."""
    rows = load_table(NAME)
    by_key = {(row["table"], row["model"], row["method"]): row for row in rows}
    defended = [row for row in rows if row["table"] == _DEFENDED and row["method"] in _METHODS]
    order = list(_METHODS)
    measured: list[Measured] = [
        _one(
            row,
            by_key[("def_utility_no_attack_claude35s", row["model"], row["method"])],
            f"Claude 3.5 Sonnet, {_METHODS[row['method']]}",
        )
        for row in sorted(defended, key=lambda row: order.index(row["method"]))
    ]
    for model in _OTHERS:
        for method in ("Native Tool Calling API", "CaMeL"):
            measured.append(
                _one(
                    by_key[("successful_attacks_of_949", model, method)],
                    by_key[("utility_no_attack", model, method)],
                    f"{model}, {_METHODS[method]}",
                    on_sheet=method == "CaMeL",
                )
            )
    return Source(
        name=NAME,
        title="CaMeL: a gate on information flow",
        tables=(NAME,),
        written_by=PUBLIC,
        baseline=ATTACK,
        reading=READING,
        measured=tuple(measured),
        figures=tuple(
            (f"useful benign tasks interrupted by its policies, {kind}", count_rate(k, _USEFUL))
            for kind, k in _INTERRUPTED.items()
        ),
        remarks=(
            "the notebook prints `0 +/- 0.0`; of 0 among 949 the exact interval reaches 0.39 %",
            "one attack each: apparent only, though a gate that reads no text has less to fear from wording",
            "work not done includes what the model fails at by itself",
        ),
    )


def count_of(text: str) -> int:
    """The number before `+/-` (`44  +/-31.3`)."""
    return int(text.split(maxsplit=1)[0])


def tasks_of(text: str) -> int:
    """How many of the 97 tasks a share is (`63.9%  +/-9.6`): the only count that rounds to it."""
    share = float(re.split(r"[%\s]", text)[0])
    return round(share * TASKS / 100)


def _one(row: Row, utility: Row, safeguard: str, *, on_sheet: bool = True) -> Measured:
    return measure_one(
        ATTACKS - count_of(row["overall"]),
        ATTACKS,
        safeguard=safeguard,
        strategy=ATTACK,
        work=Work(
            stopped=count_rate(TASKS - tasks_of(utility["overall"]), TASKS),
            what="benign tasks not done, by the model's own fault included",
            claim=False,
        ),
        on_sheet=on_sheet,
    )
