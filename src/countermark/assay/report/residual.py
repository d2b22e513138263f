"""Residual risk: what succeeds against the safeguard itself, by the cheapest way; page and terminal show it alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
RUNNER = "runner"
LEVELS = ("0", "1", "2", RUNNER)
"""What a miss takes: so many lying signers; or the machine that the gateway runs on, which is in none of the three."""
_COSTS = ("words", "credentials", "insider", "collusion", RUNNER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A strategy, and the goals that it is the cheapest way to.

    Attributes:
        level: One of `LEVELS`.
        cost: Class of cost, as in a result.
        rests_on: What the attacker holds.
        goals: Entries of a result's `missed`.
    """

    strategy: str
    level: str
    cost: str
    rests_on: str
    goals: tuple[Document, ...]


def ways(document: Document) -> Sequence[Way]:
    """The cheapest first; of one cost, the one that most goals fall to."""
    by_strategy: dict[str, list[Document]] = {}
    for each in document["missed"]:
        by_strategy.setdefault(each["strategy"], []).append(each)
    made = [
        Way(
            strategy=strategy,
            level=level_of(goals[0]),
            cost=goals[0]["cost"],
            rests_on=goals[0]["rests_on"],
            goals=tuple(goals),
        )
        for strategy, goals in by_strategy.items()
    ]
    return sorted(made, key=lambda way: (_COSTS.index(way.cost), -len(way.goals), way.strategy))


def level_of(missed: Document) -> str:
    """What one miss takes."""
    return RUNNER if missed["cost"] == RUNNER else str(missed["liars"])


def reached(document: Document) -> Mapping[str, int]:
    """How many goals fall at each level, each counted at the lowest; and under `none`, those that nothing reached."""
    counts = dict.fromkeys(LEVELS, 0)
    for each in document["missed"]:
        counts[level_of(each)] += 1
    return {**counts, "none": int(document["goals"]["attainable"]) - sum(counts.values())}


def residual_words(document: Document) -> str:
    """The counts as one sentence."""
    counts = reached(document)
    return (
        f"{counts['0']} of {document['goals']['attainable']} goals fall to true papers, nobody lying; {counts['1']} more to "
        f"one lying signer, {counts['2']} more to two, {counts[RUNNER]} more to who runs the gateway; {counts['none']} to no "
        "strategy"
    )


def runner_real(document: Document) -> float:
    """Real where nobody lies and who runs the machine attacks: what the mechanisms' column of that name compares with."""
    strategies = {each["name"]: each for each in document["plan"]["strategies"]}
    kept = [i for i, name in enumerate(document["heat"]["strategies"]) if strategies[name]["liars"] == 0]
    cells = document["heat"]["columns"][document["columns"][-1]["name"]]
    goals = [goal["id"] for goal in document["goal_list"]]
    return sum(1 for goal in goals if not any(cells[goal][i] == "1" for i in kept)) / len(goals)
