"""Approvals: what one person signs about one held action, and whose signatures count.

Counting is pure, and monotone: taking an approval away never raises the count of any role. Therefore which role a
person counts in may not depend on the approvals that are there. It follows from the trust root alone
(`counting_roles`), which also makes "could people permit this?" exact (`possible_approvers`).

Source: spec/approval.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from countermark.attestation.statement import Statement, Validity, make_statement
from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import VerifiedStatement
from countermark.errors import (
    ExpiredError,
    MalformedError,
    NotYetValidError,
    PayloadTypeError,
    SubjectError,
    TrustError,
)
from countermark.oversight.action import action_digest, check_descriptor
from countermark.oversight.hold import HOLD_ID, HeldContent, Hold, check_content

APPROVAL = "approval"
MAX_CLAUSES = 256

_HEX_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_CONTENT = {"bundle", "clauses", "decision", "facts_sha256", "hold", "person", "role"}
_COMMON = {"descriptor", "seq", "valid_from", "valid_until", "basis", "interest"}


class Verdict(StrEnum):
    """What a person says of a held action."""

    APPROVE = "approve"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's signed yes or no, as the verified statement says it; whether it counts is decided later.

    Attributes:
        sha256: Digest of the statement's payload: the id by which it is consumed.
        hold: Id of the hold that it was made for.
        bundle, clauses, facts_sha256: What the person was shown.
        signed_by: `(role, person)` of those whose signatures the statement carries.
    """

    sha256: str
    action_digest: str
    workload: str
    hold: str
    bundle: str
    clauses: frozenset[str]
    facts_sha256: str
    role: str
    person: str
    verdict: Verdict
    validity: Validity
    signed_by: frozenset[tuple[str, str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """An approval that does not count, and why."""

    sha256: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalCount:
    """What the approvals of one action come to.

    Attributes:
        counts: Distinct persons per role; every role that was asked about is there, perhaps with 0.
        counted: All approvals behind the counts. A PERMIT consumes all of them, in the step that makes its entry
            durable: a third signature where two were needed is no reserve for a second time.
        refused: Valid refusals. Where there is one, all counts are 0 and the hold is to be closed.
    """

    counts: Mapping[str, int]
    counted: tuple[Approval, ...]
    ignored: tuple[Ignored, ...]
    refused: tuple[Approval, ...]


class ConsumedSet(Protocol):
    """Which approvals were consumed. The log is the authority; this is its index, rebuilt from it at start."""

    def consumed(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of `ids` that were consumed."""
        ...

    def consume(self, ids: Collection[str], entry_index: int) -> None:
        """Note that the entry of that index consumed these; all of them or, on an error, none. Durable on return.

        The same ids for the same entry again change nothing, so that it can be repeated after a crash.

        Raises:
            ReplayError: One of them was consumed by another entry.
        """
        ...

    def rebuild(self, entries: Iterable[tuple[str, int]]) -> None:
        """Replace everything by what the log says: `(approval id, entry index)`. Atomic.

        Raises:
            StoreError: The log names one approval in two entries; nothing is replaced.
        """
        ...


def _texts(content: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    for name in names:
        if not isinstance(content[name], str) or not content[name]:
            raise MalformedError(f"expected text in `{name}` of an approval")
    return {name: content[name] for name in names}


def parse_approval(verified: VerifiedStatement) -> Approval:
    """Read the predicate of a verified statement.

    Raises:
        PayloadTypeError: Another predicate.
        SubjectError: The subject isn't named by the workload that the action is of.
        MalformedError: Missing, unknown or ill-formed fields.
    """
    if verified.kind != APPROVAL:
        raise PayloadTypeError(f"expected an `{APPROVAL}`, got `{verified.kind}`")
    predicate = verified.predicate
    if set(predicate) != _CONTENT | _COMMON:
        wrong = sorted(set(predicate) ^ (_CONTENT | _COMMON))
        raise MalformedError(f"expected exactly the fields of an approval, got a difference in {wrong}")
    content = _texts(predicate, sorted(_CONTENT - {"clauses"}))
    clauses = predicate["clauses"]
    if not isinstance(clauses, list) or not 0 < len(clauses) <= MAX_CLAUSES:
        raise MalformedError(f"expected 1 to {MAX_CLAUSES} ids in `clauses` of an approval")
    if not all(isinstance(each, str) and each for each in clauses) or len(set(clauses)) != len(clauses):
        raise MalformedError("expected each clause once, as text, in `clauses` of an approval")
    for name in ("bundle", "facts_sha256"):
        if not _HEX_SHA256.match(content[name]):
            raise MalformedError(f"expected 64 hex digits in `{name}`, got `{content[name][:80]}`")
    if not HOLD_ID.match(content["hold"]):
        raise MalformedError(f"expected a hold id like `h_` and 26 letters, got `{content['hold'][:40]}`")
    if content["decision"] not in tuple(Verdict):
        raise MalformedError(
            f"expected `approve` or `refuse` in `decision`, got `{content['decision'][:40]}`"
        )
    check_descriptor(predicate["descriptor"])
    workload = predicate["descriptor"]["workload"]
    if verified.subject.name != workload:
        raise SubjectError(f"expected the subject `{workload}`, got `{verified.subject.name}`")
    return Approval(
        sha256=verified.sha256,
        action_digest=action_digest(predicate["descriptor"]),
        workload=workload,
        hold=content["hold"],
        bundle=content["bundle"],
        clauses=frozenset(clauses),
        facts_sha256=content["facts_sha256"],
        role=content["role"],
        person=content["person"],
        verdict=Verdict(content["decision"]),
        validity=verified.validity,
        signed_by=frozenset((each.role, each.person) for each in verified.makers),
    )


def make_approval(
    hold: Hold,
    content: HeldContent,
    *,
    role: str,
    person: str,
    verdict: Verdict,
    now: datetime,
    basis: str,
    interest: str,
    valid_until: datetime | None = None,
) -> Statement:
    """Make the statement that a person signs, after having been shown `words(hold, content)`.

    Args:
        basis: How the person knows (`document-seen`, `inspected`, ...); theirs to say.
        interest: `party` where the person's party is party to the deal, else `none`.
        valid_until: At most, and without it exactly, when the hold expires.

    Raises:
        MalformedError: The content isn't what the hold is about.
        ExpiredError: The hold's time is over.
        TrustError: The person is one of those who asked.
    """
    check_content(hold, content)
    if now >= hold.expires_at:
        raise ExpiredError(f"expected a hold that has not expired, got `{hold.hold_id}`")
    if person in hold.requesters and verdict is Verdict.APPROVE:
        raise TrustError(f"expected somebody else than those who asked, got `{person}`")
    return make_statement(
        APPROVAL,
        hold.workload,
        content.descriptor,
        {
            "bundle": hold.bundle,
            "clauses": list(hold.clauses),
            "decision": str(verdict),
            "facts_sha256": hold.facts_sha256,
            "hold": hold.hold_id,
            "person": person,
            "role": role,
        },
        seq=int(now.timestamp()),
        valid_from=now,
        valid_until=min(valid_until or hold.expires_at, hold.expires_at),
        basis=basis,
        interest=interest,
    )


def counting_roles(
    root: TrustRoot, *, workload: str, roles: Collection[str], requesters: Collection[str], now: datetime
) -> Mapping[str, str]:
    """The one role in which each person counts, for actions of this workload: `person -> role`.

    Only persons of `roles` that may make an `approval` about this workload now, and that did not ask. A person of
    several such roles counts in the one that has the fewest people, the first by name among equals. It does not
    depend on who signed as what: otherwise withdrawing an approval in one role could add one in another.

    Args:
        roles: All roles whose approvals the bundle's clauses read; the same for every decision under one bundle.
    """
    eligible: dict[str, frozenset[str]] = {
        role: frozenset(root.persons_of_role(role)) - frozenset(requesters)
        for role in sorted(set(roles))
        if role in root.roles and root.may_make(role, APPROVAL, workload, now)
    }
    assigned: dict[str, str] = {}
    for role in sorted(eligible, key=lambda each: (len(eligible[each]), each)):
        for person in eligible[role]:
            assigned.setdefault(person, role)
    return assigned


def possible_approvers(
    root: TrustRoot, roles: Collection[str], requesters: Collection[str], *, workload: str, now: datetime
) -> Mapping[str, int]:
    """How many distinct persons could approve per role: no count of `count_approvals` is ever higher."""
    assigned = counting_roles(root, workload=workload, roles=roles, requesters=requesters, now=now)
    held = list(assigned.values())
    return {role: held.count(role) for role in sorted(set(roles))}


def count_approvals(
    approvals: Sequence[VerifiedStatement],
    *,
    hold_id: str | None,
    workload: str,
    action_digest: str,
    bundle: str,
    facts_sha256: str,
    clauses_held: Collection[str],
    roles: Collection[str],
    requesters: Collection[str],
    root: TrustRoot,
    now: datetime,
    consumed: Container[str],
    longest: timedelta | None = None,
) -> ApprovalCount:
    """Count the persons who approved exactly this action, per role, on the facts and under the bundle of now.

    Args:
        approvals: Verified statements about this action; what doesn't fit is ignored with its reason.
        hold_id: The hold of this action that is open now. None where there is none: nothing counts then, so that an
            approval which came late is not kept for another time.
        clauses_held: The clauses that hold the action now; an approval has to name all of them.
        roles: As in `counting_roles`.
        requesters: Persons who never count.
        consumed: Ids of approvals that an entry has consumed.
        longest: Approvals that were made to live longer than this do not count.

    Returns:
        Counts, and behind them every approval that counts. One person counts once.
    """
    assigned = counting_roles(root, workload=workload, roles=roles, requesters=requesters, now=now)
    counted: list[Approval] = []
    refused: list[Approval] = []
    ignored: list[Ignored] = []
    seen: set[str] = set()
    for verified in approvals:
        if verified.sha256 in seen:
            continue
        seen.add(verified.sha256)
        try:
            approval = parse_approval(verified)
            _check_made(approval, root=root, now=now, longest=longest)
            _check_about(approval, hold_id=hold_id, workload=workload, action_digest=action_digest)
            if approval.verdict is Verdict.REFUSE:
                _check_may_refuse(approval, roles)
                refused.append(approval)
                continue
            _check_shown(approval, bundle=bundle, facts_sha256=facts_sha256, clauses_held=clauses_held)
            _check_person(approval, assigned=assigned, requesters=requesters, consumed=consumed)
        except (MalformedError, TrustError) as error:
            ignored.append(Ignored(sha256=verified.sha256, reason=str(error)))
            continue
        counted.append(approval)
    persons = {} if refused else {each.person: each.role for each in counted}
    held = list(persons.values())
    return ApprovalCount(
        counts={role: held.count(role) for role in sorted(set(roles))},
        counted=() if refused else tuple(counted),
        ignored=tuple(ignored),
        refused=tuple(refused),
    )


def _check_made(approval: Approval, *, root: TrustRoot, now: datetime, longest: timedelta | None) -> None:
    """Signed by the person, in the role, with a key of the person's own, and in force now."""
    if (approval.role, approval.person) not in approval.signed_by:
        raise TrustError(f"expected the signature of `{approval.person}` as `{approval.role}`")
    if approval.person not in root.persons_of_role(approval.role):
        raise TrustError(f"expected a person of role `{approval.role}`, got `{approval.person}`")
    if not root.may_make(approval.role, APPROVAL, approval.workload, now):
        raise TrustError(f"expected a role that may approve for `{approval.workload}`, got `{approval.role}`")
    try:
        approval.validity.check_validity(now)
    except (ExpiredError, NotYetValidError) as error:
        raise TrustError(f"expected an approval in force: {error}") from error
    if longest is not None and approval.validity.valid_until - approval.validity.valid_from > longest:
        raise TrustError(f"expected an approval for at most {longest.total_seconds():.0f} s")


def _check_about(approval: Approval, *, hold_id: str | None, workload: str, action_digest: str) -> None:
    if (approval.workload, approval.action_digest) != (workload, action_digest):
        raise TrustError(f"expected an approval of action `{action_digest[:16]}`, got another action")
    if approval.hold != hold_id:
        raise TrustError(f"expected an approval for hold `{hold_id}`, got `{approval.hold[:40]}`")


def _check_may_refuse(approval: Approval, roles: Collection[str]) -> None:
    if approval.role not in roles:
        raise TrustError(f"expected a refusal by a role that the bundle asks, got `{approval.role}`")


def _check_shown(
    approval: Approval, *, bundle: str, facts_sha256: str, clauses_held: Collection[str]
) -> None:
    if approval.bundle != bundle:
        raise TrustError(f"expected an approval under bundle `{bundle[:16]}`, got `{approval.bundle[:16]}`")
    if approval.facts_sha256 != facts_sha256:
        raise TrustError("expected an approval on the facts as they are now, got one on other facts")
    missing = sorted(set(clauses_held) - approval.clauses)
    if missing:
        raise TrustError(f"expected an approval that names the clauses held, `{missing[0]}` is missing")


def _check_person(
    approval: Approval,
    *,
    assigned: Mapping[str, str],
    requesters: Collection[str],
    consumed: Container[str],
) -> None:
    if approval.person in requesters:
        raise TrustError(f"expected somebody else than those who asked, got `{approval.person}`")
    role = assigned.get(approval.person)
    if role is None:
        raise TrustError(f"expected a role that the bundle asks, got `{approval.role}`")
    if role != approval.role:
        raise TrustError(
            f"expected `{approval.person}` to sign as `{role}`, got `{approval.role}`: one person counts in one role"
        )
    if approval.sha256 in consumed:
        raise TrustError("expected an approval that was not used before")
