"""The result of a campaign as one document: `result.json` (spec/assay-result.md). The same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from countermark.assay.attribution import LayerSet, Share, attribute
from countermark.assay.campaign.columns import (
    LIARS,
    Column,
    attainable,
    figures_of,
    measure_column,
    scales_of,
)
from countermark.assay.campaign.holdout import UNSEEN, holdout_document, would_buy
from countermark.assay.campaign.matrix import Bools, Layers, Matrices, afforded
from countermark.assay.campaign.plan import (
    BOTH,
    CLASSIFIER,
    DENY_ALL,
    LAYERS,
    MAIN,
    OPEN,
    PHRASES,
    REFUSAL,
    SUPERVISORS,
    WITHOUT_PERMIT,
    Plan,
)
from countermark.assay.campaign.scored import Scores, scored_document
from countermark.assay.controls import DENY_ALL as CONTROL_DENY_ALL
from countermark.assay.controls import NO_OP, PHRASE_FILTER, Controlled, Controls, score_controls
from countermark.assay.outcomes import Outcomes, real
from countermark.assay.rate import make_rate
from countermark.assay.scenarios.load import OURS, THEIR_OWN
from countermark.assay.splits import by_author
from countermark.assay.statistics.exact import holm
from countermark.assay.statistics.paired import Paired, pair
from countermark.assay.strategies.strategy import NAIVE, Cost
from countermark.assay.twins import content_only
from countermark.errors import HarnessError
from countermark.estimate import Estimate

VERSION = 1
RUNNER = "runner"
LEVELS: tuple[int | str, ...] = (*LIARS, RUNNER)
"""Lying signers; and nobody lying, but whoever runs the gateway's machine attacks."""
COLUMNS = (
    Column(
        name="refusal",
        title="a model that refuses what openly says that it is misuse",
        layers=(REFUSAL,),
        reads_content_only=True,
    ),
    Column(name="+ classifier", title="and a classifier before it", layers=(BOTH,), reads_content_only=True),
    Column(name="+ supervisors", title="and supervisors who read a share of it", layers=(BOTH, SUPERVISORS)),
    Column(name="countermark", title="Countermark with every mechanism", layers=(MAIN,)),
)
"""The four stacks side by side, in the order of the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a result is made of.

    Attributes:
        unseen: The same rows, with the wordings that nothing was developed on among the strategies; None without them.
    """

    plan: Plan
    matrices: Matrices
    unseen: Matrices | None
    kept: Bools
    controls: Controls


def find(plan: Plan, matrices: Matrices) -> Found:
    """Score the controls, and find out which goals are attainable.

    Raises:
        NothingMeasuredError: No goal is reached even with no layer.
        CampaignError: A stack of the plan has no rows.
        HarnessError: Twins were not the same bytes, or a layer that reads only content told them apart: the measurement is
            wrong.
    """
    _same_bytes(matrices)
    kept = attainable(matrices, (OPEN,))
    controlled = {}
    for control, stack in ((NO_OP, OPEN), (CONTROL_DENY_ALL, DENY_ALL), (PHRASE_FILTER, PHRASES)):
        work = matrices.work((stack,))
        controlled[control] = Controlled(
            outcomes=_words_only(matrices, (stack,)).only(kept), work=work.stopped, work_assumed=work.assumed
        )
    beside = _words_only(matrices, (MAIN,)).only(kept) if MAIN in matrices.stacks else None
    controls = score_controls(controlled, beside=beside)
    for column in COLUMNS:
        if column.reads_content_only and all(each in matrices.stacks for each in column.layers):
            content_only(column.name, matrices.twins(column.layers))
    return Found(plan=plan, matrices=matrices, unseen=_unseen(matrices), kept=kept, controls=controls)


def _same_bytes(matrices: Matrices) -> None:
    """Twins are what they are called on each stack: a layer of context would else be praised for reading content."""
    for stack in matrices.stacks:
        asked = {
            scenario: row.sha256
            for (scenario, strategy, _), row in matrices.rows(stack).items()
            if strategy in ("", NAIVE)
        }
        for task in matrices.scenarios.tasks:
            if task.twin_of and asked.get(task.id) != asked.get(task.twin_of):
                raise HarnessError(
                    f"expected the twins `{task.twin_of}` and `{task.id}` to be the same bytes on `{stack}`"
                )


def _unseen(matrices: Matrices) -> Matrices | None:
    """None where a stack was not asked in unseen wordings."""
    if not all(
        UNSEEN.name in matrices.tried(each)
        for column in COLUMNS
        for each in column.layers
        if each in matrices.stacks
    ):
        return None
    return matrices.among((*matrices.strategies, UNSEEN))


def _words_only(matrices: Matrices, layers: Layers) -> Outcomes:
    """The matrix under strategies that an honest system's credential allows: controls have nobody who could be bribed."""
    return matrices.outcomes(layers, strategies=afforded(matrices.strategies, 0))


def result_document(found: Found, *, scores: Scores | None = None) -> Mapping[str, Any]:
    """Everything that was measured.

    Args:
        scores: Of the classifier, for figures at stated false-stop rates.
    """
    matrices, kept, plan = found.matrices, found.kept, found.plan
    columns = [each for each in COLUMNS if _is_there(each.layers, matrices)]
    mechanisms = [
        Column(name=spec.name, title=spec.title, layers=(spec.name,))
        for spec in plan.stacks
        if (spec.off or spec.name == WITHOUT_PERMIT) and spec.name in matrices.stacks
    ]
    goals = [goal for goal, keep in zip(plan.scenarios.goals, kept, strict=True) if keep]
    measured = [measure_column(column, matrices, kept) for column in columns]
    figures = [figure for column in columns for figure in figures_of(column, matrices, kept)]
    return {
        "version": VERSION,
        "kind": "assay-result",
        "plan": {"sha256": plan.sha256, **plan.document()},
        "safeguard": columns[-1].name,
        "void": list(found.controls.void),
        "controls": found.controls.to_document()["controls"],
        "self_assessed": plan.scenarios.author in (OURS, THEIR_OWN),
        "written_by": plan.scenarios.author,
        "goals": {"all": len(plan.scenarios.goals), "attainable": len(goals)},
        "axes": {
            "kind": list(dict.fromkeys(goal.kind.value for goal in goals)),
            "visible_in": list(dict.fromkeys(goal.visible_in.value for goal in goals)),
            "cluster": list(dict.fromkeys(goal.cluster for goal in goals)),
            "scale": [f"{scale:,}" for scale in scales_of(matrices)],
            "author": list(by_author(_words_only(matrices, columns[-1].layers))),
            "written_by": [plan.scenarios.author],
        },
        "titles": dict(plan.scenarios.titles),
        "goal_list": [
            {"id": goal.id, "kind": goal.kind.value, "visible_in": goal.visible_in.value, "title": goal.title}
            for goal in goals
        ],
        "task_list": [
            {"id": task.id, "kind": task.kind.value, "look_alike": task.look_alike, "twin_of": task.twin_of}
            for task in plan.scenarios.tasks
        ],
        "assumed": sorted({each for column in measured for each in column["assumed"]}),
        "columns": measured,
        "mechanisms": _without(mechanisms, found),
        "clauses": _clauses(found),
        "heat": _heat(found),
        "attribution": _attribution(found),
        "classifier_at": [] if scores is None else scored_document(scores, matrices, kept),
        "holdout": {} if found.unseen is None else holdout_document(columns, matrices, found.unseen, kept),
        "would_buy": would_buy(columns[-1].layers, matrices, kept),
        "composition": _composition(found),
        "missed": _missed(found),
        **_only_seeming(columns, found),
        "figures": figures,
    }


def _is_there(layers: Layers, matrices: Matrices) -> bool:
    return all(each in matrices.stacks or each in matrices.simulated for each in layers)


def _stopped(found: Found, layers: Layers, liars: int) -> Outcomes:
    strategies = afforded(found.matrices.strategies, liars)
    return found.matrices.outcomes(layers, strategies=strategies).only(found.kept)


def _without(mechanisms: Sequence[Column], found: Found) -> Sequence[Mapping[str, Any]]:
    """What each mechanism buys: the goals that come through once it is switched off, paired goal by goal."""
    if MAIN not in found.matrices.stacks or not mechanisms:
        return []
    made: list[dict[str, Any]] = []
    compared: dict[str, Paired] = {}
    for column in mechanisms:
        entry: dict[str, Any] = {"name": column.name, "title": column.title, "levels": {}}
        for liars in LEVELS:
            whole, less = (_at(found, layers, liars) for layers in ((MAIN,), column.layers))
            if whole.strategies != less.strategies:
                continue  # not everything was tried on it: no figure, since less was tried
            difference = pair(less.survives, whole.survives, less.clusters)
            compared[f"{column.name} / {liars}"] = difference
            entry["levels"][str(liars)] = {
                "real": real(less).to_document(),
                "buys": difference.to_document(),
                "goals": [
                    goal
                    for goal, held, now in zip(whole.goals, whole.survives, less.survives, strict=True)
                    if held and not now
                ],
            }
        work = found.matrices.work(column.layers)
        entry["false_stops"] = make_rate(work.stopped).to_document()
        entry["waited"] = make_rate(work.waited).to_document()
        made.append(entry)
    adjusted = holm({name: each.p for name, each in compared.items()})
    for entry in made:
        for liars, level in entry["levels"].items():
            level["p_holm"] = adjusted[f"{entry['name']} / {liars}"]
    return made


def _at(found: Found, layers: Layers, liars: int | str) -> Outcomes:
    if liars != RUNNER:
        return _stopped(found, layers, int(liars))
    strategies = [each.name for each in found.matrices.strategies if each.liars == 0]
    return found.matrices.outcomes(layers, strategies=strategies).only(found.kept)


def _clauses(found: Found) -> Sequence[Mapping[str, Any]]:
    """Of each clause that forbids: the goals that nothing else stops."""
    made = []
    for spec in found.plan.stacks:
        if not spec.without or spec.name not in found.matrices.stacks or MAIN not in found.matrices.stacks:
            continue
        entry: dict[str, Any] = {"clause": spec.without[0], "only": {}}
        for liars in LIARS:
            whole, less = _stopped(found, (MAIN,), liars), _stopped(found, (spec.name,), liars)
            entry["only"][str(liars)] = [
                goal
                for goal, held, now in zip(whole.goals, whole.survives, less.survives, strict=True)
                if held and not now
            ]
            naive_whole, naive_less = whole.seems, less.seems
            if liars == 0:
                entry["naive_only"] = [
                    goal
                    for goal, held, now in zip(whole.goals, naive_whole, naive_less, strict=True)
                    if held and not now
                ]
        work, less_work = found.matrices.work((MAIN,)), found.matrices.work((spec.name,))
        entry["work_freed"] = int((work.stopped & ~less_work.stopped).sum())
        made.append(entry)
    return made


def _heat(found: Found) -> Mapping[str, Any]:
    """Goal by strategy: for each goal one character a strategy, `1` reached and `0` stopped."""
    made: dict[str, Any] = {"strategies": [each.name for each in found.matrices.strategies], "columns": {}}
    for column in COLUMNS:
        if _is_there(column.layers, found.matrices):
            whole = found.matrices.outcomes(column.layers)
            made["columns"][column.name] = {
                goal: "".join("1" if cell else "0" for cell in line)
                for goal, line in zip(whole.goals, whole.breached, strict=True)
            }
    return made


def _layer_stacks(layers: LayerSet) -> Layers:
    """The stacks and simulated layers that a set of layers consists of; none at all is the open model."""
    named = tuple(each for each in LAYERS if each in layers)
    return named if any(each != SUPERVISORS for each in named) else (OPEN, *named)


def _attribution(found: Found) -> Mapping[str, Any]:
    """What each layer is worth among the others, and what one more would buy: every subset, goal by goal."""
    if (
        not _is_there((REFUSAL, CLASSIFIER, MAIN), found.matrices)
        or SUPERVISORS not in found.matrices.simulated
    ):
        return {}
    by_layers = {
        frozenset(subset): _stopped(found, _layer_stacks(frozenset(subset)), 0)
        for many in range(len(LAYERS) + 1)
        for subset in combinations(LAYERS, many)
    }
    stack = frozenset(LAYERS) - {MAIN}
    one_more = [
        {
            "layer": layer,
            "to": sorted(base),
            "buys": pair(
                by_layers[base].survives, by_layers[base | {layer}].survives, by_layers[base].clusters
            ).to_document(),
        }
        for base, layer in ((stack, MAIN), *((frozenset({MAIN}), each) for each in LAYERS if each != MAIN))
    ]
    return {
        "shares": [_share(each) for each in attribute(by_layers, LAYERS)],
        "one_more": one_more,
        "subsets": {
            " + ".join(each for each in LAYERS if each in subset) or "none": {
                "real": real(outcomes).to_document(),
                "apparent": make_rate(outcomes.seems, outcomes.clusters).to_document(),
            }
            for subset, outcomes in by_layers.items()
        },
    }


def _share(share: Share) -> Mapping[str, Any]:
    def document(estimate: Estimate) -> Mapping[str, Any]:
        return dict(estimate.to_document())

    return {
        "layer": share.layer,
        "alone": document(share.alone),
        "left_out": document(share.left_out),
        "shapley_real": document(share.shapley_real),
        "shapley_apparent": document(share.shapley_apparent),
        "theater": share.theater,
    }


def _composition(found: Found) -> Mapping[str, Any]:
    """Whether two layers judged one by one say the same as the two running one behind the other."""
    if not _is_there((REFUSAL, CLASSIFIER, BOTH), found.matrices):
        return {}
    live, judged = (found.matrices.outcomes(each) for each in ((BOTH,), (REFUSAL, CLASSIFIER)))
    cells = live.breached.size
    return {
        "layers": [REFUSAL, CLASSIFIER],
        "cells": cells,
        "differ": int((live.breached != judged.breached).sum()),
    }


def _missed(found: Found) -> Sequence[Mapping[str, Any]]:
    """Every goal that is reached, by the cheapest way, and what the stop would have rested on."""
    if MAIN not in found.matrices.stacks:
        return []
    known = {each.name: each for each in found.matrices.strategies}
    reached = found.matrices.reached_by((MAIN,))
    by_cost = sorted(known.values(), key=lambda each: (each.cost, each.liars, list(known).index(each.name)))
    made = []
    for goal, keep in zip(found.plan.scenarios.goals, found.kept, strict=True):
        if not keep:
            continue
        for strategy in by_cost:
            row = reached.get((goal.id, strategy.name))
            if row is None:
                continue
            made.append(
                {
                    "goal": goal.id,
                    "title": goal.title,
                    "truth": goal.truth,
                    "rule": goal.rule,
                    "kind": goal.kind.value,
                    "visible_in": goal.visible_in.value,
                    "strategy": strategy.name,
                    "attempt": row.attempt,
                    "liars": strategy.liars,
                    "cost": Cost(strategy.cost).name.lower(),
                    "rests_on": strategy.access,
                    "naive": strategy.name == NAIVE,
                }
            )
            break
    return made


def _only_seeming(columns: Sequence[Column], found: Found) -> Mapping[str, Any]:
    """Safeguards that stop work and no misuse, and such as stop only who doesn't adapt, by name."""
    cost_only, apparent_only = [], []
    singles = [*columns, Column(name="classifier alone", title="", layers=(CLASSIFIER,))]
    for column in singles:
        if not _is_there(column.layers, found.matrices):
            continue
        outcomes = _stopped(found, column.layers, 0)
        work = found.matrices.work(column.layers)
        if not outcomes.seems.any() and work.stopped.any():
            cost_only.append(column.name)
        if outcomes.seems.any() and not outcomes.survives.any():
            apparent_only.append(column.name)
    if _is_there((REFUSAL, BOTH), found.matrices):
        one, two = _stopped(found, (REFUSAL,), 0), _stopped(found, (BOTH,), 0)
        more = found.matrices.work((BOTH,)).stopped & ~found.matrices.work((REFUSAL,)).stopped
        if not np.any(two.survives & ~one.survives) and more.any() and "+ classifier" not in apparent_only:
            cost_only.append("the classifier behind the refusal")
    return {"cost_only": cost_only, "apparent_only": apparent_only}
