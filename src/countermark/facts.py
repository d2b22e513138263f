"""What a fact is: a value at an assurance level. Names and types of all facts are in `policy/facts.toml`.

A clause reads facts through *views*: `context.countersigned.purpose` is the purpose when only words of at least that
level are listened to. Lowering a level moves a value out of the higher views, where `unknown` takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from types import MappingProxyType

UNKNOWN = "unknown"
"""Nobody who counts at this level says anything. The value of every enumerated fact that nothing is known of."""

CONFLICT = "conflict"
"""Valid statements of this level disagree. No clause accepts it."""

MOST = 2**63 - 1
"""The largest Cedar Long: the unknown value of a number that clauses bound from above."""

FactValue = str | int


class Level(IntEnum):
    """Assurance: who stands behind a fact (docs/design, Trust)."""

    CLAIMED = 0
    """The caller says so. May only restrict."""
    OPERATOR = 1
    """One party's word, whichever party."""
    COUNTERSIGNED = 2
    """Two opposed parties' word."""
    OBSERVED = 3
    """The sight of a gateway whose runner the charter names."""

    @property
    def word(self) -> str:
        """The name that policies, files and pages use: `claimed`, `operator`, `countersigned`, `observed`."""
        return self.name.lower()


LEVELS_BY_WORD: Mapping[str, Level] = MappingProxyType({level.word: level for level in Level})


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """One reason why a fact has its value: who says it, how they know, and what ties it to this request."""

    level: Level
    """The weaker of statement and tie: what the value counts as."""
    value: FactValue
    statement: str | None
    """Digest of the statement's payload (64 hex digits); None for what the gateway saw by itself."""
    statement_level: Level
    tie: str
    """What ties the statement's subject to this request, in words (`credential of the workload`)."""
    tie_level: Level
    signers: tuple[str, ...]
    """`party/role (person): basis, interest`, for each signature that counts."""
    valid_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraisedFact:
    """A fact after appraisal: its value in every view, and what supports it.

    `values` names each level from OPERATOR up (CLAIMED only for claims): the value on which everything of at least
    that level agrees, else `conflict`; `unknown` (or the number's worst value) where there is nothing.
    """

    name: str
    values: Mapping[Level, FactValue]
    support: tuple[Support, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that a clause may read, for one request.

    `values` maps `view.name` (`countersigned.purpose`) to a value. `approvals` counts, per role, the distinct persons
    who approved exactly this action; `possible` how many could (persons of the role in the trust root, less the
    requester).
    """

    values: Mapping[str, FactValue]
    approvals: Mapping[str, int] = field(default_factory=dict)
    possible: Mapping[str, int] = field(default_factory=dict)
