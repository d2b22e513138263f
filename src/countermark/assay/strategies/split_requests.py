"""Spreads the rows over several requests, so that each of them is small."""

from __future__ import annotations

from countermark.assay.strategies.asking import attempt, pieces, workload
from countermark.assay.strategies.strategy import MAX_ASKS, Ask, Author, Cost, Strategy, Try, goal_of
from countermark.assay.worlds.scene import Scene

_OPENLY = 4


def _tries(scene: Scene) -> tuple[Try, ...]:
    goal = goal_of(scene)
    return tuple(
        attempt(
            name,
            scene,
            *(
                Ask(workload=workload(scene, "own"), body=scene.body(text), carries=carried)
                for carried, text in pieces(scene, template, most)
            ),
        )
        for name, template, most in (
            ("naive-in-4", goal.naive, _OPENLY),
            ("reworded-1-in-10", goal.reworded[0], MAX_ASKS),
        )
    )


STRATEGY = Strategy(
    name="split-requests",
    title="spreads the rows over up to ten requests",
    family="splitting",
    author=Author.AUTOMATED,
    cost=Cost.WORDS,
    access="its own system's credential and true papers",
    liars=0,
    tries=_tries,
)
