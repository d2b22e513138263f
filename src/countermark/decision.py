"""What is decided: PERMIT, HOLD (people first) or DENY, and on which clauses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import NoReturn


class Outcome(IntEnum):
    """Ordered: DENY < HOLD < PERMIT. The promises in docs/design are about this order."""

    DENY = 0
    HOLD = 1
    PERMIT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer of the PDP to one `Request` under one set of `Facts`.

    Attributes:
        outcome: What the clauses say.
        clauses: Ids of the clauses that decided: the permits of a PERMIT, the forbids of a DENY or HOLD, sorted. Empty
            where no clause applied (default DENY).
        quorum: For HOLD: the smallest number of approvals per role that would permit it; roles with 0 are left out.
        bundle: Digest of the bundle that decided.
        observe: The outcome is recorded, not enforced (never for a red line); `enforced` is then PERMIT.
        valid_until: Earliest expiry among the facts that were known; None where nothing expires.
        error: Why no clause could be evaluated; the outcome is DENY then.
    """

    outcome: Outcome
    clauses: tuple[str, ...]
    bundle: str
    quorum: Mapping[str, int] = field(default_factory=dict)
    observe: bool = False
    valid_until: datetime | None = None
    error: str | None = None

    @property
    def enforced(self) -> Outcome:
        """What the PEP does: the outcome, unless the bundle only observes it."""
        return Outcome.PERMIT if self.observe else self.outcome

    def __bool__(self) -> NoReturn:
        """Refuse: `if decision:` would permit by accident. Compare `decision.enforced`."""
        raise TypeError("a decision has no truth value: compare `decision.enforced` with `Outcome.PERMIT`")
