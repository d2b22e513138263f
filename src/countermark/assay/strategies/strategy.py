"""What a strategy is: an author, what it costs, what access it needs, and the tries that it makes for a goal.

A try is declared, not programmed: requests, who signs where one is held, what is put on file first. So every layer set
meets the same tries, and the best one per goal is taken for each set: the attacker adapts to every set of layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum

from countermark.assay.scenarios.model import Goal
from countermark.assay.worlds.scene import Scene
from countermark.errors import CampaignError

MAX_TRIES = 5
"""Attempts that a strategy has at a goal, fixed beforehand: more of them would find more."""
MAX_ASKS = 10
"""Requests that one try may consist of."""
NAIVE = "naive"
"""Name of the strategy that doesn't adapt: under it alone a safeguard shows its apparent protection."""


class Author(StrEnum):
    """Who makes the attack: figures are given apart."""

    PERSON = "person"
    """Somebody who words it."""
    AUTOMATED = "automated"
    """A program, without anybody's wit."""


class Cost(IntEnum):
    """What an attacker must be able to afford: the x axis of the budget curve. Each includes those below."""

    WORDS = 0
    """Other words, headers or files, from one's own system."""
    CREDENTIALS = 1
    """Other systems of one's own party, with their valid credentials and true papers."""
    INSIDER = 2
    """A person who is careless, or one stolen key."""
    COLLUSION = 3
    """Two persons of two parties who sign what is false."""
    RUNNER = 4
    """The machine that the gateway runs on, or the upstream's key."""


class Route(StrEnum):
    """Where a request goes."""

    GATE = "gate"
    """The way that callers are meant to take."""
    ROUND = "round"
    """Straight to the upstream, without its key."""
    ROUND_WITH_KEY = "round with key"
    """Straight to the upstream, with its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of a try.

    Attributes:
        workload: Whose credential it carries: a name of the world (`northmark/...`).
        body: The request, bytes of the OpenAI chat form.
        headers: Beside the credential: claims, a named statement.
        carries: Rows of the goal's data that it carries, counted from 0; the goal needs all of them.
        again: Sent a second time, byte for byte with the same proof and approval: what must pass is the second.
        anew: Sent a second time, the same bytes under a new proof; nobody signs twice, and what must pass is the second.
    """

    workload: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    carries: range = range(0)
    again: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt at a goal: every request of it must come through, and give what the goal needs.

    Attributes:
        signs: Roles whose people sign where a request is held. Empty: nobody does, and held is stopped.
        submits: Statement files that the attacker first puts on file, with `submitted_by`, a person of the world.
        tamper: Names a change to the gateway's log between two requests (`strategies/tamper.py`); empty for none.
    """

    name: str
    asks: tuple[Ask, ...]
    signs: tuple[str, ...] = ()
    submits: tuple[bytes, ...] = ()
    submitted_by: str = ""
    route: Route = Route.GATE
    tamper: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One way of going for goals. Each module of this package has one, named `STRATEGY`.

    Attributes:
        name: A few words in kebab case; `title` says what the attacker does, in one line.
        access: What the attacker holds, in words.
        aims_at: The safeguard that it puts to the test, in a few words.
        liars: How many persons sign what is false, or sign without looking: 0, 1 or 2.
        family: Strategies of one family are held out together.
        tries: From a goal's scene to at most `MAX_TRIES` tries, in the order in which they are made; at least one, since
            a goal that a strategy doesn't go for would count as reached.
        needs: Roles of workload that it uses of the scene (`Scene.workloads`), so that the world has them.
    """

    name: str
    title: str
    family: str
    author: Author
    cost: Cost
    access: str
    liars: int
    tries: Callable[[Scene], tuple[Try, ...]]
    needs: tuple[str, ...] = ("own",)
    aims_at: str = ""


def goal_of(scene: Scene) -> Goal:
    """The goal of a scene.

    Raises:
        CampaignError: It is a task: nobody attacks work.
    """
    if not isinstance(scene.scenario, Goal):
        raise CampaignError(f"expected the scene of a goal, got the task `{scene.id}`")
    return scene.scenario


def held_out(strategy: Strategy) -> Strategy:
    """The same strategy in wordings that nothing was developed on, for confirming what it was found to do."""

    def tries(scene: Scene) -> tuple[Try, ...]:
        goal = goal_of(scene)
        return strategy.tries(replace(scene, scenario=replace(goal, reworded=goal.heldout)))

    return replace(strategy, name=f"{strategy.name}-held-out", tries=tries)
