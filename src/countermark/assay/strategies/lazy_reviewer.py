"""One person approves whatever is held, without looking.

Each of those who may is tried, and for a system of its own: an approval waits for others, and two who never met would add up.
"""

from __future__ import annotations

from collections.abc import Mapping

from countermark.assay.strategies.asking import ask, attempt, reworded
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene

APPROVERS: Mapping[str, str] = {
    "careless-1": "northmark_duty_officer",
    "careless-2": "northmark_commander",
    "careless-3": "halden_reviewer",
}
"""System to the role that may approve what it asks: whoever is careless, it is one of them."""


def _tries(scene: Scene) -> tuple[Try, ...]:
    _, text = reworded(scene)[0]
    return tuple(
        attempt(person.replace("_", "-"), scene, ask(scene, text, role=role), roles=(role,), also=(person,))
        for role, person in APPROVERS.items()
    )


STRATEGY = Strategy(
    name="lazy-reviewer",
    title="one person approves whatever is held, without looking",
    aims_at="quorums of two parties",
    family="people",
    author=Author.PERSON,
    cost=Cost.INSIDER,
    access="its own system's credential and true papers",
    liars=1,
    tries=_tries,
    needs=tuple(APPROVERS),
)
