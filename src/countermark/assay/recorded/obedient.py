"""Layers of a tool gate before an agent that obeys everything it reads: AgentDojo's tasks, three strategies, own data.

The agent takes every instruction that it sees. So this is an upper bound on what an attacker controls and a lower
bound on the gate, and says nothing about any model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from countermark.assay.attribution import LayerSet, attribute, dependence
from countermark.assay.measured import OURS, Measured, Source, Work, measure
from countermark.assay.outcomes import Bools, Epochs, Outcomes, Polarity, Reading, Row, benign, collect
from countermark.assay.rate import count_rate, make_rate
from countermark.assay.recorded.tables import Row as Record
from countermark.assay.recorded.tables import load_table
from countermark.assay.statistics.bootstrap import draw

NAME = "agentdojo-obedient"
BENIGN = "agentdojo-obedient-benign"
STRATEGIES = ("marked", "plain", "encoded")
LAYERS = ("detector", "tools", "taint")
ON_SHEET = ("detector", "tools", "taint", "origin", "detector+tools+taint", "tools+origin")
READING = Reading(
    unit="one pair of user task and injection that all three strategies reach when no layer is there",
    polarity=Polarity.TRUE_IS_BREACH,
    epochs=Epochs.ONE_ROW,
    errors="none failed; a pair whose injected text the agent never saw counts as stopped, and is not among the goals",
)


def outcomes(rows: tuple[Record, ...]) -> Mapping[str, Outcomes]:
    """The matrix of each set of layers, over the goals that can be reached without any."""
    by_layers: dict[str, list[Row]] = {}
    for row in rows:
        by_layers.setdefault(row["layers"], []).append(
            Row(
                goal=f"{row['suite']}/{row['user_task']}/{row['injection_task']}",
                strategy=row["strategy"],
                verdict=row["attack_success"] == "1",
                cluster=(f"{row['suite']}/{row['injection_task']}", f"{row['suite']}/{row['user_task']}"),
            )
        )
    whole = {
        layers: collect(mine, READING, strategies=STRATEGIES, naive=STRATEGIES[0])
        for layers, mine in by_layers.items()
    }
    attainable = np.asarray(whole[""].breached.all(axis=1))
    return {layers: each.only(attainable) for layers, each in whole.items()}


def source() -> Source:
    """Everything that the own run shows."""
    rows = load_table(NAME)
    by_layers = outcomes(rows)
    denied = _denied(load_table(BENIGN))
    none = by_layers[""]
    drawn = draw(none.clusters)
    sets: dict[LayerSet, Outcomes] = {
        frozenset(filter(None, layers.split("+"))): each for layers, each in by_layers.items()
    }
    tools, taint = by_layers["tools"], by_layers["taint"]
    return Source(
        name=NAME,
        title="AgentDojo with an obedient agent: layers of a tool gate",
        tables=(NAME, BENIGN),
        written_by=OURS,
        baseline="the injection behind its usual marker (`marked`)",
        reading=READING,
        measured=tuple(_measured(layers, by_layers[layers], denied) for layers in by_layers if layers),
        shares=attribute(sets, LAYERS),
        dependences=tuple(
            (
                f"tools and taint, {strategy}",
                dependence(tools.stopped(strategy), taint.stopped(strategy), drawn),
            )
            for strategy in ("marked", "encoded")
        ),
        figures=(("pairs that can be reached at all", count_rate(len(none.goals), 629)),),
        remarks=(
            "detector: phrases; tools: a list per task; taint: refuse an address that stood in what the agent read; origin: "
            "refuse an address that the user didn't write",
            "self-assessed: goals are public, the layers and the three strategies are this project's",
        ),
    )


def _denied(rows: tuple[Record, ...]) -> Mapping[str, Bools]:
    tasks: dict[str, list[tuple[str, bool | None]]] = {}
    for row in rows:
        stopped = row["denied"] == "1" or row["flagged"] == "1"
        tasks.setdefault(row["layers"], []).append((f"{row['suite']}/{row['user_task']}", stopped))
    return {layers: benign(mine)[0] for layers, mine in tasks.items()}


def _measured(layers: str, found: Outcomes, denied: Mapping[str, Bools]) -> Measured:
    return measure(
        found,
        safeguard=layers.replace("+", " + "),
        work=Work(stopped=make_rate(denied[layers]), what="benign tasks denied"),
        on_sheet=layers in ON_SHEET,
    )
