"""What a world consists of before anybody signs anything: workloads with their papers, and what they lean on.

`stacks/` makes keys, trust root and statements of it, once for a campaign; every stack of the campaign lives in that world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from countermark.assay.scenarios.model import Paper
from countermark.assay.worlds.scene import Scene


class Signed(StrEnum):
    """By whom a statement is signed."""

    ONE = "one"
    """The party's own records office: one party's word."""
    TWO = "two"
    """And the provider's policy officer, who countersigns."""


class BasisType(StrEnum):
    """What a workload can lean on."""

    ORDER = "order"
    CONSENT = "consent"
    ENGAGEMENT = "engagement"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWorkload:
    """A workload, its credential, and what is signed of it.

    Attributes:
        name: `northmark/...`.
        paper: What its statements say.
        truth: What is true of it; None where the paper is the truth. Statements that say the same either way are signed by two.
        signed: By whom the others, which are false, are signed.
    """

    name: str
    paper: Paper
    truth: Paper | None = None
    signed: Signed = Signed.TWO


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBasis:
    """An order, a consent or an engagement.

    Attributes:
        name: `northmark/...`; stands in its descriptor.
        selectors: Whom an order names, plain (`citizen:CZ-00000001`); they are signed as keyed digests.
        ranges: Networks of an engagement.
        may_derive: Operations that it allows.
        data_set: Of a consent.
    """

    name: str
    type: BasisType
    workloads: tuple[str, ...]
    selectors: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    may_derive: tuple[str, ...] = ()
    data_set: str = ""
    signed: Signed = Signed.TWO


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPlan:
    """A whole world.

    Attributes:
        seed: Keys, credentials, rows and persons come from it.
        scenes: By the scenario's id, with `@n` behind it where it is the same use at another scale. Their `statements` and
            `made_at` are filled once the world is made: digests and times are known only then.
        bases: Role of a scene's workload to the name of the basis that it holds is in `holds`: (scene, role) to basis name.
    """

    seed: int
    workloads: tuple[PlannedWorkload, ...]
    bases: tuple[PlannedBasis, ...]
    scenes: Mapping[str, Scene]
    holds: Mapping[tuple[str, str], str]
