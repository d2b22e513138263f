"""Asks from the office assistant, whose true papers say that it carries nobody's data."""

from __future__ import annotations

from countermark.assay.strategies.asking import from_role
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    return from_role(scene, "office")


STRATEGY = Strategy(
    name="borrow-deployment",
    title="asks from the office assistant, and describes the data as something else",
    aims_at="the tie between a system's papers and what is asked of it",
    family="deployment",
    author=Author.PERSON,
    cost=Cost.CREDENTIALS,
    access="the office assistant's credential and true papers",
    liars=0,
    tries=_tries,
    needs=("office",),
)
