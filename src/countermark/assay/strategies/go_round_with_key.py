"""Asks the model directly, past the gateway, with the upstream's key, which whoever runs the gateway has."""

from __future__ import annotations

from countermark.assay.strategies.go_round import past
from countermark.assay.strategies.strategy import Author, Cost, Route, Strategy, Try
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    return past(scene, Route.ROUND_WITH_KEY)


STRATEGY = Strategy(
    name="go-round-with-key",
    title="asks the model directly, past the gateway, with the upstream's key",
    aims_at="the permit that an upstream checks",
    family="route",
    author=Author.AUTOMATED,
    cost=Cost.RUNNER,
    access="the upstream's address and key",
    liars=0,
    tries=_tries,
)
