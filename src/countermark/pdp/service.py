"""The way of a request, from who asks to what is answered.

```
(0) who asks                 attestation, evidence      unknown caller: stop
(1) what is known            evidence, content,         facts, each required; "unknown" and "conflict" are values;
                             signals                    classifiers are asked only where a clause reads them
(2) the decision             policy, pdp.decide         pure; an error counts as DENY; same input, same answer
(3) the entry                tlog                       INVARIANT: durable before anything is released; approvals
                                                        consumed in the same step
(4) the outcome              decision                   PERMIT, or HOLD or DENY with its clauses
```

A prompt is decided together with its release, in one entry, since no clause reads a fact of the answer. A tool call is
decided on its own. `explain` walks steps (1) and (2) without acting.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from countermark.clock import Clock, format_time
from countermark.decision import Decision, Outcome
from countermark.errors import LogError, StoreError, TooLargeError
from countermark.evidence.observation import KnownCredential
from countermark.evidence.selectors import SelectorKeys
from countermark.facts import Facts
from countermark.oversight.approval import possible_approvers
from countermark.pdp.asked import Answered, Asked, new_id
from countermark.pdp.decide import Judge, decide_approved, decide_whole
from countermark.pdp.desk import Desk
from countermark.pdp.gather import Gathered, Gatherer, opaque
from countermark.pdp.missing import Way, smallest_missing
from countermark.pdp.on_file import StatementsOnFile
from countermark.pdp.signalled import Watch
from countermark.pdp.suspensions import Suspensions
from countermark.pdp.terms import Terms
from countermark.request import Action
from countermark.tlog.entry import EntryTemplate, encode_entry, keyed_digest
from countermark.tlog.log import Log

MAX_SETTLED = 1024
"""Permits, and templates of their entries, that are remembered for facts that come again."""
_HOLES = (
    ("at",),
    ("id",),
    ("action_digest",),
    ("seen", "parts"),
    ("seen", "bytes"),
    ("seen", "hmac_sha256"),
)
"""What differs between two entries on the same facts."""
MAX_MISSING_STEPS = 500
MAX_RECENT = 4096
"""Entries kept in memory for callers who ask about a decision that they just got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """Steps (1) and (2) done: what is known, and what follows from it. Nothing has been acted on."""

    gathered: Gathered
    facts: Facts
    decision: Decision
    consumes: tuple[str, ...] = ()
    """Approvals that a PERMIT would consume."""
    notes: tuple[str, ...] = ()
    """Why approvals on file don't count."""


class Service:
    """Gathers, decides, records, answers. One event loop; storage behind the parts' Protocols."""

    def __init__(
        self,
        *,
        terms: Terms,
        statements: StatementsOnFile,
        suspensions: Suspensions,
        log: Log,
        desk: Desk,
        selector_keys: SelectorKeys,
        digest_key: bytes,
        clock: Clock,
        watch: Watch | None = None,
        last_entry_at: datetime | None = None,
        on_file_at: int = 0,
    ) -> None:
        """Put the parts to work.

        Args:
            watch: Asks the classifiers that the bundle names; without one, what they would say is unknown.
            last_entry_at: Time of the log's last entry, which `now` never runs behind.
            on_file_at: Number of the entry by which the statements on file last changed; decisions name it, so that
                a replay knows what was in use while the next change was on its way into the log.
        """
        self.terms = terms
        self.statements = statements
        self.suspensions = suspensions
        self.log = log
        self.desk = desk
        self.gatherer = Gatherer(terms, statements, selector_keys)
        self._digest_key = digest_key
        self._clock = clock
        self._last = last_entry_at
        self.on_file_at = on_file_at
        self._searching = asyncio.Semaphore(1)
        self.watch = watch or Watch(terms.bundle.signals_read, {})
        self._recent: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._settled: dict[int, Considered] = {}
        self._templates: dict[int, tuple[Considered, tuple[int | None, str], EntryTemplate]] = {}
        self._possible: dict[tuple[str, frozenset[str]], Mapping[str, int]] = {}
        self._possible_at: datetime | None = None

    def recent(self, decision_id: str) -> tuple[int, bytes] | None:
        """Number and bytes of a recent decision's entry; None where it is older, and only the log has it."""
        return self._recent.get(decision_id)

    def now(self) -> datetime:
        """The time that decisions are taken at: whole seconds, and never behind the last entry of the log."""
        now = self._clock().replace(microsecond=0)
        if self._last is not None and now < self._last:
            return self._last
        self._last = now
        return now

    def consider(self, asked: Asked, *, now: datetime) -> Considered:
        """Steps (1) and (2): gather the facts and decide, without acting."""
        # (1) what is known
        self.statements.refresh(now)
        gathered = self.gatherer.gather(asked, now=now)
        refusal = self._refusal(asked, gathered, now)
        settled = self._settled.get(id(gathered))
        if refusal is None and settled is not None and settled.gathered is gathered:
            return settled
        roles = self.terms.bundle.approvals
        possible = self._possible_approvers(asked.caller, now)
        facts = Facts(values=gathered.values, approvals=dict.fromkeys(roles, 0), possible=possible)
        # (2) the decision
        if refusal is not None:
            denied = Decision(
                outcome=Outcome.DENY, clauses=(), bundle=self.terms.bundle.digest, error=refusal
            )
            return Considered(gathered=gathered, facts=facts, decision=denied)
        judge = self.judge(asked.caller.workload, asked.resource, now)
        decision = decide_whole(judge, asked.action, facts, roles=roles)
        if decision.outcome is not Outcome.HOLD:
            considered = Considered(gathered=gathered, facts=facts, decision=self._dated(decision, gathered))
            if decision.outcome is Outcome.PERMIT and gathered.remembered:
                # neither approvals nor observe rules can change it, so the same facts are decided once
                if len(self._settled) >= MAX_SETTLED:
                    self._settled.clear()
                self._settled[id(gathered)] = considered
            return considered
        count = self.desk.count(asked, decision, facts, root=self.terms.root, now=now)
        if count is None or not any(count.counts.values()):
            notes = tuple(item.reason for item in count.ignored) if count is not None else ()
            return Considered(
                gathered=gathered, facts=facts, decision=self._dated(decision, gathered), notes=notes
            )
        facts = replace(facts, approvals=dict(count.counts))
        decided = decide_approved(judge, asked.action, facts, held=decision, roles=roles)
        consumes = tuple(each.sha256 for each in count.counted) if decided.outcome is Outcome.PERMIT else ()
        return Considered(
            gathered=gathered,
            facts=facts,
            decision=self._dated(decided, gathered),
            consumes=consumes,
            notes=tuple(item.reason for item in count.ignored),
        )

    def _possible_approvers(self, caller: KnownCredential, now: datetime) -> Mapping[str, int]:
        """How many people could approve per role; remembered for the second that it was asked in."""
        key = (caller.workload, caller.holders)
        if self._possible_at != now:
            self._possible.clear()
            self._possible_at = now
        known = self._possible.get(key)
        if known is None:
            known = self._possible[key] = possible_approvers(
                self.terms.root,
                self.terms.bundle.approvals,
                caller.holders,
                workload=caller.workload,
                now=now,
            )
        return known

    def _refusal(self, asked: Asked, gathered: Gathered, now: datetime) -> str | None:
        """Why nothing that clauses say could permit this, or None."""
        if (why := self.terms.why_not(now)) is not None:
            return why
        if asked.not_carried is not None:
            return asked.not_carried
        until = asked.caller.valid_until
        if until is not None and now >= until:  # it was in force when the request began
            return f"the credential `{asked.caller.name}` expired at {format_time(until)}"
        return self.suspensions.why(
            workload=asked.caller.workload, model=asked.model, purpose=gathered.purpose, now=now
        )

    def judge(self, workload: str, resource: str, now: datetime) -> Judge:
        """`decide` under the terms in force, from memory where the same was asked before."""

        def decide_one(action: Action, facts: Facts) -> Decision:
            return self.terms.memo.decide(
                action=action, workload=workload, resource=resource, facts=facts, now=now
            )

        return decide_one

    @staticmethod
    def _dated(decision: Decision, gathered: Gathered) -> Decision:
        return replace(decision, valid_until=gathered.appraisal.valid_until)

    async def seen_through(self, asked: Asked) -> Asked:
        """What has to be looked at before `consider`: texts that are long, and what classifiers say of them."""
        asked = await self.searched(asked)
        if asked.signals is None and self.watch.reads:
            seen = await self.watch.see(
                asked.texts, unread=opaque(asked.unread) or asked.not_carried is not None
            )
            asked = replace(asked, signals=seen)
        return asked

    async def searched(self, asked: Asked) -> Asked:
        """A long text is looked through beside the event loop, one at a time: one caller's list stops nobody else."""
        if asked.selectors is not None or not self.gatherer.is_long_search(asked, now=self.now()):
            return asked
        async with self._searching:
            return await asyncio.to_thread(self.gatherer.search, asked)

    async def answer(self, asked: Asked) -> Answered:
        """Decide one action for good: all steps.

        Raises:
            LogError: The entry is not known to be durable; nothing may be released.
        """
        asked = await self.seen_through(asked)
        now = self.now()
        considered = self.consider(asked, now=now)
        decision = considered.decision
        hold = None
        if decision.enforced is Outcome.HOLD:
            try:
                hold = self.desk.park(
                    asked, decision, considered.facts, considered.gathered.appraisal, now=now
                )
            except (
                StoreError
            ) as error:  # too many open holds, or they can't be kept: nobody could ever approve it
                decision = replace(decision, outcome=Outcome.DENY, quorum={}, error=str(error))
        if considered.consumes and not self.desk.reserve(considered.consumes):
            # the same request came twice at once: the other one takes the approvals
            decision = replace(
                decision, outcome=Outcome.DENY, error="the approvals were used by another request"
            )
            considered = replace(considered, consumes=())
        # (3) the entry. INVARIANT: durable before anything is released
        decision_id = new_id("d")
        data = self._written(asked, considered, decision, decision_id, now, hold.hold_id if hold else None)
        index = await self.log.append(data)
        self._recent[decision_id] = (index, data)
        if len(self._recent) > MAX_RECENT:
            self._recent.popitem(last=False)
        if considered.consumes:
            self.desk.settle(asked, considered.consumes, index, now=now)
        # (4) the outcome
        return Answered(
            id=decision_id,
            index=index,
            decision=decision,
            hold=hold.hold_id if hold else None,
            hold_expires=format_time(hold.expires_at) if hold else None,
            values=considered.facts.values,
            relations=tuple(str(each) for each in considered.gathered.appraisal.relations),
            notes=considered.notes,
        )

    def _written(
        self,
        asked: Asked,
        considered: Considered,
        decision: Decision,
        decision_id: str,
        now: datetime,
        hold_id: str | None,
    ) -> bytes:
        """The encoded entry; where the same was considered before, only what differs is written anew.

        Raises:
            LogError: More than one entry can name.
        """
        settled = self._settled.get(id(considered.gathered)) is considered and decision is considered.decision
        if not settled or asked.parent is not None:
            return _encoded(self._entry(asked, considered, decision, decision_id, now, hold_id))
        known = self._templates.get(id(considered))
        if known is None or known[0] is not considered or known[1] != (self.on_file_at, asked.upstream):
            entry = self._entry(asked, considered, decision, decision_id, now, hold_id)
            if len(self._templates) >= MAX_SETTLED:
                self._templates.clear()
            known = (considered, (self.on_file_at, asked.upstream), EntryTemplate(entry, _HOLES))
            self._templates[id(considered)] = known
        return known[2].fill(
            (
                format_time(now),
                decision_id,
                keyed_digest(self._digest_key, asked.digest),
                asked.parts,
                asked.size,
                keyed_digest(self._digest_key, asked.sha256),
            )
        )

    def _entry(
        self,
        asked: Asked,
        considered: Considered,
        decision: Decision,
        decision_id: str,
        now: datetime,
        hold_id: str | None,
    ) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "kind": "decision",
            "at": format_time(now),
            "id": decision_id,
            "gateway": self.terms.gateway,
            "bundle": self.terms.bundle.digest,
            "workload": asked.caller.workload,
            "credential": asked.caller.statement,
            "action": asked.action.value,
            "resource": asked.resource,
            "action_digest": keyed_digest(self._digest_key, asked.digest),
            "seen": {
                "parts": asked.parts,
                "bytes": asked.size,
                "hmac_sha256": keyed_digest(self._digest_key, asked.sha256),
            },
            "observation": considered.gathered.record,
            "facts": plain_values(considered.facts.values),
            "outcome": decision.outcome.name,
            "clauses": list(decision.clauses),
        }
        optional: dict[str, Any] = {
            "claims_hmac_sha256": keyed_digest(self._digest_key, claims_sha256(asked.claims))
            if asked.claims
            else None,
            "upstream": asked.upstream,
            "parent": asked.parent,
            "quorum": dict(decision.quorum),
            "approvals": list(considered.consumes),
            "approved": {role: n for role, n in considered.facts.approvals.items() if n},
            "hold": hold_id,
            "error": decision.error,
            "on_file": self.on_file_at,
            "observe": decision.observe,
            "one_sided": self.terms.root.one_sided,
            "valid_until": format_time(decision.valid_until) if decision.valid_until else None,
        }
        entry.update({key: value for key, value in optional.items() if value})
        return entry

    def entry_time(self) -> str:
        """The time as an entry that is made now says it."""
        return format_time(self.now())

    async def record(self, entry: Mapping[str, Any]) -> int:
        """Append an entry that is not a decision; the time and the gateway are added."""
        made = {"at": format_time(self.now()), "gateway": self.terms.gateway, **entry}
        return await self.log.append(encode_entry(made))

    def record_later(self, entry: Mapping[str, Any]) -> None:
        """Append an entry that nobody waits for (what was seen of an answer)."""
        made = {"at": format_time(self.now()), "gateway": self.terms.gateway, **entry}
        self.log.post(encode_entry(made))

    def digest(self, sha256: str) -> str:
        """A body's digest as the log holds it."""
        return keyed_digest(self._digest_key, sha256)

    def missing(self, asked: Asked, considered: Considered, now: datetime) -> tuple[Way, ...]:
        """The smallest evidence that would give a better answer; a short search, since the gateway's own loop waits."""
        judge = self.judge(asked.caller.workload, asked.resource, now)
        roles = self.terms.bundle.approvals
        if considered.decision.error is not None:
            return ()
        return smallest_missing(
            self.terms.bundle,
            lambda facts: decide_whole(judge, asked.action, facts, roles=roles),
            action=asked.action,
            facts=considered.facts,
            runner_level=self.terms.runner_level,
            max_steps=MAX_MISSING_STEPS,
        )

    def explain(self, asked: Asked) -> Considered:
        """What would be decided now, and why, without acting.

        Raises:
            CountermarkError: What `consider` could not do.
        """
        return self.consider(asked, now=self.now())


def _encoded(entry: Mapping[str, Any]) -> bytes:
    try:
        return encode_entry(entry)
    except (
        TooLargeError
    ) as error:  # more orders in force, or persons under more keys, than one entry can name
        raise LogError(f"the decision can't be recorded: {error}") from error


def claims_sha256(claims: Mapping[str, str]) -> str:
    """Digest of everything that a caller claims, hex: the log shows that it was said, not what."""
    return hashlib.sha256(json.dumps(dict(sorted(claims.items()))).encode()).hexdigest()


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as the entry holds them: numbers over 2^53 as text, since canonical JSON has no form for them."""
    return {
        name: str(value) if isinstance(value, int) and abs(value) >= 2**53 else value
        for name, value in values.items()
    }
