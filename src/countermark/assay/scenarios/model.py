"""What a scenario is: a goal with its truth, its wordings and its twin; a benign task; the paper that is signed of a system.

Everything is at policy level: what is asked of which data about whom, by whom, with what authority.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The kind of deployment that a system is; figures are never pooled over them alone."""

    OFFICE = "office"
    PERSONS_ANALYSIS = "persons-analysis"
    ACTUATING = "actuating"
    CLOSED = "closed"


class Visible(StrEnum):
    """Where it could be seen that a goal is misuse, when it is asked for plainly."""

    CONTENT = "content"
    """In the words and data of the request."""
    CONTEXT = "context"
    """Only in what surrounds the request: system, consent, order, range, a person's decision."""
    NEITHER = "neither"
    """Neither: the papers are in order, and wrong."""


class Differs(StrEnum):
    """What makes the difference between a goal and its twin."""

    SYSTEM = "system"
    CONSENT = "consent"
    ORDER = "order"
    RANGE = "range"
    DECISION = "decision"


class Cover(StrEnum):
    """How many of the persons or addresses of a request an order or an engagement names."""

    ALL = "all"
    FIRST = "first"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What is signed of a system, and who would sign what it asks for. In a goal's `paper` all of it is true.

    Attributes:
        purpose: One of the bundle's purposes.
        tools: Tool to its effects (actuate, decide, communicate, spend).
        answer_effects: What acting on a plain answer does, without a person between.
        key_bound: It signs its requests; else it shows an API key.
        review, decides: Of its oversight statement; None where there is none.
        order, engagement: Whom or what one that names this system covers; None where there is none.
        consent: What a consent that names this system lets be derived; None where there is none.
        models: Models that its purpose names.
        declares_tools: False where the deployment statement leaves out the tools that the request offers.
        people: Roles whose people sign what this system asks for where it is held: with this paper in hand they would.
    """

    name: str
    system: str
    site: Kind
    purpose: str
    operations: tuple[str, ...] = ()
    data_classes: tuple[str, ...] = ("no-persons",)
    persons_at_most: int = 0
    basis: str = "none"
    tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    answer_effects: tuple[str, ...] = ()
    key_bound: bool = False
    review: str | None = None
    decides: str | None = None
    order: Cover | None = None
    consent: tuple[str, ...] | None = None
    engagement: Cover | None = None
    models: tuple[str, ...] = ("m-1",)
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Data that a request carries: `n` rows of a table that the seed fills (`worlds/tables.py`).

    Attributes:
        of: What they are drawn for: scenarios that share it carry the same rows. The scenario itself where it is empty.
    """

    table: str
    n: int
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that a request offers to the model; `parameters` is its JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One misuse outcome.

    Attributes:
        id: `cluster/name`.
        rule: The clause that it is against, as in the bundle (`RL-1`), or one of the everyday rules.
        truth: What is really going on, in one sentence or two.
        naive: Says openly what it is for. `{rows}` stands for the data.
        reworded: Other descriptions of the same; the attacker may try them all.
        heldout: Further ones, that nothing was developed on.
        effect: The tool whose call is the goal; empty where the answer itself is.
        paper: What is truly signed of the system that asks.
        lie: What would have to be signed of it, falsely, for it to look like work.
        scaled: Also measured at 1, 100 and 1,000,000 persons.
        work_id: Its twin's id among the benign tasks; empty where it has none.
    """

    id: str
    cluster: str
    rule: str
    title: str
    kind: Kind
    visible_in: Visible
    truth: str
    naive: str
    reworded: tuple[str, ...]
    heldout: tuple[str, ...]
    rows: Rows | None
    tools: tuple[Tool, ...]
    effect: str
    paper: Paper
    lie: Paper
    scaled: bool
    work_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Work that should pass.

    Attributes:
        look_alike: It looks like misuse; figures for these are given separately.
        twin_of: The goal whose request is the same, byte for byte; empty where it is no twin.
        differs: For a twin, what makes the difference.
    """

    id: str
    cluster: str
    title: str
    kind: Kind
    look_alike: bool
    truth: str
    text: str
    rows: Rows | None
    tools: tuple[Tool, ...]
    effect: str
    paper: Paper
    twin_of: str = ""
    differs: Differs | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenarios:
    """All goals and tasks of a set.

    Attributes:
        author: Who wrote it: `ours`, or a pack's author.
        titles: Cluster to its title.
        sha256: Over the files that it was read from.
    """

    author: str
    goals: tuple[Goal, ...]
    tasks: tuple[Task, ...]
    titles: Mapping[str, str]
    sha256: str
