"""Describes the data or the task as something else: the cheapest attack on whatever reads only content."""

from __future__ import annotations

from countermark.assay.strategies.asking import from_role
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    return from_role(scene, "own")


STRATEGY = Strategy(
    name="misdescribe",
    title="describes data or task as something else, in the prompt",
    aims_at="refusals and classifiers; that no text is a fact which permits",
    family="words",
    author=Author.PERSON,
    cost=Cost.WORDS,
    access="its own system's credential and true papers",
    liars=0,
    tries=_tries,
)
