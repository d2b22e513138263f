"""A capture-the-flag contest: 44 defences that teams wrote, each attacked by 22 teams."""

from __future__ import annotations

import numpy as np

from countermark.assay.measured import PUBLIC, Measured, Source
from countermark.assay.outcomes import Epochs, Outcomes, Polarity, Reading, Row, collect, real
from countermark.assay.rate import Rate, count_rate, make_rate
from countermark.assay.recorded.tables import load_table

NAME = "satml-ctf"
READING = Reading(
    unit="one defence of a contest",
    polarity=Polarity.TRUE_IS_BREACH,
    epochs=Epochs.ONE_ROW,
    errors="scores hold only teams that scored or tried: a team that is not listed is taken not to have broken the defence, "
    "since nothing says that it tried; points over 0 are a breach",
)


def outcomes() -> Outcomes:
    """The matrix of defences and attacking teams."""
    rows = load_table(NAME)
    points = {(row["defense"], row["attacker_id"]): int(row["points"]) for row in rows}
    defences = sorted({row["defense"] for row in rows})
    teams = sorted({row["attacker_id"] for row in rows}, key=int)
    return collect(
        (
            Row(goal=defence, strategy=team, verdict=points.get((defence, team), 0) > 0)
            for defence in defences
            for team in teams
        ),
        READING,
        strategies=teams,
        naive=None,
    )


def source() -> Source:
    """Everything that the scores show."""
    found = outcomes()
    stopped = ~found.breached
    survive = found.survives
    # a cell shares its defence and its team with others, so both are drawn
    cells = [(goal, team) for goal in found.goals for team in found.strategies]
    return Source(
        name=NAME,
        title="SaTML contest: defences of a secret, written for it",
        tables=(NAME,),
        written_by=PUBLIC,
        baseline="the average team: the share of defence x team that stayed unbroken",
        reading=READING,
        measured=(
            Measured(
                safeguard="44 contest defences, as one",
                strategies=found.strategies,
                apparent=make_rate(stopped.ravel(), cells),
                open=make_rate(found.breached.ravel(), cells),
                real=real(found),
                theater=make_rate((stopped & ~survive[:, None]).ravel(), cells),
                best_single=_best(found),
            ),
        ),
        remarks=(
            "apparent here is no naive attack but the average team; every defence was broken by somebody",
            "false stops are not recorded in the scores",
        ),
    )


def _best(found: Outcomes) -> tuple[str, Rate]:
    broken = found.breached.sum(axis=0)
    most = int(np.argmax(broken))
    n = len(found.goals)
    return f"team {found.strategies[most]}", count_rate(n - int(broken[most]), n)
