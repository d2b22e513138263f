"""Appraisal: from verified statements and one observation to facts. Pure: no clock, no I/O, no order of arrival.

    (1) which statements stand for the workload at `now`                      standing.py
    (2) each says values of facts; a word counts as the weaker of statement and tie
    (3) relations between content and orders or engagements are facts        relations.py
    (4) per level, the value on which all words of at least that level agree  agreement.py
    (5) what the caller says, and consent about data that nothing but his word ties to the request: `claimed` only

What nobody says is `unknown`; a number's unknown is its worst value.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from countermark.attestation.trust_root import TrustRoot
from countermark.attestation.verify import VerifiedStatement
from countermark.evidence.agreement import STATEMENT_VIEWS, Word, best_of_subjects, fact_of_words
from countermark.evidence.observation import Observation
from countermark.evidence.predicates.deployment import Deployment
from countermark.evidence.predicates.engagement import Engagement
from countermark.evidence.predicates.legal_basis import LegalBasis
from countermark.evidence.predicates.oversight import Oversight
from countermark.evidence.predicates.purpose import Purpose
from countermark.evidence.relations import Relation, relate_engagement, relate_order
from countermark.evidence.standing import Ignored, InForce, Standing, stand
from countermark.facts import CONFLICT, MOST, UNKNOWN, AppraisedFact, FactValue, Level, Support
from countermark.request import Action

CREDENTIAL_TIE: Final = "credential of the workload"
PERSONS_TIE: Final = "persons parsed from the request"
ADDRESSES_TIE: Final = "addresses parsed from the request"
CLAIM_TIE: Final = "the caller's word"

OPERATION_FACTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "serves": "serve",
        "notifies": "notify",
        "profiles": "profile",
        "links": "link",
        "scores": "score",
        "locates": "locate",
    }
)
EFFECT_FACTS: Final[Mapping[str, str]] = MappingProxyType(
    {"can_actuate": "actuate", "can_decide": "decide", "can_communicate": "communicate", "can_spend": "spend"}
)
CLAIM_VALUES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"bulk_persons": ("yes", "no"), "consent": ("inside", "outside")}
)
"""Claims that are facts. Another value is `unknown`: it is no word of the clauses' language, and who misspells a claim
said nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appraisal:
    """What is known for one request.

    Attributes:
        facts: Every fact of evidence, by name, whether anything is known of it or not.
        valid_until: The earliest end among all that supports a fact; None where nothing does.
        used: Digests of the statements that support a fact, sorted; without the credential's.
        ignored: Statements that gave nothing here, and why, for `explain`.
        relations: What was computed against each order and engagement in force, for the log.
    """

    facts: Mapping[str, AppraisedFact]
    valid_until: datetime | None
    used: tuple[str, ...]
    ignored: tuple[Ignored, ...]
    relations: tuple[Relation, ...]


_Operations = Mapping[Level, frozenset[str] | str]
_REMEMBERED: Final = 256


def appraise(
    statements: Iterable[VerifiedStatement],
    observation: Observation,
    *,
    root: TrustRoot,
    now: datetime,
    skew_s: int = 60,
) -> Appraisal:
    """Appraise one request.

    Args:
        statements: Verified under `root`: all that bear on the workload (`standing.about_workloads`), or simply all.
        skew_s: How far ahead of ours a maker's clock may run, in seconds.
    """
    standing = stand(statements, workload=observation.workload, root=root, now=now, skew_s=skew_s)
    return Appraiser(standing).appraise(observation)


class Appraiser:
    """Appraises requests on what stands for their workload, which can be kept until it changes.

    It remembers the facts that don't depend on content, by all that they do depend on: the same observation gives the
    same appraisal, sooner. At most 256 of them, since callers choose the names of models and tools.
    """

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self._known: OrderedDict[Hashable, tuple[Mapping[str, AppraisedFact], _Operations]] = OrderedDict()
        self._lock = threading.Lock()  # guards _known

    def appraise(self, observation: Observation) -> Appraisal:
        """Appraise one request.

        Raises:
            ValueError: A request of another workload.
        """
        if self.standing.workload != observation.workload:
            raise ValueError(
                f"expected a request of `{self.standing.workload}`, got one of `{observation.workload}`"
            )
        known, operations = self._without_content(observation)
        return _appraise(self.standing, observation, dict(known), operations)

    def _without_content(self, seen: Observation) -> tuple[Mapping[str, AppraisedFact], _Operations]:
        key = (seen.action, seen.model, seen.tool, seen.runner_level, seen.credential)
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        facts = _statement_facts(self.standing, seen)
        facts["binding"] = _binding(seen)
        found = (facts, _operations(facts))
        with self._lock:
            self._known[key] = found
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found


def _appraise(
    standing: Standing, seen: Observation, facts: dict[str, AppraisedFact], operations: _Operations
) -> Appraisal:
    relations = tuple(_relations(standing, seen))
    by_statement = {relation.statement: relation for relation in relations}
    facts["order"] = _relation_fact("order", standing, seen, by_statement, operations)
    facts["engagement"] = _relation_fact("engagement", standing, seen, by_statement, {})
    facts["bulk_persons"] = _claimed_fact("bulk_persons", _claims("bulk_persons", seen), views=())
    consent = [*_claims("consent", seen), *_consents(standing, seen)]
    facts["consent"] = _claimed_fact("consent", consent, views=STATEMENT_VIEWS)
    supports = [support for fact in facts.values() for support in fact.support]
    ends = [support.valid_until for support in supports if support.valid_until is not None]
    return Appraisal(
        facts=MappingProxyType(facts),
        valid_until=min(ends, default=None),
        used=tuple(sorted({item.statement for item in supports if item.statement is not None})),
        ignored=(*standing.ignored, *_named_but_absent(standing, seen), *_untied(standing, seen)),
        relations=relations,
    )


# (2) values that statements about the workload say


@dataclass(frozen=True, slots=True, kw_only=True)
class _StatementFact:
    kind: type[Deployment] | type[Purpose] | type[Oversight]
    value: Callable[..., FactValue]
    content: Callable[..., Hashable] | None = None
    unknown: FactValue = UNKNOWN


def _yes(condition: bool) -> str:
    return "yes" if condition else "no"


def _attested_content(deployment: Deployment, _: Observation) -> Hashable:
    # "yes" alone would hide that two statements describe two systems
    return (deployment.system, deployment.operator, deployment.environment, deployment.site)


def _tool_declared(deployment: Deployment, seen: Observation) -> str:
    return _yes(seen.action is not Action.CALL or seen.tool in deployment.tools)


def _effect(effect: str) -> Callable[[Deployment, Observation], str]:
    def read(deployment: Deployment, seen: Observation) -> str:
        if seen.action is not Action.CALL:
            return _yes(effect in deployment.answer_effects)
        # of a tool that the deployment doesn't list nothing is known: not that it is harmless
        return _yes(effect in deployment.tools[seen.tool]) if seen.tool in deployment.tools else UNKNOWN

    return read


def _operation(operation: str) -> Callable[[Purpose, Observation], str]:
    return lambda purpose, _: _yes(operation in purpose.operations)


STATEMENT_FACTS: Final[Mapping[str, _StatementFact]] = MappingProxyType(
    {
        "deployment_attested": _StatementFact(
            kind=Deployment, value=lambda *_: "yes", content=_attested_content
        ),
        "tool_declared": _StatementFact(kind=Deployment, value=_tool_declared),
        **{
            name: _StatementFact(kind=Deployment, value=_effect(effect))
            for name, effect in EFFECT_FACTS.items()
        },
        "purpose": _StatementFact(kind=Purpose, value=lambda purpose, _: purpose.purpose),
        # the worst of them: a purpose that carries any bulk-acquired data carries bulk-acquired data
        "data_class": _StatementFact(kind=Purpose, value=lambda purpose, _: purpose.data_classes[-1]),
        "persons_at_most": _StatementFact(
            kind=Purpose, value=lambda purpose, _: purpose.persons_at_most, unknown=MOST
        ),
        "basis_required": _StatementFact(kind=Purpose, value=lambda purpose, _: purpose.basis_required),
        "model_allowed": _StatementFact(
            kind=Purpose, value=lambda purpose, seen: _yes(seen.model in purpose.models)
        ),
        **{
            name: _StatementFact(kind=Purpose, value=_operation(operation))
            for name, operation in OPERATION_FACTS.items()
        },
        "review": _StatementFact(kind=Oversight, value=lambda oversight, _: oversight.review),
        "decides": _StatementFact(kind=Oversight, value=lambda oversight, _: oversight.decides),
    }
)
"""Facts whose tie is the workload's credential: what the statement says, for this action."""

FACT_NAMES: Final = frozenset(STATEMENT_FACTS) | {"order", "engagement", "consent", "binding", "bulk_persons"}
"""Every fact that `appraise` gives."""


def _statement_facts(standing: Standing, seen: Observation) -> dict[str, AppraisedFact]:
    facts: dict[str, AppraisedFact] = {}
    for name, fact in STATEMENT_FACTS.items():
        words = []
        for item in standing.in_force:
            if not isinstance(item.parsed, fact.kind):
                continue
            value = fact.value(item.parsed, seen)
            content = value if fact.content is None else fact.content(item.parsed, seen)
            words.append(
                Word(support=_support(item, value, CREDENTIAL_TIE, seen.runner_level, seen), content=content)
            )
        facts[name] = fact_of_words(name, words, unknown=fact.unknown)
    return facts


def _support(
    item: InForce, value: FactValue, tie: str, tie_level: Level, seen: Observation | None = None
) -> Support:
    ends = [item.valid_until]
    if seen is not None and seen.credential.valid_until is not None:
        ends.append(seen.credential.valid_until)  # the tie ends with the credential
    statement = item.statement
    return Support(
        level=min(statement.level, tie_level),
        value=value,
        statement=statement.sha256,
        statement_level=statement.level,
        tie=tie,
        tie_level=tie_level,
        signers=item.signers,
        valid_until=min(ends),
    )


# (3) relations


def _operations(facts: Mapping[str, AppraisedFact]) -> _Operations:
    """Per view, what is done to persons; `conflict` or `unknown` where that isn't settled."""
    found: dict[Level, frozenset[str] | str] = {}
    for level in STATEMENT_VIEWS:
        values = {operation: facts[name].values[level] for name, operation in OPERATION_FACTS.items()}
        if CONFLICT in values.values():
            found[level] = CONFLICT
        elif UNKNOWN in values.values():
            found[level] = UNKNOWN
        else:
            found[level] = frozenset(operation for operation, value in values.items() if value == "yes")
    return found


def _relations(standing: Standing, seen: Observation) -> Iterable[Relation]:
    for item in standing.in_force:
        sha256 = item.statement.sha256
        if seen.recorded is not None and isinstance(item.parsed, LegalBasis | Engagement):
            if sha256 in seen.recorded:
                yield seen.recorded[sha256]
        elif isinstance(item.parsed, LegalBasis) and item.parsed.type == "order":
            yield relate_order(item.parsed, sha256, seen.persons)
        elif isinstance(item.parsed, Engagement):
            yield relate_engagement(item.parsed, sha256, seen.addresses)


def _inside(relation: Relation) -> str:
    if relation.seen == 0 or relation.outside is None:
        return UNKNOWN
    return "outside" if relation.outside else "inside"


def _covered(value: str, item: InForce, operations: frozenset[str] | str) -> str:
    """An order covers a request only where all that its purpose does to persons may be derived under it."""
    if value != "inside" or not isinstance(item.parsed, LegalBasis):
        return value
    if isinstance(operations, str):
        return operations
    return "inside" if operations <= set(item.parsed.may_derive) else "outside"


def _relation_fact(
    name: str,
    standing: Standing,
    seen: Observation,
    relations: Mapping[str, Relation],
    operations: _Operations,
) -> AppraisedFact:
    tie = PERSONS_TIE if name == "order" else ADDRESSES_TIE
    related = [
        (item, _inside(relations[item.statement.sha256]))
        for item in standing.in_force
        if item.statement.sha256 in relations and relations[item.statement.sha256].kind == name
    ]
    values: dict[Level, FactValue] = {}
    for level in STATEMENT_VIEWS:
        by_subject: dict[Hashable, list[str]] = {}
        for item, value in related:
            if min(item.statement.level, seen.runner_level) >= level:
                covered = _covered(value, item, operations.get(level, frozenset()))
                by_subject.setdefault(item.statement.subject.sha256, []).append(covered)
        values[level] = best_of_subjects(by_subject)
    support = []
    for item, value in related:
        level = min(item.statement.level, seen.runner_level)
        covered = _covered(value, item, operations.get(level, frozenset()))
        support.append(_support(item, covered, tie, seen.runner_level, seen))
    return AppraisedFact(name=name, values=MappingProxyType(values), support=tuple(support))


def _binding(seen: Observation) -> AppraisedFact:
    support = Support(
        level=seen.runner_level,
        value=seen.credential.binding,
        statement=None,
        statement_level=seen.runner_level,
        tie=CREDENTIAL_TIE,
        tie_level=seen.runner_level,
        signers=(),
        valid_until=seen.credential.valid_until,
    )
    return fact_of_words("binding", [Word(support=support, content=support.value)])


# (5) claims


def _claims(name: str, seen: Observation) -> list[Support]:
    value = seen.claims.get(name)
    if value not in CLAIM_VALUES[name]:
        return []
    return [
        Support(
            level=Level.CLAIMED,
            value=value,
            statement=None,
            statement_level=Level.CLAIMED,
            tie=CLAIM_TIE,
            tie_level=Level.CLAIMED,
            signers=(),
            valid_until=None,
        )
    ]


def _consents(standing: Standing, seen: Observation) -> list[Support]:
    """Consents that the caller names, or whose data set he names: true as they may be, only his word ties them."""
    return [
        _support(item, "inside", CLAIM_TIE, Level.CLAIMED)
        for item in standing.in_force
        if _is_consent(item) and _is_named(item, seen)
    ]


def _is_consent(item: InForce) -> bool:
    return isinstance(item.parsed, LegalBasis) and item.parsed.type == "consent"


def _is_named(item: InForce, seen: Observation) -> bool:
    data_set = item.parsed.data_set if isinstance(item.parsed, LegalBasis) else ""
    return item.statement.sha256 in seen.named or (data_set != "" and seen.claims.get("data_set") == data_set)


def _claimed_fact(name: str, support: list[Support], *, views: tuple[Level, ...]) -> AppraisedFact:
    told = {item.value for item in support}
    value: FactValue = CONFLICT if len(told) > 1 else next(iter(told), UNKNOWN)
    values: dict[Level, FactValue] = dict.fromkeys(views, UNKNOWN)
    values[Level.CLAIMED] = value
    return AppraisedFact(name=name, values=MappingProxyType(values), support=tuple(support))


# for explain


def _named_but_absent(standing: Standing, seen: Observation) -> list[Ignored]:
    known = {item.statement.sha256 for item in standing.in_force} | {
        item.statement for item in standing.ignored
    }
    return [
        Ignored(
            statement=sha256,
            kind="",
            name="",
            reason=f"named by the caller: not on file, not in force, or not about `{seen.workload}`",
        )
        for sha256 in seen.named
        if sha256 not in known
    ]


def _untied(standing: Standing, seen: Observation) -> list[Ignored]:
    return [
        Ignored(
            statement=item.statement.sha256,
            kind=item.statement.kind,
            name=item.statement.subject.name,
            reason="nothing in the request names its data set, and nothing recognises it",
        )
        for item in standing.in_force
        if _is_consent(item) and not _is_named(item, seen)
    ]
