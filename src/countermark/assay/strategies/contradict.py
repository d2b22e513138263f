"""Puts a statement on file that contradicts the honest one, signed by one person: under its number, and as a newer one.

Reviewers who are shown the newest paper find it in order.
"""

from __future__ import annotations

from countermark.assay.strategies.asking import ask, attempt, reworded
from countermark.assay.strategies.statements import RECORDS, SUBMITTER, lies, naming, signed_file, stated
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try, goal_of
from countermark.assay.worlds.keys import derive_key
from countermark.assay.worlds.scene import Scene


def _tries(scene: Scene) -> tuple[Try, ...]:
    _, text = reworded(scene)[0]
    key = derive_key(scene.seed, RECORDS)
    tries = []
    for name, seq in (("same-number", 1), ("newer", 2)):
        made = [stated(scene, said, seq=seq) for said in lies(scene, "spare")]
        tries.append(
            attempt(
                name,
                scene,
                ask(scene, text, role="spare", headers=naming(made)),
                roles=("spare",),
                also=goal_of(scene).lie.people,
                submits=tuple(signed_file(statement, key) for statement in made),
                submitted_by=SUBMITTER,
            )
        )
    return tuple(tries)


STRATEGY = Strategy(
    name="contradict",
    title="puts a statement of one person on file that contradicts the countersigned one",
    aims_at="agreement of statements",
    family="evidence",
    author=Author.PERSON,
    cost=Cost.INSIDER,
    access="one key that makes statements",
    liars=1,
    tries=_tries,
    needs=("spare",),
)
