"""Has false papers signed by two persons of two parties; reviewers who look at the papers find them in order."""

from __future__ import annotations

from countermark.assay.strategies.stolen_key import with_lie
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    return with_lie(scene, "lie-2")


STRATEGY = Strategy(
    name="collude",
    title="two persons of two parties sign false papers; reviewers find them in order",
    aims_at="nothing stops it; it says what a lie costs",
    family="insiders",
    author=Author.PERSON,
    cost=Cost.COLLUSION,
    access="the records officer of one party and the policy officer of the other",
    liars=2,
    tries=_tries,
    needs=("lie-2",),
)
