"""Has false papers signed with one stolen key, that of the records office: one party's word."""

from __future__ import annotations

from countermark.assay.strategies.asking import ask, attempt, from_role
from countermark.assay.strategies.asking import naive as naive_text
from countermark.assay.strategies.strategy import Author, Cost, Strategy, Try
from countermark.assay.worlds.scene import Scene


def with_lie(scene: Scene, role: str) -> tuple[Try, ...]:
    """Openly and in two rewordings, from the system about which the lie is signed; reviewers are shown the lie."""
    openly = attempt("naive", scene, ask(scene, naive_text(scene), role=role), roles=(role,))
    return (openly, *from_role(scene, role, most=2))


def _tries(scene: Scene) -> tuple[Try, ...]:
    return with_lie(scene, "lie-1")


STRATEGY = Strategy(
    name="stolen-key",
    title="signs false papers with one stolen key, the records officer's",
    aims_at="countersigning",
    family="insiders",
    author=Author.PERSON,
    cost=Cost.INSIDER,
    access="one key that makes statements",
    liars=1,
    tries=_tries,
    needs=("lie-1",),
)
