"""What is different between two results: of one safeguard in time, or of two safeguards on the same goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from countermark.assay.campaign.matrix import AFFORDED
from countermark.assay.compare import Change, Run, compare_all
from countermark.assay.outcomes import Outcomes
from countermark.assay.strategies.strategy import NAIVE, Cost
from countermark.errors import CampaignError

Document = Mapping[str, Any]
WHOLE = "all kinds"


def compare_results(
    before: Document, after: Document, *, column: str | None = None, other: str | None = None, liars: int = 0
) -> Mapping[str, Change]:
    """Compare a column of one result with a column of another, for each kind of deployment.

    Args:
        column: Of `before`; where it is None, the safeguard that the result is about.
        other: Of `after`; where it is None, `column`.
        liars: How many lying signers the attacker has.

    Raises:
        CampaignError: A result without that column.
        OutcomesError: The two have no goal or no strategy in common.
    """
    first = column or str(before["safeguard"])
    second = other or column or str(after["safeguard"])
    # results of before versions were kept are compared by names alone
    versions = all(each.get("version") for one in (before, after) for each in one["plan"]["strategies"])
    kinds = [None, *(kind for kind in before["axes"]["kind"] if kind in after["axes"]["kind"])]
    sides = ((before, first), (after, second))
    return compare_all({kind or WHOLE: _both(sides, liars, kind, versions=versions) for kind in kinds})


def change_words(changes: Mapping[str, Change]) -> Sequence[str]:
    """Line by line, for terminal and page; a rise that a weaker attacker explains is called so, first of all."""
    lines = []
    whole = changes[WHOLE]
    if whole.weaker or whole.stronger:
        lines.append(f"attacker: {whole.attacker}; {'; '.join((*whole.weaker, *whole.stronger))}")
    for kind, change in changes.items():
        moved = [each.says for each in change.differences if each.change.gained or each.change.lost]
        if change.finding is not None:
            lines.append(f"{kind}: {change.finding}")
        elif moved:
            lines.append(
                f"{kind}: real {change.before.value * 100:.1f} to {change.after.value * 100:.1f} %; {'; '.join(moved)}"
            )
    return lines or ["nothing: each goal and task as before"]


def _both(
    sides: tuple[tuple[Document, str], tuple[Document, str]], liars: int, kind: str | None, *, versions: bool
) -> tuple[Run, Run]:
    one, other = (_run(document, name, liars, kind, versions=versions) for document, name in sides)
    return one, other


def _run(document: Document, name: str, liars: int, kind: str | None, *, versions: bool) -> Run:
    cells = document["heat"]["columns"].get(name)
    column = next((each for each in document["columns"] if each["name"] == name), None)
    if cells is None or column is None:
        raise CampaignError(
            f"expected one of the columns {', '.join(document['heat']['columns'])}, got `{name}`"
        )
    known = {each["name"]: each for each in document["plan"]["strategies"]}
    order = list(document["heat"]["strategies"])
    kept = [
        each
        for each in order
        if known[each]["liars"] <= liars and Cost[known[each]["cost"].upper()] <= AFFORDED[liars]
    ]
    goals = [goal["id"] for goal in document["goal_list"] if kind is None or goal["kind"] == kind]
    breached = np.array(
        [[cells[goal][order.index(each)] == "1" for each in kept] for goal in goals], dtype=np.bool_
    )
    outcomes = Outcomes(
        goals=tuple(goals),
        strategies=tuple(kept),
        breached=breached,
        naive=NAIVE if NAIVE in kept else None,
        clusters=tuple((goal.partition("/")[0],) for goal in goals),
    )
    stopped = set(column["work"]["which"])
    return Run(
        outcomes=outcomes,
        attempts=int(document["plan"]["attempts"]),
        versions={each: str(known[each]["version"]) for each in kept} if versions else {},
        access=frozenset(known[each]["access"] for each in kept),
        work={
            task["id"]: task["id"] in stopped
            for task in document["task_list"]
            if kind is None or task["kind"] == kind
        },
    )
