"""Spreads the rows over several requests, so that each of them is small."""

from __future__ import annotations

from countermark.assay.strategies.asking import in_pieces
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    return in_pieces(scene, ("own",))


STRATEGY = Strategy(
    name="split-requests",
    title="spreads the rows over up to ten requests",
    aims_at="limits on one request",
    family="splitting",
    author=Author.AUTOMATED,
    cost=Cost.WORDS,
    access="its own system's credential and true papers",
    liars=0,
    tries=_tries,
)
