"""Whose signatures count for a held action: with real keys first, then as properties."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oversight_world import (
    NOW,
    ROLE_PERSONS,
    ROLES,
    VALUES,
    WORKLOAD,
    Signing,
    counted,
    held,
    held_content,
    key_of,
    make_root,
    signed,
)

from countermark.attestation.envelope import encode_envelope, sign_envelope
from countermark.attestation.statement import make_statement
from countermark.attestation.verify import verify_statement
from countermark.errors import (
    ExpiredError,
    MalformedError,
    PayloadTypeError,
    RoleError,
    SubjectError,
    TrustError,
)
from countermark.oversight.approval import (
    Verdict,
    counting_roles,
    make_approval,
    parse_approval,
    possible_approvers,
)
from countermark.oversight.shown import facts_digest

SCHEMA = json.loads((Path(__file__).parents[2] / "spec/predicates/approval.schema.json").read_text())
ROOT = make_root()
HOLD = held()
ADA = Signing(person="ada", role="halden_reviewer")
BEN = Signing(person="ben", role="halden_reviewer")
CEM = Signing(person="cem", role="northmark_commander")
DUA = Signing(person="dua", role="northmark_commander")


def test_two_people_of_two_parties_are_counted() -> None:
    """Each signature counts one person in its role; all of them are consumed together."""
    result = counted(ROOT, HOLD, [signed(ROOT, HOLD, ADA), signed(ROOT, HOLD, DUA)])
    assert result.counts == {
        "halden_reviewer": 1,
        "northmark_commander": 1,
        "northmark_duty_officer": 0,
    }
    assert [each.person for each in result.counted] == ["ada", "dua"]
    assert result.ignored == ()


def test_two_signatures_of_one_person_count_once_and_are_both_consumed() -> None:
    """A second signature is no second person, and no reserve for a second time."""
    later = replace(ADA, at=NOW + timedelta(seconds=30))
    result = counted(ROOT, HOLD, [signed(ROOT, HOLD, ADA), signed(ROOT, HOLD, later)])
    assert result.counts["halden_reviewer"] == 1
    assert len(result.counted) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hold_id": "h_" + "b" * 26}, "hold"),
        ({"hold_id": None}, "hold"),
        ({"action_digest": "0" * 64}, "another action"),
        ({"workload": "northmark/office"}, "another action"),
        ({"bundle": "c" * 64}, "bundle"),
        ({"facts_sha256": facts_digest({**VALUES, "observed.binding": "api-key"})}, "facts"),
        ({"clauses_held": ("RL-2", "RL-4")}, "RL-4"),
        ({"requesters": frozenset({"ada"})}, "those who asked"),
        ({"now": NOW + timedelta(hours=1)}, "in force"),
        ({"now": NOW - timedelta(hours=1)}, "in force"),
        ({"longest": timedelta(minutes=59)}, "at most 3540 s"),
        ({"roles": ("northmark_commander",)}, "role"),
    ],
    ids=[
        "another hold is open",
        "no hold is open",
        "another action",
        "another workload",
        "another bundle",
        "worse facts",
        "a clause more holds",
        "the requester",
        "after its expiry",
        "before its time",
        "it lives too long",
        "a role that nobody asks",
    ],
)
def test_an_approval_counts_only_for_what_was_shown(change: dict, reason: str) -> None:
    """Everything that the person saw has to be so when the action is taken."""
    result = counted(ROOT, HOLD, [signed(ROOT, HOLD, ADA)], **change)
    assert set(result.counts.values()) == {0}
    assert result.counted == ()
    assert reason in result.ignored[0].reason


def test_a_consumed_approval_counts_no_more() -> None:
    """Once means once."""
    approval = signed(ROOT, HOLD, ADA)
    assert counted(ROOT, HOLD, [approval], consumed={approval.sha256}).counts["halden_reviewer"] == 0


def test_an_approval_that_came_late_is_worth_nothing_for_the_next_hold() -> None:
    """A third signature, after two were enough, can't be kept for another time: it names its hold."""
    late = signed(ROOT, HOLD, BEN)
    next_hold = held()
    assert next_hold.action_digest == HOLD.action_digest
    assert counted(ROOT, next_hold, [late]).counts["halden_reviewer"] == 0


def test_the_clauses_held_may_have_become_fewer() -> None:
    """What another approval satisfied needs no new signature."""
    hold = held(clauses=("RL-2", "RL-4"))
    assert (
        counted(ROOT, hold, [signed(ROOT, hold, ADA)], clauses_held=("RL-2",)).counts["halden_reviewer"] == 1
    )


def test_somebody_else_cannot_sign_for_a_person() -> None:
    """ben's key under a statement that says ada: ben has that role too, and still it is nobody's approval."""
    result = counted(ROOT, HOLD, [signed(ROOT, HOLD, replace(ADA, key="ben"))])
    assert result.counts["halden_reviewer"] == 0
    assert "signature of `ada`" in result.ignored[0].reason


def test_a_person_cannot_sign_in_a_role_of_others() -> None:
    """dua holds no role of Halden, whatever her statement says."""
    result = counted(ROOT, HOLD, [signed(ROOT, HOLD, replace(ADA, person="dua", key="dua"))])
    assert set(result.counts.values()) == {0}


def test_a_role_without_the_right_verifies_nothing() -> None:
    """The trust root says who may approve about which workloads."""
    roles = {
        role: {
            "party": role.split("_")[0],
            "persons": list(persons),
            "threshold": 1,
            "makes": [{"predicate": "approval", "subjects": ["northmark/orders"]}],
        }
        for role, persons in ROLE_PERSONS.items()
    }
    root = make_root(roles=roles)
    with pytest.raises(RoleError):
        signed(root, HOLD, ADA)
    assert set(possible_approvers(root, ROLES, (), workload=WORKLOAD, now=NOW).values()) == {0}
    # verified under the older root, counted under the newer
    assert counted(root, HOLD, [signed(ROOT, HOLD, ADA)]).counts["halden_reviewer"] == 0


def test_a_refusal_by_a_needed_role_closes_the_hold() -> None:
    """One no outweighs any number of yes, and a no by a role that nobody asks is none."""
    no = signed(ROOT, HOLD, replace(BEN, verdict=Verdict.REFUSE))
    result = counted(ROOT, HOLD, [signed(ROOT, HOLD, ADA), signed(ROOT, HOLD, CEM), no])
    assert set(result.counts.values()) == {0}
    assert result.counted == ()
    assert [each.person for each in result.refused] == ["ben"]
    unasked = counted(ROOT, HOLD, [signed(ROOT, HOLD, CEM), no], roles=("northmark_commander",))
    assert unasked.counts == {"northmark_commander": 1}


@pytest.mark.parametrize(
    ("persons", "subjects"),
    [(["ben"], ["northmark/*"]), (["ada", "ben"], ["northmark/orders"])],
    ids=["she left the role", "the role lost the right"],
)
def test_a_trust_root_that_changed_since_is_the_one_that_counts(
    persons: list[str], subjects: list[str]
) -> None:
    """A statement verified under the older root is neither an approval nor a refusal under the newer."""
    roles = {
        role: {
            "party": role.split("_")[0],
            "persons": persons if role == ADA.role else list(ROLE_PERSONS[role]),
            "threshold": 1,
            "makes": [
                {"predicate": "approval", "subjects": subjects if role == ADA.role else ["northmark/*"]}
            ],
        }
        for role in ROLES
    }
    root = make_root(version=2, roles=roles)
    yes, dua = signed(ROOT, HOLD, ADA), signed(ROOT, HOLD, DUA)
    no = signed(ROOT, HOLD, replace(ADA, verdict=Verdict.REFUSE))
    result = counted(root, HOLD, [yes, no, dua])
    assert result.counts == {"halden_reviewer": 0, "northmark_commander": 1, "northmark_duty_officer": 0}
    assert len(result.ignored) == 2
    assert result.refused == ()


def test_one_statement_given_twice_is_one() -> None:
    """A document that is on file twice is consumed once and counted once."""
    approval = signed(ROOT, HOLD, ADA)
    result = counted(ROOT, HOLD, [approval, approval])
    assert len(result.counted) == 1


def test_one_person_counts_in_one_role_which_does_not_depend_on_the_signatures() -> None:
    """cem is commander and duty officer. Both have two people: the first by name is his."""
    assigned = counting_roles(ROOT, workload=WORKLOAD, roles=ROLES, requesters=(), now=NOW)
    assert assigned["cem"] == "northmark_commander"
    other = signed(ROOT, HOLD, replace(CEM, role="northmark_duty_officer"))
    result = counted(ROOT, HOLD, [other], requesters=())
    assert set(result.counts.values()) == {0}
    assert "sign as `northmark_commander`" in result.ignored[0].reason


def test_a_person_counts_where_people_are_rare() -> None:
    """Without eva only cem is left as duty officer, so that is his role, and dua is commander."""
    assigned = counting_roles(ROOT, workload=WORKLOAD, roles=ROLES, requesters={"eva"}, now=NOW)
    assert (assigned["cem"], assigned["dua"]) == ("northmark_duty_officer", "northmark_commander")


def test_a_role_that_the_trust_root_does_not_name_has_nobody() -> None:
    """A bundle may ask for a role that nobody holds: then nobody can approve, and nothing breaks."""
    assert possible_approvers(ROOT, ("nobody",), (), workload=WORKLOAD, now=NOW) == {"nobody": 0}


def test_who_asked_cannot_sign() -> None:
    """The tool says so before the gateway would."""
    with pytest.raises(TrustError, match="eva"):
        signed(ROOT, HOLD, Signing(person="eva", role="northmark_duty_officer"))


def test_nobody_signs_for_an_expired_hold_or_past_its_end() -> None:
    """An approval ends with its hold at the latest."""
    with pytest.raises(ExpiredError):
        signed(ROOT, HOLD, replace(ADA, at=NOW + timedelta(hours=1)))
    long = signed(ROOT, HOLD, replace(ADA, made={"valid_until": NOW + timedelta(days=9)}))
    assert long.validity.valid_until == HOLD.expires_at


def test_nobody_signs_content_that_is_not_the_holds() -> None:
    """What was shown is what is signed."""
    with pytest.raises(MalformedError):
        signed(ROOT, HOLD, ADA, held_content(arguments={"target": "T-115"}))


def changed_statement(name: str = WORKLOAD, drop: str = "", **changed: object):
    """ada's approval with something else in it, signed by ada all the same."""
    made = make_approval(
        HOLD,
        held_content(),
        role="halden_reviewer",
        person="ada",
        verdict=Verdict.APPROVE,
        now=NOW,
        basis="inspected",
        interest="party",
    )
    content = {
        key: value for key, value in {**made.content, **changed}.items() if key not in (drop, "descriptor")
    }
    statement = make_statement(
        "approval",
        name,
        changed.get("descriptor", made.descriptor),  # type: ignore[arg-type]
        content,
        seq=1,
        valid_from=NOW,
        valid_until=NOW + timedelta(minutes=5),
        basis="inspected",
        interest="party",
    )
    line = encode_envelope(sign_envelope(statement.payload, key_of("ada")))
    return verify_statement([line], ROOT, now=NOW)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"drop": "facts_sha256"}, MalformedError),
        ({"note": "and more"}, MalformedError),
        ({"clauses": []}, MalformedError),
        ({"clauses": "RL-2"}, MalformedError),
        ({"clauses": ["RL-2", "RL-2"]}, MalformedError),
        ({"clauses": ["RL-2", 2]}, MalformedError),
        ({"bundle": "b" * 63}, MalformedError),
        ({"facts_sha256": "F" * 64}, MalformedError),
        ({"decision": "maybe"}, MalformedError),
        ({"decision": True}, MalformedError),
        ({"role": ""}, MalformedError),
        ({"hold": "h_1"}, MalformedError),
        ({"descriptor": {"action": "call"}}, MalformedError),
        ({"name": "northmark/office"}, SubjectError),
    ],
    ids=str,
)
def test_an_approval_of_another_form_is_refused_whoever_signed_it(change: dict, error: type) -> None:
    """What this version doesn't read it doesn't count, and says why."""
    verified = changed_statement(**change)
    with pytest.raises(error):
        parse_approval(verified)
    result = counted(ROOT, HOLD, [verified])
    assert set(result.counts.values()) == {0}
    assert len(result.ignored) == 1


def test_another_predicate_is_no_approval() -> None:
    """A statement of another kind never counts."""
    with pytest.raises(PayloadTypeError):
        parse_approval(replace(signed(ROOT, HOLD, ADA), kind="purpose"))


def test_what_we_make_matches_the_published_schema() -> None:
    """The JSON Schema and the parser accept what `make_approval` makes, and refuse the same deviations."""
    predicate = dict(signed(ROOT, HOLD, ADA).predicate)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(predicate)
    for change in ({"clauses": []}, {"decision": "maybe"}, {"bundle": "b"}, {"more": 1}, {"role": ""}):
        assert not validator.is_valid({**predicate, **change})
    for name in predicate:
        assert not validator.is_valid({key: value for key, value in predicate.items() if key != name})


PEOPLE = sorted({person for persons in ROLE_PERSONS.values() for person in persons})
ONE_APPROVAL = st.builds(
    Signing,
    person=st.sampled_from(PEOPLE),
    role=st.sampled_from(ROLES),
    verdict=st.sampled_from([Verdict.APPROVE] * 6 + [Verdict.REFUSE]),
    at=st.sampled_from([NOW, NOW + timedelta(seconds=20)]),
)
FREE = held(requesters=frozenset())
_KNOWN: dict[Signing, object] = {}


def approval_of(signing: Signing):
    """Signed by whom it names; made once, since signatures cost time."""
    key = repr(signing)
    if key not in _KNOWN:
        try:
            _KNOWN[key] = signed(ROOT, FREE, signing)
        except RoleError:
            _KNOWN[key] = None
    return _KNOWN[key]


@given(
    signings=st.lists(ONE_APPROVAL, max_size=8),
    requesters=st.sets(st.sampled_from(PEOPLE), max_size=2),
    used=st.sets(st.integers(0, 7), max_size=2),
    data=st.data(),
)
@settings(max_examples=300, deadline=None)
def test_counting_is_monotone_bounded_and_one_per_person(
    signings: list[Signing], requesters: set[str], used: set[int], data: st.DataObject
) -> None:
    """Removing an approval never raises a count; no count exceeds who could approve; nobody counts twice."""
    approvals = [each for each in map(approval_of, signings) if each is not None]
    consumed = {approvals[index].sha256 for index in used if index < len(approvals)}
    given = {"requesters": frozenset(requesters), "consumed": consumed}
    all_of_them = counted(ROOT, FREE, approvals, **given)

    yes = [each for each in approvals if parse_approval(each).verdict is Verdict.APPROVE]
    if yes:
        gone = data.draw(st.sampled_from(yes))
        fewer = counted(ROOT, FREE, [each for each in approvals if each is not gone], **given)
        assert all(fewer.counts[role] <= all_of_them.counts[role] for role in ROLES)

    possible = possible_approvers(ROOT, ROLES, requesters, workload=WORKLOAD, now=NOW)
    assert all(all_of_them.counts[role] <= possible[role] for role in ROLES)
    people = {each.person for each in all_of_them.counted}
    assert sum(all_of_them.counts.values()) == len(people)
    assert not people & requesters
    assert not {each.sha256 for each in all_of_them.counted} & consumed
    assert counted(ROOT, FREE, list(reversed(approvals)), **given).counts == all_of_them.counts


@given(requesters=st.sets(st.sampled_from(PEOPLE), max_size=4))
@settings(max_examples=40, deadline=None)
def test_what_is_possible_can_be_reached(requesters: set[str]) -> None:
    """If everybody signs in the role that counts, every role reaches exactly its possible count."""
    assigned = counting_roles(ROOT, workload=WORKLOAD, roles=ROLES, requesters=requesters, now=NOW)
    approvals = [approval_of(Signing(person=person, role=role)) for person, role in assigned.items()]
    result = counted(ROOT, FREE, approvals, requesters=frozenset(requesters))
    assert result.counts == possible_approvers(ROOT, ROLES, requesters, workload=WORKLOAD, now=NOW)
