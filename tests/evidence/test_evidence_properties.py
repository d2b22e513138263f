"""What appraisal promises for every set of statements: order, omission, lower levels, time, foreign statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from evidence_world import (
    DAY,
    NOW,
    OFFICE,
    RECALL,
    consent,
    deployment,
    engagement,
    order,
    oversight,
    purpose,
    seen,
    trust_root,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.attestation.verify import VerifiedStatement
from countermark.evidence.appraise import appraise
from countermark.evidence.observation import Observation
from countermark.evidence.standing import group_of
from countermark.facts import CONFLICT, MOST, UNKNOWN, AppraisedFact, FactValue, Level
from countermark.request import Action

VIEWS = (Level.OPERATOR, Level.COUNTERSIGNED, Level.OBSERVED)
SCOPES = ("order", "engagement")
CONTENTS = {
    "purpose": [
        {},
        {
            "purpose": "locate-person",
            "operations": ["locate"],
            "data_classes": ["persons"],
            "persons_at_most": 3,
        },
        {
            "purpose": "locate-person",
            "operations": ["locate", "link"],
            "data_classes": ["persons", "bulk-acquired"],
        },
        {"models": ["m-2"], "basis_required": "order"},
    ],
    "deployment": [{}, {"tools": {}}, {"site": "closed", "answer_effects": ["decide"]}],
    "oversight": [{}, {"review": "none", "decides": "nobody"}],
    "order": [{}, {"may_derive": ["notify"]}, {"may_derive": ["locate", "link"]}],
    "order 18/1": [{}, {"may_derive": ["locate", "link"]}],
    "engagement": [{}, {"ranges": ["10.9.0.0/16"]}, {"names": ["other.example"], "ranges": []}],
    "consent": [{}],
}
PERSONS = (("a",), ("a", "b"), ("c",))
Case = tuple[str, int, int, str, str | None, int, str]


@cache
def made(case: Case, workload: str = OFFICE, expired: bool = False) -> VerifiedStatement:
    """A signed statement; the same arguments give the same one, so that each is signed once."""
    kind, content, persons, by, countersigned_by, seq, _ = case
    changes = {
        **CONTENTS[kind][content % len(CONTENTS[kind])],
        "by": by,
        "countersigned_by": None if countersigned_by == by else countersigned_by,
        "seq": seq,
        "ends": NOW if expired else NOW + DAY,
    }
    if kind.startswith("order"):
        number = kind.partition(" ")[2] or "17/3"
        return order(PERSONS[persons], number=number, workloads=[workload], **changes)
    if kind == "engagement":
        return engagement(workloads=[workload], **changes)
    if kind == "consent":
        return consent(workloads=[workload], **changes)
    return {"purpose": purpose, "deployment": deployment, "oversight": oversight}[kind](workload, **changes)


# Northmark's two roles with or without Halden's countersignature, and Halden's own word with or without Northmark's.
SIGNERS = [("cem", "ada"), ("cem", None), ("dua", "ada"), ("dua", None), ("ada", "cem"), ("ada", None)]
CASES = st.builds(
    lambda kind, content, persons, signers, seq: (kind, content, persons, *signers, seq, ""),
    st.sampled_from(
        [
            "purpose",
            "purpose",
            "order",
            "order",
            "order 18/1",
            "deployment",
            "oversight",
            "engagement",
            "consent",
        ]
    ),
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from(SIGNERS),
    st.integers(1, 2),
)
STATEMENTS = st.lists(CASES, max_size=7, unique=True).map(lambda cases: [made(case) for case in cases])
OBSERVATIONS = st.builds(
    lambda persons, addresses, level, action, model, claims: seen(
        persons=persons,
        addresses=addresses,
        runner_level=level,
        action=action,
        tool="actuate" if action is Action.CALL else "",
        model=model,
        claims=claims,
    ),
    st.sampled_from([(), ("a",), ("a", "b")]),
    st.sampled_from([(), ("10.4.0.1",), ("10.4.0.1", "10.9.0.1")]),
    st.sampled_from([Level.OBSERVED, Level.OBSERVED, Level.OPERATOR]),
    st.sampled_from(list(Action)),
    st.sampled_from(["m-1", "m-2"]),
    st.sampled_from([{}, {"bulk_persons": "no"}, {"consent": "outside", "data_set": "recall-4"}]),
)
FEW = settings(max_examples=150, deadline=None)


def facts_of(statements: Sequence[VerifiedStatement], observation: Observation) -> dict[str, AppraisedFact]:
    """Appraise now, under the tests' trust root."""
    return dict(appraise(statements, observation, root=trust_root(), now=NOW).facts)


def values_of(
    statements: Sequence[VerifiedStatement], observation: Observation
) -> dict[str, dict[Level, FactValue]]:
    """Only the values."""
    return {name: dict(fact.values) for name, fact in facts_of(statements, observation).items()}


def rises(name: str, before: FactValue, after: FactValue) -> bool:
    """Whether a fact knows something better than before, other than by the end of a conflict."""
    if before == CONFLICT or after in (before, UNKNOWN):
        return False
    if name in SCOPES:
        return after == "inside"  # `outside` is no better than `unknown`
    if name == "persons_at_most":
        return isinstance(after, int) and isinstance(before, int) and after < before < MOST
    return True


def replaces(statement: VerifiedStatement, others: Sequence[VerifiedStatement]) -> bool:
    """Whether it is a newer word of the same makers about the same subject."""
    return any(group_of(other) == group_of(statement) and other.seq < statement.seq for other in others)


@FEW
@given(STATEMENTS, OBSERVATIONS, st.randoms(use_true_random=False))
def test_order_of_arrival_and_duplicates_change_nothing(statements, observation, random) -> None:  # type: ignore[no-untyped-def]
    """appraise(permutation(S) + duplicates) == appraise(S)."""
    shuffled = [*statements, *statements[:2]]
    random.shuffle(shuffled)
    root = trust_root()
    assert appraise(shuffled, observation, root=root, now=NOW) == appraise(
        statements, observation, root=root, now=NOW
    )


@FEW
@given(STATEMENTS.filter(bool), OBSERVATIONS, st.integers(0, 6))
def test_omission_raises_nothing_but_by_the_end_of_a_conflict(statements, observation, index) -> None:  # type: ignore[no-untyped-def]
    """Without one statement no fact rises, unless it contradicted others, or replaced an older one of its makers."""
    gone = statements[index % len(statements)]
    rest = [statement for statement in statements if statement is not gone]
    if replaces(gone, rest):
        return
    before, after = values_of(statements, observation), values_of(rest, observation)
    for name in before:
        for view in VIEWS:
            old, new = before[name].get(view, UNKNOWN), after[name].get(view, UNKNOWN)
            assert not rises(name, old, new), (name, view.word, old, new)
            assert new != CONFLICT or old == CONFLICT, (name, view.word)  # adding never removes a conflict


@FEW
@given(STATEMENTS.filter(bool), OBSERVATIONS, st.integers(0, 6))
def test_lowering_a_signature_only_moves_values_to_lower_views(statements, observation, index) -> None:  # type: ignore[no-untyped-def]
    """Without its countersignature a statement says the same to who listens to one party, and less to others."""
    index %= len(statements)
    lowered = list(statements)
    lowered[index] = replace(statements[index], level=Level.OPERATOR, countersigners=())
    before, after = values_of(statements, observation), values_of(lowered, observation)
    for name in before:
        assert after[name].get(Level.OPERATOR) == before[name].get(Level.OPERATOR)
        assert after[name].get(Level.OBSERVED) == before[name].get(Level.OBSERVED)
        old, new = (values[name].get(Level.COUNTERSIGNED, UNKNOWN) for values in (before, after))
        assert not rises(name, old, new), (name, old, new)


@FEW
@given(STATEMENTS, OBSERVATIONS)
def test_lowering_the_tie_only_moves_values_to_lower_views(statements, observation) -> None:  # type: ignore[no-untyped-def]
    """Seen by a gateway whose runner nobody named, all is an operator's word: same values, no higher view."""
    lower = values_of(statements, replace(observation, runner_level=Level.OPERATOR))
    higher = values_of(statements, replace(observation, runner_level=Level.OBSERVED))
    for name, values in lower.items():
        assert values.get(Level.OPERATOR) == higher[name].get(Level.OPERATOR)
        for view in VIEWS[1:]:
            assert values.get(view, UNKNOWN) in (UNKNOWN, MOST)


@FEW
@given(STATEMENTS, st.lists(CASES, max_size=4), OBSERVATIONS)
def test_expired_is_absent(statements, more, observation) -> None:  # type: ignore[no-untyped-def]
    """appraise(S + expired statements) == appraise(S), up to what explain says of them."""
    expired = [made(case, expired=True) for case in more]
    assert facts_of([*statements, *expired], observation) == facts_of(statements, observation)


@FEW
@given(STATEMENTS, st.lists(CASES, max_size=4), OBSERVATIONS)
def test_a_stolen_statement_gives_nothing(statements, more, observation) -> None:  # type: ignore[no-untyped-def]
    """appraise(S + genuine statements about another workload) == appraise(S), named by the caller or not."""
    stolen = [
        statement
        for statement in (made(case, workload=RECALL) for case in more)
        # an order or engagement of the same makers replaces theirs, whomever it names
        if not any(group_of(statement) == group_of(other) for other in statements)
    ]
    named = replace(observation, named=tuple(statement.sha256 for statement in stolen))
    assert facts_of([*statements, *stolen], named) == facts_of(statements, observation)


@FEW
@given(
    STATEMENTS,
    OBSERVATIONS,
    st.dictionaries(
        st.sampled_from(["bulk_persons", "consent", "data_set", "purpose", "order"]), st.text(max_size=8)
    ),
)
def test_claims_reach_the_claimed_view_only(statements, observation, claims) -> None:  # type: ignore[no-untyped-def]
    """Whatever a caller says of itself, no view but `claimed` changes."""
    before, after = (
        values_of(statements, observation),
        values_of(statements, replace(observation, claims=claims)),
    )
    for name in before:
        assert [before[name].get(view) for view in VIEWS] == [after[name].get(view) for view in VIEWS]


@FEW
@given(STATEMENTS, OBSERVATIONS)
def test_a_fact_counts_as_the_weaker_of_statement_and_tie(statements, observation) -> None:  # type: ignore[no-untyped-def]
    """Each support's level is min(statement, tie), and what a view knows somebody of at least its level says."""
    for fact in facts_of(statements, observation).values():
        for support in fact.support:
            assert support.level == min(support.statement_level, support.tie_level)
        for view, value in fact.values.items():
            if value not in (UNKNOWN, CONFLICT, MOST):
                assert any(item.level >= view for item in fact.support), (fact.name, view.word, value)
