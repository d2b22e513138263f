"""What the API answers with: who calls, what is on file, what was considered, as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from countermark.clock import format_time
from countermark.evidence.observation import KnownCredential
from countermark.oversight.hold import Hold, hold_to_dict
from countermark.oversight.shown import fact_to_dict
from countermark.pdp.missing import Way
from countermark.pdp.on_file import Filed
from countermark.pdp.service import Considered
from countermark.pdp.suspensions import Suspension


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who calls the API: a person of the trust root, a workload, or neither: a side or this gateway's own runner.

    Sides and runners may bring what others signed, and see what every party of the trust root may see.

    Attributes:
        roles: Roles of the person; empty for all others.
    """

    person: str | None
    party: str
    roles: frozenset[str]
    workload: KnownCredential | None

    @property
    def may_explain(self) -> bool:
        """Persons of the trust root may; workloads where their credential says so."""
        return self.person is not None or (self.workload is not None and self.workload.may_explain)


def considered_document(considered: Considered, ways: Sequence[Way]) -> dict[str, Any]:
    """A consideration as `explain` shows it: facts with levels, ties, signers and basis; clauses; what was ignored.

    Args:
        ways: The smallest evidence that would give a better answer.
    """
    decision = considered.decision
    appraisal = considered.gathered.appraisal
    return {
        "outcome": decision.outcome.name,
        "clauses": list(decision.clauses),
        "quorum": dict(decision.quorum),
        "observe": decision.observe,
        "error": decision.error,
        "valid_until": format_time(decision.valid_until) if decision.valid_until else None,
        "values": dict(considered.facts.values),
        "facts": [fact_to_dict(fact) for fact in appraisal.facts.values()],
        "relations": [str(relation) for relation in appraisal.relations],
        "ignored": [
            {"statement": each.statement, "kind": each.kind, "name": each.name, "reason": each.reason}
            for each in appraisal.ignored
        ],
        "notes": list(considered.notes),
        "missing": [
            {
                "outcome": way.decision.outcome.name,
                "quorum": dict(way.decision.quorum),
                "changes": [
                    {"fact": each.path, "now": each.before, "needs": list(each.needs), "statement": each.kind}
                    for each in way.changes
                ],
            }
            for way in ways
        ],
    }


def filed_document(filed: Filed) -> dict[str, Any]:
    """One file: what it says and who vouches for it, or why it says nothing."""
    document: dict[str, Any] = {"sha256": filed.sha256, "error": filed.error}
    if filed.statement is not None:
        statement = filed.statement
        document |= {
            "kind": statement.kind,
            "name": statement.subject.name,
            "level": statement.level.word,
            "seq": statement.seq,
            "valid_until": format_time(statement.validity.valid_until),
            "signers": [str(signer) for signer in (*statement.makers, *statement.countersigners)],
            "ignored": list(statement.ignored),
        }
    return document


def hold_document(hold: Hold, visitor: Visitor) -> dict[str, Any]:
    """A hold; for a workload without the right to `explain`, without what is missing, and who could give it."""
    document = hold_to_dict(hold)
    if visitor.workload is not None and not visitor.may_explain:
        for name in ("values", "facts", "facts_sha256", "quorum", "requesters"):
            del document[name]
    return document


def suspension_document(suspension: Suspension) -> dict[str, Any]:
    """One brake that stands."""
    return {
        "suspension": suspension.suspension_id,
        "scope": suspension.scope,
        "target": suspension.target,
        "side": suspension.side,
        "taken_at": format_time(suspension.taken_at),
        "valid_until": format_time(suspension.valid_until),
    }


def visitor_document(visitor: Visitor) -> dict[str, Any]:
    """Who the gateway takes a caller for."""
    return {
        "person": visitor.person,
        "party": visitor.party,
        "roles": sorted(visitor.roles),
        "workload": visitor.workload.workload if visitor.workload is not None else None,
        "binding": visitor.workload.binding if visitor.workload is not None else None,
        "may_explain": visitor.may_explain,
    }
