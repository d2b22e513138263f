"""Sends what was approved a second time, byte for byte, with the same proof of possession.

Where the goal has a twin that people decided on, that is what is sent again: the second effect is the one that nobody
decided on. Elsewhere it is its own request, which must pass once to be replayed.
"""

from __future__ import annotations

from countermark.assay.strategies.asking import ask, attempt
from countermark.assay.strategies.asking import naive as naive_text
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    role = "twin" if scene.decided else "own"
    return (
        attempt(
            "same-bytes-again",
            scene,
            ask(scene, naive_text(scene), role=role, again=True),
            roles=(role,),
        ),
    )


STRATEGY = Strategy(
    name="replay",
    title="sends an approved request a second time, with the same proof",
    aims_at="single use of approvals and of proofs of possession",
    family="evidence",
    author=Author.AUTOMATED,
    cost=Cost.CREDENTIALS,
    access="a request that was truly approved, as it was sent",
    liars=0,
    tries=_tries,
    needs=("own", "twin"),
)
