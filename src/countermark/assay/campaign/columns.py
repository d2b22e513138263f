"""One column of a result: what a set of layers stopped, at what price, in every part that a pooled figure would hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from countermark.assay.budget import by_budget
from countermark.assay.campaign.matrix import AFFORDED, Bools, Layers, Matrices, Work, afforded
from countermark.assay.outcomes import (
    Outcomes,
    apparent,
    discovery,
    open_goals,
    real,
    theater,
    universal,
)
from countermark.assay.rate import make_rate
from countermark.assay.require import make_figure
from countermark.assay.scenarios.model import Scenarios
from countermark.assay.splits import by_author, parted, split
from countermark.assay.strategies.strategy import Cost
from countermark.assay.twins import separation

LIARS = tuple(AFFORDED)
QUANTITIES = {"apparent": apparent, "real": real, "theater": theater, "open": open_goals}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A set of layers that is shown side by side with others.

    Attributes:
        layers: Stacks and simulated layers in series.
        reads_content_only: It says so of itself; twins hold it to that.
    """

    name: str
    title: str
    layers: Layers
    reads_content_only: bool = False


def attainable(matrices: Matrices, opened: Layers) -> Bools:
    """Goals that are reached where no layer is; shape (goals,). The others say nothing about any layer."""
    return np.asarray(~matrices.outcomes(opened).survives)


def measure_column(column: Column, matrices: Matrices, kept: Bools) -> Mapping[str, Any]:
    """Every figure of a column, as JSON.

    Args:
        kept: Goals that are attainable; shape (goals,).
    """
    goals = [goal for goal, keep in zip(matrices.scenarios.goals, kept, strict=True) if keep]
    kinds, shown = [goal.kind.value for goal in goals], [goal.visible_in.value for goal in goals]
    levels = {}
    for liars in LIARS:
        found = matrices.outcomes(column.layers, strategies=afforded(matrices.strategies, liars)).only(kept)
        levels[str(liars)] = _level(found, kinds, shown)
    everything = matrices.outcomes(column.layers).only(kept)
    work = matrices.work(column.layers)
    twins = matrices.twins(column.layers)
    costs = {each.name: int(each.cost) for each in matrices.strategies}
    return {
        "name": column.name,
        "title": column.title,
        "layers": list(column.layers),
        "reads_content_only": column.reads_content_only,
        "levels": levels,
        "work": _work(work, matrices.scenarios),
        "twins": {
            "misuse_stopped": twins.misuse_stopped.to_document(),
            "work_stopped": twins.work_stopped.to_document(),
            "separation": separation(twins).to_document(),
            "assumed": list(twins.assumed),
        },
        "budget": [
            {
                "cost": Cost(step.cost).name.lower(),
                "added": list(step.added),
                "real": step.real.to_document(),
            }
            for step in by_budget(everything, costs)
        ],
        "authors": {
            author: real(part).to_document()
            for author, part in by_author(
                matrices.outcomes(column.layers, strategies=afforded(matrices.strategies, 0)).only(kept)
            ).items()
        },
        "scales": {
            f"{scale:,}": make_rate(stopped).to_document()
            for scale, stopped in matrices.scaled(column.layers, scales_of(matrices)).items()
            if len(stopped)
        },
        "assumed": [*everything.assumed, *work.assumed],
    }


def scales_of(matrices: Matrices) -> Sequence[int]:
    """Numbers of persons at which scaled goals were asked for, from the fewest on."""
    found = {
        int(scenario.partition("@")[2])
        for stack in matrices.stacks
        for scenario, _, _ in matrices.rows(stack)
        if "@" in scenario
    }
    return sorted(found)


def _level(found: Outcomes, kinds: Sequence[str], shown: Sequence[str]) -> Mapping[str, Any]:
    best, rate = universal(found)
    return {
        "strategies": list(found.strategies),
        **{name: quantity(found).to_document() for name, quantity in QUANTITIES.items()},
        "real_at_least": real(found).at_least().low,
        "universal": {"strategy": best, **rate.to_document()},
        "alone": {
            each: make_rate(found.stopped(each), found.clusters).to_document() for each in found.strategies
        },
        "discovery": [{"strategy": name, **step.to_document()} for name, step in discovery(found)],
        "per_kind": {
            name: parted(found, kinds, quantity, axis="kind").to_document()["parts"]
            for name, quantity in QUANTITIES.items()
        },
        "per_kind_at_least": {kind: real(part).at_least().low for kind, part in split(found, kinds).items()},
        "per_visible_in": {
            name: parted(found, shown, quantity, axis="visible_in").to_document()["parts"]
            for name, quantity in QUANTITIES.items()
        },
    }


def _work(work: Work, scenarios: Scenarios) -> Mapping[str, Any]:
    kinds = np.array([task.kind.value for task in scenarios.tasks])
    alike = np.array([task.look_alike for task in scenarios.tasks], dtype=np.bool_)
    parts = {
        "all": np.ones_like(alike),
        "ordinary": ~alike,
        "look-alikes": alike,
        **{str(kind): kinds == kind for kind in dict.fromkeys(kinds)},
    }
    stopped = make_rate(work.stopped)
    return {
        "stopped": {
            name: make_rate(work.stopped[part]).to_document() for name, part in parts.items() if part.any()
        },
        "waited": {
            name: make_rate(work.waited[part]).to_document() for name, part in parts.items() if part.any()
        },
        "stopped_at_most": stopped.at_most().high,
        "which": [name for name, stop in zip(work.tasks, work.stopped, strict=True) if stop],
        "assumed": list(work.assumed),
    }


def figures_of(column: Column, matrices: Matrices, kept: Bools) -> list[Mapping[str, Any]]:
    """What `--require` can be held against (spec/assay-require.md)."""
    goals = [goal for goal, keep in zip(matrices.scenarios.goals, kept, strict=True) if keep]
    labels = {
        "kind": [goal.kind.value for goal in goals],
        "visible_in": [goal.visible_in.value for goal in goals],
        "cluster": [goal.cluster for goal in goals],
    }
    made: list[Mapping[str, Any]] = []
    for liars in LIARS:
        found = matrices.outcomes(column.layers, strategies=afforded(matrices.strategies, liars)).only(kept)
        for quantity, count in (*QUANTITIES.items(), ("universal", lambda each: universal(each)[1])):
            made.append(make_figure(quantity, count(found), safeguard=column.name, lying_signers=liars))
            for axis, names in labels.items():
                made += [
                    make_figure(
                        quantity,
                        count(part),
                        safeguard=column.name,
                        lying_signers=liars,
                        axis=axis,
                        part=label,
                    )
                    for label, part in split(found, names).items()
                ]
    made += _figures_by_attack(column, matrices, kept)
    work = matrices.work(column.layers)
    kinds = np.array([task.kind.value for task in matrices.scenarios.tasks])
    for name, found_of in (("false_stops", work.stopped), ("waited", work.waited)):
        made.append(make_figure(name, make_rate(found_of), safeguard=column.name))
        made += [
            make_figure(
                name,
                make_rate(found_of[kinds == kind]),
                safeguard=column.name,
                axis="kind",
                part=str(kind),
            )
            for kind in dict.fromkeys(kinds)
        ]
    made.append(make_figure("separation", separation(matrices.twins(column.layers)), safeguard=column.name))
    return made


def _figures_by_attack(column: Column, matrices: Matrices, kept: Bools) -> list[Mapping[str, Any]]:
    """With nobody lying: by who wrote goals and attackers, by who makes the attack, and by how many persons it is about."""
    found = matrices.outcomes(column.layers, strategies=afforded(matrices.strategies, 0)).only(kept)
    parts = [("written_by", matrices.scenarios.author, found)]
    parts += [("author", author, part) for author, part in by_author(found).items()]
    made = [
        make_figure(name, quantity(each), safeguard=column.name, axis=axis, part=part)
        for axis, part, each in parts
        for name, quantity in QUANTITIES.items()
    ]
    # asked for plainly, which is what apparent means: no strategy was tried at another scale
    made += [
        make_figure("apparent", make_rate(stopped), safeguard=column.name, axis="scale", part=f"{scale:,}")
        for scale, stopped in matrices.scaled(column.layers, scales_of(matrices)).items()
        if len(stopped)
    ]
    return made
