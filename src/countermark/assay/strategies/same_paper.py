"""Asks from a system whose true papers are those of such work; reviewers who look at the papers find them in order.

The system is that of similar work (`Scene`), its order or engagement is about others. Where people decide each single
effect nobody signs: they look at the effect, and papers that are in order are no reason for it.
"""

from __future__ import annotations

from countermark.assay.strategies.asking import from_role
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    return from_role(scene, "similar")


STRATEGY = Strategy(
    name="same-paper",
    title="asks from a system that truly does similar work, with other data",
    aims_at="reviewers who know the papers and not the data",
    family="deployment",
    author=Author.PERSON,
    cost=Cost.CREDENTIALS,
    access="that system's credential and true papers; reviewers sign what its papers cover",
    liars=0,
    tries=_tries,
    needs=("similar",),
)
