"""Running the examples of clauses: one row of facts and approvals against the whole bundle."""

from __future__ import annotations

from dataclasses import dataclass

from countermark.decision import Outcome
from countermark.errors import BundleError, PolicyError
from countermark.facts import FactValue
from countermark.policy.bundle import Bundle
from countermark.policy.clause import Clause, Example
from countermark.policy.dialect import MOST_APPROVALS
from countermark.policy.evaluate import Evaluator

WORKLOAD = "northmark/example"
"""Who asks in examples; no clause can read it."""
RESOURCE = "example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the bundle says of an example."""

    outcome: Outcome
    clauses: tuple[str, ...]
    error: str | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.outcome.name} ({self.error})"
        return f"{self.outcome.name} {', '.join(self.clauses) or '(no clause)'}"


def default_values(bundle: Bundle) -> dict[str, FactValue]:
    """What examples assume unless they say otherwise: the bundle's `[examples]`, else the unknown value."""
    return {
        path: bundle.examples.get(path, bundle.facts.unknown_value(path.partition(".")[2]))
        for path in bundle.views_read
    }


def example_values(bundle: Bundle, clause: Clause, example: Example) -> dict[str, FactValue]:
    """All facts of an example.

    Raises:
        BundleError: It names a fact, view, value or role that the bundle doesn't have.
    """
    values = default_values(bundle)
    for path, text in example.facts.items():
        try:
            values[path] = bundle.facts.parse_value(path, text)
        except PolicyError as error:
            raise BundleError(
                file=clause.file, line=example.line, message=str(error), fix="see docs/reference/facts.md"
            ) from error
    for role in example.approvals:
        if role not in bundle.approvals:
            raise BundleError(
                file=clause.file,
                line=example.line,
                message=f"expected a role of `approvals` in bundle.toml, got `{role:.60}`",
                fix="declare the role or name another",
            )
    return values


def tell(evaluator: Evaluator, bundle: Bundle, values: dict[str, FactValue], example: Example) -> Told:
    """What the clauses say: PERMIT now; HOLD where approvals of every role could permit it; else DENY."""
    asked = (str(example.action), WORKLOAD, RESOURCE, values)
    now = evaluator.evaluate(*asked, example.approvals)
    if now.error is not None:
        return Told(outcome=Outcome.DENY, clauses=(), error=now.error)
    if now.permitted:
        return Told(outcome=Outcome.PERMIT, clauses=now.clauses)
    most = dict.fromkeys(bundle.approvals, MOST_APPROVALS)
    held = evaluator.evaluate(*asked, most).permitted
    return Told(outcome=Outcome.HOLD if held else Outcome.DENY, clauses=now.clauses)
