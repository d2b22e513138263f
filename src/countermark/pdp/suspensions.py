"""Brakes that a side has put on: DENY while they stand. Any side takes one alone; its own side lifts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

SCOPES = ("all", "workload", "model", "purpose")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """One brake.

    Attributes:
        scope: `all`, `workload`, `model` or `purpose`.
        target: What it stops; empty for `all`.
        side: The party that took it.
    """

    suspension_id: str
    scope: str
    target: str
    side: str
    taken_at: datetime
    statement: str


class Suspensions:
    """The brakes that stand now."""

    def __init__(self, standing: Iterable[Suspension] = ()) -> None:
        self._standing = {each.suspension_id: each for each in standing}

    def take(self, suspension: Suspension) -> None:
        """Put a brake on; the same one again changes nothing."""
        self._standing[suspension.suspension_id] = suspension

    def lift(self, suspension_id: str) -> Suspension | None:
        """Take a brake off; None where it doesn't stand."""
        return self._standing.pop(suspension_id, None)

    def get(self, suspension_id: str) -> Suspension | None:
        """One brake that stands."""
        return self._standing.get(suspension_id)

    def all(self) -> tuple[Suspension, ...]:
        """Every brake that stands, oldest first."""
        return tuple(sorted(self._standing.values(), key=lambda each: (each.taken_at, each.suspension_id)))

    def why(self, *, workload: str, model: str, purpose: str) -> str | None:
        """Why a request is stopped, or None."""
        if not self._standing:
            return None
        targets: Mapping[str, str] = {"all": "", "workload": workload, "model": model, "purpose": purpose}
        for each in self._standing.values():
            # an unknown purpose could be the suspended one: a brake errs on the side of stopping
            if targets[each.scope] == each.target or (each.scope == "purpose" and purpose in ("unknown", "conflict")):
                what = f"{each.scope} `{each.target}`" if each.target else "everything"
                return f"{what} is suspended by {each.side} (suspension {each.suspension_id})"
        return None
