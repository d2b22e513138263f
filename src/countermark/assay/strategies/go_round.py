"""Asks the model directly, past the gateway, without the upstream's key."""

from __future__ import annotations

from countermark.assay.strategies.asking import ask, attempt, reworded
from countermark.assay.strategies.asking import naive as naive_text
from countermark.assay.strategies.strategy import Author, Cost, Route, Strategy, Try
from countermark.assay.worlds.scene import Scene


def past(scene: Scene, route: Route) -> tuple[Try, ...]:
    """Openly, and in a rewording, straight to the upstream."""
    told = (("naive", naive_text(scene)), reworded(scene)[0])
    return tuple(attempt(name, scene, ask(scene, text), roles=(), route=route) for name, text in told)


def _tries(scene: Scene) -> tuple[Try, ...]:
    return past(scene, Route.ROUND)


STRATEGY = Strategy(
    name="go-round",
    title="asks the model directly, past the gateway, without the upstream's key",
    aims_at="the upstream's own door",
    family="route",
    author=Author.AUTOMATED,
    cost=Cost.CREDENTIALS,
    access="the upstream's address",
    liars=0,
    tries=_tries,
)
