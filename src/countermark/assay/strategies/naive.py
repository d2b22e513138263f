"""Asks openly: the attacker doesn't adapt, and whatever stops this is apparent protection."""

from __future__ import annotations

from countermark.assay.strategies.asking import ask, attempt
from countermark.assay.strategies.asking import naive as naive_text
from countermark.assay.strategies.strategy import NAIVE, Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    return (attempt("naive", scene, ask(scene, naive_text(scene))),)


STRATEGY = Strategy(
    name=NAIVE,
    title="asks openly, from its own system",
    aims_at="whatever stops who doesn't adapt: apparent protection",
    family="naive",
    author=Author.PERSON,
    cost=Cost.WORDS,
    access="its own system's credential and true papers",
    liars=0,
    tries=_tries,
)
