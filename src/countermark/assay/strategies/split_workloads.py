"""Spreads the rows over four service desks, each of which may serve persons, a few at a time."""

from __future__ import annotations

from countermark.assay.strategies.asking import in_pieces
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene

DESKS = ("desk-1", "desk-2", "desk-3", "desk-4")


def _tries(scene: Scene) -> tuple[Try, ...]:
    return in_pieces(scene, DESKS)


STRATEGY = Strategy(
    name="split-workloads",
    title="spreads the rows over four service desks of the same party",
    aims_at="counting by credential",
    family="splitting",
    author=Author.AUTOMATED,
    cost=Cost.CREDENTIALS,
    access="four desks' credentials and true papers",
    liars=0,
    tries=_tries,
    needs=DESKS,
)
