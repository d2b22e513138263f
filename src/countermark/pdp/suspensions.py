"""Brakes that a side has put on: DENY while they stand. Any side takes one alone; its own side lifts it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from countermark.attestation.envelope import parse_envelope
from countermark.attestation.statement import parse_statement
from countermark.attestation.trust_root import TrustRoot
from countermark.errors import ExpiredError, MalformedError
from countermark.policy.approval import TAKEN, verify_suspension


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """One brake.

    Attributes:
        scope: `all`, `workload`, `model` or `purpose`.
        target: What it stops; empty for `all`.
        side: The sides that took it.
        valid_until: When it lapses by itself.
    """

    suspension_id: str
    scope: str
    target: str
    side: str
    taken_at: datetime
    valid_until: datetime
    statement: str


def verify_taken(document: bytes, root: TrustRoot, now: datetime) -> Suspension:
    """Check a signed order that takes a brake.

    Raises:
        QuorumError: No side's key signed it.
        ExpiredError: It has lapsed; NotYetValidError: its time has not come.
        MalformedError: Not a suspension that is taken.
    """
    order, sides = verify_suspension(document, root, now)
    if order.state != TAKEN:
        raise MalformedError(f"expected a suspension that is `{TAKEN}`, got `{order.state}`")
    statement = parse_statement(parse_envelope(document).payload)
    return Suspension(
        suspension_id=order.suspension_id,
        scope=order.scope,
        target=order.target,
        side=", ".join(sorted(sides)),
        taken_at=statement.validity.valid_from,
        valid_until=statement.validity.valid_until,
        statement=statement.sha256,
    )


class Suspensions:
    """The brakes that stand now."""

    def __init__(self, standing: Iterable[Suspension] = ()) -> None:
        self._standing = {each.suspension_id: each for each in standing}

    @classmethod
    def verify_all(cls, documents: Iterable[bytes], root: TrustRoot, now: datetime) -> Suspensions:
        """Those of `documents` (signed orders on file) that stand at `now`; one that has lapsed stands no more."""
        standing: list[Suspension] = []
        for document in documents:
            with contextlib.suppress(ExpiredError):
                standing.append(verify_taken(document, root, now))
        return cls(standing)

    def take(self, suspension: Suspension) -> None:
        """Put a brake on; the same one again only ever prolongs it."""
        known = self._standing.get(suspension.suspension_id)
        if known is not None and known.valid_until >= suspension.valid_until:
            return
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

    def why(self, *, workload: str, model: str, purpose: str, now: datetime) -> str | None:
        """Why a request is stopped at `now`, or None."""
        if not self._standing:
            return None
        targets: Mapping[str, str] = {"all": "", "workload": workload, "model": model, "purpose": purpose}
        for each in self._standing.values():
            if now >= each.valid_until:
                continue
            # an unknown purpose could be the suspended one: a brake errs on the side of stopping
            if targets[each.scope] == each.target or (
                each.scope == "purpose" and purpose in ("unknown", "conflict")
            ):
                what = f"{each.scope} `{each.target}`" if each.target else "everything"
                return f"{what} is suspended by {each.side} (suspension {each.suspension_id})"
        return None
