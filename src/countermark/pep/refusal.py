"""Answers that are not the model's: what a caller learns of a DENY, a HOLD or a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from countermark.decision import Outcome
from countermark.evidence.observation import KnownCredential
from countermark.pdp.asked import Answered
from countermark.pep.reading import ErrorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is not the model's: what kind, what it says, and what Countermark adds to it."""

    kind: ErrorKind
    message: str
    countermark: Mapping[str, Any] | None = None


def refusal_of(answered: Answered, caller: KnownCredential, *, tool: str | None = None) -> Refusal:
    """What a caller learns of a DENY or HOLD: decision id and clauses; what is missing only with the right to it."""
    decision = answered.decision
    held = decision.outcome is Outcome.HOLD
    said = f"the call of `{tool[:60]}`" if tool is not None else "this request"
    clauses = ", ".join(decision.clauses)
    document: dict[str, Any] = {
        "decision_id": answered.id,
        "outcome": decision.outcome.name,
        "clauses": list(decision.clauses),
    }
    if held:
        message = f"{said} is held: people have to approve it first ({clauses}); send it again once they have"
        document |= {"hold_id": answered.hold, "expires_at": answered.hold_expires}
    elif decision.error is not None:
        message = f"{said} is denied: {decision.error}"
    elif clauses:
        message = f"{said} is denied by {clauses}"
    else:
        message = f"{said} is denied: no clause permits it"
    if caller.may_explain:
        document["facts"] = dict(answered.values)
        document["relations"] = list(answered.relations)
        if held:
            document["needs"] = dict(decision.quorum)
        if answered.notes:
            document["notes"] = list(answered.notes)
    return Refusal(
        kind=ErrorKind.HOLD if held else ErrorKind.DENIED,
        message=f"{message} (decision {answered.id})",
        countermark=document,
    )
