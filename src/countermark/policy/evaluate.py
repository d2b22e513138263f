"""What a bundle's clauses say of one set of facts and approvals: Cedar's answer, or a denial.

cedarpy is the only judge. An erring policy is skipped by Cedar, so that an erring forbid would let a permit through:
here any error, `NoDecision` or exception is "not permitted".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cedarpy

from countermark.errors import EvaluationError, PolicyError
from countermark.facts import MOST, UNKNOWN, FactValue
from countermark.policy.bundle import Bundle
from countermark.policy.clause import ClausePolicy
from countermark.policy.dialect import approvals_read
from countermark.policy.factlist import LONG, VIEWS

_NO_ENTITIES = cedarpy.Entities.from_json_str("[]")
MEMO_SIZE = 4096
"""Answers kept: equal facts get an equal answer, and asking Cedar costs a hundred times a look-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Cedar's answer.

    Attributes:
        permitted: A permit applies, no forbid does, and nothing went wrong.
        clauses: Sorted ids of the clauses that decided: the permits where permitted, else the forbids that apply;
            empty where no clause applies.
        error: What went wrong; `permitted` is False then, and `clauses` empty.
    """

    permitted: bool
    clauses: tuple[str, ...]
    error: str | None = None


class Evaluator:
    """A bundle's policies, parsed once. Pure: equal arguments give an equal answer."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        policies: Iterable[ClausePolicy] | None = None,
        memo_size: int = MEMO_SIZE,
    ) -> None:
        """Parse the bundle's policies and schema.

        Args:
            policies: Other policies than the bundle's own (mutants of them), against the bundle's schema.
            memo_size: Answers kept.

        Raises:
            PolicyError: Cedar can't read them.
        """
        chosen = bundle.policies if policies is None else tuple(policies)
        self._facts = bundle.facts
        self._roles = bundle.approvals
        self._views = sorted(bundle.views_read)
        self._memo_size = memo_size
        self._memo: dict[tuple[str, str, str, str], Evaluation] = {}
        self._fragments: dict[tuple[str, FactValue], str] = {}
        text = "\n".join(policy.text for policy in chosen)
        try:
            self._schema = cedarpy.Schema.from_str(bundle.schema)
            self._policies = cedarpy.PolicySet.from_str(text)
        except ValueError as error:
            raise PolicyError(f"expected policies that Cedar reads: {error!s:.200}") from error
        self._clause_of = {f"policy{number}": policy.clause for number, policy in enumerate(chosen)}
        self._thresholds = self._read_thresholds(bundle, chosen)

    @staticmethod
    def _read_thresholds(bundle: Bundle, policies: Iterable[ClausePolicy]) -> dict[str, tuple[int, ...]]:
        """Per role, the counts at which a clause's answer may change: 0 and each `n` of a `>= n`."""
        found: dict[str, set[int]] = {role: {0} for role in bundle.approvals}
        for policy in policies:
            for role, count in approvals_read(policy.node):
                found.setdefault(role, {0}).add(count)
        return {role: tuple(sorted(counts)) for role, counts in found.items()}

    def evaluate(
        self,
        action: str,
        workload: str,
        resource: str,
        values: Mapping[str, FactValue],
        approvals: Mapping[str, int],
    ) -> Evaluation:
        """Ask the clauses.

        Args:
            action: `prompt`, `release` or `call`.
            resource: The model's name, or the tool's for `call`.
            values: By `view.name`; at least all that the bundle reads (`Bundle.views_read`), more is ignored. A value
                that an open type doesn't have in this bundle counts as `unknown`.
            approvals: Persons by role; a role that is not named has none.

        Returns:
            Never raises for what the facts are: an error is not permitted.
        """
        try:
            context = self._context(values, approvals)
            key = (str(action), workload, resource, context)
            known = self._memo.get(key)
            if known is None:
                known = self._ask(*key)
                if len(self._memo) >= self._memo_size:
                    self._memo.clear()
                self._memo[key] = known
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever goes wrong must deny; a panic in Rust is no Exception
            return Evaluation(permitted=False, clauses=(), error=f"{type(error).__name__}: {error!s:.300}")
        return known

    def _ask(self, action: str, workload: str, resource: str, context: str) -> Evaluation:
        request = {
            "principal": {"type": "Workload", "id": workload},
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Tool" if action == "call" else "Model", "id": resource},
            "context": context,
        }
        result = cedarpy.is_authorized(request, self._policies, _NO_ENTITIES, schema=self._schema)
        errors = result.diagnostics.errors
        if errors or result.decision is cedarpy.Decision.NoDecision:
            raise EvaluationError(errors[0] if errors else "no decision")
        clauses = tuple(sorted({self._clause_of[reason] for reason in result.diagnostics.reasons}))
        return Evaluation(permitted=result.allowed, clauses=clauses)

    def _context(self, values: Mapping[str, FactValue], approvals: Mapping[str, int]) -> str:
        """The context as JSON. Its parsing costs most of a decision, so entities take the short form `{type, id}`."""
        groups: dict[str, list[str]] = {view: [] for view in VIEWS}
        for path in self._views:
            if path not in values:
                raise EvaluationError(f"expected the fact `{path}`")
            value = values[path]
            fragment = self._fragments.get((path, value)) if type(value) is str else None
            if fragment is None:
                fragment = self._fragment(path, value)
            groups[path.partition(".")[0]].append(fragment)
        counts = []
        for role in self._roles:
            count = approvals.get(role, 0)
            if type(count) is not int or not 0 <= count <= MOST:
                raise EvaluationError(f"expected a count of approvals for `{role}`, got `{count!s:.40}`")
            counts.append(f'"{role}":{count}')
        records = [f'"{view}":{{{",".join(fields)}}}' for view, fields in groups.items()]
        return f'{{{",".join(records)},"approvals":{{{",".join(counts)}}}}}'

    def _fragment(self, path: str, value: FactValue) -> str:
        _, fact = self._facts.split(path)
        if fact.type == LONG:
            if type(value) is not int or not 0 <= value <= MOST:
                raise EvaluationError(f"expected a number for `{path}`, got `{value!s:.40}`")
            return f'"{fact.name}":{value}'
        known = self._facts.types[fact.type]
        if type(value) is not str:
            raise EvaluationError(f"expected a word for `{path}`, got `{value!s:.40}`")
        # an open value that these terms do not have says nothing here, and so is worth as much as none
        counted = UNKNOWN if known.is_open and value not in known.all_values else value
        if counted not in known.all_values:
            raise EvaluationError(f"expected a value of `{fact.type}` for `{path}`, got `{value:.60}`")
        made = f'"{fact.name}":{{"type":"{fact.type}","id":{json.dumps(counted)}}}'
        if counted == value:
            self._fragments[path, value] = made
        return made

    def minimal_quorum(
        self,
        action: str,
        workload: str,
        resource: str,
        values: Mapping[str, FactValue],
        possible: Mapping[str, int],
    ) -> Mapping[str, int] | None:
        """The approvals to ask for: could people permit it, and how few of them?

        Starts with every role at its most and lowers role by role, in the bundle's order. Approvals are monotone
        (linted), so no role of the answer can be lowered further.

        Args:
            possible: How many persons of each role could approve (those of the trust root, less the requester).

        Returns:
            Persons by role, without the roles that need none; None where no approvals can permit it.
        """
        counts = {role: max(possible.get(role, 0), 0) for role in self._roles}
        if not self.evaluate(action, workload, resource, values, counts).permitted:
            return None
        for role in self._roles:
            for fewer in self._thresholds[role]:
                if fewer >= counts[role]:
                    break
                if self.evaluate(action, workload, resource, values, counts | {role: fewer}).permitted:
                    counts[role] = fewer
                    break
        return {role: count for role, count in counts.items() if count}
