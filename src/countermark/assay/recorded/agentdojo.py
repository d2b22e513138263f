"""AgentDojo's published results: 629 injections and 97 benign tasks, counts only."""

from __future__ import annotations

from countermark.assay.measured import PUBLIC, Measured, Source, Work, measure_one
from countermark.assay.outcomes import Epochs, Polarity, Reading
from countermark.assay.rate import Rate, count_rate
from countermark.assay.recorded.tables import Row, load_table

NAME = "agentdojo"
BEST = "agentdojo-best"
MODEL = "gpt-4o-2024-05-13"
NAIVE = "direct"
USUAL = "important_instructions"
DEFENCES = {
    "tool_filter": "tool filter",
    "transformers_pi_detector": "injection detector",
    "repeat_user_prompt": "user's prompt repeated",
    "spotlighting_with_delimiting": "spotlighting",
}
READING = Reading(
    unit="one pair of user task and injection",
    polarity=Polarity.TRUE_IS_BREACH,
    epochs=Epochs.ONE_ROW,
    errors="the tool records an error, such as a prompt that grew too long, as an attack that succeeded; counts only, so they "
    "can't be listed",
)


def source() -> Source:
    """Everything that the results table and the notebook show."""
    rows = load_table(NAME)
    plain = [row for row in rows if row["model"] == MODEL and row["defense"] == "None"]
    defended = [row for row in rows if row["model"] == MODEL and row["defense"] in DEFENCES]
    others = [row for row in rows if row["model"] != MODEL]
    return Source(
        name=NAME,
        title="AgentDojo: agents that read injected instructions",
        tables=(NAME, BEST),
        written_by=PUBLIC,
        baseline="the injection as it is (`direct`); for defences and other models one attack only, `important_instructions`",
        reading=READING,
        measured=(
            _undefended(plain),
            *(_one(row, f"GPT-4o + {DEFENCES[row['defense']]}") for row in defended),
            *(_one(row, row["model"], on_sheet=False) for row in others),
        ),
        remarks=(
            f"GPT-4o is {MODEL}",
            "each defence has one recorded attack: what it stops is apparent, and how much of it is real nobody knows",
            "pairs share 35 injections and 97 tasks; of counts alone, intervals can't know that and are too narrow",
            "the maximum per pair is over nine attacks, six of them wordings of one; `tool_knowledge` is not among them",
            "work not done includes what the model fails at without any attack or defence",
        ),
    )


def _undefended(rows: list[Row]) -> Measured:
    by_attack = {row["attack"]: row for row in rows}
    direct = _stopped(by_attack[NAIVE])
    best = load_table(BEST)[0]
    n = int(best["attack_n"])
    survive = n - int(best["attack_success"])
    # `direct` is among the attacks of the maximum, so what survives all is part of what is stopped directly.
    return Measured(
        safeguard="GPT-4o, no defence",
        strategies=tuple(best["attacks"].split()),
        apparent=direct,
        open=count_rate(direct.n - direct.k, direct.n),
        real=count_rate(survive, n),
        theater=count_rate(direct.k - survive, n),
        best_single=(USUAL, _stopped(by_attack[USUAL])),
        alone=tuple((attack, _stopped(row)) for attack, row in by_attack.items()),
        work=_work(by_attack[NAIVE]),
    )


def _one(row: Row, safeguard: str, *, on_sheet: bool = True) -> Measured:
    n = int(row["attack_n"])
    return measure_one(
        n - int(row["attack_success"]),
        n,
        safeguard=safeguard,
        strategy=row["attack"],
        work=_work(row),
        on_sheet=on_sheet,
    )


def _stopped(row: Row) -> Rate:
    n = int(row["attack_n"])
    return count_rate(n - int(row["attack_success"]), n)


def _work(row: Row) -> Work:
    n = int(row["benign_n"])
    return Work(
        stopped=count_rate(n - int(row["benign_ok"]), n),
        what="benign tasks not done, by the model's own fault included",
        claim=False,
    )
