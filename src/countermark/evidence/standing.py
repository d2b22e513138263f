"""Which statements stand for a workload at a time: in force, newest of their makers, fresh, and about it.

    (1) in time: expired and not yet valid statements are as if absent
    (2) newest: among statements of the same makers (parties and roles) about the same subject the highest `seq` counts;
        equal ones all count, so that two contents under one number are a conflict, not a choice
    (3) readable: as strict as its schema, and its subject bears the name that the predicate demands
    (4) about this workload
    (5) fresh: where the trust root asks for it, with a `status: good` of each maker's party, young enough

INVARIANT: (2) comes before (3) to (5). A newer statement that can't be read, that leaves this workload out, or whose
status was withheld, still replaces the older one; otherwise withholding a status would bring an older word back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import VerifiedStatement
from countermark.clock import format_time
from countermark.errors import CountermarkError
from countermark.evidence.predicates.reading import CONTEXT_PARSERS, Parsed, subject_name, workloads_of
from countermark.evidence.predicates.status import parse_status

STATUS: Final = "status"
Group = tuple[str, str, frozenset[tuple[str, str]]]
"""Kind, subject digest, makers as (party, role): statements of one group replace each other by `seq`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A statement that gives nothing here, and why."""

    statement: str
    kind: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A statement that stands, read; `valid_until` also minds the status that it needs."""

    statement: VerifiedStatement
    parsed: Parsed
    valid_until: datetime
    signers: tuple[str, ...]
    """Each signature that counts, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What stands for one workload.

    Attributes:
        in_force: Sorted by digest, so that the order on file doesn't matter.
        ignored: Sorted by digest.
        changes_at: When this has to be made anew, even if no statement is added; None: never.
    """

    workload: str
    in_force: tuple[InForce, ...]
    ignored: tuple[Ignored, ...]
    changes_at: datetime | None


def group_of(statement: VerifiedStatement) -> Group:
    """Which statements this one replaces, or is replaced by."""
    makers = frozenset((signer.party, signer.role) for signer in statement.makers)
    return (statement.kind, statement.subject.sha256, makers)


def distinct(statements: Iterable[VerifiedStatement]) -> list[VerifiedStatement]:
    """Each statement once, in an order that doesn't depend on theirs.

    One payload that two makers signed, each in an envelope of his own, is two statements: each is somebody's word.
    """
    found = {
        (
            statement.sha256,
            statement.level,
            tuple(map(str, statement.makers)),
            tuple(map(str, statement.countersigners)),
            statement.validity.valid_until,
        ): statement
        for statement in statements
    }
    return [found[key] for key in sorted(found)]


def about_workloads(
    statements: Iterable[VerifiedStatement], names: dict[str, tuple[str, ...]] | None = None
) -> Mapping[str, tuple[VerifiedStatement, ...]]:
    """Sort statements by the workloads that they can bear on, for `stand`; under `""` those that bear on any.

    Args:
        names: Remembers which workloads a statement names, by its digest: for who sorts again whenever one is added.

    A statement that replaces one about a workload bears on it too, even where it names it no longer: an index by the
    named workload alone would let the older one come back.
    """
    known = {} if names is None else names
    groups: dict[Group, list[VerifiedStatement]] = {}
    for statement in statements:
        groups.setdefault(group_of(statement), []).append(statement)
        if statement.sha256 not in known:
            known[statement.sha256] = _named(statement)
    found: dict[str, list[VerifiedStatement]] = {"": []}
    for (kind, _, _), members in groups.items():
        if kind == STATUS:
            found[""].extend(members)
        for workload in {name for member in members for name in known[member.sha256]}:
            found.setdefault(workload, []).extend(members)
    return {workload: tuple(members) for workload, members in found.items()}


def _named(statement: VerifiedStatement) -> tuple[str, ...]:
    if statement.kind not in CONTEXT_PARSERS:
        return ()
    try:
        return workloads_of(CONTEXT_PARSERS[statement.kind](statement.predicate))
    except CountermarkError:
        # unreadable: the names that it seems to give, so that it still replaces what it is newer than
        named = statement.descriptor.get("workload")
        return (named,) if isinstance(named, str) else ()


def in_time(
    statements: Iterable[VerifiedStatement], *, now: datetime, skew_s: int
) -> tuple[list[VerifiedStatement], list[tuple[VerifiedStatement, str]]]:
    """Step 1: those in force at `now`; and the others, each with its reason."""
    kept: list[VerifiedStatement] = []
    dropped: list[tuple[VerifiedStatement, str]] = []
    for statement in statements:
        try:
            statement.validity.check_validity(now, skew_s)
        except CountermarkError:
            ended = now >= statement.validity.valid_until
            moment = statement.validity.valid_until if ended else statement.validity.valid_from
            dropped.append((statement, f"{'expired' if ended else 'not valid before'} {format_time(moment)}"))
        else:
            kept.append(statement)
    return kept, dropped


def newest(
    statements: Iterable[VerifiedStatement],
) -> tuple[list[VerifiedStatement], list[tuple[VerifiedStatement, str]]]:
    """Step 2: the highest `seq` of each group, all of them where several bear it; and the replaced ones."""
    found = list(statements)
    highest: dict[Group, int] = {}
    for statement in found:
        group = group_of(statement)
        highest[group] = max(highest.get(group, -1), statement.seq)
    kept = [item for item in found if item.seq == highest[group_of(item)]]
    dropped = [
        (item, f"replaced by seq {highest[group_of(item)]} of the same makers, this is seq {item.seq}")
        for item in found
        if item.seq != highest[group_of(item)]
    ]
    return kept, dropped


def fresh_until(
    statement: VerifiedStatement, statuses: Iterable[VerifiedStatement], max_age_s: int
) -> datetime | None:
    """Step 5: until when a `status: good` of each maker's party keeps `statement` fresh; None where one is missing.

    Args:
        statuses: Status statements in force at the time.
        max_age_s: From the status's `valid_from`, in seconds.
    """
    until: dict[str, datetime] = {}
    for status in statuses:
        if not says_good(status, statement):
            continue
        end = min(status.validity.valid_until, status.validity.valid_from + timedelta(seconds=max_age_s))
        for signer in status.makers:
            until[signer.party] = max(until.get(signer.party, end), end)
    parties = {signer.party for signer in statement.makers}
    if not parties or not parties <= until.keys():
        return None
    return min(until[party] for party in parties)


def says_good(status: VerifiedStatement, statement: VerifiedStatement) -> bool:
    """Whether a status is about exactly this statement, and bears its subject's name (which limits the roles)."""
    if status.kind != STATUS or status.descriptor.get("statement") != statement.sha256:
        return False
    try:
        return parse_status(status.predicate).statement == statement.sha256 and (
            status.subject.name == statement.subject.name
        )
    except CountermarkError:
        return False


def stand(
    statements: Iterable[VerifiedStatement], *, workload: str, root: TrustRoot, now: datetime, skew_s: int
) -> Standing:
    """Find what stands for `workload` at `now`. Pure; the result holds until `changes_at` or another statement.

    Args:
        statements: All that bear on the workload (`about_workloads`), or simply all.
        skew_s: How far ahead of ours a maker's clock may run, in seconds.
    """
    known = distinct(statements)
    current, early_or_late = in_time(known, now=now, skew_s=skew_s)  # (1)
    counting, replaced = newest(item for item in current if item.kind != STATUS)  # (2)
    statuses = [item for item in current if item.kind == STATUS]
    dropped = early_or_late + replaced
    in_force: list[InForce] = []
    for statement in counting:
        if statement.kind not in CONTEXT_PARSERS:
            continue  # another part's predicate (an approval, a bundle)
        found = _stands(statement, statuses, workload, root, now)
        if isinstance(found, str):
            dropped.append((statement, found))
        else:
            in_force.append(found)
    ignored = (
        Ignored(statement=item.sha256, kind=item.kind, name=item.subject.name, reason=reason)
        for item, reason in dropped
    )
    begins = [item.validity.valid_from - timedelta(seconds=skew_s) for item in known]
    ends = [item.validity.valid_until for item in known] + [item.valid_until for item in in_force]
    return Standing(
        workload=workload,
        in_force=tuple(in_force),
        ignored=tuple(sorted(ignored, key=lambda item: item.statement)),
        changes_at=min((moment for moment in (*begins, *ends) if moment > now), default=None),
    )


def _stands(
    statement: VerifiedStatement,
    statuses: list[VerifiedStatement],
    workload: str,
    root: TrustRoot,
    now: datetime,
) -> InForce | str:
    """Steps 3 to 5 for one statement; a text says why it gives nothing."""
    try:
        parsed = CONTEXT_PARSERS[statement.kind](statement.predicate)  # (3)
    except CountermarkError as error:
        return str(error)
    expected = subject_name(parsed)
    if statement.subject.name != expected:
        return f"expected the subject name `{expected:.80}`, got `{statement.subject.name:.80}`"
    about = workloads_of(parsed)
    if workload not in about:  # (4)
        return f"about `{about[0]}`{' and others' if len(about) > 1 else ''}, not `{workload}`"
    valid_until = statement.validity.valid_until
    max_age_s = root.status_max_age_s(statement.kind)
    if max_age_s is not None:  # (5)
        fresh = fresh_until(statement, statuses, max_age_s)
        if fresh is None or fresh <= now:
            return f"expected a `status: good` of its makers not older than {max_age_s} s"
        valid_until = min(valid_until, fresh)
    signers = tuple(str(signer) for signer in (*statement.makers, *statement.countersigners))
    return InForce(statement=statement, parsed=parsed, valid_until=valid_until, signers=signers)
