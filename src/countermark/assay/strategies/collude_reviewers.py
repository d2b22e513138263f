"""Two persons of two parties approve whatever is held, without looking."""

from __future__ import annotations

from collections.abc import Mapping

from countermark.assay.strategies.asking import ask, attempt, reworded
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene

PAIRS: Mapping[str, tuple[str, str]] = {
    "careless-4": ("northmark_duty_officer", "halden_reviewer"),
    "careless-5": ("northmark_commander", "halden_reviewer"),
}
"""System to two roles of two parties: each pair has one of its own, so that no third person's approval adds up with theirs,
and so that what others left held there doesn't fill the desk."""


def _tries(scene: Scene) -> tuple[Try, ...]:
    _, text = reworded(scene)[0]
    return tuple(
        attempt(
            "-and-".join(pair).replace("_", "-"),
            scene,
            ask(scene, text, role=role),
            roles=(role,),
            also=pair,
        )
        for role, pair in PAIRS.items()
    )


STRATEGY = Strategy(
    name="collude-reviewers",
    title="two persons of two parties approve whatever is held, without looking",
    aims_at="what no approval lifts",
    family="people",
    author=Author.PERSON,
    cost=Cost.COLLUSION,
    access="its own system's credential and true papers",
    liars=2,
    tries=_tries,
    needs=tuple(PAIRS),
)
