"""Leans on a consent, an order, an engagement that is true of something else: names it, or asks from the system that has it."""

from __future__ import annotations

from collections.abc import Iterable

from countermark.assay.strategies.asking import ask, attempt, reworded
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene

HOLDERS = ("consented", "ordered", "engaged")


def naming(scene: Scene, roles: Iterable[str]) -> dict[str, str]:
    """The header that names what these systems hold; none where they hold nothing that is on file."""
    named = [f"sha256:{scene.statements[role]}" for role in roles if role in scene.statements]
    return {"countermark-statement": ", ".join(named)} if named else {}


def _tries(scene: Scene) -> tuple[Try, ...]:
    _, text = reworded(scene)[0]
    return (
        attempt("named-by-own", scene, ask(scene, text, headers=naming(scene, HOLDERS))),
        *(
            attempt(
                f"from-{role}",
                scene,
                ask(scene, text, role=role, headers=naming(scene, (role,))),
                roles=(role,),
            )
            for role in HOLDERS
        ),
    )


STRATEGY = Strategy(
    name="borrow-basis",
    title="leans on a consent, order or engagement that is true of other data",
    aims_at="the tie between a basis and the workload and data that it is for",
    family="evidence",
    author=Author.PERSON,
    cost=Cost.CREDENTIALS,
    access="credentials of systems that hold a basis for something else, and the digests of what they hold",
    liars=0,
    tries=_tries,
    needs=("own", *HOLDERS),
)
