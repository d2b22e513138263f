"""Where held requests meet their approvals: parks what is held, counts who approved, sees that each is used once.

The log is the authority on what was consumed; the set behind `ConsumedSet` is its index. Between the decision and the
durable entry, approvals are *reserved* in memory, so that the same request sent twice at once can't use them twice; a
reservation is never given back, since an entry whose durability isn't known may be found after a restart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import verify_statement
from countermark.decision import Decision
from countermark.errors import CountermarkError, HoldClosedError
from countermark.evidence.appraise import Appraisal
from countermark.facts import Facts
from countermark.oversight.approval import ApprovalCount, ConsumedSet, count_approvals
from countermark.oversight.hold import HeldContent, Hold, HoldState, HoldStore, make_hold, seal_content
from countermark.oversight.sealing import HoldKey
from countermark.oversight.shown import facts_digest
from countermark.pdp.asked import Asked


class Desk:
    """Parks holds and counts approvals for one gateway, under one bundle's limits."""

    def __init__(
        self,
        *,
        holds: HoldStore,
        consumed: ConsumedSet,
        key: HoldKey,
        roles: Sequence[str],
        ttl: timedelta,
        limit: int,
        skew_s: int,
        longest: timedelta | None = None,
    ) -> None:
        """Park and count.

        Args:
            longest: How long the bundle lets an approval live at most.
        """
        self.holds = holds
        self._consumed = consumed
        self._key = key
        self._roles = roles
        self._ttl = ttl
        self._limit = limit
        self._skew_s = skew_s
        self._longest = longest
        self._reserved: set[str] = set()

    @property
    def key(self) -> HoldKey:
        """What held content is sealed with."""
        return self._key

    def count(
        self, asked: Asked, decision: Decision, facts: Facts, *, root: TrustRoot, now: datetime
    ) -> ApprovalCount | None:
        """Count the approvals of an action that is held; None where it was never parked."""
        hold = self.holds.find(asked.caller.workload, asked.digest, now=now)
        if hold is None:
            return None
        return self.count_for(
            hold,
            decision.clauses,
            facts.values,
            # who asked first asked all the same: else the second of two credentials makes him an approver
            asked.caller.holders | hold.requesters,
            bundle=decision.bundle,
            root=root,
            now=now,
        )

    def count_for(
        self,
        hold: Hold,
        clauses: Sequence[str],
        values: Mapping[str, str | int],
        requesters: frozenset[str],
        *,
        bundle: str,
        root: TrustRoot,
        now: datetime,
    ) -> ApprovalCount:
        """Count the approvals of one hold on given facts; shared by decisions and by those who look."""
        statements = []
        for document in self.holds.approvals(hold.hold_id):
            try:
                statements.append(verify_statement([document], root, now=now, skew_s=self._skew_s))
            except CountermarkError:
                continue  # it was checked when it was added; what expired since counts no more
        ids = [each.sha256 for each in statements]
        used = self._consumed.consumed(ids) | (self._reserved & set(ids))
        return count_approvals(
            statements,
            hold_id=hold.hold_id if hold.state is HoldState.OPEN else None,
            workload=hold.workload,
            action_digest=hold.action_digest,
            bundle=bundle,
            facts_sha256=facts_digest(values),
            clauses_held=clauses,
            roles=self._roles,
            requesters=requesters,
            root=root,
            now=now,
            consumed=used,
            longest=self._longest,
        )

    def park(
        self, asked: Asked, decision: Decision, facts: Facts, appraisal: Appraisal, *, now: datetime
    ) -> Hold:
        """Put a held action on file, sealed; the same action held again returns the hold that is there.

        Raises:
            HoldLimitError: The workload has as many open holds as the bundle allows.
            HoldClosedError: People refused exactly this; they are not asked again until the refusal expires.
        """
        content = HeldContent(descriptor=dict(asked.descriptor), body=asked.content)
        hold = make_hold(
            content,
            clauses=decision.clauses,
            quorum=decision.quorum,
            bundle=decision.bundle,
            values=facts.values,
            facts=tuple(appraisal.facts.values()),
            requesters=asked.caller.holders,
            now=now,
            expires_at=now + self._ttl,
        )
        parked = self.holds.open(hold, seal_content(content, hold, self._key), limit=self._limit, now=now)
        if parked.state is HoldState.REFUSED:
            raise HoldClosedError(f"people refused this action (hold {parked.hold_id})")
        return parked

    def reserve(self, approvals: Sequence[str]) -> bool:
        """Take approvals for one entry; False where another request already has one of them."""
        if self._reserved & set(approvals) or self._consumed.consumed(approvals):
            return False
        self._reserved |= set(approvals)
        return True

    def settle(self, asked: Asked, approvals: Sequence[str], index: int, *, now: datetime) -> None:
        """Note in the index what the durable entry says, and close the hold.

        Raises:
            ReplayError: The index knows another entry that consumed one of them.
        """
        self._consumed.consume(approvals, index)
        self._reserved -= set(approvals)
        hold = self.holds.find(asked.caller.workload, asked.digest, now=now)
        if hold is not None:
            with contextlib.suppress(
                HoldClosedError
            ):  # refused after it was counted: too late, and on record
                self.holds.close(hold.hold_id, HoldState.USED, now=now)
