"""Brings back what was truly signed once: papers that have lapsed, and older versions of papers that were replaced.

Nobody lies: two parties signed what was so at the time. What is put on file is about a system of its own (`spare`).
"""

from __future__ import annotations

from datetime import timedelta

from countermark.assay.strategies.asking import ask, attempt, reworded
from countermark.assay.strategies.statements import (
    LIFE,
    POLICY,
    RECORDS,
    SUBMITTER,
    lies,
    naming,
    outdated,
    signed_file,
    stated,
)
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.keys import derive_key
from countermark.assay.worlds.scene import Scene
from countermark.attestation.statement import Statement

_LAPSED = 2 * LIFE
"""So long ago that it ended before the world began."""
_OLDER = 0
"""Number of a version before the one that is on file, which has 1."""


def _tries(scene: Scene) -> tuple[Try, ...]:
    lapsed = [stated(scene, said, seq=1, ago=_LAPSED) for said in lies(scene, "spare")]
    older = [stated(scene, said, seq=_OLDER, ago=timedelta()) for said in outdated(scene, "spare")]
    tries = [_bringing(scene, "lapsed", lapsed)]
    return (*tries, _bringing(scene, "replaced", older)) if older else tuple(tries)


def _bringing(scene: Scene, name: str, statements: list[Statement]) -> Try:
    _, text = reworded(scene)[0]
    maker, other = derive_key(scene.seed, RECORDS), derive_key(scene.seed, POLICY)
    return attempt(
        name,
        scene,
        ask(scene, text, role="spare", headers=naming(statements)),
        roles=("spare",),
        submits=tuple(signed_file(statement, maker, other) for statement in statements),
        submitted_by=SUBMITTER,
    )


STRATEGY = Strategy(
    name="replay-statement",
    title="puts true statements back on file that have lapsed or were replaced, and names them",
    aims_at="lifetimes, and that of one maker's statements the newest counts",
    family="evidence",
    author=Author.AUTOMATED,
    cost=Cost.WORDS,
    access="its own system's credential, and its old statements as they were signed",
    liars=0,
    tries=_tries,
    needs=("spare",),
)
