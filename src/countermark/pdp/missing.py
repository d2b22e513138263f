"""What is missing: the smallest additional evidence that would give a better answer, and who could give it.

The clauses of the dialect are positive formulas, so the smallest change is found by a best-first search over what they
ask for, with few evaluations: every forbid that applies has to be met, and one permit. What the search finds is then
decided by the clauses themselves, and left out where they say no: Cedar stays the judge.

What the caller claims is no evidence, and is never among what is missing.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from types import MappingProxyType
from typing import Final

from countermark.attestation.trust_root import TrustRoot
from countermark.decision import Decision, Outcome
from countermark.evidence.appraise import STATEMENT_FACTS
from countermark.evidence.predicates.deployment import Deployment
from countermark.evidence.predicates.oversight import Oversight
from countermark.evidence.predicates.purpose import Purpose
from countermark.facts import CONFLICT, LEVELS_BY_WORD, MOST, UNKNOWN, Facts, FactValue, Level
from countermark.policy.bundle import Bundle
from countermark.policy.dialect import AllOf, AnyOf, Approved, Bounded, Expr, IsAction, Leaf, Rule
from countermark.request import Action

MAX_STEPS: Final = 5000
"""Steps of one search: far more than the clauses of a readable bundle need, and still under a second."""
MOST_WAYS: Final = 3

_KINDS: Final = {Deployment: "deployment", Purpose: "purpose", Oversight: "oversight"}
KIND_OF_FACT: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{name: _KINDS[fact.kind] for name, fact in STATEMENT_FACTS.items()},
        "order": "legal-basis",
        "consent": "legal-basis",
        "engagement": "engagement",
        "binding": "credential",
    }
)
"""The predicate that a fact comes from. A claim comes from none."""
EXTENSIBLE: Final = frozenset({"order", "engagement", "binding"})
"""Facts where one more statement can cover what those on file don't: `outside` is no word against `inside`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One fact that would have to be otherwise.

    Attributes:
        path: `view.name`.
        needs: Any one of these values will do. Of a number: the bound, as text (`<= 50`).
        kind: The predicate that it comes from.
        replaces: Statements on file say otherwise now, or disagree: this would be another truth, not more evidence.
    """

    path: str
    before: FactValue
    needs: tuple[str, ...]
    kind: str
    replaces: bool

    @property
    def level(self) -> Level:
        """The level that the clauses ask for."""
        return LEVELS_BY_WORD[self.path.partition(".")[0]]

    @property
    def name(self) -> str:
        """The fact."""
        return self.path.partition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A smallest set of changes, and what would be decided then. `decision.quorum` says whose approvals it needs yet."""

    changes: tuple[Change, ...]
    decision: Decision

    @property
    def replaces(self) -> bool:
        """Whether something on file would have to say otherwise."""
        return any(change.replaces for change in self.changes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The predicates that it takes, each once."""
        return tuple(dict.fromkeys(change.kind for change in self.changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who could give what is missing.

    Attributes:
        makers: Roles that may make the statement, with the persons who hold them.
        countersigners: Roles of a counterpart that may countersign it. Needed from level `countersigned` up.
    """

    kind: str
    subject: str
    level: Level
    makers: Mapping[str, tuple[str, ...]]
    countersigners: Mapping[str, tuple[str, ...]]

    @property
    def nobody(self) -> bool:
        """Whether the trust root names nobody who could."""
        return not self.makers or (self.level >= Level.COUNTERSIGNED and not self.countersigners)


DecideOn = Callable[[Facts], Decision]
"""What is decided of one action on given facts."""


def smallest_missing(
    bundle: Bundle,
    judge: DecideOn,
    *,
    action: Action,
    facts: Facts,
    runner_level: Level,
    max_steps: int = MAX_STEPS,
    most: int = MOST_WAYS,
) -> tuple[Way, ...]:
    """The smallest evidence that would raise the outcome: PERMIT where it is a HOLD now, HOLD or PERMIT where DENY.

    Fewest words on file that would have to be otherwise come first, then fewest statements, then fewest facts, then
    fewest approvals.

    Args:
        judge: What is decided on given facts; of a prompt, together with its release.
        facts: As they are now: every view that the bundle reads.
        runner_level: What the gateway's own sight counts as; facts above it are out of reach.
        max_steps: Where the search gives up.

    Returns:
        At most `most` ways, none of which holds all that another one needs. Empty where it is permitted now, or where
        no evidence helps (what the caller says of itself forbids it).
    """
    now = judge(facts)
    if now.outcome is Outcome.PERMIT or now.error is not None:
        return ()
    # where people could permit it already, only what spares asking them is an improvement
    held = now.outcome is Outcome.HOLD
    people = (
        dict(facts.approvals)
        if held
        else {r: max(n, facts.approvals.get(r, 0)) for r, n in facts.possible.items()}
    )
    search = _Search(facts=facts, people=people, runner_level=runner_level)
    needed = [part for each in _actions(action) for part in _needed(bundle, each, search)]
    ways: list[Way] = []
    for state in search.run(needed, max_steps):
        changes = tuple(search.changes(state))
        if any({c.path for c in way.changes} <= {c.path for c in changes} for way in ways):
            continue
        decision = judge(replace(facts, values={**facts.values, **search.chosen(state)}))
        if decision.outcome > now.outcome:
            ways.append(Way(changes=changes, decision=decision))
            if len(ways) == most:
                break
    return tuple(ways)


def who_may_give(
    root: TrustRoot, change: Change, *, workload: str, now: datetime, subject: str | None = None
) -> Source:
    """Roles of the trust root that may make, and countersign, the statement that a change needs.

    Args:
        subject: Name of the statement's subject. By default the workload; of an order or engagement, whose number
            nobody knows yet, any name of the workload's party.
    """
    party = workload.partition("/")[0]
    name = subject or (f"{party}/NUMBER" if change.kind in ("legal-basis", "engagement") else workload)
    makers = {
        role.name: role.persons
        for role in root.roles.values()
        if root.may_make(role.name, change.kind, name, now)
        and (change.kind != "credential" or role.party == party)
    }
    opposed = {
        other for role in makers for other in root.counterparts(root.party_of_role(role), change.kind, name)
    }
    countersigners = {
        role.name: role.persons
        for role in root.roles.values()
        if role.party in opposed and root.may_make(role.name, "countersignature", name, now)
    }
    return Source(
        kind=change.kind, subject=name, level=change.level, makers=makers, countersigners=countersigners
    )


def _actions(action: Action) -> tuple[Action, ...]:
    return (Action.PROMPT, Action.RELEASE) if action is Action.PROMPT else (action,)


_NEVER: Final = AnyOf(parts=())
_ALWAYS: Final = AllOf(parts=())


def _needed(bundle: Bundle, action: Action, search: _Search) -> Iterator[Expr]:
    """What has to hold for `action`: each forbid that applies met, and one permit."""
    rules = [bundle.rule(policy) for policy in bundle.policies]
    rules = [rule for rule in rules if not rule.actions or action.value in rule.actions]
    for rule in rules:
        if rule.effect == "forbid":
            yield _for_action(_met(rule, search, action), action)
    permits = [
        AllOf(parts=tuple(c.expr for c in rule.conditions if c.kind == "when"))
        for rule in rules
        if rule.effect == "permit"
        and not any(c.kind == "unless" and search.holds(_for_action(c.expr, action)) for c in rule.conditions)
    ]
    yield _for_action(AnyOf(parts=tuple(permits)), action)


def _met(rule: Rule, search: _Search, action: Action) -> Expr:
    """When a forbid doesn't apply: something after `unless` holds, or something after `when` doesn't hold now."""
    if any(c.kind == "when" and not search.holds(_for_action(c.expr, action)) for c in rule.conditions):
        return _ALWAYS
    return AnyOf(parts=tuple(c.expr for c in rule.conditions if c.kind == "unless"))


def _for_action(expr: Expr, action: Action) -> Expr:
    """The expression with its questions about the action answered."""
    if isinstance(expr, IsAction):
        return _ALWAYS if expr.action == action.value else _NEVER
    if isinstance(expr, AllOf):
        return AllOf(parts=tuple(_for_action(part, action) for part in expr.parts))
    if isinstance(expr, AnyOf):
        return AnyOf(parts=tuple(_for_action(part, action) for part in expr.parts))
    return expr


@dataclass(frozen=True, slots=True)
class _State:
    """What the choices so far ask for: values by path, bounds by path, people by role."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bounds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    people: Mapping[str, int] = field(default_factory=dict)


_Cost = tuple[int, int, int, int]


class _Search:
    """Best first: the cost of a state never falls by asking for more, so the first whole answer is a smallest one."""

    def __init__(self, *, facts: Facts, people: Mapping[str, int], runner_level: Level) -> None:
        self._facts = facts
        self._people = people
        self._runner_level = runner_level

    def run(self, needed: list[Expr], max_steps: int) -> Iterator[_State]:
        """States that meet everything that is needed, cheapest first."""
        number = count()  # among equal costs the first choice written in the clause comes first
        start = _State()
        queue: list[tuple[_Cost, int, _State, tuple[Expr, ...]]] = [
            (self._cost(start), next(number), start, tuple(needed))
        ]
        for _ in range(max_steps):
            if not queue:
                return
            _, _, state, pending = heapq.heappop(queue)
            if not pending:
                yield state
                continue
            first, *rest = pending
            if self._implied(first, state):
                alternatives: list[tuple[_State | None, tuple[Expr, ...]]] = [(state, ())]
            elif isinstance(first, AllOf):
                alternatives = [(state, first.parts)]
            elif isinstance(first, AnyOf):
                alternatives = [(state, (part,)) for part in first.parts]
            else:
                alternatives = [(self._ask(first, state), ())]
            for made, more in alternatives:
                if made is not None:
                    heapq.heappush(queue, (self._cost(made), next(number), made, (*more, *rest)))

    def holds(self, expr: Expr) -> bool:
        """Whether an expression is true of the facts as they are."""
        if isinstance(expr, AllOf):
            return all(self.holds(part) for part in expr.parts)
        if isinstance(expr, AnyOf):
            return any(self.holds(part) for part in expr.parts)
        made = self._ask(expr, _State())
        return made is not None and not list(self.changes(made))

    def _implied(self, expr: Expr, state: _State) -> bool:
        if isinstance(expr, AllOf):
            return all(self._implied(part, state) for part in expr.parts)
        if isinstance(expr, AnyOf):
            return any(self._implied(part, state) for part in expr.parts)
        return self._ask(expr, state) == state

    def _ask(self, leaf: Leaf, state: _State) -> _State | None:
        """The state that also asks for this; None where nothing can bring it about."""
        if isinstance(leaf, Approved):
            if self._people.get(leaf.role, 0) < leaf.n:
                return None
            most = max(state.people.get(leaf.role, 0), leaf.n)
            return replace(state, people={**state.people, leaf.role: most})
        if isinstance(leaf, IsAction):
            return None
        path = f"{leaf.view}.{leaf.name}"
        if isinstance(leaf, Bounded):
            low, high = state.bounds.get(path, (0, MOST))
            low, high = {
                "<": (low, min(high, leaf.n - 1)),
                "<=": (low, min(high, leaf.n)),
                ">": (max(low, leaf.n + 1), high),
                ">=": (max(low, leaf.n), high),
            }[leaf.op]
            made = replace(state, bounds={**state.bounds, path: (low, high)})
            possible = low <= high
        else:
            known = state.values.get(path, leaf.values)
            allowed = tuple(value for value in known if value in leaf.values)
            made = replace(state, values={**state.values, path: allowed})
            possible = bool(allowed)
        if not possible or (self._changed(path, made) and not self._in_reach(path)):
            return None
        return made

    def _changed(self, path: str, state: _State) -> bool:
        now = self._facts.values.get(path, UNKNOWN)
        if path in state.bounds:
            low, high = state.bounds[path]
            return not (isinstance(now, int) and low <= now <= high)
        return now not in state.values[path]

    def _in_reach(self, path: str) -> bool:
        """Whether some statement could give this view of the fact a value."""
        view, _, name = path.partition(".")
        level = LEVELS_BY_WORD.get(view)
        if level is None:
            return False  # a signal: no statement changes what a classifier says
        if level is Level.CLAIMED or name not in KIND_OF_FACT or level > self._runner_level:
            return False
        if name == "binding":
            return True  # the gateway sees it itself
        # a statement is two parties' word at best, and nothing but the caller's word ties a consent to its data
        return level <= Level.COUNTERSIGNED and name != "consent"

    def changes(self, state: _State) -> Iterator[Change]:
        """What would have to be otherwise in this state."""
        for path in sorted({*state.values, *state.bounds}):
            if not self._changed(path, state):
                continue
            name = path.partition(".")[2]
            before = self._facts.values.get(path, UNKNOWN)
            additional = before in (UNKNOWN, MOST) or (name in EXTENSIBLE and before != CONFLICT)
            yield Change(
                path=path,
                before=before,
                needs=state.values[path] if path in state.values else (_bound(*state.bounds[path]),),
                kind=KIND_OF_FACT[name],
                replaces=not additional,
            )

    def chosen(self, state: _State) -> dict[str, FactValue]:
        """One value for each change."""
        made: dict[str, FactValue] = {}
        for change in self.changes(state):
            if change.path in state.values:
                made[change.path] = state.values[change.path][0]
            else:
                low, high = state.bounds[change.path]
                made[change.path] = low if high == MOST else high
        return made

    def _cost(self, state: _State) -> _Cost:
        changes = list(self.changes(state))
        return (
            sum(change.replaces for change in changes),
            len({change.kind for change in changes}),
            len(changes),
            sum(state.people.values()),
        )


def _bound(low: int, high: int) -> str:
    return f">= {low}" if high == MOST else f"<= {high}" if low == 0 else f"{low} to {high}"
