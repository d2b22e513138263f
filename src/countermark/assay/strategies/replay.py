"""Sends what was approved a second time: byte for byte with the same proof of possession, and under a new proof.

A new proof is no more than the credential's holder can make; then nothing but the approval's single use stands in the way.
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
    text = naive_text(scene)
    tries = [attempt("same-bytes-again", scene, ask(scene, text, role=role, again=True), roles=(role,))]
    if scene.decided:
        tries.append(
            attempt("under-a-new-proof", scene, ask(scene, text, role=role, anew=True), roles=(role,))
        )
    return tuple(tries)


STRATEGY = Strategy(
    name="replay",
    title="sends an approved request a second time, with the same proof and with a new one",
    aims_at="single use of approvals and of proofs of possession",
    family="evidence",
    author=Author.AUTOMATED,
    cost=Cost.CREDENTIALS,
    access="a request that was truly approved, as it was sent",
    liars=0,
    tries=_tries,
    needs=("own", "twin"),
)
