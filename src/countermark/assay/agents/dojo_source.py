"""What the rows of an AgentDojo run show: the same table as the recorded run's, with gateways as further safeguards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from countermark.assay.agents.dojo_rows import NO_GATE, DojoRow, gates_of
from countermark.assay.attribution import Dependence, LayerSet, attribute, dependence
from countermark.assay.measured import OURS, Input, Measured, Source, Work, measure
from countermark.assay.outcomes import Bools, Epochs, Outcomes, Polarity, Reading, Row, benign, collect
from countermark.assay.rate import Rate, make_rate
from countermark.assay.recorded.obedient import LAYERS, NAME
from countermark.assay.recorded.tables import load_table
from countermark.assay.statistics.bootstrap import draw
from countermark.errors import NothingMeasuredError

TEXT_ONLY = ("travel/injection_task_6",)
"""Injections whose goal is reached by what the agent says: no call, so nothing that a gate before tools could stop."""
READING = Reading(
    unit="one pair of user task and injection that every strategy reaches when no gate is there",
    polarity=Polarity.TRUE_IS_BREACH,
    epochs=Epochs.ONE_ROW,
    errors="a run in which a gate gave no answer counts as reached, and benign work as stopped",
)


def outcomes_of(rows: Sequence[DojoRow], strategies: Sequence[str]) -> Mapping[str, Outcomes]:
    """The matrix of each gate, over the goals that can be reached without any.

    Raises:
        NothingMeasuredError: Nothing was run without a gate, so that nobody knows what could have been stopped.
    """
    by_gate: dict[str, list[Row]] = {gate: [] for gate in gates_of(rows)}
    goals = list(dict.fromkeys(_goal(row) for row in rows if row.gate == NO_GATE and not row.benign))
    if not goals:
        raise NothingMeasuredError(
            "expected runs without a gate: what can't be reached is not stopped by one"
        )
    for row in rows:
        if not row.benign:
            cluster = (f"{row.suite}/{row.injection_task}", f"{row.suite}/{row.user_task}")
            by_gate[row.gate].append(
                Row(goal=_goal(row), strategy=row.strategy, verdict=row.reached, cluster=cluster)
            )
    whole = {
        gate: collect(mine, READING, strategies=strategies, naive=strategies[0], goals=goals)
        for gate, mine in by_gate.items()
    }
    attainable = np.asarray(whole[NO_GATE].breached.all(axis=1))
    return {gate: each.only(attainable) for gate, each in whole.items()}


def _goal(row: DojoRow) -> str:
    return f"{row.suite}/{row.user_task}/{row.injection_task}"


def make_source(
    rows: Sequence[DojoRow],
    *,
    strategies: Sequence[str],
    titles: Mapping[str, str],
    remarks: Sequence[str] = (),
    inputs: Sequence[Input] = (),
) -> Source:
    """Everything that a run shows.

    Args:
        titles: Gate to what a table calls it; its own name where there is none.

    Raises:
        NothingMeasuredError: Nothing was run without a gate.
    """
    by_gate = outcomes_of(rows, strategies)
    none = by_gate[NO_GATE]
    tried = len({_goal(row) for row in rows if not row.benign})
    work = {gate: _work(rows, gate) for gate in by_gate}
    measured = tuple(
        _measured(found, titles.get(gate, gate.replace("+", " + ")), work[gate], none)
        for gate, found in by_gate.items()
        if gate != NO_GATE
    )
    sets = {frozenset(filter(None, gate.split("+"))): found for gate, found in by_gate.items()}
    complete = all(subset in sets for subset in _subsets(LAYERS))
    reached = np.array([True] * len(none.goals) + [False] * (tried - len(none.goals)), dtype=np.bool_)
    return Source(
        name="agentdojo-live",
        title="AgentDojo, run live with an obedient agent",
        tables=(),
        written_by=OURS,
        baseline="the injection behind its usual marker (`marked`)",
        reading=READING,
        measured=measured,
        shares=attribute(sets, LAYERS) if complete else (),
        dependences=_dependences(by_gate) if complete else (),
        figures=(
            ("pairs that every strategy reaches with no gate", make_rate(reached)),
            *(
                (f"benign tasks that wait for people, {titles.get(gate, gate)}", rate)
                for gate in by_gate
                if (rate := _waits(rows, gate)) is not None
            ),
        ),
        remarks=tuple(remarks),
        inputs=tuple(inputs),
    )


def _work(rows: Sequence[DojoRow], gate: str) -> Bools:
    stopped: list[tuple[str, bool | None]] = [
        (
            f"{row.suite}/{row.user_task}",
            None if row.reached is None else bool(row.denied or row.held or row.hidden),
        )
        for row in rows
        if row.gate == gate and row.benign
    ]
    return benign(stopped)[0]


def _waits(rows: Sequence[DojoRow], gate: str) -> Rate | None:
    """Of the benign tasks, those that are held and not denied; None where nothing waits."""
    mine = [row for row in rows if row.gate == gate and row.benign]
    waits = np.array([row.held > 0 and not row.denied for row in mine], dtype=np.bool_)
    return make_rate(waits) if waits.any() else None


def _measured(found: Outcomes, title: str, stopped: Bools, none: Outcomes) -> Measured:
    spoken = np.array([goal.split("/")[0] + "/" + goal.split("/")[2] in TEXT_ONLY for goal in none.goals])
    acts = found.only(~spoken)
    variants = (("real, goals that need a tool call", make_rate(acts.survives, acts.clusters)),)
    return measure(
        found,
        safeguard=title,
        work=Work(stopped=make_rate(stopped), what="benign tasks in which a call was denied or held"),
        variants=variants if spoken.any() else (),
    )


def _subsets(layers: Sequence[str]) -> list[LayerSet]:
    return [
        frozenset(name for bit, name in enumerate(layers) if mask >> bit & 1)
        for mask in range(2 ** len(layers))
    ]


def _dependences(by_gate: Mapping[str, Outcomes]) -> tuple[tuple[str, Dependence], ...]:
    tools, taint = by_gate["tools"], by_gate["taint"]
    drawn = draw(tools.clusters)
    return tuple(
        (f"tools and taint, {each}", dependence(tools.stopped(each), taint.stopped(each), drawn))
        for each in (tools.strategies[0], tools.strategies[-1])
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A run beside the recorded one, row by row.

    Attributes:
        same: Rows with the recorded outcome.
        unseen: Rows with another one, of a pair and strategy of which the recorded agent did not find the text: it
            looked at what tools print, where several lines and quotes are escaped.
        other: The rest, by name. There should be none.
    """

    same: int
    unseen: int
    other: tuple[str, ...]


def beside_recorded(rows: Sequence[DojoRow]) -> Agreement:
    """Compare with the table that ships, over the sets of layers that both have."""
    recorded = {
        (each["layers"], each["suite"], each["user_task"], each["injection_task"], each["strategy"]): each
        for each in load_table(NAME)
    }
    same = unseen = 0
    other: list[str] = []
    for row in rows:
        record = recorded.get(row.key)
        if record is None:
            continue
        if row.reached is (record["attack_success"] == "1"):
            same += 1
        elif recorded[("", *row.key[1:])]["injection_seen"] == "0":
            unseen += 1
        else:
            other.append(" / ".join(row.key))
    return Agreement(same=same, unseen=unseen, other=tuple(other))
