"""Appraisal: which values statements and observation give, at which level, and why others give none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from evidence_world import (
    DAY,
    NOW,
    OFFICE,
    RECALL,
    consent,
    deployment,
    engagement,
    key,
    order,
    oversight,
    purpose,
    seen,
    sign,
    status,
    trust_root,
)

from countermark.attestation.verify import VerifiedStatement
from countermark.evidence.appraise import FACT_NAMES, Appraisal, Appraiser, appraise
from countermark.evidence.observation import Observation
from countermark.evidence.relations import by_statement, parse_relation, relation_record
from countermark.evidence.standing import about_workloads, stand
from countermark.facts import CONFLICT, MOST, UNKNOWN, Level
from countermark.request import Action

OPERATOR, COUNTERSIGNED, OBSERVED, CLAIMED = (
    Level.OPERATOR,
    Level.COUNTERSIGNED,
    Level.OBSERVED,
    Level.CLAIMED,
)


def facts_of(
    *statements: VerifiedStatement, observation: Observation | None = None, **changes: Any
) -> Appraisal:
    """Appraise under the tests' trust root, now."""
    return appraise(statements, observation or seen(), **{"root": trust_root(), "now": NOW, **changes})


def reasons(appraisal: Appraisal) -> Mapping[str, str]:
    """Why statements gave nothing, by digest."""
    return {item.statement: item.reason for item in appraisal.ignored}


def test_nothing_on_file_is_unknown() -> None:
    """Without a statement every fact is there, and unknown; a number is at its worst, binding is what was seen."""
    appraisal = facts_of()
    assert appraisal.facts.keys() == FACT_NAMES
    for name, fact in appraisal.facts.items():
        if name != "binding":
            assert set(fact.values.values()) == {MOST if name == "persons_at_most" else UNKNOWN}, name
            assert fact.support == ()
    assert appraisal.used == ()


def test_a_countersigned_statement_counts_in_both_views_and_in_none_above() -> None:
    """A statement never rises to `observed`: it is somebody's word, whoever saw the credential."""
    values = facts_of(purpose()).facts["purpose"].values
    assert values == {OPERATOR: "office", COUNTERSIGNED: "office", OBSERVED: UNKNOWN}


def test_one_party_alone_counts_as_operator() -> None:
    """Without the counterpart's countersignature the value leaves the countersigned view."""
    values = facts_of(purpose(countersigned_by=None)).facts["purpose"].values
    assert values == {OPERATOR: "office", COUNTERSIGNED: UNKNOWN, OBSERVED: UNKNOWN}


def test_the_weaker_of_statement_and_tie() -> None:
    """Through a gateway whose runner nobody named, a countersigned statement is tied by an operator's sight only."""
    appraisal = facts_of(purpose(), order(["a"]), observation=seen(persons=["a"], runner_level=OPERATOR))
    for name in ("purpose", "order"):
        assert appraisal.facts[name].values[OPERATOR] not in (UNKNOWN, CONFLICT)
        assert appraisal.facts[name].values[COUNTERSIGNED] == UNKNOWN
        (support,) = appraisal.facts[name].support
        assert (support.level, support.statement_level, support.tie_level) == (
            OPERATOR,
            COUNTERSIGNED,
            OPERATOR,
        )


def test_binding_is_the_gateways_own_sight() -> None:
    """`binding` is observed through a named runner's gateway, an operator's word otherwise."""
    signed = key("workload").public
    assert facts_of(observation=seen()).facts["binding"].values[OBSERVED] == "api-key"
    assert facts_of(observation=seen(public=signed)).facts["binding"].values[OBSERVED] == "key-bound"
    values = facts_of(observation=seen(public=signed, runner_level=OPERATOR)).facts["binding"].values
    assert values == {OPERATOR: "key-bound", COUNTERSIGNED: UNKNOWN, OBSERVED: UNKNOWN}


CALL: dict[str, Any] = {"action": Action.CALL}
VALUES: dict[str, tuple[Callable[[], VerifiedStatement], dict[str, Any], dict[str, object]]] = {
    "a prompt has the effects of its answer": (
        lambda: deployment(answer_effects=["decide"]),
        {},
        {"can_decide": "yes", "can_actuate": "no", "tool_declared": "yes", "deployment_attested": "yes"},
    ),
    "a call has the effects of its tool": (
        deployment,
        {**CALL, "tool": "actuate"},
        {"can_decide": "yes", "can_actuate": "yes", "can_spend": "no", "tool_declared": "yes"},
    ),
    "a harmless tool can do nothing": (
        deployment,
        {**CALL, "tool": "search"},
        {"can_decide": "no", "can_actuate": "no", "can_communicate": "no", "tool_declared": "yes"},
    ),
    "of an undeclared tool nothing is known": (
        deployment,
        {**CALL, "tool": "other"},
        {"can_decide": UNKNOWN, "can_actuate": UNKNOWN, "tool_declared": "no"},
    ),
    "a purpose is about its models": (
        purpose,
        {"model": "m-2"},
        {"model_allowed": "no", "purpose": "office"},
    ),
    "a call is about the model whose answer asks for it": (
        purpose,
        {**CALL, "tool": "search", "model": "m-1"},
        {"model_allowed": "yes"},
    ),
    "the worst class of data counts": (
        lambda: purpose(data_classes=["no-persons", "bulk-acquired", "consented"], operations=["serve"]),
        {},
        {"data_class": "bulk-acquired", "serves": "yes", "profiles": "no"},
    ),
    "every operation is a fact": (
        lambda: purpose(data_classes=["persons"], operations=["locate", "link"], persons_at_most=25),
        {},
        {"locates": "yes", "links": "yes", "notifies": "no", "scores": "no", "persons_at_most": 25},
    ),
    "oversight": (oversight, {}, {"review": "before-effect", "decides": "reviewer"}),
}


@pytest.mark.parametrize("case", VALUES)
def test_values(case: str) -> None:
    """Each predicate says the facts that its table in spec/predicates.md lists."""
    make, observed, expected = VALUES[case]
    facts = facts_of(make(), observation=seen(**observed)).facts
    assert {name: facts[name].values[COUNTERSIGNED] for name in expected} == expected


def test_disagreement_is_a_conflict_in_each_view_that_hears_it() -> None:
    """Two roles that disagree give `conflict`; a view that hears only one of them has its value."""
    one, other = purpose(), purpose(purpose="survey", by="dua", countersigned_by=None)
    facts = facts_of(one, other).facts
    assert facts["purpose"].values == {OPERATOR: CONFLICT, COUNTERSIGNED: "office", OBSERVED: UNKNOWN}
    assert facts["serves"].values[OPERATOR] == "no"  # on this they agree
    assert len(facts["purpose"].support) == 2


def test_disagreement_about_a_number_is_its_worst_value() -> None:
    """A Long has no `conflict`: where two statements bound it differently, it isn't bounded."""
    facts = facts_of(purpose(), purpose(persons_at_most=7, by="dua")).facts
    assert facts["persons_at_most"].values[COUNTERSIGNED] == MOST


def test_two_deployments_of_one_workload_are_a_conflict() -> None:
    """Two systems under one name aren't an attested deployment, even where each statement alone would be."""
    facts = facts_of(deployment(), deployment(system="another system", by="dua")).facts
    assert facts["deployment_attested"].values[COUNTERSIGNED] == CONFLICT
    assert facts["can_actuate"].values[COUNTERSIGNED] == "no"


def test_newest_of_the_same_makers_wins() -> None:
    """A higher `seq` of the same party and role replaces the older statement, which explain still names."""
    old, new = purpose(seq=1), purpose(seq=2, purpose="survey")
    appraisal = facts_of(old, new)
    assert appraisal.facts["purpose"].values[COUNTERSIGNED] == "survey"
    assert "replaced by seq 2" in reasons(appraisal)[old.sha256]


def test_newest_wins_although_nobody_countersigned_it() -> None:
    """A newer word of the maker alone takes the older one out of the countersigned view too."""
    facts = facts_of(purpose(seq=1), purpose(seq=2, purpose="survey", countersigned_by=None)).facts
    assert facts["purpose"].values == {OPERATOR: "survey", COUNTERSIGNED: UNKNOWN, OBSERVED: UNKNOWN}


def test_equal_seq_with_another_content_is_a_conflict() -> None:
    """Two statements under one number both count; which one came last doesn't matter."""
    one, other = purpose(seq=3), purpose(seq=3, purpose="survey")
    assert facts_of(one, other).facts["purpose"].values[COUNTERSIGNED] == CONFLICT
    assert facts_of(other, one).facts["purpose"].values[COUNTERSIGNED] == CONFLICT


def test_another_role_replaces_nothing() -> None:
    """A higher `seq` of another role of the same party is a second opinion, not a newer one."""
    facts = facts_of(purpose(seq=1), purpose(seq=9, purpose="survey", by="dua")).facts
    assert facts["purpose"].values[COUNTERSIGNED] == CONFLICT


def test_expired_and_early_statements_are_ignored_with_their_reason() -> None:
    """Out of its time a statement gives nothing; the beginning is forgiven by the skew, the end isn't."""
    late = purpose(ends=NOW)
    early = deployment(begins=NOW + timedelta(seconds=61), verified_at=NOW + DAY / 2)
    appraisal = facts_of(late, early)
    assert appraisal.used == ()
    assert "expired" in reasons(appraisal)[late.sha256]
    assert "not valid before" in reasons(appraisal)[early.sha256]
    assert (
        facts_of(deployment(begins=NOW + timedelta(seconds=60))).facts["deployment_attested"].values[OPERATOR]
        == "yes"
    )


def test_about_another_workload_gives_nothing() -> None:
    """A genuine, countersigned statement about another workload is worth nothing, and explain says whose it is."""
    foreign = purpose(RECALL, purpose="notify-persons")
    appraisal = facts_of(foreign)
    assert appraisal.facts["purpose"].values[OPERATOR] == UNKNOWN
    assert reasons(appraisal)[foreign.sha256] == f"about `{RECALL}`, not `{OFFICE}`"


def test_a_subject_name_that_is_not_the_descriptors_gives_nothing() -> None:
    """Rights are matched with the subject's name, so a name above another thing's descriptor is refused."""
    content = {"review": "none", "decides": "nobody"}
    forged = sign(
        "oversight",
        RECALL,
        {"workload": OFFICE},
        content,
        instrument={"name": "directive D-7", "changed_by": ["northmark"]},
    )
    appraisal = facts_of(forged)
    assert appraisal.used == ()
    assert "subject name" in reasons(appraisal)[forged.sha256]


def test_a_status_is_required_where_the_trust_root_says_so() -> None:
    """Without a fresh `status: good` of the issuer an order gives nothing; with one it does, until that is too old."""
    root = trust_root((("legal-basis", 3600),))
    ours = order(["a"], root=root)
    observation = seen(persons=["a"])

    def scope(*statuses: VerifiedStatement, now: Any = NOW) -> object:
        everything = (ours, purpose(root=root), *statuses)
        return (
            facts_of(*everything, observation=observation, root=root, now=now)
            .facts["order"]
            .values[COUNTERSIGNED]
        )

    good = status(ours, begins=NOW - timedelta(seconds=3000))
    assert scope() == UNKNOWN
    assert scope(good) == "inside"
    assert scope(good, now=NOW + timedelta(seconds=599)) == "inside"
    assert scope(good, now=NOW + timedelta(seconds=600)) == UNKNOWN
    assert scope(status(ours, begins=NOW - timedelta(seconds=3600))) == UNKNOWN
    assert scope(status(ours, by="ada")) == UNKNOWN  # Halden's word isn't the issuer's
    assert scope(status(order(["b"], root=root))) == UNKNOWN  # about another statement
    content = {"status": "good"}
    misnamed = sign(
        "status", "northmark/x", {"statement": ours.sha256}, content, begins=NOW - DAY / 48, root=root
    )
    assert scope(misnamed) == UNKNOWN
    appraisal = facts_of(ours, purpose(root=root), good, observation=observation, root=root)
    assert appraisal.valid_until == NOW + timedelta(seconds=600)
    assert "status: good" in reasons(facts_of(ours, root=root))[ours.sha256]


def test_withholding_a_status_does_not_bring_the_older_statement_back() -> None:
    """A newer order replaces the older one even while its status is missing and the older one's is on file."""
    root = trust_root((("legal-basis", 90000),))
    old, new = order(["a", "b"], seq=1, root=root), order(["b"], seq=2, root=root)
    facts = facts_of(
        old, new, status(old), purpose(root=root), observation=seen(persons=["a"]), root=root
    ).facts
    assert facts["order"].values[OPERATOR] == UNKNOWN


def test_a_newer_order_that_leaves_the_workload_out_replaces_the_older() -> None:
    """An index by workload keeps a statement that no longer names the workload, where it replaces one that did."""
    old, new = order(["a"], seq=1), order(["a"], seq=2, workloads=[RECALL])
    observation = seen(persons=["a"])
    assert facts_of(old, purpose(), observation=observation).facts["order"].values[COUNTERSIGNED] == "inside"
    indexed = about_workloads([old, new, purpose()])
    for statements in ((old, new, purpose()), indexed[OFFICE]):
        assert facts_of(*statements, observation=observation).facts["order"].values[COUNTERSIGNED] == UNKNOWN


SCOPES: dict[str, tuple[list[Callable[[], VerifiedStatement]], list[str], str]] = {
    "all persons inside one order": ([lambda: order(["a", "b"])], ["b", "a"], "inside"),
    "one person outside": ([lambda: order(["a", "b"])], ["a", "c"], "outside"),
    "no persons found": ([lambda: order(["a"])], [], UNKNOWN),
    "no order": ([], ["a"], UNKNOWN),
    "an order of another workload": ([lambda: order(["a"], workloads=[RECALL])], ["a"], UNKNOWN),
    "two orders that only together cover the request": (
        [lambda: order(["a"]), lambda: order(["b"], number="18/1")],
        ["a", "b"],
        "outside",
    ),
    "two orders of which one covers the request": (
        [lambda: order(["a"]), lambda: order(["a", "b"], number="18/1")],
        ["a", "b"],
        "inside",
    ),
    "two statements that disagree about one order": (
        [lambda: order(["a"]), lambda: order(["b"], by="dua")],
        ["a"],
        CONFLICT,
    ),
    "a dispute about one order that another doesn't outweigh": (
        [lambda: order(["a"]), lambda: order(["b"], by="dua"), lambda: order(["a"], number="18/1")],
        ["a"],
        CONFLICT,
    ),
    "an order that doesn't cover what the purpose does": (
        [
            lambda: order(["a"], may_derive=["notify"]),
            lambda: purpose(operations=["locate"], data_classes=["persons"]),
        ],
        ["a"],
        "outside",
    ),
    "an order under a key that the gateway doesn't know": (
        [lambda: order(["a"], selectors={"key_id": "k9", "hmac_sha256": ["0" * 64]})],
        ["a"],
        UNKNOWN,
    ),
    "a word about the same order that this gateway can't read": (
        [
            lambda: order(["a"]),
            lambda: order([], by="dua", selectors={"key_id": "k9", "hmac_sha256": ["0" * 64]}),
        ],
        ["a"],
        "inside",
    ),
    "another spelling of the same person": ([lambda: order(["Ada  Example"])], ["ada EXAMPLE"], "inside"),
}


@pytest.mark.parametrize("case", SCOPES)
def test_order(case: str) -> None:
    """`order` is inside where every person parsed from the request is inside one order in force for this workload."""
    makers, persons, expected = SCOPES[case]
    statements = [make() for make in makers]
    if not any(statement.kind == "purpose" for statement in statements):
        statements.append(purpose())
    facts = facts_of(*statements, observation=seen(persons=persons)).facts
    assert facts["order"].values[COUNTERSIGNED] == expected


def test_an_order_needs_to_know_what_is_done() -> None:
    """Without a purpose, or with two that disagree, no order covers a request: what is derived isn't known."""
    observation = seen(persons=["a"])
    assert facts_of(order(["a"]), observation=observation).facts["order"].values[OPERATOR] == UNKNOWN
    locate = purpose(operations=["locate"], data_classes=["persons"], by="dua", countersigned_by=None)
    values = facts_of(order(["a"]), purpose(), locate, observation=observation).facts["order"].values
    assert values == {OPERATOR: CONFLICT, COUNTERSIGNED: "inside", OBSERVED: UNKNOWN}


ENGAGED: dict[str, tuple[tuple[str, ...], str]] = {
    "every address inside": (("10.4.0.1", "10.4.255.255", "host.lab.example"), "inside"),
    "one address outside": (("10.4.0.1", "10.5.0.1"), "outside"),
    "no address": ((), UNKNOWN),
    "a network inside": (("10.4.8.0/24",), "inside"),
    "a network that reaches beyond": (("10.0.0.0/8",), "outside"),
    "what is no address": (("not an address",), "outside"),
}


@pytest.mark.parametrize("case", ENGAGED)
def test_engagement(case: str) -> None:
    """`engagement` is inside where every address parsed from the request is inside one engagement in force."""
    addresses, expected = ENGAGED[case]
    facts = facts_of(engagement(), observation=seen(addresses=addresses)).facts
    assert facts["engagement"].values[COUNTERSIGNED] == expected
    assert (
        facts_of(engagement(workloads=[RECALL]), observation=seen(addresses=addresses))
        .facts["engagement"]
        .values[OPERATOR]
        == UNKNOWN
    )


def test_consent_stays_claimed_whatever_its_signatures() -> None:
    """A countersigned consent about a data set that the caller names is `inside` in the claimed view alone."""
    ours = consent()
    for observation in (seen(named=(ours.sha256,)), seen(claims={"data_set": "recall-4"})):
        fact = facts_of(ours, observation=observation).facts["consent"]
        assert fact.values == {
            CLAIMED: "inside",
            OPERATOR: UNKNOWN,
            COUNTERSIGNED: UNKNOWN,
            OBSERVED: UNKNOWN,
        }
        (support,) = fact.support
        assert (support.statement_level, support.tie_level) == (COUNTERSIGNED, CLAIMED)
    unnamed = facts_of(ours)
    assert unnamed.facts["consent"].values[CLAIMED] == UNKNOWN
    assert "names its data set" in reasons(unnamed)[ours.sha256]


def test_a_foreign_consent_that_is_named_gives_nothing() -> None:
    """Story 5: naming another workload's consent doesn't even become a claim, and explain says why."""
    foreign = consent(workloads=[RECALL])
    appraisal = facts_of(foreign, observation=seen(named=(foreign.sha256,)))
    assert appraisal.facts["consent"].values[CLAIMED] == UNKNOWN
    assert reasons(appraisal)[foreign.sha256] == f"about `{RECALL}`, not `{OFFICE}`"
    absent = facts_of(observation=seen(named=("f" * 64,)))
    assert "named by the caller" in reasons(absent)["f" * 64]


CLAIMS: dict[str, tuple[dict[str, str], str, str]] = {
    "bulk": ({"bulk_persons": "yes"}, "bulk_persons", "yes"),
    "not bulk": ({"bulk_persons": "no"}, "bulk_persons", "no"),
    "a value that no clause knows": ({"bulk_persons": "YES"}, "bulk_persons", UNKNOWN),
    "the word conflict": ({"bulk_persons": "conflict"}, "bulk_persons", UNKNOWN),
    "no consent": ({"consent": "outside"}, "consent", "outside"),
    "another fact's name": ({"purpose": "office"}, "purpose", UNKNOWN),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_claims(case: str) -> None:
    """A claim is a fact in the claimed view only, and only where it is a word of the clauses' language."""
    claims, name, expected = CLAIMS[case]
    values = facts_of(observation=seen(claims=claims)).facts[name].values
    assert values.get(CLAIMED, UNKNOWN) == expected
    assert {values.get(level, UNKNOWN) for level in (OPERATOR, COUNTERSIGNED, OBSERVED)} == {UNKNOWN}


def test_every_support_says_who_and_how_they_know() -> None:
    """Support names each signature that counts with basis and interest, and the tie in words."""
    (support,) = facts_of(purpose()).facts["purpose"].support
    assert support.signers == (
        "northmark/northmark_officer (cem): document-seen, party",
        "halden/halden_reviewer (ada): inspected, none",
    )
    assert support.tie == "credential of the workload"
    assert support.valid_until == NOW + DAY


def test_valid_until_is_the_earliest_end_of_all_supports() -> None:
    """What a decision rests on ends with its first support, the credential's own end included."""
    assert facts_of(purpose(), deployment(ends=NOW + DAY / 2)).valid_until == NOW + DAY / 2
    observation = seen()
    short = replace(observation, credential=replace(observation.credential, valid_until=NOW + DAY / 4))
    assert facts_of(purpose(), observation=short).valid_until == NOW + DAY / 4


def test_relations_are_recorded_and_replayed_without_content() -> None:
    """Relations of the log, in place of persons and addresses, give the same facts."""
    statements = [purpose(), order(["a"]), engagement()]
    observation = seen(persons=["a", "b"], addresses=("10.4.0.1", "10.9.0.1", "10.9.0.2"))
    appraisal = facts_of(*statements, observation=observation)
    assert sorted(map(str, appraisal.relations)) == [
        "1 of 2 outside order 17/3",
        "2 of 3 outside engagement E-9",
    ]
    kept = [parse_relation(relation_record(relation)) for relation in appraisal.relations]
    assert kept == list(appraisal.relations)
    replayed = facts_of(*statements, observation=seen(recorded=by_statement(kept)))
    assert replayed.facts == appraisal.facts


def test_an_appraiser_gives_what_appraise_gives() -> None:
    """Keeping what stands, and remembering facts without content, changes no appraisal."""
    statements = [purpose(), deployment(), oversight(), order(["a"]), engagement()]
    appraiser = Appraiser(stand(statements, workload=OFFICE, root=trust_root(), now=NOW, skew_s=60))
    observations = [
        seen(),
        seen(persons=["a"]),
        seen(persons=["b"], model="m-2"),
        seen(action=Action.CALL, tool="actuate"),
        seen(action=Action.CALL, tool="search"),
        seen(action=Action.CALL, tool="search", runner_level=OPERATOR),
        seen(runner_level=OPERATOR),
        *(seen(model=f"m-{number}") for number in range(300)),
        seen(addresses=("10.4.0.1",), claims={"bulk_persons": "yes"}),
    ]
    for observation in observations * 2:
        assert appraiser.appraise(observation) == facts_of(*statements, observation=observation)
    with pytest.raises(ValueError, match=RECALL):
        appraiser.appraise(seen(RECALL))


def test_what_stands_says_when_it_changes() -> None:
    """`changes_at` is the next moment at which a statement begins, ends, or loses its status."""
    root = trust_root((("legal-basis", 3600),))

    def change(*statements: VerifiedStatement) -> object:
        return stand(statements, workload=OFFICE, root=root, now=NOW, skew_s=60).changes_at

    soon = purpose(begins=NOW + timedelta(seconds=100), verified_at=NOW + DAY / 2, root=root)
    ours = order(["a"], root=root)
    assert change() is None
    assert change(deployment(root=root)) == NOW + DAY
    assert change(deployment(root=root), soon) == NOW + timedelta(seconds=40)
    assert change(ours, status(ours, begins=NOW - timedelta(seconds=600))) == NOW + timedelta(seconds=3000)
