"""`decide`: one pure function from a request and its facts to a decision. No clock, no random source, no I/O.

HOLD is found by evaluation: approvals only ever add (the clause lint sees to that), so one evaluation with every role at
its maximum answers "could people permit it?"; lowering role by role, in the bundle's order, then gives a smallest quorum
to ask for. What no approval can lift is DENY at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from datetime import datetime

from countermark.decision import Decision, Outcome
from countermark.facts import Facts
from countermark.policy.bundle import Bundle
from countermark.policy.evaluate import Evaluator
from countermark.request import Action

Judge = Callable[[Action, Facts], Decision]
"""`decide` for one workload, resource and time."""


def decide(
    bundle: Bundle,
    evaluator: Evaluator,
    *,
    action: Action,
    workload: str,
    resource: str,
    facts: Facts,
    now: datetime,
) -> Decision:
    """Decide one action under one bundle.

    Args:
        bundle: The bundle in force; `evaluator` was made from it.
        facts: Every view that the bundle's clauses read, appraised; absent ones deny by failing the schema.
        now: When the decision is taken, for the bundle's own `observe` rules, which expire. Facts carry no time.

    Returns:
        The decision; `valid_until` is left to the caller, who knows the appraisal. An evaluation error is a DENY that
        says so in `error`.
    """
    name = action.value
    result = evaluator.evaluate(name, workload, resource, facts.values, facts.approvals)
    if result.error is not None:
        return Decision(outcome=Outcome.DENY, clauses=(), bundle=bundle.digest, error=result.error)
    if result.permitted:
        return Decision(outcome=Outcome.PERMIT, clauses=result.clauses, bundle=bundle.digest)
    # A role's maximum is never below what has been approved already
    possible = {
        role: max(facts.possible.get(role, 0), facts.approvals.get(role, 0)) for role in bundle.approvals
    }
    quorum = evaluator.minimal_quorum(name, workload, resource, facts.values, possible)
    observe = observed(bundle, action, workload, result.clauses, now)
    if quorum is None:
        return Decision(outcome=Outcome.DENY, clauses=result.clauses, bundle=bundle.digest, observe=observe)
    asked = {role: count for role, count in quorum.items() if count > 0}
    return Decision(
        outcome=Outcome.HOLD, clauses=result.clauses, bundle=bundle.digest, quorum=asked, observe=observe
    )


def decide_whole(judge: Judge, action: Action, facts: Facts, *, roles: Sequence[str]) -> Decision:
    """Decide an action with what goes with it: a prompt together with its release, whose worse outcome counts.

    Args:
        roles: All roles whose approvals the bundle's clauses read, in its order.
    """
    first = judge(action, facts)
    # a denial that is only observed does not end it: the release may be denied by what is enforced
    if action is not Action.PROMPT or first.enforced is Outcome.DENY:
        return first
    second = judge(Action.RELEASE, facts)
    worse = min(first, second, key=lambda each: each.outcome)
    both = first.outcome is second.outcome
    return replace(
        worse,
        clauses=tuple(sorted({*first.clauses, *second.clauses})) if both else worse.clauses,
        quorum={
            role: max(first.quorum.get(role, 0), second.quorum.get(role, 0))
            for role in roles
            if role in first.quorum or role in second.quorum
        },
        # INVARIANT: observed only where everything that was not permitted is observed
        observe=all(each.observe for each in (first, second) if each.outcome is not Outcome.PERMIT)
        and worse.outcome is not Outcome.PERMIT,
    )


def decide_approved(
    judge: Judge, action: Action, facts: Facts, *, held: Decision, roles: Sequence[str]
) -> Decision:
    """Decide a held action on the approvals that count.

    What is asked for stays the whole quorum, also where some have signed: a hold shows who has signed already.

    Args:
        facts: With the approvals that count.
        held: The decision without any.
    """
    decided = decide_whole(judge, action, facts, roles=roles)
    if decided.outcome is Outcome.HOLD:
        return replace(decided, clauses=held.clauses, quorum=held.quorum)
    return decided


def observed(bundle: Bundle, action: Action, workload: str, clauses: tuple[str, ...], now: datetime) -> bool:
    """Whether everything that stopped an action is only observed: decided and recorded, not enforced.

    Never for a red line, never where no clause decided (a default DENY), never beyond the rule's own end.
    """
    if not clauses or bundle.red_lines & set(clauses):
        return False
    free: set[str] = set()
    for rule in bundle.observe:
        if rule.action is action and rule.workload == workload and now < rule.until:
            free |= set(rule.clauses)
    return set(clauses) <= free


class DecisionMemo:
    """Remembers decisions by exactly what `decide` can read; the judge stays `decide` itself.

    Holds at most `size` decisions of one bundle, least recently used out first. The second stands in the key in place of
    `now` where the bundle has `observe` rules, since they expire by it.
    """

    def __init__(self, bundle: Bundle, evaluator: Evaluator, *, size: int = 8192) -> None:
        self._bundle = bundle
        self._evaluator = evaluator
        self._size = size
        self._known: OrderedDict[Hashable, Decision] = OrderedDict()

    def decide(
        self, *, action: Action, workload: str, resource: str, facts: Facts, now: datetime
    ) -> Decision:
        """The same decision as `decide` gives, from memory where the same was asked before."""
        key = (
            action,
            workload,
            resource,
            # in the order in which they were gathered, which is always the same; another order is a miss, no more
            tuple(facts.values.items()),
            tuple(facts.approvals.items()),
            tuple(facts.possible.items()),
            int(now.timestamp()) if self._bundle.observe else 0,
        )
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        decision = decide(
            self._bundle,
            self._evaluator,
            action=action,
            workload=workload,
            resource=resource,
            facts=facts,
            now=now,
        )
        self._known[key] = decision
        if len(self._known) > self._size:
            self._known.popitem(last=False)
        return decision
