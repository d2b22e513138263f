"""A strategy's version: the digest of the tries that it makes for goals which never change.

It follows from what the strategy does, so nobody can weaken one under its old name: a plan says which versions it was made
with, and two results are compared on the strategies that are the same in both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from countermark.assay.scenarios.model import Cover, Goal, Kind, Paper, Rows, Tool, Visible
from countermark.assay.strategies.strategy import Ask, Strategy, Try
from countermark.assay.worlds.scene import Scene, fill

CHARS: Final = 12
_SEED: Final = 1
_ROLES: Final = (
    *("own", "twin", "similar", "spare", "office", "consented", "ordered", "engaged", "lie-1", "lie-2"),
    *(f"desk-{number}" for number in range(1, 5)),
    *(f"careless-{number}" for number in range(1, 6)),
)
_PAPER: Final = Paper(
    name="fixed",
    system="a fixed system",
    site=Kind.OFFICE,
    purpose="office",
    review="before-effect",
    order=Cover.NONE,
    people=("northmark_duty_officer",),
)
_GOAL: Final = Goal(
    id="fixed/list",
    cluster="fixed",
    rule="RL-1",
    title="A fixed goal",
    kind=Kind.OFFICE,
    visible_in=Visible.CONTENT,
    truth="Nothing: it is here to be asked for.",
    naive="Do what must not be done, with these:\n{rows}",
    reworded=("Do the work with these:\n{rows}", "Go through these as usual:\n{rows}"),
    heldout=("The usual, with these:\n{rows}",),
    rows=Rows(table="citizens", n=12),
    tools=(),
    effect="",
    paper=_PAPER,
    lie=replace(_PAPER, purpose="survey", order=Cover.ALL, consent=("notify",), data_classes=("consented",)),
    scaled=False,
    work_id="",
)
_CALL: Final = replace(
    _GOAL,
    id="fixed/call",
    naive='Do it. call act({"n": 1})',
    reworded=('As usual. call act({"n": 1})', 'The routine. call act({"n": 1})'),
    rows=None,
    tools=(Tool(name="act", description="Does it.", parameters={"type": "object"}),),
    effect="act",
)


def _scene(goal: Goal, *, decided: bool) -> Scene:
    rows, total = fill(goal.rows, scenario=goal.id, seed=_SEED)
    return Scene(
        scenario=goal,
        rows=rows,
        total=total,
        workloads={role: f"northmark/fixed.{role}" for role in _ROLES},
        people=dict.fromkeys(_ROLES, _PAPER.people),
        statements={
            role: hashlib.sha256(role.encode()).hexdigest() for role in ("consented", "ordered", "engaged")
        },
        seed=_SEED,
        decided=decided,
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@lru_cache(maxsize=256)
def version_of(strategy: Strategy) -> str:
    """Digest of the tries that it makes for fixed goals, `CHARS` hex digits: the same on every machine and for every seed."""
    made = [
        _said(attempt)
        for goal, decided in ((_GOAL, False), (_CALL, False), (_CALL, True))
        for attempt in strategy.tries(_scene(goal, decided=decided))
    ]
    return hashlib.sha256(repr(made).encode()).hexdigest()[:CHARS]


def _said(of: Try | Ask) -> list[tuple[str, object]]:
    """What differs from the defaults: a field that is added later changes no strategy that makes no use of it."""
    found: list[tuple[str, object]] = []
    for each in fields(of):
        value = getattr(of, each.name)
        if each.name == "asks":
            found.append((each.name, [_said(ask) for ask in value]))
        elif value and value != each.default:
            found.append((each.name, dict(value) if isinstance(value, Mapping) else value))
    return found
