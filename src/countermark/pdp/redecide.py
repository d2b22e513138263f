"""One decision of a log, taken again from what was on file at that point; what doesn't fit is named.

What a replay can't see is the content: that the observation is what was really sent is the gateway's word, and so is why
it denied what it could not read. A denial that rests on such an error is checked to be a denial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from countermark.attestation.verify import VerifiedStatement, verify_statement
from countermark.clock import format_time
from countermark.decision import Decision, Outcome
from countermark.errors import CountermarkError, CredentialError
from countermark.evidence.appraise import Appraisal, Appraiser
from countermark.evidence.credentials import CredentialIndex
from countermark.evidence.observation import KnownCredential, Observation
from countermark.evidence.predicates.engagement import Engagement
from countermark.evidence.predicates.legal_basis import LegalBasis
from countermark.evidence.relations import Relation, by_statement, parse_relation, parse_seen, relate_order
from countermark.evidence.selectors import NOTHING_SEEN, SelectorKeys, SelectorsSeen
from countermark.facts import Facts
from countermark.oversight.approval import count_approvals, parse_approval, possible_approvers
from countermark.oversight.shown import facts_digest
from countermark.pdp.archive import Archive
from countermark.pdp.decide import Judge, decide_approved, decide_whole
from countermark.pdp.gather import Gatherer, best_word, view_values
from countermark.pdp.on_file import StatementsOnFile
from countermark.pdp.service import plain_values
from countermark.pdp.signalled import SignalSeen, parse_signals, why_not_signalled
from countermark.pdp.suspensions import Suspensions
from countermark.pdp.terms import Terms
from countermark.request import Action
from countermark.tlog.entry import keyed_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """Something that the log says and a replay does not find.

    Attributes:
        decision: The decision's id; empty where another entry is meant.
        what: `outcome`, `clauses`, `quorum`, `facts`, `approvals`, `relations`, `credential`, `terms`, ...
    """

    index: int
    decision: str
    what: str
    recorded: str
    replayed: str

    def __str__(self) -> str:
        name = f"decision {self.decision} " if self.decision else ""
        return (
            f"{name}(entry {self.index}): {self.what}: the log says {self.recorded}, replayed {self.replayed}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecided:
    """One decision, taken again.

    Attributes:
        in_use: Terms, statements and brakes at this point; it moves on when the walk does.
        caller: The credential; None where it was not in force, and nothing could be appraised.
        judge: Decides on other facts, for those who ask what is missing.
        notes: Why approvals don't count.
    """

    index: int
    entry: Mapping[str, Any]
    in_use: InUse
    caller: KnownCredential | None
    appraisal: Appraisal | None
    facts: Facts | None
    decision: Decision
    judge: Judge | None
    notes: tuple[str, ...]
    mismatches: tuple[Mismatch, ...]

    @property
    def on_error(self) -> bool:
        """Whether the log's decision rests on an error."""
        return "error" in self.entry


class InUse:
    """Terms, statements and brakes at one point of a log."""

    def __init__(self, terms: Terms, statements: StatementsOnFile, suspensions: Suspensions) -> None:
        self.terms = terms
        self.statements = statements
        self.suspensions = suspensions
        self._gatherer = Gatherer(terms, statements, SelectorKeys({}))
        self._credentials: tuple[int, CredentialIndex] | None = None

    def credential(self, sha256: str, now: datetime) -> KnownCredential:
        """The credential that rests on a statement.

        Raises:
            CredentialError: Unknown, lapsed, replaced, or in dispute.
        """
        self.statements.refresh(now)
        if self._credentials is None or self._credentials[0] != self.statements.credentials_version:
            made = CredentialIndex(
                (*self.statements.of_kind("credential"), *self.statements.of_kind("status")),
                root=self.terms.root,
                skew_s=self.terms.bundle.skew_s,
            )
            self._credentials = (self.statements.credentials_version, made)
        return self._credentials[1].by_statement(sha256, now)

    def appraiser(self, workload: str, now: datetime) -> Appraiser:
        """What stands for a workload."""
        self.statements.refresh(now)
        return self._gatherer.appraiser(workload, now)[0]


def redecide(
    index: int,
    entry: Mapping[str, Any],
    now: datetime,
    in_use: InUse,
    archive: Archive,
    *,
    digest_key: bytes | None = None,
) -> Redecided:
    """Take the decision of an entry again.

    Args:
        now: When it was taken.
        digest_key: The gateway's key for digests, where it is at hand: approvals are then also tied to the action.

    Raises:
        TamperedError: A file that the entry names is missing from the archive, or was edited.
    """
    return _OneDecision(index, entry, now, in_use, archive, digest_key).take()


class _OneDecision:
    """One decision of the log, taken again; notes what did not fit."""

    def __init__(
        self,
        index: int,
        entry: Mapping[str, Any],
        now: datetime,
        in_use: InUse,
        archive: Archive,
        digest_key: bytes | None,
    ) -> None:
        self._index = index
        self._entry = entry
        self._now = now
        self._in_use = in_use
        self._terms = in_use.terms
        self._archive = archive
        self._digest_key = digest_key
        self._seen: Mapping[str, Any] = entry["observation"]
        self._notes: tuple[str, ...] = ()
        self._found: list[Mismatch] = []

    def _note(self, what: str, recorded: object, replayed: object) -> None:
        self._found.append(
            Mismatch(
                index=self._index,
                decision=str(self._entry["id"]),
                what=what,
                recorded=str(recorded),
                replayed=str(replayed),
            )
        )

    def take(self) -> Redecided:
        entry, terms, now = self._entry, self._terms, self._now
        workload = str(entry["workload"])
        if (entry["bundle"], entry["gateway"]) != (terms.bundle.digest, terms.gateway):
            said = f"{entry['gateway']}, bundle {entry['bundle'][:16]}"
            self._note("terms", said, f"{terms.gateway}, bundle {terms.bundle.digest[:16]}")
        try:
            caller = self._in_use.credential(entry["credential"], now)
        except CredentialError as error:
            return self._without_caller(str(error))
        if caller.workload != workload:
            self._note("credential", workload, caller.workload)
            return self._without_caller(f"the credential names `{caller.workload}`")
        appraiser = self._in_use.appraiser(workload, now)
        observation = self._observation(caller)
        appraisal = appraiser.appraise(observation)
        self._check_relations(appraiser, observation, appraisal)
        signals = self._signals()
        values = view_values(appraisal, terms.views, signals)
        self._check_facts(plain_values(values))
        roles = terms.bundle.approvals
        possible = possible_approvers(terms.root, roles, caller.holders, workload=workload, now=now)
        facts = Facts(values=values, approvals=dict.fromkeys(roles, 0), possible=possible)
        judge = self._judge(workload)
        decision, facts = self._decide(judge, facts, appraisal, caller)
        self._compare(decision)
        return Redecided(
            index=self._index,
            entry=entry,
            in_use=self._in_use,
            caller=caller,
            appraisal=appraisal,
            facts=facts,
            decision=decision,
            judge=judge,
            notes=self._notes,
            mismatches=tuple(self._found),
        )

    def _without_caller(self, why: str) -> Redecided:
        decision = Decision(outcome=Outcome.DENY, clauses=(), bundle=self._terms.bundle.digest, error=why)
        self._compare(decision)
        return Redecided(
            index=self._index,
            entry=self._entry,
            in_use=self._in_use,
            caller=None,
            appraisal=None,
            facts=None,
            decision=decision,
            judge=None,
            notes=(),
            mismatches=tuple(self._found),
        )

    def _observation(self, caller: KnownCredential) -> Observation:
        seen, entry = self._seen, self._entry
        action = Action(entry["action"])
        relations = [parse_relation(each) for each in seen.get("relations", ())]
        return Observation(
            credential=caller,
            runner_level=self._terms.runner_level,
            action=action,
            model=seen["model"],
            tool=entry["resource"] if action is Action.CALL else "",
            persons=parse_seen(seen["persons"]) if "persons" in seen else NOTHING_SEEN,
            claims=seen.get("claims", {}),
            # a consent that was named by its data set, as far as the log says: by the statement it led to
            named=(*seen.get("named", ()), *seen.get("consents", ())),
            recorded=by_statement(relations),
        )

    def _signals(self) -> tuple[SignalSeen, ...]:
        """What classifiers said, as the entry holds it: of those that the bundle names, and true to its threshold."""
        signals = parse_signals(self._seen.get("signals", {}))
        read = self._terms.bundle.signals_read
        for signal in signals:
            if signal.fact not in read:
                self._note("signals", signal.fact, "no clause reads it")
            elif (why := why_not_signalled(signal, read[signal.fact])) is not None:
                self._note("signals", f"{signal.fact} = {signal.value}", why)
        return signals

    def _check_relations(self, appraiser: Appraiser, seen: Observation, appraisal: Appraisal) -> None:
        """Each order and engagement in force has its relation, and those to orders are what the digests say."""
        recorded = seen.recorded or {}
        expected = dict(_relations_due(appraiser, seen.persons))
        for sha256, relation in expected.items():
            said = recorded.get(sha256)
            if said is None:
                self._note("relations", "nothing", f"one to statement {sha256[:16]}")
            elif relation is not None and relation != said:
                self._note("relations", said, relation)
        for sha256 in recorded.keys() - expected.keys():
            self._note("relations", recorded[sha256], "no such statement in force")

    def _check_facts(self, values: Mapping[str, Any]) -> None:
        recorded = self._entry["facts"]
        if recorded != values:
            for name in sorted({*recorded, *values}):
                if recorded.get(name) != values.get(name):
                    self._note("facts", f"{name} = {recorded.get(name)}", f"{name} = {values.get(name)}")

    def _judge(self, workload: str) -> Judge:
        terms, resource, now = self._terms, str(self._entry["resource"]), self._now

        def decide_one(action: Action, facts: Facts) -> Decision:
            return terms.memo.decide(
                action=action, workload=workload, resource=resource, facts=facts, now=now
            )

        return decide_one

    def _decide(
        self, judge: Judge, facts: Facts, appraisal: Appraisal, caller: KnownCredential
    ) -> tuple[Decision, Facts]:
        terms, now = self._terms, self._now
        why = terms.why_not(now) or self._in_use.suspensions.why(
            workload=caller.workload,
            model=self._seen["model"],
            purpose=best_word(appraisal, "purpose"),
            now=now,
        )
        if why is not None:
            return Decision(outcome=Outcome.DENY, clauses=(), bundle=terms.bundle.digest, error=why), facts
        roles = terms.bundle.approvals
        action = Action(self._entry["action"])
        decision = decide_whole(judge, action, facts, roles=roles)
        approved = self._entry.get("approved", {})
        if decision.outcome is Outcome.HOLD and approved:
            # INVARIANT: what was permitted rests on what people signed, never on the count that stands in the entry
            held = self._entry["outcome"] == Outcome.HOLD.name
            counts = approved if held else self._counted(facts, decision, caller)
            facts = replace(facts, approvals={**dict.fromkeys(roles, 0), **counts})
            decision = decide_approved(judge, action, facts, held=decision, roles=roles)
        elif approved:
            self._note("approvals", approved, "none: it is not held")
        return replace(decision, valid_until=appraisal.valid_until), facts

    def _counted(self, facts: Facts, held: Decision, caller: KnownCredential) -> Mapping[str, int]:
        """Count the approvals that the entry consumes, from what people signed."""
        terms, now = self._terms, self._now
        statements: list[VerifiedStatement] = []
        for sha256 in self._entry.get("approvals", ()):
            document = self._archive.approval(sha256)
            try:
                statements.append(
                    verify_statement([document], terms.root, now=now, skew_s=terms.bundle.skew_s)
                )
            except CountermarkError as error:
                self._note("approvals", sha256[:16], error)
        if not statements:
            self._note("approvals", self._entry["approved"], "none that anybody signed")
            return {}
        try:
            first = parse_approval(statements[0])
        except CountermarkError as error:
            self._note("approvals", statements[0].sha256[:16], error)
            return {}
        key = self._digest_key
        if key is not None and keyed_digest(key, first.action_digest) != self._entry["action_digest"]:
            self._note("approvals", first.sha256[:16], "of another action")
        count = count_approvals(
            statements,
            hold_id=first.hold,
            workload=caller.workload,
            action_digest=first.action_digest,
            bundle=terms.bundle.digest,
            facts_sha256=facts_digest(facts.values),
            clauses_held=held.clauses,
            roles=terms.bundle.approvals,
            requesters=caller.holders,
            root=terms.root,
            now=now,
            consumed=(),
            longest=terms.bundle.approval_life,
        )
        self._notes = tuple(item.reason for item in count.ignored)
        for item in count.ignored:
            self._note("approvals", item.sha256[:16], f"does not count: {item.reason}")
        counts = {role: n for role, n in count.counts.items() if n}
        if counts != self._entry["approved"]:
            self._note("approvals", self._entry["approved"], counts)
        return counts

    def _compare(self, decision: Decision) -> None:
        entry = self._entry
        outcome = str(entry["outcome"])
        if "error" in entry and outcome == Outcome.DENY.name:
            return  # why it was denied only the gateway saw; that it was is what can be checked
        if decision.outcome.name != outcome:
            because = f" ({decision.error})" if decision.error else ""
            self._note("outcome", outcome, f"{decision.outcome.name}{because}")
            return
        pairs: Iterator[tuple[str, object, object]] = iter(
            (
                ("clauses", list(entry["clauses"]), list(decision.clauses)),
                ("quorum", entry.get("quorum", {}), dict(decision.quorum)),
                ("observe", entry.get("observe", False), decision.observe),
                (
                    "valid until",
                    entry.get("valid_until"),
                    None if decision.valid_until is None else format_time(decision.valid_until),
                ),
            )
        )
        for what, recorded, replayed in pairs:
            if recorded != replayed:
                self._note(what, recorded, replayed)


def _relations_due(appraiser: Appraiser, persons: SelectorsSeen) -> Iterator[tuple[str, Relation | None]]:
    """Per statement in force that a relation is due to: what it must be, or None where only the content could tell."""
    for item in appraiser.standing.in_force:
        sha256 = item.statement.sha256
        if isinstance(item.parsed, LegalBasis) and item.parsed.type == "order":
            told = item.parsed.key_id in persons.digests
            yield sha256, relate_order(item.parsed, sha256, persons) if told else None
        elif isinstance(item.parsed, Engagement):
            yield sha256, None
